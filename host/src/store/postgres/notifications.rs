//! Notifications as they came, and the signals that were read in them.

use super::super::text;
use super::super::written::{DeliveredRow, ReadingRows, SignalRow, Whom};
use super::connection::{Connection, Failure};
use super::{changes, lanes};
use crate::domain::{Correlation, Group, IAccount, Otherwise, Timestamp};

/// The notification that this one repeats, with its reply, still sealed; `None`: it is new.
pub type Repeated = Option<(String, Option<Vec<u8>>)>;

pub async fn keep(on: &Connection, row: &DeliveredRow) -> Result<Repeated, Failure> {
    let DeliveredRow { id, group, sender_id, received_at, raw } = row;
    let kept = on
        .execute(
            "INSERT INTO notification (id, grp, received_at, unread, raw, sender_id) VALUES ($1, $2, $3, 1, $4, $5)
             ON CONFLICT (grp, sender_id) WHERE sender_id IS NOT NULL DO NOTHING",
            &[id, group, received_at, raw, sender_id],
        )
        .await?;
    if kept == 1 {
        return Ok(None);
    }
    let text = "SELECT id, reply FROM notification WHERE grp = $1 AND sender_id = $2";
    let row = on.one(text, &[group, sender_id]).await?;
    Ok(Some((row.get(0), row.get(1))))
}

pub async fn unread(on: &Connection, group: &Group, most: usize) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let rows = on
        .all(
            "SELECT id, raw FROM notification WHERE grp = $1 AND unread = 1 AND unread > 0 ORDER BY id LIMIT $2",
            &[&group.0, &lanes::count(most)],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// One whose row is damaged is left alone until the next start.
pub async fn set_aside(on: &Connection, id: &str) -> Result<(), Failure> {
    on.execute("UPDATE notification SET unread = 2 WHERE id = $1", &[&id]).await.map(drop)
}

pub async fn keep_reply(on: &Connection, id: &str, sealed: &[u8]) -> Result<(), Failure> {
    on.execute("UPDATE notification SET reply = COALESCE(reply, $1) WHERE id = $2", &[&sealed, &id])
        .await
        .map(drop)
}

/// Records one reading of a notification; a second one, by whoever came later, changes nothing.
pub async fn record(on: &Connection, id: &str, rows: &ReadingRows, now: Timestamp) -> Result<(), Failure> {
    let unread: i32 = if rows.unread { 2 } else { 0 };
    let known = on
        .optional(
            "UPDATE notification SET unread = $1, reply = COALESCE(reply, $2)
             WHERE id = $3 AND (unread = 1 OR unread = 2 AND $1 = 0) RETURNING grp, received_at",
            &[&unread, &rows.reply, &id],
        )
        .await?;
    let Some(row) = known else { return Ok(()) };
    let (group, received_at) = (row.get::<_, String>(0), Timestamp::from_millis(row.get(1)));
    let keys: Vec<&str> = rows.signals.iter().map(|row| row.key.as_str()).collect();
    lanes::hold_keys(on, &group, &keys).await?;
    for row in &rows.signals {
        record_signal(on, id, &group, row, (received_at, now)).await?;
    }
    Ok(())
}

async fn record_signal(
    on: &Connection,
    notification: &str,
    group: &str,
    row: &SignalRow,
    (received_at, now): (Timestamp, Timestamp),
) -> Result<(), Failure> {
    let whom = resolve(on, group, row).await?;
    let begins = match row.otherwise {
        Otherwise::Begin => whose(on, &whom, &row.correlation).await?,
        Otherwise::Keep | Otherwise::Drop => None,
    };
    let (operation, fate) = match (&whom, begins) {
        (Whom::Open(seq), _) => (Some(*seq), "kept"),
        (Whom::Closed(_) | Whom::Nobody, Some(account)) => {
            let is_quiet = changes::is_quiet(on, group, account, received_at).await?;
            (None, if is_quiet { "begins" } else { "dropped" })
        }
        (Whom::Closed(seq), None) => (Some(*seq), fate_of_late_news(on, *seq, row.otherwise).await?),
        (Whom::Nobody, None) => (None, if row.otherwise == Otherwise::Drop { "dropped" } else { "kept" }),
    };
    on.execute(
        "INSERT INTO signal (notification, grp, sender_id, key, operation, at, fate, payload, i_account)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        &[
            &notification,
            &group,
            &row.sender_id,
            &row.key,
            &operation,
            &now.millis(),
            &fate,
            &row.payload,
            &begins.map(|account| account.0.cast_signed()),
        ],
    )
    .await?;
    match whom {
        Whom::Open(seq) => wake(on, seq, now).await,
        Whom::Closed(_) | Whom::Nobody => Ok(()),
    }
}

/// News of what is over may be for whoever took it over, and has not named its key yet.
async fn fate_of_late_news(on: &Connection, seq: i64, otherwise: Otherwise) -> Result<&'static str, Failure> {
    let somebody_is_open = lanes::open_head_beside(on, seq).await?.is_some();
    Ok(if somebody_is_open && otherwise == Otherwise::Keep { "kept" } else { "dropped" })
}

/// The account of which a signal speaks, where that is known.
async fn whose(on: &Connection, whom: &Whom, correlation: &Correlation) -> Result<Option<IAccount>, Failure> {
    match (whom, correlation) {
        (Whom::Open(seq) | Whom::Closed(seq), _) => lanes::account_of(on, *seq).await.map(Some),
        (Whom::Nobody, Correlation::IAccount(account)) => Ok(Some(*account)),
        (Whom::Nobody, Correlation::Key(_) | Correlation::AccountId(_)) => Ok(None),
    }
}

pub async fn park_unclaimed(on: &Connection, since: Timestamp, most: usize) -> Result<usize, Failure> {
    let parked = on
        .execute(
            "UPDATE signal SET fate = 'parked'
             WHERE id IN (SELECT id FROM signal WHERE fate = 'kept' AND operation IS NULL AND at <= $1
                          ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            &[&since.millis(), &lanes::count(most)],
        )
        .await?;
    Ok(usize::try_from(parked).unwrap_or(usize::MAX))
}

/// Of whom it speaks. His lane is held from here on: he stays open, or closed, until the signal is written.
async fn resolve(on: &Connection, group: &str, row: &SignalRow) -> Result<Whom, Failure> {
    let found = match &row.correlation {
        Correlation::IAccount(account) => {
            lanes::hold_of(on, group, *account).await?;
            return Ok(lanes::open_head(on, group, *account).await?.map_or(Whom::Nobody, Whom::Open));
        }
        // A newer operation that named the id of an earlier one has taken over what that one left.
        Correlation::Key(key) => by_key_or_id(on, group, &row.key, key).await?,
        // The account's latest operation named it; another one may stand in the lane by now.
        Correlation::AccountId(_) => by_key(on, group, &row.key).await?,
    };
    let Some(seq) = found else { return Ok(Whom::Nobody) };
    if lanes::hold_around(on, seq).await?.is_none() {
        return Ok(Whom::Nobody);
    }
    match row.correlation {
        Correlation::AccountId(_) => {
            let head = lanes::open_head_beside(on, seq).await?.unwrap_or(seq);
            open_or_closed(on, head).await
        }
        Correlation::Key(_) | Correlation::IAccount(_) => open_or_closed(on, seq).await,
    }
}

async fn by_key_or_id(on: &Connection, group: &str, key: &str, id: &str) -> Result<Option<i64>, Failure> {
    let row = on
        .one(
            "SELECT COALESCE((SELECT operation FROM operation_key WHERE grp = $1 AND key = $2),
                             (SELECT o.seq FROM operation o JOIN lane l ON l.id = o.lane
                              WHERE o.id = $3 AND l.grp = $1))",
            &[&group, &key, &text::plain(id)],
        )
        .await?;
    Ok(row.get(0))
}

async fn by_key(on: &Connection, group: &str, key: &str) -> Result<Option<i64>, Failure> {
    let text = "SELECT operation FROM operation_key WHERE grp = $1 AND key = $2";
    Ok(on.optional(text, &[&group, &key]).await?.map(|row| row.get(0)))
}

/// One that was purged meanwhile is nobody.
async fn open_or_closed(on: &Connection, seq: i64) -> Result<Whom, Failure> {
    let found = on.optional("SELECT open FROM operation WHERE seq = $1", &[&seq]).await?;
    Ok(match found.map(|row| row.get(0)) {
        Some(true) => Whom::Open(seq),
        Some(false) => Whom::Closed(seq),
        None => Whom::Nobody,
    })
}

/// A waiting head is due at once. A leased lane gets its date when it is released.
async fn wake(on: &Connection, seq: i64, now: Timestamp) -> Result<(), Failure> {
    let row = on.one("SELECT lane FROM operation WHERE seq = $1", &[&seq]).await?;
    lanes::settle(on, row.get(0), now.millis()).await
}
