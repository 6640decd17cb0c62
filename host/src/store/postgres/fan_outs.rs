//! Events of customers on their way to the accounts.

use tokio_postgres::Row;

use super::super::stored::StoredFanOut;
use super::super::written::Made;
use super::connection::{Connection, Failure};
use super::events;
use super::lanes::{count, hold_of};
use crate::domain::{Event, FanOut, Group, IAccount, Lane, Reached, Timestamp};
use crate::ports::JournalError;

pub async fn begin(on: &Connection, event: &Event, groups: &[Group]) -> Result<(), Failure> {
    let names: Vec<&str> = groups.iter().map(|group| group.0.as_str()).collect();
    let groups = serde_json::to_string(&names).map_err(|error| JournalError::Failed(error.to_string()))?;
    on.execute(
        "INSERT INTO fan_out (event, grps, due) VALUES ($1, $2, $3)",
        &[&event.identity.0, &groups, &event.received_at.millis()],
    )
    .await
    .map(drop)
}

pub async fn due(on: &Connection, now: Timestamp, most: usize) -> Result<Vec<StoredFanOut>, Failure> {
    let read = |row: &Row| StoredFanOut {
        event: row.get(0),
        body: row.get(1),
        groups: row.get(2),
        reached: Reached {
            position: row.get::<_, i64>(3).cast_unsigned(),
            last: row.get::<_, Option<i64>>(4).map(|number| IAccount(number.cast_unsigned())),
        },
        attempts: row.get::<_, i32>(5).unsigned_abs(),
        due: Timestamp::from_millis(row.get(6)),
    };
    let rows = on
        .all(
            "SELECT f.event, e.body, f.grps, f.position, f.last, f.attempts, f.due
             FROM fan_out f JOIN event e ON e.identity = f.event
             WHERE f.due <= $1 ORDER BY f.due LIMIT $2",
            &[&now.millis(), &count(most)],
        )
        .await?;
    Ok(rows.iter().map(read).collect())
}

/// Writes what a page made, if the fan-out still stands where it was read.
pub async fn go_on(
    on: &Connection,
    from: &FanOut,
    made: &[Made],
    to: Option<&FanOut>,
) -> Result<usize, Failure> {
    step(on, from, to).await?;
    events::hold_accounts(on, made.iter().map(|made| &made.new)).await?;
    let mut new = 0;
    for Made { new: operation, closed } in made {
        if is_wanted(on, &operation.lane, &from.event, *closed).await? {
            events::insert_operation(on, &from.event, operation).await?;
            new += 1;
        }
    }
    Ok(new)
}

async fn step(on: &Connection, from: &FanOut, to: Option<&FanOut>) -> Result<(), Failure> {
    let last = |reached: Reached| reached.last.map(|account| account.0.cast_signed());
    let reached = to.map_or(from.reached, |to| to.reached);
    let changed = on
        .execute(
            "UPDATE fan_out SET position = $4, last = $5, attempts = $6, due = $7
             WHERE event = $1 AND position = $2 AND last IS NOT DISTINCT FROM $3 AND due IS NOT NULL",
            &[
                &from.event.identity.0,
                &from.reached.position.cast_signed(),
                &last(from.reached),
                &reached.position.cast_signed(),
                &last(reached),
                &to.map_or(0, |to| to.attempts.cast_signed()),
                &to.map(|to| to.due.millis()),
            ],
        )
        .await?;
    if changed == 0 { Err(JournalError::LeaseLost.into()) } else { Ok(()) }
}

/// A lane gets one operation of an event. What is closed is of interest only while something of it
/// stands, or an operation is open that could leave something.
async fn is_wanted(on: &Connection, lane: &Lane, event: &Event, closed: bool) -> Result<bool, Failure> {
    let Some(id) = hold_of(on, &lane.group.0, lane.i_account).await? else { return Ok(!closed) };
    let row = on
        .one(
            "SELECT EXISTS (SELECT 1 FROM operation o WHERE o.lane = l.id AND o.event = $2),
                    l.applied IS NOT NULL OR EXISTS (SELECT 1 FROM operation o WHERE o.lane = l.id AND o.open)
             FROM lane l WHERE l.id = $1",
            &[&id, &event.identity.0],
        )
        .await?;
    let (has_one, stands): (bool, bool) = (row.get(0), row.get(1));
    Ok(!has_one && (!closed || stands))
}

/// What cannot be read must not keep the others waiting.
pub async fn set_aside(on: &Connection, event: &str) -> Result<(), Failure> {
    on.execute("UPDATE fan_out SET due = NULL WHERE event = $1", &[&event]).await.map(drop)
}
