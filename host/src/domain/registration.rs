//! Being registered for notifications, with a system that notifies only who has registered.
//!
//! Every registration is asked for at an address of its own, written down before the request leaves.
//! When it comes to nothing, or nobody knows what became of it, that address is closed: whatever is
//! sent to it is answered 410, so that registrations nobody knows of do no harm and end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Json, Standing, Timestamp, renewed_after};

/// What was sent to the address before may still be on its way.
const CLOSED_AFTER: Duration = Duration::from_secs(10 * 60);

/// The part of an address that makes it one of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

/// How a group stands with its system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Registration {
    /// A person wants none.
    pub off: bool,
    /// The one that was granted last.
    pub stands: Option<Registered>,
    /// One is being asked for.
    making: Option<Token>,
    /// The one before, and when its address is closed.
    before: Option<(Token, Timestamp)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Registered {
    at: Token,
    /// By which its adapter finds it again.
    pub standing: Json,
    pub since: Timestamp,
    pub renew_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
}

/// What is to be done for a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    Register,
    Unregister,
    RestUntil(Option<Timestamp>),
}

impl Registration {
    /// `wanted`: the group's section asks for one.
    pub fn duty(&self, wanted: bool, now: Timestamp) -> Duty {
        match &self.stands {
            Some(_) if self.off => Duty::Unregister,
            Some(stands) if wanted && stands.renew_at.is_none_or(|at| now < at) => {
                Duty::RestUntil(stands.renew_at)
            }
            _ if wanted && !self.off => Duty::Register,
            _ => Duty::RestUntil(None),
        }
    }

    /// Whether one is good now.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.stands.as_ref().is_some_and(|stands| stands.ends_at.is_none_or(|at| now < at))
    }

    /// Whether what is sent to that address is taken.
    pub fn takes(&self, token: &str, now: Timestamp) -> bool {
        let stands = self.stands.as_ref().map(|stands| &stands.at);
        let before = self.before.as_ref().filter(|(_, until)| now < *until).map(|(at, _)| at);
        [stands, self.making.as_ref(), before].into_iter().flatten().any(|at| at.0 == token)
    }

    /// What makes its addresses its own: whoever knows one may notify.
    pub fn tokens(&self) -> impl Iterator<Item = &Token> {
        let stands = self.stands.as_ref().map(|stands| &stands.at);
        let before = self.before.as_ref().map(|(at, _)| at);
        [stands, self.making.as_ref(), before].into_iter().flatten()
    }

    /// One is asked for at that address. An earlier asking came to nothing.
    #[must_use]
    pub fn begun(self, at: Token) -> Self {
        Self { making: Some(at), ..self }
    }

    #[must_use]
    pub fn came_to_nothing(self) -> Self {
        Self { making: None, ..self }
    }

    /// The one that was asked for stands.
    #[must_use]
    pub fn granted(self, standing: Standing, now: Timestamp) -> Self {
        let Self { off, stands, making, before } = self;
        let before = stands.map(|stands| (stands.at, now + CLOSED_AFTER)).or(before);
        let stands = making.map(|at| Registered {
            at,
            standing: standing.value,
            since: now,
            renew_at: standing.life.map(|life| now + renewed_after(life)),
            ends_at: standing.life.map(|life| now + life),
        });
        Self { off, stands, making: None, before }
    }

    /// None stands any more.
    #[must_use]
    pub fn removed(self) -> Self {
        Self { off: self.off, ..Self::default() }
    }

    /// A person wants none, or one again.
    #[must_use]
    pub fn turned(self, off: bool) -> Self {
        Self { off, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn token(text: &str) -> Token {
        Token(text.to_owned())
    }

    fn standing(life: Option<Duration>) -> Standing {
        Standing { value: Json::empty_object(), life }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(0) + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_to_be_done_follows_from_what_is_wanted_and_what_stands() {
        let none = Registration::default();
        let forever = none.clone().begun(token("a")).granted(standing(None), at(0));
        let hour = none.clone().begun(token("a")).granted(standing(Some(HOUR)), at(0));
        let renew_at = hour.stands.as_ref().and_then(|stands| stands.renew_at).expect("it is renewed");
        assert!(renew_at < at(3600));
        for (registration, wanted, now, duty) in [
            (none.clone(), true, at(0), Duty::Register),
            (none.clone(), false, at(0), Duty::RestUntil(None)),
            (none.turned(true), true, at(0), Duty::RestUntil(None)),
            (forever.clone(), true, at(9_999_999), Duty::RestUntil(None)),
            (forever.clone(), false, at(0), Duty::RestUntil(None)),
            (forever.turned(true), true, at(0), Duty::Unregister),
            (hour.clone(), true, at(0), Duty::RestUntil(Some(renew_at))),
            (hour.clone(), true, renew_at, Duty::Register),
            (hour.clone(), false, renew_at, Duty::RestUntil(None)),
            (hour.turned(true), false, renew_at, Duty::Unregister),
        ] {
            assert_eq!(registration.duty(wanted, now), duty, "{registration:?} {wanted} {now}");
        }
    }

    #[test]
    fn an_address_is_open_while_its_registration_may_stand() {
        let taken = |registration: &Registration, now| {
            ["a", "b", "c"].into_iter().filter(|token| registration.takes(token, now)).collect::<String>()
        };
        let first = Registration::default().begun(token("a"));
        assert_eq!(taken(&first, at(0)), "a", "its system may notify before it has answered");
        let lost = first.clone().begun(token("b"));
        assert_eq!(taken(&lost, at(0)), "b", "the first one came to nothing");
        assert_eq!(taken(&first.clone().came_to_nothing(), at(0)), "");
        let second = first.granted(standing(None), at(0)).begun(token("b"));
        assert_eq!(taken(&second, at(0)), "ab");
        let second = second.granted(standing(None), at(10));
        assert_eq!(taken(&second, at(10)), "ab", "what was sent to the one before is on its way");
        assert_eq!(taken(&second, at(10) + CLOSED_AFTER), "b");
        assert_eq!(taken(&second.begun(token("c")).removed(), at(10)), "");
    }

    #[test]
    fn one_whose_time_is_over_is_good_for_nothing() {
        let hour = Registration::default().begun(token("a")).granted(standing(Some(HOUR)), at(0));
        assert!(!Registration::default().is_good(at(0)));
        assert!(hour.is_good(at(3599)) && !hour.is_good(at(3600)));
    }
}
