use serde::{Deserialize, Serialize};

use super::{Json, Request, Response, Service, Status, Timestamp, Trouble};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Received {
    Answered(Response),
    /// It may have arrived. Told of at-most-once requests alone.
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    pub label: String,
    pub outcome: Received,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happening {
    Exchanged(Exchange),
    Notified(Json),
    Elapsed,
}

/// One thing that has happened to an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub at: Timestamp,
    pub what: Happening,
}

/// What an adapter says of a service; of the operation's own when it names none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Service>,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Waiting {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
    #[serde(default)]
    pub forget: bool,
    #[serde(default)]
    pub gives_way: bool,
}

/// The next move of an operation, as its adapter wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    Send(Request),
    Again(Trouble),
    Renew(Trouble),
    Wait(Waiting),
    Finish,
    Ignore(String),
    Park(Trouble),
}

impl Decision {
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Again(_) => "again",
            Self::Renew(_) => "renew",
            Self::Wait(_) => "wait",
            Self::Finish => "finish",
            Self::Ignore(_) => "ignore",
            Self::Park(_) => "park",
        }
    }
}

/// An adapter's whole answer: taken in one transaction, or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub decision: Decision,
    #[serde(default)]
    pub reports: Vec<Report>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Json>,
    #[serde(default)]
    pub keys: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extras: Option<Json>,
}
