//! A rate as it is kept by one process. Where several instances share it each has its part: a rate that all keep
//! together would want a question to somebody before each call.

use std::num::NonZeroU32;
use std::sync::Arc;

use arc_swap::ArcSwap;
use governor::{DefaultDirectRateLimiter, RateLimiter};

use super::Rate;

pub struct Pace {
    rate: Rate,
    burst: NonZeroU32,
    now: ArcSwap<(NonZeroU32, Arc<DefaultDirectRateLimiter>)>,
}

impl Pace {
    /// `None` when the rate is so high that it is none.
    pub fn new(rate: Rate, burst: NonZeroU32) -> Option<Self> {
        let alone = NonZeroU32::MIN;
        Some(Self { rate, burst, now: ArcSwap::from_pointee((alone, limiter(rate, burst, alone)?)) })
    }

    /// From now on so many keep it together.
    pub fn share(&self, among: NonZeroU32) {
        if self.now.load().0 != among
            && let Some(limiter) = limiter(self.rate, self.burst, among)
        {
            self.now.store(Arc::new((among, limiter)));
        }
    }

    pub fn limiter(&self) -> Arc<DefaultDirectRateLimiter> {
        Arc::clone(&self.now.load().1)
    }
}

fn limiter(rate: Rate, burst: NonZeroU32, among: NonZeroU32) -> Option<Arc<DefaultDirectRateLimiter>> {
    let part = Rate { per: rate.per * among.get(), ..rate };
    let burst = NonZeroU32::new(burst.get() / among.get()).unwrap_or(NonZeroU32::MIN);
    Some(Arc::new(RateLimiter::direct(part.quota(burst)?)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_instance_has_its_part_of_a_rate_and_its_burst() {
        let some = |number| NonZeroU32::new(number).expect("some");
        let rate = Rate { requests: some(10), per: Duration::from_secs(3600) };
        let pace = Pace::new(rate, some(6)).expect("a rate");
        let at_once = || (0..).take_while(|_| pace.limiter().check().is_ok()).count();
        for (among, burst) in [(1, 6), (3, 2), (7, 1)] {
            pace.share(some(among));
            assert_eq!(at_once(), burst, "{among}");
            pace.share(some(among));
            assert_eq!(at_once(), 0, "nothing is given twice");
        }
    }
}
