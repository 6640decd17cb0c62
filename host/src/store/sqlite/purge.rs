//! Deletes what ended long ago, a bounded number of rows at a time. What stands outside keeps its keys:
//! of an operation that named them an empty row is left, until nothing stands any more.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{numbers, sql};
use crate::ports::{JournalError, Purge, Purgeable, Purged};

/// To this event the empty rows belong, so that their own can go.
const NO_EVENT: &str = "purged";

/// So many more rows may be deleted in this transaction.
struct Budget(usize);

impl Budget {
    fn left(&self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    fn spend(&mut self, rows: usize) {
        self.0 = self.0.saturating_sub(rows);
    }

    /// Runs a statement whose `?1` is the most that it may change.
    fn change(
        &mut self,
        connection: &Connection,
        text: &str,
        of: &dyn rusqlite::ToSql,
    ) -> rusqlite::Result<usize> {
        let changed = connection.prepare_cached(text)?.execute(params![self.left(), of])?;
        self.spend(changed);
        Ok(changed)
    }
}

pub fn purge(connection: &Connection, purge: &Purge) -> Result<Purged, JournalError> {
    purge_rows(connection, purge).map_err(sql)
}

fn purge_rows(connection: &Connection, purge: &Purge) -> rusqlite::Result<Purged> {
    let (finished, bodies) = (purge.finished_before.millis(), purge.bodies_before.millis());
    let mut budget = Budget(purge.most);
    let mut purged = Purged::default();
    numbers::keep(connection)?;
    purged.add(Purgeable::Body, empty_bodies(connection, bodies, &mut budget)?);
    purged.add(Purgeable::Operation, operations(connection, finished, &mut budget)?);
    purged.add(Purgeable::Signal, budget.change(connection, SPENT_SIGNALS, &finished)?);
    purged.add(Purgeable::Notification, budget.change(connection, NOTIFICATIONS, &finished)?);
    purged.add(Purgeable::DeadLetter, budget.change(connection, DEAD_LETTERS, &finished)?);
    // They say how far the page of a customer's accounts came; nobody asks once their event is done.
    budget.change(connection, FAN_OUTS, &finished)?;
    purged.add(Purgeable::Event, budget.change(connection, EVENTS, &finished)?);
    purged.more = budget.0 == 0;
    Ok(purged)
}

fn empty_bodies(connection: &Connection, before: i64, budget: &mut Budget) -> rusqlite::Result<usize> {
    let of_notifications = budget.change(
        connection,
        "UPDATE notification SET raw = x'', reply = NULL
         WHERE id IN (SELECT id FROM notification WHERE unread = 0 AND raw <> x'' AND received_at <= ?2
                      ORDER BY received_at LIMIT ?1)",
        &before,
    )?;
    let of_letters = budget.change(
        connection,
        "UPDATE dead_letter SET body = x''
         WHERE id IN (SELECT id FROM dead_letter WHERE body <> x'' AND at <= ?2 ORDER BY at LIMIT ?1)",
        &before,
    )?;
    Ok(of_notifications + of_letters)
}

const SPENT_SIGNALS: &str = "DELETE FROM signal WHERE id IN (
    SELECT id FROM signal s WHERE fate IN ('taken', 'dropped', 'begun') AND at <= ?2
        AND NOT EXISTS (SELECT 1 FROM operation WHERE seq = s.operation AND word <> 'purged')
    ORDER BY at LIMIT ?1)";

const NOTIFICATIONS: &str = "DELETE FROM notification WHERE id IN (
    SELECT id FROM notification n WHERE unread = 0 AND received_at <= ?2
        AND NOT EXISTS (SELECT 1 FROM signal WHERE notification = n.id)
    ORDER BY received_at LIMIT ?1)";

const DEAD_LETTERS: &str =
    "DELETE FROM dead_letter WHERE id IN (SELECT id FROM dead_letter WHERE at <= ?2 ORDER BY at LIMIT ?1)";

const FAN_OUTS: &str = "DELETE FROM fan_out WHERE event IN (
    SELECT identity FROM event e JOIN fan_out f ON f.event = e.identity
    WHERE e.received_at <= ?2 AND f.due IS NULL
        AND NOT EXISTS (SELECT 1 FROM operation WHERE event = e.identity)
    ORDER BY e.received_at LIMIT ?1)";

const EVENTS: &str = "DELETE FROM event WHERE identity IN (
    SELECT identity FROM event e WHERE received_at <= ?2 AND identity <> 'purged'
        AND NOT EXISTS (SELECT 1 FROM operation WHERE event = e.identity)
        AND NOT EXISTS (SELECT 1 FROM fan_out WHERE event = e.identity)
    ORDER BY received_at LIMIT ?1)";

fn operations(connection: &Connection, before: i64, budget: &mut Budget) -> rusqlite::Result<usize> {
    let ended: Vec<(i64, i64)> = connection
        .prepare_cached(
            "SELECT seq, lane FROM operation o WHERE open = 0 AND word <> 'purged' AND changed_at <= ?2
                -- Who has had his operation of a customer's event must not get another one.
                AND NOT EXISTS (SELECT 1 FROM fan_out WHERE event = o.event AND due IS NOT NULL)
             ORDER BY changed_at LIMIT ?1",
        )?
        .query_map(params![budget.left(), before], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let (mut gone, mut cleared) = (0, BTreeSet::new());
    for (seq, lane) in ended {
        // First of all: when its last operation is gone, nothing leads to a lane any more.
        let left = if cleared.insert(lane) { clear_lane(connection, lane, budget)? } else { 0 };
        if budget.0 == 0 || !strip(connection, seq, budget)? {
            break;
        }
        if keeps_keys(connection, seq, lane)? {
            empty(connection, seq)?;
            budget.spend(1);
        } else {
            delete(connection, seq, budget)?;
        }
        drop_lane(connection, lane, budget)?;
        gone += 1;
        // Not before: or where many rows stay, looking at them would be all that a batch does.
        budget.spend(left);
        if budget.0 == 0 {
            break;
        }
    }
    Ok(gone)
}

/// Deletes what hangs on an operation, keys aside; whether all of it is gone. The rest is for the next batch.
fn strip(connection: &Connection, seq: i64, budget: &mut Budget) -> rusqlite::Result<bool> {
    for text in [
        "DELETE FROM timeline WHERE id IN (SELECT id FROM timeline WHERE operation = ?2 LIMIT ?1)",
        "DELETE FROM signal WHERE id IN (SELECT id FROM signal WHERE operation = ?2 LIMIT ?1)",
    ] {
        budget.change(connection, text, &seq)?;
        if budget.0 == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Something stands for the account outside, and this operation named by what the system speaks of it.
fn keeps_keys(connection: &Connection, seq: i64, lane: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM lane WHERE id = ?2 AND applied IS NOT NULL)
                AND EXISTS (SELECT 1 FROM operation_key WHERE operation = ?1)",
        )?
        .query_row([seq, lane], |row| row.get(0))
}

fn empty(connection: &Connection, seq: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO event (identity, name, received_at, body) VALUES (?1, ?1, 0, x'')",
        )?
        .execute([NO_EVENT])?;
    connection
        .prepare_cached(
            "UPDATE operation SET word = 'purged', event = ?1, laid_down = NULL, state = x'' WHERE seq = ?2",
        )?
        .execute(params![NO_EVENT, seq])?;
    Ok(())
}

fn delete(connection: &Connection, seq: i64, budget: &mut Budget) -> rusqlite::Result<()> {
    let keys = connection.prepare_cached("DELETE FROM operation_key WHERE operation = ?1")?.execute([seq])?;
    connection.prepare_cached("DELETE FROM operation WHERE seq = ?1")?.execute([seq])?;
    budget.spend(keys + 1);
    Ok(())
}

/// Deletes the empty rows of a lane that are for nothing any more: nothing stands, or newer operations have
/// their keys. How many are left.
fn clear_lane(connection: &Connection, lane: i64, budget: &mut Budget) -> rusqlite::Result<usize> {
    let empty: Vec<i64> = connection
        .prepare_cached(
            "SELECT seq FROM operation o WHERE lane = ?1 AND word = 'purged'
                AND (EXISTS (SELECT 1 FROM lane WHERE id = ?1 AND applied IS NULL)
                     OR NOT EXISTS (SELECT 1 FROM operation_key WHERE operation = o.seq))
             ORDER BY seq LIMIT ?2",
        )?
        .query_map(params![lane, budget.left()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for seq in empty {
        if !strip(connection, seq, budget)? {
            break;
        }
        delete(connection, seq, budget)?;
    }
    let left: i64 = connection
        .prepare_cached("SELECT COUNT(*) FROM operation WHERE lane = ?1 AND word = 'purged'")?
        .query_row([lane], |row| row.get(0))?;
    Ok(usize::try_from(left).unwrap_or(usize::MAX))
}

/// Deletes a lane when nothing is in it.
fn drop_lane(connection: &Connection, lane: i64, budget: &mut Budget) -> rusqlite::Result<()> {
    let gone: Option<(String, i64)> = connection
        .prepare_cached(
            "DELETE FROM lane WHERE id = ?1 AND applied IS NULL AND done_with IS NULL AND owner IS NULL
                AND NOT EXISTS (SELECT 1 FROM operation WHERE lane = ?1)
             RETURNING grp, i_account",
        )?
        .query_row([lane], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((group, account)) = gone {
        budget.spend(1);
        forget_good_words(connection, &group, account)?;
    }
    Ok(())
}

/// Where nobody has said anything, all is well: so a good word that was told can go with its lane, and
/// no other one. A group's `FAILED` of an account must go on being the worst that is said of it.
fn forget_good_words(connection: &Connection, group: &str, account: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM status_part WHERE i_account = ?1 AND grp = ?2 AND word = 'OK'")?
        .execute(params![account, group])?;
    connection
        .prepare_cached(
            "DELETE FROM status WHERE i_account = ?1 AND due IS NULL AND word = 'OK'
                AND NOT EXISTS (SELECT 1 FROM lane WHERE i_account = ?1)
                AND NOT EXISTS (SELECT 1 FROM status_part p
                                WHERE p.i_account = ?1 AND p.service = status.service)",
        )?
        .execute([account])?;
    Ok(())
}
