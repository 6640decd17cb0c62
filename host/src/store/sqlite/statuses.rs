//! The outbox: what PortaBilling is to be told, the latest value of each account and service.

use rusqlite::{Connection, params};

use super::super::stored::StoredStatus;
use super::sql;
use crate::domain::{Group, IAccount, Timestamp};
use crate::ports::{JournalError, StatusUpdate};

/// What a group says from now on of an account in a service; written in the transaction of the change
/// that it tells of. Of several groups the worst word is told, and takes the place of whatever waits.
pub fn put(
    connection: &Connection,
    group: &Group,
    account: IAccount,
    service: &str,
    word: &str,
    said: &[u8],
    now: Timestamp,
) -> rusqlite::Result<()> {
    let i_account = account.0.cast_signed();
    connection
        .prepare_cached(
            "INSERT INTO status_part (i_account, service, grp, word, said, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET word = excluded.word, said = excluded.said, at = excluded.at",
        )?
        .execute(params![i_account, service, group.0, word, said, now.millis()])?;
    let (word, said): (String, Vec<u8>) = connection
        .prepare_cached(
            "SELECT word, said FROM status_part WHERE i_account = ?1 AND service = ?2
             ORDER BY CASE word WHEN 'FAILED' THEN 0 WHEN 'RETRY' THEN 1 WHEN 'IN_PROGRESS' THEN 2 ELSE 3 END,
                      at DESC LIMIT 1",
        )?
        .query_row(params![i_account, service], |row| Ok((row.get(0)?, row.get(1)?)))?;
    connection
        .prepare_cached(
            "INSERT INTO status (i_account, service, version, said, word, due) VALUES (?1, ?2, 1, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET version = version + 1, said = excluded.said, word = excluded.word,
                                       attempts = 0, due = excluded.due, given_up = 0,
                                       -- One that was not settled may have arrived: nobody knows what is told.
                                       told = CASE WHEN due IS NULL THEN told END",
        )?
        .execute(params![i_account, service, said, word, now.millis()])?;
    Ok(())
}

/// Groups that are no more have no word in anything.
pub fn forget_others(connection: &Connection, known: &[Group]) -> Result<usize, JournalError> {
    let known = serde_json::to_string(known).map_err(|error| JournalError::Failed(error.to_string()))?;
    connection
        .execute("DELETE FROM status_part WHERE grp NOT IN (SELECT value FROM json_each(?1))", [known])
        .map_err(sql)
}

pub fn due(connection: &Connection, now: Timestamp, most: usize) -> Result<Vec<StoredStatus>, JournalError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT i_account, service, version, said, told, attempts FROM status WHERE due <= ?1 ORDER BY due LIMIT ?2",
        )
        .and_then(|mut select| {
            select
                .query_map(params![now.millis(), most], |row| {
                    Ok(StoredStatus {
                        i_account: row.get(0)?,
                        service: row.get(1)?,
                        version: row.get(2)?,
                        said: row.get(3)?,
                        told: row.get(4)?,
                        attempts: row.get(5)?,
                    })
                })
                .and_then(Iterator::collect)
        })
        .map_err(sql)
}

/// What came meanwhile stays due.
pub fn settled(connection: &Connection, update: &StatusUpdate, taken: bool) -> Result<(), JournalError> {
    connection
        .prepare_cached(
            "UPDATE status SET due = NULL, attempts = 0, given_up = NOT ?4, told = CASE WHEN ?4 THEN said ELSE told END
             WHERE i_account = ?1 AND service = ?2 AND version = ?3",
        )
        .and_then(|mut change| {
            change.execute(params![
                update.i_account.0.cast_signed(),
                update.service.0,
                update.version.cast_signed(),
                taken
            ])
        })
        .map_err(sql)?;
    Ok(())
}

/// One that cannot be read is not told; the next word takes its place.
pub fn set_aside(connection: &Connection, i_account: i64, service: &str) -> Result<(), JournalError> {
    connection
        .prepare_cached("UPDATE status SET due = NULL, told = NULL WHERE i_account = ?1 AND service = ?2")
        .and_then(|mut change| change.execute(params![i_account, service]))
        .map_err(sql)?;
    Ok(())
}

pub fn later(connection: &Connection, update: &StatusUpdate, at: Timestamp) -> Result<(), JournalError> {
    connection
        .prepare_cached(
            "UPDATE status SET due = ?1, attempts = attempts + 1 WHERE i_account = ?2 AND service = ?3 AND version = ?4",
        )
        .and_then(|mut change| {
            change.execute(params![
                at.millis(),
                update.i_account.0.cast_signed(),
                update.service.0,
                update.version.cast_signed()
            ])
        })
        .map_err(sql)?;
    Ok(())
}
