//! The questions we may ask the world: the whole outside on one screen.
//!
//! Each port has its own error, said as what to do about it. Whoever answers a port knows no
//! other; the engine knows only these traits.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{
    Behind, Chance, Change, Digest, Entry, Event, EventIdentity, Group, IAccount, Json, LaidDown,
    Notification, Operation, OperationId, Progress, Reading, Request, Response, Said, Service, Subscriber,
    Timestamp, Trouble, Wanted,
};
use crate::secret::Secret;

pub struct Ports {
    pub journal: Box<dyn Journal>,
    pub billing: Box<dyn Billing>,
    pub adapters: Box<dyn Adapters>,
    pub outbound: Box<dyn Outbound>,
    pub status_api: Box<dyn StatusApi>,
    pub world: Box<dyn World>,
}

/// Time, chance and new names.
pub trait World: Send + Sync {
    fn now(&self) -> Timestamp;
    fn chance(&self) -> Chance;
    fn new_id(&self) -> String;
}

/// What is durable. Every method that returns `Ok` has committed, with a sync to the disk.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Stores an event with the operations that it makes. A known identity changes nothing.
    async fn accept(&self, event: Event, operations: Vec<Operation>) -> Result<Acceptance, JournalError>;

    /// Keeps what can never become an event, for a person.
    async fn keep_dead_letter(&self, letter: DeadLetter) -> Result<(), JournalError>;

    /// Leases up to `most` lanes of a group that are due, each with its head.
    async fn lease(&self, claim: Claim) -> Result<Leased, JournalError>;

    /// Writes a change, if the lease still holds, and prolongs the lease.
    async fn save(&self, lease: &Lease, change: Change, now: Timestamp) -> Result<Held, JournalError>;

    /// Gives the lane back; the next date is made from what stands in it.
    async fn release(&self, lease: &Lease, now: Timestamp) -> Result<(), JournalError>;

    /// Stores a notification as it came, before anybody reads it. One whose sender's id the group
    /// has seen before changes nothing.
    async fn keep_notification(&self, delivery: Delivered) -> Result<Kept, JournalError>;

    /// Stores what was read in a notification with its reply, if it is the first one, and gives
    /// each signal to whom it concerns. Signals whose sender's id was seen before are dropped.
    async fn record_reading(&self, id: &str, reading: Reading, now: Timestamp) -> Result<(), JournalError>;

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

    /// Whether it can be written.
    async fn ping(&self) -> Result<(), JournalError>;

    /// Counts, for an operator.
    async fn overview(&self) -> Result<Overview, JournalError>;
}

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody else holds the lane by now: what was to be written is void.
    #[error("the lease is lost")]
    LeaseLost,
    #[error("too much waits to be written")]
    Busy,
    #[error("the journal cannot be written or read: {0}")]
    Failed(String),
    #[error("a row of the journal cannot be understood: {0}")]
    Damaged(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    New,
    Repeated,
}

/// A notification as it came, under a name of our own.
#[derive(Clone, Debug)]
pub struct Delivered {
    pub id: String,
    pub group: Group,
    /// By which its sender knows it, and repeats it; only where he proved that it is his.
    pub sender_id: Option<String>,
    pub raw: Notification,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    New,
    /// With the first reply, unless nobody has read the first delivery yet.
    Repeated(Option<Response>),
}

#[derive(Clone, Debug)]
pub struct DeadLetter {
    pub id: String,
    pub at: Timestamp,
    pub why: String,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct Claim {
    pub group: Group,
    /// Made at each start, so that nobody is mistaken for an earlier self.
    pub owner: String,
    pub most: usize,
    pub now: Timestamp,
    pub until: Timestamp,
}

/// The right to move a lane. Void once another epoch has begun.
#[derive(Clone, Debug)]
pub struct Lease {
    pub lane: i64,
    pub owner: String,
    pub epoch: u64,
    /// How long each save prolongs it.
    pub term: Duration,
}

/// The head of a leased lane.
#[derive(Clone, Debug)]
pub struct Held {
    pub operation: Operation,
    pub signal: Option<Json>,
    pub behind: Option<Behind>,
    /// What stands for the account, as the lane's last `applied` said.
    pub applied: Option<Json>,
}

#[derive(Debug)]
pub struct Leased {
    pub lanes: Vec<(Lease, Held)>,
    /// When the next lane of the group falls due, when none is now.
    pub next_due: Option<Timestamp>,
}

/// The latest status of an account in a service; its version makes an older one recognisable.
#[derive(Clone, Debug)]
pub struct StatusUpdate {
    pub i_account: IAccount,
    pub service: Service,
    pub said: Said,
    /// What PortaBilling was last told.
    pub told: Option<Said>,
    pub version: u64,
    pub attempts: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// Operations by group and stage.
    pub operations: BTreeMap<(Group, String), u64>,
    /// When the oldest unfinished operation of a group was received.
    pub oldest_open: BTreeMap<Group, Timestamp>,
    pub events: u64,
    pub last_event: Option<(EventIdentity, Timestamp)>,
    pub dead_letters: u64,
    pub notifications_unread: u64,
    pub signals_kept: u64,
    pub signals_parked: u64,
    pub statuses_waiting: u64,
}

/// PortaBilling's API.
#[async_trait]
pub trait Billing: Send + Sync {
    /// Reads the documents that `queries` names, and what PortaBilling wants of the account.
    async fn read(&self, i_account: IAccount, queries: &[String]) -> Result<Account, BillingError>;

    /// The environment that the session serves, as far as a log-in has told it; asks nobody.
    fn environment(&self) -> Option<u64>;
}

#[derive(Clone, Debug)]
pub enum Account {
    Found { subscriber: Subscriber, wanted: Wanted },
    Absent,
}

#[derive(Debug, thiserror::Error)]
pub enum BillingError {
    #[error("PortaBilling did not answer as it should: {0}")]
    Unavailable(String),
    /// Another log-in would make it worse.
    #[error("PortaBilling refuses the log-in: {0}")]
    LoginRefused(String),
    #[error("PortaBilling refuses: {0}")]
    Refused(String),
}

/// The adapters, each asked by the group that it serves. Every question is pure.
#[async_trait]
pub trait Adapters: Send + Sync {
    /// The queries whose documents the group's adapter needs, and the group's own configuration.
    fn needs(&self, group: &Group) -> Option<Needs>;

    async fn provision(&self, question: Question) -> Result<(Progress, Digest), AdapterError>;

    async fn read_notification(&self, group: &Group, raw: &Notification) -> Result<Reading, AdapterError>;
}

#[derive(Clone, Debug)]
pub struct Needs {
    /// The adapter that serves the group now.
    pub digest: Digest,
    pub queries: Vec<String>,
    pub config: Json,
    pub notify_at: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Question {
    pub operation: OperationId,
    pub group: Group,
    pub service: Service,
    pub i_account: IAccount,
    pub event: Event,
    pub laid_down: LaidDown,
    pub history: Vec<Entry>,
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
pub trait Outbound: Send + Sync {
    async fn send(&self, group: &Group, request: &Request, key: &str) -> Result<Response, SendError>;
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
}
