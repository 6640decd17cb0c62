//! When a host last ran.

use rusqlite::{Connection, OptionalExtension as _};

use super::sql;
use crate::domain::Timestamp;
use crate::ports::JournalError;

pub fn last(connection: &Connection) -> Result<Option<Timestamp>, JournalError> {
    let last = connection
        .prepare_cached("SELECT value FROM meta WHERE name = 'alive'")
        .and_then(|mut select| select.query_row([], |row| row.get::<_, String>(0)).optional())
        .map_err(sql)?;
    Ok(last.and_then(|millis| millis.parse().ok()).map(Timestamp::from_millis))
}

pub fn tell(connection: &Connection, now: Timestamp) -> Result<(), JournalError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES ('alive', ?1)")
        .and_then(|mut insert| insert.execute([now.millis().to_string()]))
        .map(drop)
        .map_err(sql)
}

/// Writes a page, which is written only if it becomes another one.
pub fn ping(connection: &Connection) -> Result<(), JournalError> {
    connection
        .prepare_cached(
            "INSERT INTO meta (name, value) VALUES ('ping', '0')
             ON CONFLICT DO UPDATE SET value = CASE value WHEN '0' THEN '1' ELSE '0' END",
        )
        .and_then(|mut put| put.execute([]))
        .map(drop)
        .map_err(sql)
}
