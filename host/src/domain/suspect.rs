//! Who may have killed the process. Whatever an adapter was asked about when the process died is a suspect,
//! and is asked alone from then on, so that the next death has one suspect.

use serde::{Deserialize, Serialize};

use super::{Digest, Group, Lane, OperationId, Reason, Timestamp, Trouble};

/// After so many deaths in a row nobody is asked about it any more.
pub const DEATHS_MAX: u32 = 3;

/// An adapter that is the end of the process for so many of them is asked about nobody.
const CONVICTED_MAX: usize = 2;

/// What an adapter is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The operation that stands first in it. What is behind a deadly one would be asked of the same account.
    Lane(Lane),
    Notification {
        group: Group,
        id: String,
    },
    /// What is done for the whole group: `log-in`, `register`.
    Errand {
        group: Group,
        what: String,
    },
}

impl Subject {
    pub const fn group(&self) -> &Group {
        match self {
            Self::Lane(lane) => &lane.group,
            Self::Notification { group, .. } | Self::Errand { group, .. } => group,
        }
    }

    /// As a person reads it.
    pub fn told(&self) -> String {
        match self {
            Self::Lane(lane) => format!("account {}", lane.i_account),
            Self::Notification { id, .. } => format!("notification {id}"),
            Self::Errand { what, .. } => format!("the errand {what}"),
        }
    }
}

/// What is known against a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    pub subject: Subject,
    /// The adapter that was asked. Each answers for itself.
    pub adapter: Digest,
    /// Of the process, in a row: an answer clears it.
    pub deaths: u32,
    /// The last one.
    pub at: Timestamp,
    /// Of a lane, the operation that stands first in it now.
    pub head: Option<OperationId>,
}

impl Suspect {
    pub fn is_convicted(&self) -> bool {
        self.deaths >= DEATHS_MAX
    }

    /// Why its adapter is not asked about it any more.
    pub fn trouble(&self) -> Option<Trouble> {
        self.is_convicted().then(|| {
            Reason::AdapterFatal.trouble(format!(
                "the process died {} times while adapter {} was asked about {}",
                self.deaths,
                self.adapter.short(),
                self.subject.told()
            ))
        })
    }
}

/// Why an adapter is asked nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    pub adapter: Digest,
    pub since: Timestamp,
    pub because_of: Vec<Subject>,
}

/// Several accounts are no accident of one of them. An errand is everybody's.
pub fn quarantine(suspects: &[Suspect], adapter: &Digest) -> Option<Quarantine> {
    let convicted: Vec<&Suspect> =
        suspects.iter().filter(|suspect| suspect.is_convicted() && suspect.adapter == *adapter).collect();
    let of_everybody = convicted.iter().any(|suspect| matches!(suspect.subject, Subject::Errand { .. }));
    // One account may stand in several groups.
    let mut told: Vec<String> = convicted.iter().map(|suspect| suspect.subject.told()).collect();
    told.sort_unstable();
    told.dedup();
    if !of_everybody && told.len() < CONVICTED_MAX {
        return None;
    }
    let since = convicted.iter().map(|suspect| suspect.at).max()?;
    let because_of = convicted.iter().map(|suspect| suspect.subject.clone()).collect();
    Some(Quarantine { adapter: adapter.clone(), since, because_of })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::IAccount;

    fn lane(group: &str, i_account: u64) -> Subject {
        Subject::Lane(Lane { i_account: IAccount(i_account), group: Group(group.to_owned()) })
    }

    fn notification(id: &str) -> Subject {
        Subject::Notification { group: Group("HSS".to_owned()), id: id.to_owned() }
    }

    fn suspect(subject: Subject, adapter: &str, deaths: u32) -> Suspect {
        let (adapter, at) = (Digest::of(adapter.as_bytes()), Timestamp::from_millis(deaths.into()));
        Suspect { subject, adapter, deaths, at, head: None }
    }

    #[test]
    fn after_three_deaths_in_a_row_nobody_is_asked_about_it() {
        for (deaths, is_over) in [(0, false), (1, false), (2, false), (3, true), (9, true)] {
            assert_eq!(suspect(lane("HSS", 7), "a", deaths).trouble().is_some(), is_over, "{deaths}");
        }
        let trouble = suspect(lane("HSS", 7), "a", 3).trouble().expect("three");
        assert_eq!(trouble.code, "adapter-fatal");
        let (message, adapter) = (&trouble.message, Digest::of(b"a"));
        assert!(message.contains("died 3 times") && message.contains(adapter.short()), "{message}");
        assert!(message.contains("account 7"), "{message}");
    }

    #[test]
    fn several_accounts_or_an_errand_make_a_quarantine() {
        let errand = || Subject::Errand { group: Group("HSS".to_owned()), what: "log-in".to_owned() };
        for (what, known, is_shut) in [
            ("nobody", vec![], false),
            ("one account", vec![suspect(lane("HSS", 7), "a", 3)], false),
            ("two accounts", vec![suspect(lane("HSS", 7), "a", 3), suspect(lane("HSS", 9), "a", 3)], true),
            (
                "one account in two groups",
                vec![suspect(lane("HSS", 7), "a", 3), suspect(lane("PCRF", 7), "a", 3)],
                false,
            ),
            ("two groups", vec![suspect(lane("HSS", 7), "a", 3), suspect(lane("PCRF", 9), "a", 3)], true),
            ("one of two", vec![suspect(lane("HSS", 7), "a", 3), suspect(lane("HSS", 9), "a", 2)], false),
            (
                "of two adapters",
                vec![suspect(lane("HSS", 7), "a", 3), suspect(lane("HSS", 9), "b", 3)],
                false,
            ),
            (
                "an account and a notification",
                vec![suspect(lane("HSS", 7), "a", 3), suspect(notification("n"), "a", 3)],
                true,
            ),
            ("an errand", vec![suspect(errand(), "a", 3)], true),
            ("an errand twice", vec![suspect(errand(), "a", 2)], false),
        ] {
            let shut = quarantine(&known, &Digest::of(b"a"));
            assert_eq!(shut.is_some(), is_shut, "{what}");
            if let Some(shut) = shut {
                assert_eq!((shut.since, shut.because_of.len()), (Timestamp::from_millis(3), known.len()));
            }
        }
    }
}
