//! What an operation is after an outcome: tables, and short lives told step by step.

mod doubt;
mod lane;
mod made_up;
mod person;
mod sending;
mod taking;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::step::{Head, Next, Step, next};
use super::super::{
    AccountId, Body, Chance, Delivery, Event, EventIdentity, Exchange, Group, Header, IAccount, Patterns,
    Report, Request, RetrySchedule, Service, Status, Subscriber, Waiting, Wanted,
};
use super::*;

/// The pauses of the schedule, in seconds; there is no jitter.
const FIRST_PAUSE: u32 = 10;
const LAST_PAUSE: u32 = 60;
/// Seconds from the reading of the subscriber, which is second 0 of every story.
const DEADLINE: u32 = 600;
const HISTORY_MAX: usize = 6;
/// Of the lease under which every request of a story leaves.
const EPOCH: u64 = 7;

/// One operation, moved by hand. The clock stands still unless a story moves it.
struct Story {
    operation: Operation,
    now: Timestamp,
    /// What the last outcome changed.
    last: Change,
}

impl Story {
    fn received() -> Self {
        let event = Event {
            identity: EventIdentity("1-42".to_owned()),
            id: "42".to_owned(),
            i_env: None,
            i_customer: None,
            name: "Account/New".to_owned(),
            i_account: Some(IAccount(189)),
            received_at: at(0),
            variables: json("{}"),
            enclosed: Json::empty_object(),
            trace: None,
        };
        let deadline = Duration::from_secs(DEADLINE.into());
        let id = OperationId("01OPERATION".to_owned());
        let operation =
            Operation::received(id, Group("hss".to_owned()), hss(), event, IAccount(189), deadline);
        let last = Change {
            operation: operation.clone(),
            notes: Vec::new(),
            applied: None,
            keys: Vec::new(),
            forgets_since: None,
            statuses: BTreeMap::new(),
            took_signal: false,
        };
        Self { operation, now: at(0), last }
    }

    fn laid_down() -> Self {
        Self::received().then(Outcome::LaidDown(Box::new(frozen(0))))
    }

    /// A wait of ten minutes at most, without any request before it.
    fn waits() -> Self {
        Self::laid_down().decides(wait(None))
    }

    /// Its only request may have arrived, and its adapter has been told so.
    fn unknown() -> Self {
        Self::laid_down().sends(once("order")).then(Outcome::Unanswered(silence()))
    }

    fn at(mut self, second: u32) -> Self {
        self.now = at(second);
        self
    }

    fn then(mut self, outcome: Outcome) -> Self {
        self.last = apply(self.operation, outcome, &policy(), self.now, Chance(0.0));
        self.operation = self.last.operation.clone();
        self
    }

    /// Its group was held back, or nobody ran, for so long before what comes next.
    fn held_for(mut self, seconds: u32) -> Self {
        self.operation = self.operation.given_back(Duration::from_secs(seconds.into()));
        self
    }

    fn says(self, progress: Progress) -> Self {
        self.then(Outcome::Decided { progress: Box::new(progress), by: Digest::of(b"adapter") })
    }

    fn decides(self, decision: Decision) -> Self {
        self.says(saying(decision))
    }

    fn leaves(self) -> Self {
        self.then(Outcome::Leaving { epoch: EPOCH })
    }

    fn sends(self, request: Request) -> Self {
        self.decides(Decision::Send(request)).leaves()
    }

    fn answered(self, status: u16) -> Self {
        self.then(Outcome::Answered(response(status)))
    }

    fn elapses(self) -> Self {
        self.then(Outcome::Elapsed)
    }

    fn stage(&self) -> &'static str {
        self.operation.stage.word()
    }

    fn parked_for(&self) -> &str {
        match &self.operation.stage {
            Stage::Parked { trouble, .. } => &trouble.code,
            other => panic!("it is {}, not parked", other.word()),
        }
    }

    fn attempts(&self) -> u32 {
        match &self.operation.stage {
            Stage::Received { attempts } | Stage::Ready { attempts, .. } => *attempts,
            other => panic!("nothing is attempted while it is {}", other.word()),
        }
    }

    fn notes(&self) -> Vec<&'static str> {
        self.last.notes.iter().map(Note::word).collect()
    }

    /// What happened, as the adapter will see it: labels, and words for what is no exchange.
    fn history(&self) -> Vec<String> {
        let word = |entry: Entry| match entry.what {
            Happening::Exchanged(Exchange { label, outcome: Received::Answered(_) }) => label,
            Happening::Exchanged(Exchange { label, outcome: Received::Unknown(_) }) => format!("{label}?"),
            Happening::Notified(_) => "notified".to_owned(),
            Happening::Elapsed => "elapsed".to_owned(),
        };
        self.operation.history().into_iter().map(word).collect()
    }

    /// The status words that the last outcome made different.
    fn told(&self) -> Vec<(&str, &'static str)> {
        self.last.statuses.iter().map(|(service, said)| (service.0.as_str(), said.status.word())).collect()
    }

    fn next(&self) -> Next {
        next(&self.head(None, None), &policy(), self.now)
    }

    fn head<'a>(&'a self, signal: Option<&'a Json>, behind: Option<&'a Behind>) -> Head<'a> {
        Head { operation: &self.operation, signal, behind, epoch: EPOCH }
    }
}

fn policy() -> Policy {
    let pauses = [FIRST_PAUSE, LAST_PAUSE].map(|seconds| Duration::from_secs(seconds.into())).to_vec();
    Policy {
        service: hss(),
        reports: BTreeSet::from([hss(), pcrf()]),
        deadline: Duration::from_secs(DEADLINE.into()),
        closing: Patterns::new(vec!["Account/Closed".to_owned()]).expect("a pattern"),
        never_collapse: Patterns::new(vec!["**/New".to_owned()]).expect("a pattern"),
        on_deadline: Status::Failed,
        retry: RetrySchedule::new(pauses).expect("pauses"),
        history_entries_max: HISTORY_MAX,
    }
}

/// One newer operation behind the head, for an event of that name.
fn behind(event_name: &str) -> Behind {
    let newer = OperationId("01NEWER".to_owned());
    Behind { next: newer.clone(), next_event: event_name.to_owned(), newest: newer }
}

fn at(second: u32) -> Timestamp {
    Timestamp::from_millis(1_769_846_400_000) + Duration::from_secs(second.into())
}

fn hss() -> Service {
    Service("HSS".to_owned())
}

fn pcrf() -> Service {
    Service("PCRF".to_owned())
}

fn json(text: &str) -> Json {
    Json::parse(text.to_owned()).expect("JSON")
}

fn frozen(began: u32) -> LaidDown {
    LaidDown {
        began: at(began),
        wanted: Wanted::Running,
        subscriber: Some(Subscriber {
            account_id: AccountId("15550001111@msisdn".to_owned()),
            msisdn: Some("15550001111".to_owned()),
            imsi: Some("001010000000001".to_owned()),
            iccid: None,
            documents: json("{}"),
        }),
        applied: None,
        config: json("{}"),
        notify_at: None,
    }
}

fn request(label: &str, delivery: Delivery) -> Request {
    Request {
        label: label.to_owned(),
        method: "POST".to_owned(),
        path: format!("/{label}"),
        headers: vec![Header { name: "content-type".to_owned(), value: "application/json".to_owned() }],
        body: Body::Text("{}".to_owned()),
        delivery,
        fills: Vec::new(),
        extras: None,
    }
}

fn repeatable(label: &str) -> Request {
    request(label, Delivery::Repeatable)
}

fn once(label: &str) -> Request {
    request(label, Delivery::AtMostOnce)
}

fn response(status: u16) -> Response {
    Response { status, headers: Vec::new(), body: Body::Empty }
}

fn saying(decision: Decision) -> Progress {
    Progress { decision, reports: Vec::new(), applied: None, keys: Vec::new(), extras: None }
}

fn report(group: Option<Service>, status: Status) -> Report {
    Report { group, status, message: None }
}

fn wait(seconds: Option<u32>) -> Decision {
    Decision::Wait(Waiting { seconds, forget: false, gives_way: false })
}

fn wait_and_forget() -> Decision {
    Decision::Wait(Waiting { seconds: Some(30), forget: true, gives_way: false })
}

fn again() -> Decision {
    Decision::Again(Trouble::new("busy", "the system is busy"))
}

fn renew() -> Decision {
    Decision::Renew(Trouble::new("session-ended", "log in again"))
}

fn silence() -> Trouble {
    Trouble::new("target-silent", "no answer in time")
}

fn unreachable() -> Trouble {
    Trouble::new("target-unreachable", "connection refused")
}

fn not_read() -> Outcome {
    let trouble = Trouble::new("billing-unavailable", "no answer in time");
    Outcome::NotRead { trouble, retry_after: None }
}

fn woken() -> Outcome {
    Outcome::Woken(json("{\"state\":\"completed\"}"))
}

fn decided(decision: Decision) -> Outcome {
    Outcome::Decided { progress: Box::new(saying(decision)), by: Digest::of(b"adapter") }
}

/// Every outcome that a stage can meet: where it leads, and what the timeline then says.
#[test]
fn every_outcome_leads_where_the_contract_says() {
    let newer = || OperationId("01NEWER".to_owned());
    let held = || Outcome::Held { trouble: Trouble::new("adapter-not-loaded", "none"), until: at(5) };
    let refused = || Outcome::Refused(Reason::RequestRefused.trouble("never"));
    let too_large = || Outcome::Unreadable(Reason::AnswerTooLarge.trouble("too large"));
    let leaving = || Outcome::Leaving { epoch: EPOCH };
    let answered = || Outcome::Answered(response(200));
    let (send, finish) = (|| Decision::Send(repeatable("create")), || Decision::Finish);
    let park = || Decision::Park(Trouble::new("profile-unknown", "no such profile"));

    let received = Story::received;
    let asking = Story::laid_down;
    let ready = || Story::laid_down().decides(Decision::Send(repeatable("create")));
    let out = || Story::laid_down().sends(repeatable("create"));
    let out_once = || Story::laid_down().sends(once("order"));
    let exchanged = || out().answered(200);
    let waiting = Story::waits;
    let overdue = || Story::waits().at(DEADLINE).elapses().decides(wait(None));
    let parked = || Story::laid_down().decides(park());

    let table: [(Story, Outcome, &str, &[&str]); 32] = [
        (received(), Outcome::LaidDown(Box::new(frozen(0))), "asking", &["laid-down"]),
        (received(), not_read(), "received", &["retrying"]),
        (received(), Outcome::Absent, "received", &["retrying"]),
        (received(), refused(), "parked", &["parked"]),
        (received(), held(), "received", &[]),
        (asking(), decided(send()), "ready", &["decided"]),
        (asking(), decided(again()), "received", &["decided", "retrying"]),
        (asking(), decided(renew()), "received", &["decided", "retrying"]),
        (asking(), decided(wait(None)), "waiting", &["decided"]),
        (asking(), decided(wait_and_forget()), "waiting", &["decided"]),
        (asking(), decided(finish()), "finished", &["decided"]),
        (asking(), decided(Decision::Ignore("not ours".to_owned())), "ignored", &["decided"]),
        (asking(), decided(park()), "parked", &["decided", "parked"]),
        (asking(), refused(), "parked", &["parked"]),
        (asking(), held(), "asking", &[]),
        (exchanged(), decided(send()), "ready", &["decided"]),
        (exchanged(), decided(again()), "ready", &["decided", "struck", "retrying"]),
        (exchanged(), decided(renew()), "ready", &["decided", "struck"]),
        (exchanged(), decided(finish()), "finished", &["decided"]),
        (exchanged(), decided(Decision::Ignore("late".to_owned())), "parked", &["parked"]),
        (ready(), leaving(), "on-its-way", &["left"]),
        (out(), answered(), "asking", &["answered"]),
        (out(), Outcome::NotSent(unreachable()), "ready", &["retrying"]),
        (out(), Outcome::Unanswered(silence()), "ready", &["unanswered", "retrying"]),
        (out_once(), Outcome::Unanswered(silence()), "asking", &["unanswered"]),
        (out(), too_large(), "parked", &["parked"]),
        (out_once(), too_large(), "asking", &["unanswered"]),
        (out(), refused(), "parked", &["parked"]),
        (waiting(), woken(), "asking", &["notified"]),
        (waiting(), Outcome::Elapsed, "asking", &["elapsed"]),
        (overdue(), Outcome::GaveWay { to: newer() }, "superseded", &["superseded"]),
        (parked(), Outcome::GaveWay { to: newer() }, "superseded", &["superseded"]),
    ];
    for (story, outcome, stage, notes) in table {
        let row = format!("{} × {outcome:?}", story.stage());
        let takes_signal = matches!(outcome, Outcome::Woken(_));
        let story = story.then(outcome);
        assert_eq!(story.stage(), stage, "{row}");
        assert_eq!(story.notes(), notes, "{row}");
        assert_eq!(story.last.took_signal, takes_signal, "{row}");
    }
}

/// Each stage wants exactly one thing next; what rests says until when.
#[test]
fn every_stage_wants_one_thing_next() {
    let newer = behind("Account/Product/Changed");
    let give_way = || Next::Do(Step::GiveWay(newer.next.clone()));
    let news = json("\"news\"");
    let ready = || Story::laid_down().decides(Decision::Send(repeatable("create")));
    let out = || Story::laid_down().sends(repeatable("create"));
    let parked = || Story::laid_down().decides(Decision::Park(silence()));
    let in_doubt = || Story::unknown().decides(Decision::Park(silence()));
    let overdue = || Story::waits().at(DEADLINE).elapses().decides(wait(None));

    // The head, its signal, what is behind it.
    type Row<'a> = (&'a str, Story, Option<&'a Json>, Option<&'a Behind>, Next);
    let table: [Row<'_>; 22] = [
        ("received", Story::received(), None, None, Next::Do(Step::Read)),
        ("received, failed once", Story::received().then(not_read()), None, None, Next::RestUntil(at(10))),
        ("its time has come", Story::received().then(not_read()).at(10), None, None, Next::Do(Step::Read)),
        ("asking", Story::laid_down(), None, None, Next::Do(Step::Ask)),
        ("a signal does not cut in", Story::laid_down(), Some(&news), None, Next::Do(Step::Ask)),
        ("ready", ready(), None, None, Next::Do(Step::Leave)),
        (
            "sent again later",
            out().then(Outcome::NotSent(unreachable())),
            None,
            None,
            Next::RestUntil(at(10)),
        ),
        ("marked in this epoch", out(), None, None, Next::Do(Step::Send)),
        ("an exchange is finished first", out(), Some(&news), Some(&newer), Next::Do(Step::Send)),
        ("waiting", Story::waits(), None, None, Next::RestUntil(at(DEADLINE))),
        ("waiting, and told", Story::waits(), Some(&news), None, Next::Do(Step::Wake(news.clone()))),
        ("waiting, not overdue", Story::waits(), None, Some(&newer), Next::RestUntil(at(DEADLINE))),
        ("waited enough", Story::waits().at(DEADLINE), None, None, Next::Do(Step::Elapse)),
        ("overdue", overdue(), None, None, Next::RestUntil(at(2 * DEADLINE))),
        ("overdue, with a newer one", overdue(), None, Some(&newer), give_way()),
        ("parked", parked(), None, None, Next::Rest),
        ("parked, and told", parked(), Some(&news), None, Next::Rest),
        ("parked, with a newer one", parked(), None, Some(&newer), give_way()),
        ("parked, and told, with a newer one", parked(), Some(&news), Some(&newer), give_way()),
        (
            "overdue, and told, with a newer one",
            overdue(),
            Some(&news),
            Some(&newer),
            Next::Do(Step::Wake(news.clone())),
        ),
        ("in doubt, with a newer one", in_doubt(), None, Some(&newer), Next::Rest),
        ("finished", Story::laid_down().decides(Decision::Finish), None, None, Next::Rest),
    ];
    for (row, story, signal, behind, wanted) in table {
        assert_eq!(next(&story.head(signal, behind), &policy(), story.now), wanted, "{row}");
    }
}

#[test]
fn a_mark_of_another_epoch_is_in_doubt_whatever_the_date() {
    let mut story = Story::laid_down().sends(once("order"));
    story.operation.due = at(DEADLINE);
    for (epoch, step) in [(EPOCH, Step::Send), (EPOCH + 1, Step::Doubt), (EPOCH - 1, Step::Doubt)] {
        let head = Head { epoch, ..story.head(None, None) };
        assert_eq!(next(&head, &policy(), story.now), Next::Do(step), "{epoch}");
    }
}
