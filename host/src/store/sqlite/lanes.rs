//! Lanes: who may move what, and when. Every write asks first whether the lease still holds.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::rows::StoredOperation;
use super::super::stored::{Beside, Dates, LeasedLane, StoredHead};
use super::sql;
use crate::domain::{Behind, Group, IAccount, OperationId, Timestamp};
use crate::ports::{Claim, JournalError, Lease};

pub fn lease(
    connection: &Connection,
    claim: &Claim,
) -> Result<(Vec<LeasedLane>, Option<Timestamp>), JournalError> {
    let now = claim.now.millis();
    let mut claimed = Vec::new();
    for which in kinds(claim) {
        let most = claim.most.saturating_sub(claimed.len());
        claimed.extend(take(connection, claim, which, most).map_err(sql)?);
    }
    let mut lanes = Vec::with_capacity(claimed.len());
    for (lane, epoch) in claimed {
        match head(connection, lane)? {
            Some(head) => lanes.push((lane, epoch.cast_unsigned(), head)),
            // Nothing stands in it any more.
            None => settle_and_free(connection, lane, now)?,
        }
    }
    let next_due = if lanes.is_empty() { next_due(connection, claim)? } else { None };
    Ok((lanes, next_due))
}

/// Which lanes, in what order; each has an index of its own. While nothing leaves, those that only
/// wait for that are left where they are.
const fn kinds(claim: &Claim) -> [&'static str; 2] {
    const LOOKS: &str = "looks = 1";
    let others = if claim.senders { "looks = 0" } else { "looks = 0 AND sends = 0" };
    if claim.looks_first { [LOOKS, others] } else { [others, LOOKS] }
}

fn take(
    connection: &Connection,
    claim: &Claim,
    which: &str,
    most: usize,
) -> rusqlite::Result<Vec<(i64, i64)>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut taken = connection.prepare_cached(&format!(
        "UPDATE lane SET owner = ?1, lease_until = ?2, epoch = epoch + 1
         WHERE id IN (SELECT id FROM lane
                      WHERE grp = ?3 AND due <= ?4 AND {which}
                        AND (owner IS NULL OR (owner <> ?1 AND lease_until <= ?4))
                      ORDER BY due LIMIT ?5)
         RETURNING id, epoch",
    ))?;
    let values = params![claim.owner, claim.until.millis(), claim.group.0, claim.now.millis(), most];
    taken.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn next_due(connection: &Connection, claim: &Claim) -> Result<Option<Timestamp>, JournalError> {
    let mut dues = Vec::new();
    for which in kinds(claim) {
        let due: Option<i64> = connection
            .prepare_cached(&format!(
                "SELECT MIN(due) FROM lane WHERE grp = ?1 AND due IS NOT NULL AND lease_until IS NULL AND {which}",
            ))
            .and_then(|mut select| select.query_row([&claim.group.0], |row| row.get(0)))
            .map_err(sql)?;
        dues.extend(due);
    }
    Ok(dues.into_iter().min().map(Timestamp::from_millis))
}

pub fn head(connection: &Connection, lane: i64) -> Result<Option<StoredHead>, JournalError> {
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

pub fn stored_operation(row: &Row<'_>) -> rusqlite::Result<(i64, StoredOperation)> {
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

pub fn beside(connection: &Connection, lane: i64, seq: i64) -> Result<Beside, JournalError> {
    let signal = connection
        .prepare_cached("SELECT notification, payload FROM signal WHERE operation = ?1 AND fate = 'kept' ORDER BY id LIMIT 1")
        .and_then(|mut select| select.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(sql)?;
    let behind = behind(connection, lane, seq)?;
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

/// Signals that came before anybody was there of whom they speak.
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

/// The same for a key that its adapter named: whoever names what an earlier one of its lane had named has
/// taken over what that one left.
pub fn take_over_signals(
    connection: &Connection,
    group: &Group,
    key: &str,
    seq: i64,
) -> Result<(), JournalError> {
    connection
        .prepare_cached(
            "UPDATE signal SET operation = ?1
             WHERE grp = ?2 AND key = ?3 AND fate = 'kept'
               AND (operation IS NULL OR operation IN (SELECT seq FROM operation WHERE open = 0
                        AND lane = (SELECT lane FROM operation WHERE seq = ?1)))",
        )
        .and_then(|mut update| update.execute(params![seq, group.0, key]))
        .map_err(sql)?;
    Ok(())
}

fn behind(connection: &Connection, lane: i64, seq: i64) -> Result<Option<Behind>, JournalError> {
    let next = connection
        .prepare_cached(
            "SELECT o.id, e.name FROM operation o JOIN event e ON e.identity = o.event
             WHERE o.lane = ?1 AND o.open = 1 AND o.seq > ?2 ORDER BY o.seq LIMIT 1",
        )
        .and_then(|mut select| {
            select.query_row([lane, seq], |row| Ok((row.get::<_, String>(0)?, row.get(1)?))).optional()
        })
        .map_err(sql)?;
    let Some((next, next_event)) = next else { return Ok(None) };
    let newest = newest(connection, lane)?.unwrap_or_else(|| next.clone());
    Ok(Some(Behind { next: OperationId(next), next_event, newest: OperationId(newest) }))
}

fn newest(connection: &Connection, lane: i64) -> Result<Option<String>, JournalError> {
    connection
        .prepare_cached("SELECT id FROM operation WHERE lane = ?1 AND open = 1 ORDER BY seq DESC LIMIT 1")
        .and_then(|mut select| select.query_row([lane], |row| row.get(0)).optional())
        .map_err(sql)
}

/// When an operation that stands before this one in its lane was last written.
pub fn changed_before(connection: &Connection, operation: &str) -> Result<Option<Timestamp>, JournalError> {
    connection
        .prepare_cached(
            "SELECT MAX(o.changed_at) FROM operation this JOIN operation o ON o.lane = this.lane AND o.seq < this.seq
             WHERE this.id = ?1",
        )
        .and_then(|mut select| select.query_row([operation], |row| row.get::<_, Option<i64>>(0)))
        .map(|at| at.map(Timestamp::from_millis))
        .map_err(sql)
}

/// So much of its term a lease may have lost before a write prolongs it: a step that comes after has ten seconds
/// less than a lease, and a page of lanes need not be written at every step of each.
const LOST_MAX: Duration = Duration::from_secs(5);

/// Every write asks so whether the lease still holds.
pub fn prolong(connection: &Connection, lease: &Lease, now: Timestamp) -> Result<(), JournalError> {
    let until = now + lease.term;
    let held: Option<i64> = connection
        .prepare_cached("SELECT lease_until FROM lane WHERE id = ?1 AND owner = ?2 AND epoch = ?3")
        .and_then(|mut select| {
            let of = params![lease.lane, lease.owner, lease.epoch.cast_signed()];
            select.query_row(of, |row| row.get(0)).optional()
        })
        .map_err(sql)?;
    let Some(held) = held else { return Err(JournalError::LeaseLost) };
    if held < (until - LOST_MAX).millis() {
        connection
            .prepare_cached("UPDATE lane SET lease_until = ?1 WHERE id = ?2")
            .and_then(|mut update| update.execute([until.millis(), lease.lane]))
            .map_err(sql)?;
    }
    Ok(())
}

pub fn release(connection: &Connection, lease: &Lease, now: Timestamp) -> Result<(), JournalError> {
    prolong(connection, lease, now)?;
    settle_and_free(connection, lease.lane, now.millis())
}

pub fn settle_and_free(connection: &Connection, lane: i64, now: i64) -> Result<(), JournalError> {
    connection
        .prepare_cached("UPDATE lane SET owner = NULL, lease_until = NULL WHERE id = ?1")
        .and_then(|mut update| update.execute([lane]))
        .map_err(sql)?;
    settle(connection, lane, now)
}

/// Takes a lane out of the way whose head cannot be read. It stays as it is, for a person.
pub fn set_aside(connection: &Connection, lane: i64) -> Result<(), JournalError> {
    connection
        .prepare_cached("UPDATE lane SET due = NULL, owner = NULL, lease_until = NULL WHERE id = ?1")
        .and_then(|mut update| update.execute([lane]))
        .map_err(sql)?;
    Ok(())
}

/// Makes a lane's date from what stands in it. While somebody holds the lane that is this very moment: should
/// he not come back, the next one looks at once, whatever he had changed by then.
pub fn settle(connection: &Connection, lane: i64, now: i64) -> Result<(), JournalError> {
    let head = dates(connection, lane)?;
    let due = match &head {
        None => None,
        Some((seq, head)) => {
            let is_called = head.waits() && has_kept_signal(connection, *seq)?;
            head.of_lane(newest(connection, lane)?, is_called, now)
        }
    };
    let only = |stage| head.as_ref().is_some_and(|(_, head)| head.only(stage, due));
    connection
        .prepare_cached(
            "UPDATE lane SET due = CASE WHEN owner IS NULL THEN ?1 ELSE ?5 END,
                             sends = ?2 AND owner IS NULL, looks = ?3 AND owner IS NULL
             WHERE id = ?4",
        )
        .and_then(|mut update| update.execute(params![due, only("ready"), only("waiting"), lane, now]))
        .map_err(sql)?;
    Ok(())
}

fn dates(connection: &Connection, lane: i64) -> Result<Option<(i64, Dates)>, JournalError> {
    connection
        .prepare_cached(
            "SELECT seq, id, stage, gives_way, compared, compare_at, due FROM operation
             WHERE lane = ?1 AND open = 1 ORDER BY seq LIMIT 1",
        )
        .and_then(|mut select| {
            let read = |row: &Row<'_>| {
                let dates = Dates {
                    id: row.get(1)?,
                    stage: row.get(2)?,
                    gives_way: row.get(3)?,
                    compared: row.get(4)?,
                    compare_at: row.get(5)?,
                    due: row.get(6)?,
                };
                Ok((row.get(0)?, dates))
            };
            select.query_row([lane], read).optional()
        })
        .map_err(sql)
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

/// Whose lane an operation stands in.
pub fn account_of(connection: &Connection, seq: i64) -> Result<IAccount, JournalError> {
    connection
        .prepare_cached("SELECT i_account FROM lane WHERE id = (SELECT lane FROM operation WHERE seq = ?1)")
        .and_then(|mut select| select.query_row([seq], |row| row.get::<_, i64>(0)))
        .map(|account| IAccount(account.cast_unsigned()))
        .map_err(sql)
}
