//! A connection, as statements are said over it: each is prepared once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use deadpool_postgres::{Client, PoolError, TimeoutType};
use futures_util::future::try_join;
use tokio::runtime::Handle;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::ports::JournalError;

/// Held by a transaction and by the work in it.
#[derive(Clone)]
pub struct Connection(Arc<Lent>);

/// What goes back to the others, once what was begun over it has ended.
struct Lent {
    client: Option<Client>,
    has_begun: AtomicBool,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.has_begun.load(Ordering::Acquire)
            && let Some(client) = self.client.take()
        {
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(give_back(client))),
                Err(_) => drop(Client::take(client)),
            }
        }
    }
}

/// Whoever had it may have gone away in the middle, even of a commit that waits for a standby. The connection counts
/// until PostgreSQL has answered: another one in its place would be one more, with each who goes away.
async fn give_back(client: Client) {
    if client.batch_execute("ROLLBACK").await.is_err() {
        // It is closed, and PostgreSQL rolls back what it finds.
        drop(Client::take(client));
    }
}

type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Connection {
    pub fn new(client: Client) -> Self {
        Self(Arc::new(Lent { client: Some(client), has_begun: AtomicBool::new(false) }))
    }

    fn client(&self) -> &Client {
        self.0.client.as_ref().expect("it is lent until nobody has it")
    }

    /// Begins a transaction, and asks beside what `named` says; the answer comes with no time of its own.
    pub async fn begin(&self, named: &str) -> Result<Row, Failure> {
        let named = self.client().prepare_cached(named).await?;
        self.0.has_begun.store(true, Ordering::Release);
        let begin = self.client().batch_execute("BEGIN");
        let ((), row) = try_join(begin, self.client().query_one(&named, &[])).await?;
        Ok(row)
    }

    /// Begins one that only looks, and sees what stands at this moment, however long it takes.
    pub async fn begin_to_look(&self) -> Result<(), Failure> {
        self.0.has_begun.store(true, Ordering::Release);
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }

    /// `COMMIT` or `ROLLBACK`.
    pub async fn end(&self, how: &str) -> Result<(), Failure> {
        self.client().batch_execute(how).await?;
        self.0.has_begun.store(false, Ordering::Release);
        Ok(())
    }

    /// Several statements without values.
    pub async fn batch(&self, text: &str) -> Result<(), Failure> {
        Ok(self.client().batch_execute(text).await?)
    }

    pub async fn execute(&self, text: &str, values: Values<'_>) -> Result<u64, Failure> {
        let statement = self.client().prepare_cached(text).await?;
        Ok(self.client().execute(&statement, values).await?)
    }

    pub async fn all(&self, text: &str, values: Values<'_>) -> Result<Vec<Row>, Failure> {
        let statement = self.client().prepare_cached(text).await?;
        Ok(self.client().query(&statement, values).await?)
    }

    pub async fn one(&self, text: &str, values: Values<'_>) -> Result<Row, Failure> {
        let statement = self.client().prepare_cached(text).await?;
        Ok(self.client().query_one(&statement, values).await?)
    }

    pub async fn optional(&self, text: &str, values: Values<'_>) -> Result<Option<Row>, Failure> {
        let statement = self.client().prepare_cached(text).await?;
        Ok(self.client().query_opt(&statement, values).await?)
    }
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{}", told(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("{}", no_connection(.0))]
    Connection(#[from] PoolError),
}

/// Whether a failure is there a moment later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// Two were in each other's way, and one of them was sent back.
    AtOnce,
    /// PostgreSQL is away, or ends.
    Later,
    Never,
}

impl Failure {
    /// PostgreSQL refused what was asked, and goes on: nothing of it stands.
    pub fn is_the_statements_own(&self) -> bool {
        let Self::Postgres(error) = self else { return matches!(self, Self::Journal(_)) };
        let severity = error.as_db_error().and_then(tokio_postgres::error::DbError::parsed_severity);
        severity == Some(tokio_postgres::error::Severity::Error)
    }

    /// It was asked about a transaction that has not been.
    pub fn is_of_the_future(&self) -> bool {
        matches!(self, Self::Postgres(error) if error.code() == Some(&SqlState::INVALID_PARAMETER_VALUE))
    }

    pub fn passes(&self) -> Passes {
        match self {
            Self::Journal(_) => Passes::Never,
            Self::Connection(PoolError::Backend(error)) => connecting(error),
            Self::Connection(_) => Passes::Later,
            Self::Postgres(error) => running(error),
        }
    }
}

fn running(error: &tokio_postgres::Error) -> Passes {
    let Some(code) = error.code() else {
        return if has_ended(error) { Passes::Later } else { Passes::Never };
    };
    match *code {
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Passes::AtOnce,
        SqlState::ADMIN_SHUTDOWN
        | SqlState::CRASH_SHUTDOWN
        | SqlState::CANNOT_CONNECT_NOW
        | SqlState::READ_ONLY_SQL_TRANSACTION
        | SqlState::TOO_MANY_CONNECTIONS
        | SqlState::QUERY_CANCELED
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => Passes::Later,
        _ if code.code().starts_with("08") => Passes::Later,
        _ => Passes::Never,
    }
}

/// The connection is no more, or nothing comes over it.
fn has_ended(error: &tokio_postgres::Error) -> bool {
    use std::error::Error as _;
    error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>())
}

/// Whoever was let in once is kept out by a password that was changed, or a database that is being made anew.
fn connecting(error: &tokio_postgres::Error) -> Passes {
    match running(error) {
        Passes::Never => Passes::Later,
        passes => passes,
    }
}

impl From<Failure> for JournalError {
    fn from(failure: Failure) -> Self {
        match &failure {
            Failure::Connection(PoolError::Timeout(TimeoutType::Wait)) => Self::Busy,
            Failure::Postgres(error) if error.code() == Some(&SqlState::DISK_FULL) => Self::Full,
            _ => match failure {
                Failure::Journal(error) => error,
                other => Self::Failed(format!("PostgreSQL: {other}")),
            },
        }
    }
}

/// What PostgreSQL said, by its code; or why it said nothing.
pub fn told(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    if let Some(said) = error.as_db_error() {
        return format!("{} ({})", said.message(), said.code().code());
    }
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn no_connection(error: &PoolError) -> String {
    match error {
        PoolError::Backend(error) => told(error),
        PoolError::Timeout(TimeoutType::Wait) => "all of its connections are in use".to_owned(),
        PoolError::Timeout(_) => "it does not answer".to_owned(),
        other => other.to_string(),
    }
}
