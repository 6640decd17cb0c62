use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

use super::{RetrySchedule, Status};

/// A `[groups.<name>]` section: one external system, its adapter and its configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Group(pub String);

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the ESPF calls a service group: `HSS`, `PCRF`, `IPTV`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Service(pub String);

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the decisions about a group's operations depend on.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The service of this group's own operations.
    pub service: Service,
    /// The services that its reports may name.
    pub reports: BTreeSet<Service>,
    /// How long an operation may take, from the reading of its subscriber.
    pub deadline: Duration,
    /// Events that say that an account was closed: only then is an absent account believed gone.
    pub closing: Patterns,
    /// Events of which each has its own operation: creations, closings, changes of SIM and
    /// account ID. All others are updates, and the newest stands for those before it.
    pub never_collapse: Patterns,
    /// What is reported when the deadline comes and nothing was heard.
    pub on_deadline: Status,
    pub retry: RetrySchedule,
    /// Entries that a history may have; an adapter that needs more goes round in a circle.
    pub history_entries_max: usize,
}

/// Which event names a group wants: `*` stands for one part, `**` for the rest.
#[derive(Clone, Debug)]
pub struct Patterns {
    written: Vec<String>,
    set: GlobSet,
}

impl Patterns {
    /// # Errors
    /// When a pattern is malformed; the error names it.
    pub fn new(written: Vec<String>) -> Result<Self, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for pattern in &written {
            set.add(GlobBuilder::new(pattern).literal_separator(true).build()?);
        }
        Ok(Self { set: set.build()?, written })
    }

    pub fn want(&self, event_name: &str) -> bool {
        self.set.is_match(event_name)
    }

    pub fn written(&self) -> &[String] {
        &self.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_part_and_two_are_the_rest() {
        let patterns = |text: &str| Patterns::new(vec![text.to_owned()]).expect(text);
        for (pattern, name, wanted) in [
            ("Account/New", "Account/New", true),
            ("Account/*", "Account/New", true),
            ("Account/*", "Account/Id/Changed", false),
            ("Account/**", "Account/Id/Changed", true),
            ("*/New", "Customer/New", true),
            ("Account/**", "Customer/New", false),
            ("**", "Account/Service/Netaccess/QuotaExceeded", true),
        ] {
            assert_eq!(patterns(pattern).want(name), wanted, "{pattern} {name}");
        }
    }

    #[test]
    fn a_malformed_pattern_is_refused() {
        assert!(Patterns::new(vec!["Account/[".to_owned()]).is_err());
    }
}
