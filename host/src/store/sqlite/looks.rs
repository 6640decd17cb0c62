//! Answers the port `Looks`: what persons look at. The newest stands first.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::rows::{event_place, i_account};
use super::super::stored::{StoredAccount, StoredNotification, open_letter, unless_purged};
use super::{SqliteJournal, operators, sql};
use crate::domain::{Event, EventIdentity, Group, IAccount, ICustomer, Operation, OperationId, Timestamp};
use crate::ports::{
    AccountTold, Audit, AuditsSought, Deciders, EventLine, JournalError, Letter, Line, Looks,
    NotificationLine, NotificationTold, Place, Sought, Told,
};

/// After whatever has no place before.
fn bounds(before: Option<&Place>) -> (i64, String) {
    before.map_or((i64::MAX, String::new()), |place| (place.at.millis(), place.id.clone()))
}

fn at(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

fn events(
    connection: &Connection,
    before: Option<&Place>,
    most: usize,
) -> Result<Vec<EventLine>, JournalError> {
    let (millis, id) = bounds(before);
    let line = |row: &Row<'_>| {
        Ok(EventLine {
            identity: EventIdentity(row.get(0)?),
            name: row.get(1)?,
            i_account: row.get::<_, Option<i64>>(2)?.map(i_account),
            i_customer: row.get::<_, Option<i64>>(3)?.map(|customer| ICustomer(customer.cast_unsigned())),
            received_at: at(row, 4)?,
        })
    };
    connection
        .prepare_cached(
            "SELECT identity, name, i_account, i_customer, received_at FROM event
             WHERE identity <> 'purged' AND (received_at < ?1 OR (received_at = ?1 AND identity < ?2))
             ORDER BY received_at DESC, identity DESC LIMIT ?3",
        )
        .and_then(|mut select| select.query_map(params![millis, id, count(most)], line)?.collect())
        .map_err(sql)
}

fn count(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// An event, still sealed.
fn event(connection: &Connection, identity: &str) -> Result<Option<Vec<u8>>, JournalError> {
    connection
        .prepare_cached("SELECT body FROM event WHERE identity = ?1 AND identity <> 'purged'")
        .and_then(|mut select| select.query_row([identity], |row| row.get(0)).optional())
        .map_err(sql)
}

fn letters(
    connection: &Connection,
    before: Option<&Place>,
    most: usize,
) -> Result<Vec<Letter>, JournalError> {
    let (millis, id) = bounds(before);
    let letter =
        |row: &Row<'_>| Ok(Letter { id: row.get(0)?, at: at(row, 1)?, why: row.get(2)?, body: None });
    connection
        .prepare_cached(
            "SELECT id, at, why FROM dead_letter WHERE at < ?1 OR (at = ?1 AND id < ?2) ORDER BY at DESC, id DESC LIMIT ?3",
        )
        .and_then(|mut select| select.query_map(params![millis, id, count(most)], letter)?.collect())
        .map_err(sql)
}

/// With its body, still sealed.
fn letter(connection: &Connection, id: &str) -> Result<Option<Letter>, JournalError> {
    let letter = |row: &Row<'_>| {
        Ok(Letter { id: row.get(0)?, at: at(row, 1)?, why: row.get(2)?, body: unless_purged(row.get(3)?) })
    };
    connection
        .prepare_cached("SELECT id, at, why, body FROM dead_letter WHERE id = ?1")
        .and_then(|mut select| select.query_row([id], letter).optional())
        .map_err(sql)
}

fn notification_line(row: &Row<'_>) -> rusqlite::Result<NotificationLine> {
    Ok(NotificationLine {
        id: row.get(0)?,
        group: Group(row.get(1)?),
        received_at: at(row, 2)?,
        is_read: row.get::<_, i64>(3)? == 0,
    })
}

fn notifications(
    connection: &Connection,
    unread: bool,
    before: Option<&Place>,
    most: usize,
) -> Result<Vec<NotificationLine>, JournalError> {
    // Their ids sort by the time at which they came.
    let before = before.map_or_else(|| "~".to_owned(), |place| place.id.clone());
    connection
        .prepare_cached(
            "SELECT id, grp, received_at, unread FROM notification
             WHERE id < ?1 AND (NOT ?2 OR unread > 0) ORDER BY id DESC LIMIT ?3",
        )
        .and_then(|mut select| {
            select.query_map(params![before, unread, count(most)], notification_line)?.collect()
        })
        .map_err(sql)
}

fn notification(connection: &Connection, id: &str) -> Result<Option<StoredNotification>, JournalError> {
    let found = connection
        .prepare_cached("SELECT id, grp, received_at, unread, raw FROM notification WHERE id = ?1")
        .and_then(|mut select| {
            select.query_row([id], |row| Ok((notification_line(row)?, unless_purged(row.get(4)?)))).optional()
        })
        .map_err(sql)?;
    let Some((line, raw)) = found else { return Ok(None) };
    let signals = connection
        .prepare_cached(
            "SELECT s.fate, o.id FROM signal s LEFT JOIN operation o ON o.seq = s.operation
             WHERE s.notification = ?1 ORDER BY s.id",
        )
        .and_then(|mut select| {
            select.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<Vec<_>, _>>()
        })
        .map_err(sql)?;
    Ok(Some(StoredNotification { line, raw, signals }))
}

fn stored_account(connection: &Connection, account: IAccount) -> Result<StoredAccount, JournalError> {
    let number = account.0.cast_signed();
    let stands = connection
        .prepare_cached("SELECT grp, applied FROM lane WHERE i_account = ?1 ORDER BY grp")
        .and_then(|mut select| {
            select.query_map([number], |row| Ok((Group(row.get(0)?), row.get(1)?)))?.collect()
        })
        .map_err(sql)?;
    let statuses = connection
        .prepare_cached(
            "SELECT service, said, due, given_up FROM status WHERE i_account = ?1 ORDER BY service",
        )
        .and_then(|mut select| {
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
            select.query_map([number], read)?.collect()
        })
        .map_err(sql)?;
    Ok(StoredAccount { stands, statuses })
}

#[async_trait]
impl Looks for SqliteJournal {
    async fn operations(&self, sought: Sought) -> Result<Vec<Line>, JournalError> {
        self.read(&self.counter, move |connection| operators::lines(connection, &sought)).await
    }

    async fn operation(&self, id: &OperationId) -> Result<Option<Told>, JournalError> {
        let id = id.0.clone();
        let stored = self.read(&self.counter, move |connection| operators::told(connection, &id)).await?;
        stored.map(|stored| stored.read(&self.seal)).transpose()
    }

    async fn events(&self, before: Option<Place>, most: usize) -> Result<Vec<EventLine>, JournalError> {
        self.read(&self.counter, move |connection| events(connection, before.as_ref(), most)).await
    }

    async fn event(&self, identity: &EventIdentity) -> Result<Option<Event>, JournalError> {
        let of = identity.0.clone();
        let sealed = self.read(&self.counter, move |connection| event(connection, &of)).await?;
        sealed.map(|sealed| self.seal.unpack(&event_place(&identity.0), &sealed)).transpose()
    }

    async fn letters(&self, before: Option<Place>, most: usize) -> Result<Vec<Letter>, JournalError> {
        self.read(&self.counter, move |connection| letters(connection, before.as_ref(), most)).await
    }

    async fn letter(&self, id: &str) -> Result<Option<Letter>, JournalError> {
        let id = id.to_owned();
        let letter = self.read(&self.counter, move |connection| letter(connection, &id)).await?;
        letter.map(|letter| open_letter(&self.seal, letter)).transpose()
    }

    async fn notifications(
        &self,
        unread: bool,
        before: Option<Place>,
        most: usize,
    ) -> Result<Vec<NotificationLine>, JournalError> {
        let work = move |it: &Connection| notifications(it, unread, before.as_ref(), most);
        self.read(&self.counter, work).await
    }

    async fn notification(&self, id: &str) -> Result<Option<NotificationTold>, JournalError> {
        let id = id.to_owned();
        let stored = self.read(&self.counter, move |connection| notification(connection, &id)).await?;
        stored.map(|stored| stored.read(&self.seal)).transpose()
    }

    async fn account(&self, account: IAccount) -> Result<Option<AccountTold>, JournalError> {
        let stored = self.read(&self.counter, move |connection| stored_account(connection, account)).await?;
        stored.read(account, &self.seal)
    }

    async fn oldest_open(&self) -> Result<Vec<Operation>, JournalError> {
        let stored = self.read(&self.counter, operators::oldest_open).await?;
        Ok(stored.into_iter().filter_map(|stored| stored.read(&self.seal).ok()).collect())
    }

    async fn deciders(&self) -> Result<Deciders, JournalError> {
        self.whose().await
    }

    async fn audits(&self, sought: AuditsSought) -> Result<Vec<(u64, Audit)>, JournalError> {
        self.read(&self.counter, move |connection| operators::audits(connection, &sought)).await
    }
}
