//! The components that all instances of a journal have in common, as this one has them on its shelf: which of them serves
//! a group is said in the journal, and heard there.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Agreed, Edition, Shelf};
use crate::domain::{Digest, Group};
use crate::ports::{Chosen, JournalError, KeptComponent, Library, World};

/// All who have it see the same.
#[derive(Clone)]
pub struct Stock(Arc<Inner>);

struct Inner {
    shelf: Shelf,
    library: Arc<dyn Library>,
    world: Arc<dyn World>,
    /// The number of what was heard last of each group.
    heard: Mutex<BTreeMap<Group, u64>>,
}

/// Why what all are to have is not here, or is not there.
#[derive(Debug, thiserror::Error)]
pub enum StockError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{0}")]
    Disk(#[from] io::Error),
}

impl Stock {
    pub fn new(shelf: Shelf, library: Arc<dyn Library>, world: Arc<dyn World>) -> Self {
        Self(Arc::new(Inner { shelf, library, world, heard: Mutex::default() }))
    }

    /// Whether anything was said of which this instance has not heard.
    ///
    /// # Errors
    /// When the journal cannot be asked.
    pub async fn has_news(&self) -> Result<bool, JournalError> {
        let chosen = self.0.library.chosen().await?;
        Ok(*self.heard() != numbers(&chosen))
    }

    /// Hears what was said of these groups, and has it here. Each is named with what lies in its place.
    ///
    /// # Errors
    /// When the journal cannot be asked, or the disk cannot be written. What was heard until then stands.
    pub async fn hear(&self, groups: &[(Group, Option<Digest>)]) -> Result<(), StockError> {
        let chosen = self.0.library.chosen().await?;
        for (group, in_place) in groups {
            match chosen.get(group) {
                Some(chosen) => self.hear_of(group, in_place.as_ref(), chosen).await?,
                None => self.introduce(group).await?,
            }
        }
        *self.heard() = numbers(&chosen);
        Ok(())
    }

    async fn hear_of(
        &self,
        group: &Group,
        in_place: Option<&Digest>,
        chosen: &Chosen,
    ) -> Result<(), StockError> {
        let shelf = &self.0.shelf;
        if !self.bring(group, &chosen.digest).await? {
            tracing::error!(%group, digest = %chosen.digest, "what all serve the group by is not in the journal, or is another one");
            return Ok(());
        }
        let agreed = match shelf.agreed(group) {
            Some(agreed) => Some(Agreed { serves: chosen.digest.clone(), ..agreed }),
            // This directory has never heard of the group. What lies in its place may be older than what the others
            // serve by now, or what they have never seen.
            None => {
                let is_known = match in_place {
                    Some(there) => self.0.library.kept(group).await?.iter().any(|kept| kept.digest == *there),
                    None => true,
                };
                is_known.then(|| Agreed { serves: chosen.digest.clone(), in_place: in_place.cloned() })
            }
        };
        let pin = chosen.pinned.then(|| chosen.digest.clone());
        let (shelf, group) = (shelf.clone(), group.clone());
        off_thread(move || {
            // One that cannot be read is written anew.
            if shelf.pinned(&group).map_or(true, |before| before != pin) {
                shelf.pin(&group, pin.as_ref())?;
            }
            match agreed.filter(|agreed| shelf.agreed(&group).as_ref() != Some(agreed)) {
                Some(agreed) => shelf.agree(&group, &agreed),
                None => Ok(()),
            }
        })
        .await?;
        Ok(())
    }

    /// Of a group of which nobody has said anything: what is kept here is for all, and so is a pin.
    async fn introduce(&self, group: &Group) -> Result<(), StockError> {
        let (shelf, of) = (self.0.shelf.clone(), group.clone());
        let mut editions = off_thread(move || Ok(shelf.editions(&of))).await?;
        editions.reverse();
        for edition in editions {
            let Edition { digest, path, bytes, kept_at } = edition;
            self.keep(group, KeptComponent { digest, kept_at, bytes }, &path).await?;
        }
        match self.0.shelf.pinned(group)? {
            Some(pinned) => self.choose_kept(group, &pinned, true).await,
            None => Ok(()),
        }
    }

    /// Has one of a group's here, if the journal has it.
    ///
    /// # Errors
    /// When that cannot be known, or it cannot be kept.
    pub async fn bring(&self, group: &Group, digest: &Digest) -> Result<bool, StockError> {
        let (shelf, of, wanted) = (self.0.shelf.clone(), group.clone(), digest.clone());
        if off_thread(move || Ok(shelf.holds(&of, &wanted))).await? {
            return Ok(true);
        }
        let kept = self.0.library.kept(group).await?;
        let Some(component) = kept.into_iter().find(|kept| kept.digest == *digest) else { return Ok(false) };
        let bytes = self.0.library.bytes(digest).await?.filter(|bytes| Digest::of(bytes) == *digest);
        let Some(bytes) = bytes else { return Ok(false) };
        let (shelf, group) = (self.0.shelf.clone(), group.clone());
        off_thread(move || shelf.put_bytes(&group, &component.digest, &bytes, component.kept_at)).await?;
        Ok(true)
    }

    /// Has all here that the journal keeps of a group: what was begun by any of them is gone on with.
    ///
    /// # Errors
    /// As [`bring`](Self::bring).
    pub async fn bring_all(&self, group: &Group) -> Result<(), StockError> {
        for kept in self.0.library.kept(group).await? {
            self.bring(group, &kept.digest).await?;
        }
        Ok(())
    }

    /// Has all serve a group by what lies in its place here.
    ///
    /// # Errors
    /// When nobody can be told. All is as it was then.
    pub async fn offer(&self, group: &Group, digest: &Digest, place: &Path) -> Result<(), StockError> {
        let bytes = tokio::fs::metadata(place).await?.len();
        let component = KeptComponent { digest: digest.clone(), kept_at: self.0.world.now(), bytes };
        self.keep(group, component, place).await?;
        self.choose(group, digest, false).await?;
        let agreed = Agreed { serves: digest.clone(), in_place: Some(digest.clone()) };
        let (shelf, group) = (self.0.shelf.clone(), group.clone());
        Ok(off_thread(move || shelf.agree(&group, &agreed)).await?)
    }

    /// Has all serve a group by one that is kept here, whatever comes to lie in a place; or, without one, by what they
    /// serve it by now until another one comes.
    ///
    /// # Errors
    /// When nobody can be told. All is as it was then.
    pub async fn pin(&self, group: &Group, to: Option<&Digest>) -> Result<(), StockError> {
        if let Some(digest) = to {
            return self.choose_kept(group, digest, true).await;
        }
        match self.0.library.chosen().await?.get(group) {
            Some(chosen) if chosen.pinned => self.choose(group, &chosen.digest, false).await,
            Some(_) | None => Ok(()),
        }
    }

    async fn choose_kept(&self, group: &Group, digest: &Digest, pinned: bool) -> Result<(), StockError> {
        let place = self.0.shelf.place(group, digest);
        let bytes = tokio::fs::metadata(&place).await?.len();
        let component = KeptComponent { digest: digest.clone(), kept_at: self.0.world.now(), bytes };
        self.keep(group, component, &place).await?;
        self.choose(group, digest, pinned).await
    }

    async fn choose(&self, group: &Group, digest: &Digest, pinned: bool) -> Result<(), StockError> {
        let chosen = self.0.library.choose(group, digest, pinned).await?;
        self.heard().insert(group.clone(), chosen.number);
        Ok(())
    }

    async fn keep(&self, group: &Group, component: KeptComponent, place: &Path) -> Result<(), StockError> {
        let bytes = tokio::fs::read(place).await?;
        if Digest::of(&bytes) != component.digest {
            return Err(io::Error::other(format!("{} is another one already", place.display())).into());
        }
        Ok(self.0.library.keep(group, &component, &bytes).await?)
    }

    fn heard(&self) -> MutexGuard<'_, BTreeMap<Group, u64>> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn numbers(chosen: &BTreeMap<Group, Chosen>) -> BTreeMap<Group, u64> {
    chosen.iter().map(|(group, chosen)| (group.clone(), chosen.number)).collect()
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
