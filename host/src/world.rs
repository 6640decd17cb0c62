//! Answers the port `World`: the only place that reads a clock or draws a number.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::domain::{Chance, Timestamp};
use crate::ports::World;

pub struct SystemWorld;

impl World for SystemWorld {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn steady(&self) -> Option<Instant> {
        Some(Instant::now())
    }

    fn chance(&self) -> Chance {
        // Without entropy there is no jitter, and nothing worse.
        let drawn = getrandom::u32().unwrap_or_default();
        Chance(f64::from(drawn) / f64::from(u32::MAX))
    }

    fn new_id(&self) -> String {
        let mut random = [0; 16];
        let _ = getrandom::fill(&mut random);
        let millis = u64::try_from(self.now().millis()).unwrap_or_default();
        ulid::Ulid::from_parts(millis, u128::from_be_bytes(random)).to_string()
    }
}
