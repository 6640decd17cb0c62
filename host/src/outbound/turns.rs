//! The rate of one target: requests leave one after the other, evenly, and those that only look
//! whether there is news leave last. Of several instances each has its part of it.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};

use crate::web::{Pace, Rate};

/// Who waits longer gives his place in the group free, and comes back.
const WAIT_MAX: Duration = Duration::from_secs(15);
const COMES_BACK_AFTER: Duration = Duration::from_secs(1);

pub struct Turns {
    pace: Pace,
    clock: DefaultClock,
    /// Those that wait, without the looks.
    waiting: AtomicUsize,
}

/// Counts as long as it lives, also when its wait is given up.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn among(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turns {
    /// `None` when the rate is so high that it is none.
    pub fn new(rate: Rate) -> Option<Self> {
        // No burst: a target that says "50 a second" means every second.
        let pace = Pace::new(rate, NonZeroU32::MIN)?;
        Some(Self { pace, clock: DefaultClock::default(), waiting: AtomicUsize::new(0) })
    }

    pub fn share(&self, among: NonZeroU32) {
        self.pace.share(among);
    }

    /// Waits for a turn; an error says when to come back for one.
    pub async fn take(&self, looks: bool) -> Result<(), Duration> {
        let _waits = (!looks).then(|| Waits::among(&self.waiting));
        let began = Instant::now();
        loop {
            if looks && self.waiting.load(Ordering::Relaxed) > 0 {
                return Err(COMES_BACK_AFTER);
            }
            let Err(not_yet) = self.pace.limiter().check() else { return Ok(()) };
            let wait = not_yet.wait_time_from(self.clock.now());
            if began.elapsed() + wait > WAIT_MAX {
                return Err(wait.max(COMES_BACK_AFTER));
            }
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(requests: u32, per: Duration) -> Turns {
        let requests = NonZeroU32::new(requests).expect("some");
        Turns::new(Rate { requests, per }).expect("a rate")
    }

    #[tokio::test]
    async fn turns_come_one_after_the_other() {
        let turns = turns(50, Duration::from_secs(1));
        let began = Instant::now();
        for _ in 0..6 {
            turns.take(false).await.expect("a turn");
        }
        // Five pauses of 20 ms; never sooner.
        assert!(began.elapsed() >= Duration::from_millis(95), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn who_would_wait_too_long_comes_back() {
        let turns = turns(1, Duration::from_secs(3600));
        turns.take(false).await.expect("the first turn");
        let back = turns.take(false).await.expect_err("not within an hour");
        assert!(back > WAIT_MAX, "{back:?}");
        assert_eq!(turns.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn looks_give_way_to_all_others() {
        let turns = turns(1, Duration::from_secs(1));
        turns.take(true).await.expect("nobody else is there");
        let waits = Waits::among(&turns.waiting);
        assert_eq!(turns.take(true).await, Err(COMES_BACK_AFTER));
        drop(waits);
        turns.take(true).await.expect("its turn, after a second");
    }
}
