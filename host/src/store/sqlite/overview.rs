//! Counts, for an operator.

use rusqlite::{Connection, OptionalExtension as _};

use super::sql;
use crate::domain::{EventIdentity, Group, Timestamp};
use crate::ports::{JournalError, Overview};

pub fn read(connection: &Connection) -> Result<Overview, JournalError> {
    read_rows(connection).map_err(sql)
}

fn read_rows(connection: &Connection) -> rusqlite::Result<Overview> {
    let mut overview = Overview::default();
    let mut counts = connection.prepare_cached(
        "SELECT l.grp, o.word, COUNT(*), MIN(CASE WHEN o.open = 1 THEN o.received_at END)
         FROM operation o JOIN lane l ON l.id = o.lane GROUP BY l.grp, o.word",
    )?;
    let mut rows = counts.query([])?;
    while let Some(row) = rows.next()? {
        let group = Group(row.get(0)?);
        overview.operations.insert((group.clone(), row.get(1)?), count(row.get(2)?));
        if let Some(received) = row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis) {
            let oldest = overview.oldest_open.entry(group).or_insert(received);
            *oldest = received.min(*oldest);
        }
    }
    let one = |text: &str| connection.prepare_cached(text)?.query_row([], |row| row.get(0)).map(count);
    overview.events = one("SELECT COUNT(*) FROM event")?;
    overview.fan_outs = one("SELECT COUNT(*) FROM fan_out WHERE due IS NOT NULL")?;
    overview.dead_letters = one("SELECT COUNT(*) FROM dead_letter")?;
    overview.notifications_unread = one("SELECT COUNT(*) FROM notification WHERE unread > 0")?;
    overview.signals_kept = one("SELECT COUNT(*) FROM signal WHERE fate = 'kept' AND operation IS NULL")?;
    overview.signals_parked = one("SELECT COUNT(*) FROM signal WHERE fate = 'parked'")?;
    overview.statuses_waiting = one("SELECT COUNT(*) FROM status WHERE due IS NOT NULL")?;
    overview.statuses_given_up = one("SELECT COUNT(*) FROM status WHERE given_up = 1")?;
    overview.last_event = connection
        .prepare_cached("SELECT identity, received_at FROM event ORDER BY received_at DESC LIMIT 1")?
        .query_row([], |row| Ok((EventIdentity(row.get(0)?), Timestamp::from_millis(row.get(1)?))))
        .optional()?;
    Ok(overview)
}

fn count(stored: i64) -> u64 {
    stored.unsigned_abs()
}
