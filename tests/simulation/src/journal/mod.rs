//! A journal in memory that keeps the promises of the one on a disk, and answers without waiting for
//! anything but its turn: so the same calls give the same answers, however often they are made.
//!
//! The contract suite holds it to the same promises. What is written outlives a stop for as long as
//! somebody holds it.

mod beside;
mod events;
mod flaw;
mod lanes;
mod looks;
mod overview;
mod purge;
mod save;
mod signals;
mod statuses;
mod tables;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use punchdown::domain::{
    Breaker, Change, Event, FanOut, Group, Listed, Notification, Operation, OperationId, Reading,
    Registration, Response, SystemChange, Timestamp,
};
use punchdown::ports::{
    Acceptance, AccountTold, Audit, AuditsSought, Claim, DeadLetter, Deciders, Delivered, EventLine, Held,
    Journal, JournalError, Kept, Lease, Leased, Letter, Line, Looks, NotificationLine, NotificationTold,
    Overview, Place, Purge, Purged, Sought, StatusUpdate, Told, Work,
};

pub use flaw::Flaw;
pub use tables::{LaneRow, OperationRow, SignalRow, StatusRow, Tables};

/// Clones are the same journal.
#[derive(Clone, Default)]
pub struct MemoryJournal(Arc<Mutex<Tables>>);

impl MemoryJournal {
    /// One with a promise that it breaks.
    pub fn with(flaw: Option<Flaw>) -> Self {
        let journal = Self::default();
        journal.tables().flaw = flaw;
        journal
    }

    /// What a start does: whoever held a lane is no more, and what no adapter could read is read again.
    #[must_use]
    pub fn open_again(&self) -> Self {
        self.tables().begin_anew();
        self.clone()
    }

    /// All that is written. Held by nobody who waits.
    pub fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn accept(&self, event: Event, work: Work) -> Result<Acceptance, JournalError> {
        Ok(self.tables().accept(event, work))
    }

    async fn fan_outs_due(&self, now: Timestamp, most: usize) -> Result<Vec<FanOut>, JournalError> {
        Ok(self.tables().fan_outs_due(now, most))
    }

    async fn fan_out(
        &self,
        from: &FanOut,
        page: Vec<(Operation, Listed)>,
        to: Option<FanOut>,
    ) -> Result<usize, JournalError> {
        self.tables().fan_out(from, page, to.as_ref())
    }

    async fn keep_dead_letter(&self, letter: DeadLetter) -> Result<(), JournalError> {
        self.tables().letters.entry(letter.id.clone()).or_insert(letter);
        Ok(())
    }

    async fn lease(&self, claim: Claim) -> Result<Leased, JournalError> {
        Ok(self.tables().lease(&claim))
    }

    async fn save(&self, lease: &Lease, change: Change, now: Timestamp) -> Result<Held, JournalError> {
        self.tables().save(lease, change, now)
    }

    async fn changed_before(&self, operation: &OperationId) -> Result<Option<Timestamp>, JournalError> {
        Ok(self.tables().changed_before(operation))
    }

    async fn release(&self, lease: &Lease, now: Timestamp) -> Result<(), JournalError> {
        self.tables().release(lease, now)
    }

    async fn keep_notification(&self, delivered: Delivered) -> Result<Kept, JournalError> {
        Ok(self.tables().keep_notification(delivered))
    }

    async fn keep_reply(&self, id: &str, reply: &Response) -> Result<(), JournalError> {
        self.tables().keep_reply(id, reply);
        Ok(())
    }

    async fn record_reading(&self, id: &str, reading: Reading, now: Timestamp) -> Result<(), JournalError> {
        self.tables().record_reading(id, reading, now);
        Ok(())
    }

    async fn changes_to_begin(&self, group: &Group, most: usize) -> Result<Vec<SystemChange>, JournalError> {
        Ok(self.tables().changes_to_begin(group, most))
    }

    async fn change_begun(&self, signal: i64) -> Result<(), JournalError> {
        self.tables().change_begun(signal);
        Ok(())
    }

    async fn unread(&self, group: &Group, most: usize) -> Result<Vec<(String, Notification)>, JournalError> {
        Ok(self.tables().unread(group, most))
    }

    async fn park_unclaimed(&self, since: Timestamp, most: usize) -> Result<usize, JournalError> {
        Ok(self.tables().park_unclaimed(since, most))
    }

    async fn statuses_due(&self, now: Timestamp, most: usize) -> Result<Vec<StatusUpdate>, JournalError> {
        Ok(self.tables().statuses_due(now, most))
    }

    async fn status_settled(&self, update: &StatusUpdate, taken: bool) -> Result<(), JournalError> {
        self.tables().status_settled(update, taken);
        Ok(())
    }

    async fn status_later(&self, update: &StatusUpdate, at: Timestamp) -> Result<(), JournalError> {
        self.tables().status_later(update, at);
        Ok(())
    }

    async fn breakers(&self) -> Result<BTreeMap<Group, Breaker>, JournalError> {
        self.tables().breakers_kept()
    }

    async fn keep_breaker(&self, group: &Group, breaker: &Breaker) -> Result<(), JournalError> {
        self.tables().keep_breaker(group, breaker)
    }

    async fn registrations(&self) -> Result<BTreeMap<Group, Registration>, JournalError> {
        Ok(self.tables().registrations.clone())
    }

    async fn keep_registration(
        &self,
        group: &Group,
        registration: &Registration,
        _: u64,
    ) -> Result<Registration, JournalError> {
        self.tables().registrations.insert(group.clone(), registration.clone());
        Ok(registration.clone())
    }

    async fn last_alive(&self) -> Result<Option<Timestamp>, JournalError> {
        Ok(self.tables().alive)
    }

    async fn alive(&self, now: Timestamp) -> Result<(), JournalError> {
        self.tables().alive = Some(now);
        Ok(())
    }

    async fn hear_only(&self, groups: &[Group]) -> Result<usize, JournalError> {
        Ok(self.tables().hear_only(groups))
    }

    async fn take(&self, id: &OperationId, claim: Claim) -> Result<Option<(Lease, Held)>, JournalError> {
        Ok(self.tables().take(id, &claim))
    }

    async fn audit(&self, entry: Audit) -> Result<(), JournalError> {
        self.tables().audits.push(entry);
        Ok(())
    }

    async fn purge(&self, old: Purge) -> Result<Purged, JournalError> {
        Ok(self.tables().purge(&old))
    }

    async fn ping(&self) -> Result<(), JournalError> {
        Ok(())
    }

    async fn overview(&self) -> Result<Overview, JournalError> {
        Ok(self.tables().overview())
    }
}

#[async_trait]
impl Looks for MemoryJournal {
    async fn operations(&self, sought: Sought) -> Result<Vec<Line>, JournalError> {
        Ok(self.tables().lines(&sought))
    }

    async fn operation(&self, id: &OperationId) -> Result<Option<Told>, JournalError> {
        Ok(self.tables().told(id))
    }

    async fn events(&self, before: Option<Place>, most: usize) -> Result<Vec<EventLine>, JournalError> {
        Ok(self.tables().event_lines(before.as_ref(), most))
    }

    async fn event(
        &self,
        identity: &punchdown::domain::EventIdentity,
    ) -> Result<Option<Event>, JournalError> {
        Ok(self.tables().event_told(identity))
    }

    async fn letters(&self, before: Option<Place>, most: usize) -> Result<Vec<Letter>, JournalError> {
        Ok(self.tables().letter_lines(before.as_ref(), most))
    }

    async fn letter(&self, id: &str) -> Result<Option<Letter>, JournalError> {
        Ok(self.tables().letter_told(id))
    }

    async fn notifications(
        &self,
        unread: bool,
        before: Option<Place>,
        most: usize,
    ) -> Result<Vec<NotificationLine>, JournalError> {
        Ok(self.tables().notification_lines(unread, before.as_ref(), most))
    }

    async fn notification(&self, id: &str) -> Result<Option<NotificationTold>, JournalError> {
        Ok(self.tables().notification_told(id))
    }

    async fn account(
        &self,
        account: punchdown::domain::IAccount,
    ) -> Result<Option<AccountTold>, JournalError> {
        Ok(self.tables().account_told(account))
    }

    async fn oldest_open(&self) -> Result<Vec<Operation>, JournalError> {
        Ok(self.tables().oldest_open())
    }

    async fn deciders(&self) -> Result<Deciders, JournalError> {
        Ok(self.tables().deciders())
    }

    async fn audits(&self, sought: AuditsSought) -> Result<Vec<(u64, Audit)>, JournalError> {
        Ok(self.tables().audits_sought(&sought))
    }
}
