//! Notices that the wall clock was set, or that the machine slept. Everything that waits is a row with a date of that
//! clock; the time that it left out is time in which nobody ran, and burns no deadline.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::Core;
use crate::domain::Timestamp;
use crate::ports::World;

/// What is less is put right by slowing the clock, or by waiting a little longer.
const STEP_MIN: Duration = Duration::from_secs(5);

#[derive(Default)]
pub struct Clocks {
    /// Both, when they were last looked at.
    last: Mutex<Option<(Timestamp, Instant)>>,
    ahead_ms: AtomicU64,
}

impl Clocks {
    /// How much the wall clock has left out, in all.
    pub fn set_ahead(&self) -> Duration {
        Duration::from_millis(self.ahead_ms.load(Ordering::Relaxed))
    }
}

/// A moment, by both clocks.
pub struct Moment {
    wall: Timestamp,
    steady: Option<Instant>,
}

impl Moment {
    pub fn of(world: &dyn World) -> Self {
        Self { wall: world.now(), steady: world.steady() }
    }

    /// By the clock that says more: one of them may have been set, and the other one stands while a machine sleeps.
    pub fn ago(&self, world: &dyn World) -> Duration {
        let steady = world.steady().zip(self.steady).map(|(now, then)| now.saturating_duration_since(then));
        world.now().since(self.wall).max(steady.unwrap_or_default())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It left out what is between these two.
    Ahead(Timestamp, Timestamp),
    Back(Duration),
}

/// What was done to the wall clock, if more time has passed by it than by the other one, or less.
fn step(last: (Timestamp, Instant), now: (Timestamp, Instant)) -> Option<Step> {
    let expected = last.0 + now.1.saturating_duration_since(last.1);
    if now.0.since(expected) > STEP_MIN {
        return Some(Step::Ahead(expected, now.0));
    }
    let back = expected.since(now.0);
    (back > STEP_MIN).then_some(Step::Back(back))
}

impl Core {
    /// The time, for whoever acts on dates: that the clock was set is known before anything moves by it.
    pub(super) async fn now(&self) -> Timestamp {
        let world = &self.ports.world;
        let mut clocks = self.clocks.last.lock().await;
        let now = world.now();
        let Some(steady) = world.steady() else { return now };
        let last = clocks.replace((now, steady));
        match last.and_then(|last| step(last, (now, steady))) {
            Some(Step::Ahead(from, to)) => {
                let ahead_ms = u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX);
                self.clocks.ahead_ms.fetch_add(ahead_ms, Ordering::Relaxed);
                tracing::warn!(%from, %to, "the clock was set ahead, or the machine slept; that burns no deadline");
                for group in self.groups.all().keys() {
                    self.was_away(group, from, to).await;
                }
            }
            Some(Step::Back(by)) => {
                let by_s = by.as_secs();
                tracing::warn!(by_s, "the clock was set back; what waits for a date waits so much longer");
            }
            None => {}
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Chance;

    struct Clocks(Timestamp, Option<Instant>);

    impl World for Clocks {
        fn now(&self) -> Timestamp {
            self.0
        }

        fn steady(&self) -> Option<Instant> {
            self.1
        }

        fn chance(&self) -> Chance {
            unreachable!("nothing is drawn")
        }

        fn new_id(&self) -> String {
            unreachable!("nothing is named")
        }
    }

    #[test]
    fn a_moment_is_as_long_ago_as_the_clock_says_that_says_more() {
        let (began, at) = (Instant::now(), |second: i64| Timestamp::from_millis(second * 1000));
        let moment = Moment::of(&Clocks(at(100), Some(began)));
        for (shown, steady, ago) in [
            (104, Some(4), 4),
            // It was set back, and set ahead; the machine slept; there is one clock alone.
            (40, Some(4), 4),
            (3_704, Some(4), 3_604),
            (140, Some(0), 40),
            (140, None, 40),
            (40, None, 0),
        ] {
            let now = Clocks(at(shown), steady.map(|second| began + Duration::from_secs(second)));
            assert_eq!(moment.ago(&now), Duration::from_secs(ago), "{shown} {steady:?}");
        }
    }

    #[test]
    fn a_clock_that_was_set_is_told_from_one_that_goes() {
        let began = Instant::now();
        let at = |second: i64| Timestamp::from_millis(1_769_846_400_000 + second * 1000);
        let after = |second| began + Duration::from_secs(second);
        for (passed, shown, found) in [
            (10, 10, None),
            (10, 15, None),
            (10, 5, None),
            (10, 16, Some(Step::Ahead(at(10), at(16)))),
            (1, 3601, Some(Step::Ahead(at(1), at(3601)))),
            (3600, 3601, None),
            (10, 4, Some(Step::Back(Duration::from_secs(6)))),
            (1, -3599, Some(Step::Back(Duration::from_secs(3600)))),
        ] {
            assert_eq!(step((at(0), began), (at(shown), after(passed))), found, "{passed} {shown}");
        }
    }
}
