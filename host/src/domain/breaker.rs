//! Whether a group's requests may leave. A target that answers nobody is left in peace, and asked
//! by one request at a time whether it is there again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use super::step::Step;
use super::{Decision, Happening, Operation, Received, Stage, Timestamp, Trouble, growing};

/// A probe that was not heard of for so long is no more; another one may go.
const PROBE_MAX: Duration = Duration::from_secs(60);
/// A clock that shows less than before is set right all the time; one that shows so much less was set back.
const SET_BACK_MIN: Duration = Duration::from_secs(5);
/// So many of the times in which requests were held back are remembered.
const SPANS_MAX: usize = 16;

/// When a breaker opens, and how long it stays so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// One after the other.
    pub failures: u32,
    /// Until the first probe; it doubles with each that fails.
    pub pause: Duration,
    pub pause_max: Duration,
}

/// What a step has shown of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It answers. Whether it did what it was asked is another matter.
    Answers,
    /// It did not answer, or its adapter takes the answer for none.
    Fails(Trouble),
}

/// What a sign has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    Opened {
        trouble: Trouble,
        probe_at: Timestamp,
    },
    /// Its probe failed.
    StaysOpen {
        probe_at: Timestamp,
    },
    Closed {
        since: Timestamp,
    },
}

/// One group's breaker. Durable, so that a restart begins no storm.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Breaker {
    state: State,
    /// Since when the configuration holds the group, or the quarantine of its adapter.
    paused_since: Option<Timestamp>,
    /// Since when a person does.
    #[serde(default)]
    rests_since: Option<Timestamp>,
    /// How often persons have said whether it rests: of two instances the later word counts.
    #[serde(default)]
    said: u64,
    /// When its requests were held back, or nobody ran, the newest last.
    spans: Vec<(Timestamp, Timestamp)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Closed {
        #[serde(skip)]
        failures: u32,
    },
    Open(Open),
}

/// Why and how long nothing leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Open {
    pub since: Timestamp,
    /// When it was said when the next probe may go.
    #[serde(default)]
    said_at: Timestamp,
    pub probe_at: Timestamp,
    pub trouble: Trouble,
    probes_failed: u32,
    /// Since when one is under way.
    #[serde(skip)]
    probing_since: Option<Timestamp>,
}

impl Open {
    /// Whether a probe may go. What was said or begun later than now says that the clock was set back: nobody waits
    /// until it has caught up.
    fn admits(&self, now: Timestamp) -> bool {
        let is_since = |then: Timestamp| now + SET_BACK_MIN >= then;
        let rests = is_since(self.said_at) && now < self.probe_at;
        let probes = self.probing_since.is_some_and(|since| is_since(since) && now < since + PROBE_MAX);
        !rests && !probes
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    pub fn open(&self) -> Option<&Open> {
        match &self.state {
            State::Closed { .. } => None,
            State::Open(open) => Some(open),
        }
    }

    /// Whether a request may leave now.
    pub fn admits(&self, now: Timestamp) -> bool {
        self.open().is_none_or(|open| open.admits(now))
    }

    /// Lets one request leave, if one may.
    pub fn admit(&mut self, now: Timestamp) -> bool {
        let admitted = self.admits(now);
        if let (true, State::Open(open)) = (admitted, &mut self.state) {
            open.probing_since = Some(now);
        }
        admitted
    }

    /// What was admitted did not leave after all.
    pub fn did_not_leave(&mut self) {
        if let State::Open(open) = &mut self.state {
            open.probing_since = None;
        }
    }

    pub fn heard(&mut self, sign: Sign, policy: &BreakerPolicy, now: Timestamp) -> Option<Turn> {
        match (&mut self.state, sign) {
            (State::Closed { failures }, Sign::Answers) => {
                *failures = 0;
                None
            }
            (State::Closed { failures }, Sign::Fails(_)) if *failures + 1 < policy.failures => {
                *failures += 1;
                None
            }
            (State::Closed { .. }, Sign::Fails(trouble)) => {
                let probe_at = now + policy.pause;
                let open = Open {
                    since: now,
                    said_at: now,
                    probe_at,
                    trouble: trouble.clone(),
                    probes_failed: 0,
                    probing_since: None,
                };
                self.state = State::Open(open);
                Some(Turn::Opened { trouble, probe_at })
            }
            (State::Open(open), Sign::Answers) => {
                let since = open.since;
                self.state = State::default();
                self.remember((since, now));
                Some(Turn::Closed { since })
            }
            (State::Open(open), Sign::Fails(trouble)) => {
                // Stragglers that left before it opened say nothing new.
                open.probing_since.take()?;
                open.probes_failed += 1;
                open.said_at = now;
                open.probe_at = now + growing(policy.pause, policy.pause_max, open.probes_failed + 1);
                open.trouble = trouble;
                Some(Turn::StaysOpen { probe_at: open.probe_at })
            }
        }
    }

    /// The configuration or a quarantine holds the group, or does not any more. Whether that is new.
    pub fn pause(&mut self, paused: bool, now: Timestamp) -> bool {
        let ended = hold(&mut self.paused_since, paused, now);
        ended.map(|span| self.end(span)).is_some()
    }

    /// The same of a person.
    pub fn rest(&mut self, rests: bool, now: Timestamp) -> bool {
        let ended = hold(&mut self.rests_since, rests, now);
        self.said += u64::from(ended.is_some());
        ended.map(|span| self.end(span)).is_some()
    }

    /// What another instance knows: what a person said there, and when it held requests back, or nobody ran. Whether a
    /// person said something new.
    pub fn hear(&mut self, other: &Self) -> bool {
        let unknown: Vec<_> = other.spans.iter().filter(|span| !self.spans.contains(span)).copied().collect();
        self.spans.extend(unknown);
        self.spans.sort_unstable_by_key(|(_, ended)| *ended);
        self.forget_the_oldest();
        let is_news = other.said > self.said;
        if is_news {
            (self.said, self.rests_since) = (other.said, other.rests_since);
        }
        is_news
    }

    /// Whether a person lets the group rest.
    pub const fn rests(&self) -> bool {
        self.rests_since.is_some()
    }

    fn end(&mut self, held: Option<(Timestamp, Timestamp)>) {
        if let Some(span) = held {
            self.remember(span);
        }
    }

    /// Nobody ran for so long.
    pub fn was_away(&mut self, from: Timestamp, to: Timestamp) {
        self.remember((from, to));
    }

    /// How much of the time between was held back: it burns no operation's deadline.
    pub fn held_between(&self, from: Timestamp, to: Timestamp) -> Duration {
        let open = self.open().map(|open| open.since);
        let holds =
            [open, self.paused_since, self.rests_since].into_iter().flatten().map(|since| (since, to));
        let mut spans: Vec<_> = self.spans.iter().copied().chain(holds).collect();
        spans.sort_unstable();
        let (mut held, mut counted) = (Duration::ZERO, from);
        for (began, ended) in spans {
            let (began, ended) = (began.max(counted), ended.min(to));
            held += ended.since(began);
            counted = counted.max(ended);
        }
        held
    }

    fn remember(&mut self, span: (Timestamp, Timestamp)) {
        self.spans.push(span);
        self.forget_the_oldest();
    }

    fn forget_the_oldest(&mut self) {
        let old = self.spans.len().saturating_sub(SPANS_MAX);
        self.spans.drain(..old);
    }
}

/// Begins or ends a hold; the time that it lasted, when it ends. `None` when that is nothing new.
fn hold(since: &mut Option<Timestamp>, held: bool, now: Timestamp) -> Option<Option<(Timestamp, Timestamp)>> {
    match (*since, held) {
        (None, true) => {
            *since = Some(now);
            Some(None)
        }
        (Some(began), false) => {
            *since = None;
            Some(Some((began, now)))
        }
        (Some(_), true) | (None, false) => None,
    }
}

/// What an outcome shows of the target. Never by a status code: what an answer means is the
/// adapter's to say.
pub fn sign(operation: &Operation, step: &Step, outcome: &Outcome) -> Option<Sign> {
    match (step, outcome) {
        (Step::Send, Outcome::NotSent(trouble) | Outcome::Unanswered(trouble)) => {
            Some(Sign::Fails(trouble.clone()))
        }
        // The answer is there, whatever becomes of it.
        (Step::Send, Outcome::Unreadable(_)) => Some(Sign::Answers),
        (Step::Ask, Outcome::Decided { progress, .. }) if was_answered(operation) => {
            match &progress.decision {
                // Its sentence is of one subscriber, and a breaker is everybody's.
                Decision::Again(trouble) => Some(Sign::Fails(Trouble::new(
                    trouble.code.clone(),
                    "an adapter took the answer for none, and wants the request repeated",
                ))),
                _ => Some(Sign::Answers),
            }
        }
        (Step::Ask, Outcome::Refused(_) | Outcome::Held { .. }) if was_answered(operation) => {
            Some(Sign::Answers)
        }
        _ => None,
    }
}

fn was_answered(operation: &Operation) -> bool {
    let answered = |what: &Happening| matches!(what, Happening::Exchanged(exchange) if matches!(exchange.outcome, Received::Answered(_)));
    matches!(operation.stage, Stage::Asking)
        && operation.moves.last().is_some_and(|done| answered(&done.entry.what))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BreakerPolicy =
        BreakerPolicy { failures: 3, pause: Duration::from_secs(10), pause_max: Duration::from_secs(30) };

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(1_769_846_400_000) + Duration::from_secs(second)
    }

    fn fails() -> Sign {
        Sign::Fails(Trouble::new("target-silent", "no answer in time"))
    }

    /// A breaker that opened at that second.
    fn opened(second: u64) -> Breaker {
        let mut breaker = Breaker::default();
        let turns: Vec<_> = (0..3).map(|_| breaker.heard(fails(), &POLICY, at(second)).is_some()).collect();
        assert_eq!(turns, [false, false, true]);
        breaker
    }

    #[test]
    fn it_opens_after_failures_one_after_the_other() {
        for (signs, opens) in
            [("ff", false), ("fff", true), ("ffaff", false), ("ffafff", true), ("aaa", false)]
        {
            let mut breaker = Breaker::default();
            for sign in signs.chars() {
                breaker.heard(if sign == 'f' { fails() } else { Sign::Answers }, &POLICY, at(0));
            }
            assert_eq!(breaker.open().is_some(), opens, "{signs}");
            assert_eq!(breaker.admits(at(9)), !opens, "{signs}");
        }
    }

    #[test]
    fn one_probe_at_a_time_goes_after_a_pause_that_grows() {
        let mut breaker = opened(0);
        let mut now = 0;
        for pause in [10, 20, 30, 30] {
            assert!(!breaker.admit(at(now + pause - 1)), "{pause}");
            now += pause;
            assert!(breaker.admit(at(now)), "{pause}");
            assert!(!breaker.admit(at(now)), "the probe is under way");
            assert!(matches!(breaker.heard(fails(), &POLICY, at(now)), Some(Turn::StaysOpen { .. })));
        }
        assert!(breaker.admit(at(now + 30)));
        assert_eq!(breaker.heard(Sign::Answers, &POLICY, at(now + 31)), Some(Turn::Closed { since: at(0) }));
        assert!(breaker.admit(at(now + 31)) && breaker.admit(at(now + 31)));
    }

    #[test]
    fn stragglers_change_nothing_and_a_lost_probe_is_not_waited_for() {
        let mut breaker = opened(0);
        assert_eq!(breaker.heard(fails(), &POLICY, at(5)), None);
        assert!(breaker.admit(at(10)));
        assert!(!breaker.admit(at(69)));
        assert!(breaker.admit(at(70)), "nothing was heard of the first one for a minute");
        breaker.did_not_leave();
        assert!(breaker.admit(at(70)));
    }

    #[test]
    fn a_clock_that_is_set_back_prolongs_neither_a_pause_nor_a_probe() {
        assert!(opened(3_600).admits(at(20)), "the pause was said an hour from now");
        let mut breaker = opened(0);
        assert!(breaker.admit(at(3_600)));
        assert!(!breaker.admit(at(3_601)));
        assert!(breaker.admit(at(20)), "the clock has been set back by an hour");
        assert!(!breaker.admit(at(21)), "and the next one is waited for as ever");
    }

    #[test]
    fn it_is_as_it_was_after_a_restart_and_its_probe_is_not() {
        let mut breaker = opened(0);
        assert!(breaker.admit(at(10)));
        let kept = serde_json::to_string(&breaker).expect("JSON");
        let mut breaker: Breaker = serde_json::from_str(&kept).expect("a breaker");
        assert_eq!(breaker.open().map(|open| (open.since, open.probe_at)), Some((at(0), at(10))));
        assert!(!breaker.admits(at(9)));
        assert!(breaker.admit(at(10)), "whoever probed is no more");
    }

    #[test]
    fn of_what_persons_say_at_two_instances_the_later_word_counts() {
        let (mut one, mut other) = (Breaker::default(), opened(90));
        assert!(one.rest(true, at(100)));
        assert!(other.hear(&one) && !other.hear(&one));
        assert!(other.rests() && other.open().is_some(), "its own breaker is its own");
        assert!(other.rest(false, at(200)));
        assert!(!other.hear(&one), "an older word");
        assert!(one.hear(&other) && !one.rests() && one.open().is_none());
        assert_eq!(one.held_between(at(150), at(300)), Duration::from_secs(50));
        other.was_away(at(400), at(500));
        assert!(!one.hear(&other), "no person said that");
        assert_eq!(one.held_between(at(390), at(600)), Duration::from_secs(100));
    }

    #[test]
    fn the_time_that_was_held_back_is_known() {
        let mut breaker = opened(100);
        assert!(breaker.admit(at(110)));
        breaker.heard(Sign::Answers, &POLICY, at(120));
        assert!(breaker.pause(true, at(200)) && !breaker.pause(true, at(210)));
        assert!(breaker.pause(false, at(300)) && !breaker.pause(false, at(310)));
        for (from, to, held) in [
            (0, 90, 0),
            (0, 110, 10),
            (105, 110, 5),
            (0, 150, 20),
            (110, 250, 60),
            (0, 1000, 120),
            (120, 200, 0),
            (300, 400, 0),
        ] {
            assert_eq!(breaker.held_between(at(from), at(to)), Duration::from_secs(held), "{from} {to}");
        }
        for _ in 0..3 {
            breaker.heard(fails(), &POLICY, at(400));
        }
        assert_eq!(breaker.held_between(at(390), at(450)), Duration::from_secs(50), "still open");
        breaker.rest(true, at(395));
        assert_eq!(breaker.held_between(at(390), at(450)), Duration::from_secs(55), "and resting");
        for second in 0..1000 {
            breaker.pause(second % 2 == 0, at(500 + second));
        }
        assert_eq!(breaker.spans.len(), SPANS_MAX);
    }
}
