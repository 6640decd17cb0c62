//! What an outcome says to persons.

use super::Outcome;
use crate::domain::{Decision, Progress};

impl Outcome {
    /// With every sentence that a person may come to see in other words.
    #[must_use]
    pub fn reworded(self, say: &impl Fn(&str) -> String) -> Self {
        match self {
            Self::NotRead { trouble, retry_after } => {
                Self::NotRead { trouble: trouble.reworded(say), retry_after }
            }
            Self::Refused(trouble) => Self::Refused(trouble.reworded(say)),
            Self::Held { trouble, until } => Self::Held { trouble: trouble.reworded(say), until },
            Self::NotSent(trouble) => Self::NotSent(trouble.reworded(say)),
            Self::Unanswered(trouble) => Self::Unanswered(trouble.reworded(say)),
            Self::Unreadable(trouble) => Self::Unreadable(trouble.reworded(say)),
            Self::Decided { progress, by } => {
                Self::Decided { progress: Box::new(progress.reworded(say)), by }
            }
            plain @ (Self::GaveWay { .. }
            | Self::LaidDown(_)
            | Self::Absent
            | Self::Compared { .. }
            | Self::NotCompared { .. }
            | Self::Leaving { .. }
            | Self::Answered(_)
            | Self::Woken(_)
            | Self::Elapsed
            | Self::ByPerson(..)) => plain,
        }
    }
}

impl Progress {
    fn reworded(mut self, say: &impl Fn(&str) -> String) -> Self {
        for message in self.reports.iter_mut().filter_map(|report| report.message.as_mut()) {
            *message = say(message);
        }
        self.decision = match self.decision {
            Decision::Again(trouble) => Decision::Again(trouble.reworded(say)),
            Decision::Renew(trouble) => Decision::Renew(trouble.reworded(say)),
            Decision::Park(trouble) => Decision::Park(trouble.reworded(say)),
            Decision::Ignore(why) => Decision::Ignore(say(&why)),
            plain @ (Decision::Send(_) | Decision::Wait(_) | Decision::Finish) => plain,
        };
        self
    }
}
