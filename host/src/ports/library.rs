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

#[async_trait]
pub trait Library: Send + Sync {
    /// What was said last of each group.
    async fn chosen(&self) -> Result<BTreeMap<Group, Chosen>, JournalError>;

    /// Those that serve or served a group, the newest first.
    async fn kept(&self, group: &Group) -> Result<Vec<KeptComponent>, JournalError>;

    /// What one is; `None`: it is not kept.
    async fn bytes(&self, digest: &Digest) -> Result<Option<Vec<u8>>, JournalError>;

    /// Keeps one for a group as its newest, and no more than the newest few of it.
    async fn keep(&self, group: &Group, component: &KeptComponent, bytes: &[u8]) -> Result<(), JournalError>;

    /// From now on all serve a group by that one, which is kept for it.
    async fn choose(&self, group: &Group, digest: &Digest, pinned: bool) -> Result<Chosen, JournalError>;
}
