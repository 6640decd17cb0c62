//! What one step changed, written whole if the lease still holds.

use rusqlite::{Connection, ToSql, params};

use super::super::rows::{OperationRow, applied_place, status_place, timeline_place};
use super::super::seal::Seal;
use super::lanes::{Beside, beside, claim_kept_signals, prolong, take_over_signals};
use super::{resyncs, sql};
use crate::domain::{Change, Group, IAccount, Json, Note, State, Timestamp};
use crate::ports::{JournalError, Lease};

/// A change, sealed and ready to be written.
pub struct SaveRows {
    operation: OperationRow,
    group: Group,
    i_account: IAccount,
    /// Absent: as it stands. `Some(None)`: nothing stands.
    applied: Option<Option<Vec<u8>>>,
    /// Fingerprints, and whether the adapter named them.
    keys: Vec<(String, bool)>,
    notes: Vec<(&'static str, Vec<u8>)>,
    statuses: Vec<(String, &'static str, Vec<u8>)>,
    forgets_since: Option<Timestamp>,
    took_signal: bool,
    /// What its lane is done with. Absent: as it stands. `Some(None)`: nobody can say.
    done_with: Option<Option<String>>,
}

impl SaveRows {
    pub fn of(change: &Change, seal: &Seal) -> Result<Self, JournalError> {
        let operation = &change.operation;
        let lane = &operation.lane;
        let place = applied_place(&lane.group.0, lane.i_account.0.cast_signed());
        let sealed = |applied: &Json| match applied.is_null() {
            true => Ok(None),
            false => seal.pack(&place, applied).map(Some),
        };
        let note_place = timeline_place(&operation.id.0);
        let mut notes = Vec::with_capacity(change.notes.len());
        for note in &change.notes {
            notes.push((note.word(), seal.pack(&note_place, note)?));
        }
        let mut statuses = Vec::with_capacity(change.statuses.len());
        for (service, said) in &change.statuses {
            let place = status_place(lane.i_account, service);
            statuses.push((service.0.clone(), said.status.word(), seal.pack(&place, said)?));
        }
        Ok(Self {
            operation: OperationRow::of(operation, seal, is_laid_down_now(change))?,
            group: lane.group.clone(),
            i_account: lane.i_account,
            applied: change.applied.as_ref().map(sealed).transpose()?,
            keys: new_keys(change).iter().map(|(key, named)| (seal.fingerprint(key), *named)).collect(),
            notes,
            statuses,
            forgets_since: change.forgets_since,
            took_signal: change.took_signal,
            done_with: done_with(change, seal),
        })
    }

    pub fn bytes(&self) -> usize {
        let laid_down = self.operation.laid_down.as_ref().map_or(0, Vec::len);
        self.operation.state.len() + laid_down + self.notes.iter().map(|(_, note)| note.len()).sum::<usize>()
    }
}

/// What is laid down stays as it is to the letter, so it is sealed and written once.
fn is_laid_down_now(change: &Change) -> bool {
    change.notes.iter().any(|note| matches!(note, Note::LaidDown { .. }))
}

/// Once an operation is laid down nobody can say what its lane is done with, until one ends as was wanted.
fn done_with(change: &Change, seal: &Seal) -> Option<Option<String>> {
    let operation = &change.operation;
    if is_laid_down_now(change) {
        return Some(None);
    }
    let laid_down = operation.laid_down.as_ref().filter(|_| State::of(operation) == State::Done)?;
    Some(resyncs::done_with(laid_down, seal))
}

/// What its adapter named, and the account's own ID when it is laid down.
fn new_keys(change: &Change) -> Vec<(String, bool)> {
    let mut keys: Vec<_> = change.keys.iter().map(|key| (format!("key:{key}"), true)).collect();
    if is_laid_down_now(change) {
        let laid_down = change.operation.laid_down.as_ref();
        let subscriber = laid_down.and_then(|frozen| frozen.subscriber.as_ref());
        keys.extend(subscriber.map(|subscriber| (format!("account-id:{}", subscriber.account_id.0), false)));
    }
    keys
}

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
    settle_signals(connection, seq, rows).map_err(sql)?;
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

/// A signal that was taken is spent. What speaks of a closed operation is only recorded, once nobody in its
/// lane is left who could have taken it over.
fn settle_signals(connection: &Connection, seq: i64, rows: &SaveRows) -> rusqlite::Result<()> {
    if rows.took_signal {
        connection
            .prepare_cached(
                "UPDATE signal SET fate = 'taken'
                 WHERE id = (SELECT MIN(id) FROM signal WHERE operation = ?1 AND fate = 'kept')",
            )?
            .execute([seq])?;
    }
    if !rows.operation.open {
        connection
            .prepare_cached(
                "UPDATE signal SET fate = 'dropped'
                 WHERE fate = 'kept'
                   AND operation IN (SELECT seq FROM operation WHERE lane = (SELECT lane FROM operation WHERE seq = ?1))
                   AND NOT EXISTS (SELECT 1 FROM operation
                                   WHERE lane = (SELECT lane FROM operation WHERE seq = ?1) AND open = 1)",
            )?
            .execute([seq])?;
    }
    Ok(())
}
