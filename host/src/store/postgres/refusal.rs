//! Why a database cannot be the journal.

use std::path::PathBuf;

use crate::explain::Code;

#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("the journal's database {server} cannot be reached: {why}")]
    Unreachable { server: String, why: String },
    #[error(
        "the journal's database {server} is PostgreSQL {found}, and versions before 13 cannot say what became of a commit"
    )]
    TooOld { server: String, found: String },
    #[error("the journal's database {server} does not hold `{setting} = {wanted}`: it is {found}")]
    Setting { server: String, setting: &'static str, wanted: &'static str, found: String },
    #[error(
        "the journal of {server} is of version {found}, this Punchdown knows {known}: run the version that wrote it, or a newer one"
    )]
    Newer { server: String, found: i64, known: i64 },
    #[error(
        "the journal of {server} is of version {found}, this Punchdown knows {known}, and others work on it: stop them all, then start this one"
    )]
    Older { server: String, found: i64, known: i64 },
    #[error(
        "the journal of {server} was sealed with the key {stored}, this one is {given}: bring the right one back (`journal.postgres.key`)"
    )]
    Key { server: String, stored: String, given: String },
    #[error(
        "another Punchdown runs on the journal of {server}; stop it, give this one a database of its own, or have both say `journal.postgres.several = true`"
    )]
    Taken { server: String },
    #[error("cannot use {path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("cannot use the journal's database {server}: {why}")]
    Unusable { server: String, why: String },
}

impl Refusal {
    pub fn code(&self) -> Code {
        match self {
            Self::Unreachable { .. } => Code::JournalUnreachable,
            Self::TooOld { .. } | Self::Setting { .. } => Code::JournalUnsafe,
            Self::Newer { .. } => Code::JournalNewer,
            Self::Key { .. } => Code::JournalKey,
            Self::Taken { .. } | Self::Older { .. } => Code::JournalLocked,
            Self::File { .. } | Self::Unusable { .. } => Code::JournalUnusable,
        }
    }
}
