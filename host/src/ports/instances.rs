//! Several processes that work on one journal at a time, as each of them knows of the others.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;

use super::JournalError;
use crate::domain::{Group, Suspect};

/// Two machines whose clocks are kept are no further apart.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(4);

/// How this process stands among the instances, at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Among {
    /// Those that work on the journal, this one among them.
    pub live: NonZeroU32,
    /// How long from now on this one surely leads: does what is done once for all. `None`: another one does, or none.
    pub leads_for: Option<Duration>,
    /// The last one in which this one led, and leads if it does.
    pub term: u64,
    /// Whether there may be others.
    pub several: bool,
}

impl Among {
    pub const ALONE: Self =
        Self { live: NonZeroU32::MIN, leads_for: Some(Duration::MAX), term: 0, several: false };

    pub const fn leads(&self) -> bool {
        self.leads_for.is_some()
    }

    /// So much later may be, by this one's clock, what another one wrote down.
    pub const fn clocks_apart(&self) -> Duration {
        if self.several { CLOCKS_APART_MAX } else { Duration::ZERO }
    }

    /// This one's part of what all of them may do at a time.
    pub fn part_of(&self, all: usize) -> usize {
        part_of(all, self.live)
    }
}

/// One instance's part of what so many together may do at a time.
pub fn part_of(all: usize, among: NonZeroU32) -> usize {
    (all / usize::try_from(among.get()).unwrap_or(usize::MAX)).max(1)
}

/// That PortaBilling refuses a user, as it told one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogInRefused {
    /// Too many log-ins failed: each one more makes it longer.
    pub locked_out: bool,
    pub why: String,
    /// So long none is tried.
    pub pause: Duration,
}

/// What another instance may have to do, and would see by itself a second later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hint {
    /// Lanes of a group are due.
    Lanes(Group),
    /// An event of a customer was stored.
    FanOuts,
    /// A system changed something of itself.
    Changes,
    /// PortaBilling is to be told something.
    Statuses,
    /// A person said something of a group.
    Words,
}

/// What is no operation's, and yet must be known to all.
#[async_trait]
pub trait Instances: Send + Sync {
    /// Asks nobody.
    fn among(&self) -> Among;

    /// What processes may have died of, by now.
    async fn suspects(&self) -> Result<Vec<Suspect>, JournalError>;

    /// Whether any of them was refused with that user and credential, and is to wait still.
    async fn log_in_refused(&self, user: &str) -> Result<Option<LogInRefused>, JournalError>;

    /// One of them was.
    async fn refuse_log_in(&self, user: &str, refused: &LogInRefused) -> Result<(), JournalError>;

    /// Tells the others. It waits for nobody, and what is told may be lost.
    fn hint(&self, _: Hint) {}

    /// What others told since it was last asked; it waits until there is something.
    async fn hinted(&self) -> BTreeSet<Hint> {
        std::future::pending().await
    }

    /// This one works no more; what it led another one may lead at once.
    async fn leave(&self);
}

/// Where only so much may be asked in a time.
pub trait Shared {
    /// By so many instances together, this one among them.
    fn share(&self, among: NonZeroU32);
}

/// Of a journal that one process alone can have.
pub struct Alone;

#[async_trait]
impl Instances for Alone {
    fn among(&self) -> Among {
        Among::ALONE
    }

    async fn suspects(&self) -> Result<Vec<Suspect>, JournalError> {
        Ok(Vec::new())
    }

    async fn log_in_refused(&self, _: &str) -> Result<Option<LogInRefused>, JournalError> {
        Ok(None)
    }

    async fn refuse_log_in(&self, _: &str, _: &LogInRefused) -> Result<(), JournalError> {
        Ok(())
    }

    async fn leave(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_part_and_one_at_least() {
        for (live, all, part) in [(1, 8, 8), (2, 8, 4), (3, 8, 2), (3, 2, 1), (9, 8, 1)] {
            let live = NonZeroU32::new(live).expect("some");
            assert_eq!(Among { live, ..Among::ALONE }.part_of(all), part, "{live} of {all}");
        }
    }
}
