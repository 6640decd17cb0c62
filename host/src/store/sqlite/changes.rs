//! What external systems changed of themselves: signals for which an operation is to begin.

use rusqlite::{Connection, params};

use super::super::stored::StoredChange;
use super::{lanes, sql};
use crate::domain::{Group, IAccount, QUIET, Timestamp};
use crate::ports::JournalError;

/// The account has nothing open, and we have not touched it for a while before that message came,
/// nor since.
pub fn is_quiet(
    connection: &Connection,
    group: &str,
    account: IAccount,
    received_at: Timestamp,
) -> Result<bool, JournalError> {
    if lanes::open_head(connection, group, account)?.is_some() {
        return Ok(false);
    }
    let since = (received_at - QUIET).millis();
    connection
        .prepare_cached(
            "SELECT NOT EXISTS (SELECT 1 FROM operation o JOIN lane l ON l.id = o.lane
                                WHERE l.grp = ?1 AND l.i_account = ?2 AND o.changed_at > ?3)
                AND NOT EXISTS (SELECT 1 FROM signal
                                WHERE grp = ?1 AND i_account = ?2 AND fate = 'begins')",
        )
        .and_then(|mut select| {
            select.query_row(params![group, account.0.cast_signed(), since], |row| row.get(0))
        })
        .map_err(sql)
}

pub fn to_begin(
    connection: &Connection,
    group: &Group,
    most: usize,
) -> Result<Vec<StoredChange>, JournalError> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(StoredChange {
            signal: row.get(0)?,
            notification: row.get(1)?,
            i_account: row.get(2)?,
            at: row.get(3)?,
            payload: row.get(4)?,
        })
    };
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT id, notification, i_account, at, payload FROM signal
             WHERE grp = ?1 AND fate = 'begins' ORDER BY id LIMIT ?2",
        )
        .and_then(|mut select| select.query_map(params![group.0, most], read)?.collect())
        .map_err(sql)
}

pub fn settle(connection: &Connection, signal: i64, fate: &str) -> Result<(), JournalError> {
    connection
        .prepare_cached("UPDATE signal SET fate = ?2 WHERE id = ?1 AND fate = 'begins'")
        .and_then(|mut update| update.execute(params![signal, fate]))
        .map_err(sql)?;
    Ok(())
}
