//! The rows, as far as their promises need them.

use std::collections::{BTreeMap, BTreeSet};

use punchdown::domain::{
    Event, FanOut, Group, IAccount, Json, Note, Notification, Operation, OperationId, Registration, Response,
    Said, Service, Stage, Timestamp,
};
use punchdown::ports::{Audit, DeadLetter};

use super::Flaw;

#[derive(Default)]
pub struct Tables {
    pub flaw: Option<Flaw>,
    pub events: BTreeMap<String, Event>,
    pub fan_outs: BTreeMap<String, FanOutRow>,
    pub lanes: BTreeMap<i64, LaneRow>,
    pub operations: BTreeMap<i64, OperationRow>,
    /// Numbers that were given to rows, of whatever kind. None is given twice.
    pub numbers: i64,
    pub by_id: BTreeMap<OperationId, i64>,
    /// By what a notification finds an operation: the newest that named the key.
    pub keys: BTreeMap<(Group, String), i64>,
    pub notifications: BTreeMap<String, NotificationRow>,
    pub signals: BTreeMap<i64, SignalRow>,
    pub statuses: BTreeMap<(IAccount, Service), StatusRow>,
    pub parts: BTreeMap<(IAccount, Service, Group), Part>,
    pub letters: BTreeMap<String, DeadLetter>,
    /// As they are written, so that what is only kept in memory is not.
    pub breakers: BTreeMap<Group, String>,
    pub registrations: BTreeMap<Group, Registration>,
    pub audits: Vec<Audit>,
    pub alive: Option<Timestamp>,
}

pub struct FanOutRow {
    pub fan_out: FanOut,
    pub done: bool,
}

pub struct LaneRow {
    pub group: Group,
    pub i_account: IAccount,
    /// When its head wants to be moved; none: not by itself.
    pub due: Option<Timestamp>,
    pub owner: Option<String>,
    pub lease_until: Timestamp,
    pub epoch: u64,
    pub applied: Option<Json>,
    pub sends: bool,
    pub looks: bool,
    /// The oldest first.
    pub open: BTreeSet<i64>,
}

pub struct OperationRow {
    pub lane: i64,
    pub operation: Operation,
    pub changed_at: Timestamp,
    pub timeline: Vec<(Timestamp, Note)>,
    /// Only its keys are left.
    pub purged: bool,
}

pub struct NotificationRow {
    pub group: Group,
    pub sender_id: Option<String>,
    pub received_at: Timestamp,
    pub raw: Option<Notification>,
    pub reply: Option<Response>,
    pub read: Read,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Read {
    Yes,
    NotYet,
    /// Its adapter could not.
    InVain,
}

pub struct SignalRow {
    pub notification: String,
    pub group: Group,
    pub sender_id: Option<String>,
    pub key: String,
    pub operation: Option<i64>,
    pub at: Timestamp,
    pub fate: Fate,
    pub payload: Json,
    pub i_account: Option<IAccount>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Kept,
    Taken,
    Dropped,
    Parked,
    Begins,
    Begun,
}

impl Fate {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Taken => "taken",
            Self::Dropped => "dropped",
            Self::Parked => "parked",
            Self::Begins => "begins",
            Self::Begun => "begun",
        }
    }
}

pub struct StatusRow {
    pub version: u64,
    pub said: Said,
    pub due: Option<Timestamp>,
    pub attempts: u32,
    pub told: Option<Said>,
    pub given_up: bool,
}

pub struct Part {
    pub said: Said,
    pub at: Timestamp,
    /// Which of two words of one moment is the later one.
    pub number: i64,
}

impl Tables {
    pub fn begin_anew(&mut self) {
        for lane in self.lanes.values_mut() {
            lane.owner = None;
        }
        if self.breaks(Flaw::LosesMarksAtStart) {
            for row in self.operations.values_mut() {
                if let Stage::OnItsWay { request, by, attempts, .. } = row.operation.stage.clone() {
                    row.operation.stage = Stage::Ready { request, by, attempts };
                }
            }
        }
        for notification in self.notifications.values_mut() {
            if notification.read == Read::InVain {
                notification.read = Read::NotYet;
            }
        }
    }

    /// When what was received and nobody has worked on yet came.
    pub fn unread_since(&self) -> Option<Timestamp> {
        let unread = self.notifications.values().filter(|row| row.read == Read::NotYet);
        let begin = self.signals.values().filter(|row| row.fate == Fate::Begins);
        unread.map(|row| row.received_at).chain(begin.map(|row| row.at)).min()
    }

    pub fn number(&mut self) -> i64 {
        self.numbers += 1;
        self.numbers
    }

    pub fn breaks(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    pub fn lane_of(&self, group: &Group, account: IAccount) -> Option<i64> {
        let found = self.lanes.iter().find(|(_, lane)| lane.i_account == account && lane.group == *group);
        found.map(|(id, _)| *id)
    }

    /// The operation that stands first in a lane.
    pub fn head_of(&self, lane: i64) -> Option<i64> {
        self.lanes.get(&lane)?.open.first().copied()
    }

    /// The operation that stands first in the lane of this one.
    pub fn head_beside(&self, seq: i64) -> Option<i64> {
        self.head_of(self.operations.get(&seq)?.lane)
    }

    /// Whether more than the keys of an operation is left.
    pub fn is_there(&self, id: &OperationId) -> bool {
        self.by_id.get(id).and_then(|seq| self.operations.get(seq)).is_some_and(|row| !row.purged)
    }

    pub fn is_open(&self, seq: i64) -> bool {
        self.operations.get(&seq).is_some_and(|row| row.operation.stage.is_open())
    }
}
