//! What the journal is given, and what it gives.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::domain::{
    Behind, EventIdentity, Group, IAccount, Json, Note, Notification, Operation, OperationId, Person,
    Response, Said, Service, State, Timestamp,
};

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody else holds the lane by now: what was to be written is void.
    #[error("the lease is lost")]
    LeaseLost,
    #[error("too much waits to be written")]
    Busy,
    #[error("the disk is full")]
    Full,
    #[error("the journal cannot be written or read: {0}")]
    Failed(String),
    #[error("a row of the journal cannot be understood: {0}")]
    Damaged(String),
}

/// What an event makes.
#[derive(Clone, Debug)]
pub enum Work {
    /// One operation in each group that wants it; none, when nobody does.
    Operations(Vec<Operation>),
    /// It names only a customer: its accounts have yet to be found, for each of these groups.
    FanOut(Vec<Group>),
}

impl Overview {
    /// What only waits to be sent is held in groups whose requests do not leave.
    #[must_use]
    pub fn held_back(mut self, groups: &BTreeSet<Group>) -> Self {
        for group in groups {
            for state in [State::Sending, State::Retrying] {
                let place = |state: State| (group.clone(), state.word().to_owned());
                if let Some(count) = self.operations.remove(&place(state)) {
                    *self.operations.entry(place(state.held_back())).or_default() += count;
                }
            }
        }
        self
    }
}

impl Work {
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Operations(operations) if operations.is_empty())
    }
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
    /// Lanes whose head only has its request to send, too.
    pub senders: bool,
    /// Those that only look for news come last, or nothing else would be done after a long night;
    /// now and then they come first, or they would never have their turn.
    pub looks_first: bool,
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
    /// Under whose lead it was read. What comes of it counts only while that one leads.
    pub term: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// Operations by group and the word of their state.
    pub operations: BTreeMap<(Group, String), u64>,
    /// When the oldest unfinished operation of a group was received.
    pub oldest_open: BTreeMap<Group, Timestamp>,
    /// When the newest operation of a group was received.
    pub newest: BTreeMap<Group, Timestamp>,
    pub events: u64,
    /// Events of customers that have not reached all accounts.
    pub fan_outs: u64,
    pub last_event: Option<(EventIdentity, Timestamp)>,
    pub dead_letters: u64,
    pub notifications_unread: u64,
    pub signals_kept: u64,
    pub signals_parked: u64,
    pub statuses_waiting: u64,
    /// PortaBilling had no such account.
    pub statuses_given_up: u64,
    /// From the event to `done`, of those that were done last, half of them and nineteen of twenty.
    pub times: BTreeMap<Group, (Duration, Duration)>,
}

/// Which operations a person wants to see.
#[derive(Clone, Debug, Default)]
pub struct Sought {
    pub group: Option<Group>,
    /// That are in this state now.
    pub state: Option<State>,
    /// Groups whose requests do not leave: what one of these has to send is held.
    pub held: BTreeSet<Group>,
    pub i_account: Option<IAccount>,
    /// That this event made.
    pub event: Option<EventIdentity>,
    /// Only what is parked, in doubt or overdue.
    pub problems: bool,
    /// Those that came before that one.
    pub before: Option<u64>,
    pub most: usize,
}

/// An operation in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its place among all; what a list is continued by.
    pub seq: u64,
    pub id: OperationId,
    pub group: Group,
    pub i_account: IAccount,
    pub event: String,
    pub state: State,
    pub received_at: Timestamp,
    pub changed_at: Timestamp,
    pub due: Timestamp,
}

/// All that is known of an operation.
#[derive(Clone, Debug)]
pub struct Told {
    pub operation: Operation,
    pub timeline: Vec<(Timestamp, Note)>,
    /// The head of its lane, when that is another one.
    pub stands_behind: Option<OperationId>,
}

/// What of that a person wants to see.
#[derive(Clone, Debug, Default)]
pub struct AuditsSought {
    /// Of a group, or of its operations as long as the journal knows them.
    pub group: Option<Group>,
    /// Of this operation.
    pub operation: Option<OperationId>,
    /// Those that came before that one.
    pub before: Option<u64>,
    pub most: usize,
}

/// What a person did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    pub at: Timestamp,
    pub person: Person,
    pub what: String,
    /// An operation's id, or a group.
    pub about: String,
}

/// What is old enough to go.
#[derive(Clone, Copy, Debug)]
pub struct Purge {
    /// Operations that ended by then go, and what came by then and is for nobody any more.
    pub finished_before: Timestamp,
    /// The bodies of notifications that came by then, with their replies, and those of dead letters.
    pub bodies_before: Timestamp,
    /// Rows, so that whoever else wants to write waits for milliseconds only.
    pub most: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purgeable {
    Operation,
    Event,
    Notification,
    Signal,
    DeadLetter,
    Body,
}

impl Purgeable {
    pub const ALL: [Self; 6] =
        [Self::Operation, Self::Event, Self::Notification, Self::Signal, Self::DeadLetter, Self::Body];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Operation => "operations",
            Self::Event => "events",
            Self::Notification => "notifications",
            Self::Signal => "signals",
            Self::DeadLetter => "dead-letters",
            Self::Body => "bodies",
        }
    }
}

/// What went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    pub counts: BTreeMap<Purgeable, usize>,
    /// There may be more of it.
    pub more: bool,
}

impl Purged {
    pub fn add(&mut self, what: Purgeable, rows: usize) {
        if rows > 0 {
            *self.counts.entry(what).or_default() += rows;
        }
    }

    pub fn of(&self, what: Purgeable) -> usize {
        self.counts.get(&what).copied().unwrap_or_default()
    }
}
