//! Another key for the journal, while no host runs.
//!
//! The file of the next key says that a change is under way: nobody serves until it is gone, and whoever
//! begins again goes on where the one before was stopped.

use std::path::Path;

use super::seal::{Seal, make_key, replace_key};
use super::sqlite::rotate;
use super::{OpenError, Settings, lock};

/// Stands beside `journal.key` until all is sealed with it.
pub const NEXT_KEY: &str = "journal.key.next";

/// What came of a change of the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Values that were sealed anew, this time.
    pub sealed: usize,
    /// Values that could not be read, and stay as they are.
    pub unreadable: usize,
    /// False: it was stopped before its end.
    pub finished: bool,
}

/// Seals all that the journal holds with a new key, and removes the old one. With `batches` it stops after so
/// many transactions, as if it had been killed.
///
/// # Errors
/// When a host runs on the journal, or the journal or its keys cannot be used. What was done stands.
pub fn rotate_key(settings: &Settings, batches: Option<usize>) -> Result<Rotated, OpenError> {
    let directory = &settings.directory;
    let (database, key) = (settings.database(), settings.key());
    if !database.exists() || !key.exists() {
        return Err(OpenError::NoJournal(directory.clone()));
    }
    let _lock = lock(directory)?;
    let next_key = directory.join(NEXT_KEY);
    let failed = |source: std::io::Error| OpenError::Key { path: next_key.clone(), why: source.to_string() };
    let old = Seal::from_file(&key)?;
    let new = if next_key.exists() { Seal::from_file(&next_key)? } else { make_next(&next_key)? };
    let rotated = rotate::rotate(&database, &old, &new, batches)?;
    if rotated.finished {
        replace_key(&key, &next_key).map_err(failed)?;
    }
    Ok(rotated)
}

fn make_next(path: &Path) -> Result<Seal, OpenError> {
    make_key(path).map_err(|error| OpenError::Key { path: path.to_owned(), why: error.to_string() })
}
