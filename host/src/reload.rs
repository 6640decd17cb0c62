//! Adapters, their configuration and their targets are taken over while the host runs: by one transaction, whatever set
//! it off. What is no good leaves its group as it was, and says why; nobody else is concerned.

mod running;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::config::{self, Good, GroupSettings, InEffect, Place, Problem, Problems};
use crate::domain::Group;
use crate::explain::Code;
use crate::outbound::{Target, Targets};
use crate::ports::{Adapters as _, Outbound as _, Outcome, Refusal, Reloaded, Reloads, RunsBy, Taken};
use crate::ready::{Workshop, digest_of, lacks};
use crate::secret::Vault;
use crate::telemetry::Metrics;
use crate::wasm::{Catalog, Serving};

use running::RunningSettings;
pub use watch::watch;

/// Of a group's section these are taken over; all else is read at a start.
const TAKEN_OVER: [&str; 5] = ["adapter", "config", "limits", "target", "secrets"];
/// But for what says how patiently operations move.
const READ_AT_A_START: [&str; 4] = ["limits.history", "target.retry", "target.concurrency", "target.breaker"];

/// Where what runs came from, and what may take its place.
pub struct Reload {
    file: PathBuf,
    workshop: Workshop,
    catalog: Catalog,
    targets: Targets,
    metrics: Arc<Metrics>,
    /// Whether each group is to be registered with its system: that is read at a start.
    registers: BTreeMap<Group, bool>,
    running: Mutex<Running>,
}

struct Running {
    settings: RunningSettings,
    last: Reloaded,
}

/// The configuration as it lies on disk. A file that is slow to answer holds nobody else up.
async fn load(file: &Path) -> (Result<Good, Problems>, InEffect) {
    let (path, file) = (file.to_owned(), file.to_owned());
    let loaded = tokio::task::spawn_blocking(move || config::load_in_effect(&path)).await;
    loaded.unwrap_or_else(|_| {
        let (place, key, code) = (Place::default(), String::new(), Code::FileUnreadable);
        let message = "reading it came to no end".to_owned();
        (Err(Problems::of(&file, vec![Problem { place, key, message, help: None, code }])), InEffect::new())
    })
}

/// With what a host has just begun.
pub struct Begun {
    pub workshop: Workshop,
    pub catalog: Catalog,
    pub targets: Targets,
    /// Whether each group is to be registered with its system, of those whose sections are whole.
    pub registers: BTreeMap<Group, bool>,
    /// Why groups have no adapter.
    pub problems: Vec<Problem>,
    /// What the host runs by.
    pub in_effect: InEffect,
}

impl Reload {
    pub fn new(file: &Path, begun: Begun, metrics: Arc<Metrics>) -> Self {
        let Begun { workshop, catalog, targets, registers, problems, in_effect } = begun;
        let last = Reloaded {
            generation: 1,
            at: workshop.world.now(),
            because: "start".to_owned(),
            groups: taken(&catalog, &BTreeMap::new()),
            refused: problems.into_iter().map(|problem| refusal(problem, file)).collect(),
            waits: Vec::new(),
        };
        tell(&last);
        let settings = RunningSettings::begun(in_effect, |group| registers.contains_key(group));
        let running = Mutex::new(Running { settings, last });
        Self { file: file.to_owned(), workshop, catalog, targets, metrics, registers, running }
    }

    /// Whether a group whose section was whole at the start has no adapter all the same.
    fn leaves_unserved(&self) -> bool {
        self.registers.keys().any(|group| !self.catalog.serves(group))
    }

    /// What lies on disk and differs from what serves, made ready.
    async fn candidates(&self, groups: &[GroupSettings]) -> Candidates {
        let serving: BTreeMap<_, _> = self.catalog.served().into_iter().collect();
        let mut found = Candidates::default();
        for group in groups {
            // A group whose section was not there at the start, or not whole, waits for the next one.
            let Some(registers) = self.registers.get(group.group()) else { continue };
            // The doors are those of the start.
            let mut group = group.clone();
            group.engine.registers = *registers;
            match self.candidate(&group, serving.get(group.group())).await {
                Ok(candidate) if candidate.is_none() => {}
                Ok(candidate) => found.good.push((group.group().clone(), candidate)),
                Err(problems) => {
                    found.outcomes.insert(group.group().clone(), Outcome::Refused);
                    found.problems.extend(problems);
                }
            }
        }
        found
    }

    /// Both parts of a group are taken over, or none: an adapter may need what its target has now.
    async fn candidate(
        &self,
        group: &GroupSettings,
        now: Option<&Serving>,
    ) -> Result<Candidate, Vec<Problem>> {
        let is_same_target = self.targets.identity(group.group()) == Some(group.target.identity());
        let is_same_adapter = match now {
            Some(now) => is_same(now, group).await,
            None => false,
        };
        let target = if is_same_target { None } else { Some(self.workshop.target(group)) };
        let adapter = match now {
            // A secret that it needs may be there no more.
            Some(now) if is_same_adapter => match lacks(group, &now.adapter) {
                found if found.is_empty() => Ok(None),
                found => Err(found),
            },
            _ => self.workshop.adapter(group).await.map(Some),
        };
        match (target.transpose(), adapter) {
            (Ok(target), Ok(mut adapter)) => {
                if let Some((serving, now)) = adapter.as_mut().zip(now) {
                    serving.notify_at.clone_from(&now.notify_at);
                }
                let adapter = adapter.map(|serving| (serving, group.adapter.clone()));
                Ok(Candidate { target, adapter })
            }
            (target, adapter) => {
                Err(target.err().into_iter().chain(adapter.err().into_iter().flatten()).collect())
            }
        }
    }

    /// Here, and not before, anything is another one.
    async fn swap(&self, candidates: &mut Candidates) -> bool {
        let (mut targets, mut adapters) = (Vec::new(), Vec::new());
        for (group, candidate) in std::mem::take(&mut candidates.good) {
            if let Some(target) = candidate.target {
                self.metrics.certificate_ends(&group, target.settings.certificate().map(|it| it.until));
                targets.push((group.clone(), target));
            }
            if let Some((serving, file)) = candidate.adapter {
                let (description, digest) = (serving.adapter.description(), serving.adapter.digest());
                self.metrics.serves(&group, &description.name, &description.version, digest);
                // Before it begins anything.
                self.catalog.shelve(&group, digest, &file, self.workshop.world.now()).await;
                adapters.push((group.clone(), serving));
            }
            candidates.outcomes.insert(group, Outcome::Swapped);
        }
        let changed = !targets.is_empty() || !adapters.is_empty();
        self.targets.replace(targets);
        self.catalog.replace(adapters);
        changed
    }
}

/// Whether what serves is what lies on disk.
async fn is_same(now: &Serving, group: &GroupSettings) -> bool {
    digest_of(&group.adapter).await.as_ref() == Some(now.adapter.digest())
        && now.config.text() == group.config.text()
        && now.limits == group.limits
}

#[derive(Default)]
struct Candidates {
    good: Vec<(Group, Candidate)>,
    outcomes: BTreeMap<Group, Outcome>,
    problems: Vec<Problem>,
}

/// What of a group is another one.
struct Candidate {
    target: Option<Target>,
    /// With the file that it was loaded from.
    adapter: Option<(Serving, PathBuf)>,
}

impl Candidate {
    const fn is_none(&self) -> bool {
        self.target.is_none() && self.adapter.is_none()
    }
}

#[async_trait]
impl Reloads for Reload {
    async fn reload(&self, because: &str) -> Reloaded {
        let mut running = self.running.lock().await;
        let (loaded, mut on_disk) = load(&self.file).await;
        let (groups, secrets, mut problems, warnings) = match loaded {
            Ok((settings, problems)) => (settings.groups, settings.secrets, problems, settings.warnings),
            Err(problems) => without_problems(problems),
        };
        if problems.iter().any(is_of_the_whole_file) {
            // What is no configuration at all cannot be compared.
            on_disk.clear();
        }
        // Before anybody can say one of them.
        self.workshop.secrets.learn(&secrets);
        let mut candidates = self.candidates(&groups).await;
        problems.append(&mut candidates.problems);
        let changed = self.swap(&mut candidates).await;
        let is_taken = |group: &&GroupSettings| {
            let outcome = candidates.outcomes.get(group.group());
            self.registers.contains_key(group.group()) && outcome != Some(&Outcome::Refused)
        };
        let taken_over = groups.iter().filter(is_taken).map(|group| group.group().0.as_str());
        running.settings.take(&on_disk, &taken_over.collect());
        problems.sort();
        let problems: Vec<_> = problems.into_iter().map(|problem| refusal(problem, &self.file)).collect();
        let waits = match on_disk.is_empty() {
            true => running.last.waits.clone(),
            false => running.settings.waits(&on_disk, &groups),
        };
        let is_swapped = |group: &Group| candidates.outcomes.get(group) == Some(&Outcome::Swapped);
        let concern_swapped = |warning: &&Problem| {
            groups.iter().any(|of| config::concerns(warning, of.group()) && is_swapped(of.group()))
        };
        warnings.iter().filter(concern_swapped).for_each(Problem::log);
        if !changed && running.last.refused == problems && running.last.waits == waits {
            // Nothing new: what was said of the last time stands.
            let outcomes = taken(&self.catalog, &candidates.outcomes);
            return Reloaded {
                groups: outcomes,
                because: because.to_owned(),
                at: self.workshop.world.now(),
                ..running.last.clone()
            };
        }
        running.last = Reloaded {
            generation: running.last.generation + u64::from(changed),
            at: self.workshop.world.now(),
            because: because.to_owned(),
            groups: taken(&self.catalog, &candidates.outcomes),
            refused: problems,
            waits,
        };
        tell(&running.last);
        running.last.clone()
    }

    async fn last(&self) -> Reloaded {
        self.running.lock().await.last.clone()
    }

    async fn runs_by(&self) -> RunsBy {
        self.told().await
    }
}

/// Sections in which nothing is wrong are taken over beside one in which something is; of a file that is not what it
/// must be as a whole, nothing.
fn without_problems(problems: Problems) -> (Vec<GroupSettings>, Vault, Vec<Problem>, Vec<Problem>) {
    let Problems { found, mut whole, secrets, .. } = problems;
    let is_whole = !found.iter().any(is_of_the_whole_file);
    whole.retain(|group| is_whole && !found.iter().any(|problem| config::concerns(problem, group.group())));
    (whole, secrets, found, Vec::new())
}

fn is_of_the_whole_file(problem: &Problem) -> bool {
    matches!(problem.code, Code::Syntax | Code::FileUnreadable)
}

fn taken(catalog: &Catalog, outcomes: &BTreeMap<Group, Outcome>) -> Vec<(Group, Taken)> {
    let served = catalog.served().into_iter().map(|(group, serving)| {
        let description = serving.adapter.description();
        let retired = catalog.retired(&group).iter().map(|adapter| adapter.digest().clone()).collect();
        let taken = Taken {
            outcome: outcomes.get(&group).copied().unwrap_or(Outcome::Unchanged),
            adapter: description.name.clone(),
            version: description.version.clone(),
            digest: serving.adapter.digest().clone(),
            retired,
        };
        (group, taken)
    });
    served.collect()
}

fn refusal(problem: Problem, file: &Path) -> Refusal {
    let Problem { place, key, message, help, code } = problem;
    let code = code.number();
    Refusal { code, key, file: file.to_owned(), line: place.line, column: place.column, message, help }
}

fn tell(reloaded: &Reloaded) {
    let (generation, because) = (reloaded.generation, &reloaded.because);
    for (group, taken) in &reloaded.groups {
        if taken.outcome == Outcome::Swapped {
            let (adapter, version, digest) = (&taken.adapter, &taken.version, &taken.digest);
            tracing::info!(%group, adapter, version, %digest, generation, because, "another adapter, configuration or target serves");
        }
    }
    for Refusal { code, key, line, column, message, .. } in &reloaded.refused {
        let at = format!("{line}:{column}");
        let group = running::group_of(key);
        let is_served = |group: &str| reloaded.groups.iter().any(|(served, _)| served.0 == group);
        let goes_on =
            if group.is_none_or(is_served) { "what served goes on" } else { "no adapter serves its group" };
        tracing::error!(key, at, code, why = message, because, goes_on, "not taken over");
    }
    for key in &reloaded.waits {
        tracing::warn!(key, because, "changed on disk, and waits for a restart");
    }
}

/// `groups.<group>.adapter` and its like.
fn is_taken_over(key: &str) -> bool {
    let mut parts = key.split('.');
    let is_of_a_group = parts.next() == Some("groups") && parts.next().is_some();
    let rest = parts.collect::<Vec<_>>().join(".");
    let is_below = |name: &&str| config::is_within(&rest, name);
    is_of_a_group && TAKEN_OVER.iter().any(is_below) && !READ_AT_A_START.iter().any(is_below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_groups_section_what_requests_are_made_of_is_taken_over() {
        for (key, taken) in [
            ("groups.HSS.adapter", true),
            ("groups.HSS.config.specification", true),
            ("groups.HSS.limits.time", true),
            ("groups.HSS.limits.history", false),
            ("groups.HSS.target.url", true),
            ("groups.HSS.target.auth.bearer", true),
            ("groups.HSS.target.retry", false),
            ("groups.HSS.target.retry[0]", false),
            ("groups.HSS.target.breaker.pause", false),
            ("groups.HSS.target.concurrency", false),
            ("groups.HSS.secrets.opc", true),
            ("groups.HSS.deadline", false),
            ("groups.HSS", false),
            ("events.listen", false),
            ("target.url", false),
        ] {
            assert_eq!(is_taken_over(key), taken, "{key}");
        }
    }
}
