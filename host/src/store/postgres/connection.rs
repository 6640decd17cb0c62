//! A connection, as statements are said over it: each is prepared once, and what is begun together is done in the order
//! in which it is begun, without waiting for the answers in between.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use deadpool_postgres::{Client, PoolError, TimeoutType};
use futures_util::TryStreamExt as _;
use futures_util::future::try_join;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::database::STATEMENT_MAX;
use crate::ports::JournalError;

/// What a transaction begins with waits for nobody there.
const BEGIN_MAX: Duration = Duration::from_secs(10);
/// PostgreSQL itself ends a statement before.
const ANSWER_MAX: Duration = STATEMENT_MAX.saturating_add(Duration::from_secs(5));

/// Held by a transaction and by the work in it.
#[derive(Clone)]
pub struct Connection(Arc<Lent>);

/// What goes back to the others, once what was begun over it has ended.
struct Lent {
    client: Option<Client>,
    has_begun: AtomicBool,
    /// Nothing comes over it any more.
    is_unheard: AtomicBool,
    /// What only looks through all there is takes as long as it takes.
    has_time: AtomicBool,
    /// Whose statement is said next; they stand in the order in which they came.
    turn: Mutex<()>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        if self.is_unheard.load(Ordering::Acquire) {
            return drop(Client::take(client));
        }
        if self.has_begun.load(Ordering::Acquire) {
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(give_back(client))),
                Err(_) => drop(Client::take(client)),
            }
        }
    }
}

/// Whoever had it may have gone away in the middle. The connection counts until PostgreSQL has answered: another one in
/// its place would be one more, with each who goes away.
async fn give_back(client: Client) {
    let answer = tokio::time::timeout(ANSWER_MAX, client.batch_execute("ROLLBACK")).await;
    if !matches!(answer, Ok(Ok(()))) {
        // It is closed, and PostgreSQL rolls back what it finds.
        drop(Client::take(client));
    }
}

type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Connection {
    pub fn new(client: Client) -> Self {
        Self(Arc::new(Lent {
            client: Some(client),
            has_begun: AtomicBool::new(false),
            is_unheard: AtomicBool::new(false),
            has_time: AtomicBool::new(false),
            turn: Mutex::new(()),
        }))
    }

    fn client(&self) -> &Client {
        self.0.client.as_ref().expect("it is lent until nobody has it")
    }

    /// It is closed when nobody has it any more.
    pub fn unheard(&self) -> Failure {
        self.0.is_unheard.store(true, Ordering::Release);
        Failure::Unheard
    }

    /// An answer that does not come within a time will not come: what is said may be taken by something on the way that
    /// has nobody to hand it on to, and TCP sees nothing wrong with that.
    async fn within<T>(
        &self,
        time: Duration,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        if self.0.has_time.load(Ordering::Relaxed) {
            return Ok(answer.await?);
        }
        match tokio::time::timeout(time, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(self.unheard()),
        }
    }

    /// Begins a transaction, and asks beside what `named` says; the answer comes with no time of its own.
    pub async fn begin(&self, named: &str) -> Result<Row, Failure> {
        let begun = async {
            let named = self.client().prepare_cached(named).await?;
            self.0.has_begun.store(true, Ordering::Release);
            let begin = self.client().batch_execute("BEGIN");
            try_join(begin, self.client().query_one(&named, &[])).await.map(|((), row)| row)
        };
        self.within(BEGIN_MAX, begun).await
    }

    /// Begins one that only looks, and sees what stands at this moment, however long it takes.
    pub async fn begin_to_look(&self) -> Result<(), Failure> {
        self.0.has_begun.store(true, Ordering::Release);
        let begin = self.client().batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        self.within(BEGIN_MAX, begin).await?;
        self.0.has_time.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// `COMMIT` or `ROLLBACK`. A commit takes as long as the slowest standby.
    pub async fn end(&self, how: &str) -> Result<(), Failure> {
        self.client().batch_execute(how).await?;
        self.0.has_begun.store(false, Ordering::Release);
        Ok(())
    }

    /// Several statements without values, in the time that they take.
    pub async fn batch(&self, text: &str) -> Result<(), Failure> {
        Ok(self.client().batch_execute(text).await?)
    }

    /// Says a statement as soon as whatever was begun before it has been said. Whoever begins several (`try_join`) has
    /// PostgreSQL do them in that order, over one way there and back. A function of several statements that needs the
    /// answer to its first one lets the others go before its second.
    async fn in_turn<'a, T, A>(
        &'a self,
        text: &str,
        ask: impl FnOnce(&'a tokio_postgres::Client, Statement) -> A,
    ) -> Result<T, tokio_postgres::Error>
    where
        A: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        let said = async {
            let turn = self.0.turn.lock().await;
            let statement = self.client().prepare_cached(text).await?;
            let mut answer = pin!(ask(self.client(), statement));
            // It is on its way when it was looked at once.
            let begun = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
            drop(turn);
            match begun {
                Poll::Ready(answer) => answer,
                Poll::Pending => answer.await,
            }
        };
        let answer = said.await;
        // It was begun together with one that failed, and that one says why.
        if answer.as_ref().is_err_and(|error| error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION)) {
            pending::<()>().await;
        }
        answer
    }

    pub async fn execute(&self, text: &str, values: Values<'_>) -> Result<u64, Failure> {
        let ask = async |client: &tokio_postgres::Client, statement| client.execute(&statement, values).await;
        self.within(ANSWER_MAX, self.in_turn(text, ask)).await
    }

    pub async fn all(&self, text: &str, values: Values<'_>) -> Result<Vec<Row>, Failure> {
        let ask = async |client: &tokio_postgres::Client, statement| client.query(&statement, values).await;
        self.within(ANSWER_MAX, self.in_turn(text, ask)).await
    }

    pub async fn one(&self, text: &str, values: Values<'_>) -> Result<Row, Failure> {
        self.within(ANSWER_MAX, self.asked(text, values)).await
    }

    /// The same of a statement that writes and stands by itself: its commit takes as long as the slowest standby.
    pub async fn committed(&self, text: &str, values: Values<'_>) -> Result<Row, Failure> {
        Ok(self.asked(text, values).await?)
    }

    async fn asked(&self, text: &str, values: Values<'_>) -> Result<Row, tokio_postgres::Error> {
        let ask =
            async |client: &tokio_postgres::Client, statement| client.query_one(&statement, values).await;
        self.in_turn(text, ask).await
    }

    pub async fn optional(&self, text: &str, values: Values<'_>) -> Result<Option<Row>, Failure> {
        let ask =
            async |client: &tokio_postgres::Client, statement| client.query_opt(&statement, values).await;
        self.within(ANSWER_MAX, self.in_turn(text, ask)).await
    }
}

/// What comes of all of these, begun in their order; or the first failure, as soon as there is one.
pub async fn all_of<T>(
    begun: impl IntoIterator<Item = impl Future<Output = Result<T, Failure>>>,
) -> Result<Vec<T>, Failure> {
    let numbered =
        begun.into_iter().enumerate().map(async |(place, it)| it.await.map(|value| (place, value)));
    let mut values: Vec<(usize, T)> = numbered.collect::<FuturesUnordered<_>>().try_collect().await?;
    values.sort_unstable_by_key(|(place, _)| *place);
    Ok(values.into_iter().map(|(_, value)| value).collect())
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
    #[error("nothing comes over the connection any more")]
    Unheard,
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
            Self::Connection(_) | Self::Unheard => Passes::Later,
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
