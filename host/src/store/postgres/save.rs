//! What one step changed, written whole if the lease still holds.

use super::super::stored::Beside;
use super::super::written::SaveRows;
use super::connection::{Connection, Failure};
use super::database::Database;
use super::lanes::{beside, claim_kept_signals, held, hold_keys, take_over_signals};
use super::statuses;
use crate::domain::Timestamp;
use crate::ports::Lease;

pub async fn save(
    on: &Connection,
    lease: &Lease,
    rows: &SaveRows,
    now: Timestamp,
    database: &Database,
) -> Result<Beside, Failure> {
    let keys: Vec<&str> = rows.keys.iter().map(|(key, _)| key.as_str()).collect();
    hold_keys(on, &rows.group.0, &keys).await?;
    let prolonged = held(on, lease, now, database).await?;
    update_lane(on, lease, rows, prolonged).await?;
    let seq = update_operation(on, rows, now).await?;
    if rows.took_signal {
        spend_signal(on, seq).await?;
    }
    for (key, named) in &rows.keys {
        on.execute(
            "INSERT INTO operation_key (grp, key, operation) VALUES ($1, $2, $3)
             ON CONFLICT (grp, key) DO UPDATE SET operation = excluded.operation",
            &[&rows.group.0, key, &seq],
        )
        .await?;
        match named {
            true => take_over_signals(on, &rows.group, key, seq).await?,
            false => claim_kept_signals(on, &rows.group, key, seq).await?,
        }
    }
    write_notes(on, seq, rows, now).await?;
    for (service, word, said) in &rows.statuses {
        statuses::put(on, &rows.group, rows.i_account, (service, word, said), now).await?;
    }
    if !rows.operation.open {
        end_signals(on, seq).await?;
    }
    beside(on, lease.lane, seq).await
}

/// A row that is written is a row more to be cleared away: it is written once, and only where something is another.
async fn update_lane(
    on: &Connection,
    lease: &Lease,
    rows: &SaveRows,
    prolonged: Option<i64>,
) -> Result<(), Failure> {
    if prolonged.is_none() && rows.applied.is_none() && rows.done_with.is_none() {
        return Ok(());
    }
    on.execute(
        "UPDATE lane SET lease_until = COALESCE($2, lease_until),
                         applied = CASE WHEN $3 THEN $4 ELSE applied END,
                         done_with = CASE WHEN $5 THEN $6 ELSE done_with END
         WHERE id = $1",
        &[
            &lease.lane,
            &prolonged,
            &rows.applied.is_some(),
            &rows.applied.as_ref().and_then(Option::as_ref),
            &rows.done_with.is_some(),
            &rows.done_with.as_ref().and_then(Option::as_ref),
        ],
    )
    .await
    .map(drop)
}

async fn update_operation(on: &Connection, rows: &SaveRows, now: Timestamp) -> Result<i64, Failure> {
    let row = &rows.operation;
    let updated = on
        .one(
            "UPDATE operation SET word = $1, open = $2, stage = $3, gives_way = $4, due = $5, changed_at = $6,
                    ended_at = CASE WHEN $2 THEN NULL ELSE $6::bigint END, compared = $7, compare_at = $8,
                    laid_down = COALESCE($9, laid_down), state = $10
             WHERE id = $11 RETURNING seq",
            &[
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
                &row.id,
            ],
        )
        .await?;
    Ok(updated.get(0))
}

async fn write_notes(on: &Connection, seq: i64, rows: &SaveRows, now: Timestamp) -> Result<(), Failure> {
    if let Some(since) = rows.forgets_since {
        // A look that found no news leaves a count, or a day of looking would leave a book.
        on.execute(
            "DELETE FROM timeline WHERE operation = $1 AND at > $2 AND word <> 'overdue'",
            &[&seq, &since.millis()],
        )
        .await?;
    }
    for (word, note) in &rows.notes {
        on.execute(
            "INSERT INTO timeline (operation, at, word, note) VALUES ($1, $2, $3, $4)",
            &[&seq, &now.millis(), word, note],
        )
        .await?;
    }
    Ok(())
}

/// The signal that was taken is spent: the first one that stood there, before those that are claimed in the same save
/// could come before it.
async fn spend_signal(on: &Connection, seq: i64) -> Result<(), Failure> {
    on.execute(
        "UPDATE signal SET fate = 'taken'
         WHERE id = (SELECT MIN(id) FROM signal WHERE operation = $1 AND fate = 'kept')",
        &[&seq],
    )
    .await
    .map(drop)
}

/// What speaks of a closed operation is only recorded, once nobody in its lane is left who could have taken it over.
async fn end_signals(on: &Connection, seq: i64) -> Result<(), Failure> {
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
