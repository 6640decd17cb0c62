use serde::{Deserialize, Serialize};

use super::{AccountId, Body, Header, IAccount, Json, Response, Timestamp, Trouble};

/// A message of an external system, as it came. Who sent it has been checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Notification {
    pub method: String,
    /// Path and query below the group's notification address.
    pub path: String,
    #[serde(default)]
    pub headers: Vec<Header>,
    #[serde(default)]
    pub body: Body,
    pub received_at: Timestamp,
}

/// Whom a signal speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Correlation {
    /// A key that an operation named, or an operation's id.
    Key(String),
    IAccount(IAccount),
    AccountId(AccountId),
}

/// What becomes of a signal for which no operation waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Otherwise {
    Keep,
    Begin,
    Drop,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// The sender's own id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub correlation: Correlation,
    pub payload: Json,
    pub otherwise: Otherwise,
}

/// After our own last step for an account so long nothing begins an operation: systems echo what
/// is written to them, and the echoes would go round for ever.
pub const QUIET: std::time::Duration = std::time::Duration::from_secs(60);

/// What an external system changed of itself, and an operation is to be begun for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemChange {
    /// The number of its signal in the journal.
    pub signal: i64,
    pub i_account: IAccount,
    pub payload: Json,
    pub at: Timestamp,
}

/// What an adapter read in a notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    pub reply: Response,
    #[serde(default)]
    pub signals: Vec<Signal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Trouble>,
}
