//! By which settings a host runs. What a reload takes over is another one from then on; all else is as it was at
//! the start, whatever lies on disk.

use std::collections::{BTreeMap, BTreeSet};

use super::between::{Between, KINDS, groups_in, is_one_of};
use super::{Reload, digest_of, is_of_the_whole_file, load, refusal};
use crate::config::{InEffect, Sight};
use crate::domain::Group;
use crate::ports::{Adapters as _, Difference, RunsBy, group_of};

#[derive(Clone)]
pub struct RunningSettings(InEffect);

/// What a reload has taken over.
pub struct TakenOver {
    pub groups: BTreeSet<String>,
    pub credentials: bool,
}

impl TakenOver {
    fn has(&self, key: &str, running: &BTreeSet<String>) -> bool {
        match group_of(key) {
            Some(group) => self.groups.contains(group),
            // A group that was refused goes on with what it had.
            None if is_one_of(key, &KINDS) => running.is_subset(&self.groups),
            None => self.credentials,
        }
    }
}

impl RunningSettings {
    /// Of a host that begins with these. A section that was not whole is not what its group runs by.
    pub fn begun(mut settings: InEffect, is_whole: impl Fn(&Group) -> bool) -> Self {
        settings.retain(|key, _| group_of(key).is_none_or(|group| is_whole(&Group(group.to_owned()))));
        Self(settings)
    }

    /// What lies between this and what lies on disk.
    pub fn between(&self, on_disk: &InEffect) -> Between {
        Between::of(&self.0, on_disk)
    }

    /// After a reload that took over so much: the keys of what is another one.
    pub fn take(&mut self, on_disk: &InEffect, taken: &TakenOver) -> BTreeSet<String> {
        let between = self.between(on_disk);
        // One that is gone has nothing to say of what a name means.
        let mut running = groups_in(self.0.keys());
        running.retain(|group| between.takes_over(&format!("groups.{group}")));
        let is_taken = |key: &str| taken.has(key, &running) && between.takes_over(key);
        let changed = between.differing().filter(|key| is_taken(key)).cloned().collect();
        self.0.retain(|key, _| !is_taken(key));
        for (key, setting) in on_disk {
            match self.0.get_mut(key) {
                _ if is_taken(key) => drop(self.0.insert(key.clone(), setting.clone())),
                // It only stands elsewhere.
                Some(running) if running.value.is_same(&setting.value) => running.place = setting.place,
                Some(_) | None => {}
            }
        }
        changed
    }

    /// Each side as it may be seen.
    fn differ(&self, on_disk: &InEffect, sight: &Sight, sight_of_theirs: &Sight) -> Vec<Difference> {
        let between = self.between(on_disk);
        let difference = |key: &String| Difference {
            key: key.clone(),
            running: sight.one(&self.0, key),
            on_disk: sight_of_theirs.one(on_disk, key),
            is_taken_over: between.takes_over(key),
        };
        between.differing().map(difference).collect()
    }
}

impl Reload {
    /// By what it runs now. What is being taken over meanwhile is not waited for.
    pub(super) async fn compared(&self) -> RunsBy {
        let running = self.as_it_stands();
        let (loaded, on_disk) = load(&self.file).await;
        let (groups, problems) = match loaded {
            Ok((settings, problems)) => (settings.groups, problems),
            Err(problems) => (problems.whole, problems.found),
        };
        let (mut names, mut names_of_theirs) = (BTreeMap::new(), BTreeMap::new());
        for (group, serving) in self.parts.catalog.served() {
            let secret_fields = self.parts.catalog.secret_fields(&group);
            let on_disk = groups.iter().find(|it| *it.group() == group);
            // Another component may call other names secret.
            if let Some(on_disk) = on_disk
                && let Ok(source) = self.parts.workshop.source_of(on_disk, false).await
                && digest_of(&source.file).await.as_ref() == Some(serving.adapter.digest())
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
