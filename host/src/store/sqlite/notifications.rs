//! Notifications as they came, and the signals that were read in them.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::written::{DeliveredRow, ReadingRows, SignalRow, Whom};
use super::{changes, lanes, sql};
use crate::domain::{Correlation, Group, IAccount, Otherwise, Timestamp};
use crate::ports::JournalError;

/// The notification that this one repeats, with its reply, still sealed; `None`: it is new.
pub type Repeated = Option<(String, Option<Vec<u8>>)>;

pub fn keep(connection: &Connection, row: &DeliveredRow) -> Result<Repeated, JournalError> {
    let DeliveredRow { id, group, sender_id, received_at, raw } = row;
    let kept = connection
        .prepare_cached(
            "INSERT INTO notification (id, grp, received_at, unread, raw, sender_id) VALUES (?1, ?2, ?3, 1, ?4, ?5)
             ON CONFLICT (grp, sender_id) WHERE sender_id IS NOT NULL DO NOTHING",
        )
        .and_then(|mut insert| {
            insert.execute(params![id, group, received_at, raw, sender_id])
        })
        .map_err(sql)?;
    if kept == 1 {
        return Ok(None);
    }
    connection
        .prepare_cached("SELECT id, reply FROM notification WHERE grp = ?1 AND sender_id = ?2")
        .and_then(|mut select| {
            select.query_row(params![group, sender_id], |row| Ok((row.get(0)?, row.get(1)?)))
        })
        .map(Some)
        .map_err(sql)
}

pub fn unread(
    connection: &Connection,
    group: &Group,
    most: usize,
) -> Result<Vec<(String, Vec<u8>)>, JournalError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    connection
        .prepare_cached("SELECT id, raw FROM notification WHERE grp = ?1 AND unread = 1 AND unread > 0 ORDER BY id LIMIT ?2")
        .and_then(|mut select| {
            select
                .query_map(params![group.0, most], |row| Ok((row.get(0)?, row.get(1)?)))
                .and_then(Iterator::collect)
        })
        .map_err(sql)
}

/// One whose row is damaged is left alone until the next start.
pub fn set_aside(connection: &Connection, id: &str) -> Result<(), JournalError> {
    connection
        .prepare_cached("UPDATE notification SET unread = 2 WHERE id = ?1")
        .and_then(|mut update| update.execute([id]))
        .map_err(sql)?;
    Ok(())
}

pub fn keep_reply(connection: &Connection, id: &str, sealed: &[u8]) -> Result<(), JournalError> {
    connection
        .prepare_cached("UPDATE notification SET reply = COALESCE(reply, ?1) WHERE id = ?2")
        .and_then(|mut update| update.execute(params![sealed, id]))
        .map_err(sql)?;
    Ok(())
}

/// Records one reading of a notification; a second one, by whoever came later, changes nothing.
pub fn record(
    connection: &Connection,
    id: &str,
    rows: &ReadingRows,
    now: Timestamp,
) -> Result<(), JournalError> {
    let unread = if rows.unread { 2 } else { 0 };
    let known: Option<(String, i64)> = connection
        .prepare_cached(
            "UPDATE notification SET unread = ?1, reply = COALESCE(reply, ?2)
             WHERE id = ?3 AND (unread = 1 OR unread = 2 AND ?1 = 0) RETURNING grp, received_at",
        )
        .and_then(|mut update| {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            update.query_row(params![unread, rows.reply, id], read).optional()
        })
        .map_err(sql)?;
    let Some((group, received_at)) = known else { return Ok(()) };
    let received_at = Timestamp::from_millis(received_at);
    for row in &rows.signals {
        record_signal(connection, id, &group, row, (received_at, now))?;
    }
    Ok(())
}

fn record_signal(
    connection: &Connection,
    notification: &str,
    group: &str,
    row: &SignalRow,
    (received_at, now): (Timestamp, Timestamp),
) -> Result<(), JournalError> {
    let whom = resolve(connection, group, row)?;
    let begins = match row.otherwise {
        Otherwise::Begin => whose(connection, &whom, &row.correlation)?,
        Otherwise::Keep | Otherwise::Drop => None,
    };
    let (operation, fate) = match (&whom, begins) {
        (Whom::Open(seq), _) => (Some(*seq), "kept"),
        (Whom::Closed(_) | Whom::Nobody, Some(account)) => {
            let is_quiet = changes::is_quiet(connection, group, account, received_at)?;
            (None, if is_quiet { "begins" } else { "dropped" })
        }
        (Whom::Closed(seq), None) => (Some(*seq), fate_of_late_news(connection, *seq, row.otherwise)?),
        (Whom::Nobody, None) => (None, if row.otherwise == Otherwise::Drop { "dropped" } else { "kept" }),
    };
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO signal (id, notification, grp, sender_id, key, operation, at, fate, payload, i_account)
             VALUES (1 + MAX(COALESCE((SELECT MAX(id) FROM signal), 0),
                             COALESCE((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'signals'), 0)),
                     ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                notification,
                group,
                row.sender_id,
                row.key,
                operation,
                now.millis(),
                fate,
                row.payload,
                begins.map(|account| account.0.cast_signed())
            ])
        })
        .map_err(sql)?;
    match whom {
        Whom::Open(seq) => wake(connection, seq, now),
        Whom::Closed(_) | Whom::Nobody => Ok(()),
    }
}

/// News of what is over may be for whoever took it over, and has not named its key yet.
fn fate_of_late_news(
    connection: &Connection,
    seq: i64,
    otherwise: Otherwise,
) -> Result<&'static str, JournalError> {
    let somebody_is_open = lanes::open_head_beside(connection, seq)?.is_some();
    Ok(if somebody_is_open && otherwise == Otherwise::Keep { "kept" } else { "dropped" })
}

/// The account of which a signal speaks, where that is known.
fn whose(
    connection: &Connection,
    whom: &Whom,
    correlation: &Correlation,
) -> Result<Option<IAccount>, JournalError> {
    match (whom, correlation) {
        (Whom::Open(seq) | Whom::Closed(seq), _) => lanes::account_of(connection, *seq).map(Some),
        (Whom::Nobody, Correlation::IAccount(account)) => Ok(Some(*account)),
        (Whom::Nobody, Correlation::Key(_) | Correlation::AccountId(_)) => Ok(None),
    }
}

pub fn park_unclaimed(connection: &Connection, since: Timestamp, most: usize) -> Result<usize, JournalError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "UPDATE signal SET fate = 'parked'
             WHERE id IN (SELECT id FROM signal WHERE fate = 'kept' AND operation IS NULL AND at <= ?1
                          ORDER BY at LIMIT ?2)",
        )
        .and_then(|mut update| update.execute(params![since.millis(), most]))
        .map_err(sql)
}

fn resolve(connection: &Connection, group: &str, row: &SignalRow) -> Result<Whom, JournalError> {
    let found = match &row.correlation {
        Correlation::IAccount(account) => {
            return Ok(lanes::open_head(connection, group, *account)?.map_or(Whom::Nobody, Whom::Open));
        }
        // A newer operation that named the id of an earlier one has taken over what that one left.
        Correlation::Key(key) => match by_key(connection, group, &row.key)? {
            Some(seq) => Some(seq),
            None => by_id(connection, group, key)?,
        },
        // The account's latest operation named it; another one may stand in the lane by now.
        Correlation::AccountId(_) => match by_key(connection, group, &row.key)? {
            Some(seq) => Some(lanes::open_head_beside(connection, seq)?.unwrap_or(seq)),
            None => None,
        },
    };
    found.map_or(Ok(Whom::Nobody), |seq| open_or_closed(connection, seq))
}

fn by_id(connection: &Connection, group: &str, id: &str) -> Result<Option<i64>, JournalError> {
    connection
        .prepare_cached(
            "SELECT o.seq FROM operation o JOIN lane l ON l.id = o.lane WHERE o.id = ?1 AND l.grp = ?2",
        )
        .and_then(|mut select| select.query_row([id, group], |row| row.get(0)).optional())
        .map_err(sql)
}

fn by_key(connection: &Connection, group: &str, key: &str) -> Result<Option<i64>, JournalError> {
    connection
        .prepare_cached("SELECT operation FROM operation_key WHERE grp = ?1 AND key = ?2")
        .and_then(|mut select| select.query_row([group, key], |row| row.get(0)).optional())
        .map_err(sql)
}

fn open_or_closed(connection: &Connection, seq: i64) -> Result<Whom, JournalError> {
    let open: bool = connection
        .prepare_cached("SELECT open FROM operation WHERE seq = ?1")
        .and_then(|mut select| select.query_row([seq], |row| row.get(0)))
        .map_err(sql)?;
    Ok(if open { Whom::Open(seq) } else { Whom::Closed(seq) })
}

/// A waiting head is due at once. A leased lane gets its date when it is released.
fn wake(connection: &Connection, seq: i64, now: Timestamp) -> Result<(), JournalError> {
    let lane: i64 = connection
        .prepare_cached("SELECT lane FROM operation WHERE seq = ?1")
        .and_then(|mut select| select.query_row([seq], |row| row.get(0)))
        .map_err(sql)?;
    lanes::settle(connection, lane, now.millis())
}
