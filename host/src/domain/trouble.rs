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
