//! What can go wrong when a journal is copied or brought back.

use std::io;
use std::path::{Path, PathBuf};

use super::{OpenError, Report};
use crate::explain::Code;

#[derive(Debug, thiserror::Error)]
pub enum CareError {
    #[error(transparent)]
    Journal(#[from] OpenError),
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("{0} is there already, and nothing is written over")]
    There(PathBuf),
    #[error("a journal stands in {0} already")]
    Occupied(PathBuf),
    #[error("{0} holds a journal already, and nothing is written over")]
    Holds(String),
    #[error("{path} is no whole export of a journal: {why}")]
    NoExport { path: PathBuf, why: String },
    #[error("{from} is sealed with the key {wanted}, and {instead}")]
    OtherKey { from: PathBuf, wanted: String, instead: String },
    #[error("{there} is the key {found}, and {from} is sealed with the key {wanted}: no key is written over")]
    KeyThere { there: PathBuf, found: String, from: PathBuf, wanted: String },
    #[error("{} is damaged in {} places; the first: {}", .0.database.display(), .0.damages(), first(.0))]
    Damaged(Box<Report>),
}

fn first(report: &Report) -> String {
    report.damage.first().map_or_else(String::new, |damage| format!("{}: {}", damage.place, damage.why))
}

impl CareError {
    pub fn code(&self) -> Code {
        match self {
            Self::Journal(error) => error.code(),
            Self::Read { .. } | Self::Write { .. } | Self::There(_) => Code::FileOfCommand,
            Self::Occupied(_) | Self::Holds(_) => Code::JournalThere,
            Self::OtherKey { .. } | Self::KeyThere { .. } => Code::JournalKey,
            Self::Damaged(_) | Self::NoExport { .. } => Code::JournalDamaged,
        }
    }

    /// How to go on.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Journal(error) => error.help(),
            Self::Read { .. } | Self::Write { .. } => None,
            Self::There(_) => Some("name another place, or move it away".to_owned()),
            Self::Occupied(_) => Some("--move-aside puts it into a folder of its own there".to_owned()),
            Self::Holds(_) => Some("an export goes into a database that is empty, or into a directory without a journal".to_owned()),
            Self::NoExport { .. } => Some("export the journal again, and see that all of the file arrives".to_owned()),
            Self::OtherKey { .. } => Some(
                "the key goes along: `base64 -w0 journal.key` is that of a directory as `journal.postgres.key` has it, and \
                 `base64 -d` makes the file again, for --key"
                    .to_owned(),
            ),
            Self::KeyThere { .. } => Some(
                "import into another directory; or keep that key in a safe place, as long as anything is left that it has sealed, \
                 and move it away"
                    .to_owned(),
            ),
            Self::Damaged(report) => Some(match report.is_usable() {
                true => "take an older backup, or --accept-damage: a host works with all that can be read"
                    .to_owned(),
                false => "take an older backup; `punchdown journal verify` names all of it".to_owned(),
            }),
        }
    }

    pub(super) fn write(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Write { path: path.clone(), source }
    }
}
