//! Words that labels are made of, and that others say, too.

/// What can hold a group back.
#[derive(Clone, Copy, Debug)]
pub enum HeldBy {
    Breaker,
    /// That of its adapter, which stops at everything.
    Adapter,
    Paused,
    /// Of its adapter.
    Quarantine,
    /// It has no adapter that can be asked.
    Unserved,
}

impl HeldBy {
    pub const ALL: [Self; 5] = [Self::Breaker, Self::Adapter, Self::Paused, Self::Quarantine, Self::Unserved];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::Adapter => "adapter",
            Self::Paused => "paused",
            Self::Quarantine => "quarantine",
            Self::Unserved => "unserved",
        }
    }
}

/// What an adapter can be asked.
#[derive(Clone, Copy, Debug)]
pub enum AdapterQuestion {
    Provision,
    ReadNotification,
    LogIn,
    Register,
}

impl AdapterQuestion {
    pub const ALL: [Self; 4] = [Self::Provision, Self::ReadNotification, Self::LogIn, Self::Register];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::ReadNotification => "read-notification",
            Self::LogIn => "log-in",
            Self::Register => "register",
        }
    }
}
