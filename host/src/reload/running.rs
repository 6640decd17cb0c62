//! By which settings a host runs. What a reload takes over is another one from then on; all else is as it was at
//! the start, whatever lies on disk.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reload, digest_of, is_of_the_whole_file, load, refusal};
use crate::config::{self, InEffect, Sight};
use crate::domain::Group;
use crate::ports::{Adapters as _, Difference, RunsBy};

/// What says of an event's name what it means: a part of every group.
const KINDS: [&str; 3] = ["events.aliases", "events.closing", "events.never-collapse"];
/// By which others are let in, and this host by PortaBilling.
const CREDENTIALS: [&str; 7] = [
    "events.auth",
    "events.auth-header",
    "events.auth-failure",
    "nsps.auth",
    "portabilling.login",
    "portabilling.token",
    "portabilling.password",
];

const NSPS: &str = "nsps";

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
            None => self.credentials && is_one_of(key, &CREDENTIALS),
        }
    }
}

/// Two configurations, of which the one may take the place of the other.
struct Between {
    /// The groups that stand in the new one.
    groups: BTreeSet<String>,
    /// The door for NSPS comes or goes, and no listener is changed while it listens.
    moves_nsps: bool,
}

impl Between {
    fn of(running: &InEffect, on_disk: &InEffect) -> Self {
        let has_nsps = |settings: &InEffect| settings.keys().any(|key| config::is_within(key, NSPS));
        Self { groups: groups_in(on_disk.keys()), moves_nsps: has_nsps(running) != has_nsps(on_disk) }
    }

    /// Whether a reload takes over what stands there, where it is good.
    fn takes_over(&self, key: &str) -> bool {
        self.of_what_waits(key).is_none() && is_taken_over(key)
    }

    /// The section that waits as a whole, if the key is of one: what is not there any more stays as it was.
    fn of_what_waits(&self, key: &str) -> Option<String> {
        match group_of(key) {
            Some(group) => (!self.groups.contains(group)).then(|| format!("groups.{group}")),
            None => (self.moves_nsps && config::is_within(key, NSPS)).then(|| NSPS.to_owned()),
        }
    }
}

impl RunningSettings {
    /// Of a host that begins with these. A section that was not whole is not what its group runs by.
    pub fn begun(mut settings: InEffect, is_whole: impl Fn(&Group) -> bool) -> Self {
        settings.retain(|key, _| group_of(key).is_none_or(|group| is_whole(&Group(group.to_owned()))));
        Self(settings)
    }

    /// The keys that say something else on disk and wait for the next start. Of a section that waits as a whole, its name.
    pub fn waits(&self, on_disk: &InEffect) -> Vec<String> {
        let between = Between::of(&self.0, on_disk);
        let waiting = self.differing(on_disk).filter(|key| !between.takes_over(key));
        let found: BTreeSet<String> =
            waiting.map(|key| between.of_what_waits(key).unwrap_or_else(|| key.clone())).collect();
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

    /// After a reload that took over so much: the keys of what is another one.
    pub fn take(&mut self, on_disk: &InEffect, taken: &TakenOver) -> BTreeSet<String> {
        let (running, between) = (groups_in(self.0.keys()), Between::of(&self.0, on_disk));
        let is_taken = |key: &str| taken.has(key, &running) && between.takes_over(key);
        let changed = self.differing(on_disk).filter(|key| is_taken(key)).cloned().collect();
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
        let between = Between::of(&self.0, on_disk);
        let difference = |key: &String| Difference {
            key: key.clone(),
            running: sight.one(&self.0, key),
            on_disk: sight_of_theirs.one(on_disk, key),
            is_taken_over: between.takes_over(key),
        };
        self.differing(on_disk).map(difference).collect()
    }
}

impl Reload {
    /// By what it runs while nobody else may change that.
    pub(super) async fn compared(&self) -> RunsBy {
        let running = self.running.lock().await;
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

/// The groups in whose sections these keys stand.
pub fn groups_in<'a>(keys: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    keys.into_iter().filter_map(|key| group_of(key)).map(str::to_owned).collect()
}

/// Whether a reload takes it over where it is good; all else is read at a start.
fn is_taken_over(key: &str) -> bool {
    group_of(key).is_some() || is_one_of(key, &KINDS) || is_one_of(key, &CREDENTIALS)
}

fn is_one_of(key: &str, settings: &[&str]) -> bool {
    settings.iter().any(|setting| config::is_within(key, setting))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_credentials_are_taken_over() {
        for (key, taken) in [
            ("groups.HSS.adapter", true),
            ("groups.HSS.limits.history", true),
            ("groups.HSS.target.retry[0]", true),
            ("groups.HSS.notify.auth.bearer", true),
            ("groups.HSS.events[0]", true),
            ("events.auth[0].basic.password", true),
            ("events.auth-failure", true),
            ("events.closing[0]", true),
            ("nsps.auth[0].bearer", true),
            ("portabilling.token", true),
            ("portabilling.url", false),
            ("events.listen", false),
            ("events.body-max", false),
            ("admin.tokens[0].token", false),
            ("target.url", false),
        ] {
            assert_eq!(is_taken_over(key), taken, "{key}");
        }
    }
}
