//! The database: its connections, and transactions over them that are run again when they were in each other's
//! way, or while PostgreSQL is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_util::sync::CancellationToken;

use super::commits::{Aside, Begun, Commits};
use super::connection::{Connection, Failure, Passes};
use super::reach::{CONNECT_MAX, Reach};
use super::tls::Tls;
use crate::domain::Timestamp;
use crate::ports::{JournalError, World};
use crate::secret::Secret;

/// Where the database is, and how it is spoken with.
#[derive(Clone, Debug)]
pub struct Server {
    /// Without the password.
    pub client: Box<tokio_postgres::Config>,
    pub password: Option<Secret>,
    /// `None`: in the clear.
    pub tls: Option<Authorities>,
    pub connections: usize,
}

/// Whose certificates are believed: these authorities', in PEM, or, when none are named, the system's.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Option<Arc<str>>);

/// Whoever holds a transaction open and says nothing is gone: nobody waits longer for what it holds.
pub const SILENT_MAX: Duration = Duration::from_secs(10);
pub const STATEMENT_MAX: Duration = Duration::from_secs(30);
/// So long what is under way waits for PostgreSQL to come back. A lease may be another's by then.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(250);
/// After so many times in each other's way, one waits like everybody.
const AGAIN_MAX: u32 = 20;
/// The clocks may be so far apart and count as one: each look at the other one is late by a little.
const APART_MIN_MS: i64 = 2_000;

/// Who waits for PostgreSQL while it is away.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// The doors: whoever stands there comes again.
    None,
    /// What is under way is not thrown away.
    Some,
}

pub struct Database {
    reach: Reach,
    pool: Pool,
    commits: Commits,
    world: Arc<dyn World>,
    /// What the database's clock is ahead of ours, in milliseconds.
    ahead: AtomicI64,
    /// How many transactions it has begun for us.
    answered: AtomicU64,
}

impl Database {
    /// Nothing is connected yet.
    pub fn new(server: &Server, world: Arc<dyn World>) -> Result<Self, String> {
        let reach = Reach::of(server)?;
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect((*server.client).clone(), reach.clone(), config);
        let pool = Pool::builder(manager)
            .max_size(server.connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_MAX))
            .create_timeout(Some(CONNECT_MAX))
            .recycle_timeout(Some(CONNECT_MAX))
            .build()
            .map_err(|error| error.to_string())?;
        let (aside, failed) = (Aside::new(reach.clone()), CancellationToken::new());
        let commits = Commits { pool: pool.clone(), aside, failed };
        Ok(Self { reach, pool, commits, world, ahead: AtomicI64::new(0), answered: AtomicU64::new(0) })
    }

    /// What makes its connections, for one that is not of the journal's.
    pub fn reach(&self) -> Reach {
        self.reach.clone()
    }

    /// Cancelled when nobody can say any more whether something was committed, or somebody else has the database.
    pub fn failed(&self) -> &CancellationToken {
        &self.commits.failed
    }

    /// An answer over a connection that one keeps, of somebody there who may let one wait.
    pub async fn heard<T>(
        &self,
        backend: i32,
        on: &Connection,
        answer: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let heard = self.commits.aside.heard(backend, on, answer).await;
        heard.inspect_err(|failure| self.commits.note(failure))
    }

    /// It grows as long as it can be reached by anybody here.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub async fn connection(&self) -> Result<Connection, Failure> {
        Ok(Connection::new(self.pool.get().await?))
    }

    /// A moment of ours by the database's clock: leases are held against that one alone.
    pub fn there(&self, at: Timestamp) -> i64 {
        at.millis().saturating_add(self.ahead.load(Ordering::Relaxed))
    }

    /// Runs `work` in a transaction; `Ok` means that it is committed. It may run more than once, each time over what
    /// stands there then.
    pub async fn write<T, F>(
        &self,
        patience: Patience,
        work: impl Fn(Connection) -> F,
    ) -> Result<T, JournalError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        Ok(self.write_or_fail(patience, work).await?)
    }

    /// The same, with why it failed.
    pub async fn write_or_fail<T, F>(
        &self,
        patience: Patience,
        work: impl Fn(Connection) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let (began, mut again) = (Instant::now(), 0);
        loop {
            let failure = match self.attempt(&work).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            again += 1;
            self.commits.note(&failure);
            match failure.passes() {
                Passes::AtOnce if again < AGAIN_MAX => {}
                Passes::Later if patience == Patience::Some && began.elapsed() < PATIENCE => {
                    tokio::time::sleep(PAUSE).await;
                }
                Passes::AtOnce | Passes::Later | Passes::Never => return Err(failure),
            }
        }
    }

    async fn attempt<T, F>(&self, work: &impl Fn(Connection) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let on = self.connection().await?;
        let begun = Begun::on(&on).await?;
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.set_clock(begun.at);
        match work(on.clone()).await {
            Ok(value) => self.commits.commit(on, begun).await.map(|()| value),
            Err(failure) => {
                // Where it is away nobody waits for that: the connection is given back, or closed, behind us.
                if failure.passes() != Passes::Later {
                    let _ = on.end("ROLLBACK").await;
                }
                Err(failure)
            }
        }
    }

    fn set_clock(&self, theirs: i64) {
        let ahead = theirs.saturating_sub(self.world.now().millis());
        if ahead.abs_diff(self.ahead.load(Ordering::Relaxed)) > APART_MIN_MS.unsigned_abs() {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
    }

    /// Runs what only looks. Each statement sees what stands at its moment.
    pub async fn read<T, F>(&self, work: impl Fn(Connection) -> F) -> Result<T, JournalError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut tried_again = false;
        loop {
            let failure = match self.connection().await {
                Ok(on) => match work(on).await {
                    Ok(value) => return Ok(value),
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            self.commits.note(&failure);
            // A connection that was cut while nobody used it is noticed by the first who does.
            if failure.passes() == Passes::Never || tried_again {
                return Err(failure.into());
            }
            tried_again = true;
        }
    }
}

impl Authorities {
    pub fn of_pem(pem: &str) -> Result<Self, String> {
        Tls::new(Some(pem)).map(|_| Self(Some(pem.into())))
    }

    pub fn pem(&self) -> Option<&str> {
        self.0.as_deref()
    }
}
