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
mod tests;
