//! The faults that this PortaBilling can be told to show.
//!
//! A fault is laid down with the time when it strikes: the next so many calls, or
//! a share of all calls drawn from the seed, or of those that it has not struck yet.
//! The first that strikes is the answer; delays add up before it.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;

use crate::lock::lock;

/// One way for a call to go wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// HTTP 503, as a proxy in front of it answers.
    Busy,
    /// The same, with the wish to be asked again after so many seconds.
    BusyFor(u64),
    /// HTTP 500 with a page instead of a fault document.
    HtmlPage,
    /// HTTP 200 with nothing in it.
    EmptyAnswer,
    /// HTTP 500 with a fault document of this `faultcode`.
    FaultCode(String),
    /// This HTTP status with this body.
    Answer(u16, String),
    /// The answer begins as one of JSON, and the connection closes before its end.
    CutAnswer,
    /// The answer comes this much later.
    Delay(Duration),
    /// The connection closes and no answer comes.
    HangUp,
    /// `Session/login` alone: wrong credentials.
    LoginRefused,
    /// `Session/login` alone: locked out after too many attempts.
    LoginLockedOut,
    /// The status door alone: this HTTP status, and nothing is recorded.
    StatusRefused(u16),
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// This many calls, from the next one on.
    Next(u32),
    /// This share of all calls, from 0 to 1.
    Share(f64),
    /// This share of all calls, but each only once of an account, so that nobody is kept waiting for long: whoever
    /// is refused often is asked again ever later.
    OnceEach(f64),
}

/// The knobs. They can be turned while calls are under way.
#[derive(Debug)]
pub struct Faults {
    rules: Mutex<Rules>,
    /// Sessions live only in the age in which they were granted.
    age: AtomicU64,
    /// Calls that are not gone on with.
    held: watch::Sender<Vec<String>>,
}

#[derive(Debug)]
struct Rules {
    list: Vec<Rule>,
    chance: StdRng,
}

#[derive(Debug)]
struct Rule {
    fault: Fault,
    when: When,
    /// The only call that it strikes; all that it can when absent.
    call: Option<String>,
    /// The only account that it strikes.
    i_account: Option<u64>,
    /// Calls that it struck, with their accounts.
    has_struck: BTreeSet<(String, Option<u64>)>,
}

/// What the faults make of one call.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Struck {
    pub(super) delay: Duration,
    pub(super) fault: Option<Fault>,
}

impl Fault {
    /// A word for its kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Busy | Self::BusyFor(_) => "503",
            Self::HtmlPage => "HTML",
            Self::EmptyAnswer => "empty",
            Self::FaultCode(_) => "fault code",
            Self::Answer(..) => "given answer",
            Self::CutAnswer => "cut",
            Self::Delay(_) => "slow",
            Self::HangUp => "hang-up",
            Self::LoginRefused => "log-in refused",
            Self::LoginLockedOut => "locked out",
            Self::StatusRefused(_) => "status refused",
        }
    }
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        let list = Vec::new();
        let chance = StdRng::seed_from_u64(seed);
        Self {
            rules: Mutex::new(Rules { list, chance }),
            age: AtomicU64::new(0),
            held: watch::Sender::default(),
        }
    }

    /// Lets `fault` strike whatever is called.
    pub fn strike(&self, fault: Fault, when: When) {
        self.lay_down(fault, when, None, None);
    }

    /// Lets `fault` strike one call, named as in the ledger: `Account/get_account_info`,
    /// `espf/status`.
    pub fn strike_on(&self, call: &str, fault: Fault, when: When) {
        self.lay_down(fault, when, Some(call), None);
    }

    /// Lets `fault` strike one call where it names this account.
    pub fn strike_account(&self, i_account: u64, call: &str, fault: Fault, when: When) {
        self.lay_down(fault, when, Some(call), Some(i_account));
    }

    fn lay_down(&self, fault: Fault, when: When, call: Option<&str>, i_account: Option<u64>) {
        let call = call.map(str::to_owned);
        lock(&self.rules).list.push(Rule { fault, when, call, i_account, has_struck: BTreeSet::new() });
    }

    /// Until `hold` is called again, these calls are written down and not gone on with.
    pub fn hold(&self, calls: &[&str]) {
        self.held.send_replace(calls.iter().map(|call| (*call).to_owned()).collect());
    }

    pub(super) async fn released(&self, call: &str) {
        let mut held = self.held.subscribe();
        // The sender lives as long as `self`, so the wait cannot fail.
        held.wait_for(|held| !held.iter().any(|one| one == call)).await.ok();
    }

    /// Ends every session and refresh token granted so far.
    pub fn expire_sessions(&self) {
        self.age.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes back all faults. Expired sessions stay expired.
    pub fn clear(&self) {
        lock(&self.rules).list.clear();
    }

    pub(super) fn age(&self) -> u64 {
        self.age.load(Ordering::Relaxed)
    }

    pub(super) fn struck(&self, call: &str, i_account: Option<u64>) -> Struck {
        let mut struck = Struck::default();
        let rules = &mut *lock(&self.rules);
        for rule in &mut rules.list {
            if !rule.concerns(call, i_account) || !rule.strikes(call, i_account, &mut rules.chance) {
                continue;
            }
            match &rule.fault {
                Fault::Delay(longer) => struck.delay += *longer,
                fault => {
                    struck.fault = Some(fault.clone());
                    break;
                }
            }
        }
        rules.list.retain(|rule| rule.when != When::Next(0));
        struck
    }
}

impl Struck {
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        let slow = Some(Fault::Delay(self.delay)).filter(|_| !self.delay.is_zero());
        [slow.as_ref().map(Fault::name), self.fault.as_ref().map(Fault::name)].into_iter().flatten()
    }
}

impl Rule {
    fn concerns(&self, call: &str, i_account: Option<u64>) -> bool {
        let possible = match self.fault {
            Fault::LoginRefused | Fault::LoginLockedOut => call == super::LOGIN,
            Fault::StatusRefused(_) => call == super::STATUS,
            _ => true,
        };
        possible
            && self.call.as_deref().is_none_or(|only| only == call)
            && self.i_account.is_none_or(|only| Some(only) == i_account)
    }

    fn strikes(&mut self, call: &str, i_account: Option<u64>, chance: &mut StdRng) -> bool {
        match &mut self.when {
            When::Next(left) => {
                let strikes = *left > 0;
                *left = left.saturating_sub(1);
                strikes
            }
            When::Share(share) => chance.random::<f64>() < *share,
            When::OnceEach(share) => {
                chance.random::<f64>() < *share && self.has_struck.insert((call.to_owned(), i_account))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_as_often_as_it_was_told_and_only_where() {
        let faults = Faults::new(1);
        faults.strike_on("Account/get_account_info", Fault::Busy, When::Next(1));
        faults.strike(Fault::LoginRefused, When::Next(1));
        faults.strike_account(7, "SIMCard/get_card_list", Fault::HangUp, When::Next(1));

        let fault_of = |call| faults.struck(call, Some(8)).fault;
        assert_eq!(fault_of("SIMCard/get_card_list"), None);
        assert_eq!(faults.struck("SIMCard/get_card_list", Some(7)).fault, Some(Fault::HangUp));

        assert_eq!(fault_of("Generic/get_version"), None);
        assert_eq!(fault_of("Account/get_account_info"), Some(Fault::Busy));
        assert_eq!(fault_of("Account/get_account_info"), None);
        assert_eq!(fault_of(super::super::LOGIN), Some(Fault::LoginRefused));
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let run = || {
            let faults = Faults::new(7);
            faults.strike(Fault::HangUp, When::Share(0.5));
            (0..32).map(|_| faults.struck("Session/ping", None).fault.is_some()).collect::<Vec<_>>()
        };

        assert_eq!(run(), run());
        assert!(run().contains(&true) && run().contains(&false));
    }

    #[test]
    fn a_call_of_an_account_can_be_spared_a_second_strike() {
        let faults = Faults::new(7);
        faults.strike(Fault::Busy, When::OnceEach(0.5));
        let struck =
            |call, i_account| (0..32).filter(|_| faults.struck(call, i_account).fault.is_some()).count();
        assert_eq!(struck("Account/get_account_info", Some(189)), 1);
        assert_eq!(struck("Account/get_account_info", Some(190)), 1);
        assert_eq!(struck("Session/login", None), 1);
    }
}
