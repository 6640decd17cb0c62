//! What the operator wrote, made complete.
//!
//! A file is read key by key ([`reader`]), so that all that is wrong with it is found at once,
//! each with its place; then it is resolved to what is meant ([`sections`] and what they name). After
//! that nobody asks whether a setting is there.

mod durations;
mod events;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod groups;
mod journal;
mod json;
mod listeners;
mod notify;
mod nsps;
mod parts;
mod portabilling;
mod queries;
mod reader;
mod schema;
mod secrets;
mod sections;
mod shapes;
mod sight;
mod target;
mod tls;
mod values;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::{Group, Json};
use crate::explain::Code;
use crate::http::{AdminToken, EventSettings, ListenerSettings, NotifyAuth, NspsSettings};
use crate::secret::Vault;
use crate::web::Rate;
use crate::{billing, engine, espf, outbound, store, wasm};

pub use parts::{Door, door, journal};
pub use reader::{InEffect, Known, Meant, Setting};
pub use schema::schema;
pub use sight::Sight;

pub use crate::ports::is_within;

/// All that a running host must know. Nothing in it is optional that the host needs.
#[derive(Debug)]
pub struct Settings {
    pub billing: billing::Settings,
    pub espf: espf::Settings,
    pub events: EventSettings,
    /// Of the door for NSPS, where there is one.
    pub nsps: Option<NspsSettings>,
    pub public: ListenerSettings,
    /// Of the notification doors, when they are not at the events listener.
    pub notifications: Option<ListenerSettings>,
    pub admin: ListenerSettings,
    pub admin_tokens: Vec<AdminToken>,
    pub store: store::Settings,
    /// How long the journal keeps what ended.
    pub retention: engine::Retention,
    /// Accounts that a resync reads in a time.
    pub resync: Rate,
    pub log_filter: String,
    /// All that the file names: what is struck wherever it is said.
    pub secrets: Vault,
    pub groups: Vec<GroupSettings>,
    /// Groups that nothing can provision, as long as their sections are not mended.
    pub unserved: Vec<Unserved>,
    /// Those that it names and that were read with it: secrets and certificates.
    pub files: Vec<PathBuf>,
    /// Each value by itself.
    pub in_effect: InEffect,
    /// What would run, and is not as it should be.
    pub warnings: Vec<Problem>,
}

impl Settings {
    /// All whose events are taken.
    pub fn every_group(&self) -> impl Iterator<Item = &engine::GroupSettings> {
        let unserved = self.unserved.iter().map(|unserved| &unserved.engine);
        self.groups.iter().map(|group| &group.engine).chain(unserved)
    }
}

/// One `[groups.<name>]` section.
#[derive(Clone, Debug)]
pub struct GroupSettings {
    pub engine: engine::GroupSettings,
    pub adapter: PathBuf,
    /// The folder of the golden cases that it is to hold.
    pub cases: PathBuf,
    pub limits: wasm::Limits,
    pub target: outbound::Settings,
    pub notify: Option<Notify>,
    /// The adapter's own configuration.
    pub config: Json,
    /// Where that stands, for what the adapter says of it.
    pub place: Place,
    /// The documents that PortaBilling can be asked for; `None`: that stands nowhere as it must.
    pub queries: Option<Arc<BTreeSet<String>>>,
}

impl GroupSettings {
    pub fn group(&self) -> &Group {
        &self.engine.group
    }
}

/// A group of which no more is known than what takes its events and notifications.
#[derive(Clone, Debug)]
pub struct Unserved {
    pub engine: engine::GroupSettings,
    /// Where that is good itself.
    pub notify: Option<Notify>,
}

#[derive(Clone, Debug)]
pub struct Notify {
    pub at: Option<String>,
    /// The group is to be registered there with its system.
    pub register: bool,
    pub auth: NotifyAuth,
}

/// A place in the configuration file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// One thing that is wrong with a configuration, or not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub place: Place,
    /// `groups.HSS.target.url`
    pub key: String,
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    pub code: Code,
}

impl Problem {
    /// What would run, and is not as it should be.
    pub fn log(&self) {
        let Self { place, key, message, code, .. } = self;
        let (at, code) = (format!("{}:{}", place.line, place.column), code.number());
        tracing::warn!(key, at, code, why = message, "a setting is not as it should be");
    }

    /// As a person reads it.
    pub fn tell(&self, file: &Path) -> String {
        let Place { line, column } = self.place;
        let place = format!("--> {}:{line}:{column}  {}", file.display(), self.key).trim_end().to_owned();
        let help = self.help.as_ref().map(|help| format!("= help: {help}"));
        self.code.tell(&self.message, &[Some(place), help].into_iter().flatten().collect::<Vec<_>>())
    }
}

/// All that is wrong with a configuration.
#[derive(Debug)]
pub struct Problems {
    pub file: PathBuf,
    pub found: Vec<Problem>,
    /// Groups that are good in themselves: their adapters may have something to say, too.
    pub whole: Vec<GroupSettings>,
    /// What no adapter may say of the file when it is asked.
    pub secrets: Vault,
    /// Files that it names and that were read with it, or could not be.
    pub files: Vec<PathBuf>,
}

impl Problems {
    /// Of a file in which nothing else was found.
    pub fn of(file: &Path, found: Vec<Problem>) -> Self {
        let (whole, secrets, files) = (Vec::new(), Vault::default(), Vec::new());
        Self { file: file.to_owned(), found, whole, secrets, files }
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.found.len();
        let s = if count == 1 { "" } else { "s" };
        writeln!(f, "{count} problem{s} in the configuration {}", self.file.display())?;
        for problem in &self.found {
            write!(f, "\n{}", problem.tell(&self.file))?;
        }
        Ok(())
    }
}

/// Reads and resolves a configuration file.
///
/// # Errors
/// All problems at once, in the order of the file.
pub fn load(file: &Path) -> Result<Settings, Problems> {
    let (settings, found) = load_what_is_good(file)?;
    if found.is_empty() {
        return Ok(settings);
    }
    let Settings { groups: whole, secrets, files, .. } = settings;
    Err(Problems { file: file.to_owned(), found, whole, secrets, files })
}

/// The same of a file in which only groups are not as they must be: they are unserved, and what is wrong with them is
/// told beside.
///
/// # Errors
/// All problems at once, when one of them is of no group alone, or leaves open which events a group takes.
pub fn load_what_is_good(file: &Path) -> Result<Good, Problems> {
    resolve(file).0
}

/// The same, and what is in effect by the file as far as it could be read.
pub fn load_in_effect(file: &Path) -> (Result<Good, Problems>, InEffect) {
    let (settings, _, in_effect) = resolve(file);
    (settings, in_effect)
}

/// The keys that a file of this shape may have, with their defaults.
pub fn known_keys(file: &Path) -> Vec<Known> {
    resolve(file).1
}

/// The text of a configuration file.
fn source(file: &Path) -> Result<String, Problems> {
    std::fs::read_to_string(file).map_err(|error| {
        let problem = Problem {
            place: Place::default(),
            key: String::new(),
            message: format!("cannot read it: {error}"),
            help: Some("name the file with --config".to_owned()),
            code: Code::FileUnreadable,
        };
        Problems::of(file, vec![problem])
    })
}

/// What can run, and what is wrong with groups.
pub type Good = (Settings, Vec<Problem>);

fn resolve(file: &Path) -> (Result<Good, Problems>, Vec<Known>, InEffect) {
    let source = match source(file) {
        Ok(source) => source,
        Err(problems) => return (Err(problems), Vec::new(), InEffect::new()),
    };
    let directory = file.parent().unwrap_or(Path::new("."));
    let mut groups = groups::Read::default();
    let read = reader::read(&source, |root| sections::root(root, directory, &mut groups));
    let secrets = Vault::new(read.secrets);
    match read.value {
        Some(settings) if concern_groups_alone(&read.problems, &settings) => {
            let billing = billing::Settings { secrets: secrets.clone(), ..settings.billing };
            let (warnings, files, in_effect) = (read.warnings, read.files, read.in_effect.clone());
            let settings = Settings { warnings, files, in_effect, secrets, billing, ..settings };
            let good = (without_the_faulty(settings, &read.problems), read.problems);
            (Ok(good), read.known, read.in_effect)
        }
        Some(_) | None => {
            let (file, found, whole) = (file.to_owned(), read.problems, groups.whole);
            let problems = Problems { file, found, whole, secrets, files: read.files };
            (Err(problems), read.known, read.in_effect)
        }
    }
}

/// Whether something is wrong with the section of a group.
pub fn concerns(problem: &Problem, group: &Group) -> bool {
    is_within(&problem.key, &format!("groups.{group}"))
}

fn concern_groups_alone(problems: &[Problem], settings: &Settings) -> bool {
    let is_of = |problem: &Problem, group: &Group| {
        // It may have been meant for what an operation is laid down with.
        let is_misspelt = problem.code == Code::UnknownKey
            && problem.key.matches('.').count() == format!("groups.{group}.").matches('.').count();
        concerns(problem, group) && !is_misspelt
    };
    problems.iter().all(|problem| settings.every_group().any(|known| is_of(problem, &known.group)))
}

/// What was read with a default in place of something wrong is not what is meant.
fn without_the_faulty(mut settings: Settings, problems: &[Problem]) -> Settings {
    let is_whole = |group: &GroupSettings| !problems.iter().any(|problem| concerns(problem, group.group()));
    let (whole, faulty) = settings.groups.into_iter().partition(is_whole);
    let faulty: Vec<GroupSettings> = faulty;
    let faulty = faulty.into_iter().map(|group| Unserved { engine: group.engine, notify: group.notify });
    settings.unserved.extend(faulty);
    // A door of which something is not understood may be more open than it was meant to be.
    for Unserved { engine, notify } in &mut settings.unserved {
        let door = Group(format!("{}.notify", engine.group));
        if problems.iter().any(|problem| concerns(problem, &door)) {
            *notify = None;
        }
    }
    Settings { groups: whole, ..settings }
}

#[cfg(test)]
mod tests;
