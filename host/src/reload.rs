//! What lies on disk is taken over while the host runs: adapters, their configuration and targets, how a group's operations
//! move, its doors, and credentials. By one transaction, whatever set it off. What is no good leaves its group as it was, and
//! says why; nobody else is concerned.

mod between;
mod candidates;
mod common;
mod pins;
mod running;
mod told;
mod watch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use tokio::sync::{Mutex, MutexGuard};

use crate::billing::{self, Queries, Session};
use crate::config::{self, Good, GroupSettings, InEffect, Place, Problem, Problems, Settings, Unserved};
use crate::domain::{Digest, Group, Service};
use crate::engine::{self, Sections};
use crate::espf::Groups;
use crate::explain::Code;
use crate::http::{Doors, EventSettings, NotifyAuth, NspsSettings};
use crate::outbound::Targets;
use crate::ports::{Adapters as _, KeptOf, NotPinned, Outcome, Pin, Reloaded, Reloads, RunsBy};
use crate::ready::{Workshop, digest_of};
use crate::secret::Vault;
use crate::telemetry::Metrics;
use crate::wasm::{Catalog, Stock};

use candidates::{Candidates, Said};
pub use common::follow;
use running::{RunningSettings, TakenOver};
use told::{refusal, taken, tell, warn};
pub use watch::watch;

/// Where what runs came from, and what may take its place.
pub struct Reload {
    file: PathBuf,
    parts: Parts,
    metrics: Arc<Metrics>,
    /// One takes over at a time, and may wait for a compiler.
    turn: Mutex<()>,
    /// Who asks how anything stands does not wait for that.
    running: RwLock<Running>,
    /// What other instances serve could not be heard, or they could not be told.
    is_unheard: AtomicBool,
}

/// All of a host that may become another one.
pub struct Parts {
    pub workshop: Workshop,
    pub catalog: Catalog,
    /// What all instances of the journal have; `None`: nobody but this one works on it.
    pub stock: Option<Stock>,
    pub targets: Targets,
    pub sections: Sections,
    pub doors: Doors,
    pub session: Arc<Session>,
    pub queries: Queries,
    /// Asks PortaBilling whether it knows what is reported.
    pub services: Groups,
}

/// As it stands since the last that was taken over.
#[derive(Clone)]
struct Running {
    settings: RunningSettings,
    last: Reloaded,
    pins: Vec<Pin>,
}

/// With what a host has just begun.
pub struct Begun {
    /// Groups whose sections are whole.
    pub whole: BTreeSet<Group>,
    /// Why groups have no adapter.
    pub problems: Vec<Problem>,
    /// What the host runs by.
    pub in_effect: InEffect,
}

/// What was read, as far as it is good.
struct Read {
    groups: Vec<GroupSettings>,
    unserved: Vec<Unserved>,
    secrets: Vault,
    /// Of a file in which nothing is wrong but with groups.
    credentials: Option<Credentials>,
    warnings: Vec<Problem>,
    problems: Vec<Problem>,
    /// Nothing, of a file that is no configuration at all: that cannot be compared.
    in_effect: InEffect,
}

/// What is to be otherwise, beside what was made ready.
struct To {
    doors: Vec<(Group, Option<NotifyAuth>)>,
    sections: Vec<engine::GroupSettings>,
    credentials: Option<Credentials>,
    /// To what they are for nobody can be sent before the next start.
    moves_billing: bool,
}

/// By which others are let in, and this host by PortaBilling, with what it asks there.
struct Credentials {
    events: EventSettings,
    nsps: Option<NspsSettings>,
    billing: billing::Settings,
}

impl Reload {
    pub fn new(file: &Path, parts: Parts, begun: Begun, metrics: Arc<Metrics>) -> Self {
        let Begun { whole, problems, in_effect } = begun;
        let last = Reloaded {
            generation: 1,
            at: parts.workshop.world.now(),
            because: "start".to_owned(),
            groups: taken(&parts.catalog, &Candidates::default()),
            refused: problems.into_iter().map(|problem| refusal(problem, file)).collect(),
            waits: Vec::new(),
            pins: Vec::new(),
        };
        tell(&last);
        metrics.adapters.refused(last.refused.len());
        let settings = RunningSettings::begun(in_effect, |group| whole.contains(group));
        let running = RwLock::new(Running { settings, last, pins: Vec::new() });
        Self {
            file: file.to_owned(),
            parts,
            metrics,
            turn: Mutex::default(),
            running,
            is_unheard: AtomicBool::default(),
        }
    }

    /// Whether a group's events are taken and nothing provisions it, or it is served here by another one than elsewhere.
    fn leaves_undone(&self) -> bool {
        self.is_apart() || self.parts.sections.all().keys().any(|group| !self.parts.catalog.serves(group))
    }

    /// Here, and not before, anything is another one. What a group is served by is there before it moves by it, and it
    /// moves before anybody may send it more.
    async fn swap(&self, candidates: &mut Candidates, to: To) {
        let To { doors, mut sections, credentials, moves_billing } = to;
        if let Some(Credentials { billing, .. }) = credentials.as_ref().filter(|_| !moves_billing) {
            self.parts.queries.take(&billing.queries);
        }
        let (mut targets, mut adapters) = (vec![], vec![]);
        for (group, candidate) in std::mem::take(&mut candidates.good) {
            if let Some(target) = candidate.target {
                self.metrics.certificate_ends(&group, target.settings.certificate().map(|it| it.until));
                targets.push((group.clone(), target));
            }
            if let Some(serving) = candidate.adapter {
                let (description, digest) = (serving.adapter.description(), serving.adapter.digest());
                self.metrics.serves(&group, &description.name, &description.version, digest);
                // Before it begins anything.
                self.parts
                    .catalog
                    .shelve(&group, digest, &candidate.source.file, self.parts.workshop.world.now())
                    .await;
                adapters.push((group.clone(), serving));
            }
            sections.extend(candidate.section);
            candidates.outcomes.insert(group, Outcome::Swapped);
        }
        self.parts.targets.replace(targets);
        self.parts.catalog.replace(adapters);
        self.check_services(&sections);
        // A system may call there while it is asked to.
        self.parts.doors.take_notify(doors);
        self.parts.sections.take(sections).await;
        if let Some(Credentials { events, nsps, billing }) = credentials {
            self.parts.doors.take_credentials(&events, nsps);
            if !moves_billing {
                self.parts.session.take_user(&billing.login, &billing.credential).await;
            }
        }
    }

    /// A group that is new and no good is as it would be at a start: its events are taken, and wait.
    fn with_unserved(&self, to: &mut To, groups: &[GroupSettings], unserved: Vec<Unserved>) {
        let known = self.parts.sections.all();
        let refused = groups.iter().filter(|of| !to.doors.iter().any(|(good, _)| good == of.group()));
        let refused = refused.map(|of| Unserved { engine: of.engine.clone(), notify: None });
        let new = refused.chain(unserved).filter(|of| !known.contains_key(&of.engine.group));
        to.sections.extend(new.map(|of| of.engine));
    }

    /// Asks PortaBilling whether it knows what nobody reported before. Nothing waits for the answer.
    fn check_services(&self, sections: &[engine::GroupSettings]) {
        let reported = |of: &engine::GroupSettings| of.policy.reports.clone();
        let before: BTreeSet<Service> =
            self.parts.sections.all().values().flat_map(|of| reported(of)).collect();
        let new: BTreeSet<Service> =
            sections.iter().flat_map(reported).filter(|it| !before.contains(it)).collect();
        if !new.is_empty() {
            let services = self.parts.services.reporting(new);
            tokio::spawn(async move { services.check().await });
        }
    }
}

impl Reload {
    fn as_it_stands(&self) -> Running {
        self.running.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For whoever has the turn.
    async fn take_over(
        &self,
        _turn: &MutexGuard<'_, ()>,
        because: &str,
        wanted: &BTreeSet<Group>,
    ) -> Reloaded {
        let mut running = self.as_it_stands();
        let Read { mut groups, unserved, secrets, credentials, warnings, mut problems, in_effect } =
            read(&self.file).await;
        // Before anybody can say one of them.
        self.parts.workshop.secrets.learn(&secrets);
        let between = running.settings.between(&in_effect);
        if credentials.is_none() || between.moves_billing() {
            // What stands there for PortaBilling waits, and nobody can be promised it.
            let queries = Some(Arc::new(self.parts.queries.names()));
            groups.iter_mut().for_each(|group| group.queries.clone_from(&queries));
        }
        let unheard = self.hear(&groups).await;
        let mut candidates = self.candidates(&groups, &between, &Said { wanted, unheard }).await;
        self.offer(&groups, &mut candidates).await;
        problems.append(&mut candidates.problems);
        problems.sort();
        let good: Vec<_> = groups.iter().filter(|of| !candidates.is_refused(of.group())).collect();
        let door = |of: &&GroupSettings| (of.group().clone(), of.notify.as_ref().map(|it| it.auth.clone()));
        let taken_over = TakenOver {
            groups: good.iter().map(|of| of.group().0.clone()).collect(),
            credentials: credentials.is_some(),
        };
        let mut to = To {
            doors: good.iter().map(door).collect(),
            sections: Vec::new(),
            credentials,
            moves_billing: between.moves_billing(),
        };
        self.with_unserved(&mut to, &groups, unserved);
        self.swap(&mut candidates, to).await;
        let changed = running.settings.take(&in_effect, &taken_over);
        candidates.swapped(between::groups_in(&changed));
        let pins = self.look_at_pins(&groups).await;
        pins::tell_of(&pins, &mut candidates.outcomes);
        running.pins.clone_from(&pins);
        let changed = !changed.is_empty() || candidates.is_any_swapped();
        warn(&warnings, &groups, &candidates);
        let waits = match in_effect.is_empty() {
            true => running.last.waits.clone(),
            false => running.settings.between(&in_effect).waits(),
        };
        let told = Reloaded {
            generation: running.last.generation + u64::from(changed),
            at: self.parts.workshop.world.now(),
            because: because.to_owned(),
            groups: taken(&self.parts.catalog, &candidates),
            refused: problems.into_iter().map(|problem| refusal(problem, &self.file)).collect(),
            waits,
            pins,
        };
        self.keep(running, &told, changed);
        told
    }

    /// Where nothing is new, what was said of the last time stands.
    fn keep(&self, mut running: Running, told: &Reloaded, changed: bool) {
        let said = |of: &Reloaded| {
            let passed_over: Vec<_> =
                of.groups.iter().map(|(group, taken)| (group.clone(), taken.passes_over.clone())).collect();
            (of.refused.clone(), of.waits.clone(), of.pins.clone(), passed_over)
        };
        if changed || said(told) != said(&running.last) {
            tell(told);
            self.metrics.adapters.refused(told.refused.len());
            running.last = told.clone();
        }
        *self.running.write().unwrap_or_else(PoisonError::into_inner) = running;
    }
}

#[async_trait]
impl Reloads for Reload {
    async fn reload(&self, because: &str, wanted: &BTreeSet<Group>) -> Reloaded {
        self.take_over(&self.turn.lock().await, because, wanted).await
    }

    fn is_under_way(&self) -> bool {
        self.turn.try_lock().is_err()
    }

    async fn last(&self) -> Reloaded {
        self.as_it_stands().last
    }

    async fn runs_by(&self) -> RunsBy {
        self.compared().await
    }

    fn pins(&self) -> Vec<Pin> {
        self.as_it_stands().pins
    }

    async fn kept(&self) -> Vec<KeptOf> {
        self.all_kept().await
    }

    async fn kept_as(&self, group: &Group, begins: Option<&str>) -> Result<Digest, NotPinned> {
        self.meant(group, begins).await
    }

    async fn pin(&self, group: &Group, to: Option<Digest>) -> Result<Reloaded, NotPinned> {
        self.pin_to(group, to).await
    }
}

/// What lies on disk.
async fn read(file: &Path) -> Read {
    let (loaded, in_effect) = load(file).await;
    match loaded {
        Ok((settings, problems)) => {
            let Settings { groups, unserved, secrets, warnings, events, nsps, billing, .. } = settings;
            let credentials = Some(Credentials { events, nsps, billing });
            Read { groups, unserved, secrets, credentials, warnings, problems, in_effect }
        }
        Err(problems) => without_problems(problems, in_effect),
    }
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

/// Sections in which nothing is wrong are taken over beside one in which something is; of a file that is not what it
/// must be as a whole, nothing.
fn without_problems(problems: Problems, mut in_effect: InEffect) -> Read {
    let Problems { found, whole: mut groups, secrets, .. } = problems;
    let is_whole = !found.iter().any(is_of_the_whole_file);
    let means_names = !found.iter().any(leaves_open_what_names_mean);
    groups.retain(|group| {
        is_whole && means_names && !found.iter().any(|problem| config::concerns(problem, group.group()))
    });
    if !is_whole {
        in_effect.clear();
    }
    Read {
        groups,
        unserved: Vec::new(),
        secrets,
        credentials: None,
        warnings: Vec::new(),
        problems: found,
        in_effect,
    }
}

/// What was misspelt there, or is no good, may have been meant to say of an event's name what it means, to every group.
fn leaves_open_what_names_mean(problem: &Problem) -> bool {
    config::is_within(&problem.key, "events") || !problem.key.contains('.')
}

fn is_of_the_whole_file(problem: &Problem) -> bool {
    matches!(problem.code, Code::Syntax | Code::FileUnreadable)
}
