//! Events that come at the same moment are committed together. There is no timer: who comes alone waits for nobody.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use tokio::sync::{Semaphore, oneshot};

use super::super::rows::event_place;
use super::super::seal::Seal;
use super::super::written::{Taken, WorkRows};
use super::connection::Connection;
use super::database::{Database, Patience};
use super::events;
use super::reach::CONNECT_MAX;
use crate::domain::Event;
use crate::ports::{JournalError, Work};

const TOGETHER_MAX: usize = 64;
/// While one transaction is committed the next one is filled.
const TRANSACTIONS_MAX: usize = 2;
/// Waiting events beyond which the doors refuse.
const WAITING_MAX: usize = 4096;

/// An event, sealed, with what it makes.
pub struct Arrival {
    pub event: Event,
    pub body: Vec<u8>,
    pub work: WorkRows,
}

impl Arrival {
    pub fn of(event: &Event, work: &Work, seal: &Seal) -> Result<Self, JournalError> {
        let body = seal.pack(&event_place(&event.identity.0), event)?;
        Ok(Self { event: event.clone(), body, work: WorkRows::of(work, seal)? })
    }
}

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
        if !matches!(turn, Ok(Ok(_))) {
            return self.refuse(number);
        }
        let (arrivals, answers): (Vec<_>, Vec<_>) = self.first().into_iter().unzip();
        match self.committed(&arrivals).await {
            Ok(taken) => answers.into_iter().zip(taken).for_each(|(answer, taken)| tell(answer, Ok(taken))),
            Err(error) if arrivals.len() == 1 => {
                answers.into_iter().zip([error]).for_each(|(answer, error)| tell(answer, Err(error)));
            }
            // One of them may be the reason, and the others must not suffer for it.
            Err(_) => {
                let each = arrivals.into_iter().zip(answers);
                join_all(each.map(|(arrival, answer)| self.store_alone(arrival, answer))).await;
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
        let count = queue.waiting.len().min(TOGETHER_MAX);
        queue.waiting.drain(..count).map(|Waiting { arrival, answer, .. }| (arrival, answer)).collect()
    }

    async fn committed(&self, arrivals: &[Arrival]) -> Result<Vec<Taken>, JournalError> {
        if arrivals.is_empty() {
            return Ok(Vec::new());
        }
        let store = |on: Connection| async move { events::accept(&on, arrivals).await };
        self.database.write(Patience::None, store).await
    }

    async fn store_alone(&self, arrival: Arrival, answer: Answer) {
        let taken = self.committed(&[arrival]).await;
        tell(answer, taken.map(|taken| taken.into_iter().next().unwrap_or(Taken::Known)));
    }
}

/// He may have gone.
fn tell(answer: Answer, taken: Result<Taken, JournalError>) {
    let _ = answer.send(taken);
}
