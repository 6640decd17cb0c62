//! Looks a journal through, to its last sealed value, and says what is wrong with it. Nothing is changed, and a
//! host may run meanwhile: what is seen is one moment.

use std::path::{Path, PathBuf};

use super::seal::Seal;
use super::sqlite::inspect;
use super::{OpenError, rotation};

/// Damage beyond this is counted, and not named.
const NAMED_MAX: usize = 1000;

/// What was found in a journal.
#[derive(Debug, Default)]
pub struct Report {
    pub database: PathBuf,
    pub bytes: u64,
    pub version: i64,
    /// The key with which it is sealed.
    pub key: Option<String>,
    /// How many rows each table has.
    pub rows: Vec<(String, u64)>,
    /// Sealed values that could be opened.
    pub opened: u64,
    pub damage: Vec<Damage>,
    /// Damage that is not named any more.
    pub unnamed: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub kind: Kind,
    pub place: String,
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The database itself: pages, indexes, constraints.
    File,
    /// A row that belongs to one that is not there.
    Reference,
    /// The key is not there, or is another one.
    Key,
    /// A sealed value that cannot be opened, or not understood.
    Value,
    /// Rows that contradict each other.
    Order,
}

impl Kind {
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Reference => "reference",
            Self::Key => "key",
            Self::Value => "value",
            Self::Order => "order",
        }
    }

    /// What still works, and what to do.
    pub const fn help(self) -> &'static str {
        match self {
            Self::File => {
                "a host may fail at any moment: stop it, and restore the newest backup that is sound"
            }
            Self::Reference | Self::Order => {
                "the lanes that are named may stand still or do a thing twice, the others work: restart or skip \
                 their operations, or restore a backup"
            }
            Self::Key => "without its key nothing can be read, and no host starts: bring the right key back",
            Self::Value => {
                "a host sets aside what cannot be read, and works with all the rest: look at the accounts by hand, \
                 or restore a backup"
            }
        }
    }
}

impl Report {
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }

    /// Whether a host can work with it all the same.
    pub fn is_usable(&self) -> bool {
        !self.damage.iter().any(|damage| matches!(damage.kind, Kind::File | Kind::Key))
    }

    pub fn damages(&self) -> u64 {
        self.damage.len() as u64 + self.unnamed
    }

    pub(super) fn add(&mut self, kind: Kind, place: impl Into<String>, why: impl Into<String>) {
        if self.damage.len() < NAMED_MAX {
            self.damage.push(Damage { kind, place: place.into(), why: why.into() });
        } else {
            self.unnamed += 1;
        }
    }
}

/// Looks through a journal whose key is in that file.
///
/// # Errors
/// When it cannot be looked at at all.
pub fn verify(database: &Path, key: &Path) -> Result<Report, OpenError> {
    let folder = database.parent().unwrap_or(Path::new("."));
    if !database.exists() {
        return Err(OpenError::NoJournal(folder.to_owned()));
    }
    if folder.join(rotation::NEXT_KEY).exists() {
        return Err(OpenError::HalfRotated(folder.to_owned()));
    }
    let mut report = Report { database: database.to_owned(), ..Report::default() };
    let seal = match Seal::read(key) {
        Ok(Some(seal)) => Some(seal),
        Ok(None) => {
            report.add(Kind::Key, key.display().to_string(), "it is not there");
            None
        }
        Err(error) => {
            report.add(Kind::Key, key.display().to_string(), error.to_string());
            None
        }
    };
    inspect::inspect(&mut report, key, seal.as_ref())?;
    Ok(report)
}
