//! Deletes what ended long ago, a bounded number of rows at a time. What stands outside keeps its keys:
//! of an operation that named them an empty row is left, until nothing stands any more.

use std::collections::BTreeSet;

use super::connection::{Connection, Failure};
use super::lanes::count;
use crate::ports::{Purge, Purgeable, Purged};

/// To this event the empty rows belong, so that their own can go.
const NO_EVENT: &str = "purged";

/// So many more rows may be deleted in this transaction.
struct Budget(usize);

impl Budget {
    fn left(&self) -> i64 {
        count(self.0)
    }

    fn spend(&mut self, rows: usize) {
        self.0 = self.0.saturating_sub(rows);
    }

    /// Runs a statement whose `$1` is the most that it may change.
    async fn change(&mut self, on: &Connection, text: &str, of: i64) -> Result<usize, Failure> {
        let changed = usize::try_from(on.execute(text, &[&self.left(), &of]).await?).unwrap_or(usize::MAX);
        self.spend(changed);
        Ok(changed)
    }
}

pub async fn purge(on: &Connection, purge: &Purge) -> Result<Purged, Failure> {
    let (finished, bodies) = (purge.finished_before.millis(), purge.bodies_before.millis());
    let mut budget = Budget(purge.most);
    let mut purged = Purged::default();
    purged.add(Purgeable::Body, empty_bodies(on, bodies, &mut budget).await?);
    purged.add(Purgeable::Operation, operations(on, finished, &mut budget).await?);
    purged.add(Purgeable::Signal, budget.change(on, SPENT_SIGNALS, finished).await?);
    purged.add(Purgeable::Notification, budget.change(on, NOTIFICATIONS, finished).await?);
    purged.add(Purgeable::DeadLetter, budget.change(on, DEAD_LETTERS, finished).await?);
    // They say how far the page of a customer's accounts came; nobody asks once their event is done.
    budget.change(on, FAN_OUTS, finished).await?;
    purged.add(Purgeable::Event, budget.change(on, EVENTS, finished).await?);
    // Of connections that are no more; nobody has been in doubt for so long.
    on.execute("DELETE FROM commit_mark WHERE at < now() - interval '7 days'", &[]).await?;
    on.execute(TALLY, &[]).await?;
    purged.more = budget.0 == 0;
    Ok(purged)
}

async fn empty_bodies(on: &Connection, before: i64, budget: &mut Budget) -> Result<usize, Failure> {
    let of_notifications = budget
        .change(
            on,
            "UPDATE notification SET raw = ''::bytea, reply = NULL
             WHERE id IN (SELECT id FROM notification WHERE unread = 0 AND raw <> ''::bytea AND received_at <= $2
                          ORDER BY received_at LIMIT $1)",
            before,
        )
        .await?;
    let of_letters = budget
        .change(
            on,
            "UPDATE dead_letter SET body = ''::bytea
             WHERE id IN (SELECT id FROM dead_letter WHERE body <> ''::bytea AND at <= $2 ORDER BY at LIMIT $1)",
            before,
        )
        .await?;
    Ok(of_notifications + of_letters)
}

/// What connections have counted becomes one sum; of those that count at this moment the next time.
const TALLY: &str = "
    WITH counted AS (
        DELETE FROM tally WHERE (slot, grp, word) IN (
            SELECT slot, grp, word FROM tally WHERE slot <> '' FOR UPDATE SKIP LOCKED)
        RETURNING grp, word, count, newest
    )
    INSERT INTO tally
    SELECT '', grp, word, SUM(count)::bigint, MAX(newest) FROM counted GROUP BY grp, word
    ON CONFLICT (slot, grp, word) DO UPDATE
    SET count = tally.count + excluded.count, newest = GREATEST(tally.newest, excluded.newest)";

const SPENT_SIGNALS: &str = "DELETE FROM signal WHERE id IN (
    SELECT id FROM signal s WHERE fate IN ('taken', 'dropped', 'begun') AND at <= $2
        AND NOT EXISTS (SELECT 1 FROM operation WHERE seq = s.operation AND word <> 'purged')
    ORDER BY at LIMIT $1)";

const NOTIFICATIONS: &str = "DELETE FROM notification WHERE id IN (
    SELECT id FROM notification n WHERE unread = 0 AND received_at <= $2
        AND NOT EXISTS (SELECT 1 FROM signal WHERE notification = n.id)
    ORDER BY received_at LIMIT $1)";

const DEAD_LETTERS: &str =
    "DELETE FROM dead_letter WHERE id IN (SELECT id FROM dead_letter WHERE at <= $2 ORDER BY at LIMIT $1)";

const FAN_OUTS: &str = "DELETE FROM fan_out WHERE event IN (
    SELECT identity FROM event e JOIN fan_out f ON f.event = e.identity
    WHERE e.received_at <= $2 AND f.due IS NULL
        AND NOT EXISTS (SELECT 1 FROM operation WHERE event = e.identity)
    ORDER BY e.received_at LIMIT $1)";

const EVENTS: &str = "DELETE FROM event WHERE identity IN (
    SELECT identity FROM event e WHERE received_at <= $2 AND identity <> 'purged'
        AND NOT EXISTS (SELECT 1 FROM operation WHERE event = e.identity)
        AND NOT EXISTS (SELECT 1 FROM fan_out WHERE event = e.identity)
    ORDER BY received_at LIMIT $1)";

/// Lanes in which somebody is just writing have their turn in the next batch.
const ENDED: &str = "SELECT o.seq, o.lane FROM operation o JOIN lane l ON l.id = o.lane
    WHERE NOT o.open AND o.word <> 'purged' AND o.ended_at <= $2
        -- Who has had his operation of a customer's event must not get another one.
        AND NOT EXISTS (SELECT 1 FROM fan_out WHERE event = o.event AND due IS NOT NULL)
    ORDER BY o.ended_at LIMIT $1 FOR NO KEY UPDATE OF l SKIP LOCKED";

async fn operations(on: &Connection, before: i64, budget: &mut Budget) -> Result<usize, Failure> {
    let ended = on.all(ENDED, &[&budget.left(), &before]).await?;
    let (mut gone, mut cleared) = (0, BTreeSet::new());
    for row in &ended {
        let (seq, lane): (i64, i64) = (row.get(0), row.get(1));
        // First of all: when its last operation is gone, nothing leads to a lane any more.
        let left = if cleared.insert(lane) { clear_lane(on, lane, budget).await? } else { 0 };
        if budget.0 == 0 || !strip(on, seq, budget).await? {
            break;
        }
        if keeps_keys(on, seq, lane).await? {
            empty(on, seq).await?;
            budget.spend(1);
        } else {
            delete(on, seq, budget).await?;
        }
        drop_lane(on, lane, budget).await?;
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
async fn strip(on: &Connection, seq: i64, budget: &mut Budget) -> Result<bool, Failure> {
    for text in [
        "DELETE FROM timeline WHERE id IN (SELECT id FROM timeline WHERE operation = $2 LIMIT $1)",
        "DELETE FROM signal WHERE id IN (SELECT id FROM signal WHERE operation = $2 LIMIT $1)",
    ] {
        budget.change(on, text, seq).await?;
        if budget.0 == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Something stands for the account outside, and this operation named by what the system speaks of it.
async fn keeps_keys(on: &Connection, seq: i64, lane: i64) -> Result<bool, Failure> {
    let row = on
        .one(
            "SELECT EXISTS (SELECT 1 FROM lane WHERE id = $2 AND applied IS NOT NULL)
                AND EXISTS (SELECT 1 FROM operation_key WHERE operation = $1)",
            &[&seq, &lane],
        )
        .await?;
    Ok(row.get(0))
}

async fn empty(on: &Connection, seq: i64) -> Result<(), Failure> {
    on.execute(
        "INSERT INTO event (identity, name, received_at, body) VALUES ($1, $1, 0, ''::bytea)
         ON CONFLICT (identity) DO NOTHING",
        &[&NO_EVENT],
    )
    .await?;
    on.execute(
        "UPDATE operation SET word = 'purged', event = $1, laid_down = NULL, state = ''::bytea WHERE seq = $2",
        &[&NO_EVENT, &seq],
    )
    .await
    .map(drop)
}

async fn delete(on: &Connection, seq: i64, budget: &mut Budget) -> Result<(), Failure> {
    let keys = on.execute("DELETE FROM operation_key WHERE operation = $1", &[&seq]).await?;
    on.execute("DELETE FROM operation WHERE seq = $1", &[&seq]).await?;
    budget.spend(usize::try_from(keys).unwrap_or(usize::MAX).saturating_add(1));
    Ok(())
}

/// Deletes the empty rows of a lane that are for nothing any more: nothing stands, or newer operations have
/// their keys. How many are left.
async fn clear_lane(on: &Connection, lane: i64, budget: &mut Budget) -> Result<usize, Failure> {
    let empty = on
        .all(
            "SELECT seq FROM operation o WHERE lane = $1 AND word = 'purged'
                AND (EXISTS (SELECT 1 FROM lane WHERE id = $1 AND applied IS NULL)
                     OR NOT EXISTS (SELECT 1 FROM operation_key WHERE operation = o.seq))
             ORDER BY seq LIMIT $2",
            &[&lane, &budget.left()],
        )
        .await?;
    for row in &empty {
        if !strip(on, row.get(0), budget).await? {
            break;
        }
        delete(on, row.get(0), budget).await?;
    }
    let left = on.one("SELECT COUNT(*) FROM operation WHERE lane = $1 AND word = 'purged'", &[&lane]).await?;
    Ok(usize::try_from(left.get::<_, i64>(0)).unwrap_or(usize::MAX))
}

/// Deletes a lane when nothing is in it.
async fn drop_lane(on: &Connection, lane: i64, budget: &mut Budget) -> Result<(), Failure> {
    let gone = on
        .optional(
            "DELETE FROM lane WHERE id = $1 AND applied IS NULL AND done_with IS NULL AND owner IS NULL
                AND NOT EXISTS (SELECT 1 FROM operation WHERE lane = $1)
             RETURNING grp, i_account",
            &[&lane],
        )
        .await?;
    if let Some(row) = gone {
        budget.spend(1);
        forget_good_words(on, row.get(0), row.get(1)).await?;
    }
    Ok(())
}

/// Where nobody has said anything, all is well: so a good word that was told can go with its lane, and
/// no other one. A group's `FAILED` of an account must go on being the worst that is said of it.
async fn forget_good_words(on: &Connection, group: &str, account: i64) -> Result<(), Failure> {
    on.execute(
        "DELETE FROM status_part WHERE i_account = $1 AND grp = $2 AND word = 'OK'",
        &[&account, &group],
    )
    .await?;
    on.execute(
        "DELETE FROM status WHERE i_account = $1 AND due IS NULL AND word = 'OK'
            AND NOT EXISTS (SELECT 1 FROM lane WHERE i_account = $1)
            AND NOT EXISTS (SELECT 1 FROM status_part p
                            WHERE p.i_account = $1 AND p.service = status.service)",
        &[&account],
    )
    .await
    .map(drop)
}
