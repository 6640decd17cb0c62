//! What runs and what lies on disk: which settings differ, and which of those a reload may take over.

use std::collections::BTreeSet;

use crate::config::{self, InEffect};
use crate::domain::Group;
use crate::ports::group_of;

/// What says of an event's name what it means: a part of every group.
pub const KINDS: [&str; 3] = ["events.aliases", "events.closing", "events.never-collapse"];
/// By which callers are let in.
const CALLERS: [&str; 4] = ["events.auth", "events.auth-header", "events.auth-failure", NSPS_AUTH];
const NSPS: &str = "nsps";
const NSPS_AUTH: &str = "nsps.auth";
/// By which PortaBilling lets this host in.
const USER: [&str; 3] = ["portabilling.login", "portabilling.token", "portabilling.password"];
/// The documents that it is asked for.
const QUERIES: &str = "portabilling.queries";
/// Where it is: a credential is for nobody else, and what it answers to is its own.
const BILLING: [&str; 3] = ["portabilling.url", "portabilling.ca", "portabilling.proxy"];
/// Who reaches the groups' doors at all, and as whom.
const DOORS: [&str; 6] = [
    "events.listen",
    "events.tls",
    "events.trusted-proxies",
    "notifications.listen",
    "notifications.tls",
    "notifications.trusted-proxies",
];

/// Two configurations, of which the one is to take the place of the other.
pub struct Between {
    differing: BTreeSet<String>,
    /// The groups that stand in the new one.
    groups: BTreeSet<String>,
    /// The queries that stand there.
    queries: BTreeSet<String>,
    /// The door for NSPS comes or goes, and no listener is changed while it listens.
    moves_nsps: bool,
}

impl Between {
    pub fn of(running: &InEffect, on_disk: &InEffect) -> Self {
        let has_nsps = |settings: &InEffect| settings.keys().any(|key| config::is_within(key, NSPS));
        let differs = |key: &&String| match (running.get(*key), on_disk.get(*key)) {
            (Some(running), Some(on_disk)) => !running.value.is_same(&on_disk.value),
            _ => true,
        };
        Self {
            differing: running.keys().chain(on_disk.keys()).filter(differs).cloned().collect(),
            groups: groups_in(on_disk.keys()),
            queries: on_disk.keys().filter_map(|key| query_of(key)).map(str::to_owned).collect(),
            moves_nsps: has_nsps(running) != has_nsps(on_disk),
        }
    }

    /// The keys that are there on one side alone, or say something else.
    pub fn differing(&self) -> impl Iterator<Item = &String> {
        self.differing.iter()
    }

    /// Whether a reload takes over what stands there, where it is good.
    pub fn takes_over(&self, key: &str) -> bool {
        self.of_what_waits(key).is_none() && is_taken_over(key)
    }

    /// The keys that wait for the next start. Of a section that waits as a whole, its name.
    pub fn waits(&self) -> Vec<String> {
        let waiting = self.differing().filter(|key| !self.takes_over(key));
        let found: BTreeSet<String> =
            waiting.map(|key| self.of_what_waits(key).unwrap_or_else(|| key.clone())).collect();
        found.into_iter().collect()
    }

    /// What waits because of something else, or as a whole: what is not there any more stays as it was.
    fn of_what_waits(&self, key: &str) -> Option<String> {
        let waits_with_billing = || is_one_of(key, &USER) || config::is_within(key, QUERIES);
        match (group_of(key), query_of(key)) {
            (Some(group), _) => (!self.groups.contains(group)).then(|| format!("groups.{group}")),
            (_, Some(query)) if !self.queries.contains(query) => Some(format!("{QUERIES}.{query}")),
            _ if self.moves_billing() && waits_with_billing() => Some(key.to_owned()),
            _ => (self.moves_nsps && config::is_within(key, NSPS)).then(|| NSPS.to_owned()),
        }
    }

    /// Whether PortaBilling is to be found elsewhere from the next start on.
    pub fn moves_billing(&self) -> bool {
        self.differing().any(|key| is_one_of(key, &BILLING))
    }

    /// The setting that waits, and by which the group's other door was judged: nobody could say who would come in.
    pub fn judged_by(&self, group: &Group) -> Option<&str> {
        let door = format!("groups.{group}.notify");
        let has_another_door = self.differing().any(|key| config::is_within(key, &door));
        let judged_by = self.differing().find(|key| is_one_of(key, &DOORS))?;
        has_another_door.then_some(judged_by)
    }
}

/// The query in whose section a key stands.
fn query_of(key: &str) -> Option<&str> {
    key.strip_prefix(QUERIES)?.strip_prefix('.')?.split('.').next()
}

/// The groups in whose sections these keys stand.
pub fn groups_in<'a>(keys: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    keys.into_iter().filter_map(|key| group_of(key)).map(str::to_owned).collect()
}

/// Whether a reload takes it over where it is good; all else is read at a start.
fn is_taken_over(key: &str) -> bool {
    group_of(key).is_some()
        || [&KINDS[..], &CALLERS, &USER, &[QUERIES]].into_iter().any(|settings| is_one_of(key, settings))
}

pub fn is_one_of(key: &str, settings: &[&str]) -> bool {
    settings.iter().any(|setting| config::is_within(key, setting))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Meant, Setting};

    /// Settings, each with a value.
    fn settings(written: &[(&str, i32)]) -> InEffect {
        let setting = |value: i32| Setting { place: None, value: Meant::Plain(json!(value)) };
        written.iter().map(|(key, value)| ((*key).to_owned(), setting(*value))).collect()
    }

    const RUNS: [(&str, i32); 9] = [
        ("events.listen", 0),
        ("events.auth[0].basic.password", 0),
        ("events.closing[0]", 0),
        ("portabilling.url", 0),
        ("portabilling.token", 0),
        ("portabilling.queries.sim_card.method", 0),
        ("admin.tokens[0]", 0),
        ("groups.HSS.deadline", 0),
        ("groups.HSS.notify.auth", 0),
    ];

    /// What runs, with some of it changed, added, or (below zero) gone.
    fn between(changes: &[(&str, i32)]) -> Between {
        let (running, mut on_disk) = (settings(&RUNS), settings(&RUNS));
        on_disk.extend(settings(changes));
        let gone = changes.iter().filter(|(_, value)| *value < 0);
        gone.for_each(|(gone, _)| on_disk.retain(|key, _| !config::is_within(key, gone)));
        Between::of(&running, &on_disk)
    }

    #[test]
    fn groups_and_credentials_are_taken_over_and_all_else_waits() {
        for (changes, waits) in [
            (&[][..], &[][..]),
            (&[("groups.HSS.deadline", 1), ("groups.HSS.limits.history", 1)], &[]),
            (
                &[("events.auth[0].basic.password", 1), ("events.auth-failure", 1), ("events.closing[0]", 1)],
                &[],
            ),
            (&[("groups.PCRF.events[0]", 1)], &[]),
            (&[("groups.HSS", -1)], &["groups.HSS"]),
            (&[("admin.tokens[0]", 1)], &["admin.tokens[0]"]),
            (&[("events.listen", 1), ("events.body-max", 1)], &["events.body-max", "events.listen"]),
            (&[("portabilling.token", 1)], &[]),
            (&[("portabilling.url", 1)], &["portabilling.url"]),
            (
                &[("portabilling.url", 1), ("portabilling.token", 1)],
                &["portabilling.token", "portabilling.url"],
            ),
            (&[("nsps.auth[0].bearer", 1)], &["nsps"]),
            (&[("portabilling.queries.sim_card.method", 1), ("portabilling.queries.balance.method", 1)], &[]),
            (&[("portabilling.queries.sim_card", -1)], &["portabilling.queries.sim_card"]),
            (
                &[("portabilling.ca", 1), ("portabilling.queries.sim_card.method", 1)],
                &["portabilling.ca", "portabilling.queries.sim_card.method"],
            ),
        ] {
            assert_eq!(between(changes).waits(), waits, "{changes:?}");
        }
    }

    #[test]
    fn a_door_that_was_judged_by_a_listener_that_waits_waits_with_it() {
        let hss = Group("HSS".to_owned());
        let judged_by = |changes: &[(&str, i32)]| between(changes).judged_by(&hss).map(str::to_owned);
        assert_eq!(judged_by(&[("groups.HSS.notify.auth", 1)]), None);
        assert_eq!(judged_by(&[("events.listen", 1), ("groups.HSS.deadline", 1)]), None);
        assert_eq!(
            judged_by(&[("events.listen", 1), ("groups.HSS.notify.auth", 1)]).as_deref(),
            Some("events.listen")
        );
        let tls = [("notifications.tls.client-ca", 1), ("groups.HSS.notify.auth.client-certificate", 1)];
        assert_eq!(judged_by(&tls).as_deref(), Some("notifications.tls.client-ca"));
    }
}
