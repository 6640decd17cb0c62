//! The database: its connections, and transactions over them that are run again when they were in each other's
//! way, or while PostgreSQL is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime,
};
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Failure, Passes};
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

/// How long a connection may take to be made, and to be free.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Whoever holds a transaction open and says nothing is gone: nobody waits longer for what it holds.
const SILENT_MAX: Duration = Duration::from_secs(10);
const STATEMENT_MAX: Duration = Duration::from_secs(30);
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
    pool: Pool,
    world: Arc<dyn World>,
    /// What the database's clock is ahead of ours, in milliseconds.
    ahead: AtomicI64,
    /// How many transactions it has begun for us.
    answered: AtomicU64,
    failed: CancellationToken,
}

impl Server {
    /// How each connection to it is made.
    pub(super) fn client(&self) -> tokio_postgres::Config {
        let mut client = (*self.client).clone();
        client
            .application_name("punchdown")
            .connect_timeout(CONNECT_MAX)
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(20))
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .ssl_mode(if self.tls.is_some() { SslMode::Require } else { SslMode::Disable });
        if let Some(password) = &self.password {
            client.password(password.expose());
        }
        client
    }

    pub(super) fn tls(&self) -> Result<Option<Tls>, String> {
        self.tls.as_ref().map(|authorities| Tls::new(authorities.0.as_deref())).transpose()
    }
}

impl Database {
    /// Nothing is connected yet.
    pub fn new(server: &Server, world: Arc<dyn World>) -> Result<Self, String> {
        let client = server.client();
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match server.tls()? {
            Some(tls) => Manager::from_config(client, tls, config),
            None => Manager::from_config(client, tokio_postgres::NoTls, config),
        };
        let pool = Pool::builder(manager)
            .max_size(server.connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_MAX))
            .create_timeout(Some(CONNECT_MAX))
            .recycle_timeout(Some(CONNECT_MAX))
            .post_create(Hook::async_fn(|client, _| Box::pin(prepare(client))))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            pool,
            world,
            ahead: AtomicI64::new(0),
            answered: AtomicU64::new(0),
            failed: CancellationToken::new(),
        })
    }

    /// Cancelled when nobody can say any more whether something was committed, or somebody else has the database.
    pub fn failed(&self) -> &CancellationToken {
        &self.failed
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
        let (began, mut again) = (Instant::now(), 0);
        loop {
            let failure = match self.attempt(&work).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            again += 1;
            match failure.passes() {
                Passes::AtOnce if again < AGAIN_MAX => {}
                Passes::Later if patience == Patience::Some && began.elapsed() < PATIENCE => {
                    tokio::time::sleep(PAUSE).await;
                }
                Passes::AtOnce | Passes::Later | Passes::Never => return Err(failure.into()),
            }
        }
    }

    async fn attempt<T, F>(&self, work: &impl Fn(Connection) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let on = self.connection().await?;
        let began = on.begin(NAMED).await?;
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.set_clock(began.get(1));
        match work(on.clone()).await {
            Ok(value) => self.commit(on, began.get(0), began.get(2)).await.map(|()| value),
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

    /// A commit whose answer did not come may stand, or not: PostgreSQL knows which, as soon as it can be asked.
    async fn commit(&self, on: Connection, id: &str, token: &str) -> Result<(), Failure> {
        let Err(failure) = on.end("COMMIT").await else { return Ok(()) };
        drop(on);
        // A server that panics says so of a commit that may stand on its disk.
        if failure.is_the_statements_own() {
            return Err(failure);
        }
        tracing::warn!(error = %failure, "a commit was not answered; PostgreSQL will be asked what became of it");
        match self.became(id, token).await {
            Some(true) => Ok(()),
            Some(false) => Err(failure),
            None => {
                tracing::error!(transaction = id, "nobody knows any more whether it was committed");
                self.failed.cancel();
                Err(failure)
            }
        }
    }

    /// Whether that transaction was committed. There is no end to this waiting: who gave up would have to guess.
    async fn became(&self, id: &str, token: &str) -> Option<bool> {
        loop {
            if let Ok(on) = self.connection().await {
                match on.one("SELECT pg_xact_status($1::text::xid8)", &[&id]).await {
                    Ok(row) => match row.get::<_, Option<&str>>(0) {
                        // A number that was lost with a crash is given again: what it wrote tells them apart.
                        Some("committed") => {
                            let written = "SELECT EXISTS (SELECT 1 FROM commit_mark WHERE token = $1)";
                            if let Ok(row) = on.one(written, &[&token]).await {
                                return Some(row.get(0));
                            }
                        }
                        Some("aborted") => return Some(false),
                        // Its connection is not known to be gone.
                        Some(_) => {}
                        None => return None,
                    },
                    // After a crash, or on a standby that took over, nobody has had that number yet.
                    Err(failure) if failure.is_of_the_future() => return Some(false),
                    Err(_) => {}
                }
            }
            tokio::time::sleep(PAUSE).await;
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
            // A connection that was cut while nobody used it is noticed by the first who does.
            if failure.passes() == Passes::Never || tried_again {
                return Err(failure.into());
            }
            tried_again = true;
        }
    }
}

/// What a transaction is known by, once its connection is no more; and what time it is there.
const NAMED: &str = "WITH mark AS (
        INSERT INTO commit_mark (slot, token, at)
        VALUES (current_setting('punchdown.slot'), gen_random_uuid()::text, now())
        ON CONFLICT (slot) DO UPDATE SET token = excluded.token, at = excluded.at RETURNING token
    )
    SELECT pg_current_xact_id()::text, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, token FROM mark";

impl Authorities {
    pub fn of_pem(pem: &str) -> Result<Self, String> {
        Tls::new(Some(pem)).map(|_| Self(Some(pem.into())))
    }
}

/// Each connection is as it must be, whatever the server's settings are, and become. A machine that was cut off is
/// noticed there as it would be here, and lets go of what it held.
async fn prepare(client: &mut ClientWrapper) -> Result<(), HookError> {
    let settings = format!(
        "SELECT set_config('synchronous_commit', 'on', false)
         WHERE current_setting('synchronous_commit') <> 'remote_apply';
         SET default_transaction_isolation = 'read committed';
         SET idle_in_transaction_session_timeout = {};
         SET statement_timeout = {};
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
         SET tcp_user_timeout = 20000;
         SELECT set_config('punchdown.slot', gen_random_uuid()::text, false);
         SET client_min_messages = warning",
        SILENT_MAX.as_millis(),
        STATEMENT_MAX.as_millis()
    );
    client.batch_execute(&settings).await.map_err(HookError::Backend)
}
