//! In whose name this process has leased lanes, beside the marks in its directory: whoever starts there next knows
//! that they are no more, for the directory is locked for him, and need not wait until their leases have run out.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

pub struct Owners(Mutex<(File, BTreeSet<String>)>);

impl Owners {
    /// With those who are no more.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<String>)> {
        let gone = match std::fs::read_to_string(path) {
            Ok(text) => text.lines().map(str::to_owned).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let file = File::options().create(true).append(true).open(path)?;
        Ok((Self(Mutex::new((file, BTreeSet::new()))), gone))
    }

    /// Nothing is theirs any more.
    pub fn begin(&self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.set_len(0)
    }

    /// Before the first lease in that name. Should it not be written, its leases run out.
    pub fn note(&self, owner: &str) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, known) = &mut *inner;
        if known.insert(owner.to_owned())
            && let Err(error) = file.write_all(format!("{owner}\n").as_bytes())
        {
            tracing::warn!(%error, "a next start will wait until the leases of this one have run out");
        }
    }
}
