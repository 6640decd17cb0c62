//! Another key for the journal, while no host runs.
//!
//! The file of the next key says that a change is under way: nobody serves until it is gone, and whoever
//! begins again goes on where the one before was stopped. A journal on PostgreSQL is sealed anew in one transaction,
//! with a key that somebody has made: there the key is no file of the journal's.

use std::path::Path;
use std::sync::Arc;

use super::postgres::{self, Refusal, SealingKey};
use super::seal::{Seal, key_of_text, make_key, read_private, replace_key};
use super::sqlite::rotate;
use super::{OpenError, Settings, lock, make};
use crate::ports::World;
use crate::secret::Secret;

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

/// The same of a journal on PostgreSQL, with the key whose text is in the file `next`. Until the configuration names that
/// one, no host begins.
///
/// # Errors
/// When a host works on the journal, or the journal or its keys cannot be used. All is sealed with the key that was there
/// then, or all with the new one.
pub async fn rotate_key_there(
    settings: &Settings,
    postgres: &postgres::Settings,
    world: Arc<dyn World>,
    next: &Path,
) -> Result<Rotated, OpenError> {
    let directory = &settings.directory;
    make(directory).map_err(|source| OpenError::Directory { path: directory.clone(), source })?;
    let _lock = lock(directory)?;
    let (key, new) = read_next(next)?;
    let alone = match postgres.alone(Arc::clone(&world)).await {
        // It was done before, to its end or nearly.
        Err(Refusal::Key { stored, .. }) if stored == new.key_id() => {
            postgres::Settings { key, ..postgres.clone() }.alone(world).await?
        }
        alone => alone?,
    };
    if !alone.stands().await? {
        return Err(OpenError::NoJournal(settings.place().into()));
    }
    Ok(alone.opened().await?.rotate(&new).await?)
}

fn read_next(path: &Path) -> Result<(SealingKey, Seal), OpenError> {
    let failed = |why: &str| OpenError::Key { path: path.to_owned(), why: why.to_owned() };
    let bytes = read_private(path)?.ok_or_else(|| failed("there is no such file"))?;
    let text = String::from_utf8(bytes).unwrap_or_default();
    let key = key_of_text(&text).ok_or_else(|| failed("a sealing key is 32 bytes in base64"))?;
    Ok((SealingKey(Secret::new(text.trim())), Seal::new(key)))
}

fn make_next(path: &Path) -> Result<Seal, OpenError> {
    make_key(path).map_err(|error| OpenError::Key { path: path.to_owned(), why: error.to_string() })
}
