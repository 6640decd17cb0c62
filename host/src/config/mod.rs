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
mod target;
mod tls;
mod values;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::domain::{Group, Json};
use crate::explain::Code;
use crate::http::{AdminToken, EventSettings, ListenerSettings, NotifyAuth, NspsSettings};
use crate::secret::Vault;
use crate::web::Rate;
use crate::{billing, engine, espf, outbound, store, wasm};

pub use parts::{Door, door, journal};
pub use reader::Known;
pub use schema::schema;

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
    /// What would run, and is not as it should be.
    pub warnings: Vec<Problem>,
}

/// One `[groups.<name>]` section.
#[derive(Clone, Debug)]
pub struct GroupSettings {
    pub engine: engine::GroupSettings,
    pub adapter: PathBuf,
    pub limits: wasm::Limits,
    pub target: outbound::Settings,
    pub notify: Option<Notify>,
    /// The adapter's own configuration.
    pub config: Json,
    /// Where that stands, for what the adapter says of it.
    pub place: Place,
}

impl GroupSettings {
    pub fn group(&self) -> &Group {
        &self.engine.group
    }
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
    resolve(file).0
}

/// The keys that a file of this shape may have, with their defaults.
pub fn known_keys(file: &Path) -> Vec<Known> {
    resolve(file).1
}

/// The text of a configuration file.
fn source(file: &Path) -> Result<String, Problems> {
    std::fs::read_to_string(file).map_err(|error| Problems {
        file: file.to_owned(),
        found: vec![Problem {
            place: Place::default(),
            key: String::new(),
            message: format!("cannot read it: {error}"),
            help: Some("name the file with --config".to_owned()),
            code: Code::FileUnreadable,
        }],
        whole: Vec::new(),
        secrets: Vault::default(),
    })
}

fn resolve(file: &Path) -> (Result<Settings, Problems>, Vec<Known>) {
    let failed =
        |found: Vec<Problem>, whole, secrets| Problems { file: file.to_owned(), found, whole, secrets };
    let source = match source(file) {
        Ok(source) => source,
        Err(problems) => return (Err(problems), Vec::new()),
    };
    let directory = file.parent().unwrap_or(Path::new("."));
    let mut whole = Vec::new();
    let read = reader::read(&source, |root| sections::root(root, directory, &mut whole));
    let secrets = Vault::new(read.secrets);
    match read.value {
        Some(settings) if read.problems.is_empty() => {
            let billing = billing::Settings { secrets: secrets.clone(), ..settings.billing };
            (Ok(Settings { warnings: read.warnings, secrets, billing, ..settings }), read.known)
        }
        Some(_) | None => (Err(failed(read.problems, whole, secrets)), read.known),
    }
}

#[cfg(test)]
mod tests;
