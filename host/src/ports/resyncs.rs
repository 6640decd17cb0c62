//! What a resync asks the journal.

use async_trait::async_trait;

use super::JournalError;
use crate::domain::{Differing, Event, Group, Json, LaidDown, Lane, Operation, Resync};

/// Resyncs, one at a time, and what they compare with.
#[async_trait]
pub trait Resyncs: Send + Sync {
    /// The last one that was begun.
    async fn resync(&self) -> Result<Option<Resync>, JournalError>;

    /// Begins one, unless one is under way. What the one before it found goes.
    async fn begin_resync(&self, resync: &Resync) -> Result<bool, JournalError>;

    /// Writes down how far it came, which lanes it has seen, and what it found, unless it was ended meanwhile.
    async fn resync_on(
        &self,
        resync: &Resync,
        seen: Vec<Lane>,
        differing: Vec<Differing>,
    ) -> Result<bool, JournalError>;

    /// What the last one found to differ, in the order in which it was found, behind that place.
    async fn differing(&self, behind: u64, most: usize) -> Result<Vec<(u64, Differing)>, JournalError>;

    /// Holds what an operation would be laid down with now against what the last one that was done was.
    async fn compare(&self, lane: &Lane, with: &LaidDown) -> Result<Compared, JournalError>;

    /// How a lane stands, when there is no account to compare it with.
    async fn stands(&self, lane: &Lane) -> Result<Compared, JournalError>;

    /// Lanes of these groups of which something stands and that this run has not seen, behind that one.
    async fn unseen(
        &self,
        resync: &Resync,
        groups: &[Group],
        behind: i64,
        most: usize,
    ) -> Result<Vec<(i64, Lane)>, JournalError>;

    /// Stores what stands of an account of which nothing was known, as an operation that is done; no status
    /// is told. Whether that was so still.
    async fn adopt(&self, event: &Event, found: Adopted) -> Result<bool, JournalError>;
}

/// How a lane stands.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// An operation is open in it.
    pub open: bool,
    /// Something was done in it, or stands.
    pub known: bool,
    /// The last one that was done was laid down with the same.
    pub same: bool,
    pub applied: Option<Json>,
}

/// What an adapter found without changing anything.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// Done, and laid down with what it found the same.
    pub operation: Operation,
    pub applied: Option<Json>,
    /// It need not change anything: it is all as PortaBilling wants it.
    pub as_wanted: bool,
}
