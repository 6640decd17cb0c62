//! Opens the database as it must be, and brings it to this version.

use std::path::Path;

use rusqlite::Connection;

use super::super::OpenError;
use super::super::seal::Seal;

/// One step a version, applied in order; `user_version` says which stand.
const MIGRATIONS: [&str; 8] = [
    include_str!("0001_journal.sql"),
    include_str!("0002_notifications.sql"),
    include_str!("0003_fan_outs.sql"),
    include_str!("0004_breakers.sql"),
    include_str!("0005_begun.sql"),
    include_str!("0006_downtime_and_parts.sql"),
    include_str!("0007_operators.sql"),
    include_str!("0008_retention.sql"),
];

/// Before 3.51.3 a checkpoint by another connection could lose a commit.
const SQLITE_MIN: i32 = 3_051_003;

pub fn open(path: &Path, seal: &Seal) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(OpenError::UnsafeSqlite { found: rusqlite::version().to_owned() });
    }
    let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA mmap_size = 0; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;",
        )
        .map_err(failed)?;
    must_hold(&connection, path, "journal_mode", "wal")?;
    must_hold(&connection, path, "synchronous", "2")?;
    migrate(&mut connection, path)?;
    same_key(&connection, path, seal)?;
    Ok(connection)
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

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    for (version, migration) in (1..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(0)) {
        let step = connection.transaction().map_err(failed)?;
        step.execute_batch(migration).map_err(failed)?;
        step.pragma_update(None, "user_version", version).map_err(failed)?;
        step.commit().map_err(failed)?;
    }
    Ok(())
}

/// A journal opened with another key could not read its own rows; better to hear it at once.
fn same_key(connection: &Connection, path: &Path, seal: &Seal) -> Result<(), OpenError> {
    let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
    connection
        .execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('key', ?1)", [seal.key_id()])
        .map_err(failed)?;
    let stored: String = connection
        .query_row("SELECT value FROM meta WHERE name = 'key'", [], |row| row.get(0))
        .map_err(failed)?;
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
