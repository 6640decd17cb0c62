//! Answers the port `Resyncs`: resyncs, and what they compare with.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::rows::i_account;
use super::super::stored::StoredLane;
use super::super::written::{AdoptedRows, DIFFERING_MAX, Taken, WorkRows, done_with};
use super::{SqliteJournal, events, sql};
use crate::domain::{Difference, Differing, Event, Group, LaidDown, Lane, Resync};
use crate::ports::{Adopted, Compared, JournalError, Resyncs};

fn failed(error: &serde_json::Error) -> JournalError {
    JournalError::Failed(error.to_string())
}

fn last(connection: &Connection) -> Result<Option<Resync>, JournalError> {
    let state: Option<String> = connection
        .prepare_cached("SELECT state FROM resync ORDER BY id DESC LIMIT 1")
        .and_then(|mut select| select.query_row([], |row| row.get(0)).optional())
        .map_err(sql)?;
    let damaged = |error: serde_json::Error| JournalError::Damaged(format!("resync.state: {error}"));
    state.map(|state| serde_json::from_str(&state).map_err(damaged)).transpose()
}

fn begin(connection: &Connection, id: &str, state: &str) -> rusqlite::Result<bool> {
    let under_way: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM resync WHERE open = 1)")?
        .query_row([], |row| row.get(0))?;
    if under_way {
        return Ok(false);
    }
    connection.execute_batch("DELETE FROM resync; DELETE FROM differing;")?;
    connection
        .prepare_cached("INSERT INTO resync (id, open, state) VALUES (?1, 1, ?2)")?
        .execute([id, state])?;
    Ok(true)
}

/// A step of one, as it is written.
struct Step {
    id: String,
    open: bool,
    state: String,
    seen: Vec<Lane>,
    differing: Vec<Differing>,
}

fn go_on(connection: &Connection, step: &Step) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached("UPDATE resync SET open = ?2, state = ?3 WHERE id = ?1 AND open = 1")?
        .execute(params![step.id, step.open, step.state])?;
    if changed == 0 {
        return Ok(false);
    }
    let mut see = connection.prepare_cached("UPDATE lane SET seen = ?1 WHERE grp = ?2 AND i_account = ?3")?;
    for lane in &step.seen {
        see.execute(params![step.id, lane.group.0, lane.i_account.0.cast_signed()])?;
    }
    let mut list = connection.prepare_cached(
        "INSERT INTO differing (grp, i_account, how) SELECT ?1, ?2, ?3
         WHERE (SELECT COUNT(*) FROM differing) < ?4",
    )?;
    for Differing { lane, how } in &step.differing {
        let account = lane.i_account.0.cast_signed();
        list.execute(params![lane.group.0, account, how.word(), DIFFERING_MAX])?;
    }
    Ok(true)
}

fn differing(connection: &Connection, behind: u64, most: usize) -> rusqlite::Result<Vec<(u64, Differing)>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let read = |row: &Row<'_>| {
        let lane = Lane { group: Group(row.get(1)?), i_account: i_account(row.get(2)?) };
        let how = Difference::from_word(&row.get::<_, String>(3)?).unwrap_or(Difference::Changed);
        Ok((row.get::<_, i64>(0)?.cast_unsigned(), Differing { lane, how }))
    };
    connection
        .prepare_cached("SELECT id, grp, i_account, how FROM differing WHERE id > ?1 ORDER BY id LIMIT ?2")?
        .query_map(params![behind.cast_signed(), most], read)?
        .collect()
}

fn stored(connection: &Connection, lane: &Lane) -> rusqlite::Result<StoredLane> {
    let read =
        |row: &Row<'_>| Ok(StoredLane { open: row.get(0)?, done_with: row.get(1)?, applied: row.get(2)? });
    let found = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM operation o WHERE o.lane = l.id AND o.open = 1), l.done_with, l.applied
             FROM lane l WHERE l.grp = ?1 AND l.i_account = ?2",
        )?
        .query_row(params![lane.group.0, lane.i_account.0.cast_signed()], read)
        .optional()?;
    Ok(found.unwrap_or_default())
}

fn unseen(
    connection: &Connection,
    resync: &str,
    groups: &str,
    behind: i64,
    most: usize,
) -> rusqlite::Result<Vec<(i64, Lane)>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let read = |row: &Row<'_>| {
        let lane = Lane { group: Group(row.get(1)?), i_account: i_account(row.get(2)?) };
        Ok((row.get(0)?, lane))
    };
    connection
        .prepare_cached(
            "SELECT id, grp, i_account FROM lane
             WHERE id > ?1 AND (applied IS NOT NULL OR done_with IS NOT NULL) AND seen IS NOT ?2
               AND grp IN (SELECT value FROM json_each(?3)) ORDER BY id LIMIT ?4",
        )?
        .query_map(params![behind, resync, groups, most], read)?
        .collect()
}

fn adopt(connection: &Connection, rows: AdoptedRows) -> Result<bool, JournalError> {
    let AdoptedRows { event, body, new, keys, applied, done_with } = rows;
    let lane = new.lane.clone();
    if stored(connection, &lane).map_err(sql)?.open {
        return Ok(false);
    }
    let id = new.row.id.clone();
    match events::accept(connection, &event, &body, &WorkRows::Operations(vec![new]))? {
        Taken::New => {}
        // It was stored before a crash.
        Taken::Known | Taken::OfAnother => return Ok(true),
    }
    let found = || -> rusqlite::Result<()> {
        let mut name = connection.prepare_cached(
            "INSERT INTO operation_key (grp, key, operation) VALUES (?1, ?2, (SELECT seq FROM operation WHERE id = ?3))
             ON CONFLICT DO UPDATE SET operation = excluded.operation",
        )?;
        for key in &keys {
            name.execute(params![lane.group.0, key, id])?;
        }
        connection
            .prepare_cached(
                "UPDATE lane SET applied = COALESCE(?1, applied), done_with = ?2
                 WHERE id = (SELECT lane FROM operation WHERE id = ?3)",
            )?
            .execute(params![applied, done_with, id])?;
        Ok(())
    };
    found().map_err(sql)?;
    Ok(true)
}

impl SqliteJournal {
    async fn lane_as_it_stands(&self, lane: &Lane) -> Result<(Compared, Option<String>), JournalError> {
        let of = lane.clone();
        let stored = self.read(&self.counter, move |connection| stored(connection, &of).map_err(sql)).await?;
        stored.read(lane, &self.seal)
    }
}

#[async_trait]
impl Resyncs for SqliteJournal {
    async fn resync(&self) -> Result<Option<Resync>, JournalError> {
        self.read(&self.counter, last).await
    }

    async fn begin_resync(&self, resync: &Resync) -> Result<bool, JournalError> {
        let (id, state) = (resync.id.clone(), serde_json::to_string(resync).map_err(|error| failed(&error))?);
        self.writer.write_patiently(0, move |connection| begin(connection, &id, &state).map_err(sql)).await
    }

    async fn resync_on(
        &self,
        resync: &Resync,
        seen: Vec<Lane>,
        differing: Vec<Differing>,
    ) -> Result<bool, JournalError> {
        let state = serde_json::to_string(resync).map_err(|error| failed(&error))?;
        let step = Step { id: resync.id.clone(), open: resync.end.is_none(), state, seen, differing };
        self.writer.write_patiently(0, move |connection| go_on(connection, &step).map_err(sql)).await
    }

    async fn differing(&self, behind: u64, most: usize) -> Result<Vec<(u64, Differing)>, JournalError> {
        self.read(&self.counter, move |connection| differing(connection, behind, most).map_err(sql)).await
    }

    async fn compare(&self, lane: &Lane, with: &LaidDown) -> Result<Compared, JournalError> {
        let (compared, last) = self.lane_as_it_stands(lane).await?;
        Ok(Compared { same: last.is_some() && last == done_with(with, &self.seal), ..compared })
    }

    async fn stands(&self, lane: &Lane) -> Result<Compared, JournalError> {
        self.lane_as_it_stands(lane).await.map(|(compared, _)| compared)
    }

    async fn unseen(
        &self,
        resync: &Resync,
        groups: &[Group],
        behind: i64,
        most: usize,
    ) -> Result<Vec<(i64, Lane)>, JournalError> {
        let groups = serde_json::to_string(groups).map_err(|error| failed(&error))?;
        let id = resync.id.clone();
        let work = move |connection: &Connection| unseen(connection, &id, &groups, behind, most).map_err(sql);
        self.read(&self.counter, work).await
    }

    async fn adopt(&self, event: &Event, found: Adopted) -> Result<bool, JournalError> {
        let rows = AdoptedRows::of(event, found, &self.seal)?;
        self.writer.write_patiently(0, move |connection| adopt(connection, rows)).await
    }
}
