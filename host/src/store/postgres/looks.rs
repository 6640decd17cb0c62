//! Answers the port `Looks`: what persons look at. The newest stands first.

use std::borrow::Cow;

use async_trait::async_trait;
use tokio_postgres::Row;

use super::super::rows::{event_place, i_account};
use super::super::stored::{
    LanePlace, OPEN_AT_A_TIME, OpenOperation, StoredAccount, StoredNotification, count_deciders, open_letter,
    unless_purged,
};
use super::super::text;
use super::connection::{Connection, Failure};
use super::lanes::count;
use super::{PostgresJournal, operators};
use crate::domain::{Event, EventIdentity, Group, IAccount, ICustomer, Operation, OperationId, Timestamp};
use crate::ports::{
    AccountTold, Audit, AuditsSought, Deciders, EventLine, JournalError, Letter, Line, Looks,
    NotificationLine, NotificationTold, Place, Sought, Told,
};

/// After whatever has no place before.
fn bounds(before: Option<&Place>) -> (i64, Cow<'_, str>) {
    before.map_or((i64::MAX, Cow::Borrowed("")), |place| (place.at.millis(), text::plain(&place.id)))
}

fn at(row: &Row, column: usize) -> Timestamp {
    Timestamp::from_millis(row.get(column))
}

async fn events(on: &Connection, before: Option<&Place>, most: usize) -> Result<Vec<EventLine>, Failure> {
    let (millis, id) = bounds(before);
    let line = |row: &Row| EventLine {
        identity: EventIdentity(row.get(0)),
        name: row.get(1),
        i_account: row.get::<_, Option<i64>>(2).map(i_account),
        i_customer: row.get::<_, Option<i64>>(3).map(|customer| ICustomer(customer.cast_unsigned())),
        received_at: at(row, 4),
    };
    let rows = on
        .all(
            "SELECT identity, name, i_account, i_customer, received_at FROM event
             WHERE identity <> 'purged' AND (received_at < $1 OR (received_at = $1 AND identity < $2))
             ORDER BY received_at DESC, identity DESC LIMIT $3",
            &[&millis, &id, &count(most)],
        )
        .await?;
    Ok(rows.iter().map(line).collect())
}

/// An event, still sealed.
async fn event(on: &Connection, identity: &str) -> Result<Option<Vec<u8>>, Failure> {
    let text = "SELECT body FROM event WHERE identity = $1 AND identity <> 'purged'";
    Ok(on.optional(text, &[&text::plain(identity)]).await?.map(|row| row.get(0)))
}

async fn letters(on: &Connection, before: Option<&Place>, most: usize) -> Result<Vec<Letter>, Failure> {
    let (millis, id) = bounds(before);
    let letter = |row: &Row| Letter { id: row.get(0), at: at(row, 1), why: row.get(2), body: None };
    let rows = on
        .all(
            "SELECT id, at, why FROM dead_letter WHERE at < $1 OR (at = $1 AND id < $2) ORDER BY at DESC, id DESC LIMIT $3",
            &[&millis, &id, &count(most)],
        )
        .await?;
    Ok(rows.iter().map(letter).collect())
}

/// With its body, still sealed.
async fn letter(on: &Connection, id: &str) -> Result<Option<Letter>, Failure> {
    let letter = |row: Row| Letter {
        id: row.get(0),
        at: at(&row, 1),
        why: row.get(2),
        body: unless_purged(row.get(3)),
    };
    let text = "SELECT id, at, why, body FROM dead_letter WHERE id = $1";
    Ok(on.optional(text, &[&text::plain(id)]).await?.map(letter))
}

fn notification_line(row: &Row) -> NotificationLine {
    NotificationLine {
        id: row.get(0),
        group: Group(row.get(1)),
        received_at: at(row, 2),
        is_read: row.get::<_, i32>(3) == 0,
    }
}

async fn notifications(
    on: &Connection,
    unread: bool,
    before: Option<&Place>,
    most: usize,
) -> Result<Vec<NotificationLine>, Failure> {
    // Their ids sort by the time at which they came.
    let before = before.map_or(Cow::Borrowed("~"), |place| text::plain(&place.id));
    let rows = on
        .all(
            "SELECT id, grp, received_at, unread FROM notification
             WHERE id < $1 AND (NOT $2 OR unread > 0) ORDER BY id DESC LIMIT $3",
            &[&before, &unread, &count(most)],
        )
        .await?;
    Ok(rows.iter().map(notification_line).collect())
}

async fn notification(on: &Connection, id: &str) -> Result<Option<StoredNotification>, Failure> {
    let text = "SELECT id, grp, received_at, unread, raw FROM notification WHERE id = $1";
    let Some(row) = on.optional(text, &[&text::plain(id)]).await? else { return Ok(None) };
    let signals = on
        .all(
            "SELECT s.fate, o.id FROM signal s LEFT JOIN operation o ON o.seq = s.operation
             WHERE s.notification = $1 ORDER BY s.id",
            &[&id],
        )
        .await?;
    Ok(Some(StoredNotification {
        line: notification_line(&row),
        raw: unless_purged(row.get(4)),
        signals: signals.iter().map(|row| (row.get(0), row.get(1))).collect(),
    }))
}

async fn stored_account(on: &Connection, account: IAccount) -> Result<StoredAccount, Failure> {
    let number = account.0.cast_signed();
    let stands =
        on.all("SELECT grp, applied FROM lane WHERE i_account = $1 ORDER BY grp", &[&number]).await?;
    let text = "SELECT service, said, due, given_up FROM status WHERE i_account = $1 ORDER BY service";
    let statuses = on.all(text, &[&number]).await?;
    Ok(StoredAccount {
        stands: stands.iter().map(|row| (Group(row.get(0)), row.get(1))).collect(),
        statuses: statuses.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect(),
    })
}

async fn open_operations(on: &Connection, after: LanePlace) -> Result<Vec<OpenOperation>, Failure> {
    let stored = |row: &Row| OpenOperation {
        place: (row.get(0), row.get(1)),
        id: row.get(2),
        group: row.get(3),
        state: row.get(4),
    };
    let rows = on
        .all(
            "SELECT o.lane, o.seq, o.id, l.grp, o.state FROM operation o JOIN lane l ON l.id = o.lane
             WHERE o.open AND (o.lane, o.seq) > ($1, $2) ORDER BY o.lane, o.seq LIMIT $3",
            &[&after.0, &after.1, &OPEN_AT_A_TIME],
        )
        .await?;
    Ok(rows.iter().map(stored).collect())
}

#[async_trait]
impl Looks for PostgresJournal {
    async fn operations(&self, sought: Sought) -> Result<Vec<Line>, JournalError> {
        let sought = &sought;
        self.database.read(|on| async move { operators::lines(&on, sought).await }).await
    }

    async fn operation(&self, id: &OperationId) -> Result<Option<Told>, JournalError> {
        let stored = self.database.read(|on| async move { operators::told(&on, &id.0).await }).await?;
        stored.map(|stored| stored.read(&self.seal)).transpose()
    }

    async fn events(&self, before: Option<Place>, most: usize) -> Result<Vec<EventLine>, JournalError> {
        let before = before.as_ref();
        self.database.read(|on| async move { events(&on, before, most).await }).await
    }

    async fn event(&self, identity: &EventIdentity) -> Result<Option<Event>, JournalError> {
        let sealed = self.database.read(|on| async move { event(&on, &identity.0).await }).await?;
        sealed.map(|sealed| self.seal.unpack(&event_place(&identity.0), &sealed)).transpose()
    }

    async fn letters(&self, before: Option<Place>, most: usize) -> Result<Vec<Letter>, JournalError> {
        let before = before.as_ref();
        self.database.read(|on| async move { letters(&on, before, most).await }).await
    }

    async fn letter(&self, id: &str) -> Result<Option<Letter>, JournalError> {
        let letter = self.database.read(|on| async move { letter(&on, id).await }).await?;
        letter.map(|letter| open_letter(&self.seal, letter)).transpose()
    }

    async fn notifications(
        &self,
        unread: bool,
        before: Option<Place>,
        most: usize,
    ) -> Result<Vec<NotificationLine>, JournalError> {
        let before = before.as_ref();
        self.database.read(|on| async move { notifications(&on, unread, before, most).await }).await
    }

    async fn notification(&self, id: &str) -> Result<Option<NotificationTold>, JournalError> {
        let stored = self.database.read(|on| async move { notification(&on, id).await }).await?;
        stored.map(|stored| stored.read(&self.seal)).transpose()
    }

    async fn account(&self, account: IAccount) -> Result<Option<AccountTold>, JournalError> {
        let stored = self.database.read(|on| async move { stored_account(&on, account).await }).await?;
        stored.read(account, &self.seal)
    }

    async fn oldest_open(&self) -> Result<Vec<Operation>, JournalError> {
        let stored = self.database.read(|on| async move { operators::oldest_open(&on).await }).await?;
        Ok(stored.into_iter().filter_map(|stored| stored.read(&self.seal).ok()).collect())
    }

    async fn audits(&self, sought: AuditsSought) -> Result<Vec<(u64, Audit)>, JournalError> {
        let sought = &sought;
        self.database.read(|on| async move { operators::audits(&on, sought).await }).await
    }

    async fn deciders(&self) -> Result<Deciders, JournalError> {
        let (mut deciders, mut after) = (Deciders::new(), Some((0, 0)));
        while let Some(place) = after {
            let page = self.database.read(|on| async move { open_operations(&on, place).await }).await?;
            after = count_deciders(page, &self.seal, &mut deciders);
        }
        Ok(deciders)
    }
}
