//! Answers the port `Resyncs`: resyncs, and what they compare with.

use std::slice;

use async_trait::async_trait;
use tokio_postgres::Row;

use super::super::rows::i_account;
use super::super::stored::StoredLane;
use super::super::written::{AdoptedRows, DIFFERING_MAX, Taken, WorkRows, done_with};
use super::connection::{Connection, Failure};
use super::database::Patience;
use super::events::Arrival;
use super::lanes::{count, hold_keys};
use super::{PostgresJournal, events};
use crate::domain::{Difference, Differing, Event, Group, LaidDown, Lane, Resync};
use crate::ports::{Adopted, Compared, JournalError, Resyncs};

fn failed(error: &serde_json::Error) -> JournalError {
    JournalError::Failed(error.to_string())
}

async fn last(on: &Connection) -> Result<Option<Resync>, Failure> {
    let found = on.optional("SELECT state FROM resync ORDER BY id DESC LIMIT 1", &[]).await?;
    let read = |row: Row| {
        let damaged = |error: serde_json::Error| JournalError::Damaged(format!("resync.state: {error}"));
        serde_json::from_str(row.get(0)).map_err(damaged)
    };
    Ok(found.map(read).transpose()?)
}

/// One after the other, or two would find that none is under way.
async fn begin(on: &Connection, id: &str, state: &str) -> Result<bool, Failure> {
    on.batch("LOCK TABLE resync IN SHARE ROW EXCLUSIVE MODE").await?;
    let under_way: bool = on.one("SELECT EXISTS (SELECT 1 FROM resync WHERE open)", &[]).await?.get(0);
    if under_way {
        return Ok(false);
    }
    on.batch("DELETE FROM resync; DELETE FROM differing").await?;
    on.execute("INSERT INTO resync (id, open, state) VALUES ($1, TRUE, $2)", &[&id, &state]).await?;
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

async fn go_on(on: &Connection, step: &Step) -> Result<bool, Failure> {
    let text = "UPDATE resync SET open = $2, state = $3 WHERE id = $1 AND open";
    if on.execute(text, &[&step.id, &step.open, &step.state]).await? == 0 {
        return Ok(false);
    }
    for lane in &step.seen {
        let text = "UPDATE lane SET seen = $1 WHERE grp = $2 AND i_account = $3";
        on.execute(text, &[&step.id, &lane.group.0, &lane.i_account.0.cast_signed()]).await?;
    }
    for Differing { lane, how } in &step.differing {
        on.execute(
            "INSERT INTO differing (grp, i_account, how) SELECT $1, $2, $3
             WHERE (SELECT COUNT(*) FROM differing) < $4",
            &[&lane.group.0, &lane.i_account.0.cast_signed(), &how.word(), &DIFFERING_MAX],
        )
        .await?;
    }
    Ok(true)
}

async fn differing(on: &Connection, behind: u64, most: usize) -> Result<Vec<(u64, Differing)>, Failure> {
    let read = |row: &Row| {
        let lane = Lane { group: Group(row.get(1)), i_account: i_account(row.get(2)) };
        let how = Difference::from_word(row.get(3)).unwrap_or(Difference::Changed);
        (row.get::<_, i64>(0).cast_unsigned(), Differing { lane, how })
    };
    let text = "SELECT id, grp, i_account, how FROM differing WHERE id > $1 ORDER BY id LIMIT $2";
    Ok(on.all(text, &[&behind.cast_signed(), &count(most)]).await?.iter().map(read).collect())
}

async fn stored(on: &Connection, lane: &Lane) -> Result<StoredLane, Failure> {
    let read = |row: Row| StoredLane { open: row.get(0), done_with: row.get(1), applied: row.get(2) };
    let found = on
        .optional(
            "SELECT EXISTS (SELECT 1 FROM operation o WHERE o.lane = l.id AND o.open), l.done_with, l.applied
             FROM lane l WHERE l.grp = $1 AND l.i_account = $2",
            &[&lane.group.0, &lane.i_account.0.cast_signed()],
        )
        .await?;
    Ok(found.map(read).unwrap_or_default())
}

async fn unseen(
    on: &Connection,
    resync: &str,
    groups: &[&str],
    behind: i64,
    most: usize,
) -> Result<Vec<(i64, Lane)>, Failure> {
    let read = |row: &Row| (row.get(0), Lane { group: Group(row.get(1)), i_account: i_account(row.get(2)) });
    let rows = on
        .all(
            "SELECT id, grp, i_account FROM lane
             WHERE id > $1 AND (applied IS NOT NULL OR done_with IS NOT NULL) AND seen IS DISTINCT FROM $2
               AND grp = ANY ($3) ORDER BY id LIMIT $4",
            &[&behind, &resync, &groups, &count(most)],
        )
        .await?;
    Ok(rows.iter().map(read).collect())
}

async fn adopt(on: &Connection, rows: &AdoptedRows, arrival: &Arrival) -> Result<bool, Failure> {
    let AdoptedRows { new, keys, applied, done_with, .. } = rows;
    let lane = &new.lane;
    let mut held: Vec<&str> = keys.iter().map(String::as_str).collect();
    held.push(&new.of_account);
    hold_keys(on, &lane.group.0, &held).await?;
    super::lanes::hold_of(on, &lane.group.0, lane.i_account).await?;
    if stored(on, lane).await?.open {
        return Ok(false);
    }
    // It may have been stored before a crash.
    let [Taken::New] = events::accept(on, slice::from_ref(arrival)).await?[..] else { return Ok(true) };
    for key in keys {
        on.execute(
            "INSERT INTO operation_key (grp, key, operation) VALUES ($1, $2, (SELECT seq FROM operation WHERE id = $3))
             ON CONFLICT (grp, key) DO UPDATE SET operation = excluded.operation",
            &[&lane.group.0, key, &new.row.id],
        )
        .await?;
    }
    on.execute(
        "UPDATE lane SET applied = COALESCE($1, applied), done_with = $2
         WHERE id = (SELECT lane FROM operation WHERE id = $3)",
        &[applied, done_with, &new.row.id],
    )
    .await?;
    Ok(true)
}

impl PostgresJournal {
    async fn lane_as_it_stands(&self, lane: &Lane) -> Result<(Compared, Option<String>), JournalError> {
        let stored = self.database.read(|on| async move { stored(&on, lane).await }).await?;
        stored.read(lane, &self.seal)
    }
}

#[async_trait]
impl Resyncs for PostgresJournal {
    async fn resync(&self) -> Result<Option<Resync>, JournalError> {
        self.database.read(|on| async move { last(&on).await }).await
    }

    async fn begin_resync(&self, resync: &Resync) -> Result<bool, JournalError> {
        let state = &serde_json::to_string(resync).map_err(|error| failed(&error))?;
        let work = |on| async move { begin(&on, &resync.id, state).await };
        self.database.write(Patience::Some, work).await
    }

    async fn resync_on(
        &self,
        resync: &Resync,
        seen: Vec<Lane>,
        differing: Vec<Differing>,
    ) -> Result<bool, JournalError> {
        let state = serde_json::to_string(resync).map_err(|error| failed(&error))?;
        let step = &Step { id: resync.id.clone(), open: resync.end.is_none(), state, seen, differing };
        self.database.write(Patience::Some, |on| async move { go_on(&on, step).await }).await
    }

    async fn differing(&self, behind: u64, most: usize) -> Result<Vec<(u64, Differing)>, JournalError> {
        self.database.read(|on| async move { differing(&on, behind, most).await }).await
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
        let groups: &Vec<&str> = &groups.iter().map(|group| group.0.as_str()).collect();
        let work = |on| async move { unseen(&on, &resync.id, groups, behind, most).await };
        self.database.read(work).await
    }

    async fn adopt(&self, event: &Event, found: Adopted) -> Result<bool, JournalError> {
        let rows = &AdoptedRows::of(event, found, &self.seal)?;
        let work = WorkRows::Operations(vec![rows.new.clone()]);
        let arrival = &Arrival { event: event.clone(), body: rows.body.clone(), work };
        self.database.write(Patience::Some, |on| async move { adopt(&on, rows, arrival).await }).await
    }
}
