//! Makes a copy of a journal while a host runs on it.
//!
//! It is one file that is whole by itself, read to its end before it has its name. The key is not in it: whoever
//! finds the copy must not be able to read it.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::care::CareError;
use super::seal::{Seal, copy_key, sync_folder_of};
use super::sqlite::copy::{self, Contents};
use super::sqlite::inspect;
use super::verify::Report;
use super::{OpenError, Settings, rotation};

/// A copy, and what it holds.
#[derive(Debug)]
pub struct BackedUp {
    pub file: PathBuf,
    pub bytes: u64,
    pub contents: Contents,
    /// The key's own copy beside it, when it was asked for.
    pub key_file: Option<PathBuf>,
}

/// Where the key of a copy lies when it lies beside it.
pub fn key_beside(file: &Path) -> PathBuf {
    file.with_extension("key")
}

/// Copies the journal of that directory into a new file.
///
/// # Errors
/// When there is no journal, it is damaged, or the copy cannot be written. Nothing is left of the copy then.
pub fn backup(settings: &Settings, to: &Path, with_key: bool) -> Result<BackedUp, CareError> {
    let directory = &settings.directory;
    let (database, key) = (settings.database(), settings.key());
    let key_file = with_key.then(|| key_beside(to));
    let unfinished = unfinished(to);
    for path in [Some(to), Some(&unfinished), key_file.as_deref()].into_iter().flatten() {
        if path.exists() {
            return Err(CareError::There(path.to_owned()));
        }
    }
    if !database.exists() {
        return Err(OpenError::NoJournal(directory.clone()).into());
    }
    let made = copy_of(&database, &unfinished).and_then(|contents| {
        // Its values would be sealed with two keys.
        if directory.join(rotation::NEXT_KEY).exists() {
            return Err(OpenError::HalfRotated(directory.clone()).into());
        }
        if let Some(key_file) = &key_file {
            fits(&key, &contents)?;
            copy_key(&key, key_file).map_err(CareError::write(key_file))?;
        }
        std::fs::rename(&unfinished, to).map_err(CareError::write(to))?;
        sync_folder_of(to).map_err(CareError::write(to))?;
        Ok(contents)
    });
    if made.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    let bytes = std::fs::metadata(to).map_or(0, |file| file.len());
    Ok(BackedUp { file: to.to_owned(), bytes, contents: made?, key_file })
}

/// The name that a copy has until it is whole.
pub fn unfinished(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// A copy in a file that nobody else may read, synced, and read to its end.
fn copy_of(database: &Path, to: &Path) -> Result<Contents, CareError> {
    let failed = |source| CareError::from(OpenError::Sqlite { path: database.to_owned(), source });
    let write = CareError::write(to);
    let file = File::options().create_new(true).write(true).mode(0o600).open(to).map_err(&write)?;
    copy::copy(database, to).map_err(failed)?;
    file.sync_all().map_err(&write)?;
    let mut report = Report { database: database.to_owned(), ..Report::default() };
    inspect::pages(to, &mut report).map_err(failed)?;
    if !report.is_sound() {
        return Err(CareError::Damaged(Box::new(report)));
    }
    copy::contents(to).map_err(failed)
}

fn fits(key: &Path, contents: &Contents) -> Result<(), OpenError> {
    let refused = |why: &str| OpenError::Key { path: key.to_owned(), why: why.to_owned() };
    match Seal::read(key)? {
        None => Err(refused("it is missing: there is nothing to copy")),
        Some(seal) if contents.key.as_deref() == Some(&seal.key_id()) => Ok(()),
        Some(_) => Err(refused("the journal is not sealed with it")),
    }
}
