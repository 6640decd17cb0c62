//! Opens the database as it must be, and brings it to this version.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension as _};

use super::super::OpenError;
use super::super::seal::{INDEX_PLACE, Index, Seal};
use super::numbers;
use crate::ports::JournalError;

/// One step a version, applied in order; `user_version` says which stand.
const MIGRATIONS: [&str; 11] = [
    include_str!("0001_journal.sql"),
    include_str!("0002_notifications.sql"),
    include_str!("0003_fan_outs.sql"),
    include_str!("0004_breakers.sql"),
    include_str!("0005_begun.sql"),
    include_str!("0006_downtime_and_parts.sql"),
    include_str!("0007_operators.sql"),
    include_str!("0008_retention.sql"),
    include_str!("0009_registrations.sql"),
    include_str!("0010_suspects.sql"),
    include_str!("0011_resync.sql"),
];

/// The one that this program writes.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// Before 3.51.3 a checkpoint by another connection could lose a commit.
const SQLITE_MIN: i32 = 3_051_003;

/// With the seal as this journal has it: the keys of its fingerprints are kept in it.
pub fn open(path: &Path, seal: Seal) -> Result<(Connection, Seal), OpenError> {
    let connection = prepared(path)?;
    same_key(&connection, path, &seal)?;
    let index = index(&connection, path, &seal)?;
    let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
    numbers::remember_once(&connection).map_err(failed)?;
    Ok((connection, seal.with_index(index)))
}

/// How far a change of the key has come.
pub enum Rotation {
    /// It is under way, from what these keys have made.
    Under(Index),
    /// The journal has the new key already.
    Done,
}

pub fn open_for_rotation(path: &Path, old: &Seal, new: &Seal) -> Result<(Connection, Rotation), OpenError> {
    let connection = prepared(path)?;
    if known_key(&connection, path)?.as_deref() == Some(&new.key_id()) {
        return Ok((connection, Rotation::Done));
    }
    same_key(&connection, path, old)?;
    let index = index(&connection, path, old)?;
    Ok((connection, Rotation::Under(index)))
}

/// From now on the journal is sealed with that key.
pub fn take_key(connection: &mut Connection, path: &Path, seal: &Seal) -> Result<(), OpenError> {
    let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let unwritten = |error: JournalError| unreadable(path, &error.to_string());
    let index = STANDARD.encode(seal.pack(INDEX_PLACE, seal.index()).map_err(unwritten)?);
    let taking = connection.transaction().map_err(failed)?;
    for (name, value) in [("key", seal.key_id()), ("index", index)] {
        taking
            .execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)", [name.to_owned(), value])
            .map_err(failed)?;
    }
    taking.commit().map_err(failed)
}

/// The keys of the fingerprints; of a journal whose key was never changed they are made of that key.
pub fn index(connection: &Connection, path: &Path, seal: &Seal) -> Result<Index, OpenError> {
    let stored: Option<String> = connection
        .query_row("SELECT value FROM meta WHERE name = 'index'", [], |row| row.get(0))
        .optional()
        .map_err(|source| OpenError::Sqlite { path: path.to_owned(), source })?;
    let Some(stored) = stored else { return Ok(seal.index().clone()) };
    Index::kept(&stored, seal).map_err(|why| unreadable(path, &why))
}

fn unreadable(path: &Path, why: &str) -> OpenError {
    OpenError::Key { path: path.with_file_name("journal.key"), why: format!("what it sealed: {why}") }
}

fn known_key(connection: &Connection, path: &Path) -> Result<Option<String>, OpenError> {
    connection
        .query_row("SELECT value FROM meta WHERE name = 'key'", [], |row| row.get(0))
        .optional()
        .map_err(|source| OpenError::Sqlite { path: path.to_owned(), source })
}

fn prepared(path: &Path) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(OpenError::UnsafeSqlite { found: rusqlite::version().to_owned() });
    }
    let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(failed)?;
    keep_plans(&connection).map_err(failed)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA mmap_size = 0; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;",
        )
        .map_err(failed)?;
    must_hold(&connection, path, "journal_mode", "wal")?;
    must_hold(&connection, path, "synchronous", "2")?;
    let version = version(&connection, path)?;
    write_again(&connection).map_err(failed)?;
    migrate(&mut connection, version).map_err(failed)?;
    keep_tally(&mut connection).map_err(failed)?;
    Ok(connection)
}

/// More statements than there are.
const STATEMENTS_KEPT: usize = 256;

/// A statement is planned once. Without the guarantee SQLite would plan most of them anew for every value that is
/// bound, to see whether another index fits better.
pub fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// A setting that SQLite did not take is found now, and not after a power cut.
fn must_hold(
    connection: &Connection,
    path: &Path,
    setting: &'static str,
    wanted: &str,
) -> Result<(), OpenError> {
    let found = connection
        .pragma_query_value(None, setting, |row| {
            let value: rusqlite::types::Value = row.get(0)?;
            Ok(match value {
                rusqlite::types::Value::Integer(number) => number.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => format!("{other:?}"),
            })
        })
        .map_err(|source| OpenError::Sqlite { path: path.to_owned(), source })?;
    if found == wanted {
        return Ok(());
    }
    Err(OpenError::Setting { path: path.to_owned(), setting, found })
}

/// Whether it is of this version: who only looks at a journal does not bring it there.
pub fn must_be_known(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    match version(connection, path)? {
        0 => Err(OpenError::Foreign(path.to_owned())),
        found if found < VERSION => Err(OpenError::Older { path: path.to_owned(), found, known: VERSION }),
        _ => Ok(()),
    }
}

fn version(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if found > VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    Ok(found)
}

/// Folds the log into the database. If the process before ended because a sync failed, what it had written is read here,
/// and is not on the disk: the kernel takes it for written, and no sync brings it there. Written once more, it is.
fn write_again(connection: &Connection) -> rusqlite::Result<()> {
    let held: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if held {
        tracing::warn!("another process reads the journal, so its write-ahead log was not folded in");
    }
    Ok(())
}

/// Brings a journal of an older version to this one, step by step.
fn migrate(connection: &mut Connection, from: i64) -> rusqlite::Result<()> {
    for (version, migration) in (1..).zip(MIGRATIONS).skip(usize::try_from(from).unwrap_or(0)) {
        let step = connection.transaction()?;
        step.execute_batch(migration)?;
        step.pragma_update(None, "user_version", version)?;
        step.commit()?;
    }
    Ok(())
}

/// The same for a copy that nobody has open; what is wrong with it is said of the original.
pub fn bring_forward(copy: &Path, original: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Sqlite { path: original.to_owned(), source };
    let mut connection = Connection::open(copy).map_err(failed)?;
    let from = version(&connection, original)?;
    if from == 0 {
        return Err(OpenError::Foreign(original.to_owned()));
    }
    migrate(&mut connection, from).map_err(failed)
}

/// From now on it is known how many there are of what only grows. A journal in which it was not is counted once.
fn keep_tally(connection: &mut Connection) -> rusqlite::Result<()> {
    let step = connection.transaction()?;
    let is_kept = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'tally')";
    if !step.query_row(is_kept, [], |row| row.get::<_, bool>(0))? {
        step.execute_batch(include_str!("tally.sql"))?;
    }
    step.commit()
}

/// A journal opened with another key could not read its own rows; better to hear it at once.
fn same_key(connection: &Connection, path: &Path, seal: &Seal) -> Result<(), OpenError> {
    let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
    connection
        .execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('key', ?1)", [seal.key_id()])
        .map_err(failed)?;
    let stored = known_key(connection, path)?.unwrap_or_default();
    if stored == seal.key_id() {
        return Ok(());
    }
    Err(OpenError::Key {
        path: path.with_file_name("journal.key"),
        why: format!(
            "the journal was sealed with the key {stored}, this one is {}: bring the right one back",
            seal.key_id()
        ),
    })
}
