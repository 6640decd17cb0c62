//! Whether an adapter stops at everything, or at what is known of one account.
//!
//! An operation that it stops at is asked about again. If it stops at that one alone, a person has to look; if it
//! stops at several accounts and answers about none between them, nobody is asked about for a while: what the adapter
//! lacks fails no operation.

use std::collections::{BTreeMap, BTreeSet};

use super::breaker::{Breaker, BreakerPolicy, Open, Sign, Turn};
use super::{Digest, IAccount, Reason, Timestamp, Trouble};

/// So often an adapter is asked about an operation that it stops at.
pub const ASKED_MAX: u32 = 4;
/// At so many accounts, one after the other: that is no accident of one of them.
pub const ACCOUNTS_MIN: usize = 3;
/// Of no more accounts it is known how often it stopped at them.
const COUNTED_MAX: usize = 1000;

/// What becomes of an operation at which its adapter stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is asked about again; so often that has failed.
    Again { stops: u32 },
    /// The adapter stops at others, too: it waits with them.
    Rests,
    /// It stops at this one alone.
    Park,
}

/// What is held against the adapter of a group, in memory alone: a restart asks nobody outside.
#[derive(Clone, Debug, Default)]
pub struct Stops {
    breaker: Breaker,
    /// The adapter. Each answers for itself.
    of: Option<Digest>,
    /// Accounts at which it stopped since it answered last.
    row: BTreeSet<IAccount>,
    /// How often it stopped at each since it answered about that one.
    counts: BTreeMap<IAccount, u32>,
    /// About whom it is asked while nobody else is.
    probing: Option<IAccount>,
}

/// Whether an adapter that brought this stopped, or was stopped.
pub fn is_stop(trouble: &Trouble) -> bool {
    [Reason::AdapterBroken, Reason::AdapterLimit].iter().any(|reason| trouble.code == reason.code())
}

impl Stops {
    /// While it is asked nothing.
    pub fn open(&self) -> Option<&Open> {
        self.breaker.open()
    }

    /// Another one begins with nothing against it.
    pub fn serves(&mut self, adapter: &Digest) -> Option<Turn> {
        if self.of.as_ref() == Some(adapter) {
            return None;
        }
        let turn = self.forgive();
        self.of = Some(adapter.clone());
        turn
    }

    /// Whoever says so has mended something.
    pub fn forgive(&mut self) -> Option<Turn> {
        let since = self.open().map(|open| open.since);
        *self = Self { of: self.of.take(), ..Self::default() };
        since.map(|since| Turn::Closed { since })
    }

    pub fn stopped(
        &mut self,
        account: IAccount,
        trouble: &Trouble,
        policy: &BreakerPolicy,
        now: Timestamp,
    ) -> (Verdict, Option<Turn>) {
        self.row.insert(account);
        let counted = self.counts.entry(account).or_default();
        *counted += 1;
        let stops = *counted;
        if self.counts.len() > COUNTED_MAX {
            // Another one than this: it may be the one that never ends.
            let other = self.counts.keys().find(|other| **other != account).copied();
            other.map(|other| self.counts.remove(&other));
        }
        // While it is open, only what is asked as a probe says anything new.
        let counts = match self.open() {
            Some(_) => self.probing == Some(account),
            None => self.row.len() >= ACCOUNTS_MIN,
        };
        let policy = BreakerPolicy { failures: 1, ..policy.clone() };
        let turn = counts.then(|| self.breaker.heard(Sign::Fails(self.of_everybody(trouble)), &policy, now));
        if counts {
            self.probing = None;
        }
        let verdict = match self.open() {
            Some(_) => Verdict::Rests,
            None if stops >= ASKED_MAX => {
                self.counts.remove(&account);
                Verdict::Park
            }
            None => Verdict::Again { stops },
        };
        (verdict, turn.flatten())
    }

    /// What it said when it stopped is of one subscriber, and this is everybody's.
    fn of_everybody(&self, trouble: &Trouble) -> Trouble {
        let accounts = self.row.len();
        let message =
            format!("the adapter stopped at {accounts} accounts and answered about none between them");
        Trouble::new(trouble.code.clone(), message)
    }

    pub fn answered(&mut self, account: IAccount, policy: &BreakerPolicy, now: Timestamp) -> Option<Turn> {
        self.row.clear();
        self.counts.remove(&account);
        self.probing = None;
        self.breaker.heard(Sign::Answers, policy, now)
    }

    /// Whether it may be asked now: about anybody, or about one as a probe.
    pub fn admits(&self, now: Timestamp) -> bool {
        self.breaker.admits(now)
    }

    /// While it is asked nothing else, it is asked about that one.
    pub fn probe(&mut self, account: IAccount, now: Timestamp) {
        if self.open().is_some() && self.breaker.admit(now) {
            self.probing = Some(account);
        }
    }

    /// What is moved for that one has come to rest. It may not have been asked about.
    pub fn rests(&mut self, account: IAccount) {
        if self.probing == Some(account) {
            self.probing = None;
            self.breaker.did_not_leave();
        }
    }

    /// Whether that one may be moved.
    pub fn lets(&self, account: IAccount) -> bool {
        self.open().is_none() || self.probing == Some(account)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const POLICY: BreakerPolicy =
        BreakerPolicy { failures: 10, pause: Duration::from_secs(10), pause_max: Duration::from_secs(30) };

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(1_769_846_400_000) + Duration::from_secs(second)
    }

    fn stop() -> Trouble {
        Reason::AdapterBroken.trouble("the adapter stopped (unreachable); its last words: of a subscriber")
    }

    /// `1`: it stops at account 1; `a1`: it answers about it. The verdict of the last stop.
    fn after(story: &str) -> (Stops, Option<Verdict>) {
        let (mut stops, mut verdict) = (Stops::default(), None);
        for word in story.split_whitespace() {
            match word.strip_prefix('a') {
                Some(account) => {
                    drop(stops.answered(IAccount(account.parse().expect("a number")), &POLICY, at(0)));
                }
                None => {
                    let account = IAccount(word.parse().expect("a number"));
                    verdict = Some(stops.stopped(account, &stop(), &POLICY, at(0)).0);
                }
            }
        }
        (stops, verdict)
    }

    #[test]
    fn one_account_is_parked_and_several_in_a_row_open_it() {
        let rests = Verdict::Rests;
        for (story, verdict) in [
            ("1", Verdict::Again { stops: 1 }),
            ("1 1 1", Verdict::Again { stops: 3 }),
            ("1 1 1 1", Verdict::Park),
            ("1 1 1 1 1", Verdict::Again { stops: 1 }),
            // Others are answered meanwhile: it is that one.
            ("1 a2 1 a3 1 a2 1", Verdict::Park),
            ("1 2", Verdict::Again { stops: 1 }),
            ("1 1 1 1 2 2 2 2", Verdict::Park),
            ("1 2 3", rests),
            ("1 1 1 1 2 2 2 2 3", rests),
            ("1 2 a4 3", Verdict::Again { stops: 1 }),
            ("1 2 a4 3 1 2", rests),
            ("1 a1 1 1", Verdict::Again { stops: 2 }),
            // What was under way when it opened is held like all others.
            ("1 2 3 1 1 1 1", rests),
        ] {
            assert_eq!(after(story).1, Some(verdict), "{story}");
        }
    }

    #[test]
    fn one_probe_at_a_time_is_asked_after_a_pause_that_grows() {
        let mut stops = after("1 2 3").0;
        let told = stops.open().expect("it is open").trouble.clone();
        assert_eq!(told.code, "adapter-broken");
        assert!(
            told.message.contains("stopped at 3 accounts") && !told.message.contains("subscriber"),
            "{told:?}"
        );
        let mut now = 0;
        for (account, pause) in
            [(7, 10), (8, 20), (9, 30), (7, 30)].map(|(account, pause)| (IAccount(account), pause))
        {
            assert!(!stops.admits(at(now + pause - 1)), "{pause}");
            now += pause;
            stops.probe(account, at(now));
            assert!(stops.lets(account) && !stops.lets(IAccount(1)) && !stops.admits(at(now)));
            // Whoever is not the probe says nothing.
            assert_eq!(stops.stopped(IAccount(1), &stop(), &POLICY, at(now)).1, None);
            let (verdict, turn) = stops.stopped(account, &stop(), &POLICY, at(now));
            assert!(matches!(turn, Some(Turn::StaysOpen { .. })) && verdict == Verdict::Rests);
            assert!(!stops.lets(account));
        }
        stops.probe(IAccount(9), at(now + 30));
        assert_eq!(stops.answered(IAccount(9), &POLICY, at(now + 31)), Some(Turn::Closed { since: at(0) }));
        assert!(stops.lets(IAccount(1)) && stops.admits(at(now + 31)));
        // What it stopped at often enough is its own affair now.
        assert_eq!(stops.stopped(IAccount(1), &stop(), &POLICY, at(now + 32)), (Verdict::Park, None));
    }

    #[test]
    fn a_probe_that_was_not_asked_is_none() {
        let mut stops = after("1 2 3").0;
        stops.probe(IAccount(4), at(10));
        stops.rests(IAccount(5));
        assert!(!stops.admits(at(11)), "another one has come to rest");
        stops.rests(IAccount(4));
        assert!(stops.admits(at(11)) && !stops.lets(IAccount(4)));
    }

    #[test]
    fn another_adapter_begins_with_nothing_against_it() {
        let mut stops = Stops::default();
        assert_eq!(stops.serves(&Digest::of(b"one")), None);
        for account in 1..=3 {
            stops.stopped(IAccount(account), &stop(), &POLICY, at(0));
        }
        assert_eq!(stops.serves(&Digest::of(b"one")), None);
        assert!(!stops.lets(IAccount(1)));
        assert_eq!(stops.serves(&Digest::of(b"two")), Some(Turn::Closed { since: at(0) }));
        assert_eq!(stops.stopped(IAccount(1), &stop(), &POLICY, at(1)).0, Verdict::Again { stops: 1 });
        assert_eq!(after("1 2 3").0.forgive(), Some(Turn::Closed { since: at(0) }));
        assert_eq!(Stops::default().forgive(), None);
    }

    #[test]
    fn what_an_adapter_says_is_no_stop() {
        for (reason, stops) in [
            (Reason::AdapterBroken, true),
            (Reason::AdapterLimit, true),
            (Reason::AdapterDiverged, false),
            (Reason::AdapterRefused, false),
            (Reason::AdapterFatal, false),
        ] {
            assert_eq!(is_stop(&reason.trouble("why")), stops, "{reason:?}");
        }
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let mut stops = Stops::default();
        for account in 0..5000 {
            stops.stopped(IAccount(account), &stop(), &POLICY, at(0));
            stops.answered(IAccount(10_000), &POLICY, at(0));
        }
        assert!(stops.counts.len() <= COUNTED_MAX && stops.row.is_empty());
    }
}
