//! Who may have killed the process.

use async_trait::async_trait;

use super::JournalError;
use crate::domain::{Digest, Subject, Suspect, Timestamp};

/// That an adapter is asked about something, for as long as this lives.
pub type Mark = Box<dyn Send + Sync>;

/// What outlives the process of the questions that it died of. Every method that returns `Ok` has committed.
#[async_trait]
pub trait Suspects: Send + Sync {
    /// Marks that this adapter is asked about that. The mark has to outlive the process and not the machine,
    /// so nothing is synced.
    fn mark(&self, subject: &Subject, adapter: &Digest) -> Mark;

    /// Counts as a death whatever the last process left marked, once, and gives all that are suspect. Before
    /// anything is asked.
    async fn count_deaths(&self, now: Timestamp) -> Result<Vec<Suspect>, JournalError>;

    /// The adapter has answered: nothing about it is held against that one any more.
    async fn acquit(&self, subject: &Subject, adapter: &Digest) -> Result<(), JournalError>;

    /// A person wants the adapter to be asked about it again. It stays suspect, and is asked alone.
    async fn reprieve(&self, subject: &Subject, adapter: &Digest) -> Result<(), JournalError>;

    /// The same of all that is held against an adapter; notifications that were set aside for it are read
    /// again.
    async fn pardon(&self, adapter: &Digest) -> Result<(), JournalError>;
}
