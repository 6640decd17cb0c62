//! Adapters that are nothing but a flow, and histories for them.

use std::marker::PhantomData;

use punchdown_adapter::{
    Adapter, Decision, Delivery, Description, Entry, Event, Exchange, Flow, Happening, Notification,
    Operation, Outcome, Problem, Progress, Reading, Response, Stop, Value, Wanted, json,
};

pub trait Story {
    fn tell(flow: &mut Flow) -> Result<(), Stop>;
}

pub struct Told<S>(PhantomData<S>);

impl<S: Story> Adapter for Told<S> {
    fn describe() -> Description {
        unimplemented!("a story is a flow and nothing else")
    }

    fn check_config(_: &Value) -> Vec<Problem> {
        Vec::new()
    }

    fn provision(flow: &mut Flow, _: &Operation) -> Result<(), Stop> {
        S::tell(flow)
    }

    fn read_notification(_: &Value, _: &Notification) -> Reading {
        unimplemented!("a story is a flow and nothing else")
    }
}

pub fn operation() -> Operation {
    let began = "2026-01-31T08:00:00Z".to_owned();
    Operation {
        id: "operation-1".to_owned(),
        group: "HSS".to_owned(),
        i_account: "189".to_owned(),
        began: began.clone(),
        event: Event {
            id: "1".to_owned(),
            name: "Account/New".to_owned(),
            received_at: began,
            variables: json!({}),
            enclosed: json!({}),
        },
        wanted: Wanted::Running,
        subscriber: None,
        applied: None,
        config: json!({}),
        notify_at: None,
        extras: json!({}),
    }
}

pub fn answered(label: &str) -> Entry {
    exchanged(label, Outcome::Answered(Response::empty(200)))
}

pub fn unknown(label: &str) -> Entry {
    exchanged(label, Outcome::Unknown("no answer".to_owned()))
}

pub fn notified(word: &str) -> Entry {
    entry(Happening::Notified(json!(word)))
}

pub fn elapsed() -> Entry {
    entry(Happening::Elapsed)
}

/// What a decision sends, and how.
pub fn asks(progress: &Progress) -> Option<(&str, &'static str)> {
    match &progress.decision {
        Decision::Send(request) => Some((
            &request.label,
            match request.delivery {
                Delivery::Repeatable => "repeatable",
                Delivery::AtMostOnce => "at-most-once",
            },
        )),
        _ => None,
    }
}

fn exchanged(label: &str, outcome: Outcome) -> Entry {
    entry(Happening::Exchanged(Exchange { label: label.to_owned(), outcome }))
}

fn entry(what: Happening) -> Entry {
    Entry { at: "2026-01-31T08:00:20Z".to_owned(), what }
}
