//! What one step changed, written whole if the lease still holds.

use std::time::Duration;

use futures_util::future::{try_join, try_join3};

use super::super::stored::Beside;
use super::super::written::SaveRows;
use super::connection::{Connection, Failure, all_of};
use super::database::Database;
use super::lanes::{beside, claim_kept_signals, hold_keys, take_over_signals};
use super::statuses;
use crate::domain::Timestamp;
use crate::ports::{JournalError, Lease};

/// So much of its term a lease may have lost before a write prolongs it: a step that comes after has ten seconds
/// less than a lease, and a page of lanes need not be written at every step of each.
const LOST_MAX: Duration = Duration::from_secs(5);

pub async fn save(
    on: &Connection,
    lease: &Lease,
    rows: &SaveRows,
    now: Timestamp,
    database: &Database,
) -> Result<Beside, Failure> {
    let keys: Vec<&str> = rows.keys.iter().map(|(key, _)| key.as_str()).collect();
    // Where the lease is lost all of it is undone.
    let ((), (), seq) = try_join3(
        hold_keys(on, &rows.group.0, &keys),
        forget_looks(on, rows),
        write(on, lease, rows, now, database),
    )
    .await?;
    try_join3(spend_signal(on, seq, rows), name_keys(on, seq, rows), say(on, rows, now)).await?;
    // Of signals that have found their operation.
    try_join(end_signals(on, seq, rows), beside(on, lease.lane, seq)).await.map(|((), beside)| beside)
}

/// A look that found no news leaves a count, or a day of looking would leave a book.
async fn forget_looks(on: &Connection, rows: &SaveRows) -> Result<(), Failure> {
    let Some(since) = rows.forgets_since else { return Ok(()) };
    on.execute(
        "DELETE FROM timeline
         WHERE operation = (SELECT seq FROM operation WHERE id = $1) AND at > $2 AND word <> 'overdue'",
        &[&rows.operation.id, &since.millis()],
    )
    .await
    .map(drop)
}

/// The lane, the operation and its notes, if the lease still holds; it has the lane from here on. A lane is written only
/// where something is another: each row that is written is a row more to be cleared away.
const WRITE: &str = "
    WITH held AS (
        SELECT id, lease_until FROM lane WHERE id = $1 AND owner = $2 AND epoch = $3 FOR NO KEY UPDATE
    ), kept AS (
        UPDATE lane SET lease_until = CASE WHEN held.lease_until < $4 THEN $5 ELSE held.lease_until END,
                        applied = CASE WHEN $6 THEN $7 ELSE applied END,
                        done_with = CASE WHEN $8 THEN $9 ELSE done_with END
        FROM held WHERE lane.id = held.id AND (held.lease_until < $4 OR $6 OR $8)
    ), written AS (
        UPDATE operation SET word = $11, open = $12, stage = $13, gives_way = $14, due = $15, changed_at = $16,
                             ended_at = CASE WHEN $12 THEN NULL ELSE $16::bigint END, compared = $17,
                             compare_at = $18, laid_down = COALESCE($19, laid_down), state = $20
        FROM held WHERE operation.id = $10 RETURNING seq
    ), noted AS (
        INSERT INTO timeline (operation, at, word, note)
        SELECT seq, $16, notes.word, notes.note
        FROM written, unnest($21::text[], $22::bytea[]) WITH ORDINALITY AS notes (word, note, place) ORDER BY place
    )
    SELECT written.seq FROM held LEFT JOIN written ON TRUE";

async fn write(
    on: &Connection,
    lease: &Lease,
    rows: &SaveRows,
    now: Timestamp,
    database: &Database,
) -> Result<i64, Failure> {
    let SaveRows { operation: row, applied, done_with, .. } = rows;
    let until = now + lease.term;
    let (words, notes): (Vec<&str>, Vec<&[u8]>) =
        rows.notes.iter().map(|(word, note)| (*word, note.as_slice())).unzip();
    let written = on
        .optional(
            WRITE,
            &[
                &lease.lane,
                &lease.owner,
                &lease.epoch.cast_signed(),
                &database.there(until - LOST_MAX),
                &database.there(until),
                &applied.is_some(),
                &applied.as_ref().and_then(Option::as_ref),
                &done_with.is_some(),
                &done_with.as_ref().and_then(Option::as_ref),
                &row.id,
                &row.word,
                &row.open,
                &row.stage,
                &i32::from(row.gives_way),
                &row.due,
                &now.millis(),
                &row.compared,
                &row.compare_at,
                &row.laid_down,
                &row.state,
                &words,
                &notes,
            ],
        )
        .await?;
    let Some(row) = written else { return Err(JournalError::LeaseLost.into()) };
    let nowhere = || JournalError::Damaged(format!("operation {}: it has no row", rows.operation.id));
    Ok(row.get::<_, Option<i64>>(0).ok_or_else(nowhere)?)
}

async fn name_keys(on: &Connection, seq: i64, rows: &SaveRows) -> Result<(), Failure> {
    let named = rows.keys.iter().map(async |(key, named)| {
        let name = "INSERT INTO operation_key (grp, key, operation) VALUES ($1, $2, $3)
             ON CONFLICT (grp, key) DO UPDATE SET operation = excluded.operation";
        let claim = async {
            match named {
                true => take_over_signals(on, &rows.group, key, seq).await,
                false => claim_kept_signals(on, &rows.group, key, seq).await,
            }
        };
        try_join(on.execute(name, &[&rows.group.0, key, &seq]), claim).await
    });
    all_of(named).await.map(drop)
}

async fn say(on: &Connection, rows: &SaveRows, now: Timestamp) -> Result<(), Failure> {
    let said = rows.statuses.iter().map(async |(service, word, said)| {
        statuses::put(on, &rows.group, rows.i_account, (service, word, said), now).await
    });
    all_of(said).await.map(drop)
}

/// The signal that was taken is spent: the first one that stood there, before those that are claimed in the same save
/// could come before it.
async fn spend_signal(on: &Connection, seq: i64, rows: &SaveRows) -> Result<(), Failure> {
    if !rows.took_signal {
        return Ok(());
    }
    on.execute(
        "UPDATE signal SET fate = 'taken'
         WHERE id = (SELECT MIN(id) FROM signal WHERE operation = $1 AND fate = 'kept')",
        &[&seq],
    )
    .await
    .map(drop)
}

/// What speaks of a closed operation is only recorded, once nobody in its lane is left who could have taken it over.
async fn end_signals(on: &Connection, seq: i64, rows: &SaveRows) -> Result<(), Failure> {
    if rows.operation.open {
        return Ok(());
    }
    on.execute(
        "UPDATE signal SET fate = 'dropped'
         WHERE fate = 'kept'
           AND operation IN (SELECT seq FROM operation WHERE lane = (SELECT lane FROM operation WHERE seq = $1))
           AND NOT EXISTS (SELECT 1 FROM operation
                           WHERE lane = (SELECT lane FROM operation WHERE seq = $1) AND open)",
        &[&seq],
    )
    .await
    .map(drop)
}
