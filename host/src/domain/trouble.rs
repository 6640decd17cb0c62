use serde::{Deserialize, Serialize};

/// Why something cannot go on: a stable word to search and group by, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    pub code: String,
    pub message: String,
}

impl Trouble {
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    /// With its sentence in other words; what is searched for stays.
    #[must_use]
    pub fn reworded(self, say: &impl Fn(&str) -> String) -> Self {
        Self { message: say(&self.message), ..self }
    }
}

/// The host's own reasons for parking an operation. An adapter adds words of its own.
/// Each one is explained in `docs/operating.md`; a test compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    AccountAbsent,
    AdapterBroken,
    AdapterDiverged,
    AdapterFatal,
    AdapterLimit,
    AdapterRefused,
    AnswerTooLarge,
    AttemptsSpent,
    BillingRefused,
    HistoryLimit,
    InDoubt,
    OtherEnvironment,
    RequestRefused,
    ServiceNotAllowed,
}

impl Reason {
    pub const ALL: [Self; 14] = [
        Self::AccountAbsent,
        Self::AdapterBroken,
        Self::AdapterDiverged,
        Self::AdapterFatal,
        Self::AdapterLimit,
        Self::AdapterRefused,
        Self::AnswerTooLarge,
        Self::AttemptsSpent,
        Self::BillingRefused,
        Self::HistoryLimit,
        Self::InDoubt,
        Self::OtherEnvironment,
        Self::RequestRefused,
        Self::ServiceNotAllowed,
    ];

    pub const fn code(self) -> &'static str {
        match self {
            Self::AccountAbsent => "account-absent",
            Self::AdapterBroken => "adapter-broken",
            Self::AdapterDiverged => "adapter-diverged",
            Self::AdapterFatal => "adapter-fatal",
            Self::AdapterLimit => "adapter-limit",
            Self::AdapterRefused => "adapter-refused",
            Self::AnswerTooLarge => "answer-too-large",
            Self::AttemptsSpent => "attempts-spent",
            Self::BillingRefused => "billing-refused",
            Self::HistoryLimit => "history-limit",
            Self::InDoubt => "in-doubt",
            Self::OtherEnvironment => "other-environment",
            Self::RequestRefused => "request-refused",
            Self::ServiceNotAllowed => "service-not-allowed",
        }
    }

    pub fn trouble(self, message: impl Into<String>) -> Trouble {
        Trouble::new(self.code(), message)
    }
}

/// What failed, in a word of a small set: where to look first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// PortaBilling, or what it knows of the account.
    Billing,
    /// Whoever was to let us in did not.
    Credential,
    /// The way to the target, or its silence.
    Target,
    /// An adapter, or a limit that it ran into.
    Adapter,
    /// The target's answer, as its adapter reads it: the code is the adapter's own.
    Answer,
    /// Time.
    Deadline,
    /// This process.
    Host,
}

/// The host's own codes. Each is explained in `docs/operating.md`; a test compares.
const KINDS: [(&str, Kind); 29] = [
    ("account-absent", Kind::Billing),
    ("adapter-broken", Kind::Adapter),
    ("adapter-diverged", Kind::Adapter),
    ("adapter-fatal", Kind::Adapter),
    ("adapter-limit", Kind::Adapter),
    ("adapter-not-loaded", Kind::Adapter),
    ("adapter-refused", Kind::Adapter),
    ("answer-too-large", Kind::Target),
    ("attempts-spent", Kind::Deadline),
    ("billing-login-refused", Kind::Credential),
    ("billing-refused", Kind::Billing),
    ("billing-unavailable", Kind::Billing),
    ("history-limit", Kind::Adapter),
    ("host-stopped", Kind::Host),
    ("in-doubt", Kind::Adapter),
    ("other-environment", Kind::Billing),
    ("registration-refused", Kind::Credential),
    ("registration-unavailable", Kind::Credential),
    ("request-refused", Kind::Adapter),
    ("service-not-allowed", Kind::Adapter),
    ("session-refused", Kind::Credential),
    ("session-unavailable", Kind::Credential),
    ("step-overrun", Kind::Host),
    ("stood-still", Kind::Host),
    ("target-rate", Kind::Target),
    ("target-silent", Kind::Target),
    ("target-unreachable", Kind::Target),
    ("token-refused", Kind::Credential),
    ("token-unavailable", Kind::Credential),
];

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::Billing,
        Self::Credential,
        Self::Target,
        Self::Adapter,
        Self::Answer,
        Self::Deadline,
        Self::Host,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Billing => "billing",
            Self::Credential => "credential",
            Self::Target => "target",
            Self::Adapter => "adapter",
            Self::Answer => "answer",
            Self::Deadline => "deadline",
            Self::Host => "host",
        }
    }

    /// A code that is none of the host's own is an adapter's word for what it was answered.
    pub fn of(code: &str) -> Self {
        KINDS.iter().find(|(known, _)| *known == code).map_or(Self::Answer, |(_, kind)| *kind)
    }

    /// The host's own codes of that kind.
    pub fn codes(self) -> impl Iterator<Item = &'static str> {
        KINDS.iter().filter(move |(_, kind)| *kind == self).map(|(code, _)| *code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_of_a_kind() {
        for reason in Reason::ALL {
            assert_ne!(Kind::of(reason.code()), Kind::Answer, "{reason:?}");
        }
        assert_eq!(Kind::of("profile-unknown"), Kind::Answer);
    }
}
