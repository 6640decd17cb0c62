//! Lanes: who may move what, and when. Every write asks first whether the lease still holds.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::rows::{
    OperationRow, StoredOperation, applied_place, signal_place, status_place, timeline_place,
};
use super::super::seal::Seal;
use super::sql;
use crate::domain::{Change, Group, IAccount, Json, Note, Operation, OperationId, Timestamp};
use crate::ports::{Claim, Held, JournalError, Lease};

/// The head of a lane, still sealed.
pub struct StoredHead {
    pub operation: StoredOperation,
    pub beside: Beside,
}

/// What stands beside the head.
pub struct Beside {
    group: String,
    i_account: i64,
    signal: Option<(String, Vec<u8>)>,
    behind: Option<String>,
    applied: Option<Vec<u8>>,
}

impl Beside {
    pub fn held(self, operation: Operation, seal: &Seal) -> Result<Held, JournalError> {
        let open = |place: String, sealed: Vec<u8>| seal.unpack::<Json>(&place, &sealed);
        let applied_place = applied_place(&self.group, self.i_account);
        Ok(Held {
            operation,
            signal: self.signal.map(|(id, sealed)| open(signal_place(&id), sealed)).transpose()?,
            behind: self.behind.map(OperationId),
            applied: self.applied.map(|sealed| open(applied_place, sealed)).transpose()?,
        })
    }
}

type LeasedLane = (i64, u64, StoredHead);

pub fn lease(
    connection: &Connection,
    claim: &Claim,
) -> Result<(Vec<LeasedLane>, Option<Timestamp>), JournalError> {
    let (group, now) = (&claim.group.0, claim.now.millis());
    let most = i64::try_from(claim.most).unwrap_or(i64::MAX);
    let mut taken = connection
        .prepare_cached(
            "UPDATE lane SET owner = ?1, lease_until = ?2, epoch = epoch + 1
             WHERE id IN (SELECT id FROM lane
                          WHERE grp = ?3 AND due <= ?4 AND (lease_until IS NULL OR lease_until <= ?4)
                          ORDER BY due LIMIT ?5)
             RETURNING id, epoch",
        )
        .map_err(sql)?;
    let claimed: Vec<(i64, i64)> = taken
        .query_map(params![claim.owner, claim.until.millis(), group, now, most], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .and_then(Iterator::collect)
        .map_err(sql)?;
    let mut lanes = Vec::with_capacity(claimed.len());
    for (lane, epoch) in claimed {
        match head(connection, lane)? {
            Some(head) => lanes.push((lane, epoch.cast_unsigned(), head)),
            // Nothing stands in it any more.
            None => settle_and_free(connection, lane, now)?,
        }
    }
    let next_due = if lanes.is_empty() { next_due(connection, group)? } else { None };
    Ok((lanes, next_due))
}

fn next_due(connection: &Connection, group: &str) -> Result<Option<Timestamp>, JournalError> {
    connection
        .prepare_cached(
            "SELECT MIN(due) FROM lane WHERE grp = ?1 AND due IS NOT NULL AND lease_until IS NULL",
        )
        .and_then(|mut select| select.query_row([group], |row| row.get::<_, Option<i64>>(0)))
        .map(|due| due.map(Timestamp::from_millis))
        .map_err(sql)
}

fn head(connection: &Connection, lane: i64) -> Result<Option<StoredHead>, JournalError> {
    let found = connection
        .prepare_cached(
            "SELECT o.seq, o.id, l.grp, l.i_account, o.due, o.event, e.body, o.laid_down, o.state
             FROM operation o JOIN lane l ON l.id = o.lane JOIN event e ON e.identity = o.event
             WHERE o.lane = ?1 AND o.open = 1 ORDER BY o.seq LIMIT 1",
        )
        .and_then(|mut select| select.query_row([lane], stored_operation).optional())
        .map_err(sql)?;
    let Some((seq, operation)) = found else { return Ok(None) };
    let beside = beside(connection, lane, seq)?;
    Ok(Some(StoredHead { operation, beside }))
}

fn stored_operation(row: &Row<'_>) -> rusqlite::Result<(i64, StoredOperation)> {
    let operation = StoredOperation {
        id: row.get(1)?,
        group: row.get(2)?,
        i_account: row.get(3)?,
        due: row.get(4)?,
        event_identity: row.get(5)?,
        event: row.get(6)?,
        laid_down: row.get(7)?,
        state: row.get(8)?,
    };
    Ok((row.get(0)?, operation))
}

fn beside(connection: &Connection, lane: i64, seq: i64) -> Result<Beside, JournalError> {
    let signal = connection
        .prepare_cached("SELECT notification, payload FROM signal WHERE operation = ?1 AND fate = 'kept' ORDER BY id LIMIT 1")
        .and_then(|mut select| select.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(sql)?;
    let behind = connection
        .prepare_cached(
            "SELECT id FROM operation WHERE lane = ?1 AND open = 1 AND seq > ?2 ORDER BY seq LIMIT 1",
        )
        .and_then(|mut select| select.query_row([lane, seq], |row| row.get(0)).optional())
        .map_err(sql)?;
    connection
        .prepare_cached("SELECT grp, i_account, applied FROM lane WHERE id = ?1")
        .and_then(|mut select| {
            select.query_row([lane], |row| {
                Ok(Beside {
                    group: row.get(0)?,
                    i_account: row.get(1)?,
                    applied: row.get(2)?,
                    signal,
                    behind,
                })
            })
        })
        .map_err(sql)
}

/// A change, sealed and ready to be written.
pub struct SaveRows {
    operation: OperationRow,
    group: Group,
    i_account: IAccount,
    /// Absent: as it stands. `Some(None)`: nothing stands.
    applied: Option<Option<Vec<u8>>>,
    keys: Vec<String>,
    notes: Vec<(&'static str, Vec<u8>)>,
    statuses: Vec<(String, &'static str, Vec<u8>)>,
    took_signal: bool,
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
            operation: OperationRow::of(operation, seal)?,
            group: lane.group.clone(),
            i_account: lane.i_account,
            applied: change.applied.as_ref().map(sealed).transpose()?,
            keys: new_keys(change).iter().map(|key| seal.fingerprint(key)).collect(),
            notes,
            statuses,
            took_signal: change.took_signal,
        })
    }

    pub fn bytes(&self) -> usize {
        let laid_down = self.operation.laid_down.as_ref().map_or(0, Vec::len);
        self.operation.state.len() + laid_down + self.notes.iter().map(|(_, note)| note.len()).sum::<usize>()
    }
}

/// Keys are only ever named with a decision, and the account's own ID when it is laid down.
fn new_keys(change: &Change) -> Vec<String> {
    let operation = &change.operation;
    let mut keys = Vec::new();
    if change.notes.iter().any(|note| matches!(note, Note::Decided { .. })) {
        keys.extend(operation.keys.iter().map(|key| format!("key:{key}")));
    }
    if change.notes.iter().any(|note| matches!(note, Note::LaidDown { .. })) {
        let subscriber = operation.laid_down.as_ref().and_then(|frozen| frozen.subscriber.as_ref());
        keys.extend(subscriber.map(|subscriber| format!("account-id:{}", subscriber.account_id.0)));
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
    let seq = update_operation(connection, rows, now)?;
    for key in &rows.keys {
        connection
            .prepare_cached(
                "INSERT INTO operation_key (grp, key, operation) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET operation = excluded.operation",
            )
            .and_then(|mut insert| insert.execute(params![rows.group.0, key, seq]))
            .map_err(sql)?;
        claim_kept_signals(connection, &rows.group, key, seq)?;
    }
    write_notes(connection, seq, rows, now).map_err(sql)?;
    for (service, word, said) in &rows.statuses {
        super::statuses::put(connection, rows.i_account, service, word, said, now).map_err(sql)?;
    }
    settle_signals(connection, seq, rows).map_err(sql)?;
    beside(connection, lease.lane, seq)
}

fn prolong(connection: &Connection, lease: &Lease, now: Timestamp) -> Result<(), JournalError> {
    let held = connection
        .prepare_cached("UPDATE lane SET lease_until = ?1 WHERE id = ?2 AND owner = ?3 AND epoch = ?4")
        .and_then(|mut update| {
            update.execute(params![
                (now + lease.term).millis(),
                lease.lane,
                lease.owner,
                lease.epoch.cast_signed()
            ])
        })
        .map_err(sql)?;
    if held == 1 { Ok(()) } else { Err(JournalError::LeaseLost) }
}

fn update_operation(connection: &Connection, rows: &SaveRows, now: Timestamp) -> Result<i64, JournalError> {
    let row = &rows.operation;
    connection
        .prepare_cached(
            "UPDATE operation SET stage = ?1, open = ?2, gives_way = ?3, due = ?4, changed_at = ?5, laid_down = ?6, state = ?7
             WHERE id = ?8 RETURNING seq",
        )
        .and_then(|mut update| {
            let values = params![
                row.stage,
                row.open,
                row.gives_way,
                row.due,
                now.millis(),
                row.laid_down,
                row.state,
                row.id
            ];
            update.query_row(values, |row| row.get(0))
        })
        .map_err(sql)
}

fn write_notes(connection: &Connection, seq: i64, rows: &SaveRows, now: Timestamp) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare_cached("INSERT INTO timeline (operation, at, word, note) VALUES (?1, ?2, ?3, ?4)")?;
    for (word, note) in &rows.notes {
        insert.execute(params![seq, now.millis(), word, note])?;
    }
    Ok(())
}

/// A signal that was taken is spent; what speaks of a closed operation is only recorded.
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
            .prepare_cached("UPDATE signal SET fate = 'dropped' WHERE operation = ?1 AND fate = 'kept'")?
            .execute([seq])?;
    }
    Ok(())
}

/// Signals that came before anybody named their key.
pub fn claim_kept_signals(
    connection: &Connection,
    group: &Group,
    key: &str,
    seq: i64,
) -> Result<(), JournalError> {
    connection
        .prepare_cached(
            "UPDATE signal SET operation = ?1 WHERE grp = ?2 AND key = ?3 AND fate = 'kept' AND operation IS NULL",
        )
        .and_then(|mut update| update.execute(params![seq, group.0, key]))
        .map_err(sql)?;
    Ok(())
}

pub fn release(connection: &Connection, lease: &Lease, now: Timestamp) -> Result<(), JournalError> {
    prolong(connection, lease, now)?;
    settle_and_free(connection, lease.lane, now.millis())
}

fn settle_and_free(connection: &Connection, lane: i64, now: i64) -> Result<(), JournalError> {
    connection
        .prepare_cached("UPDATE lane SET owner = NULL, lease_until = NULL WHERE id = ?1")
        .and_then(|mut update| update.execute([lane]))
        .map_err(sql)?;
    settle(connection, lane, now)
}

/// Makes a lane's date from what stands in it.
pub fn settle(connection: &Connection, lane: i64, now: i64) -> Result<(), JournalError> {
    let mut select = connection
        .prepare_cached("SELECT seq, stage, gives_way, due FROM operation WHERE lane = ?1 AND open = 1 ORDER BY seq LIMIT 2")
        .map_err(sql)?;
    let heads: Vec<(i64, String, bool, i64)> = select
        .query_map([lane], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .and_then(Iterator::collect)
        .map_err(sql)?;
    let due = match heads.first() {
        None => None,
        Some((_, _, true, _)) if heads.len() > 1 => Some(now),
        Some((_, stage, ..)) if stage == "parked" => None,
        Some((seq, stage, _, due)) if stage == "waiting" => {
            Some(if has_kept_signal(connection, *seq)? { now } else { *due })
        }
        Some((_, _, _, due)) => Some(*due),
    };
    connection
        .prepare_cached("UPDATE lane SET due = ?1 WHERE id = ?2")
        .and_then(|mut update| update.execute(params![due, lane]))
        .map_err(sql)?;
    Ok(())
}

fn has_kept_signal(connection: &Connection, seq: i64) -> Result<bool, JournalError> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM signal WHERE operation = ?1 AND fate = 'kept')")
        .and_then(|mut select| select.query_row([seq], |row| row.get(0)))
        .map_err(sql)
}

/// The operation that stands first in an account's lane.
pub fn open_head(
    connection: &Connection,
    group: &str,
    account: IAccount,
) -> Result<Option<i64>, JournalError> {
    connection
        .prepare_cached(
            "SELECT o.seq FROM operation o JOIN lane l ON l.id = o.lane
             WHERE l.grp = ?1 AND l.i_account = ?2 AND o.open = 1 ORDER BY o.seq LIMIT 1",
        )
        .and_then(|mut select| {
            select.query_row(params![group, account.0.cast_signed()], |row| row.get(0)).optional()
        })
        .map_err(sql)
}

/// The operation that stands first in the lane of this one.
pub fn open_head_beside(connection: &Connection, seq: i64) -> Result<Option<i64>, JournalError> {
    connection
        .prepare_cached(
            "SELECT seq FROM operation WHERE lane = (SELECT lane FROM operation WHERE seq = ?1) AND open = 1
             ORDER BY seq LIMIT 1",
        )
        .and_then(|mut select| select.query_row([seq], |row| row.get(0)).optional())
        .map_err(sql)
}
