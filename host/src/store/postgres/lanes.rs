//! Lanes: who may move what, and when. No write stands unless the lease still holds, and it holds the
//! lane's row, so that nobody else writes in the lane before it ends.

use futures_util::future::try_join;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::rows::StoredOperation;
use super::super::stored::{Beside, Dates, LeasedLane, StoredHead};
use super::connection::{Connection, Failure, all_of};
use super::database::Database;
use crate::domain::{Behind, Group, IAccount, OperationId, Timestamp};
use crate::ports::{Claim, JournalError, Lease};

/// Lanes that somebody else is just writing in are left to him.
pub async fn lease(
    on: &Connection,
    claim: &Claim,
    database: &Database,
) -> Result<(Vec<LeasedLane>, Option<Timestamp>), Failure> {
    let mut claimed = Vec::new();
    for which in kinds(claim) {
        let most = claim.most.saturating_sub(claimed.len());
        claimed.extend(take(on, claim, which, most, database).await?);
    }
    let heads = all_of(claimed.iter().map(|(lane, _)| head(on, *lane))).await?;
    let mut lanes = Vec::with_capacity(claimed.len());
    for ((lane, epoch), head) in claimed.into_iter().zip(heads) {
        match head {
            Some(head) => lanes.push((lane, epoch.cast_unsigned(), head)),
            // Nothing stands in it any more.
            None => settle_and_free(on, lane, claim.now.millis()).await?,
        }
    }
    let next_due = if lanes.is_empty() { next_due(on, claim).await? } else { None };
    Ok((lanes, next_due))
}

/// Which lanes, in what order; each has an index of its own. While nothing leaves, those that only
/// wait for that are left where they are.
const fn kinds(claim: &Claim) -> [&'static str; 2] {
    const LOOKS: &str = "looks";
    let others = if claim.senders { "NOT looks" } else { "NOT looks AND NOT sends" };
    if claim.looks_first { [LOOKS, others] } else { [others, LOOKS] }
}

async fn take(
    on: &Connection,
    claim: &Claim,
    which: &str,
    most: usize,
    database: &Database,
) -> Result<Vec<(i64, i64)>, Failure> {
    if most == 0 {
        return Ok(Vec::new());
    }
    let text = format!(
        "WITH due AS (SELECT id FROM lane
                      WHERE grp = $3 AND due <= $4 AND {which}
                        AND (owner IS NULL OR (owner <> $1 AND lease_until <= $5))
                      ORDER BY due LIMIT $6 FOR NO KEY UPDATE SKIP LOCKED)
         UPDATE lane SET owner = $1, lease_until = $2, epoch = epoch + 1
         FROM due WHERE lane.id = due.id RETURNING lane.id, lane.epoch",
    );
    let (until, now) = (database.there(claim.until), database.there(claim.now));
    let rows = on
        .all(&text, &[&claim.owner, &until, &claim.group.0, &claim.now.millis(), &now, &count(most)])
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

pub fn count(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

async fn next_due(on: &Connection, claim: &Claim) -> Result<Option<Timestamp>, Failure> {
    let mut dues = Vec::new();
    for which in kinds(claim) {
        let text = format!(
            "SELECT MIN(due) FROM lane WHERE grp = $1 AND due IS NOT NULL AND lease_until IS NULL AND {which}"
        );
        dues.extend(on.one(&text, &[&claim.group.0]).await?.get::<_, Option<i64>>(0));
    }
    Ok(dues.into_iter().min().map(Timestamp::from_millis))
}

pub async fn head(on: &Connection, lane: i64) -> Result<Option<StoredHead>, Failure> {
    let found = on
        .optional(
            "SELECT o.seq, o.id, l.grp, l.i_account, o.due, o.event, e.body, o.laid_down, o.state
             FROM operation o JOIN lane l ON l.id = o.lane JOIN event e ON e.identity = o.event
             WHERE o.lane = $1 AND o.open ORDER BY o.seq LIMIT 1",
            &[&lane],
        )
        .await?;
    let Some(row) = found else { return Ok(None) };
    let beside = beside(on, lane, row.get(0)).await?;
    Ok(Some(StoredHead { operation: stored_operation(&row), beside }))
}

pub fn stored_operation(row: &Row) -> StoredOperation {
    StoredOperation {
        id: row.get(1),
        group: row.get(2),
        i_account: row.get(3),
        due: row.get(4),
        event_identity: row.get(5),
        event: row.get(6),
        laid_down: row.get(7),
        state: row.get(8),
    }
}

pub async fn beside(on: &Connection, lane: i64, seq: i64) -> Result<Beside, Failure> {
    let row = on
        .one(
            "SELECT l.grp, l.i_account, l.applied, s.notification, s.payload, b.id, b.name, b.newest
             FROM lane l
             LEFT JOIN LATERAL (
                 SELECT notification, payload FROM signal WHERE operation = $2 AND fate = 'kept' ORDER BY id LIMIT 1
             ) s ON TRUE
             LEFT JOIN LATERAL (
                 SELECT o.id, e.name,
                        (SELECT id FROM operation WHERE lane = l.id AND open ORDER BY seq DESC LIMIT 1) AS newest
                 FROM operation o JOIN event e ON e.identity = o.event
                 WHERE o.lane = l.id AND o.open AND o.seq > $2 ORDER BY o.seq LIMIT 1
             ) b ON TRUE
             WHERE l.id = $1",
            &[&lane, &seq],
        )
        .await?;
    let signal: Option<String> = row.get(3);
    let next: Option<String> = row.get(5);
    Ok(Beside {
        group: row.get(0),
        i_account: row.get(1),
        applied: row.get(2),
        signal: signal.map(|notification| (notification, row.get(4))),
        behind: next.map(|next| Behind {
            next: OperationId(next),
            next_event: row.get(6),
            newest: OperationId(row.get(7)),
        }),
    })
}

/// Holds what signals and operations find each other by, until the transaction ends: who seeks the one and finds it
/// not writes before the other is there, or after it. Keys go before lanes, and in their order.
pub async fn hold_keys(on: &Connection, group: &str, keys: &[&str]) -> Result<(), Failure> {
    if keys.is_empty() {
        return Ok(());
    }
    let text = "SELECT pg_advisory_xact_lock(key) FROM (
                    SELECT DISTINCT hashtextextended($1 || '/' || key, 0) AS key FROM unnest($2::text[]) AS key
                    ORDER BY 1) AS keys";
    on.all(text, &[&group, &keys]).await.map(drop)
}

/// The lane of an account, held; `None`: it has none.
pub async fn hold_of(on: &Connection, group: &str, account: IAccount) -> Result<Option<i64>, Failure> {
    let text = "SELECT id FROM lane WHERE grp = $1 AND i_account = $2 FOR NO KEY UPDATE";
    let found = on.optional(text, &[&group, &account.0.cast_signed()]).await?;
    Ok(found.map(|row| row.get(0)))
}

/// The lane that an operation stands in, held; `None`: it is no more.
pub async fn hold_around(on: &Connection, seq: i64) -> Result<Option<i64>, Failure> {
    let text = "SELECT id FROM lane WHERE id = (SELECT lane FROM operation WHERE seq = $1) FOR NO KEY UPDATE";
    Ok(on.optional(text, &[&seq]).await?.map(|row| row.get(0)))
}

/// Signals that came before anybody was there of whom they speak.
pub async fn claim_kept_signals(on: &Connection, group: &Group, key: &str, seq: i64) -> Result<(), Failure> {
    on.execute(
        "UPDATE signal SET operation = $1 WHERE grp = $2 AND key = $3 AND fate = 'kept' AND operation IS NULL",
        &[&seq, &group.0, &key],
    )
    .await
    .map(drop)
}

/// The same for a key that its adapter named: whoever names what an earlier one of its lane had named has
/// taken over what that one left.
pub async fn take_over_signals(on: &Connection, group: &Group, key: &str, seq: i64) -> Result<(), Failure> {
    on.execute(
        "UPDATE signal SET operation = $1
         WHERE grp = $2 AND key = $3 AND fate = 'kept'
           AND (operation IS NULL OR operation IN (SELECT seq FROM operation WHERE NOT open
                    AND lane = (SELECT lane FROM operation WHERE seq = $1)))",
        &[&seq, &group.0, &key],
    )
    .await
    .map(drop)
}

/// When an operation that stands before this one in its lane was last written.
pub async fn changed_before(on: &Connection, operation: &str) -> Result<Option<Timestamp>, Failure> {
    let row = on
        .one(
            "SELECT MAX(o.changed_at) FROM operation this JOIN operation o ON o.lane = this.lane AND o.seq < this.seq
             WHERE this.id = $1",
            &[&operation],
        )
        .await?;
    Ok(row.get::<_, Option<i64>>(0).map(Timestamp::from_millis))
}

pub async fn release(on: &Connection, lease: &Lease, now: Timestamp) -> Result<(), Failure> {
    let free = "UPDATE lane SET owner = NULL, lease_until = NULL WHERE id = $1 AND owner = $2 AND epoch = $3";
    let values: [&(dyn ToSql + Sync); 3] = [&lease.lane, &lease.owner, &lease.epoch.cast_signed()];
    let freed = async {
        match on.execute(free, &values).await? {
            0 => Err(JournalError::LeaseLost.into()),
            _ => Ok(()),
        }
    };
    // Where the lease is lost the rest is undone.
    try_join(freed, settle(on, lease.lane, now.millis())).await.map(drop)
}

pub async fn settle_and_free(on: &Connection, lane: i64, now: i64) -> Result<(), Failure> {
    let free = "UPDATE lane SET owner = NULL, lease_until = NULL WHERE id = $1";
    try_join(on.execute(free, &[&lane]), settle(on, lane, now)).await.map(drop)
}

/// Takes a lane out of the way whose head cannot be read. It stays as it is, for a person.
pub async fn set_aside(on: &Connection, lane: i64) -> Result<(), Failure> {
    on.execute("UPDATE lane SET due = NULL, owner = NULL, lease_until = NULL WHERE id = $1", &[&lane])
        .await
        .map(drop)
}

/// Makes a lane's date from what stands in it. While somebody holds the lane that is this very moment: should
/// he not come back, the next one looks at once, whatever he had changed by then.
pub async fn settle(on: &Connection, lane: i64, now: i64) -> Result<(), Failure> {
    let head = on
        .optional(
            "SELECT o.id, o.stage, o.gives_way, o.compared, o.compare_at, o.due,
                    (SELECT id FROM operation WHERE lane = $1 AND open ORDER BY seq DESC LIMIT 1),
                    EXISTS (SELECT 1 FROM signal WHERE operation = o.seq AND fate = 'kept')
             FROM operation o WHERE o.lane = $1 AND o.open ORDER BY o.seq LIMIT 1",
            &[&lane],
        )
        .await?;
    let dates = |row: Row| {
        let (newest, is_called): (String, bool) = (row.get(6), row.get(7));
        let dates = Dates {
            id: row.get(0),
            stage: row.get(1),
            gives_way: u8::try_from(row.get::<_, i32>(2)).unwrap_or_default(),
            compared: row.get(3),
            compare_at: row.get(4),
            due: row.get(5),
        };
        let due = dates.of_lane(Some(newest), is_called, now);
        (due, dates.only("ready", due), dates.only("waiting", due))
    };
    let (due, sends, looks) = head.map_or((None, false, false), dates);
    on.execute(
        "UPDATE lane SET due = CASE WHEN owner IS NULL THEN $1::bigint ELSE $5::bigint END,
                         sends = $2 AND owner IS NULL, looks = $3 AND owner IS NULL
         WHERE id = $4",
        &[&due, &sends, &looks, &lane, &now],
    )
    .await
    .map(drop)
}

/// The operation that stands first in an account's lane.
pub async fn open_head(on: &Connection, group: &str, account: IAccount) -> Result<Option<i64>, Failure> {
    let found = on
        .optional(
            "SELECT o.seq FROM operation o JOIN lane l ON l.id = o.lane
             WHERE l.grp = $1 AND l.i_account = $2 AND o.open ORDER BY o.seq LIMIT 1",
            &[&group, &account.0.cast_signed()],
        )
        .await?;
    Ok(found.map(|row| row.get(0)))
}

/// The operation that stands first in the lane of this one.
pub async fn open_head_beside(on: &Connection, seq: i64) -> Result<Option<i64>, Failure> {
    let found = on
        .optional(
            "SELECT seq FROM operation WHERE lane = (SELECT lane FROM operation WHERE seq = $1) AND open
             ORDER BY seq LIMIT 1",
            &[&seq],
        )
        .await?;
    Ok(found.map(|row| row.get(0)))
}

/// Whose lane an operation stands in.
pub async fn account_of(on: &Connection, seq: i64) -> Result<IAccount, Failure> {
    let text = "SELECT i_account FROM lane WHERE id = (SELECT lane FROM operation WHERE seq = $1)";
    let row = on.one(text, &[&seq]).await?;
    Ok(IAccount(row.get::<_, i64>(0).cast_unsigned()))
}
