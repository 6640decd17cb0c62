//! What is done for a whole group: what is asked, and what comes of it.

use std::collections::BTreeMap;

use crate::domain::{Entry, Group, Json, OperationId, Timestamp};
use crate::secret::Secret;

/// An errand of a group under way: since when, under which name, and all that has happened on it.
#[derive(Clone, Debug)]
pub struct Run {
    pub group: Group,
    pub id: OperationId,
    pub began: Timestamp,
    pub history: Vec<Entry>,
}

/// How a group is to be registered.
#[derive(Clone, Debug)]
pub enum Register {
    /// At that address; `standing` is what the registration before it left.
    At { address: String, standing: Option<Json> },
    /// No more.
    NoMore { standing: Json },
}

/// What a running session fills in, by name.
pub type SessionValues = BTreeMap<String, Secret>;
