//! Which adapter serves which group. Another one takes its place while questions are asked; the one before stays for
//! the operations that it has begun.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::Semaphore;

use super::{Adapter, Limits, LoadError, Sandbox, Shelf, Stock};
use crate::domain::{Digest, Errand, Group, Json, Notification, Progress, Reading, Timestamp};
use crate::ports::{AdapterError, Adapters, Needs, Question, Register, Run, Slot};

/// Questions that a group may ask at the same time: computing is all they do.
const QUESTIONS_PER_GROUP: usize = 4;
/// What could not be compiled for what the machine has too little of is tried again then.
const AGAIN_AFTER: Duration = Duration::from_secs(300);
/// While the journal does not answer.
const BROUGHT_EVERY: Duration = Duration::from_secs(2);
const BROUGHT_AGAIN: u32 = 8;
/// Those that served a group before and are kept in memory.
const RETIRED_MAX: usize = 4;

/// An adapter in the service of a group.
#[derive(Clone)]
pub struct Serving {
    pub adapter: Adapter,
    pub config: Json,
    pub notify_at: Option<String>,
    pub limits: Limits,
}

/// What a group has: one that serves, and those that did, the last one first.
#[derive(Clone)]
struct Of {
    serving: Serving,
    retired: VecDeque<Serving>,
    slots: Arc<Semaphore>,
}

impl Of {
    fn new(serving: Serving) -> Self {
        Self { serving, retired: VecDeque::new(), slots: Arc::new(Semaphore::new(QUESTIONS_PER_GROUP)) }
    }

    fn by(&self, digest: &Digest) -> Option<&Serving> {
        std::iter::once(&self.serving).chain(&self.retired).find(|it| it.adapter.digest() == digest)
    }

    /// The same component with other limits or another configuration is no other adapter.
    fn replaced(&self, serving: Serving) -> Self {
        let mut retired = self.retired.clone();
        retired.retain(|it| it.adapter.digest() != serving.adapter.digest());
        if self.serving.adapter.digest() != serving.adapter.digest() {
            retired.push_front(self.serving.clone());
            retired.truncate(RETIRED_MAX);
        }
        Self { serving, retired, slots: Arc::clone(&self.slots) }
    }
}

/// All who have it see the same.
#[derive(Clone, Default)]
pub struct Catalog(Arc<Inner>);

#[derive(Default)]
struct Inner {
    groups: ArcSwap<BTreeMap<Group, Of>>,
    /// Who replaces has his turn alone.
    turn: Mutex<()>,
    kept: OnceLock<Kept>,
}

/// Those that are not in memory, and where they are loaded again.
struct Kept {
    shelf: Shelf,
    /// Where it lies that another instance put on its shelf.
    stock: Option<Stock>,
    sandbox: Sandbox,
    /// One is loaded at a time.
    turn: tokio::sync::Mutex<()>,
    /// Those that are being loaded. Many operations may ask for the same at once.
    under_way: Mutex<BTreeMap<(Group, Digest), Fetching>>,
    /// Those that could not be loaded.
    failed: Mutex<BTreeMap<(Group, Digest), Failed>>,
}

type Fetching = Shared<BoxFuture<'static, Option<Serving>>>;

/// How long one that could not be loaded is left alone.
#[derive(Clone, Copy)]
enum Failed {
    UntilTheNextStart,
    /// The machine was short of something.
    Until(Instant),
}

impl Kept {
    async fn has(&self, group: &Group, digest: &Digest) -> bool {
        if matches!(self.failed(group, digest), Some(Failed::UntilTheNextStart)) {
            return false;
        }
        let Some(stock) = &self.stock else { return self.shelf.has(group, digest) };
        let mut tries = 0;
        loop {
            match stock.bring(group, digest).await {
                Ok(is_here) => return is_here,
                // A person would be called for what is there a moment later.
                Err(_) if tries < BROUGHT_AGAIN => tries += 1,
                Err(error) => {
                    tracing::warn!(%group, %digest, %error, "an adapter that another instance may have cannot be brought here");
                    return false;
                }
            }
            tokio::time::sleep(BROUGHT_EVERY).await;
        }
    }

    fn failed(&self, group: &Group, digest: &Digest) -> Option<Failed> {
        locked(&self.failed).get(&(group.clone(), digest.clone())).copied()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Catalog {
    pub fn new(groups: impl IntoIterator<Item = (Group, Serving)>) -> Self {
        let groups = groups.into_iter().map(|(group, serving)| (group, Of::new(serving)));
        Self(Arc::new(Inner { groups: ArcSwap::from_pointee(groups.collect()), ..Inner::default() }))
    }

    /// From now on those that served are kept there, and loaded again when an operation needs one.
    pub fn keep_on(&self, shelf: Shelf, stock: Option<Stock>, sandbox: Sandbox) {
        let (turn, under_way, failed) = (tokio::sync::Mutex::default(), Mutex::default(), Mutex::default());
        let _ = self.0.kept.set(Kept { shelf, stock, sandbox, turn, under_way, failed });
    }

    /// Keeps what is to serve a group, or serves it. What it begins may be gone on with by it alone.
    pub async fn shelve(&self, group: &Group, digest: &Digest, file: &Path, now: Timestamp) {
        let Some(Kept { shelf, .. }) = self.0.kept.get() else { return };
        let (shelf, of, what, file) = (shelf.clone(), group.clone(), digest.clone(), file.to_owned());
        let put = tokio::task::spawn_blocking(move || shelf.put(&of, &what, &file, now)).await;
        if let Err(error) = put.unwrap_or_else(|error| Err(io::Error::other(error))) {
            tracing::warn!(%group, %digest, %error, "an adapter is not kept: after a restart nobody can go on with what only it can");
        }
    }

    /// One that serves no more, from where it is kept. It is brought to its end though nobody waits any more: to compile
    /// it may take longer than a step has, and the next step finds it.
    async fn fetched(&self, group: &Group, digest: &Digest) -> Option<Serving> {
        let wanted = (group.clone(), digest.clone());
        let fetching = {
            let mut under_way = locked(&self.0.kept.get()?.under_way);
            let fetch = || {
                let (catalog, (group, digest)) = (self.clone(), wanted.clone());
                let fetching = tokio::spawn(async move { catalog.fetch(&group, &digest).await });
                fetching.map(|fetched| fetched.ok().flatten()).boxed().shared()
            };
            under_way.entry(wanted.clone()).or_insert_with(fetch).clone()
        };
        let fetched = fetching.await;
        locked(&self.0.kept.get()?.under_way).retain(|of, it| *of != wanted || it.peek().is_none());
        fetched
    }

    async fn fetch(&self, group: &Group, digest: &Digest) -> Option<Serving> {
        let kept = self.0.kept.get()?;
        let Kept { shelf, sandbox, turn, .. } = kept;
        let is_left_alone = |failed| match failed {
            Failed::UntilTheNextStart => true,
            Failed::Until(then) => Instant::now() < then,
        };
        if kept.failed(group, digest).is_some_and(is_left_alone) {
            return None;
        }
        let _turn = turn.lock().await;
        let of = self.of(group).ok()?;
        if let Some(serving) = of.by(digest) {
            return Some(serving.clone());
        }
        match sandbox.load_within(&shelf.place(group, digest), of.serving.limits).await {
            Ok(adapter) if adapter.digest() == digest => {
                tracing::info!(%group, %digest, "an adapter that served before goes on with what it began");
                let serving = Serving { adapter, ..of.serving };
                self.retire(group, &serving);
                Some(serving)
            }
            found => {
                let may_do_later = matches!(&found, Err(LoadError::NotCompiled { why, .. }) if !why.lasts());
                let error =
                    found.err().map_or_else(|| "it is another one".to_owned(), |error| error.to_string());
                tracing::error!(%group, %digest, error, "an adapter that was kept cannot be used");
                let failed = match may_do_later {
                    true => Failed::Until(Instant::now() + AGAIN_AFTER),
                    false => Failed::UntilTheNextStart,
                };
                locked(&kept.failed).insert((group.clone(), digest.clone()), failed);
                None
            }
        }
    }

    fn retire(&self, group: &Group, serving: &Serving) {
        let _turn = locked(&self.0.turn);
        let mut groups = BTreeMap::clone(&self.0.groups.load());
        if let Some(of) = groups.get_mut(group) {
            of.retired.push_front(serving.clone());
            of.retired.truncate(RETIRED_MAX);
        }
        self.0.groups.store(Arc::new(groups));
    }

    /// From now on these serve these groups. A question that is asked already is answered by whom it was put to.
    pub fn replace(&self, serving: impl IntoIterator<Item = (Group, Serving)>) {
        let _turn = locked(&self.0.turn);
        let mut groups = BTreeMap::clone(&self.0.groups.load());
        for (group, serving) in serving {
            let of = match groups.get(&group) {
                Some(of) => of.replaced(serving),
                None => Of::new(serving),
            };
            groups.insert(group, of);
        }
        self.0.groups.store(Arc::new(groups));
    }

    /// Nothing serves that group any more.
    pub fn remove(&self, group: &Group) {
        let _turn = locked(&self.0.turn);
        let mut groups = BTreeMap::clone(&self.0.groups.load());
        groups.remove(group);
        self.0.groups.store(Arc::new(groups));
    }

    /// What the one decides that serves now.
    ///
    /// # Errors
    /// As [`Adapters::provision_by`].
    pub async fn provision(&self, question: Question) -> Result<(Progress, Digest), AdapterError> {
        let _slot = self.slot(&question.group).await;
        provision(&self.of(&question.group)?.serving, &question).await
    }

    /// Every group with what serves it.
    pub fn served(&self) -> Vec<(Group, Serving)> {
        let groups = self.0.groups.load();
        groups.iter().map(|(group, of)| (group.clone(), of.serving.clone())).collect()
    }

    /// Those that served a group before and are still here, the last one first.
    pub fn retired(&self, group: &Group) -> Vec<Adapter> {
        let groups = self.0.groups.load();
        groups.get(group).into_iter().flat_map(|of| of.retired.iter().map(|it| it.adapter.clone())).collect()
    }

    fn of(&self, group: &Group) -> Result<Of, AdapterError> {
        self.0.groups.load().get(group).cloned().ok_or_else(|| AdapterError::NotLoaded(group.clone()))
    }
}

async fn provision(serving: &Serving, question: &Question) -> Result<(Progress, Digest), AdapterError> {
    let progress = serving.adapter.provision(question, serving.limits).await;
    Ok((progress.map_err(AdapterError::Fault)?, serving.adapter.digest().clone()))
}

#[async_trait]
impl Adapters for Catalog {
    fn needs(&self, group: &Group) -> Option<Needs> {
        let Of { serving, .. } = self.of(group).ok()?;
        Some(Needs {
            digest: serving.adapter.digest().clone(),
            queries: serving.adapter.description().queries.clone(),
            config: serving.config.clone(),
            notify_at: serving.notify_at.clone(),
            logs_in: serving.adapter.logs_in(),
            registers: serving.adapter.registers(),
        })
    }

    fn serves(&self, group: &Group) -> bool {
        self.0.groups.load().contains_key(group)
    }

    /// Of those before it, too: what they have begun is still shown.
    fn secret_fields(&self, group: &Group) -> Vec<String> {
        let Ok(of) = self.of(group) else { return Vec::new() };
        let all = std::iter::once(&of.serving).chain(&of.retired);
        all.flat_map(|it| it.adapter.description().secret_fields.clone()).collect()
    }

    async fn keeps(&self, group: &Group, digest: &Digest) -> bool {
        let Ok(of) = self.of(group) else { return false };
        if of.by(digest).is_some() {
            return true;
        }
        match self.0.kept.get() {
            Some(kept) => kept.has(group, digest).await,
            None => false,
        }
    }

    async fn have_at_hand(&self, group: &Group, digest: &Digest) {
        if self.of(group).is_ok_and(|of| of.by(digest).is_none()) {
            self.fetched(group, digest).await;
        }
    }

    async fn slot(&self, group: &Group) -> Slot {
        // Where nothing serves, nothing is computed.
        let Ok(Of { slots, .. }) = self.of(group) else { return Box::new(()) };
        Box::new(slots.acquire_owned().await)
    }

    async fn provision_by(
        &self,
        digest: &Digest,
        question: Question,
    ) -> Result<(Progress, Digest), AdapterError> {
        let of = self.of(&question.group)?;
        let serving = match of.by(digest) {
            Some(serving) => Some(serving.clone()),
            None => self.fetched(&question.group, digest).await,
        };
        let serving = serving.ok_or_else(|| AdapterError::NotLoaded(question.group.clone()))?;
        provision(&serving, &question).await
    }

    async fn read_notification(&self, group: &Group, raw: &Notification) -> Result<Reading, AdapterError> {
        let Of { serving, .. } = self.of(group)?;
        let reading = serving.adapter.read_notification(&serving.config, raw, serving.limits).await;
        reading.map_err(AdapterError::Fault)
    }

    async fn log_in(&self, run: Run) -> Result<Errand, AdapterError> {
        let Of { serving, .. } = self.of(&run.group)?;
        let errand = serving.adapter.log_in(&serving.config, &run, serving.limits).await;
        errand.map_err(AdapterError::Fault)
    }

    async fn register(&self, run: Run, how: Register) -> Result<Errand, AdapterError> {
        let Of { serving, .. } = self.of(&run.group)?;
        let errand = serving.adapter.register(&serving.config, &run, how, serving.limits).await;
        errand.map_err(AdapterError::Fault)
    }
}
