//! The journal on PostgreSQL: a transaction for each write, over a bounded number of connections. PostgreSQL brings
//! the commits of several to the disk in one go; events alone are gathered before ([`arrivals`]).
//!
//! Each statement sees what is committed at its moment, and whoever decides by what he read holds it first: a lane
//! by its row, what signals and operations find each other by by its key. The order is keys, lanes, statuses; where
//! two wait for each other all the same, PostgreSQL sends one back, and he begins again.

mod alive;
mod arrivals;
mod by_group;
mod changes;
mod commits;
mod connection;
mod database;
mod events;
mod fan_outs;
mod hints;
mod instances;
mod lanes;
mod library;
mod looks;
mod notifications;
mod operators;
mod others;
mod overview;
mod owners;
mod purge;
mod reach;
mod refusal;
mod resyncs;
mod rotate;
mod save;
pub mod schema;
mod settings;
mod sole;
mod statuses;
mod suspects;
mod tables;
mod tls;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use self::arrivals::Arrivals;
use self::connection::{Connection, Failure};
use self::database::{Database, Patience};
use self::events::Arrival;
use self::hints::Hints;
use self::instances::Instance;
use self::library::Components;
use self::others::Others;
use self::owners::Owners;
use super::Lock;
use super::marks::Marks;
use super::rows::{dead_letter_place, notification_place, reply_place};
use super::seal::Seal;
use super::stored::{OfGroups, set_aside};
use super::written::{DeliveredRow, ReadingRows, SaveRows, Taken, as_another, made};
use crate::domain::{
    Breaker, Change, Event, FanOut, Group, Listed, Notification, Operation, OperationId, Reading,
    Registration, Response, SystemChange, Timestamp,
};
use crate::ports::{
    Acceptance, Audit, Claim, DeadLetter, Delivered, Held, Journal, JournalError, Kept, Lease, Leased,
    Overview, Purge, Purged, StatusUpdate, Work, World,
};

pub use database::{Authorities, Server};
pub use refusal::Refusal;
pub use settings::{SealingKey, Settings};

pub struct PostgresJournal {
    database: Arc<Database>,
    arrivals: Arc<Arrivals>,
    seal: Seal,
    marks: Marks,
    owners: Owners,
    instance: Arc<Instance>,
    /// Where there may be others.
    hints: Option<Arc<Hints>>,
    /// Of the directory in which these stand.
    _lock: Lock,
}

impl PostgresJournal {
    pub(super) async fn open(
        settings: &Settings,
        directory: &Path,
        world: Arc<dyn World>,
        lock: Lock,
    ) -> Result<Self, Refusal> {
        let (database, seal) = settings.database(Arc::clone(&world))?;
        let database = Arc::new(database);
        schema::check(&database, &settings.name, &seal).await?;
        let file = |name: &str| directory.join(name);
        let unwritten = |source| Refusal::File { path: file("journal.owners"), source };
        let (owners, gone) = Owners::open(&file("journal.owners")).map_err(unwritten)?;
        let gone = &gone;
        // Before anything is changed: a newer one that stands by must not change what an older one works on.
        let held = sole::take(&database, settings, gone).await?;
        let seal = schema::open(&database, &settings.name, &seal).await?;
        let marks = Marks::open(&file("journal.asked"))
            .map_err(|source| Refusal::File { path: file("journal.asked"), source })?;
        let begin = |on: Connection| async move {
            // Whoever held a lane from here is no more: the directory is locked for this process. Of anybody else
            // nobody knows, and his leases run out.
            let free = "UPDATE lane SET owner = NULL, lease_until = NULL WHERE owner = ANY ($1)";
            on.execute(free, &[gone]).await?;
            // Adapters may have changed: what none could read is read again.
            on.execute("UPDATE notification SET unread = 1 WHERE unread = 2", &[]).await.map(drop)
        };
        let unusable =
            |error: JournalError| Refusal::Unusable { server: settings.name.clone(), why: error.to_string() };
        database.write(Patience::None, begin).await.map_err(unusable)?;
        let instance = Instance::new(settings.several, world);
        sole::keep(&database, held, &instance, gone)
            .await
            .map_err(|failure| schema::refused(&settings.name, &failure))?;
        owners.begin().map_err(unwritten)?;
        // What it leads its next self may lead at once.
        owners.note(instance.id());
        let hints = settings.several.then(|| Arc::new(Hints::carried_by(database.reach())));
        let arrivals = Arc::new(Arrivals::at(Arc::clone(&database)));
        Ok(Self { database, arrivals, seal, marks, owners, instance, hints, _lock: lock })
    }

    /// Cancelled when the process must end: nobody can say what was committed, or somebody else has the database.
    pub fn failed(&self) -> CancellationToken {
        self.database.failed().clone()
    }

    /// What it knows of those who work beside it.
    pub(super) fn instances(&self) -> Others {
        let (database, instance) = (Arc::clone(&self.database), Arc::clone(&self.instance));
        Others { database, instance, seal: self.seal.clone(), hints: self.hints.clone() }
    }

    /// Those that serve and served.
    pub(super) fn components(&self) -> Components {
        Components::new(Arc::clone(&self.database), self.seal.clone())
    }

    /// Writes what is under way.
    async fn patiently<T, F>(&self, work: impl Fn(Connection) -> F) -> Result<T, JournalError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.database.write(Patience::Some, work).await
    }
}

#[async_trait]
impl Journal for PostgresJournal {
    async fn accept(&self, mut event: Event, mut work: Work) -> Result<Acceptance, JournalError> {
        loop {
            match self.arrivals.store(Arrival::of(&event, &work, &self.seal)?).await? {
                Taken::New => return Ok(Acceptance::New),
                Taken::Known => return Ok(Acceptance::Repeated),
                Taken::OfAnother => as_another(&mut event, &mut work),
            }
        }
    }

    async fn fan_outs_due(&self, now: Timestamp, most: usize) -> Result<Vec<FanOut>, JournalError> {
        let stored = self.database.read(|on| async move { fan_outs::due(&on, now, most).await }).await?;
        let mut due = Vec::with_capacity(stored.len());
        for row in stored {
            let event = &row.event();
            match row.read(&self.seal) {
                Ok(fan_out) => due.push(fan_out),
                Err(error) => {
                    tracing::error!(%event, %error, "a fan-out is set aside");
                    let aside = |on| async move { fan_outs::set_aside(&on, &event.0).await };
                    set_aside(self.patiently(aside).await);
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
        let (made, to) = (&made(&page, &self.seal)?, to.as_ref());
        self.patiently(|on| async move { fan_outs::go_on(&on, from, made, to).await }).await
    }

    async fn keep_dead_letter(&self, letter: DeadLetter) -> Result<(), JournalError> {
        let body = &self.seal.seal(&dead_letter_place(&letter.id), &letter.body)?;
        let letter = &letter;
        let keep = |on| async move { events::keep_dead_letter(&on, letter, body).await };
        self.database.write(Patience::None, keep).await
    }

    async fn lease(&self, claim: Claim) -> Result<Leased, JournalError> {
        self.owners.note(&claim.owner);
        let (claim, database) = (&claim, &*self.database);
        let (stored, next_due) =
            self.patiently(|on| async move { lanes::lease(&on, claim, database).await }).await?;
        let (owner, term) = (&claim.owner, claim.until.since(claim.now));
        let mut lanes = Vec::with_capacity(stored.len());
        for (lane, epoch, head) in stored {
            let operation = head.operation.id.clone();
            match head.read(&self.seal) {
                Ok(held) => lanes.push((Lease { lane, owner: owner.clone(), epoch, term }, held)),
                // It must not keep the lanes beside it from moving.
                Err(error) => {
                    tracing::error!(operation, %error, "a lane is set aside: its head cannot be read");
                    set_aside(self.patiently(|on| async move { lanes::set_aside(&on, lane).await }).await);
                }
            }
        }
        Ok(Leased { lanes, next_due })
    }

    async fn save(&self, lease: &Lease, change: Change, now: Timestamp) -> Result<Held, JournalError> {
        let (rows, database) = (&SaveRows::of(&change, &self.seal)?, &*self.database);
        let save = |on| async move { save::save(&on, lease, rows, now, database).await };
        self.patiently(save).await?.held(change.operation, &self.seal)
    }

    async fn changed_before(&self, operation: &OperationId) -> Result<Option<Timestamp>, JournalError> {
        self.database.read(|on| async move { lanes::changed_before(&on, &operation.0).await }).await
    }

    async fn release(&self, lease: &Lease, now: Timestamp) -> Result<(), JournalError> {
        self.patiently(|on| async move { lanes::release(&on, lease, now).await }).await
    }

    async fn keep_notification(&self, delivered: Delivered) -> Result<Kept, JournalError> {
        let row = &DeliveredRow::of(delivered, &self.seal)?;
        let keep = |on| async move { notifications::keep(&on, row).await };
        let Some((id, reply)) = self.database.write(Patience::None, keep).await? else {
            return Ok(Kept::New);
        };
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
        let sealed = &self.seal.pack(&reply_place(id), reply)?;
        self.patiently(|on| async move { notifications::keep_reply(&on, id, sealed).await }).await
    }

    async fn record_reading(&self, id: &str, reading: Reading, now: Timestamp) -> Result<(), JournalError> {
        let rows = &ReadingRows::of(id, &reading, &self.seal)?;
        self.patiently(|on| async move { notifications::record(&on, id, rows, now).await }).await
    }

    async fn changes_to_begin(&self, group: &Group, most: usize) -> Result<Vec<SystemChange>, JournalError> {
        let stored =
            self.database.read(|on| async move { changes::to_begin(&on, group, most).await }).await?;
        let mut changes = Vec::with_capacity(stored.len());
        for row in stored {
            let signal = row.signal;
            match row.read(&self.seal) {
                Ok(change) => changes.push(change),
                Err(error) => {
                    tracing::error!(signal, %error, "a signal is set aside");
                    let parked = |on| async move { changes::settle(&on, signal, "parked").await };
                    set_aside(self.patiently(parked).await);
                }
            }
        }
        Ok(changes)
    }

    async fn change_begun(&self, signal: i64) -> Result<(), JournalError> {
        self.patiently(|on| async move { changes::settle(&on, signal, "begun").await }).await
    }

    async fn unread(&self, group: &Group, most: usize) -> Result<Vec<(String, Notification)>, JournalError> {
        let stored =
            self.database.read(|on| async move { notifications::unread(&on, group, most).await }).await?;
        let mut unread = Vec::with_capacity(stored.len());
        for (id, sealed) in stored {
            match self.seal.unpack(&notification_place(&id), &sealed) {
                Ok(raw) => unread.push((id, raw)),
                Err(error) => {
                    tracing::error!(notification = id, %error, "a notification is set aside");
                    let id = &id;
                    let aside = |on| async move { notifications::set_aside(&on, id).await };
                    set_aside(self.patiently(aside).await);
                }
            }
        }
        Ok(unread)
    }

    async fn park_unclaimed(&self, since: Timestamp, most: usize) -> Result<usize, JournalError> {
        self.patiently(|on| async move { notifications::park_unclaimed(&on, since, most).await }).await
    }

    async fn statuses_due(&self, now: Timestamp, most: usize) -> Result<Vec<StatusUpdate>, JournalError> {
        // Before them: what another one told meanwhile is not this term's.
        let term = self.instance.term();
        let stored = self.database.read(|on| async move { statuses::due(&on, now, most).await }).await?;
        let mut due = Vec::with_capacity(stored.len());
        for row in stored {
            let (i_account, service) = row.place();
            match row.read(&self.seal) {
                Ok(update) => due.push(StatusUpdate { term, ..update }),
                Err(error) => {
                    tracing::error!(i_account, service, %error, "a status is set aside");
                    let service = &service;
                    let aside = |on| async move { statuses::set_aside(&on, i_account, service).await };
                    set_aside(self.patiently(aside).await);
                }
            }
        }
        Ok(due)
    }

    async fn status_settled(&self, update: &StatusUpdate, taken: bool) -> Result<(), JournalError> {
        self.patiently(|on| async move { statuses::settled(&on, update, taken).await }).await
    }

    async fn status_later(&self, update: &StatusUpdate, at: Timestamp) -> Result<(), JournalError> {
        self.patiently(|on| async move { statuses::later(&on, update, at).await }).await
    }

    async fn breakers(&self) -> Result<BTreeMap<Group, Breaker>, JournalError> {
        self.of_groups(OfGroups::Breaker).await
    }

    async fn keep_breaker(&self, group: &Group, breaker: &Breaker) -> Result<(), JournalError> {
        self.keep_of_group(OfGroups::Breaker, group, breaker, self.instance.term()).await.map(drop)
    }

    async fn registrations(&self) -> Result<BTreeMap<Group, Registration>, JournalError> {
        self.of_groups(OfGroups::Registration).await
    }

    async fn keep_registration(
        &self,
        group: &Group,
        registration: &Registration,
        term: u64,
    ) -> Result<Registration, JournalError> {
        self.keep_of_group(OfGroups::Registration, group, registration, term).await
    }

    async fn last_alive(&self) -> Result<Option<Timestamp>, JournalError> {
        self.database.read(|on| async move { alive::last(&on).await }).await
    }

    async fn alive(&self, now: Timestamp) -> Result<(), JournalError> {
        self.patiently(|on| async move { alive::tell(&on, now).await }).await
    }

    async fn hear_only(&self, groups: &[Group]) -> Result<usize, JournalError> {
        // Another one may have groups that are not known here, or not any more.
        if !self.instance.began_alone() {
            return Ok(0);
        }
        let this = self.instance.id();
        self.patiently(|on| async move { statuses::forget_others(&on, groups, this).await }).await
    }

    async fn take(&self, id: &OperationId, claim: Claim) -> Result<Option<(Lease, Held)>, JournalError> {
        self.owners.note(&claim.owner);
        let (claim, database) = (&claim, &*self.database);
        let take = |on| async move { operators::take(&on, &id.0, claim, database).await };
        let Some((lane, epoch, head)) = self.patiently(take).await? else { return Ok(None) };
        let (owner, term) = (claim.owner.clone(), claim.until.since(claim.now));
        Ok(Some((Lease { lane, owner, epoch, term }, head.read(&self.seal)?)))
    }

    async fn audit(&self, entry: Audit) -> Result<(), JournalError> {
        let entry = &entry;
        self.patiently(|on| async move { operators::audit(&on, entry).await }).await
    }

    async fn purge(&self, old: Purge) -> Result<Purged, JournalError> {
        let old = &old;
        self.patiently(|on| async move { purge::purge(&on, old).await }).await
    }

    async fn ping(&self) -> Result<(), JournalError> {
        self.database.write(Patience::None, |on| async move { alive::ping(&on).await }).await
    }

    async fn overview(&self) -> Result<Overview, JournalError> {
        self.database.read(|on| async move { overview::read(&on).await }).await
    }
}
