//! Where an operation stands, in the words that a person reads. "Pending" is none of them: whoever looks
//! wants to know what is waited for.

use super::{Operation, Stage, Status};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Stored; its subscriber is yet to be read, or it stands behind another one.
    Received,
    /// Its subscriber is being read at this moment.
    Querying,
    /// Its adapter is asked, or its request is to leave, or has left.
    Sending,
    AwaitingNotification,
    /// An attempt failed; the next one has a date.
    Retrying,
    /// Its group lacks something, rests, or has a target that answers nobody: no attempt is counted.
    Held,
    /// Its deadline has passed; it goes on as it was.
    Overdue,
    /// Parked, and a request may have arrived.
    InDoubt,
    Parked,
    Done,
    /// It ended, and what was to be done was not.
    Failed,
    Ignored,
    Superseded,
    Skipped,
}

impl State {
    pub const ALL: [Self; 14] = [
        Self::Received,
        Self::Querying,
        Self::Sending,
        Self::AwaitingNotification,
        Self::Retrying,
        Self::Held,
        Self::Overdue,
        Self::InDoubt,
        Self::Parked,
        Self::Done,
        Self::Failed,
        Self::Ignored,
        Self::Superseded,
        Self::Skipped,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Querying => "querying",
            Self::Sending => "sending",
            Self::AwaitingNotification => "awaiting-notification",
            Self::Retrying => "retrying",
            Self::Held => "held",
            Self::Overdue => "overdue",
            Self::InDoubt => "in-doubt",
            Self::Parked => "parked",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Ignored => "ignored",
            Self::Superseded => "superseded",
            Self::Skipped => "skipped",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// As far as the operation itself can tell. That it is read at this moment knows who moves it; that its
    /// target answers nobody knows the breaker.
    pub fn of(operation: &Operation) -> Self {
        match &operation.stage {
            Stage::Parked { in_doubt: true, .. } => Self::InDoubt,
            Stage::Parked { in_doubt: false, .. } => Self::Parked,
            Stage::Finished if operation.said.values().any(|said| said.status == Status::Failed) => {
                Self::Failed
            }
            Stage::Finished => Self::Done,
            Stage::Ignored { .. } => Self::Ignored,
            Stage::Superseded { .. } => Self::Superseded,
            Stage::Skipped { .. } => Self::Skipped,
            _ if operation.overdue.is_some() => Self::Overdue,
            Stage::Waiting { .. } => Self::AwaitingNotification,
            Stage::Received { attempts }
            | Stage::Ready { attempts, .. }
            | Stage::OnItsWay { attempts, .. }
                if *attempts > 0 =>
            {
                Self::Retrying
            }
            // What a held one lacks is its trouble; whatever moves it clears that.
            Stage::Received { .. } | Stage::Asking | Stage::Ready { .. } if operation.trouble.is_some() => {
                Self::Held
            }
            Stage::Received { .. } => Self::Received,
            Stage::Asking | Stage::Ready { .. } | Stage::OnItsWay { .. } => Self::Sending,
        }
    }

    /// As what those may be kept that a person sees in this state.
    pub fn kept_as(self) -> Vec<Self> {
        match self {
            Self::Querying => vec![Self::Received, Self::Retrying, Self::Held, Self::Overdue],
            Self::Held => vec![Self::Held, Self::Sending, Self::Retrying],
            other => vec![other],
        }
    }

    /// The same, of a group whose requests do not leave now.
    #[must_use]
    pub const fn held_back(self) -> Self {
        match self {
            Self::Sending | Self::Retrying => Self::Held,
            other => other,
        }
    }
}
