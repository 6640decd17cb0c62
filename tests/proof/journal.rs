//! A journal over another one, in which a promise is bent. Whoever bends one says so of the one method, and
//! leaves the others as they are.

use std::collections::BTreeMap;

use async_trait::async_trait;
use punchdown::domain::{
    Breaker, Change, Differing, Digest, Event, EventIdentity, FanOut, Group, IAccount, LaidDown, Lane,
    Listed, Notification, Operation, OperationId, Reading, Registration, Response, Resync, Subject, Suspect,
    SystemChange, Timestamp,
};
use punchdown::ports::{
    Acceptance, AccountTold, Adopted, Audit, AuditsSought, Claim, Compared, DeadLetter, Deciders, Delivered,
    EventLine, Held, Journal, JournalError, Kept, Lease, Leased, Letter, Line, Looks, Mark, NotificationLine,
    NotificationTold, Overview, Place, Purge, Purged, Resyncs, Sought, StatusUpdate, Suspects, Told, Work,
};

/// The port's methods, once: those that write, in whose calls a host can be stopped, and those that only read.
macro_rules! port {
    (writes { $($write:ident($($given:ident: $kind:ty),*) -> $answer:ty;)+ }
     reads { $($read:ident($($asked:ident: $what:ty),*) -> $told:ty;)+ }
     looks { $($look:ident($($sought:ident: $thing:ty),*) -> $seen:ty;)+ }
     suspects { $($suspect:ident($($held:ident: $of:ty),*) -> $found:ty;)+ }
     compares { $($compare:ident($($compared:ident: $with:ty),*) -> $differs:ty;)+ }
     resyncs { $($resync:ident($($begun:ident: $by:ty),*) -> $came:ty;)+ }) => {
        /// What writes, beside `save`, which is told by the stage that it writes.
        pub const WRITES: &[&str] =
            &[$(stringify!($write)),+, $(stringify!($suspect)),+, $(stringify!($resync)),+];
        pub const READS: &[&str] = &[$(stringify!($read)),+, $(stringify!($compare)),+];

        /// What is bent. All that is not said is as in the journal below.
        #[async_trait]
        pub trait Bent: Send + Sync {
            fn journal(&self) -> &dyn Journal;

            /// The next thing is a write. Its name is that of the method; of `save`, with the stage.
            fn before(&self, _write: &str) {}

            /// It has been done, or refused, and nobody knows of that yet.
            fn after(&self, _write: &str) {}

            async fn save(&self, lease: &Lease, change: Change, now: Timestamp) -> Result<Held, JournalError> {
                self.journal().save(lease, change, now).await
            }

            $(async fn $write(&self, $($given: $kind),*) -> Result<$answer, JournalError> {
                self.journal().$write($($given),*).await
            })+
        }

        /// The journal that a host gets.
        pub struct Over<B>(pub B);

        #[async_trait]
        impl<B: Bent> Journal for Over<B> {
            async fn save(&self, lease: &Lease, change: Change, now: Timestamp) -> Result<Held, JournalError> {
                let write = format!("save {}", change.operation.stage.word());
                self.0.before(&write);
                let held = self.0.save(lease, change, now).await;
                self.0.after(&write);
                held
            }

            $(async fn $write(&self, $($given: $kind),*) -> Result<$answer, JournalError> {
                self.0.before(stringify!($write));
                let answer = self.0.$write($($given),*).await;
                self.0.after(stringify!($write));
                answer
            })+

            $(async fn $read(&self, $($asked: $what),*) -> Result<$told, JournalError> {
                self.0.journal().$read($($asked),*).await
            })+
        }

        #[async_trait]
        impl<B: Bent> Looks for Over<B> {
            $(async fn $look(&self, $($sought: $thing),*) -> Result<$seen, JournalError> {
                self.0.journal().$look($($sought),*).await
            })+
        }

        #[async_trait]
        impl<B: Bent> Suspects for Over<B> {
            fn mark(&self, subject: &Subject, adapter: &Digest) -> Mark {
                self.0.journal().mark(subject, adapter)
            }

            $(async fn $suspect(&self, $($held: $of),*) -> Result<$found, JournalError> {
                self.0.before(stringify!($suspect));
                let answer = self.0.journal().$suspect($($held),*).await;
                self.0.after(stringify!($suspect));
                answer
            })+
        }

        #[async_trait]
        impl<B: Bent> Resyncs for Over<B> {
            $(async fn $compare(&self, $($compared: $with),*) -> Result<$differs, JournalError> {
                self.0.journal().$compare($($compared),*).await
            })+

            $(async fn $resync(&self, $($begun: $by),*) -> Result<$came, JournalError> {
                self.0.before(stringify!($resync));
                let answer = self.0.journal().$resync($($begun),*).await;
                self.0.after(stringify!($resync));
                answer
            })+
        }
    };
}

port! {
    writes {
        accept(event: Event, work: Work) -> Acceptance;
        fan_out(from: &FanOut, page: Vec<(Operation, Listed)>, to: Option<FanOut>) -> usize;
        keep_dead_letter(letter: DeadLetter) -> ();
        lease(claim: Claim) -> Leased;
        release(lease: &Lease, now: Timestamp) -> ();
        keep_notification(delivered: Delivered) -> Kept;
        keep_reply(id: &str, reply: &Response) -> ();
        record_reading(id: &str, reading: Reading, now: Timestamp) -> ();
        change_begun(signal: i64) -> ();
        park_unclaimed(since: Timestamp, most: usize) -> usize;
        status_settled(update: &StatusUpdate, taken: bool) -> ();
        status_later(update: &StatusUpdate, at: Timestamp) -> ();
        keep_breaker(group: &Group, breaker: &Breaker) -> ();
        keep_registration(group: &Group, registration: &Registration, term: u64) -> Registration;
        alive(now: Timestamp) -> ();
        hear_only(groups: &[Group]) -> usize;
        take(id: &OperationId, claim: Claim) -> Option<(Lease, Held)>;
        audit(entry: Audit) -> ();
        purge(old: Purge) -> Purged;
        ping() -> ();
    }
    reads {
        fan_outs_due(now: Timestamp, most: usize) -> Vec<FanOut>;
        changed_before(operation: &OperationId) -> Option<Timestamp>;
        changes_to_begin(group: &Group, most: usize) -> Vec<SystemChange>;
        unread(group: &Group, most: usize) -> Vec<(String, Notification)>;
        statuses_due(now: Timestamp, most: usize) -> Vec<StatusUpdate>;
        breakers() -> BTreeMap<Group, Breaker>;
        registrations() -> BTreeMap<Group, Registration>;
        last_alive() -> Option<Timestamp>;
        overview() -> Overview;
    }
    looks {
        operations(sought: Sought) -> Vec<Line>;
        operation(id: &OperationId) -> Option<Told>;
        events(before: Option<Place>, most: usize) -> Vec<EventLine>;
        event(identity: &EventIdentity) -> Option<Event>;
        letters(before: Option<Place>, most: usize) -> Vec<Letter>;
        letter(id: &str) -> Option<Letter>;
        notifications(unread: bool, before: Option<Place>, most: usize) -> Vec<NotificationLine>;
        notification(id: &str) -> Option<NotificationTold>;
        account(account: IAccount) -> Option<AccountTold>;
        oldest_open() -> Vec<Operation>;
        deciders() -> Deciders;
        audits(sought: AuditsSought) -> Vec<(u64, Audit)>;
    }
    suspects {
        count_deaths(now: Timestamp) -> Vec<Suspect>;
        acquit(subject: &Subject, adapter: &Digest) -> ();
        reprieve(subject: &Subject, adapter: &Digest) -> ();
        pardon(adapter: &Digest) -> ();
    }
    compares {
        resync() -> Option<Resync>;
        differing(behind: u64, most: usize) -> Vec<(u64, Differing)>;
        compare(lane: &Lane, with: &LaidDown) -> Compared;
        stands(lane: &Lane) -> Compared;
        unseen(resync: &Resync, groups: &[Group], behind: i64, most: usize) -> Vec<(i64, Lane)>;
    }
    resyncs {
        begin_resync(resync: &Resync) -> bool;
        resync_on(resync: &Resync, seen: Vec<Lane>, differing: Vec<Differing>) -> bool;
        adopt(event: &Event, found: Adopted) -> bool;
    }
}
