//! A host with one promise broken on purpose: it answers an event before the commit. The crash
//! tests must catch it, or they prove nothing. And for three events its journal does what none may:
//! `Never/Stored` has no answer, `Never/Told` panics and says all that it knows, `Never/Survived` takes
//! the process along.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use punchdown::domain::{
    Breaker, Change, Differing, Digest, Event, EventIdentity, FanOut, Group, IAccount, LaidDown, Lane,
    Listed, Notification, Operation, OperationId, Reading, Registration, Response, Resync, Subject, Suspect,
    SystemChange, Timestamp,
};
use punchdown::lifecycle;
use punchdown::ports::{
    Acceptance, AccountTold, Adopted, Audit, Claim, Compared, DeadLetter, Delivered, EventLine, EventTold,
    Held, Journal, JournalError, Kept, Lease, Leased, Letter, Line, Looks, Mark, NotificationLine,
    NotificationTold, Overview, Place, Purge, Purged, Resyncs, Sought, StatusUpdate, Suspects, Told, Work,
};

/// How long an answered event stays in memory alone.
const UNWRITTEN_FOR: Duration = Duration::from_millis(50);

#[tokio::main]
async fn main() -> ExitCode {
    punchdown::crash::leave_nothing().expect("the system lets it");
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Started as the real program is: `serve --config FILE`.
    match std::env::args().nth(3) {
        Some(file) => {
            lifecycle::serve_with(Path::new(&file), |journal| Box::new(Early(Arc::from(journal)))).await
        }
        None => ExitCode::from(2),
    }
}

struct Early(Arc<dyn Journal>);

#[async_trait]
impl Journal for Early {
    async fn accept(&self, event: Event, work: Work) -> Result<Acceptance, JournalError> {
        match event.name.as_str() {
            "Never/Stored" => return std::future::pending().await,
            "Never/Told" => panic!("cannot store {event:?} with {}", event.variables.text()),
            "Never/Survived" => std::process::abort(),
            _ => {}
        }
        let journal = Arc::clone(&self.0);
        tokio::spawn(async move {
            tokio::time::sleep(UNWRITTEN_FOR).await;
            journal.accept(event, work).await
        });
        Ok(Acceptance::New)
    }

    async fn fan_outs_due(&self, now: Timestamp, most: usize) -> Result<Vec<FanOut>, JournalError> {
        self.0.fan_outs_due(now, most).await
    }

    async fn fan_out(
        &self,
        from: &FanOut,
        page: Vec<(Operation, Listed)>,
        to: Option<FanOut>,
    ) -> Result<usize, JournalError> {
        self.0.fan_out(from, page, to).await
    }

    async fn keep_dead_letter(&self, letter: DeadLetter) -> Result<(), JournalError> {
        self.0.keep_dead_letter(letter).await
    }

    async fn lease(&self, claim: Claim) -> Result<Leased, JournalError> {
        self.0.lease(claim).await
    }

    async fn save(&self, lease: &Lease, change: Change, now: Timestamp) -> Result<Held, JournalError> {
        self.0.save(lease, change, now).await
    }

    async fn changed_before(&self, operation: &OperationId) -> Result<Option<Timestamp>, JournalError> {
        self.0.changed_before(operation).await
    }

    async fn release(&self, lease: &Lease, now: Timestamp) -> Result<(), JournalError> {
        self.0.release(lease, now).await
    }

    async fn keep_notification(&self, delivered: Delivered) -> Result<Kept, JournalError> {
        self.0.keep_notification(delivered).await
    }

    async fn keep_reply(&self, id: &str, reply: &Response) -> Result<(), JournalError> {
        self.0.keep_reply(id, reply).await
    }

    async fn record_reading(&self, id: &str, reading: Reading, now: Timestamp) -> Result<(), JournalError> {
        self.0.record_reading(id, reading, now).await
    }

    async fn changes_to_begin(&self, group: &Group, most: usize) -> Result<Vec<SystemChange>, JournalError> {
        self.0.changes_to_begin(group, most).await
    }

    async fn change_begun(&self, signal: i64) -> Result<(), JournalError> {
        self.0.change_begun(signal).await
    }

    async fn unread(&self, group: &Group, most: usize) -> Result<Vec<(String, Notification)>, JournalError> {
        self.0.unread(group, most).await
    }

    async fn park_unclaimed(&self, since: Timestamp, most: usize) -> Result<usize, JournalError> {
        self.0.park_unclaimed(since, most).await
    }

    async fn statuses_due(&self, now: Timestamp, most: usize) -> Result<Vec<StatusUpdate>, JournalError> {
        self.0.statuses_due(now, most).await
    }

    async fn status_settled(&self, update: &StatusUpdate, taken: bool) -> Result<(), JournalError> {
        self.0.status_settled(update, taken).await
    }

    async fn status_later(&self, update: &StatusUpdate, at: Timestamp) -> Result<(), JournalError> {
        self.0.status_later(update, at).await
    }

    async fn breakers(&self) -> Result<BTreeMap<Group, Breaker>, JournalError> {
        self.0.breakers().await
    }

    async fn keep_breaker(&self, group: &Group, breaker: &Breaker) -> Result<(), JournalError> {
        self.0.keep_breaker(group, breaker).await
    }

    async fn registrations(&self) -> Result<BTreeMap<Group, Registration>, JournalError> {
        self.0.registrations().await
    }

    async fn keep_registration(
        &self,
        group: &Group,
        registration: &Registration,
    ) -> Result<(), JournalError> {
        self.0.keep_registration(group, registration).await
    }

    async fn alive(&self, now: Timestamp) -> Result<Option<Timestamp>, JournalError> {
        self.0.alive(now).await
    }

    async fn hear_only(&self, groups: &[Group]) -> Result<usize, JournalError> {
        self.0.hear_only(groups).await
    }

    async fn take(&self, id: &OperationId, claim: Claim) -> Result<Option<(Lease, Held)>, JournalError> {
        self.0.take(id, claim).await
    }

    async fn audit(&self, entry: Audit) -> Result<(), JournalError> {
        self.0.audit(entry).await
    }

    async fn purge(&self, old: Purge) -> Result<Purged, JournalError> {
        self.0.purge(old).await
    }

    async fn ping(&self) -> Result<(), JournalError> {
        self.0.ping().await
    }

    async fn overview(&self) -> Result<Overview, JournalError> {
        self.0.overview().await
    }
}

#[async_trait]
impl Looks for Early {
    async fn operations(&self, sought: Sought) -> Result<Vec<Line>, JournalError> {
        self.0.operations(sought).await
    }

    async fn operation(&self, id: &OperationId) -> Result<Option<Told>, JournalError> {
        self.0.operation(id).await
    }

    async fn events(&self, before: Option<Place>, most: usize) -> Result<Vec<EventLine>, JournalError> {
        self.0.events(before, most).await
    }

    async fn event(&self, identity: &EventIdentity) -> Result<Option<EventTold>, JournalError> {
        self.0.event(identity).await
    }

    async fn letters(&self, before: Option<Place>, most: usize) -> Result<Vec<Letter>, JournalError> {
        self.0.letters(before, most).await
    }

    async fn letter(&self, id: &str) -> Result<Option<Letter>, JournalError> {
        self.0.letter(id).await
    }

    async fn notifications(
        &self,
        unread: bool,
        before: Option<Place>,
        most: usize,
    ) -> Result<Vec<NotificationLine>, JournalError> {
        self.0.notifications(unread, before, most).await
    }

    async fn notification(&self, id: &str) -> Result<Option<NotificationTold>, JournalError> {
        self.0.notification(id).await
    }

    async fn account(&self, account: IAccount) -> Result<Option<AccountTold>, JournalError> {
        self.0.account(account).await
    }

    async fn audits(&self, most: usize) -> Result<Vec<Audit>, JournalError> {
        self.0.audits(most).await
    }
}

#[async_trait]
impl Suspects for Early {
    fn mark(&self, subject: &Subject, adapter: &Digest) -> Mark {
        self.0.mark(subject, adapter)
    }

    async fn count_deaths(&self, now: Timestamp) -> Result<Vec<Suspect>, JournalError> {
        self.0.count_deaths(now).await
    }

    async fn acquit(&self, subject: &Subject, adapter: &Digest) -> Result<(), JournalError> {
        self.0.acquit(subject, adapter).await
    }

    async fn reprieve(&self, subject: &Subject, adapter: &Digest) -> Result<(), JournalError> {
        self.0.reprieve(subject, adapter).await
    }

    async fn pardon(&self, adapter: &Digest) -> Result<(), JournalError> {
        self.0.pardon(adapter).await
    }
}

#[async_trait]
impl Resyncs for Early {
    async fn resync(&self) -> Result<Option<Resync>, JournalError> {
        self.0.resync().await
    }

    async fn begin_resync(&self, resync: &Resync) -> Result<bool, JournalError> {
        self.0.begin_resync(resync).await
    }

    async fn resync_on(
        &self,
        resync: &Resync,
        seen: Vec<Lane>,
        differing: Vec<Differing>,
    ) -> Result<bool, JournalError> {
        self.0.resync_on(resync, seen, differing).await
    }

    async fn differing(&self, behind: u64, most: usize) -> Result<Vec<(u64, Differing)>, JournalError> {
        self.0.differing(behind, most).await
    }

    async fn compare(&self, lane: &Lane, with: &LaidDown) -> Result<Compared, JournalError> {
        self.0.compare(lane, with).await
    }

    async fn stands(&self, lane: &Lane) -> Result<Compared, JournalError> {
        self.0.stands(lane).await
    }

    async fn unseen(
        &self,
        resync: &Resync,
        groups: &[Group],
        behind: i64,
        most: usize,
    ) -> Result<Vec<(i64, Lane)>, JournalError> {
        self.0.unseen(resync, groups, behind, most).await
    }

    async fn adopt(&self, event: &Event, found: Adopted) -> Result<bool, JournalError> {
        self.0.adopt(event, found).await
    }
}
