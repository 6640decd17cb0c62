use std::time::Duration;

/// A number in `0.0..=1.0`, drawn by whoever acts: chance is an argument, too.
#[derive(Clone, Copy, Debug)]
pub struct Chance(pub f64);

/// The pauses between the attempts at one request. The last one repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule(Vec<Duration>);

/// A target may ask for a longer pause by `Retry-After`, but not for more than this.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// A pause that doubles with every failure, up to the longest.
pub fn growing(first: Duration, longest: Duration, failures: u32) -> Duration {
    first.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(longest)
}

/// What lives for so long is renewed a tenth of its life before its end, or a minute if that is
/// shorter.
pub fn renewed_after(life: Duration) -> Duration {
    const BEFORE_MAX: Duration = Duration::from_secs(60);
    life.saturating_sub(BEFORE_MAX.min(life / 10))
}

impl RetrySchedule {
    /// `None` when there is no pause at all: an operation could then spin.
    pub fn new(pauses: Vec<Duration>) -> Option<Self> {
        (!pauses.is_empty()).then_some(Self(pauses))
    }

    /// The pause after the `failed`-th failed attempt (the first is 1). Jitter only lengthens it,
    /// by up to a fifth, so that what failed together, or was told the same `Retry-After`, does not come
    /// back together.
    pub fn pause(&self, failed: u32, retry_after: Option<Duration>, chance: Chance) -> Duration {
        let index = usize::try_from(failed.saturating_sub(1)).unwrap_or(usize::MAX);
        let planned = self.0.get(index).or(self.0.last()).copied().unwrap_or(Duration::from_secs(60));
        let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        planned.max(asked).mul_f64(1.0 + 0.2 * chance.0.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pause_repeats_and_the_target_may_ask_for_more() {
        let s = Duration::from_secs;
        let schedule = RetrySchedule::new(vec![s(1), s(10)]).expect("two pauses");
        for (failed, asked, chance, pause) in [
            (1, None, 0.0, s(1)),
            (1, None, 1.0, Duration::from_millis(1200)),
            (2, None, 0.0, s(10)),
            (99, None, 0.0, s(10)),
            (1, Some(s(30)), 0.0, s(30)),
            (1, Some(s(30)), 1.0, s(36)),
            (1, Some(s(1_000_000)), 0.0, RETRY_AFTER_MAX),
        ] {
            assert_eq!(schedule.pause(failed, asked, Chance(chance)), pause, "{failed} {asked:?}");
        }
    }

    #[test]
    fn a_pause_grows_up_to_the_longest() {
        let s = Duration::from_secs;
        for (failures, pause) in [(0, 10), (1, 10), (2, 20), (3, 40), (4, 60), (u32::MAX, 60)] {
            assert_eq!(growing(s(10), s(60), failures), s(pause), "{failures}");
        }
    }

    #[test]
    fn what_ends_is_renewed_before_its_end() {
        for (life, after) in [(0, 0), (10, 9), (600, 540), (3600, 3540), (172_800, 172_740)] {
            let (life, after) = (Duration::from_secs(life), Duration::from_secs(after));
            assert_eq!(renewed_after(life), after, "{life:?}");
        }
    }

    #[test]
    fn an_empty_schedule_is_none() {
        assert_eq!(RetrySchedule::new(vec![]), None);
    }
}
