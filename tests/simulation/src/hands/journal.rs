//! The journal, which fails at times, and is watched: what is written is held against the promises at once.

use std::collections::BTreeMap;

use async_trait::async_trait;
use punchdown::domain::{
    Breaker, Change, Event, EventIdentity, FanOut, Group, IAccount, Listed, Notification, Operation,
    OperationId, Reading, Registration, Response, SystemChange, Timestamp,
};
use punchdown::ports::{
    Acceptance, AccountTold, Audit, AuditsSought, Claim, DeadLetter, Deciders, Delivered, EventLine, Held,
    Journal, JournalError, Kept, Lease, Leased, Letter, Line, Looks, NotificationLine, NotificationTold,
    Overview, Place, Purge, Purged, Sought, StatusUpdate, Told, Work,
};

use crate::journal::Tables;
use crate::plan::Deed;
use crate::universe::{Host, State};
use crate::watch;

pub struct Hand(pub Host);

/// The doors do not wait for an answer for ever: what they were refused may be stored all the same.
const OF_THE_DOORS: [&str; 3] = ["accept", "keep dead letter", "keep notification"];
/// A commit that fails ends the process as soon as that is seen.
const ENDS_WITHIN: u64 = 300;

impl Hand {
    /// One call: it may fail before it does its work or after, and the process may be killed in it.
    async fn call<T>(
        &self,
        what: &str,
        work: impl FnOnce(&mut Tables, &mut State) -> Result<T, JournalError> + Send,
    ) -> Result<T, JournalError>
    where
        T: Send,
    {
        let host = &self.0;
        host.gate().await;
        host.may_die(what).await;
        if what == "save" {
            host.may_stand_still().await;
        }
        {
            let mut state = host.state();
            if state.fails(|weather| weather.journal_busy) {
                state.note(format!("host {} journal busy: {what}", host.number));
                return Err(JournalError::Busy);
            }
            if state.journal_stopped || state.fails(|weather| weather.journal_fails) {
                state.note(format!("host {} journal fails: {what}", host.number));
                return Err(JournalError::Failed("it was not written".to_owned()));
            }
        }
        // As on a disk: others have their turn while it is written.
        tokio::task::yield_now().await;
        host.gate().await;
        let (done, denied) = {
            let mut state = host.state();
            let mut tables = host.universe.journal.tables();
            let done = work(&mut tables, &mut state);
            watch::lanes(&tables, &mut state);
            let denied = done.is_ok() && state.fails(|weather| weather.journal_fails_after);
            if denied {
                state.note(format!("host {} journal denies: {what}", host.number));
                if !OF_THE_DOORS.contains(&what) {
                    state.journal_stopped = true;
                    let in_millis = state.dice.within(0..ENDS_WITHIN);
                    state.plan(in_millis, Deed::Kill(1));
                }
            }
            (done, denied)
        };
        host.may_die(what).await;
        match denied {
            false => done,
            true => Err(JournalError::Failed("nobody knows whether it is written".to_owned())),
        }
    }

    /// One that only looks.
    async fn look<T: Send>(
        &self,
        what: &str,
        work: impl FnOnce(&Tables) -> T + Send,
    ) -> Result<T, JournalError> {
        let host = &self.0;
        host.gate().await;
        if host.state().fails(|weather| weather.journal_fails) {
            host.state().note(format!("host {} journal fails: {what}", host.number));
            return Err(JournalError::Failed("cannot be read".to_owned()));
        }
        tokio::task::yield_now().await;
        host.gate().await;
        Ok(work(&host.universe.journal.tables()))
    }
}

#[async_trait]
impl Journal for Hand {
    async fn accept(&self, event: Event, work: Work) -> Result<Acceptance, JournalError> {
        self.call("accept", move |tables, state| {
            let before = tables.numbers;
            let accepted = tables.accept(event, work);
            watch::made(tables, state, before);
            Ok(accepted)
        })
        .await
    }

    async fn fan_outs_due(&self, now: Timestamp, most: usize) -> Result<Vec<FanOut>, JournalError> {
        self.look("fan outs due", |tables| tables.fan_outs_due(now, most)).await
    }

    async fn fan_out(
        &self,
        from: &FanOut,
        page: Vec<(Operation, Listed)>,
        to: Option<FanOut>,
    ) -> Result<usize, JournalError> {
        self.call("fan out", move |tables, state| {
            let before = tables.numbers;
            let new = tables.fan_out(from, page, to.as_ref())?;
            watch::made(tables, state, before);
            Ok(new)
        })
        .await
    }

    async fn keep_dead_letter(&self, letter: DeadLetter) -> Result<(), JournalError> {
        self.call("keep dead letter", |tables, _| {
            tables.letters.entry(letter.id.clone()).or_insert(letter);
            Ok(())
        })
        .await
    }

    async fn lease(&self, claim: Claim) -> Result<Leased, JournalError> {
        self.call("lease", |tables, state| {
            let leased = tables.lease(&claim);
            watch::leased(state, &leased);
            Ok(leased)
        })
        .await
    }

    async fn save(&self, lease: &Lease, change: Change, now: Timestamp) -> Result<Held, JournalError> {
        let number = self.0.number;
        self.call("save", move |tables, state| {
            let seen = watch::before_save(tables, lease, &change);
            let line = watch::line(&change);
            let held = tables.save(lease, change, now);
            match &held {
                Ok(_) => {
                    state.note(format!("host {number} saves {line} epoch {}", lease.epoch));
                    watch::saved(tables, state, &seen);
                }
                Err(error) => state.note(format!("host {number} cannot save {line}: {error}")),
            }
            held
        })
        .await
    }

    async fn changed_before(&self, operation: &OperationId) -> Result<Option<Timestamp>, JournalError> {
        self.look("changed before", |tables| tables.changed_before(operation)).await
    }

    async fn release(&self, lease: &Lease, now: Timestamp) -> Result<(), JournalError> {
        self.call("release", move |tables, state| {
            let is_old = watch::is_old(tables, lease);
            let released = tables.release(lease, now);
            watch::released(state, lease, is_old, released.is_ok());
            released
        })
        .await
    }

    async fn keep_notification(&self, delivered: Delivered) -> Result<Kept, JournalError> {
        self.call("keep notification", |tables, _| Ok(tables.keep_notification(delivered))).await
    }

    async fn keep_reply(&self, id: &str, reply: &Response) -> Result<(), JournalError> {
        self.call("keep reply", |tables, _| {
            tables.keep_reply(id, reply);
            Ok(())
        })
        .await
    }

    async fn record_reading(&self, id: &str, reading: Reading, now: Timestamp) -> Result<(), JournalError> {
        self.call("record reading", |tables, state| {
            watch::heard(state, &reading);
            tables.record_reading(id, reading, now);
            Ok(())
        })
        .await
    }

    async fn changes_to_begin(&self, group: &Group, most: usize) -> Result<Vec<SystemChange>, JournalError> {
        self.look("changes to begin", |tables| tables.changes_to_begin(group, most)).await
    }

    async fn change_begun(&self, signal: i64) -> Result<(), JournalError> {
        self.call("change begun", |tables, _| {
            tables.change_begun(signal);
            Ok(())
        })
        .await
    }

    async fn unread(&self, group: &Group, most: usize) -> Result<Vec<(String, Notification)>, JournalError> {
        self.look("unread", |tables| tables.unread(group, most)).await
    }

    async fn park_unclaimed(&self, since: Timestamp, most: usize) -> Result<usize, JournalError> {
        self.call("park unclaimed", |tables, _| Ok(tables.park_unclaimed(since, most))).await
    }

    async fn statuses_due(&self, now: Timestamp, most: usize) -> Result<Vec<StatusUpdate>, JournalError> {
        self.look("statuses due", |tables| tables.statuses_due(now, most)).await
    }

    async fn status_settled(&self, update: &StatusUpdate, taken: bool) -> Result<(), JournalError> {
        self.call("status settled", |tables, _| {
            tables.status_settled(update, taken);
            Ok(())
        })
        .await
    }

    async fn status_later(&self, update: &StatusUpdate, at: Timestamp) -> Result<(), JournalError> {
        self.call("status later", |tables, _| {
            tables.status_later(update, at);
            Ok(())
        })
        .await
    }

    async fn breakers(&self) -> Result<BTreeMap<Group, Breaker>, JournalError> {
        self.look("breakers", Tables::breakers_kept).await?
    }

    async fn keep_breaker(&self, group: &Group, breaker: &Breaker) -> Result<(), JournalError> {
        self.call("keep breaker", |tables, _| tables.keep_breaker(group, breaker)).await
    }

    async fn registrations(&self) -> Result<BTreeMap<Group, Registration>, JournalError> {
        self.look("registrations", |tables| tables.registrations.clone()).await
    }

    async fn keep_registration(
        &self,
        group: &Group,
        registration: &Registration,
        _: u64,
    ) -> Result<Registration, JournalError> {
        self.call("keep registration", |tables, _| {
            tables.registrations.insert(group.clone(), registration.clone());
            Ok(registration.clone())
        })
        .await
    }

    async fn last_alive(&self) -> Result<Option<Timestamp>, JournalError> {
        self.look("last alive", |tables| tables.alive).await
    }

    async fn alive(&self, now: Timestamp) -> Result<(), JournalError> {
        self.call("alive", |tables, _| {
            tables.alive = Some(now);
            Ok(())
        })
        .await
    }

    async fn hear_only(&self, groups: &[Group]) -> Result<usize, JournalError> {
        self.call("hear only", |tables, _| Ok(tables.hear_only(groups))).await
    }

    async fn take(&self, id: &OperationId, claim: Claim) -> Result<Option<(Lease, Held)>, JournalError> {
        self.call("take", |tables, _| Ok(tables.take(id, &claim))).await
    }

    async fn audit(&self, entry: Audit) -> Result<(), JournalError> {
        self.call("audit", |tables, _| {
            tables.audits.push(entry);
            Ok(())
        })
        .await
    }

    async fn purge(&self, old: Purge) -> Result<Purged, JournalError> {
        self.call("purge", |tables, _| Ok(tables.purge(&old))).await
    }

    async fn ping(&self) -> Result<(), JournalError> {
        self.call("ping", |_, _| Ok(())).await
    }

    async fn overview(&self) -> Result<Overview, JournalError> {
        self.look("overview", Tables::overview).await
    }
}

#[async_trait]
impl Looks for Hand {
    async fn operations(&self, sought: Sought) -> Result<Vec<Line>, JournalError> {
        self.look("operations", |tables| tables.lines(&sought)).await
    }

    async fn operation(&self, id: &OperationId) -> Result<Option<Told>, JournalError> {
        self.look("operation", |tables| tables.told(id)).await
    }

    async fn events(&self, before: Option<Place>, most: usize) -> Result<Vec<EventLine>, JournalError> {
        self.look("events", |tables| tables.event_lines(before.as_ref(), most)).await
    }

    async fn event(&self, identity: &EventIdentity) -> Result<Option<Event>, JournalError> {
        self.look("event", |tables| tables.event_told(identity)).await
    }

    async fn letters(&self, before: Option<Place>, most: usize) -> Result<Vec<Letter>, JournalError> {
        self.look("letters", |tables| tables.letter_lines(before.as_ref(), most)).await
    }

    async fn letter(&self, id: &str) -> Result<Option<Letter>, JournalError> {
        self.look("letter", |tables| tables.letter_told(id)).await
    }

    async fn notifications(
        &self,
        unread: bool,
        before: Option<Place>,
        most: usize,
    ) -> Result<Vec<NotificationLine>, JournalError> {
        self.look("notifications", |tables| tables.notification_lines(unread, before.as_ref(), most)).await
    }

    async fn notification(&self, id: &str) -> Result<Option<NotificationTold>, JournalError> {
        self.look("notification", |tables| tables.notification_told(id)).await
    }

    async fn account(&self, account: IAccount) -> Result<Option<AccountTold>, JournalError> {
        self.look("account", |tables| tables.account_told(account)).await
    }

    async fn oldest_open(&self) -> Result<Vec<Operation>, JournalError> {
        self.look("oldest open", Tables::oldest_open).await
    }

    async fn deciders(&self) -> Result<Deciders, JournalError> {
        self.look("deciders", |tables| tables.deciders()).await
    }

    async fn audits(&self, sought: AuditsSought) -> Result<Vec<(u64, Audit)>, JournalError> {
        self.look("audits", |tables| tables.audits_sought(&sought)).await
    }
}
