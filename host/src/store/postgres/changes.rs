//! What external systems changed of themselves: signals for which an operation is to begin.

use tokio_postgres::Row;

use super::super::stored::StoredChange;
use super::connection::{Connection, Failure};
use super::lanes;
use crate::domain::{Group, IAccount, QUIET, Timestamp};

/// The account has nothing open, and we have not touched it for a while before that message came,
/// nor since.
pub async fn is_quiet(
    on: &Connection,
    group: &str,
    account: IAccount,
    received_at: Timestamp,
) -> Result<bool, Failure> {
    if lanes::open_head(on, group, account).await?.is_some() {
        return Ok(false);
    }
    let since = (received_at - QUIET).millis();
    let row = on
        .one(
            "SELECT NOT EXISTS (SELECT 1 FROM operation o JOIN lane l ON l.id = o.lane
                                WHERE l.grp = $1 AND l.i_account = $2 AND o.changed_at > $3)
                AND NOT EXISTS (SELECT 1 FROM signal
                                WHERE grp = $1 AND i_account = $2 AND fate = 'begins')",
            &[&group, &account.0.cast_signed(), &since],
        )
        .await?;
    Ok(row.get(0))
}

pub async fn to_begin(on: &Connection, group: &Group, most: usize) -> Result<Vec<StoredChange>, Failure> {
    let read = |row: &Row| StoredChange {
        signal: row.get(0),
        notification: row.get(1),
        i_account: row.get(2),
        at: row.get(3),
        payload: row.get(4),
    };
    let rows = on
        .all(
            "SELECT id, notification, i_account, at, payload FROM signal
             WHERE grp = $1 AND fate = 'begins' ORDER BY id LIMIT $2",
            &[&group.0, &lanes::count(most)],
        )
        .await?;
    Ok(rows.iter().map(read).collect())
}

pub async fn settle(on: &Connection, signal: i64, fate: &str) -> Result<(), Failure> {
    on.execute("UPDATE signal SET fate = $2 WHERE id = $1 AND fate = 'begins'", &[&signal, &fate])
        .await
        .map(drop)
}
