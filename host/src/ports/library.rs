//! The components of all instances that work on one journal, and by which one each group is served.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{JournalError, KeptComponent};
use crate::domain::{Digest, Group};

/// So many of a group are kept; the oldest one goes.
pub const EDITIONS_MAX: usize = 8;

/// By which component all serve a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub digest: Digest,
    /// Whatever comes to lie in a place.
    pub pinned: bool,
    /// It rises with each that is another one.
    pub number: u64,
}

/// What a group is to be served by.
pub struct Choice<'a> {
    pub component: KeptComponent,
    /// What it is.
    pub bytes: &'a [u8],
    pub pinned: bool,
    /// The number of what was heard last of the group: where that is another one by now, somebody said something else.
    pub heard: Option<u64>,
}

#[async_trait]
pub trait Library: Send + Sync {
    /// What was said last of each group.
    async fn chosen(&self) -> Result<BTreeMap<Group, Chosen>, JournalError>;

    /// Those that serve or served a group, the newest first.
    async fn kept(&self, group: &Group) -> Result<Vec<KeptComponent>, JournalError>;

    /// What one is; `None`: it is not kept.
    async fn bytes(&self, digest: &Digest) -> Result<Option<Vec<u8>>, JournalError>;

    /// Keeps one that has served a group, and no more than the newest few of it.
    async fn keep(&self, group: &Group, component: &KeptComponent, bytes: &[u8]) -> Result<(), JournalError>;

    /// From now on all serve a group by that one, which is kept as the newest. `None`: somebody said something else, and
    /// that stands.
    async fn choose(&self, group: &Group, choice: &Choice<'_>) -> Result<Option<Chosen>, JournalError>;
}
