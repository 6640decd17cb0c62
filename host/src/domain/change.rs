use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Act, Decision, Digest, Json, Operation, OperationId, Person, Received, Response, Said, Service,
    Timestamp, Trouble, Wanted,
};

/// An operation after an outcome, with all that becomes durable in the same transaction.
#[derive(Clone, Debug)]
#[must_use = "nothing has changed until the journal has it"]
pub struct Change {
    pub operation: Operation,
    /// Lines of the operation's timeline.
    pub notes: Vec<Note>,
    /// What now stands in the external system for this account, when that was said.
    pub applied: Option<Json>,
    /// Keys that the operation had not named before.
    pub keys: Vec<String>,
    /// Lines of the timeline after that moment speak of looks that found no news.
    pub forgets_since: Option<Timestamp>,
    /// The statuses that became different.
    pub statuses: BTreeMap<Service, Said>,
    /// The kept signal that ended the wait was taken.
    pub took_signal: bool,
}

/// One line of an operation's timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    LaidDown {
        wanted: Wanted,
    },
    Decided {
        decision: Decision,
        by: Digest,
    },
    Left {
        label: String,
        key: String,
        attempt: u32,
    },
    Answered {
        label: String,
        response: Response,
    },
    Unanswered {
        label: String,
        #[serde(default)]
        code: String,
        why: String,
    },
    Struck {
        label: String,
        outcome: Received,
        trouble: Trouble,
    },
    Forgotten {
        entries: usize,
    },
    Retrying {
        trouble: Trouble,
        at: Timestamp,
    },
    Notified {
        payload: Json,
    },
    Elapsed,
    Overdue,
    /// It ended after all.
    Late,
    Parked {
        trouble: Trouble,
        #[serde(default)]
        in_doubt: bool,
    },
    Superseded {
        by: OperationId,
    },
    ByPerson {
        act: Act,
        person: Person,
    },
}

impl Note {
    /// The code of what failed, where something did.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Unanswered { code, .. } => Some(code),
            Self::Struck { trouble, .. } | Self::Retrying { trouble, .. } | Self::Parked { trouble, .. } => {
                Some(&trouble.code)
            }
            Self::LaidDown { .. }
            | Self::Decided { .. }
            | Self::Left { .. }
            | Self::Answered { .. }
            | Self::Forgotten { .. }
            | Self::Notified { .. }
            | Self::Elapsed
            | Self::Overdue
            | Self::Late
            | Self::Superseded { .. }
            | Self::ByPerson { .. } => None,
        }
    }

    pub const fn word(&self) -> &'static str {
        match self {
            Self::LaidDown { .. } => "laid-down",
            Self::Decided { .. } => "decided",
            Self::Left { .. } => "left",
            Self::Answered { .. } => "answered",
            Self::Unanswered { .. } => "unanswered",
            Self::Struck { .. } => "struck",
            Self::Forgotten { .. } => "forgotten",
            Self::Retrying { .. } => "retrying",
            Self::Notified { .. } => "notified",
            Self::Elapsed => "elapsed",
            Self::Overdue => "overdue",
            Self::Late => "late",
            Self::Parked { .. } => "parked",
            Self::Superseded { .. } => "superseded",
            Self::ByPerson { .. } => "by-person",
        }
    }
}
