//! Counts, for an operator.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::tallied::Tallied;
use super::connection::{Connection, Failure};
use crate::domain::{EventIdentity, Group, Timestamp};
use crate::ports::Overview;

pub async fn read(on: &Connection) -> Result<Overview, Failure> {
    let mut overview = Overview::default();
    // In one statement: what ends meanwhile is one or the other.
    let counts = on
        .all(
            "SELECT l.grp, o.word, COUNT(*), MIN(o.received_at), 0::bigint FROM operation o JOIN lane l ON l.id = o.lane
             WHERE o.open GROUP BY l.grp, o.word
             UNION ALL SELECT grp, word, SUM(count)::bigint, NULL, MAX(newest) FROM tally GROUP BY grp, word",
            &[],
        )
        .await?;
    for row in &counts {
        let (group, word, count) = (row.get(0), row.get(1), row.get(2));
        Tallied { group, word, count, oldest: row.get(3), newest: row.get(4) }.tell(&mut overview);
    }
    let row = on
        .one(
            "SELECT (SELECT COUNT(*) FROM fan_out WHERE due IS NOT NULL),
                    (SELECT COUNT(*) FROM dead_letter),
                    (SELECT COUNT(*) FROM notification WHERE unread > 0),
                    (SELECT COUNT(*) FROM signal WHERE fate = 'kept' AND operation IS NULL),
                    (SELECT COUNT(*) FROM signal WHERE fate = 'parked'),
                    (SELECT COUNT(*) FROM status WHERE due IS NOT NULL),
                    (SELECT COUNT(*) FROM status WHERE given_up)",
            &[],
        )
        .await?;
    overview.fan_outs = count(row.get(0));
    overview.dead_letters = count(row.get(1));
    overview.notifications_unread = count(row.get(2));
    overview.signals_kept = count(row.get(3));
    overview.signals_parked = count(row.get(4));
    overview.statuses_waiting = count(row.get(5));
    overview.statuses_given_up = count(row.get(6));
    overview.times = times(on).await?;
    let last = on
        .optional(
            "SELECT identity, received_at FROM event WHERE received_at > 0 ORDER BY received_at DESC LIMIT 1",
            &[],
        )
        .await?;
    overview.last_event = last.map(|row| (EventIdentity(row.get(0)), Timestamp::from_millis(row.get(1))));
    Ok(overview)
}

/// So many that were done last say how long it takes.
const LAST_DONE: i64 = 2000;

async fn times(on: &Connection) -> Result<BTreeMap<Group, (Duration, Duration)>, Failure> {
    let mut took: BTreeMap<Group, Vec<u64>> = BTreeMap::new();
    let last = on
        .all(
            "SELECT l.grp, o.changed_at - o.received_at FROM operation o JOIN lane l ON l.id = o.lane
             WHERE o.word = 'done' ORDER BY o.seq DESC LIMIT $1",
            &[&LAST_DONE],
        )
        .await?;
    for row in &last {
        took.entry(Group(row.get(0))).or_default().push(count(row.get(1)));
    }
    let of_group = |(group, mut millis): (Group, Vec<u64>)| {
        millis.sort_unstable();
        let at = |twentieths: usize| Duration::from_millis(millis[(millis.len() - 1) * twentieths / 20]);
        (group, (at(10), at(19)))
    };
    Ok(took.into_iter().map(of_group).collect())
}

fn count(stored: i64) -> u64 {
    stored.unsigned_abs()
}
