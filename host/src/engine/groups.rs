//! The groups as their sections say them now. A group may come, or be told something else, while the host runs; none goes
//! before its end, so that what is kept of one can always be asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::{Core, GroupSettings};
use crate::domain::Group;

/// All of them, at one moment.
pub type All = Arc<BTreeMap<Group, Arc<GroupSettings>>>;

/// Whoever takes one step has one group's settings for all of it.
pub struct Groups {
    now: ArcSwap<BTreeMap<Group, Arc<GroupSettings>>>,
    changed: watch::Sender<()>,
}

impl Groups {
    pub fn new(settings: impl IntoIterator<Item = GroupSettings>) -> Self {
        let named = settings.into_iter().map(|settings| (settings.group.clone(), Arc::new(settings)));
        Self { now: ArcSwap::from_pointee(named.collect()), changed: watch::Sender::new(()) }
    }

    pub fn all(&self) -> All {
        self.now.load_full()
    }

    pub fn of(&self, group: &Group) -> Option<Arc<GroupSettings>> {
        self.now.load().get(group).cloned()
    }

    /// Says when another one has come.
    pub fn come(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn put(&self, settings: Vec<GroupSettings>) {
        let mut all = BTreeMap::clone(&self.now.load());
        all.extend(settings.into_iter().map(|settings| (settings.group.clone(), Arc::new(settings))));
        self.now.store(Arc::new(all));
        self.changed.send_replace(());
    }
}

/// One of these for each group, there when it is first asked for.
pub struct PerGroup<T>(RwLock<BTreeMap<Group, Arc<T>>>);

impl<T> Default for PerGroup<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T: Default> PerGroup<T> {
    pub fn of(&self, group: &Group) -> Arc<T> {
        if let Some(found) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(group) {
            return Arc::clone(found);
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(group.clone()).or_default())
    }
}

pub fn tell_of_pause(group: &Group) {
    tracing::warn!(%group, "the group is paused: its events and notifications are taken, nothing else moves");
}

/// Whoever has it tells the engine what the sections say now.
#[derive(Clone)]
pub struct Sections {
    pub(super) core: Arc<Core>,
}

impl Sections {
    /// Groups whose events are taken.
    pub fn all(&self) -> All {
        self.core.groups.all()
    }

    /// From the next event and the next step on these are as they say. Those that are new begin to move.
    pub async fn take(&self, settings: Vec<GroupSettings>) {
        let (core, before) = (&self.core, self.all());
        let told: Vec<_> = settings.iter().map(|settings| settings.group.clone()).collect();
        let new = told.iter().filter(|group| !before.contains_key(*group)).cloned();
        core.metrics.expect_groups(new.collect::<Vec<_>>());
        core.groups.put(settings);
        for settings in told.iter().filter_map(|group| core.groups.of(group)) {
            core.rest(&settings.group).await;
            if settings.paused && before.get(&settings.group).is_none_or(|before| !before.paused) {
                tell_of_pause(&settings.group);
            }
            core.hints.lane(&settings.group);
        }
    }
}
