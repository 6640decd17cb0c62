//! The questions we may ask the world: the whole outside on one screen. Each port has its own error, said as what to do
//! about it. Whoever answers a port knows no other; the engine knows only these traits.

mod errand;
mod instances;
mod journal;
mod lack;
mod library;
mod look;
mod marks;
mod question;
mod reloads;
mod resyncs;
mod settings;
mod suspects;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use crate::domain::{
    Breaker, Chance, Change, Digest, Errand, Event, FanOut, Group, IAccount, ICustomer, Listed, Notification,
    Operation, OperationId, Progress, Reading, Registration, Request, Response, Subscriber, SystemChange,
    Timestamp, Trouble, Wanted,
};
use crate::secret::Secret;

pub use errand::{Register, Run, SessionValues};
pub use instances::{Alone, Among, Hint, Instances, LogInRefused, Shared, part_of};
pub use journal::{
    Acceptance, Audit, AuditsSought, Claim, DeadLetter, Delivered, Held, JournalError, Kept, Lease, Leased,
    Line, Overview, Purge, Purgeable, Purged, Sought, StatusUpdate, Told, Work,
};
pub use lack::{Away, Denial, Lack, Withheld};
pub use library::{Choice, Chosen, EDITIONS_MAX, Library};
pub use look::{
    AccountTold, Deciders, EventLine, Letter, Looks, NotificationLine, NotificationTold, Place, StatusTold,
};
pub use marks::Marks;
pub use question::{Needs, Question, Slot};
pub use reloads::{KeptComponent, KeptOf, NotPinned, Outcome, Pin, Refusal, Reloaded, Reloads, Taken};
pub use resyncs::{Adopted, Compared, Resyncs};
pub use settings::{Difference, RunsBy, SecretNamed, ShownSetting, group_of, is_within};
pub use suspects::{Mark, Suspects};

pub struct Ports {
    pub journal: Box<dyn Journal>,
    pub instances: Arc<dyn Instances>,
    pub billing: Box<dyn Billing>,
    pub adapters: Box<dyn Adapters>,
    pub outbound: Box<dyn Outbound>,
    pub status_api: Box<dyn StatusApi>,
    pub world: Box<dyn World>,
}

/// Time, chance and new names.
pub trait World: Send + Sync {
    fn now(&self) -> Timestamp;
    /// By a clock that nobody sets, if there is one beside.
    fn steady(&self) -> Option<Instant> {
        None
    }
    fn chance(&self) -> Chance;
    fn new_id(&self) -> String;
}

/// What is durable. Every method that returns `Ok` has committed, with a sync to the disk. One that failed
/// has written nothing, or the process ends for it: a living owner may not hold a lane of which it does not
/// know, for nobody else frees that.
#[async_trait]
pub trait Journal: Looks + Suspects + Resyncs + Send + Sync {
    /// Stores an event with the work that it makes. A known identity changes nothing.
    async fn accept(&self, event: Event, work: Work) -> Result<Acceptance, JournalError>;

    /// Fan-outs whose next page is to be read, the oldest first.
    async fn fan_outs_due(&self, now: Timestamp, most: usize) -> Result<Vec<FanOut>, JournalError>;

    /// Stores what a page of a fan-out made, and where it stands then (`None`: at its end). Gives how many were new:
    /// a lane gets one operation of an event, and a closed account one only where something of it still stands.
    async fn fan_out(
        &self,
        from: &FanOut,
        page: Vec<(Operation, Listed)>,
        to: Option<FanOut>,
    ) -> Result<usize, JournalError>;

    /// Keeps what can never become an event, for a person. A known id changes nothing.
    async fn keep_dead_letter(&self, letter: DeadLetter) -> Result<(), JournalError>;

    /// Leases up to `most` lanes of a group that are due, each with its head.
    async fn lease(&self, claim: Claim) -> Result<Leased, JournalError>;

    /// Writes a change, if the lease still holds, and prolongs the lease when it has lost some seconds.
    async fn save(&self, lease: &Lease, change: Change, now: Timestamp) -> Result<Held, JournalError>;

    /// When the lane of that operation was last changed by one before it.
    async fn changed_before(&self, operation: &OperationId) -> Result<Option<Timestamp>, JournalError>;

    /// Gives the lane back; the next date is made from what stands in it.
    async fn release(&self, lease: &Lease, now: Timestamp) -> Result<(), JournalError>;

    /// Stores a notification as it came, unread. One whose sender's id the group has seen before changes nothing.
    async fn keep_notification(&self, delivery: Delivered) -> Result<Kept, JournalError>;

    /// Stores what a notification was answered before anybody could read it; the first reply stands.
    async fn keep_reply(&self, id: &str, reply: &Response) -> Result<(), JournalError>;

    /// Stores what was read in a notification with its reply, if it is the first one, and gives
    /// each signal to whom it concerns. Signals whose sender's id was seen before are dropped.
    async fn record_reading(&self, id: &str, reading: Reading, now: Timestamp) -> Result<(), JournalError>;

    /// What the group's system changed of itself, and no operation was begun for yet; the oldest
    /// first.
    async fn changes_to_begin(&self, group: &Group, most: usize) -> Result<Vec<SystemChange>, JournalError>;

    /// Its operation is accepted.
    async fn change_begun(&self, signal: i64) -> Result<(), JournalError>;

    /// Notifications that nobody could read yet, the oldest first.
    async fn unread(&self, group: &Group, most: usize) -> Result<Vec<(String, Notification)>, JournalError>;

    /// Parks up to `most` signals that nobody claimed since `since`, the oldest first: they are
    /// kept for a person, and no operation gets them any more. Gives their number.
    async fn park_unclaimed(&self, since: Timestamp, most: usize) -> Result<usize, JournalError>;

    /// Statuses to be told, each the latest of its account and service.
    async fn statuses_due(&self, now: Timestamp, most: usize) -> Result<Vec<StatusUpdate>, JournalError>;

    /// That version was taken by PortaBilling, or never will be.
    async fn status_settled(&self, update: &StatusUpdate, taken: bool) -> Result<(), JournalError>;

    /// That version is to be told again, at `at`.
    async fn status_later(&self, update: &StatusUpdate, at: Timestamp) -> Result<(), JournalError>;

    /// The groups' breakers as they were last kept.
    async fn breakers(&self) -> Result<BTreeMap<Group, Breaker>, JournalError>;
    async fn keep_breaker(&self, group: &Group, breaker: &Breaker) -> Result<(), JournalError>;

    /// The groups' registrations for notifications as they were last kept.
    async fn registrations(&self) -> Result<BTreeMap<Group, Registration>, JournalError>;

    /// Made under that term: where another one leads by now, only a person's word is kept. Gives how it stands.
    async fn keep_registration(
        &self,
        group: &Group,
        registration: &Registration,
        term: u64,
    ) -> Result<Registration, JournalError>;

    /// Writes down that a host runs now; and when one last did.
    async fn alive(&self, now: Timestamp) -> Result<(), JournalError>;
    async fn last_alive(&self) -> Result<Option<Timestamp>, JournalError>;

    /// What other groups than these have said of any account counts no more. Gives how many words.
    async fn hear_only(&self, groups: &[Group]) -> Result<usize, JournalError>;

    /// Leases the lane of an operation, if that stands first in it and nobody moves it now.
    async fn take(&self, id: &OperationId, claim: Claim) -> Result<Option<(Lease, Held)>, JournalError>;

    /// Writes down what a person did.
    async fn audit(&self, entry: Audit) -> Result<(), JournalError>;

    /// Deletes some of what ended long ago, in one transaction. What stands outside, its keys, and what
    /// somebody still waits for stay.
    async fn purge(&self, old: Purge) -> Result<Purged, JournalError>;

    /// Whether it can be written.
    async fn ping(&self) -> Result<(), JournalError>;

    /// Counts, for an operator.
    async fn overview(&self) -> Result<Overview, JournalError>;
}

/// PortaBilling's API.
#[async_trait]
pub trait Billing: Shared + Send + Sync {
    /// Reads the documents that `queries` names, and what PortaBilling wants of the account. What
    /// somebody else read a moment ago will do, if that reading began after `since`.
    async fn read(
        &self,
        i_account: IAccount,
        queries: &[String],
        since: Timestamp,
    ) -> Result<Account, BillingError>;

    /// A page of the accounts of a customer, closed ones too; empty where the list has ended.
    async fn accounts_of(&self, i_customer: ICustomer, from: u64) -> Result<Vec<Listed>, BillingError>;

    /// A page of the customers; empty where the list has ended.
    async fn customers(&self, from: u64) -> Result<Vec<ICustomer>, BillingError>;

    /// The environment that the session serves, as far as a log-in has told it; asks nobody.
    fn environment(&self) -> Option<u64>;
}

#[derive(Clone, Debug)]
pub enum Account {
    Found { subscriber: Subscriber, wanted: Wanted },
    Absent,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum BillingError {
    #[error("PortaBilling did not answer as it should: {0}")]
    Unavailable(Away),
    /// Another log-in would make it worse.
    #[error("PortaBilling refuses the log-in: {0}")]
    LoginRefused(String),
    /// Each log-in more makes it longer.
    #[error("PortaBilling has locked the user out: {0}")]
    LockedOut(String),
    #[error("PortaBilling refuses: {0}")]
    Refused(String),
}

/// The adapters, each asked by the group that it serves. Every question is pure, and asked in a [`Slot`].
#[async_trait]
pub trait Adapters: Send + Sync {
    /// The queries whose documents the group's adapter needs, and the group's own configuration.
    fn needs(&self, group: &Group) -> Option<Needs>;

    /// Whether the group has an adapter: none may have been good when the host started.
    fn serves(&self, group: &Group) -> bool;

    /// Names, beside the host's own, whose values nobody is shown.
    fn secret_fields(&self, group: &Group) -> Vec<String>;

    /// Whether that one can still be asked about operations of the group: it serves or served, here or elsewhere.
    async fn keeps(&self, group: &Group, digest: &Digest) -> bool;

    /// Has that one in memory, if it is kept: it may have to be compiled.
    async fn have_at_hand(&self, group: &Group, digest: &Digest);

    /// Waits until the group may have one question more computed at the same moment.
    async fn slot(&self, group: &Group) -> Slot;

    /// What one decides that the host [`keeps`](Self::keeps).
    async fn provision_by(&self, one: &Digest, about: Question) -> Result<(Progress, Digest), AdapterError>;

    async fn read_notification(&self, group: &Group, raw: &Notification) -> Result<Reading, AdapterError>;

    /// The next move of a log-in. What is said on the way is kept nowhere: its answers hold a session.
    async fn log_in(&self, run: Run) -> Result<Errand, AdapterError>;

    /// The next move of a registration for notifications, or of its end.
    async fn register(&self, run: Run, how: Register) -> Result<Errand, AdapterError>;
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum AdapterError {
    #[error("group {0} has no adapter")]
    NotLoaded(Group),
    /// It stopped, was stopped, or answered what cannot be taken.
    #[error("{}", .0.message)]
    Fault(Trouble),
}

impl AdapterError {
    pub fn code(&self) -> &str {
        match self {
            Self::NotLoaded(_) => "adapter-not-loaded",
            Self::Fault(trouble) => &trouble.code,
        }
    }
}

/// The external systems, each by the group that has it for a target.
#[async_trait]
pub trait Outbound: Shared + Send + Sync {
    /// What tells the group's target from any other: another address, another credential. `None`: it has none.
    fn identity(&self, group: &Group) -> Option<Digest>;

    /// Where the target is. `None`: there is none.
    fn address(&self, group: &Group) -> Option<String>;

    /// Gets what a request needs before it may leave: its turn, and a token that is good for a
    /// while. Those that only look whether there is news have their turn last.
    async fn make_ready(&self, group: &Group, looks: bool) -> Result<(), Lack>;

    /// Sends it once, filled with the group's secrets and what the session has.
    async fn send(
        &self,
        group: &Group,
        request: &Request,
        marks: &Marks,
        session: &SessionValues,
    ) -> Result<Response, SendError>;
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum SendError {
    /// Not one byte left.
    #[error("not sent: {0}")]
    NotSent(String),
    #[error("no answer: {0}")]
    Unanswered(String),
    /// An answer came that is beyond a limit; the sentence names it.
    #[error("{0}")]
    TooLarge(String),
    /// It can never be sent as it is.
    #[error("{0}")]
    Refused(String),
    /// It was not sent, or answered that the group's credential is no good.
    #[error("{}", .0.trouble.message)]
    Lacking(Lack),
}

/// The status door of the ESPF.
#[async_trait]
pub trait StatusApi: Send + Sync {
    async fn post(&self, update: &StatusUpdate) -> Result<(), StatusError>;
}

#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    #[error("not taken now: {0}")]
    Later(String),
    /// There is no session to say it in: it was not said, and no other one can be.
    #[error("{0}")]
    NoSession(String),
    /// The account is no more; there is nothing to tell it to.
    #[error("PortaBilling has no such account any more")]
    AccountGone,
}

/// The session that the host has with PortaBilling: one, however many ask for it.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// A token that is good for a while yet.
    async fn bearer(&self) -> Result<Secret, BillingError>;

    /// That token was refused: the next one is a new one.
    async fn refused(&self, token: &Secret);

    /// Another door than the API did not take that token. That says little of the session, so it
    /// is given up for it seldom.
    async fn doubted(&self, token: &Secret);
}
