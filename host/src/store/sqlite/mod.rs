//! The journal on SQLite: one writer, and one reader for what only looks.
//!
//! Sealing and unsealing happen with the caller, so that the writer has nothing to do but write.

mod alive;
mod by_group;
mod changes;
pub mod copy;
pub mod deciders;
mod events;
mod fan_outs;
pub mod inspect;
mod lanes;
mod looks;
mod notifications;
mod numbers;
mod operators;
mod overview;
mod purge;
mod resyncs;
pub mod rotate;
mod save;
pub mod schema;
pub mod shell;
mod statuses;
mod suspects;
pub mod tables;
mod writer;

use std::collections::BTreeMap;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags};
use tokio_util::sync::CancellationToken;

use self::writer::Writer;
pub(crate) use self::writer::sql;
use super::marks::Marks;
use super::rows::{dead_letter_place, event_place, notification_place, reply_place};
use super::seal::Seal;
use super::stored::{OfGroups, set_aside};
use super::written::{DeliveredRow, ReadingRows, SaveRows, Taken, WorkRows, as_another, made};
use super::{Lock, OpenError};
use crate::crash::how_it_ended;
use crate::domain::{
    Breaker, Change, Event, FanOut, Group, Listed, Notification, Operation, OperationId, Reading,
    Registration, Response, SystemChange, Timestamp,
};
use crate::ports::{
    Acceptance, Audit, Claim, DeadLetter, Delivered, Held, Journal, JournalError, Kept, Lease, Leased,
    Overview, Purge, Purged, StatusUpdate, Work,
};

pub struct SqliteJournal {
    writer: Writer,
    reader: Arc<Mutex<Connection>>,
    /// Counting takes its time, and nobody waits for it.
    counter: Arc<Mutex<Connection>>,
    seal: Seal,
    marks: Marks,
    failed: CancellationToken,
    /// Kept for its lock.
    _lock: Lock,
}

impl SqliteJournal {
    pub(super) fn open(path: &Path, seal: Seal, lock: Lock) -> Result<Self, OpenError> {
        let failure = |source| OpenError::Sqlite { path: path.to_owned(), source };
        let (connection, seal) = schema::open(path, seal)?;
        // Whoever held a lane is no more: the directory is locked for this process.
        connection
            .execute("UPDATE lane SET owner = NULL, lease_until = NULL WHERE owner IS NOT NULL", [])
            .map_err(failure)?;
        // Adapters may have changed: what none could read is read again.
        connection.execute("UPDATE notification SET unread = 1 WHERE unread = 2", []).map_err(failure)?;
        let marks = Marks::open(&path.with_extension("asked"))
            .map_err(|source| OpenError::Directory { path: path.with_extension("asked"), source })?;
        let reader = || {
            let reader =
                Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failure)?;
            schema::keep_plans(&reader).map_err(failure)?;
            Ok::<_, OpenError>(Arc::new(Mutex::new(reader)))
        };
        let (reader, counter) = (reader()?, reader()?);
        let failed = CancellationToken::new();
        let writer = Writer::start(connection, failed.clone())
            .map_err(|source| OpenError::Directory { path: path.to_owned(), source })?;
        Ok(Self { writer, reader, counter, seal, marks, failed, _lock: lock })
    }

    /// Cancelled when a commit failed: the process must end, for only a new start can know what
    /// the disk holds.
    pub fn failed(&self) -> CancellationToken {
        self.failed.clone()
    }

    async fn put(&self, event: &Event, work: &Work) -> Result<Taken, JournalError> {
        let body = self.seal.pack(&event_place(&event.identity.0), event)?;
        let (event, work) = (event.clone(), WorkRows::of(work, &self.seal)?);
        let bytes = body.len() + work.bytes();
        self.writer.write(bytes, move |connection| events::accept(connection, &event, &body, &work)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        reader: &Arc<Mutex<Connection>>,
        work: impl FnOnce(&Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let reader = Arc::clone(reader);
        tokio::task::spawn_blocking(move || {
            // A panic cannot leave a read-only connection half changed.
            work(&reader.lock().unwrap_or_else(PoisonError::into_inner))
        })
        .await
        .map_err(|error| JournalError::Failed(how_it_ended(&error).to_owned()))?
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn accept(&self, mut event: Event, mut work: Work) -> Result<Acceptance, JournalError> {
        loop {
            match self.put(&event, &work).await? {
                Taken::New => return Ok(Acceptance::New),
                Taken::Known => return Ok(Acceptance::Repeated),
                Taken::OfAnother => as_another(&mut event, &mut work),
            }
        }
    }

    async fn fan_outs_due(&self, now: Timestamp, most: usize) -> Result<Vec<FanOut>, JournalError> {
        let stored = self.read(&self.reader, move |connection| fan_outs::due(connection, now, most)).await?;
        let mut due = Vec::with_capacity(stored.len());
        for row in stored {
            let event = row.event();
            match row.read(&self.seal) {
                Ok(fan_out) => due.push(fan_out),
                Err(error) => {
                    tracing::error!(%event, %error, "a fan-out is set aside");
                    let aside = move |it: &Connection| fan_outs::set_aside(it, &event.0);
                    set_aside(self.writer.write_patiently(0, aside).await);
                }
            }
        }
        Ok(due)
    }

    async fn fan_out(
        &self,
        from: &FanOut,
        page: Vec<(Operation, Listed)>,
        to: Option<FanOut>,
    ) -> Result<usize, JournalError> {
        let made = made(&page, &self.seal)?;
        let (from, bytes) = (from.clone(), made.iter().map(|made| made.new.row.state.len()).sum());
        let work = move |connection: &Connection| fan_outs::go_on(connection, &from, &made, to.as_ref());
        self.writer.write_patiently(bytes, work).await
    }

    async fn keep_dead_letter(&self, letter: DeadLetter) -> Result<(), JournalError> {
        let body = self.seal.seal(&dead_letter_place(&letter.id), &letter.body)?;
        self.writer
            .write(body.len(), move |connection| events::keep_dead_letter(connection, &letter, &body))
            .await
    }

    async fn lease(&self, claim: Claim) -> Result<Leased, JournalError> {
        let term = claim.until.since(claim.now);
        let owner = claim.owner.clone();
        let (stored, next_due) =
            self.writer.write_patiently(0, move |connection| lanes::lease(connection, &claim)).await?;
        let mut lanes = Vec::with_capacity(stored.len());
        for (lane, epoch, head) in stored {
            let operation = head.operation.id.clone();
            match head.read(&self.seal) {
                Ok(held) => lanes.push((Lease { lane, owner: owner.clone(), epoch, term }, held)),
                // It must not keep the lanes beside it from moving.
                Err(error) => {
                    tracing::error!(operation, %error, "a lane is set aside: its head cannot be read");
                    set_aside(self.writer.write_patiently(0, move |it| lanes::set_aside(it, lane)).await);
                }
            }
        }
        Ok(Leased { lanes, next_due })
    }

    async fn save(&self, lease: &Lease, change: Change, now: Timestamp) -> Result<Held, JournalError> {
        let rows = SaveRows::of(&change, &self.seal)?;
        let (lease, bytes) = (lease.clone(), rows.bytes());
        let beside = self
            .writer
            .write_patiently(bytes, move |connection| save::save(connection, &lease, &rows, now))
            .await?;
        beside.held(change.operation, &self.seal)
    }

    async fn changed_before(&self, operation: &OperationId) -> Result<Option<Timestamp>, JournalError> {
        let id = operation.0.clone();
        self.read(&self.reader, move |connection| lanes::changed_before(connection, &id)).await
    }

    async fn release(&self, lease: &Lease, now: Timestamp) -> Result<(), JournalError> {
        let lease = lease.clone();
        self.writer.write_patiently(0, move |connection| lanes::release(connection, &lease, now)).await
    }

    async fn keep_notification(&self, delivered: Delivered) -> Result<Kept, JournalError> {
        let row = DeliveredRow::of(delivered, &self.seal)?;
        let work = move |connection: &Connection| notifications::keep(connection, &row);
        let Some((id, reply)) = self.writer.write(0, work).await? else { return Ok(Kept::New) };
        let opened = |sealed: Vec<u8>| match self.seal.unpack(&reply_place(&id), &sealed) {
            Ok(reply) => Some(reply),
            Err(error) => {
                tracing::error!(notification = id, %error, "a first reply cannot be given again");
                None
            }
        };
        Ok(Kept::Repeated(reply.and_then(opened)))
    }

    async fn keep_reply(&self, id: &str, reply: &Response) -> Result<(), JournalError> {
        let sealed = self.seal.pack(&reply_place(id), reply)?;
        let id = id.to_owned();
        let work = move |connection: &Connection| notifications::keep_reply(connection, &id, &sealed);
        self.writer.write_patiently(0, work).await
    }

    async fn record_reading(&self, id: &str, reading: Reading, now: Timestamp) -> Result<(), JournalError> {
        let rows = ReadingRows::of(id, &reading, &self.seal)?;
        let id = id.to_owned();
        let work = move |connection: &Connection| notifications::record(connection, &id, &rows, now);
        self.writer.write_patiently(0, work).await
    }

    async fn changes_to_begin(&self, group: &Group, most: usize) -> Result<Vec<SystemChange>, JournalError> {
        let group = group.clone();
        let stored =
            self.read(&self.reader, move |connection| changes::to_begin(connection, &group, most)).await?;
        let mut changes = Vec::with_capacity(stored.len());
        for row in stored {
            let signal = row.signal;
            match row.read(&self.seal) {
                Ok(change) => changes.push(change),
                Err(error) => {
                    tracing::error!(signal, %error, "a signal is set aside");
                    let parked = move |it: &Connection| changes::settle(it, signal, "parked");
                    set_aside(self.writer.write_patiently(0, parked).await);
                }
            }
        }
        Ok(changes)
    }

    async fn change_begun(&self, signal: i64) -> Result<(), JournalError> {
        self.writer.write_patiently(0, move |connection| changes::settle(connection, signal, "begun")).await
    }

    async fn unread(&self, group: &Group, most: usize) -> Result<Vec<(String, Notification)>, JournalError> {
        let group = group.clone();
        let stored = self
            .read(&self.reader, move |connection| notifications::unread(connection, &group, most))
            .await?;
        let mut unread = Vec::with_capacity(stored.len());
        for (id, sealed) in stored {
            match self.seal.unpack(&notification_place(&id), &sealed) {
                Ok(raw) => unread.push((id, raw)),
                Err(error) => {
                    tracing::error!(notification = id, %error, "a notification is set aside");
                    let aside = move |it: &Connection| notifications::set_aside(it, &id);
                    set_aside(self.writer.write_patiently(0, aside).await);
                }
            }
        }
        Ok(unread)
    }

    async fn park_unclaimed(&self, since: Timestamp, most: usize) -> Result<usize, JournalError> {
        let work = move |connection: &Connection| notifications::park_unclaimed(connection, since, most);
        self.writer.write_patiently(0, work).await
    }

    async fn statuses_due(&self, now: Timestamp, most: usize) -> Result<Vec<StatusUpdate>, JournalError> {
        let stored = self.read(&self.reader, move |connection| statuses::due(connection, now, most)).await?;
        let mut due = Vec::with_capacity(stored.len());
        for row in stored {
            let (i_account, service) = row.place();
            match row.read(&self.seal) {
                Ok(update) => due.push(update),
                Err(error) => {
                    tracing::error!(i_account, service, %error, "a status is set aside");
                    let aside = move |it: &Connection| statuses::set_aside(it, i_account, &service);
                    set_aside(self.writer.write_patiently(0, aside).await);
                }
            }
        }
        Ok(due)
    }

    async fn status_settled(&self, update: &StatusUpdate, taken: bool) -> Result<(), JournalError> {
        let update = update.clone();
        self.writer.write_patiently(0, move |connection| statuses::settled(connection, &update, taken)).await
    }

    async fn status_later(&self, update: &StatusUpdate, at: Timestamp) -> Result<(), JournalError> {
        let update = update.clone();
        self.writer.write_patiently(0, move |connection| statuses::later(connection, &update, at)).await
    }

    async fn breakers(&self) -> Result<BTreeMap<Group, Breaker>, JournalError> {
        self.of_groups(OfGroups::Breaker).await
    }

    async fn keep_breaker(&self, group: &Group, breaker: &Breaker) -> Result<(), JournalError> {
        self.keep_of_group(OfGroups::Breaker, group, breaker).await
    }

    async fn registrations(&self) -> Result<BTreeMap<Group, Registration>, JournalError> {
        self.of_groups(OfGroups::Registration).await
    }

    async fn keep_registration(
        &self,
        group: &Group,
        registration: &Registration,
        _: u64,
    ) -> Result<Registration, JournalError> {
        self.keep_of_group(OfGroups::Registration, group, registration).await?;
        Ok(registration.clone())
    }

    async fn last_alive(&self) -> Result<Option<Timestamp>, JournalError> {
        self.read(&self.reader, alive::last).await
    }

    async fn alive(&self, now: Timestamp) -> Result<(), JournalError> {
        self.writer.write_patiently(0, move |connection| alive::tell(connection, now)).await
    }

    async fn hear_only(&self, groups: &[Group]) -> Result<usize, JournalError> {
        let groups = groups.to_vec();
        self.writer.write_patiently(0, move |it| statuses::forget_others(it, &groups)).await
    }

    async fn take(&self, id: &OperationId, claim: Claim) -> Result<Option<(Lease, Held)>, JournalError> {
        let (id, owner, term) = (id.0.clone(), claim.owner.clone(), claim.until.since(claim.now));
        let work = move |connection: &Connection| operators::take(connection, &id, &claim);
        let Some((lane, epoch, head)) = self.writer.write_patiently(0, work).await? else { return Ok(None) };
        Ok(Some((Lease { lane, owner, epoch, term }, head.read(&self.seal)?)))
    }

    async fn audit(&self, entry: Audit) -> Result<(), JournalError> {
        self.writer.write_patiently(0, move |connection| operators::audit(connection, &entry)).await
    }

    async fn purge(&self, old: Purge) -> Result<Purged, JournalError> {
        self.writer.write_patiently(0, move |connection| purge::purge(connection, &old)).await
    }

    async fn ping(&self) -> Result<(), JournalError> {
        self.writer.write(0, alive::ping).await
    }

    async fn overview(&self) -> Result<Overview, JournalError> {
        self.read(&self.counter, overview::read).await
    }
}
