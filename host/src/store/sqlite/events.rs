//! Events, and the operations that they make.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::rows::OperationRow;
use super::super::written::{NewOperation, Taken, WorkRows, name_of, whose};
use super::{fan_outs, lanes, sql};
use crate::domain::{Event, Lane};
use crate::ports::{DeadLetter, JournalError};

pub fn accept(
    connection: &Connection,
    event: &Event,
    body: &[u8],
    work: &WorkRows,
) -> Result<Taken, JournalError> {
    let received_at = event.received_at.millis();
    let new = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO event (identity, name, i_account, i_customer, received_at, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut insert| {
            let (i_account, i_customer) = whose(event);
            insert.execute(params![
                event.identity.0,
                name_of(event),
                i_account,
                i_customer,
                received_at,
                body
            ])
        })
        .map_err(sql)?;
    if new == 0 {
        return if is_the_same(connection, event)? { Ok(Taken::Known) } else { Ok(Taken::OfAnother) };
    }
    match work {
        WorkRows::Operations(rows) => {
            for operation in rows {
                insert_operation(connection, event, operation)?;
            }
        }
        WorkRows::FanOut(groups) => fan_outs::begin(connection, event, groups)?,
    }
    Ok(Taken::New)
}

/// Writes an operation behind the others of its lane, and gives it the signals that wait for it.
pub fn insert_operation(
    connection: &Connection,
    event: &Event,
    NewOperation { lane, of_account, row }: &NewOperation,
) -> Result<(), JournalError> {
    let lane_id = lane_id(connection, lane)?;
    insert_row(connection, lane_id, event, row).map_err(sql)?;
    let seq = connection.last_insert_rowid();
    lanes::claim_kept_signals(connection, &lane.group, of_account, seq)?;
    lanes::settle(connection, lane_id, event.received_at.millis())
}

/// Numbers of events come again after PortaBilling was restored from a copy.
fn is_the_same(connection: &Connection, event: &Event) -> Result<bool, JournalError> {
    connection
        .prepare_cached(
            "SELECT name = ?2 AND i_account IS ?3 AND i_customer IS ?4 FROM event WHERE identity = ?1",
        )
        .and_then(|mut select| {
            let (i_account, i_customer) = whose(event);
            select
                .query_row(params![event.identity.0, name_of(event), i_account, i_customer], |row| row.get(0))
        })
        .map_err(sql)
}

fn insert_row(connection: &Connection, lane: i64, event: &Event, row: &OperationRow) -> rusqlite::Result<()> {
    let received_at = event.received_at.millis();
    connection
        .prepare_cached(
            "INSERT INTO operation (id, lane, event, stage, word, open, gives_way, compare_at, due, received_at, changed_at,
                                    laid_down, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?9, ?10, ?11)",
        )?
        .execute(params![
            row.id,
            lane,
            event.identity.0,
            row.stage,
            row.word,
            row.open,
            row.gives_way,
            row.due,
            received_at,
            row.laid_down,
            row.state
        ])?;
    Ok(())
}

fn lane_id(connection: &Connection, lane: &Lane) -> Result<i64, JournalError> {
    let i_account = lane.i_account.0.cast_signed();
    let known = connection
        .prepare_cached("SELECT id FROM lane WHERE grp = ?1 AND i_account = ?2")
        .and_then(|mut select| {
            select.query_row(params![lane.group.0, i_account], |row| row.get(0)).optional()
        })
        .map_err(sql)?;
    if let Some(id) = known {
        return Ok(id);
    }
    connection
        .prepare_cached("INSERT INTO lane (grp, i_account) VALUES (?1, ?2)")
        .and_then(|mut insert| insert.insert(params![lane.group.0, i_account]))
        .map_err(sql)
}

pub fn keep_dead_letter(
    connection: &Connection,
    letter: &DeadLetter,
    body: &[u8],
) -> Result<(), JournalError> {
    connection
        .prepare_cached(
            "INSERT INTO dead_letter (id, at, why, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO NOTHING",
        )
        .and_then(|mut insert| insert.execute(params![letter.id, letter.at.millis(), letter.why, body]))
        .map_err(sql)?;
    Ok(())
}
