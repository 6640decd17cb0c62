//! What a whole group lacks for a while, and how long it is not asked for again.

use std::fmt;
use std::time::Duration;

use super::BillingError;
use crate::domain::{RETRY_AFTER_MAX, Timestamp, Trouble, growing};

/// Why somebody did not answer as he should, and when he wants to be asked again, if he said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    pub why: String,
    pub retry_after: Option<Duration>,
}

impl Away {
    /// With the name of the call before it.
    #[must_use]
    pub fn from_call(self, method: &str) -> Self {
        Self { why: format!("{method}: {}", self.why), ..self }
    }
}

impl From<BillingError> for Away {
    fn from(error: BillingError) -> Self {
        let retry_after = match &error {
            BillingError::Unavailable(away) => away.retry_after,
            BillingError::LoginRefused(_) | BillingError::LockedOut(_) | BillingError::Refused(_) => None,
        };
        Self { why: error.to_string(), retry_after }
    }
}

impl From<String> for Away {
    fn from(why: String) -> Self {
        Self { why, retry_after: None }
    }
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// What a whole group lacks for a while: it fails none of its operations.
#[derive(Clone, Debug)]
pub struct Lack {
    pub trouble: Trouble,
    /// It may be there after that.
    pub pause: Duration,
}

/// Why it could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Whoever grants it says no; asking again at once would be knocking at a closed door.
    Refused,
    /// There was no answer, or none that says anything.
    Unavailable,
}

impl Denial {
    /// The first pause, and the longest.
    const fn pauses(self) -> (Duration, Duration) {
        match self {
            Self::Refused => (Duration::from_secs(10), Duration::from_secs(15 * 60)),
            Self::Unavailable => (Duration::from_secs(1), Duration::from_secs(60)),
        }
    }
}

/// Keeps what was denied from being asked for too soon, however many want it.
#[derive(Debug, Default)]
pub struct Withheld {
    denials: u32,
    until: Option<(Timestamp, Trouble)>,
}

impl Withheld {
    pub fn lack(&self, now: Timestamp) -> Option<Lack> {
        let (until, trouble) = self.until.as_ref().filter(|(until, _)| now < *until)?;
        Some(Lack { trouble: trouble.clone(), pause: until.since(now) })
    }

    /// It was had: nothing keeps anybody from asking, and what was denied before is not forgotten yet.
    pub fn granted(&mut self) {
        self.until = None;
    }

    /// What was had has been good for a while.
    pub fn proved(&mut self) {
        *self = Self::default();
    }

    /// Whoever denies it may ask for a longer pause than ours, up to an hour.
    pub fn denied(
        &mut self,
        denial: Denial,
        trouble: Trouble,
        retry_after: Option<Duration>,
        now: Timestamp,
    ) -> Lack {
        self.denials = self.denials.saturating_add(1);
        let (first, longest) = denial.pauses();
        let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        let pause = growing(first, longest, self.denials).max(asked);
        self.until = Some((now + pause, trouble.clone()));
        Lack { trouble, pause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_denied_is_not_asked_for_again_at_once() {
        let now = Timestamp::default();
        let mut withheld = Withheld::default();
        assert!(withheld.lack(now).is_none());
        for (denial, asked, seconds) in [
            (Denial::Refused, None, 10),
            (Denial::Refused, Some(5), 20),
            (Denial::Unavailable, None, 4),
            (Denial::Unavailable, Some(90), 90),
            (Denial::Unavailable, Some(1_000_000), 3600),
        ] {
            let (asked, pause) = (asked.map(Duration::from_secs), Duration::from_secs(seconds));
            assert_eq!(withheld.denied(denial, Trouble::new("code", "why"), asked, now).pause, pause);
            let lack = withheld.lack(now).expect("it is withheld");
            assert_eq!((lack.pause, lack.trouble.code.as_str()), (pause, "code"));
            assert!(withheld.lack(now + pause).is_none(), "and no longer");
        }
    }
}
