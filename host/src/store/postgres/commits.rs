//! What became of a commit: whoever does not hear it asks, and never guesses.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::sync::Mutex;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::connection::{Connection, Failure};
use super::reach::{CONNECT_MAX, Reach};
use crate::crash::how_it_ended;
use crate::ports::JournalError;

const PAUSE: Duration = Duration::from_millis(250);
/// After so long somebody looks whether an answer can come at all.
const UNHEARD: Duration = Duration::from_secs(5);

/// What a transaction is known by, once its connection is no more; what time it is there; and who serves it.
const NAMED: &str = "WITH mark AS (
        INSERT INTO commit_mark (slot, token, at)
        VALUES (current_setting('punchdown.slot'), gen_random_uuid()::text, now())
        ON CONFLICT (slot) DO UPDATE SET token = excluded.token, at = excluded.at RETURNING token
    )
    SELECT pg_current_xact_id()::text, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, token, pg_backend_pid()
    FROM mark";

/// A transaction that has begun.
pub struct Begun {
    id: String,
    token: String,
    backend: i32,
    /// The database's clock, in milliseconds.
    pub at: i64,
}

impl Begun {
    pub async fn on(on: &Connection) -> Result<Self, Failure> {
        let row: Row = on.begin(NAMED).await?;
        Ok(Self { id: row.get(0), at: row.get(1), token: row.get(2), backend: row.get(3) })
    }
}

/// Brings commits to their end.
#[derive(Clone)]
pub struct Commits {
    pub pool: Pool,
    pub aside: Aside,
    /// Cancelled when nobody can say any more whether something was committed.
    pub failed: CancellationToken,
}

impl Commits {
    /// Whoever waits for it may go away. It is brought to its end all the same: until that is known its connection is
    /// one of those that may be in use.
    pub async fn commit(&self, on: Connection, begun: Begun) -> Result<(), Failure> {
        let this = self.clone();
        let ended = tokio::spawn(async move { this.to_its_end(on, &begun).await }).await;
        ended.unwrap_or_else(|error| Err(JournalError::Failed(how_it_ended(&error).to_owned()).into()))
    }

    /// One that is not heard is seldom the only one. Those that lie idle are made anew.
    pub fn note(&self, failure: &Failure) {
        if matches!(failure, Failure::Unheard) {
            drop(self.pool.retain(|_, _| false));
        }
    }

    /// A commit whose answer did not come may stand, or not: PostgreSQL knows which, as soon as it can be asked.
    async fn to_its_end(&self, on: Connection, begun: &Begun) -> Result<(), Failure> {
        let ended = self.aside.heard(begun.backend, &on, on.end("COMMIT")).await;
        drop(on);
        let Err(failure) = ended else { return Ok(()) };
        self.note(&failure);
        // A server that panics says so of a commit that may stand on its disk.
        if failure.is_the_statements_own() {
            return Err(failure);
        }
        tracing::warn!(error = %failure, "a commit was not answered; PostgreSQL will be asked what became of it");
        match self.became(begun).await {
            Became::Committed => Ok(()),
            Became::Nothing => Err(failure),
            Became::Unknown => {
                tracing::error!(transaction = begun.id, "nobody knows any more whether it was committed");
                self.failed.cancel();
                Err(failure)
            }
        }
    }

    /// There is no end to this waiting: who gave up would have to guess.
    async fn became(&self, begun: &Begun) -> Became {
        loop {
            if let Ok(Some(became)) = self.asked(begun).await {
                return became;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// `None`: it has not ended yet.
    async fn asked(&self, begun: &Begun) -> Result<Option<Became>, Failure> {
        let on = Connection::new(self.pool.get().await?);
        let asks = Begun::on(&on).await?;
        let status = on.one("SELECT pg_xact_status($1::text::xid8)", &[&begun.id]).await;
        let status = match status {
            Ok(row) => row.get::<_, Option<String>>(0),
            // After a crash, or on a standby that took over, nobody has had that number yet.
            Err(failure) if failure.is_of_the_future() => return Ok(Some(Became::Nothing)),
            Err(failure) => return Err(failure),
        };
        match status.as_deref() {
            Some("committed") => {
                // A number that was lost with a crash is given again: what it wrote tells them apart.
                let written = "SELECT EXISTS (SELECT 1 FROM commit_mark WHERE token = $1)";
                if !on.one(written, &[&begun.token]).await?.get::<_, bool>(0) {
                    return Ok(Some(Became::Nothing));
                }
                // One that waited for its standby, and whose connection ended, stands on one machine alone, it may be.
                // What is committed after it is answered when both have both.
                self.aside.heard(asks.backend, &on, on.end("COMMIT")).await.map(|()| Some(Became::Committed))
            }
            Some("aborted") => Ok(Some(Became::Nothing)),
            // Its connection is not known to be gone.
            Some(_) => Ok(None),
            None => Ok(Some(Became::Unknown)),
        }
    }
}

enum Became {
    Committed,
    Nothing,
    Unknown,
}

/// Asks over a connection of its own whether anybody there still serves another one. A commit may wait for a standby for
/// hours; a connection over which nothing comes any more, though nobody has closed it, looks the same from here.
#[derive(Clone)]
pub struct Aside {
    reach: Reach,
    /// One asks at a time: it is a connection more than is said.
    turn: Arc<Mutex<()>>,
}

impl Aside {
    pub fn new(reach: Reach) -> Self {
        Self { reach, turn: Arc::default() }
    }

    /// The answer, or that none will come: then the connection is closed.
    pub async fn heard<T>(
        &self,
        backend: i32,
        on: &Connection,
        answer: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            answer = answer => answer,
            () = self.until_it_serves_no_more(backend) => Err(on.unheard()),
        }
    }

    async fn until_it_serves_no_more(&self, backend: i32) {
        loop {
            tokio::time::sleep(UNHEARD).await;
            let asked = tokio::time::timeout(CONNECT_MAX, self.serves(backend)).await;
            if matches!(asked, Ok(Ok(false))) {
                return;
            }
        }
    }

    /// Whether it has something to do for us.
    async fn serves(&self, backend: i32) -> Result<bool, tokio_postgres::Error> {
        let _turn = self.turn.lock().await;
        let (client, speaks) = self.reach.connect("punchdown asks", None).await?;
        let _ends = AbortOnDropHandle::new(speaks);
        let text = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity
                    WHERE pid = $1 AND application_name = 'punchdown' AND state NOT LIKE 'idle%')";
        Ok(client.query_one(text, &[&backend]).await?.get(0))
    }
}
