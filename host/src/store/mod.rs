//! Answers the port `Journal`: what is durable.
//!
//! One process owns one directory; a lock file says so. The tables are SQLite's in it
//! ([`sqlite`]), or PostgreSQL's elsewhere ([`postgres`]); what could hold subscriber data is deflated
//! and sealed before it gets there ([`seal`]), in a form that names its own version ([`rows`]). What the
//! engines share is what goes into a row ([`written`]) and what comes out of one ([`stored`]).

mod backup;
mod care;
mod deflate;
mod export;
mod exported;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod marks;
pub mod postgres;
mod restore;
mod rotation;
mod rows;
mod seal;
mod sealed;
mod sqlite;
mod stored;
mod tables;
mod tallied;
mod text;
mod verify;
mod written;

use std::fs::{File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use backup::{BackedUp, backup, key_beside};
pub use care::CareError;
pub use export::{Exported, export, import};
pub use postgres::PostgresJournal;
pub use restore::{Restored, Wish, restore};
pub use rotation::{Rotated, rotate_key, rotate_key_there};
pub use sqlite::SqliteJournal;
pub use sqlite::copy::Contents;
pub use sqlite::deciders::deciders;
pub use sqlite::shell;
pub use tables::Counts;
pub use verify::{Damage, Kind, Report, verify};

use self::seal::Seal;
use self::sqlite::copy::is_damage;
use crate::explain::Code;
use crate::ports::{Alone, Instances, Journal, JournalError, Library, World};

const DATABASE: &str = "journal.db";
const KEY: &str = "journal.key";

#[derive(Clone, Debug)]
pub struct Settings {
    /// Everything durable is in here: the database, its key, the lock. Of a journal on PostgreSQL what is this
    /// process's own: the lock, its marks, the components that it keeps.
    pub directory: PathBuf,
    pub postgres: Option<postgres::Settings>,
}

impl Settings {
    /// Of a journal that is all in a directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), postgres: None }
    }

    /// Where it is, for a person.
    pub fn place(&self) -> String {
        let directory = || self.directory.display().to_string();
        self.postgres.as_ref().map_or_else(directory, |postgres| postgres.name.clone())
    }

    pub fn database(&self) -> PathBuf {
        self.directory.join(DATABASE)
    }

    pub fn key(&self) -> PathBuf {
        self.directory.join(KEY)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot use the journal directory {path}: {source}")]
    Directory { path: PathBuf, source: std::io::Error },
    #[error(
        "another Punchdown runs on the journal directory {0}; stop it, or give this one a directory of its own"
    )]
    Locked(PathBuf),
    #[error("cannot use the journal's key {path}: {why}")]
    Key { path: PathBuf, why: String },
    #[error(
        "the journal {path} is of version {found}, this Punchdown knows {known}: run the version that wrote it, or a newer one"
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "the journal {path} is of version {found}, this Punchdown knows {known}: its next start brings it there"
    )]
    Older { path: PathBuf, found: i64, known: i64 },
    #[error(
        "SQLite {found} is linked, and versions before 3.51.3 can lose a commit: build with the bundled one"
    )]
    UnsafeSqlite { found: String },
    #[error("the journal {path} does not hold `{setting}`: it is {found}")]
    Setting { path: PathBuf, setting: &'static str, found: String },
    #[error(
        "the key of the journal {0} is being changed, and that was not finished: run `punchdown journal rotate-key` again, it goes on where it was"
    )]
    HalfRotated(PathBuf),
    #[error(
        "a backup is being brought back as the journal of {0}, and that was not finished: run `punchdown journal restore` again"
    )]
    HalfRestored(PathBuf),
    #[error("{0} holds no journal of Punchdown")]
    Foreign(PathBuf),
    #[error("there is no journal in {0}: its first start makes one, with a key")]
    NoJournal(PathBuf),
    #[error(
        "the journal {0} is gone or empty, though its key is here: bring it back from the backup, or move the whole folder away to begin with nothing"
    )]
    Emptied(PathBuf),
    #[error("cannot open the journal {path}: {source}")]
    Sqlite { path: PathBuf, source: rusqlite::Error },
    #[error(transparent)]
    Postgres(#[from] postgres::Refusal),
}

impl OpenError {
    pub fn code(&self) -> Code {
        match self {
            Self::Locked(_) => Code::JournalLocked,
            Self::Key { .. } | Self::HalfRotated(_) => Code::JournalKey,
            Self::Newer { .. } => Code::JournalNewer,
            Self::HalfRestored(_) => Code::JournalThere,
            Self::Postgres(refusal) => refusal.code(),
            Self::Sqlite { source, .. } if is_damage(source) => Code::JournalDamaged,
            Self::Directory { .. }
            | Self::Older { .. }
            | Self::Foreign(_)
            | Self::NoJournal(_)
            | Self::Emptied(_)
            | Self::UnsafeSqlite { .. }
            | Self::Setting { .. }
            | Self::Sqlite { .. } => Code::JournalUnusable,
        }
    }

    /// How to go on, where the sentence does not say it.
    pub fn help(&self) -> Option<String> {
        let damaged = "`punchdown journal verify` says what is wrong with it, `punchdown journal restore` brings a backup back";
        (self.code() == Code::JournalDamaged).then(|| damaged.to_owned())
    }
}

/// A journal that is open, whichever its engine.
pub struct Opened {
    pub journal: Box<dyn Journal>,
    /// Who else works on it.
    pub instances: Arc<dyn Instances>,
    /// The components that all of them have; `None`: they lie in the journal's directory, for this one alone.
    pub library: Option<Arc<dyn Library>>,
    /// Cancelled when it cannot go on: the process must end.
    pub failed: CancellationToken,
}

/// Opens the journal, where it is meant to be.
///
/// # Errors
/// As [`open`], or when the database cannot be used.
pub async fn begin(settings: &Settings, world: Arc<dyn World>) -> Result<Opened, OpenError> {
    let Some(postgres) = &settings.postgres else {
        let journal = open(settings)?;
        return Ok(Opened {
            failed: journal.failed(),
            journal: Box::new(journal),
            instances: Arc::new(Alone),
            library: None,
        });
    };
    let directory = &settings.directory;
    make(directory).map_err(|source| OpenError::Directory { path: directory.clone(), source })?;
    let lock = lock(directory)?;
    let journal = PostgresJournal::open(postgres, directory, world, lock).await?;
    let (instances, library) = (Arc::new(journal.instances()), Arc::new(journal.components()));
    Ok(Opened { failed: journal.failed(), journal: Box::new(journal), instances, library: Some(library) })
}

/// Opens the journal of a directory, making it when there is none.
///
/// # Errors
/// When another process has it, when it cannot be as safe as it must be, or when it was written
/// by a newer version. Nothing is changed then.
pub fn open(settings: &Settings) -> Result<SqliteJournal, OpenError> {
    let directory = &settings.directory;
    let unusable = |source| OpenError::Directory { path: directory.clone(), source };
    make(directory).map_err(unusable)?;
    let lock = lock(directory)?;
    let (database, key) = (settings.database(), settings.key());
    if directory.join(restore::RESTORED).exists() {
        return Err(OpenError::HalfRestored(directory.clone()));
    }
    if directory.join(rotation::NEXT_KEY).exists() {
        return Err(OpenError::HalfRotated(directory.clone()));
    }
    // The key has its name only once there is a journal, so that one that was lost is not taken for one that
    // never was.
    let is_there = std::fs::metadata(&database).is_ok_and(|file| file.len() > 0);
    let unwritten = |error: std::io::Error| OpenError::Key { path: key.clone(), why: error.to_string() };
    let seal = match (key.exists(), is_there) {
        (true, true) => return SqliteJournal::open(&database, Seal::from_file(&key)?, lock),
        (true, false) => return Err(OpenError::Emptied(database)),
        // The first start was stopped before its end.
        (false, true) if seal::unnamed(&key).exists() => Seal::from_file(&seal::unnamed(&key))?,
        (false, true) => {
            let why = "it is missing, and the journal is sealed with it: bring it back".to_owned();
            return Err(OpenError::Key { path: key, why });
        }
        (false, false) => seal::write_key(&key).map_err(unwritten)?,
    };
    let journal = SqliteJournal::open(&database, seal, lock)?;
    seal::name_key(&key).map_err(unwritten)?;
    Ok(journal)
}

/// What is made is synced into what stands above it, or a power cut could take it away with all that is in it.
fn make(directory: &Path) -> std::io::Result<()> {
    let missing: Vec<&Path> = directory.ancestors().take_while(|path| !path.exists()).collect();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    missing.into_iter().try_for_each(seal::sync_folder_of)
}

/// That this process alone uses a directory. The kernel lets go of it however the process ends.
struct Lock(File);

impl Drop for Lock {
    /// To close the file is not enough: whoever is being forked at this moment has it open, too.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn lock(directory: &Path) -> Result<Lock, OpenError> {
    let path = directory.join("punchdown.lock");
    let unusable = |source| OpenError::Directory { path: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// For each of several whom the same befell.
fn copied(error: &JournalError) -> JournalError {
    match error {
        JournalError::Busy => JournalError::Busy,
        JournalError::Full => JournalError::Full,
        JournalError::Failed(why) => JournalError::Failed(why.clone()),
        other => JournalError::Failed(other.to_string()),
    }
}
