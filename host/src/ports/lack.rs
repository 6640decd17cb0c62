//! What a whole group lacks for a while, and how long it is not asked for again.

use std::time::Duration;

use crate::domain::{Timestamp, Trouble, growing};

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

    pub fn denied(&mut self, denial: Denial, trouble: Trouble, now: Timestamp) -> Lack {
        self.denials = self.denials.saturating_add(1);
        let (first, longest) = denial.pauses();
        let pause = growing(first, longest, self.denials);
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
        for (denial, seconds) in [(Denial::Refused, 10), (Denial::Refused, 20), (Denial::Unavailable, 4)] {
            let pause = Duration::from_secs(seconds);
            assert_eq!(withheld.denied(denial, Trouble::new("code", "why"), now).pause, pause);
            let lack = withheld.lack(now).expect("it is withheld");
            assert_eq!((lack.pause, lack.trouble.code.as_str()), (pause, "code"));
            assert!(withheld.lack(now + pause).is_none(), "and no longer");
        }
    }
}
