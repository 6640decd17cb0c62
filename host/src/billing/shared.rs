//! What was read a moment ago, for others who ask for the same: the groups of one account.
//!
//! An answer serves only those events that were stored before its reading began: what the event
//! tells of is in it. Whoever comes while a reading is under way waits for its answer.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use crate::domain::Timestamp;
use crate::ports::BillingError;

/// Answers that are kept, and the bytes of the longest. More is read again.
const ANSWERS_MAX: usize = 512;
const ANSWER_BYTES_MAX: usize = 128 << 10;
/// The clock is taken to be set back when it lost more than this.
const CLOCK_SLACK: Duration = Duration::from_millis(5);

pub type Answer = Result<Box<RawValue>, BillingError>;

/// What was asked: the method and its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    pub method: String,
    pub params: String,
}

/// Whom an answer serves: one who wants what was read after an event was stored, or after he asked.
#[derive(Clone, Copy)]
pub struct After {
    since: Timestamp,
    asked: Instant,
}

impl After {
    /// Somebody asks now.
    pub fn since(since: Timestamp) -> Self {
        Self { since, asked: Instant::now() }
    }
}

pub struct Shared {
    /// How long an answer serves others.
    share: Duration,
    readings: Mutex<Readings>,
}

#[derive(Default)]
struct Readings {
    by_call: HashMap<Call, Arc<Reading>>,
    /// The calls by the time at which they were first read; the oldest go first.
    order: VecDeque<(Call, Weak<Reading>)>,
}

/// One call, under way or answered.
struct Reading {
    began: Timestamp,
    /// The same on a clock that nobody sets.
    began_at: Instant,
    answer: OnceCell<Answer>,
}

impl Shared {
    pub fn new(share: Duration) -> Self {
        Self { share, readings: Mutex::default() }
    }

    /// The answer to a call: somebody else's, if it serves, or that of `read`.
    pub async fn get(
        &self,
        call: &Call,
        after: After,
        now: Timestamp,
        read: impl Future<Output = Answer>,
    ) -> Answer {
        let reading = self.reading(call, after, now);
        // Whoever is first reads; if that one is stopped, the next does. The beginning that is
        // written down is then too early, which only makes fewer take it.
        let answer = reading.answer.get_or_init(|| read).await.clone();
        let keep = answer.as_ref().is_ok_and(|answer| answer.get().len() <= ANSWER_BYTES_MAX);
        if !keep {
            self.lock().forget(call, &reading);
        }
        answer
    }

    /// The reading that may serve, or a new one.
    fn reading(&self, call: &Call, after: After, now: Timestamp) -> Arc<Reading> {
        let mut readings = self.lock();
        if let Some(known) = readings.by_call.get(call).filter(|known| known.serves(after, now, self.share)) {
            return Arc::clone(known);
        }
        let reading = Arc::new(Reading { began: now, began_at: Instant::now(), answer: OnceCell::new() });
        readings.by_call.insert(call.clone(), Arc::clone(&reading));
        readings.order.push_back((call.clone(), Arc::downgrade(&reading)));
        readings.sweep(self.share);
        reading
    }

    /// Nothing that can panic is done while it is held.
    fn lock(&self) -> MutexGuard<'_, Readings> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Readings {
    /// Lets go of what serves nobody any more, and of the oldest beyond the limit. Whoever waits
    /// for one of them has it all the same.
    fn sweep(&mut self, share: Duration) {
        while let Some((call, oldest)) = self.order.front() {
            let oldest = oldest.upgrade();
            let serves = oldest.as_ref().is_some_and(|oldest| oldest.is_recent(share));
            if serves && self.order.len() <= ANSWERS_MAX {
                return;
            }
            let call = call.clone();
            self.order.pop_front();
            if let Some(oldest) = oldest {
                self.forget(&call, &oldest);
            }
        }
    }

    /// Unless a newer one has taken its place.
    fn forget(&mut self, call: &Call, reading: &Arc<Reading>) {
        if self.by_call.get(call).is_some_and(|known| Arc::ptr_eq(known, reading)) {
            self.by_call.remove(call);
        }
    }
}

impl Reading {
    fn serves(&self, after: After, now: Timestamp, share: Duration) -> bool {
        let clock_was_set_back = now.since(self.began) + CLOCK_SLACK < self.began_at.elapsed();
        let after_the_event = self.began > after.since && !clock_was_set_back;
        self.began_at >= after.asked || (after_the_event && self.is_recent(share))
    }

    /// Under way, or begun a short time ago.
    fn is_recent(&self, share: Duration) -> bool {
        !self.answer.initialized() || self.began_at.elapsed() < share
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn call(account: u64) -> Call {
        Call { method: "Account/get_account_info".to_owned(), params: account.to_string() }
    }

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    /// Asks at `now` for what was read after `since`; the answer says when it was read.
    async fn ask(shared: &Shared, since: i64, now: i64) -> String {
        let read = async { Ok(raw(&now.to_string())) };
        shared
            .get(&call(1), After::since(at(since)), at(now), read)
            .await
            .expect("an answer")
            .get()
            .to_owned()
    }

    #[tokio::test]
    async fn an_answer_serves_what_was_stored_before_its_reading_began() {
        let shared = Shared::new(LONG);
        assert_eq!(ask(&shared, 0, 100).await, "100");
        assert_eq!(ask(&shared, 99, 110).await, "100", "stored before");
        assert_eq!(ask(&shared, 100, 120).await, "120", "in the same instant: nobody knows");
        assert_eq!(ask(&shared, 100, 130).await, "120");
        assert_eq!(ask(&shared, 140, 140).await, "140", "newer");
        assert_eq!(ask(&shared, 0, 150).await, "140");
        // Read after he had asked, though in the same millisecond.
        let (asked, read) = (After::since(at(200)), || async { Ok(raw("200")) });
        let own = shared.get(&call(1), asked, at(200), read()).await.expect("an answer");
        let again = shared.get(&call(1), asked, at(200), async { Ok(raw("0")) }).await.expect("an answer");
        assert_eq!((own.get(), again.get()), ("200", "200"));
    }

    #[tokio::test]
    async fn nothing_is_kept_when_nothing_is_shared_and_a_clock_that_was_set_back_proves_nothing() {
        let none = Shared::new(Duration::ZERO);
        assert_eq!(ask(&none, 0, 100).await, "100");
        assert_eq!(ask(&none, 0, 101).await, "101");
        let shared = Shared::new(LONG);
        assert_eq!(ask(&shared, 0, 100).await, "100");
        tokio::time::sleep(CLOCK_SLACK * 2).await;
        assert_eq!(ask(&shared, 0, 50).await, "50");
    }

    #[tokio::test]
    async fn those_who_come_meanwhile_wait_and_a_failure_is_not_kept() {
        let shared = Shared::new(LONG);
        let reads = AtomicUsize::new(0);
        let failing = || async {
            reads.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Err(BillingError::Unavailable("away".to_owned().into()))
        };
        let (call, after, now) = (call(1), After::since(at(0)), at(100));
        let (one, other) =
            tokio::join!(shared.get(&call, after, now, failing()), shared.get(&call, after, now, failing()));
        assert!(one.is_err() && other.is_err());
        assert_eq!(reads.load(Ordering::Relaxed), 1, "both had the one answer");
        assert_eq!(ask(&shared, 0, 101).await, "101", "the next asks again");
    }

    #[tokio::test]
    async fn a_reading_that_was_stopped_is_taken_over() {
        let shared = Shared::new(LONG);
        let never = std::future::pending();
        let (call, after, now) = (call(1), After::since(at(0)), at(100));
        {
            let stopped = shared.get(&call, after, now, never);
            assert!(tokio::time::timeout(Duration::from_millis(1), stopped).await.is_err());
        }
        assert_eq!(ask(&shared, 0, 101).await, "101");
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let shared = Shared::new(LONG);
        for account in 0..2 * ANSWERS_MAX as u64 {
            let read = async { Ok(raw("{}")) };
            shared.get(&call(account), After::since(at(0)), at(100), read).await.expect("an answer");
        }
        let long = async { Ok(raw(&format!("\"{}\"", "x".repeat(ANSWER_BYTES_MAX)))) };
        shared.get(&call(0), After::since(at(0)), at(200), long).await.expect("an answer");
        let readings = shared.lock();
        assert!(readings.by_call.len() <= ANSWERS_MAX && readings.order.len() <= ANSWERS_MAX);
        assert!(!readings.by_call.contains_key(&call(0)), "too long to be kept");
    }
}
