use std::collections::BTreeSet;
use std::path::PathBuf;

use async_trait::async_trait;

use super::settings::{RunsBy, is_within};
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
    /// Groups that are pinned.
    pub pins: Vec<Pin>,
}

impl Reloaded {
    /// Why a group was left as it was: for what is wrong with it, or with what is no group's own.
    pub fn refused_of(&self, group: &Group) -> impl Iterator<Item = &Refusal> {
        let section = format!("groups.{group}");
        self.refused.iter().filter(move |it| !is_within(&it.key, "groups") || is_within(&it.key, &section))
    }
}

/// A person has pinned a group to a component, which serves it whatever lies in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub group: Group,
    pub to: Digest,
    /// What lies in its place and is not taken over for that; `None`: the same, or nothing that can be read.
    pub passes_over: Option<Digest>,
}

/// A component of a group that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptComponent {
    pub digest: Digest,
    pub kept_at: Timestamp,
    pub bytes: u64,
}

/// What is kept of a group, the newest first.
#[derive(Clone, Debug)]
pub struct KeptOf {
    pub group: Group,
    /// The one that serves now.
    pub serves: Option<Digest>,
    pub pin: Option<Pin>,
    pub kept: Vec<KeptComponent>,
}

/// Why a group is not pinned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPinned {
    #[error("there is no {0}")]
    Unknown(String),
    /// The sentence says why.
    #[error("{0}")]
    NotNow(String),
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
    /// What lies in its place here, where all instances serve another one.
    pub passes_over: Option<Digest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Unchanged,
    Swapped,
    /// What lies on disk is no good; what served goes on.
    Refused,
    /// What lies on disk is another one, and the group is pinned.
    Pinned,
}

impl Outcome {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Swapped => "swapped",
            Self::Refused => "refused",
            Self::Pinned => "pinned",
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
    /// Tries it now. Whatever is no good leaves what it concerns as it was. What lies in the places of the groups that are
    /// `wanted` is to serve, though all instances may have left it for another one.
    async fn reload(&self, because: &str, wanted: &BTreeSet<Group>) -> Reloaded;

    /// Whether one is under way, of which nothing has come yet.
    fn is_under_way(&self) -> bool;

    /// What came of the last try.
    async fn last(&self) -> Reloaded;

    /// By what it runs, after all that was taken over, beside what lies on disk.
    async fn runs_by(&self) -> RunsBy;

    /// Groups that are pinned, as it was seen last.
    fn pins(&self) -> Vec<Pin>;

    /// What is kept of each group.
    async fn kept(&self) -> Vec<KeptOf>;

    /// The one component of a group that is kept and whose digest begins so; without a beginning the one that serves.
    ///
    /// # Errors
    /// When there is none, or more than one.
    async fn kept_as(&self, group: &Group, begins: Option<&str>) -> Result<Digest, NotPinned>;

    /// Pins a group to a component that is kept, or has what lies in its place serve it again. Durable when it returns.
    ///
    /// # Errors
    /// When that one cannot serve it; all is as it was then.
    async fn pin(&self, group: &Group, to: Option<Digest>) -> Result<Reloaded, NotPinned>;
}
