use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::outcome::is_retried;
use super::{Operation, Service, Stage};

/// What the ESPF can be told of an account in a service group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Ok,
    InProgress,
    Retry,
    Failed,
}

impl Status {
    pub const ALL: [Self; 4] = [Self::Ok, Self::InProgress, Self::Retry, Self::Failed];

    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::InProgress => "IN_PROGRESS",
            Self::Retry => "RETRY",
            Self::Failed => "FAILED",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// A status with the sentence that goes with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub status: Status,
    pub message: Option<String>,
}

/// The status of every service that an operation speaks for: a function of the operation.
///
/// What the adapter last said stands, and `IN_PROGRESS` from the first wait on. One that finishes
/// without a word had nothing to complain of: what the host had said of it is `OK` then. The host's own
/// word (RETRY while a request is sent again, FAILED when parked, the group's own word when
/// overdue) stands in its place for what is not yet settled. Nothing is said of somebody else.
pub fn statuses(operation: &Operation) -> BTreeMap<Service, Said> {
    if operation.is_foreign() {
        return BTreeMap::new();
    }
    let mut all = operation.said.clone();
    if let Some(status) = unsaid(operation).filter(|_| !all.contains_key(&operation.service)) {
        all.insert(operation.service.clone(), Said { status, message: None });
    }
    if let Some(word) = own_word(operation) {
        let unsettled = |service: &&Service| {
            all.get(*service).is_none_or(|said| matches!(said.status, Status::InProgress | Status::Retry))
        };
        let own = std::iter::once(&operation.service);
        let mut open: Vec<Service> = all.keys().chain(own).filter(unsettled).cloned().collect();
        // A person must hear of a parked one, even when all was settled before.
        if open.is_empty() && matches!(operation.stage, Stage::Parked { .. }) {
            open.push(operation.service.clone());
        }
        all.extend(open.into_iter().map(|service| (service, word.clone())));
    }
    all
}

/// What is so of an operation of which its adapter has said nothing.
fn unsaid(operation: &Operation) -> Option<Status> {
    match operation.stage {
        // Also of what an earlier one of its account was told to have failed in.
        Stage::Finished if operation.waited || operation.spoken_for || operation.said.is_empty() => {
            Some(Status::Ok)
        }
        _ => operation.waited.then_some(Status::InProgress),
    }
}

fn own_word(operation: &Operation) -> Option<Said> {
    match &operation.stage {
        Stage::Parked { trouble, in_doubt } => {
            let doubt = if *in_doubt { "in doubt, a request may have arrived: " } else { "" };
            let message = format!("{}: {doubt}{}", trouble.code, trouble.message);
            Some(Said { status: Status::Failed, message: Some(message) })
        }
        stage if is_retried(stage) && operation.overdue.is_none() => {
            let why = operation.trouble.as_ref();
            let message = why.map(|trouble| format!("{}: {}", trouble.code, trouble.message));
            Some(Said { status: Status::Retry, message })
        }
        Stage::Finished | Stage::Ignored { .. } | Stage::Superseded { .. } | Stage::Skipped { .. } => None,
        Stage::Received { .. }
        | Stage::Asking
        | Stage::Ready { .. }
        | Stage::OnItsWay { .. }
        | Stage::Waiting { .. } => operation.overdue.clone(),
    }
}
