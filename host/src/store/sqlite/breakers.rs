//! What holds the groups' requests back.

use rusqlite::{Connection, params};

use super::sql;
use crate::domain::Group;
use crate::ports::JournalError;

pub fn read(connection: &Connection) -> Result<Vec<(Group, Vec<u8>)>, JournalError> {
    connection
        .prepare_cached("SELECT grp, state FROM breaker")
        .and_then(|mut select| select.query_map([], |row| Ok((Group(row.get(0)?), row.get(1)?)))?.collect())
        .map_err(sql)
}

pub fn keep(connection: &Connection, group: &Group, state: &[u8]) -> Result<(), JournalError> {
    connection
        .prepare_cached(
            "INSERT INTO breaker (grp, state) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET state = excluded.state",
        )
        .and_then(|mut insert| insert.execute(params![group.0, state]))
        .map_err(sql)?;
    Ok(())
}
