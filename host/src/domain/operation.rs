use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Delivery, Digest, Entry, Event, Group, Happening, Json, Lane, Reason, Received, Request, Said, Service,
    Subscriber, Timestamp, Trace, Trouble, Waiting, Wanted,
};

/// A ULID: sorts by the time at which the operation was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub String);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an adapter is given besides the history: laid down before the first request, and from
/// then on the same, to the letter, at every asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LaidDown {
    pub began: Timestamp,
    pub wanted: Wanted,
    pub subscriber: Option<Subscriber>,
    /// What earlier operations of the lane left in the external system.
    pub applied: Option<Json>,
    pub config: Json,
    pub notify_at: Option<String>,
}

/// Where an operation stands. Each stage carries what it needs, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Its subscriber has yet to be read; so many readings failed.
    Received {
        attempts: u32,
    },
    /// Its adapter has yet to be asked.
    Asking,
    /// A request is decided and written down; so many attempts at it failed.
    Ready {
        request: Request,
        by: Digest,
        attempts: u32,
    },
    /// The request left, or may have left, under the lease of that epoch.
    OnItsWay {
        request: Request,
        by: Digest,
        attempts: u32,
        epoch: u64,
    },
    /// For a notification, or for the time.
    Waiting {
        waiting: Waiting,
        by: Digest,
        #[serde(default)]
        since: Timestamp,
        until: Timestamp,
    },
    /// It cannot go on without a person, or without something newer.
    Parked {
        trouble: Trouble,
        in_doubt: bool,
    },
    Finished,
    Ignored {
        why: String,
    },
    Superseded {
        by: OperationId,
    },
    /// A person left it.
    Skipped {
        by: String,
    },
}

impl Stage {
    /// All words of stages.
    pub const WORDS: [&str; 11] = [
        "received",
        "asking",
        "ready",
        "on-its-way",
        "waiting",
        "parked",
        "in-doubt",
        "finished",
        "ignored",
        "superseded",
        "skipped",
    ];

    pub const fn word(&self) -> &'static str {
        match self {
            Self::Received { .. } => "received",
            Self::Asking => "asking",
            Self::Ready { .. } => "ready",
            Self::OnItsWay { .. } => "on-its-way",
            Self::Waiting { .. } => "waiting",
            Self::Parked { in_doubt: false, .. } => "parked",
            Self::Parked { in_doubt: true, .. } => "in-doubt",
            Self::Finished => "finished",
            Self::Ignored { .. } => "ignored",
            Self::Superseded { .. } => "superseded",
            Self::Skipped { .. } => "skipped",
        }
    }

    /// An open operation still stands in its lane. A parked one does, too.
    pub const fn is_open(&self) -> bool {
        !matches!(
            self,
            Self::Finished | Self::Ignored { .. } | Self::Superseded { .. } | Self::Skipped { .. }
        )
    }
}

/// What was decided before an entry ended it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    Send { request: Request, attempts: u32 },
    Wait(Waiting),
}

/// A decision that was acted on, by which adapter, and the entry that ended it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    pub asked: Asked,
    pub by: Digest,
    pub entry: Entry,
}

/// One account, in one group, for one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub id: OperationId,
    pub lane: Lane,
    pub event: Event,
    /// The service of its group when it was received.
    pub service: Service,
    pub laid_down: Option<LaidDown>,
    pub stage: Stage,
    /// Since when it stands there.
    pub since: Timestamp,
    /// It is not to be moved before. A waiting operation's is the end of its wait.
    pub due: Timestamp,
    /// When its waiting ends without a word.
    pub deadline: Timestamp,
    pub moves: Vec<Move>,
    /// Keys by which notifications find it, beside its id.
    pub keys: Vec<String>,
    /// What its adapter last said, by service.
    pub said: BTreeMap<Service, Said>,
    /// It has waited once, so that something is in progress outside.
    pub waited: bool,
    /// The host itself has told PortaBilling something of it: that a request is sent again, that it is parked.
    pub spoken_for: bool,
    /// What is reported because the deadline passed without a word.
    pub overdue: Option<Said>,
    /// The adapter that decided last.
    pub by: Option<Digest>,
    /// The newest operation behind it for which PortaBilling was asked whether it wants another state.
    pub compared: Option<OperationId>,
    /// PortaBilling is not asked for that before.
    pub compare_at: Timestamp,
    /// Entries of the history that were forgotten, because they held no news.
    pub forgotten: usize,
    /// Readings of the subscriber after which its adapter wanted another one.
    pub readings: u32,
    /// Why the last attempt failed.
    pub trouble: Option<Trouble>,
}

impl Operation {
    pub fn received(
        id: OperationId,
        group: Group,
        service: Service,
        event: Event,
        i_account: super::IAccount,
        deadline: Duration,
    ) -> Self {
        Self {
            id,
            lane: Lane { i_account, group },
            service,
            laid_down: None,
            stage: Stage::Received { attempts: 0 },
            since: event.received_at,
            due: event.received_at,
            deadline: event.received_at + deadline,
            event,
            moves: Vec::new(),
            keys: Vec::new(),
            said: BTreeMap::new(),
            waited: false,
            spoken_for: false,
            overdue: None,
            by: None,
            compared: None,
            compare_at: Timestamp::default(),
            forgotten: 0,
            readings: 0,
            trouble: None,
        }
    }

    /// What its requests and log lines are known by: as its event came, or else by a name of its own.
    pub fn trace(&self) -> Trace {
        self.event.trace.clone().unwrap_or_else(|| Trace::of_operation(&self.id))
    }

    pub fn history(&self) -> Vec<Entry> {
        self.moves.iter().map(|done| done.entry.clone()).collect()
    }

    /// Since when it has not been moved. What of that its group was held back, or nobody ran, burns no
    /// deadline.
    pub fn rests_since(&self) -> Timestamp {
        match &self.stage {
            Stage::Waiting { since, .. } => *since,
            _ => self.due,
        }
    }

    /// When its time is up, if any runs: none does before its subscriber was read, nor where it waits for
    /// a person.
    pub fn time_is_up(&self) -> Option<Timestamp> {
        match &self.stage {
            Stage::Received { attempts: 0 } if self.laid_down.is_none() => None,
            Stage::Parked { .. } => None,
            stage => stage.is_open().then_some(self.deadline),
        }
    }

    /// The same, with so much more time.
    #[must_use]
    pub fn given_back(self, time: Duration) -> Self {
        Self { deadline: self.deadline + time, ..self }
    }

    /// Whether it asks because a wait's time was up, and not because something happened.
    pub fn looks(&self) -> bool {
        self.moves.last().is_some_and(|done| done.entry.what == Happening::Elapsed)
    }

    /// Its event is of another environment: the account of that number here is somebody else.
    pub fn is_foreign(&self) -> bool {
        let is_named = matches!(&self.stage, Stage::Parked { trouble, .. } if trouble.code == Reason::OtherEnvironment.code());
        is_named && self.laid_down.is_none()
    }

    /// Nobody can say whether its last request arrived.
    pub fn is_in_doubt(&self) -> bool {
        match &self.stage {
            Stage::OnItsWay { request, .. } if request.delivery == Delivery::AtMostOnce => true,
            Stage::Parked { in_doubt, .. } => *in_doubt,
            _ => self.ends_unknown(),
        }
    }

    /// A wait whose time was up has told nothing of the request before it.
    fn ends_unknown(&self) -> bool {
        let told = self.moves.iter().rev().find(|done| done.entry.what != Happening::Elapsed);
        told.is_some_and(|done| {
            matches!(&done.entry.what, Happening::Exchanged(exchange) if matches!(exchange.outcome, Received::Unknown(_)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_has_a_word_of_the_set() {
        let by = Digest::of(b"adapter");
        let request = || Request {
            label: "look".to_owned(),
            method: "GET".to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            body: super::super::Body::Empty,
            delivery: Delivery::Repeatable,
            fills: Vec::new(),
            extras: None,
        };
        let at = Timestamp::default();
        let waiting = Waiting { seconds: None, forget: false, gives_way: false };
        let parked = |in_doubt| Stage::Parked { trouble: Trouble::new("code", "why"), in_doubt };
        let stages = [
            Stage::Received { attempts: 0 },
            Stage::Asking,
            Stage::Ready { request: request(), by: by.clone(), attempts: 0 },
            Stage::OnItsWay { request: request(), by: by.clone(), attempts: 0, epoch: 1 },
            Stage::Waiting { waiting, by, since: at, until: at },
            parked(false),
            parked(true),
            Stage::Finished,
            Stage::Ignored { why: "not ours".to_owned() },
            Stage::Superseded { by: OperationId("01J".to_owned()) },
            Stage::Skipped { by: "ann".to_owned() },
        ];
        assert_eq!(stages.map(|stage| stage.word()), Stage::WORDS);
    }
}
