//! Events of customers on their way to the accounts.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::stored::StoredFanOut;
use super::super::written::Made;
use super::{events, sql};
use crate::domain::{Event, FanOut, Group, IAccount, Lane, Reached, Timestamp};
use crate::ports::JournalError;

pub fn begin(connection: &Connection, event: &Event, groups: &[Group]) -> Result<(), JournalError> {
    let names: Vec<&str> = groups.iter().map(|group| group.0.as_str()).collect();
    let groups = serde_json::to_string(&names).map_err(|error| JournalError::Failed(error.to_string()))?;
    connection
        .prepare_cached("INSERT INTO fan_out (event, grps, due) VALUES (?1, ?2, ?3)")
        .and_then(|mut insert| insert.execute(params![event.identity.0, groups, event.received_at.millis()]))
        .map_err(sql)?;
    Ok(())
}

pub fn due(connection: &Connection, now: Timestamp, most: usize) -> Result<Vec<StoredFanOut>, JournalError> {
    let read = |row: &rusqlite::Row<'_>| {
        let last: Option<i64> = row.get(4)?;
        let reached = Reached {
            position: row.get::<_, i64>(3)?.cast_unsigned(),
            last: last.map(|number| IAccount(number.cast_unsigned())),
        };
        Ok(StoredFanOut {
            event: row.get(0)?,
            body: row.get(1)?,
            groups: row.get(2)?,
            reached,
            attempts: row.get(5)?,
            due: Timestamp::from_millis(row.get(6)?),
        })
    };
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT f.event, e.body, f.grps, f.position, f.last, f.attempts, f.due
             FROM fan_out f JOIN event e ON e.identity = f.event
             WHERE f.due <= ?1 ORDER BY f.due LIMIT ?2",
        )
        .and_then(|mut select| select.query_map(params![now.millis(), most], read)?.collect())
        .map_err(sql)
}

/// Writes what a page made, if the fan-out still stands where it was read.
pub fn go_on(
    connection: &Connection,
    from: &FanOut,
    made: &[Made],
    to: Option<&FanOut>,
) -> Result<usize, JournalError> {
    step(connection, from, to)?;
    let mut new = 0;
    for Made { new: operation, closed } in made {
        if is_wanted(connection, &operation.lane, &from.event, *closed)? {
            events::insert_operation(connection, &from.event, operation)?;
            new += 1;
        }
    }
    Ok(new)
}

fn step(connection: &Connection, from: &FanOut, to: Option<&FanOut>) -> Result<(), JournalError> {
    let last = |reached: Reached| reached.last.map(|account| account.0.cast_signed());
    let reached = to.map_or(from.reached, |to| to.reached);
    let changed = connection
        .prepare_cached(
            "UPDATE fan_out SET position = ?4, last = ?5, attempts = ?6, due = ?7
             WHERE event = ?1 AND position = ?2 AND last IS ?3 AND due IS NOT NULL",
        )
        .and_then(|mut update| {
            update.execute(params![
                from.event.identity.0,
                from.reached.position.cast_signed(),
                last(from.reached),
                reached.position.cast_signed(),
                last(reached),
                to.map_or(0, |to| to.attempts),
                to.map(|to| to.due.millis()),
            ])
        })
        .map_err(sql)?;
    if changed == 0 { Err(JournalError::LeaseLost) } else { Ok(()) }
}

/// A lane gets one operation of an event. What is closed is of interest only while something of it
/// stands, or an operation is open that could leave something.
fn is_wanted(
    connection: &Connection,
    lane: &Lane,
    event: &Event,
    closed: bool,
) -> Result<bool, JournalError> {
    let stands: Option<(bool, bool)> = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM operation o WHERE o.lane = l.id AND o.event = ?3),
                    l.applied IS NOT NULL OR EXISTS (SELECT 1 FROM operation o WHERE o.lane = l.id AND o.open = 1)
             FROM lane l WHERE l.grp = ?1 AND l.i_account = ?2",
        )
        .and_then(|mut select| {
            let lane = params![lane.group.0, lane.i_account.0.cast_signed(), event.identity.0];
            select.query_row(lane, |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .map_err(sql)?;
    let (has_one, stands) = stands.unwrap_or_default();
    Ok(!has_one && (!closed || stands))
}

/// What cannot be read must not keep the others waiting.
pub fn set_aside(connection: &Connection, event: &str) -> Result<(), JournalError> {
    connection
        .prepare_cached("UPDATE fan_out SET due = NULL WHERE event = ?1")
        .and_then(|mut update| update.execute([event]))
        .map_err(sql)?;
    Ok(())
}
