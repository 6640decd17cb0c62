//! The outbox: what PortaBilling is to be told, the latest value of each account and service.

use futures_util::future::try_join3;
use tokio_postgres::Row;

use super::super::stored::StoredStatus;
use super::connection::{Connection, Failure};
use super::instances::leads;
use super::lanes::count;
use crate::domain::{Group, IAccount, Timestamp};
use crate::ports::StatusUpdate;

/// What a group says from now on of an account in a service; written in the transaction of the change
/// that it tells of. Of several groups the worst word is told, and takes the place of whatever waits: one group
/// after the other, or each would miss the other's.
pub async fn put(
    on: &Connection,
    group: &Group,
    account: IAccount,
    (service, word, said): (&str, &str, &[u8]),
    now: Timestamp,
) -> Result<(), Failure> {
    let i_account = account.0.cast_signed();
    let hold =
        "SELECT pg_advisory_xact_lock(hashtextextended('status:' || $1::bigint || '/' || $2::text, 0))";
    let part =
        "INSERT INTO status_part (i_account, service, grp, word, said, at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (i_account, service, grp)
         DO UPDATE SET word = excluded.word, said = excluded.said, at = excluded.at";
    let worst = "INSERT INTO status (i_account, service, version, said, word, due)
         SELECT i_account, service, 1, said, word, $3 FROM status_part WHERE i_account = $1 AND service = $2
         ORDER BY CASE word WHEN 'FAILED' THEN 0 WHEN 'RETRY' THEN 1 WHEN 'IN_PROGRESS' THEN 2 ELSE 3 END,
                  at DESC LIMIT 1
         ON CONFLICT (i_account, service)
         DO UPDATE SET version = status.version + 1, said = excluded.said, word = excluded.word,
                       attempts = 0, due = excluded.due, given_up = FALSE,
                       -- One that was not settled may have arrived: nobody knows what is told.
                       told = CASE WHEN status.due IS NULL THEN status.told END";
    try_join3(
        on.all(hold, &[&i_account, &service]),
        on.execute(part, &[&i_account, &service, &group.0, &word, &said, &now.millis()]),
        on.execute(worst, &[&i_account, &service, &now.millis()]),
    )
    .await
    .map(drop)
}

/// Groups that are no more have no word in anything. Where another one began meanwhile, it may know them.
pub async fn forget_others(on: &Connection, known: &[Group], this: &str) -> Result<usize, Failure> {
    let known: Vec<&str> = known.iter().map(|group| group.0.as_str()).collect();
    let text = "DELETE FROM status_part
                WHERE grp <> ALL($1) AND NOT EXISTS (SELECT 1 FROM instance WHERE id <> $2)";
    let forgotten = on.execute(text, &[&known, &this]).await?;
    Ok(usize::try_from(forgotten).unwrap_or(usize::MAX))
}

pub async fn due(on: &Connection, now: Timestamp, most: usize) -> Result<Vec<StoredStatus>, Failure> {
    let read = |row: &Row| StoredStatus {
        i_account: row.get(0),
        service: row.get(1),
        version: row.get(2),
        said: row.get(3),
        told: row.get(4),
        attempts: row.get::<_, i32>(5).unsigned_abs(),
    };
    let rows = on
        .all(
            "SELECT i_account, service, version, said, told, attempts FROM status WHERE due <= $1 ORDER BY due LIMIT $2",
            &[&now.millis(), &count(most)],
        )
        .await?;
    Ok(rows.iter().map(read).collect())
}

/// What came meanwhile stays due.
pub async fn settled(on: &Connection, update: &StatusUpdate, taken: bool) -> Result<(), Failure> {
    if !leads(on, update.term).await? {
        return tell_again(on, update).await;
    }
    on.execute(
        "UPDATE status SET due = NULL, attempts = 0, given_up = NOT $4, told = CASE WHEN $4 THEN said ELSE told END
         WHERE i_account = $1 AND service = $2 AND version = $3",
        &[&update.i_account.0.cast_signed(), &update.service.0, &update.version.cast_signed(), &taken],
    )
    .await
    .map(drop)
}

/// One that cannot be read is not told; the next word takes its place.
pub async fn set_aside(on: &Connection, i_account: i64, service: &str) -> Result<(), Failure> {
    on.execute(
        "UPDATE status SET due = NULL, told = NULL WHERE i_account = $1 AND service = $2",
        &[&i_account, &service],
    )
    .await
    .map(drop)
}

pub async fn later(on: &Connection, update: &StatusUpdate, at: Timestamp) -> Result<(), Failure> {
    if !leads(on, update.term).await? {
        return tell_again(on, update).await;
    }
    on.execute(
        "UPDATE status SET due = $1, attempts = attempts + 1 WHERE i_account = $2 AND service = $3 AND version = $4",
        &[&at.millis(), &update.i_account.0.cast_signed(), &update.service.0, &update.version.cast_signed()],
    )
    .await
    .map(drop)
}

/// Somebody told it who leads no more: it may have come after a newer word, so the newest is told once more.
async fn tell_again(on: &Connection, update: &StatusUpdate) -> Result<(), Failure> {
    // By another version: whoever is telling it now must not settle what came to stand after him.
    let text = "UPDATE status SET version = version + 1, due = COALESCE(due, $3), told = NULL
                WHERE i_account = $1 AND service = $2";
    on.execute(text, &[&update.i_account.0.cast_signed(), &update.service.0, &0_i64]).await.map(drop)
}
