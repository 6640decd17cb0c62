//! What one step changed, written whole if the lease still holds.

use rusqlite::{Connection, ToSql, params};

use super::super::stored::Beside;
use super::super::written::SaveRows;
use super::lanes::{beside, claim_kept_signals, prolong, take_over_signals};
use super::sql;
use crate::domain::Timestamp;
use crate::ports::{JournalError, Lease};

pub fn save(
    connection: &Connection,
    lease: &Lease,
    rows: &SaveRows,
    now: Timestamp,
) -> Result<Beside, JournalError> {
    prolong(connection, lease, now)?;
    if let Some(applied) = &rows.applied {
        connection
            .prepare_cached("UPDATE lane SET applied = ?1 WHERE id = ?2")
            .and_then(|mut update| update.execute(params![applied, lease.lane]))
            .map_err(sql)?;
    }
    if let Some(done_with) = &rows.done_with {
        connection
            .prepare_cached("UPDATE lane SET done_with = ?1 WHERE id = ?2")
            .and_then(|mut update| update.execute(params![done_with, lease.lane]))
            .map_err(sql)?;
    }
    let seq = update_operation(connection, rows, now)?;
    if rows.took_signal {
        spend_signal(connection, seq).map_err(sql)?;
    }
    for (key, named) in &rows.keys {
        connection
            .prepare_cached(
                "INSERT INTO operation_key (grp, key, operation) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET operation = excluded.operation",
            )
            .and_then(|mut insert| insert.execute(params![rows.group.0, key, seq]))
            .map_err(sql)?;
        match named {
            true => take_over_signals(connection, &rows.group, key, seq)?,
            false => claim_kept_signals(connection, &rows.group, key, seq)?,
        }
    }
    write_notes(connection, seq, rows, now).map_err(sql)?;
    for (service, word, said) in &rows.statuses {
        super::statuses::put(connection, &rows.group, rows.i_account, service, word, said, now)
            .map_err(sql)?;
    }
    if !rows.operation.open {
        end_signals(connection, seq).map_err(sql)?;
    }
    beside(connection, lease.lane, seq)
}

/// What indexes are made of is written only where it changes: SQLite makes an entry anew for every column that is
/// set, be it to the same value, and each is a page more in the log.
fn update_operation(connection: &Connection, rows: &SaveRows, now: Timestamp) -> Result<i64, JournalError> {
    let row = &rows.operation;
    for (text, value) in [
        ("UPDATE operation SET word = ?1 WHERE id = ?2 AND word <> ?1", &row.word as &dyn ToSql),
        ("UPDATE operation SET open = ?1 WHERE id = ?2 AND open <> ?1", &row.open),
    ] {
        connection
            .prepare_cached(text)
            .and_then(|mut update| update.execute(params![value, row.id]))
            .map_err(sql)?;
    }
    connection
        .prepare_cached(
            "UPDATE operation SET stage = ?1, gives_way = ?2, due = ?3, changed_at = ?4, compared = ?5, compare_at = ?6,
                    laid_down = COALESCE(?7, laid_down), state = ?8
             WHERE id = ?9 RETURNING seq",
        )
        .and_then(|mut update| {
            let values = params![
                row.stage,
                row.gives_way,
                row.due,
                now.millis(),
                row.compared,
                row.compare_at,
                row.laid_down,
                row.state,
                row.id,
            ];
            update.query_row(values, |row| row.get(0))
        })
        .map_err(sql)
}

fn write_notes(connection: &Connection, seq: i64, rows: &SaveRows, now: Timestamp) -> rusqlite::Result<()> {
    if let Some(since) = rows.forgets_since {
        // A look that found no news leaves a count, or a day of looking would leave a book.
        connection
            .prepare_cached("DELETE FROM timeline WHERE operation = ?1 AND at > ?2 AND word <> 'overdue'")?
            .execute(params![seq, since.millis()])?;
    }
    let mut insert = connection
        .prepare_cached("INSERT INTO timeline (operation, at, word, note) VALUES (?1, ?2, ?3, ?4)")?;
    for (word, note) in &rows.notes {
        insert.execute(params![seq, now.millis(), word, note])?;
    }
    Ok(())
}

/// The signal that was taken is spent: the first one that stood there, before those that are claimed in the same save
/// could come before it.
fn spend_signal(connection: &Connection, seq: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE signal SET fate = 'taken'
             WHERE id = (SELECT MIN(id) FROM signal WHERE operation = ?1 AND fate = 'kept')",
        )?
        .execute([seq])
        .map(drop)
}

/// What speaks of a closed operation is only recorded, once nobody in its lane is left who could have taken it over.
fn end_signals(connection: &Connection, seq: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE signal SET fate = 'dropped'
             WHERE fate = 'kept'
               AND operation IN (SELECT seq FROM operation WHERE lane = (SELECT lane FROM operation WHERE seq = ?1))
               AND NOT EXISTS (SELECT 1 FROM operation
                               WHERE lane = (SELECT lane FROM operation WHERE seq = ?1) AND open = 1)",
        )?
        .execute([seq])
        .map(drop)
}
