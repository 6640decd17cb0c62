use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Names of events as PortaBilling sends them, and the names that patterns see instead: it
/// renames events between its releases. An event keeps the name that it came with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases(Arc<BTreeMap<String, String>>);

impl Aliases {
    pub fn new(written: BTreeMap<String, String>) -> Self {
        Self(Arc::new(written))
    }

    fn of<'a>(&'a self, event_name: &'a str) -> &'a str {
        self.0.get(event_name).map_or(event_name, String::as_str)
    }
}

/// Which event names a group wants: `*` stands for one part, `**` for the rest.
#[derive(Clone, Debug)]
pub struct Patterns {
    written: Vec<String>,
    set: GlobSet,
    aliases: Aliases,
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        (&self.written, &self.aliases) == (&other.written, &other.aliases)
    }
}

impl Eq for Patterns {}

impl Patterns {
    /// # Errors
    /// When a pattern is malformed; the error names it.
    pub fn new(written: Vec<String>) -> Result<Self, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for pattern in &written {
            set.add(GlobBuilder::new(pattern).literal_separator(true).build()?);
        }
        Ok(Self { set: set.build()?, written, aliases: Aliases::default() })
    }

    /// The same patterns, for which these names stand for others.
    #[must_use]
    pub fn with_aliases(self, aliases: &Aliases) -> Self {
        Self { aliases: aliases.clone(), ..self }
    }

    pub fn want(&self, event_name: &str) -> bool {
        self.set.is_match(self.aliases.of(event_name))
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
    fn an_old_name_is_seen_as_the_new_one() {
        let renamed = [("Account/Status/Suspend".to_owned(), "Account/Status/Suspended".to_owned())];
        let aliases = Aliases::new(renamed.into());
        let patterns = |text: &str| Patterns::new(vec![text.to_owned()]).expect(text).with_aliases(&aliases);
        assert!(patterns("Account/Status/Suspended").want("Account/Status/Suspend"));
        assert!(patterns("Account/Status/Suspended").want("Account/Status/Suspended"));
        assert!(!patterns("Account/Status/Suspend").want("Account/Status/Suspend"), "it has a new name");
        assert!(patterns("Account/New").want("Account/New"));
    }

    #[test]
    fn a_malformed_pattern_is_refused() {
        assert!(Patterns::new(vec!["Account/[".to_owned()]).is_err());
    }
}
