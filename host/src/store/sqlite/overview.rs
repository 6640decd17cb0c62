//! Counts, for an operator.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _};

use super::super::tallied::Tallied;
use super::sql;
use crate::domain::{EventIdentity, Group, Timestamp};
use crate::ports::{JournalError, Overview};

pub fn read(connection: &Connection) -> Result<Overview, JournalError> {
    read_rows(connection).map_err(sql)
}

fn read_rows(connection: &Connection) -> rusqlite::Result<Overview> {
    let mut overview = Overview::default();
    // In one statement: what ends meanwhile is one or the other.
    let mut counts = connection.prepare_cached(
        "SELECT l.grp, o.word, COUNT(*), MIN(o.received_at), 0 FROM operation o JOIN lane l ON l.id = o.lane
         WHERE o.open = 1 GROUP BY l.grp, o.word
         UNION ALL SELECT grp, word, count, NULL, newest FROM tally",
    )?;
    let mut rows = counts.query([])?;
    while let Some(row) = rows.next()? {
        let (group, word, count) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Tallied { group, word, count, oldest: row.get(3)?, newest: row.get(4)? }.tell(&mut overview);
    }
    let one = |text: &str| connection.prepare_cached(text)?.query_row([], |row| row.get(0)).map(count);
    overview.fan_outs = one("SELECT COUNT(*) FROM fan_out WHERE due IS NOT NULL")?;
    overview.dead_letters = one("SELECT COUNT(*) FROM dead_letter")?;
    overview.notifications_unread = one("SELECT COUNT(*) FROM notification WHERE unread > 0")?;
    overview.signals_kept = one("SELECT COUNT(*) FROM signal WHERE fate = 'kept' AND operation IS NULL")?;
    overview.signals_parked = one("SELECT COUNT(*) FROM signal WHERE fate = 'parked'")?;
    overview.statuses_waiting = one("SELECT COUNT(*) FROM status WHERE due IS NOT NULL")?;
    overview.statuses_given_up = one("SELECT COUNT(*) FROM status WHERE given_up = 1")?;
    overview.times = times(connection)?;
    overview.last_event = connection
        .prepare_cached(
            "SELECT identity, received_at FROM event WHERE received_at > 0 ORDER BY received_at DESC LIMIT 1",
        )?
        .query_row([], |row| Ok((EventIdentity(row.get(0)?), Timestamp::from_millis(row.get(1)?))))
        .optional()?;
    Ok(overview)
}

/// So many that were done last say how long it takes.
const LAST_DONE: i64 = 2000;

fn times(connection: &Connection) -> rusqlite::Result<BTreeMap<Group, (Duration, Duration)>> {
    let mut took: BTreeMap<Group, Vec<u64>> = BTreeMap::new();
    let mut last = connection.prepare_cached(
        "SELECT l.grp, o.changed_at - o.received_at FROM operation o JOIN lane l ON l.id = o.lane
         WHERE o.word = 'done' ORDER BY o.seq DESC LIMIT ?1",
    )?;
    let mut rows = last.query([LAST_DONE])?;
    while let Some(row) = rows.next()? {
        took.entry(Group(row.get(0)?)).or_default().push(count(row.get(1)?));
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
