use std::path::PathBuf;

use async_trait::async_trait;

use super::settings::RunsBy;
use crate::domain::{Digest, Group, Timestamp};

/// What came of the last try to take over what lies on disk.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// Rises with each that changed anything; the first is that of the start.
    pub generation: u64,
    pub at: Timestamp,
    /// What set it off.
    pub because: String,
    pub groups: Vec<(Group, Taken)>,
    /// Why something was left as it was.
    pub refused: Vec<Refusal>,
    /// Settings that changed and are read at a start alone.
    pub waits: Vec<String>,
}

/// What serves a group now.
#[derive(Clone, Debug)]
pub struct Taken {
    pub outcome: Outcome,
    pub adapter: String,
    pub version: String,
    pub digest: Digest,
    /// Those before it that are kept for what they have begun.
    pub retired: Vec<Digest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Unchanged,
    Swapped,
    /// What lies on disk is no good; what served goes on.
    Refused,
}

impl Outcome {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Swapped => "swapped",
            Self::Refused => "refused",
        }
    }
}

/// One thing that is wrong, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What `explain` says more about.
    pub code: &'static str,
    pub key: String,
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
    pub message: String,
    pub help: Option<String>,
}

/// Takes over what lies on disk, while everything runs.
#[async_trait]
pub trait Reloads: Send + Sync {
    /// Tries it now. Whatever is no good leaves what it concerns as it was.
    async fn reload(&self, because: &str) -> Reloaded;

    /// What came of the last try.
    async fn last(&self) -> Reloaded;

    /// By what it runs, after all that was taken over, beside what lies on disk.
    async fn runs_by(&self) -> RunsBy;
}
