//! Events that come at the same moment are committed together. There is no timer: who comes alone waits for nobody.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use tokio::sync::{Semaphore, oneshot};

use super::super::copied;
use super::super::written::Taken;
use super::connection::{Connection, Failure};
use super::database::{Database, Patience};
use super::events::{self, Arrival};
use super::reach::CONNECT_MAX;
use crate::ports::JournalError;

const TOGETHER_MAX: usize = 64;
const TOGETHER_BYTES_MAX: usize = 1 << 20;
/// What somebody else holds for longer keeps nobody waiting but him who needs it.
const TOGETHER_WAITS: &str = "1s";
/// While one transaction is committed the next one is filled.
const TRANSACTIONS_MAX: usize = 2;
/// Waiting events beyond which the doors refuse.
const WAITING_MAX: usize = 4096;

type Answer = oneshot::Sender<Result<Taken, JournalError>>;

struct Waiting {
    number: u64,
    arrival: Arrival,
    answer: Answer,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// How many have come.
    count: u64,
}

pub struct Arrivals {
    database: Arc<Database>,
    queue: Mutex<Queue>,
    transactions: Semaphore,
}

impl Arrivals {
    pub fn at(database: Arc<Database>) -> Self {
        Self { database, queue: Mutex::default(), transactions: Semaphore::new(TRANSACTIONS_MAX) }
    }

    /// Whoever waits for it may go away: what he brought is stored all the same.
    pub async fn store(self: &Arc<Self>, arrival: Arrival) -> Result<Taken, JournalError> {
        let (answer, answered) = oneshot::channel();
        let number = self.join(arrival, answer)?;
        tokio::spawn(Arc::clone(self).store_whoever_waits(number));
        let gone = |_| Err(JournalError::Failed("whoever stored the event has ended".to_owned()));
        answered.await.unwrap_or_else(gone)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, arrival: Arrival, answer: Answer) -> Result<u64, JournalError> {
        let mut queue = self.queue();
        if queue.waiting.len() >= WAITING_MAX {
            return Err(JournalError::Busy);
        }
        queue.count += 1;
        let number = queue.count;
        queue.waiting.push_back(Waiting { number, arrival, answer });
        Ok(number)
    }

    /// The first one in a transaction takes along all who came by then, and leaves nothing to do for them.
    async fn store_whoever_waits(self: Arc<Self>, number: u64) {
        let turn = tokio::time::timeout(CONNECT_MAX, self.transactions.acquire()).await;
        let Ok(Ok(turn)) = turn else { return self.refuse(number) };
        let (arrivals, answers): (Vec<_>, Vec<_>) = self.first().into_iter().unzip();
        match self.committed(&arrivals).await {
            Ok(taken) => answers.into_iter().zip(taken).for_each(|(answer, taken)| tell(answer, Ok(taken))),
            // One of them is the reason, and the others must not suffer for it.
            Err(failure) if arrivals.len() > 1 && failure.is_the_statements_own() => {
                tracing::warn!(events = arrivals.len(), error = %failure, "events are stored one by one");
                drop(turn);
                let each = arrivals.into_iter().zip(answers);
                join_all(each.map(|(arrival, answer)| self.store_alone(arrival, answer))).await;
            }
            Err(failure) => {
                let error = JournalError::from(failure);
                answers.into_iter().for_each(|answer| tell(answer, Err(copied(&error))));
            }
        }
    }

    fn refuse(&self, number: u64) {
        let mut queue = self.queue();
        let place = queue.waiting.iter().position(|waiting| waiting.number == number);
        if let Some(Waiting { answer, .. }) = place.and_then(|place| queue.waiting.remove(place)) {
            tell(answer, Err(JournalError::Busy));
        }
    }

    fn first(&self) -> Vec<(Arrival, Answer)> {
        let mut queue = self.queue();
        let mut bytes = 0;
        let fits = |waiting: &&Waiting| {
            let begins = bytes == 0;
            bytes += waiting.arrival.bytes();
            begins || bytes <= TOGETHER_BYTES_MAX
        };
        let count = queue.waiting.iter().take(TOGETHER_MAX).take_while(fits).count();
        queue.waiting.drain(..count).map(|Waiting { arrival, answer, .. }| (arrival, answer)).collect()
    }

    async fn committed(&self, arrivals: &[Arrival]) -> Result<Vec<Taken>, Failure> {
        if arrivals.is_empty() {
            return Ok(Vec::new());
        }
        let store = |on: Connection| async move {
            if arrivals.len() > 1 {
                on.all("SELECT set_config('lock_timeout', $1, true)", &[&TOGETHER_WAITS]).await?;
            }
            events::accept(&on, arrivals).await
        };
        self.database.write_or_fail(Patience::None, store).await
    }

    async fn store_alone(&self, arrival: Arrival, answer: Answer) {
        let taken = self.committed(&[arrival]).await.map_err(JournalError::from);
        let one = |taken: Vec<Taken>| taken.into_iter().next();
        let nothing = || JournalError::Failed("nothing is known of the event".to_owned());
        tell(answer, taken.and_then(|taken| one(taken).ok_or_else(nothing)));
    }
}

/// He may have gone.
fn tell(answer: Answer, taken: Result<Taken, JournalError>) {
    let _ = answer.send(taken);
}
