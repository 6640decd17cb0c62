//! Being registered for notifications, with a system that notifies only who has registered.
//!
//! Every registration is asked for at an address of its own, written down before the request leaves.
//! When it comes to nothing, or nobody knows what became of it, that address is closed: whatever is
//! sent to it is answered 410, so that registrations nobody knows of do no harm and end.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::{Digest, Json, Standing, Timestamp};

/// What was sent to the address before may still be on its way.
const CLOSED_AFTER: Duration = Duration::from_secs(10 * 60);
/// Whatever its system says, it is not asked for more often.
const LIFE_MIN: Duration = Duration::from_secs(60);

/// The part of an address that makes it one of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

impl Token {
    /// In constant time: whoever knows it may notify.
    fn is(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

/// How a group stands with its system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Registration {
    /// A person wants none.
    pub off: bool,
    /// How often persons have said so, or not: of two instances the later word counts.
    #[serde(default)]
    said: u64,
    /// The one that was granted last.
    pub stands: Option<Registered>,
    /// One is being asked for, with what.
    making: Option<(Token, Digest)>,
    /// The one before, and when its address is closed.
    before: Option<(Token, Timestamp)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Registered {
    at: Token,
    /// System, door and configuration that it was made for.
    with: Digest,
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
    /// `wanted`: with what, where the group's section asks for one.
    pub fn duty(&self, wanted: Option<&Digest>, now: Timestamp) -> Duty {
        match (&self.stands, wanted) {
            (Some(_), _) if self.off => Duty::Unregister,
            (Some(stands), Some(with))
                if stands.with == *with && stands.renew_at.is_none_or(|at| now < at) =>
            {
                Duty::RestUntil(stands.renew_at)
            }
            (_, Some(_)) if !self.off => Duty::Register,
            _ => Duty::RestUntil(None),
        }
    }

    /// Whether one is good now, with that.
    pub fn is_good(&self, with: &Digest, now: Timestamp) -> bool {
        let is_good = |stands: &Registered| stands.with == *with && stands.ends_at.is_none_or(|at| now < at);
        self.stands.as_ref().is_some_and(is_good)
    }

    /// Whether what is sent to that address is taken.
    pub fn takes(&self, token: &str, now: Timestamp) -> bool {
        let before = self.before.as_ref().filter(|(_, until)| now < *until).map(|(at, _)| at);
        self.asked_for().chain(before).any(|at| at.is(token))
    }

    fn asked_for(&self) -> impl Iterator<Item = &Token> {
        let stands = self.stands.as_ref().map(|stands| &stands.at);
        stands.into_iter().chain(self.making.as_ref().map(|(at, _)| at))
    }

    /// What makes its addresses its own: whoever knows one may notify.
    pub fn tokens(&self) -> impl Iterator<Item = &Token> {
        self.asked_for().chain(self.before.as_ref().map(|(at, _)| at))
    }

    pub fn is_asked_for_at(&self, token: &Token) -> bool {
        self.making.as_ref().is_some_and(|(at, _)| at == token)
    }

    /// Changed, unless another one is asked for by now.
    #[must_use]
    pub fn if_asked_for_at(self, token: &Token, change: impl FnOnce(Self) -> Self) -> Self {
        if self.is_asked_for_at(token) { change(self) } else { self }
    }

    /// One is asked for at that address. An earlier asking came to nothing.
    #[must_use]
    pub fn begun(self, at: Token, with: Digest) -> Self {
        Self { making: Some((at, with)), ..self }
    }

    #[must_use]
    pub fn came_to_nothing(self) -> Self {
        Self { making: None, ..self }
    }

    /// The one that was asked for stands.
    #[must_use]
    pub fn granted(self, standing: Standing, now: Timestamp) -> Self {
        let Self { off, said, stands, making, before } = self;
        let before = stands.map(|stands| (stands.at, now + CLOSED_AFTER)).or(before);
        // A third of its life is left for a system that is away when its time is up.
        let life = standing.life.map(|life| life.max(LIFE_MIN));
        let stands = making.map(|(at, with)| Registered {
            at,
            with,
            standing: standing.value,
            since: now,
            renew_at: life.map(|life| now + life * 2 / 3),
            ends_at: life.map(|life| now + life),
        });
        Self { off, said, stands, making: None, before }
    }

    /// None stands any more.
    #[must_use]
    pub fn removed(self) -> Self {
        Self { off: self.off, said: self.said, ..Self::default() }
    }

    /// A person wants none, or one again.
    #[must_use]
    pub fn turned(self, off: bool) -> Self {
        Self { off, said: self.said + 1, ..self }
    }

    /// What is to be kept beside what an instance has kept: the one that leads registers, and persons speak to any.
    #[must_use]
    pub fn beside(self, kept: Self, leads: bool) -> Self {
        let (off, said) = if kept.said > self.said { (kept.off, kept.said) } else { (self.off, self.said) };
        let of_the_lead = if leads { self } else { kept };
        Self { off, said, ..of_the_lead }
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

    fn with() -> Digest {
        Digest::of(b"system, door and configuration")
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(0) + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_to_be_done_follows_from_what_is_wanted_and_what_stands() {
        let none = Registration::default();
        let forever = none.clone().begun(token("a"), with()).granted(standing(None), at(0));
        let hour = none.clone().begun(token("a"), with()).granted(standing(Some(HOUR)), at(0));
        let renew_at = hour.stands.as_ref().and_then(|stands| stands.renew_at).expect("it is renewed");
        assert_eq!(renew_at, at(2400));
        let other = Digest::of(b"another system");
        assert_eq!(forever.duty(Some(&other), at(0)), Duty::Register, "it was made for something else");
        assert!(!forever.is_good(&other, at(0)));
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
            assert_eq!(
                registration.duty(wanted.then(with).as_ref(), now),
                duty,
                "{registration:?} {wanted} {now}"
            );
        }
    }

    #[test]
    fn an_address_is_open_while_its_registration_may_stand() {
        let taken = |registration: &Registration, now| {
            ["a", "b", "c"].into_iter().filter(|token| registration.takes(token, now)).collect::<String>()
        };
        let first = Registration::default().begun(token("a"), with());
        assert_eq!(taken(&first, at(0)), "a", "its system may notify before it has answered");
        let lost = first.clone().begun(token("b"), with());
        assert_eq!(taken(&lost, at(0)), "b", "the first one came to nothing");
        assert_eq!(taken(&first.clone().came_to_nothing(), at(0)), "");
        let second = first.granted(standing(None), at(0)).begun(token("b"), with());
        assert_eq!(taken(&second, at(0)), "ab");
        let second = second.granted(standing(None), at(10));
        assert_eq!(taken(&second, at(10)), "ab", "what was sent to the one before is on its way");
        assert_eq!(taken(&second, at(10) + CLOSED_AFTER), "b");
        assert_eq!(taken(&second.begun(token("c"), with()).removed(), at(10)), "");
    }

    #[test]
    fn what_the_lead_registered_stands_and_of_persons_the_later_word() {
        let granted = Registration::default().begun(token("a"), with()).granted(standing(None), at(0));
        let ended = Registration::default().turned(true);
        let (led, followed) =
            (granted.clone().beside(ended.clone(), true), ended.beside(granted.clone(), false));
        assert_eq!(led, followed, "whoever wrote last");
        assert!(led.off && led.stands == granted.stands);
        let again = led.clone().turned(false);
        assert!(!led.beside(again, true).off);
    }

    #[test]
    fn one_whose_time_is_over_is_good_for_nothing() {
        let hour = Registration::default().begun(token("a"), with()).granted(standing(Some(HOUR)), at(0));
        let brief =
            Registration::default().begun(token("a"), with()).granted(standing(Some(Duration::ZERO)), at(0));
        assert!(brief.is_good(&with(), at(59)), "nobody asks for one without a pause");
        assert_eq!(brief.duty(Some(&with()), at(39)), Duty::RestUntil(Some(at(40))));
        assert!(!Registration::default().is_good(&with(), at(0)));
        assert!(hour.is_good(&with(), at(3599)) && !hour.is_good(&with(), at(3600)));
    }
}
