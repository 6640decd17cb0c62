//! Straight-line code that is re-run: the way a flow of many steps reads like one of none.
//!
//! Every question runs an adapter's code from its first line. What has happened already is answered
//! from the history; at the first thing that has not, the code is stopped, and that thing is the
//! decision. Nothing here does anything: the host does.

use std::slice::Iter;
use std::time::Duration;

use serde_json::Value;

use crate::http::{Delivery, Request, Response};
use crate::instant;
use crate::types::{
    Decision, Entry, Exchange, Happening, Operation, Outcome, Progress, Report, Status, Trouble, Waiting,
};

/// As many characters as a report may have.
const MESSAGE_CHARS_MAX: usize = 4_000;

/// One run of an adapter's code over all that has happened to an operation.
///
/// What is said beside the decision (reports, what is applied, keys) belongs to the next decision,
/// and goes with it: say it before the call that it belongs to.
pub struct Flow<'a> {
    operation: &'a Operation,
    ahead: Iter<'a, Entry>,
    now: &'a str,
    acted_since_wait: bool,
    said: Said,
    stopped: Option<Progress>,
}

/// What goes with the decision that is being formed.
#[derive(Default)]
struct Said {
    reports: Vec<Report>,
    applied: Option<Value>,
    keys: Vec<String>,
}

/// The code has said what comes next and is not to go on: hand it up with `?`.
///
/// Whoever swallows it gets the same again from every later call, so nothing is sent twice.
#[derive(Debug)]
#[must_use = "the flow has stopped: return it"]
pub struct Stop(pub(crate) ());

/// What became of a request that must not be sent twice.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an unknown outcome needs a look before the next request"]
pub enum Acted {
    /// The target answered, with whatever status code.
    Answered(Response),
    /// It may have arrived, and here is why nobody knows: look before you leap.
    Unknown(String),
}

/// What ended a wait.
#[derive(Clone, Debug, PartialEq)]
pub enum Woken {
    /// A notification, by its signal's payload.
    Notified(Value),
    /// The time was up, or the group's deadline came: look for yourself.
    Elapsed,
}

/// How long to wait, and whether a newer operation may take this one's place meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    seconds: Option<u32>,
    gives_way: bool,
}

impl Wait {
    /// Until a notification comes, or the group's deadline.
    pub fn until_notified() -> Self {
        Self { seconds: None, gives_way: false }
    }

    /// The same, but so many seconds at most.
    pub fn seconds(seconds: u32) -> Self {
        Self { seconds: Some(seconds), gives_way: false }
    }

    /// A newer operation that wants another state of the service may take this one's place. Only
    /// when what was said to be applied tells it all.
    #[must_use]
    pub fn gives_way(self) -> Self {
        Self { gives_way: true, ..self }
    }
}

impl<'a> Flow<'a> {
    pub(crate) fn new(operation: &'a Operation, history: &'a [Entry]) -> Self {
        Self {
            operation,
            ahead: history.iter(),
            now: &operation.began,
            acted_since_wait: false,
            said: Said::default(),
            stopped: None,
        }
    }

    /// Sends a request that does twice what it does once. The host repeats it until it is answered,
    /// so there always is an answer; whether that means success is yours to say.
    ///
    /// # Errors
    ///
    /// [`Stop`] while there is no answer yet.
    ///
    /// # Panics
    ///
    /// When the history has something else in this place: the adapter has diverged.
    #[track_caller]
    pub fn ask(&mut self, label: &str, request: Request) -> Result<Response, Stop> {
        Ok(answer(label, self.exchange(label, Delivery::Repeatable, request)?))
    }

    /// Sends a request that must not arrive twice.
    ///
    /// # Errors
    ///
    /// [`Stop`] while nothing is known of it.
    ///
    /// # Panics
    ///
    /// When the history has something else in this place: the adapter has diverged.
    #[track_caller]
    pub fn act(&mut self, label: &str, request: Request) -> Result<Acted, Stop> {
        let outcome = self.exchange(label, Delivery::AtMostOnce, request)?;
        self.acted_since_wait = true;
        Ok(Acted::from(outcome))
    }

    /// Sleeps until a notification or the time comes.
    ///
    /// # Errors
    ///
    /// [`Stop`] until then.
    ///
    /// # Panics
    ///
    /// When the history has something else in this place: the adapter has diverged.
    #[track_caller]
    pub fn wait(&mut self, wait: Wait) -> Result<Woken, Stop> {
        let Some(entry) = self.next_entry()? else {
            return Err(self.stop(wait.decision(false)));
        };
        self.acted_since_wait = false;
        match &entry.what {
            Happening::Notified(payload) => Ok(Woken::Notified(payload.clone())),
            Happening::Elapsed => Ok(Woken::Elapsed),
            Happening::Exchanged(_) => diverged(entry, "waits"),
        }
    }

    /// Sleeps on: the last wait brought no news, and neither did anything since, so all of that is
    /// struck from the history. The code will come to the last wait again, not to here.
    ///
    /// # Panics
    ///
    /// When an [`act`](Self::act) is among what would be struck.
    #[track_caller]
    pub fn wait_on(&mut self, wait: Wait) -> Stop {
        assert!(!self.acted_since_wait, "a request that must not be sent twice cannot be forgotten");
        self.stop(wait.decision(true))
    }

    /// The answer changed nothing and may be another one later: the host strikes it and sends the
    /// same request again on the group's schedule.
    #[track_caller]
    pub fn again(&mut self, code: &str, message: impl Into<String>) -> Stop {
        self.stop(Decision::Again(trouble(code, message)))
    }

    /// As [`again`](Self::again), but at once and with a new session.
    #[track_caller]
    pub fn renew(&mut self, code: &str, message: impl Into<String>) -> Stop {
        self.stop(Decision::Renew(trouble(code, message)))
    }

    /// It cannot go on without a person, or without newer data from PortaBilling.
    #[track_caller]
    pub fn park(&mut self, code: &str, message: impl Into<String>) -> Stop {
        self.stop(Decision::Park(trouble(code, message)))
    }

    /// The event is none of this group's business. Only before anything was sent.
    #[track_caller]
    pub fn ignore(&mut self, why: impl Into<String>) -> Stop {
        self.stop(Decision::Ignore(why.into()))
    }

    /// Reports a status of the account in the operation's own group. A message is cut at 4000
    /// characters.
    pub fn report(&mut self, status: Status, message: impl Into<Option<String>>) {
        self.say_report(None, status, message.into());
    }

    /// Reports a status of the account in another group.
    pub fn report_for(
        &mut self,
        group: impl Into<String>,
        status: Status,
        message: impl Into<Option<String>>,
    ) {
        self.say_report(Some(group.into()), status, message.into());
    }

    /// Says what now stands, or by the next decision may come to stand, in the external system.
    pub fn applied(&mut self, applied: Value) {
        self.said.applied = Some(applied);
    }

    /// Says that nothing stands there for this account.
    pub fn nothing_applied(&mut self) {
        self.applied(Value::Null);
    }

    /// Names a key by which notifications find this operation from now on.
    pub fn key(&mut self, key: impl Into<String>) {
        self.said.keys.push(key.into());
    }

    /// The time of the last thing that happened, or of the operation's beginning: RFC 3339 in UTC,
    /// and the same at every re-run.
    pub fn now(&self) -> &'a str {
        self.now
    }

    /// How old the operation is by [`now`](Self::now).
    pub fn age(&self) -> Duration {
        instant::between(&self.operation.began, self.now)
    }

    /// What the run came to. A run that was not stopped has finished.
    pub(crate) fn into_progress(mut self) -> Progress {
        match self.stopped.take() {
            Some(progress) => progress,
            None => self.decided(Decision::Finish),
        }
    }

    fn say_report(&mut self, group: Option<String>, status: Status, message: Option<String>) {
        let message = message.map(|message| message.chars().take(MESSAGE_CHARS_MAX).collect());
        self.said.reports.push(Report { group, status, message });
    }

    #[track_caller]
    fn exchange(&mut self, label: &str, delivery: Delivery, request: Request) -> Result<&'a Outcome, Stop> {
        let Some(entry) = self.next_entry()? else {
            let label = label.to_owned();
            return Err(self.stop(Decision::Send(Request { label, delivery, ..request })));
        };
        Ok(exchanged(entry, label))
    }

    /// The next thing that has happened. What was said before it went with the decision that led
    /// there.
    fn next_entry(&mut self) -> Result<Option<&'a Entry>, Stop> {
        if self.stopped.is_some() {
            return Err(Stop(()));
        }
        let entry = self.ahead.next();
        if let Some(entry) = entry {
            self.now = &entry.at;
            self.said = Said::default();
        }
        Ok(entry)
    }

    /// Takes the first decision; any later one comes from code that did not hear it.
    #[track_caller]
    fn stop(&mut self, decision: Decision) -> Stop {
        if self.stopped.is_none() {
            self.stopped = Some(self.decided(decision));
        }
        Stop(())
    }

    #[track_caller]
    fn decided(&mut self, decision: Decision) -> Progress {
        if let Some(entry) = self.ahead.next() {
            diverged(entry, doing(&decision));
        }
        let Said { reports, applied, keys } = std::mem::take(&mut self.said);
        Progress { decision, reports, applied, keys, extras: None }
    }
}

impl Wait {
    fn decision(self, forget: bool) -> Decision {
        let Self { seconds, gives_way } = self;
        Decision::Wait(Waiting { seconds, forget, gives_way })
    }
}

impl From<&Outcome> for Acted {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Answered(response) => Self::Answered(response.clone()),
            Outcome::Unknown(why) => Self::Unknown(why.clone()),
        }
    }
}

/// What became of the request with that label, which is what the entry must tell.
#[track_caller]
pub(crate) fn exchanged<'a>(entry: &'a Entry, label: &str) -> &'a Outcome {
    match &entry.what {
        Happening::Exchanged(exchange) if exchange.label == label => &exchange.outcome,
        _ => diverged(entry, &format!("sends \"{label}\"")),
    }
}

/// The answer to a request that the host repeats until there is one.
#[track_caller]
pub(crate) fn answer(label: &str, outcome: &Outcome) -> Response {
    match outcome {
        Outcome::Answered(response) => response.clone(),
        Outcome::Unknown(_) => {
            panic!("diverged: the history has \"{label}\" unanswered where the flow asks for it")
        }
    }
}

pub(crate) fn trouble(code: &str, message: impl Into<String>) -> Trouble {
    Trouble { code: code.to_owned(), message: message.into() }
}

/// Ends a run that took another way than the one before it: never a silent second send.
#[track_caller]
pub(crate) fn diverged(entry: &Entry, doing: &str) -> ! {
    let has = match &entry.what {
        Happening::Exchanged(Exchange { label, .. }) => format!("\"{label}\""),
        Happening::Notified(_) => "a notification".to_owned(),
        Happening::Elapsed => "a wait that elapsed".to_owned(),
    };
    panic!("diverged: the history has {has} where the flow {doing}")
}

fn doing(decision: &Decision) -> &'static str {
    match decision {
        Decision::Send(_) => "sends",
        Decision::Again(_) => "says again",
        Decision::Renew(_) => "renews",
        Decision::Wait(_) => "waits on",
        Decision::Finish => "finishes",
        Decision::Ignore(_) => "ignores",
        Decision::Park(_) => "parks",
    }
}
