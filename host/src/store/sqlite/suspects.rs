//! Answers the port `Suspects`: what outlives the process of the questions that it died of.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::marks::{Asked, Left};
use super::super::stored::{subject, subject_key};
use super::{SqliteJournal, sql};
use crate::domain::{Digest, OperationId, Subject, Suspect, Timestamp, suspect};
use crate::ports::{JournalError, Mark, Suspects};

/// Whatever was marked when a process died counts once.
fn count(connection: &Connection, left: &Left, now: Timestamp) -> rusqlite::Result<()> {
    let counted: Option<String> = connection
        .prepare_cached("SELECT value FROM meta WHERE name = 'deaths-of'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    if left.asked.is_empty() || counted.as_ref() == Some(&left.run) {
        return Ok(());
    }
    for Asked { subject, adapter } in &left.asked {
        let (kind, id) = subject_key(subject);
        connection
            .prepare_cached(
                "INSERT INTO suspect (kind, grp, id, adapter, deaths, at) VALUES (?1, ?2, ?3, ?4, 1, ?5)
                 ON CONFLICT DO UPDATE SET deaths = deaths + 1, at = excluded.at",
            )?
            .execute(params![kind, subject.group().0, id, adapter.to_string(), now.millis()])?;
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES ('deaths-of', ?1)")?
        .execute([&left.run])?;
    Ok(())
}

/// Of whom nothing will be asked any more, nothing need be known. What three processes died of stays known:
/// its adapter must answer for it.
fn forget_the_ended(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM suspect WHERE deaths < ?1 AND CASE kind
                 WHEN 'account' THEN NOT EXISTS (
                     SELECT 1 FROM operation o JOIN lane l ON l.id = o.lane
                     WHERE l.grp = suspect.grp AND l.i_account = CAST(suspect.id AS INTEGER) AND o.open = 1)
                 WHEN 'notification' THEN NOT EXISTS (
                     SELECT 1 FROM notification n WHERE n.id = suspect.id AND n.unread > 0)
                 ELSE FALSE END",
        )?
        .execute([suspect::DEATHS_MAX])?;
    Ok(())
}

fn all(connection: &Connection) -> rusqlite::Result<Vec<Suspect>> {
    let mut select = connection.prepare_cached(
        "SELECT kind, grp, id, adapter, deaths, at,
                (SELECT o.id FROM operation o JOIN lane l ON l.id = o.lane
                 WHERE suspect.kind = 'account' AND l.grp = suspect.grp
                   AND l.i_account = CAST(suspect.id AS INTEGER) AND o.open = 1 ORDER BY o.seq LIMIT 1)
         FROM suspect ORDER BY at, kind, grp, id",
    )?;
    let read = select.query_map([], known)?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(read.into_iter().flatten().collect())
}

/// A row of a kind that this version does not know accuses nobody.
fn known(row: &Row<'_>) -> rusqlite::Result<Option<Suspect>> {
    let (kind, adapter): (String, String) = (row.get(0)?, row.get(3)?);
    let (Some(subject), Some(adapter)) = (subject(&kind, row.get(1)?, row.get(2)?), Digest::parse(&adapter))
    else {
        return Ok(None);
    };
    let (at, head): (i64, Option<String>) = (row.get(5)?, row.get(6)?);
    let (at, head) = (Timestamp::from_millis(at), head.map(OperationId));
    Ok(Some(Suspect { subject, adapter, deaths: row.get(4)?, at, head }))
}

fn acquit(connection: &Connection, Asked { subject, adapter }: &Asked) -> rusqlite::Result<()> {
    let (kind, id) = subject_key(subject);
    connection
        .prepare_cached("DELETE FROM suspect WHERE kind = ?1 AND grp = ?2 AND id = ?3 AND adapter = ?4")?
        .execute(params![kind, subject.group().0, id, adapter.to_string()])?;
    Ok(())
}

fn reprieve(connection: &Connection, Asked { subject, adapter }: &Asked) -> rusqlite::Result<()> {
    let (kind, id) = subject_key(subject);
    connection
        .prepare_cached(
            "UPDATE suspect SET deaths = 0 WHERE kind = ?1 AND grp = ?2 AND id = ?3 AND adapter = ?4",
        )?
        .execute(params![kind, subject.group().0, id, adapter.to_string()])?;
    Ok(())
}

fn pardon(connection: &Connection, adapter: &Digest) -> rusqlite::Result<()> {
    let adapter = adapter.to_string();
    connection
        .prepare_cached(
            "UPDATE notification SET unread = 1
             WHERE unread = 2 AND id IN (SELECT id FROM suspect WHERE kind = 'notification' AND adapter = ?1)",
        )?
        .execute([&adapter])?;
    connection.prepare_cached("UPDATE suspect SET deaths = 0 WHERE adapter = ?1")?.execute([&adapter])?;
    Ok(())
}

fn asked(subject: &Subject, adapter: &Digest) -> Asked {
    Asked { subject: subject.clone(), adapter: adapter.clone() }
}

#[async_trait]
impl Suspects for SqliteJournal {
    fn mark(&self, subject: &Subject, adapter: &Digest) -> Mark {
        self.marks.set(&asked(subject, adapter))
    }

    async fn count_deaths(&self, now: Timestamp) -> Result<Vec<Suspect>, JournalError> {
        let left = self.marks.left();
        let work = move |connection: &Connection| {
            count(connection, &left, now)
                .and_then(|()| forget_the_ended(connection))
                .and_then(|()| all(connection))
                .map_err(sql)
        };
        let suspects = self.writer.write_patiently(0, work).await?;
        self.marks.begin().map_err(|error| JournalError::Failed(error.to_string()))?;
        Ok(suspects)
    }

    async fn acquit(&self, subject: &Subject, adapter: &Digest) -> Result<(), JournalError> {
        let of = asked(subject, adapter);
        self.writer.write_patiently(0, move |connection| acquit(connection, &of).map_err(sql)).await
    }

    async fn reprieve(&self, subject: &Subject, adapter: &Digest) -> Result<(), JournalError> {
        let of = asked(subject, adapter);
        self.writer.write_patiently(0, move |connection| reprieve(connection, &of).map_err(sql)).await
    }

    async fn pardon(&self, adapter: &Digest) -> Result<(), JournalError> {
        let adapter = adapter.clone();
        self.writer.write_patiently(0, move |connection| pardon(connection, &adapter).map_err(sql)).await
    }
}
