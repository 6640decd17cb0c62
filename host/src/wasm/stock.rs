//! The components that all instances of a journal have in common, as this one has them on its shelf: which of them serves
//! a group is said in the journal, and heard there.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Agreed, Edition, Shelf};
use crate::domain::{Digest, Group};
use crate::ports::{Choice, Chosen, EDITIONS_MAX, JournalError, KeptComponent, Library, World};

/// All who have it see the same.
#[derive(Clone)]
pub struct Stock(Arc<Inner>);

struct Inner {
    shelf: Shelf,
    library: Arc<dyn Library>,
    world: Arc<dyn World>,
    /// What was heard last of each group, and lies on the disk.
    heard: Mutex<BTreeMap<Group, Chosen>>,
}

/// Why what all are to have is not here, or is not there.
#[derive(Debug, thiserror::Error)]
pub enum StockError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{0}")]
    Unasked(String),
    #[error("{0}")]
    Disk(#[from] io::Error),
    #[error("another instance was told something else meanwhile, and that stands")]
    SaidOtherwise,
    #[error("{0} is not in the journal, or is another one there")]
    Missing(Digest),
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
        Ok(*self.heard() != chosen)
    }

    /// Hears what was said of these groups, and has it here. Each is named with what lies in its place. Those are given of
    /// which that could not be, each by itself: nobody knows what is new there.
    pub async fn hear(&self, groups: &[(Group, Option<Digest>)]) -> BTreeMap<Group, StockError> {
        let chosen = match self.0.library.chosen().await {
            Ok(chosen) => chosen,
            Err(error) => {
                let why = error.to_string();
                let unheard = |(group, _): &(Group, _)| (group.clone(), StockError::Unasked(why.clone()));
                return groups.iter().map(unheard).collect();
            }
        };
        let (mut heard, mut unheard) = (chosen.clone(), BTreeMap::new());
        for (group, in_place) in groups {
            let hear = match chosen.get(group) {
                Some(chosen) => self.hear_of(group, in_place.as_ref(), chosen).await,
                None => self.introduce(group).await,
            };
            if let Err(error) = hear {
                heard.remove(group);
                unheard.insert(group.clone(), error);
            }
        }
        *self.heard() = heard;
        unheard
    }

    async fn hear_of(
        &self,
        group: &Group,
        in_place: Option<&Digest>,
        chosen: &Chosen,
    ) -> Result<(), StockError> {
        if !self.bring(group, &chosen.digest).await? {
            return Err(StockError::Missing(chosen.digest.clone()));
        }
        let shelf = &self.0.shelf;
        let is_old = match (shelf.agreed(group), in_place) {
            // Since then all were given another one, or are held to one, and that is newer than what lies here.
            (Some(agreed), _) => agreed.serves != chosen.digest || chosen.pinned,
            // This directory has never heard of the group. What lies in its place may be older than what the others
            // serve by now, or what they have never seen.
            (None, Some(there)) => self.0.library.kept(group).await?.iter().any(|kept| kept.digest == *there),
            (None, None) => true,
        };
        let agreed = Agreed { serves: chosen.digest.clone(), in_place: in_place.cloned() };
        let pin = chosen.pinned.then(|| chosen.digest.clone());
        let (shelf, group) = (shelf.clone(), group.clone());
        off_thread(move || {
            // One that cannot be read is written anew.
            if shelf.pinned(&group).map_or(true, |before| before != pin) {
                shelf.pin(&group, pin.as_ref())?;
            }
            if is_old && shelf.agreed(&group).as_ref() != Some(&agreed) {
                shelf.agree(&group, &agreed)?;
            }
            Ok(())
        })
        .await?;
        Ok(())
    }

    /// Of a group of which nobody has said anything a pin that is here is for all.
    async fn introduce(&self, group: &Group) -> Result<(), StockError> {
        match self.0.shelf.pinned(group)? {
            Some(pinned) => self.choose_kept(group, &pinned, true, None).await,
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

    /// What was begun by any of them is gone on with by all: what the journal keeps of a group is here then, and what is
    /// here is there.
    ///
    /// # Errors
    /// When the journal cannot be asked, or the disk cannot be read or written.
    pub async fn share(&self, group: &Group) -> Result<(), StockError> {
        let kept = self.0.library.kept(group).await?;
        for component in &kept {
            self.bring(group, &component.digest).await?;
        }
        let (shelf, of) = (self.0.shelf.clone(), group.clone());
        let here = off_thread(move || Ok(shelf.editions(&of))).await?;
        let known: BTreeSet<&Digest> = kept.iter().map(|component| &component.digest).collect();
        let unknown = here.into_iter().filter(|edition| !known.contains(&edition.digest));
        // The oldest of it would go again.
        for Edition { digest, path, bytes, kept_at } in unknown.take(EDITIONS_MAX.saturating_sub(kept.len()))
        {
            let content = self.read(&digest, &path).await?;
            self.0.library.keep(group, &KeptComponent { digest, kept_at, bytes }, &content).await?;
        }
        Ok(())
    }

    /// Has all serve a group by what lies in its place here.
    ///
    /// # Errors
    /// When nobody can be told, or somebody was told something else. All is as it was then.
    pub async fn offer(&self, group: &Group, digest: &Digest, place: &Path) -> Result<(), StockError> {
        let heard = self.said(group);
        if heard.as_ref().is_none_or(|heard| heard.pinned || heard.digest != *digest) {
            self.choose(group, digest, place, false, heard).await?;
        }
        let agreed = Agreed { serves: digest.clone(), in_place: Some(digest.clone()) };
        let (shelf, of) = (self.0.shelf.clone(), group.clone());
        if let Err(error) = off_thread(move || shelf.agree(&of, &agreed)).await {
            // All others serve it by now, and so will this one.
            tracing::warn!(%group, %digest, %error, "what all instances serve the group by cannot be written down here");
            self.heard().remove(group);
        }
        Ok(())
    }

    /// What was heard last of a group.
    pub fn said(&self, group: &Group) -> Option<Chosen> {
        self.heard().get(group).cloned()
    }

    /// Has all serve a group by one that is kept here, whatever comes to lie in a place, or only until something does.
    ///
    /// # Errors
    /// When nobody can be told, or somebody was told something else. All is as it was then.
    pub async fn turn(&self, group: &Group, to: &Digest, pinned: bool) -> Result<(), StockError> {
        let heard = self.said(group);
        self.choose_kept(group, to, pinned, heard).await
    }

    async fn choose_kept(
        &self,
        group: &Group,
        digest: &Digest,
        pinned: bool,
        heard: Option<Chosen>,
    ) -> Result<(), StockError> {
        let place = self.0.shelf.place(group, digest);
        self.choose(group, digest, &place, pinned, heard).await
    }

    async fn choose(
        &self,
        group: &Group,
        digest: &Digest,
        place: &Path,
        pinned: bool,
        heard: Option<Chosen>,
    ) -> Result<(), StockError> {
        let bytes = self.read(digest, place).await?;
        let (kept_at, size) = (self.0.world.now(), bytes.len() as u64);
        let component = KeptComponent { digest: digest.clone(), kept_at, bytes: size };
        let heard = heard.map(|heard| heard.number);
        let choice = Choice { component, bytes: &bytes, pinned, heard };
        let chosen = self.0.library.choose(group, &choice).await?.ok_or(StockError::SaidOtherwise)?;
        self.heard().insert(group.clone(), chosen);
        Ok(())
    }

    async fn read(&self, digest: &Digest, place: &Path) -> Result<Vec<u8>, StockError> {
        let bytes = tokio::fs::read(place).await?;
        match Digest::of(&bytes) == *digest {
            true => Ok(bytes),
            false => Err(io::Error::other(format!("{} is another one already", place.display())).into()),
        }
    }

    fn heard(&self) -> MutexGuard<'_, BTreeMap<Group, Chosen>> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
