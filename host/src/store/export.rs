//! A journal out of its engine into one file, and out of a file into another engine. No host runs on either side
//! meanwhile: what it went on with would be done by both.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

use super::backup::unfinished;
use super::care::CareError;
use super::exported::{Export, Head, Import, Looked};
use super::restore::{self, REPLACED, UNFINISHED};
use super::seal::{Seal, copy_key, sync_folder_of};
use super::sqlite::{schema, tables};
use super::tables::Counts;
use super::{OpenError, Settings, lock, make, rotation};
use crate::ports::World;

/// A file with all that a journal holds.
#[derive(Debug)]
pub struct Exported {
    pub file: PathBuf,
    pub bytes: u64,
    /// Which key its values are sealed with.
    pub key: String,
    pub counts: Counts,
}

/// Writes all that a journal holds into a new file.
///
/// # Errors
/// When a host runs on it, it cannot be read, or the file cannot be written. Nothing is left of the file then.
pub async fn export(settings: &Settings, world: Arc<dyn World>, to: &Path) -> Result<Exported, CareError> {
    let part = unfinished(to);
    for path in [to, &part] {
        if path.exists() {
            return Err(CareError::There(path.to_owned()));
        }
    }
    let written = write(settings, world, &part).await.and_then(|counts| {
        std::fs::rename(&part, to).and_then(|()| sync_folder_of(to)).map_err(CareError::write(to))?;
        Ok(counts)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    let counts = written?;
    let key = Import::begin(to)?.head().key.clone();
    let bytes = std::fs::metadata(to).map_or(0, |file| file.len());
    Ok(Exported { file: to.to_owned(), bytes, key, counts })
}

async fn write(settings: &Settings, world: Arc<dyn World>, to: &Path) -> Result<Counts, CareError> {
    let directory = &settings.directory;
    if let Some(postgres) = &settings.postgres {
        make(directory).map_err(CareError::write(directory))?;
        let _lock = lock(directory)?;
        let alone = postgres.alone(world).await?;
        if !alone.stands().await? {
            return Err(OpenError::NoJournal(settings.place().into()).into());
        }
        return alone.opened().await?.export(to).await;
    }
    let (database, key) = (settings.database(), settings.key());
    if !database.exists() || !key.exists() {
        return Err(OpenError::NoJournal(directory.clone()).into());
    }
    let _lock = lock(directory)?;
    if directory.join(restore::RESTORED).exists() {
        return Err(OpenError::HalfRestored(directory.clone()).into());
    }
    if directory.join(rotation::NEXT_KEY).exists() {
        return Err(OpenError::HalfRotated(directory.clone()).into());
    }
    let (connection, seal) = schema::open(&database, Seal::from_file(&key)?)?;
    let mut export = Export::begin(to, &Head::new(schema::VERSION, seal.key_id()))?;
    tables::write_to(&mut export, &connection, &failed(&database))?;
    export.end()
}

/// Reads all of a file into a journal that is empty, or into a directory where none is.
///
/// # Errors
/// When a host runs there, something stands there, the file is not whole, or it is sealed with another key. No journal
/// is there then, and what was there before stays.
pub async fn import(
    settings: &Settings,
    world: Arc<dyn World>,
    from: &Path,
    key: Option<&Path>,
) -> Result<Counts, CareError> {
    known_version(Import::begin(from)?.head(), from)?;
    let looked = Import::look_through(from)?;
    let head = &looked.head;
    let directory = &settings.directory;
    make(directory).map_err(CareError::write(directory))?;
    let _lock = lock(directory)?;
    let Some(postgres) = &settings.postgres else {
        into_directory(settings, &looked, from, key)?;
        return Ok(looked.counts);
    };
    let given = postgres.key_id().unwrap_or_default();
    if given != head.key {
        return Err(other_key(from, head, &format!("`journal.postgres.key` is {given}")));
    }
    let alone = postgres.alone(world).await?.opened().await?;
    if !alone.import(from, &looked).await? {
        return Err(CareError::Holds(settings.place()));
    }
    Ok(looked.counts)
}

fn known_version(head: &Head, from: &Path) -> Result<(), OpenError> {
    let (path, found, known) = (from.to_owned(), head.version, schema::VERSION);
    match found {
        _ if found > known => Err(OpenError::Newer { path, found, known }),
        _ if found < known => Err(OpenError::Older { path, found, known }),
        _ => Ok(()),
    }
}

fn other_key(from: &Path, head: &Head, instead: &str) -> CareError {
    CareError::OtherKey { from: from.to_owned(), wanted: head.key.clone(), instead: instead.to_owned() }
}

/// It has its name, and its key beside it, once all of it is there. One that ended between the two is done again.
fn into_directory(
    settings: &Settings,
    looked: &Looked,
    from: &Path,
    key: Option<&Path>,
) -> Result<(), CareError> {
    let (directory, own_key) = (&settings.directory, settings.key());
    if REPLACED.iter().chain(&[restore::RESTORED]).any(|name| directory.join(name).exists()) {
        return Err(CareError::Holds(settings.place()));
    }
    let (seal, given) = key_of(&looked.head, from, key, &own_key)?;
    let part = directory.join(UNFINISHED);
    let filled = fill(&part, seal, from, looked).and_then(|()| {
        restore::give(directory, &part)?;
        if let Some(given) = given {
            copy_key(given, &own_key).map_err(CareError::write(&own_key))?;
        }
        restore::give(directory, &own_key)?;
        let database = settings.database();
        let named = std::fs::rename(&part, &database).and_then(|()| sync_folder_of(&database));
        named.map_err(CareError::write(&database))
    });
    if filled.is_err() {
        remove(&part);
    }
    filled
}

/// The key that the file is sealed with, and its file, if that is still to be copied. None is ever written over: it may
/// be the only one that opens a backup.
fn key_of<'a>(
    head: &Head,
    from: &Path,
    key: Option<&'a Path>,
    own_key: &Path,
) -> Result<(Seal, Option<&'a Path>), CareError> {
    let own = Seal::read(own_key)?;
    let path = key.unwrap_or(own_key);
    let seal = match Seal::read(path)? {
        Some(seal) if seal.key_id() == head.key => seal,
        Some(seal) => {
            return Err(other_key(from, head, &format!("{} is {}", path.display(), seal.key_id())));
        }
        None => return Err(other_key(from, head, &format!("{} is not there", path.display()))),
    };
    match own.map(|own| own.key_id()) {
        Some(found) if found != head.key => Err(CareError::KeyThere {
            there: own_key.to_owned(),
            found,
            from: from.to_owned(),
            wanted: head.key.clone(),
        }),
        Some(_) => Ok((seal, None)),
        None => Ok((seal, key)),
    }
}

fn fill(part: &Path, seal: Seal, from: &Path, looked: &Looked) -> Result<(), CareError> {
    // One that was killed left it.
    remove(part);
    let (mut connection, _) = schema::open(part, seal)?;
    let failed = failed(part);
    let filling = connection.transaction().map_err(&failed)?;
    tables::read_from(&mut Import::again(from, looked)?, &filling, &failed)?;
    filling.commit().map_err(&failed)?;
    fold(&connection).map_err(&failed)
}

/// Or half of it would be left behind under the other name.
fn fold(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
}

fn remove(part: &Path) {
    for beside in ["", "-wal", "-shm"] {
        let mut name = part.as_os_str().to_owned();
        name.push(beside);
        let _ = std::fs::remove_file(name);
    }
}

fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> CareError + use<> {
    let path = path.to_owned();
    move |source| OpenError::Sqlite { path: path.clone(), source }.into()
}
