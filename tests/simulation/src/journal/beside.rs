//! What the simulation has no use for: none of its adapters can kill a process, and nobody in it begins a
//! resync. The contract suite holds the journal on the disk alone to this.

use async_trait::async_trait;
use punchdown::domain::{
    Differing, Digest, Event, Group, LaidDown, Lane, Resync, Subject, Suspect, Timestamp,
};
use punchdown::ports::{Adopted, Compared, JournalError, Mark, Resyncs, Suspects};

use super::MemoryJournal;
use crate::hands::JournalHand;

/// For whoever has nothing to keep of it.
macro_rules! keeps_nothing_of_it {
    ($journal:ty) => {
        #[async_trait]
        impl Suspects for $journal {
            fn mark(&self, _: &Subject, _: &Digest) -> Mark {
                Box::new(())
            }

            async fn count_deaths(&self, _: Timestamp) -> Result<Vec<Suspect>, JournalError> {
                Ok(Vec::new())
            }

            async fn acquit(&self, _: &Subject, _: &Digest) -> Result<(), JournalError> {
                Ok(())
            }

            async fn reprieve(&self, _: &Subject, _: &Digest) -> Result<(), JournalError> {
                Ok(())
            }

            async fn pardon(&self, _: &Digest) -> Result<(), JournalError> {
                Ok(())
            }
        }

        #[async_trait]
        impl Resyncs for $journal {
            async fn resync(&self) -> Result<Option<Resync>, JournalError> {
                Ok(None)
            }

            async fn begin_resync(&self, _: &Resync) -> Result<bool, JournalError> {
                Ok(false)
            }

            async fn resync_on(
                &self,
                _: &Resync,
                _: Vec<Lane>,
                _: Vec<Differing>,
            ) -> Result<bool, JournalError> {
                Ok(false)
            }

            async fn differing(&self, _: u64, _: usize) -> Result<Vec<(u64, Differing)>, JournalError> {
                Ok(Vec::new())
            }

            async fn compare(&self, _: &Lane, _: &LaidDown) -> Result<Compared, JournalError> {
                Ok(Compared::default())
            }

            async fn stands(&self, _: &Lane) -> Result<Compared, JournalError> {
                Ok(Compared::default())
            }

            async fn unseen(
                &self,
                _: &Resync,
                _: &[Group],
                _: i64,
                _: usize,
            ) -> Result<Vec<(i64, Lane)>, JournalError> {
                Ok(Vec::new())
            }

            async fn adopt(&self, _: &Event, _: Adopted) -> Result<bool, JournalError> {
                Ok(false)
            }
        }
    };
}

keeps_nothing_of_it!(MemoryJournal);
keeps_nothing_of_it!(JournalHand);
