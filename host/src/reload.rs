//! Adapters and their configuration are taken over while the host runs: by one transaction, whatever set it off. What
//! is no good leaves its group as it was, and says why; nobody else is concerned.

mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::config::{self, GroupSettings, Problem, Problems};
use crate::domain::{Digest, Group};
use crate::explain::Code;
use crate::ports::{Outcome, Refusal, Reloaded, Reloads, Taken, World};
use crate::secret::Vault;
use crate::telemetry::Metrics;
use crate::wasm::{Catalog, Sandbox, Serving};

pub use watch::watch;

/// Of a group's section these are taken over; all else is read at a start.
const TAKEN_OVER: [&str; 3] = ["adapter", "config", "limits"];
/// How long a history may be is no limit of a question.
const HISTORY: &str = "history";

/// Where what runs came from, and what may take its place.
pub struct Reload {
    file: PathBuf,
    sandbox: Sandbox,
    catalog: Catalog,
    metrics: Arc<Metrics>,
    world: Arc<dyn World>,
    /// With which system each group is registered: that is read at a start.
    registers: BTreeMap<Group, Option<String>>,
    running: Mutex<Running>,
}

struct Running {
    /// The configuration without what is taken over, by which it runs until the next start; `None`: nobody can say.
    fixed: Option<BTreeMap<String, toml::Value>>,
    last: Reloaded,
}

impl Reload {
    /// Of a host that has just begun.
    pub fn new(
        file: &Path,
        sandbox: Sandbox,
        catalog: Catalog,
        metrics: Arc<Metrics>,
        world: Arc<dyn World>,
        registers: BTreeMap<Group, Option<String>>,
    ) -> Self {
        let begun = Reloaded {
            generation: 1,
            at: world.now(),
            because: "start".to_owned(),
            groups: taken(&catalog, &BTreeMap::new()),
            refused: Vec::new(),
            waits: Vec::new(),
        };
        let running = Mutex::new(Running { fixed: fixed(file), last: begun });
        Self { file: file.to_owned(), sandbox, catalog, metrics, world, registers, running }
    }

    /// The adapters of what lies on disk that differ from what serves, each loaded and asked about its configuration.
    async fn candidates(&self, groups: &[GroupSettings], secrets: &Vault) -> Candidates {
        let serving: BTreeMap<_, _> = self.catalog.served().into_iter().collect();
        let mut found = Candidates::default();
        for group in groups {
            // A group that was not there at the start waits for the next one.
            let Some(now) = serving.get(group.group()) else { continue };
            let on_disk = digest_of(&group.adapter).await;
            let is_same = on_disk.as_ref() == Some(now.adapter.digest())
                && now.config.text() == group.config.text()
                && now.limits == group.limits;
            if is_same {
                continue;
            }
            // The doors are those of the start.
            let mut group = group.clone();
            group.engine.registers_with = self.registers.get(group.group()).cloned().flatten();
            match load_adapter(&self.sandbox, &group, secrets).await {
                Ok(serving) => {
                    let serving = Serving { notify_at: now.notify_at.clone(), ..serving };
                    found.good.push((group.group().clone(), serving));
                }
                Err(problems) => {
                    found.outcomes.insert(group.group().clone(), Outcome::Refused);
                    found.problems.extend(problems);
                }
            }
        }
        found
    }
}

/// What a file holds; `None`: it cannot be read.
async fn digest_of(file: &Path) -> Option<Digest> {
    tokio::fs::read(file).await.ok().map(|bytes| Digest::of(&bytes))
}

/// An adapter as its group is to be served by it: loaded within its limits, and asked about its configuration.
///
/// # Errors
/// All that is wrong with it.
pub async fn load_adapter(
    sandbox: &Sandbox,
    group: &GroupSettings,
    secrets: &Vault,
) -> Result<Serving, Vec<Problem>> {
    let section = format!("groups.{}", group.group());
    let problem = |code: Code, key: &str, message: String| {
        let key = format!("{section}.{key}");
        Problem { place: group.place, key, message, help: None, code }
    };
    let adapter = sandbox
        .load_within(&group.adapter, group.limits)
        .await
        .map_err(|error| vec![problem(error.code(), "adapter", error.to_string())])?;
    let refused = adapter
        .check_config(&group.config)
        .await
        .map_err(|trouble| vec![problem(Code::AdapterStopped, "config", trouble.message)])?;
    let description = adapter.description();
    let name = &description.name;
    let mut found: Vec<Problem> = refused
        .into_iter()
        .map(|refused| {
            let key = format!("config{}", refused.at.replace('/', "."));
            let message = format!("adapter {name} says: {}", secrets.strike(&refused.message));
            problem(Code::AdapterConfig, &key, message)
        })
        .collect();
    for secret in description.secrets.iter().filter(|secret| !group.target.secrets.contains_key(*secret)) {
        found.push(problem(
            Code::AdapterSecret,
            &format!("secrets.{secret}"),
            format!("adapter {name} needs the secret `{secret}`"),
        ));
    }
    if group.engine.registers_with.is_some() && !adapter.registers() {
        found.push(problem(
            Code::AdapterConfig,
            "notify.register",
            format!("adapter {name} has no interface `registration`: it cannot register with its system"),
        ));
    }
    if !found.is_empty() {
        return Err(found);
    }
    let notify_at = group.notify.as_ref().and_then(|notify| notify.at.clone());
    tracing::info!(group = %group.group(), adapter = name, version = description.version, digest = %adapter.digest(), "adapter loaded");
    Ok(Serving { adapter, config: group.config.clone(), notify_at, limits: group.limits })
}

#[derive(Default)]
struct Candidates {
    good: Vec<(Group, Serving)>,
    outcomes: BTreeMap<Group, Outcome>,
    problems: Vec<Problem>,
}

#[async_trait]
impl Reloads for Reload {
    async fn reload(&self, because: &str) -> Reloaded {
        let mut running = self.running.lock().await;
        let fixed = fixed(&self.file);
        let (groups, secrets, mut problems) = match config::load(&self.file) {
            Ok(settings) => (settings.groups, settings.secrets, Vec::new()),
            Err(problems) => without_problems(problems),
        };
        let mut candidates = self.candidates(&groups, &secrets).await;
        problems.append(&mut candidates.problems);
        for (group, serving) in &candidates.good {
            candidates.outcomes.insert(group.clone(), Outcome::Swapped);
            let (description, digest) = (serving.adapter.description(), serving.adapter.digest());
            self.metrics.serves(group, &description.name, &description.version, digest);
        }
        let changed = !candidates.good.is_empty();
        // Here, and not before, anything is another one.
        self.catalog.replace(candidates.good);
        let problems: Vec<_> = problems.into_iter().map(|problem| refusal(problem, &self.file)).collect();
        let waits =
            running.fixed.as_ref().zip(fixed).map(|(before, now)| waits(before, &now)).unwrap_or_default();
        if !changed && running.last.refused == problems && running.last.waits == waits {
            // Nothing new: what was said of the last time stands.
            let outcomes = taken(&self.catalog, &candidates.outcomes);
            return Reloaded {
                groups: outcomes,
                because: because.to_owned(),
                at: self.world.now(),
                ..running.last.clone()
            };
        }
        running.last = Reloaded {
            generation: running.last.generation + u64::from(changed),
            at: self.world.now(),
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
}

/// Sections in which nothing is wrong are taken over beside one in which something is; of a file that is not what it
/// must be as a whole, nothing.
fn without_problems(problems: Problems) -> (Vec<GroupSettings>, Vault, Vec<Problem>) {
    let Problems { found, mut whole, secrets, .. } = problems;
    let is_whole = found.iter().all(|problem| !matches!(problem.code, Code::Syntax | Code::FileUnreadable));
    whole.retain(|group| {
        let section = format!("groups.{}", group.group());
        let is_in_it = |key: &str| key == section || key.starts_with(&format!("{section}."));
        is_whole && !found.iter().any(|problem| is_in_it(&problem.key))
    });
    (whole, secrets, found)
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
            tracing::info!(%group, adapter, version, %digest, generation, because, "another adapter or configuration serves");
        }
    }
    for Refusal { code, key, line, column, message, .. } in &reloaded.refused {
        let at = format!("{line}:{column}");
        tracing::error!(key, at, code, why = message, because, "not taken over; what served goes on");
    }
    for key in &reloaded.waits {
        tracing::warn!(key, because, "changed on disk, and waits for a restart");
    }
}

/// The settings by which a host runs until it is started again, each by its key.
fn fixed(file: &Path) -> Option<BTreeMap<String, toml::Value>> {
    let table = std::fs::read_to_string(file).ok()?.parse::<toml::Table>().ok()?;
    let mut found = BTreeMap::new();
    leaves(&toml::Value::Table(table), "", &mut found);
    Some(found)
}

fn leaves(value: &toml::Value, key: &str, found: &mut BTreeMap<String, toml::Value>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                leaves(value, &key, found);
            }
        }
        _ if is_taken_over(key) => {}
        leaf => drop(found.insert(key.to_owned(), leaf.clone())),
    }
}

/// `groups.<group>.adapter` and its like.
fn is_taken_over(key: &str) -> bool {
    let mut parts = key.split('.');
    parts.next() == Some("groups")
        && parts.next().is_some()
        && parts.next().is_some_and(|name| TAKEN_OVER.contains(&name))
        && !(key.ends_with(&format!(".limits.{HISTORY}")))
}

/// The keys that are there on one side alone, or say something else.
fn waits(before: &BTreeMap<String, toml::Value>, now: &BTreeMap<String, toml::Value>) -> Vec<String> {
    let differ = before.iter().filter(|(key, value)| now.get(*key) != Some(*value)).map(|(key, _)| key);
    let new = now.keys().filter(|key| !before.contains_key(*key));
    differ.chain(new).cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_a_restart_is_all_that_is_not_taken_over() {
        let settings = |text: &str| {
            let mut found = BTreeMap::new();
            leaves(&toml::Value::Table(text.parse().expect("TOML")), "", &mut found);
            found
        };
        let before = settings(
            "[events]\nlisten = \"a\"\n[groups.HSS]\nadapter = \"a.wasm\"\ndeadline = \"1h\"\n[groups.HSS.config]\nx = 1\n",
        );
        let now = settings(
            "[events]\nlisten = \"b\"\nuser = \"u\"\n[groups.HSS]\nadapter = \"b.wasm\"\nlimits = { time = \"2s\", history = 8 }\n[groups.HSS.config]\nx = 2\n",
        );
        assert_eq!(
            waits(&before, &now),
            ["events.listen", "events.user", "groups.HSS.deadline", "groups.HSS.limits.history"]
        );
        assert_eq!(waits(&now, &now), Vec::<String>::new());
    }
}
