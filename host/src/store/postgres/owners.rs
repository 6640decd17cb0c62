//! In whose name this process has leased lanes, beside the marks in its directory: whoever starts there next knows
//! that they are no more, for the directory is locked for him, and need not wait until their leases have run out.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

pub struct Owners {
    file: Mutex<(File, BTreeSet<String>)>,
    /// The first line.
    place: String,
}

impl Owners {
    /// With those who are no more. In a copy of a directory nobody knows that of any: whoever is named there may
    /// live in the other one.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<String>)> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let folder = std::fs::metadata(path.parent().unwrap_or(path))?;
        let place = format!("in {} {}", folder.dev(), folder.ino());
        let mut lines = text.lines();
        let is_here = lines.next() == Some(&place);
        let gone = if is_here { lines.map(str::to_owned).collect() } else { Vec::new() };
        let file = File::options().create(true).append(true).open(path)?;
        Ok((Self { file: Mutex::new((file, BTreeSet::new())), place }, gone))
    }

    /// Nothing is theirs any more.
    pub fn begin(&self) -> io::Result<()> {
        let file = &mut self.file.lock().unwrap_or_else(PoisonError::into_inner).0;
        file.set_len(0)?;
        file.write_all(format!("{}\n", self.place).as_bytes())
    }

    /// Before the first lease in that name. Should it not be written, its leases run out.
    pub fn note(&self, owner: &str) {
        let mut inner = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, known) = &mut *inner;
        if known.insert(owner.to_owned())
            && let Err(error) = file.write_all(format!("{owner}\n").as_bytes())
        {
            tracing::warn!(%error, "a next start will wait until the leases of this one have run out");
        }
    }
}
