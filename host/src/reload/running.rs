//! By which settings a host runs. What a reload takes over is another one from then on; all else is as it was at
//! the start, whatever lies on disk.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reload, digest_of, is_of_the_whole_file, is_taken_over, load, refusal};
use crate::config::{GroupSettings, InEffect, Sight};
use crate::domain::Group;
use crate::ports::{Adapters as _, Difference, RunsBy};

pub struct RunningSettings(InEffect);

impl RunningSettings {
    /// Of a host that begins with these. A section that was not whole is not what its group runs by.
    pub fn begun(mut settings: InEffect, is_whole: impl Fn(&Group) -> bool) -> Self {
        settings.retain(|key, _| group_of(key).is_none_or(|group| is_whole(&Group(group.to_owned()))));
        Self(settings)
    }

    /// The keys that say something else on disk and are read at a start alone. Of a group that is new here, or was not
    /// whole at the start, its section.
    pub fn waits(&self, on_disk: &InEffect, whole: &[GroupSettings]) -> Vec<String> {
        let (running, theirs) = (self.groups(), Self(on_disk.clone()).groups());
        let waits = |key: &String| match group_of(key) {
            Some(group) if !running.contains(group) => {
                whole.iter().any(|it| it.group().0 == group).then(|| format!("groups.{group}"))
            }
            Some(group) if !theirs.contains(group) => Some(format!("groups.{group}")),
            Some(_) if is_taken_over(key) => None,
            Some(_) | None => Some(key.clone()),
        };
        let found: BTreeSet<String> = self.differing(on_disk).filter_map(waits).collect();
        found.into_iter().collect()
    }

    /// The keys that are there on one side alone, or say something else.
    fn differing<'a>(&'a self, on_disk: &'a InEffect) -> impl Iterator<Item = &'a String> {
        let keys: BTreeSet<&String> = self.0.keys().chain(on_disk.keys()).collect();
        keys.into_iter().filter(|key| match (self.0.get(*key), on_disk.get(*key)) {
            (Some(running), Some(on_disk)) => !running.value.is_same(&on_disk.value),
            _ => true,
        })
    }

    /// After a reload that took over these groups.
    pub fn take(&mut self, on_disk: &InEffect, groups: &BTreeSet<&str>) {
        let is_taken = |key: &str| is_taken_over(key) && group_of(key).is_some_and(|it| groups.contains(it));
        let known: BTreeSet<String> = self.groups();
        self.0.retain(|key, _| !is_taken(key));
        for (key, setting) in on_disk {
            let is_known = group_of(key).is_some_and(|group| known.contains(group));
            match self.0.get_mut(key) {
                _ if is_taken(key) && is_known => drop(self.0.insert(key.clone(), setting.clone())),
                // It only stands elsewhere.
                Some(running) if running.value.is_same(&setting.value) => running.place = setting.place,
                Some(_) | None => {}
            }
        }
    }

    fn groups(&self) -> BTreeSet<String> {
        self.0.keys().filter_map(|key| group_of(key)).map(str::to_owned).collect()
    }

    /// Each side as it may be seen.
    fn differ(&self, on_disk: &InEffect, sight: &Sight, sight_of_theirs: &Sight) -> Vec<Difference> {
        let (running, theirs) = (self.groups(), Self(on_disk.clone()).groups());
        let difference = |key: &String| Difference {
            key: key.clone(),
            running: sight.one(&self.0, key),
            on_disk: sight_of_theirs.one(on_disk, key),
            // A group that comes or goes waits, with all that is in it.
            is_taken_over: is_taken_over(key)
                && group_of(key).is_some_and(|group| running.contains(group) && theirs.contains(group)),
        };
        self.differing(on_disk).map(difference).collect()
    }
}

impl Reload {
    /// By what it runs while nobody else may change that.
    pub(super) async fn told(&self) -> RunsBy {
        let running = self.running.lock().await;
        let (loaded, on_disk) = load(&self.file).await;
        let (groups, problems) = match loaded {
            Ok((settings, problems)) => (settings.groups, problems),
            Err(problems) => (problems.whole, problems.found),
        };
        let (mut names, mut names_of_theirs) = (BTreeMap::new(), BTreeMap::new());
        for (group, serving) in self.catalog.served() {
            let secret_fields = self.catalog.secret_fields(&group);
            let on_disk = groups.iter().find(|it| *it.group() == group);
            // Another component may call other names secret.
            if let Some(on_disk) = on_disk
                && digest_of(&on_disk.adapter).await.as_ref() == Some(serving.adapter.digest())
            {
                names_of_theirs.insert(group.clone(), secret_fields.clone());
            }
            names.insert(group, secret_fields);
        }
        let settings = &running.settings;
        let all = [&settings.0, &on_disk];
        let (sight, sight_of_theirs) = (Sight::of(&all, names), Sight::of(&all, names_of_theirs));
        // What is no configuration at all cannot be compared.
        let is_read = !problems.iter().any(is_of_the_whole_file);
        RunsBy {
            file: self.file.clone(),
            settings: sight.all(&settings.0),
            differs: if is_read { settings.differ(&on_disk, &sight, &sight_of_theirs) } else { Vec::new() },
            refused: problems.into_iter().map(|problem| refusal(problem, &self.file)).collect(),
        }
    }
}

/// The group in whose section a key stands.
pub fn group_of(key: &str) -> Option<&str> {
    key.strip_prefix("groups.")?.split('.').next()
}
