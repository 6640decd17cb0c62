//! The flow, as an adapter's author meets it.

mod stories;

use punchdown_adapter::{
    Acted, Decision, Flow, Request, Status, Stop, Wait, Waiting, Woken, json, provision,
};

use stories::{Story, Told, answered, asks, elapsed, notified, operation, unknown};

/// Creates, looks when nobody knows, waits for the word of the system.
struct Create;

impl Story for Create {
    fn tell(flow: &mut Flow) -> Result<(), Stop> {
        flow.applied(json!({"asked": true}));
        if let Acted::Unknown(_) = flow.act("create", Request::post("/things"))? {
            flow.ask("find", Request::get("/things"))?;
        }
        flow.key("thing-1");
        flow.report(Status::InProgress, None);
        match flow.wait(Wait::seconds(30).gives_way())? {
            Woken::Notified(word) if word == "done" => {}
            Woken::Notified(_) | Woken::Elapsed => {
                return Err(flow.wait_on(Wait::seconds(60)));
            }
        }
        assert_eq!(flow.now(), "2026-01-31T08:00:20Z");
        assert_eq!(flow.age().as_secs(), 20);
        flow.report_for("PCRF", Status::Ok, "as wanted".to_owned());
        flow.nothing_applied();
        Ok(())
    }
}

#[test]
fn code_that_is_run_again_goes_on_where_it_was() {
    let mut history = Vec::new();
    let progress = provision::<Told<Create>>(&operation(), &history);
    assert_eq!(asks(&progress), Some(("create", "at-most-once")));
    assert_eq!(progress.applied, Some(json!({"asked": true})));

    history.push(unknown("create"));
    let progress = provision::<Told<Create>>(&operation(), &history);
    assert_eq!(asks(&progress), Some(("find", "repeatable")));
    assert_eq!(progress.applied, None, "what was said before went with what was sent before");

    history.push(answered("find"));
    let progress = provision::<Told<Create>>(&operation(), &history);
    let waiting = Waiting { seconds: Some(30), forget: false, gives_way: true };
    assert_eq!(progress.decision, Decision::Wait(waiting));
    assert_eq!(progress.keys, ["thing-1"]);
    assert_eq!(progress.reports.len(), 1);

    history.push(notified("done"));
    let progress = provision::<Told<Create>>(&operation(), &history);
    assert_eq!(progress.decision, Decision::Finish);
    assert_eq!(progress.applied, Some(json!(null)));
    assert_eq!(progress.reports[0].group.as_deref(), Some("PCRF"));
    assert!(progress.keys.is_empty());
}

#[test]
fn a_wait_without_news_is_forgotten() {
    for nothing_new in [elapsed(), notified("still at it")] {
        let progress = provision::<Told<Create>>(&operation(), &[answered("create"), nothing_new]);
        let waiting = Waiting { seconds: Some(60), forget: true, gives_way: false };
        assert_eq!(progress.decision, Decision::Wait(waiting));
    }
}

/// Takes no stop for an answer.
struct Deaf;

impl Story for Deaf {
    fn tell(flow: &mut Flow) -> Result<(), Stop> {
        for label in ["first", "second"] {
            flow.applied(json!(label));
            drop(flow.ask(label, Request::get("/")));
        }
        drop(flow.park("deaf", "never heard"));
        Ok(())
    }
}

#[test]
fn a_stop_that_was_swallowed_stops_all_the_same() {
    let progress = provision::<Told<Deaf>>(&operation(), &[]);
    assert_eq!(asks(&progress), Some(("first", "repeatable")));
    assert_eq!(progress.applied, Some(json!("first")));

    let progress = provision::<Told<Deaf>>(&operation(), &[answered("first")]);
    assert_eq!(asks(&progress), Some(("second", "repeatable")));
}

#[test]
#[should_panic(expected = "diverged: the history has \"remove\" where the flow sends \"create\"")]
fn another_label_in_the_history_is_a_divergence() {
    provision::<Told<Create>>(&operation(), &[answered("remove")]);
}

#[test]
#[should_panic(expected = "diverged: the history has a wait that elapsed where the flow sends")]
fn a_wait_in_the_place_of_a_request_is_a_divergence() {
    provision::<Told<Create>>(&operation(), &[elapsed()]);
}

#[test]
#[should_panic(expected = "diverged: the history has \"create\" where the flow waits")]
fn a_request_in_the_place_of_a_wait_is_a_divergence() {
    provision::<Told<Create>>(&operation(), &[answered("create"), answered("create")]);
}

#[test]
#[should_panic(expected = "diverged: the history has a notification where the flow finishes")]
fn history_beyond_the_end_is_a_divergence() {
    let history = [answered("create"), notified("done"), notified("done")];
    provision::<Told<Create>>(&operation(), &history);
}

#[test]
#[should_panic(expected = "\"first\" unanswered where the flow asks")]
fn a_repeatable_request_is_always_answered() {
    provision::<Told<Deaf>>(&operation(), &[unknown("first")]);
}

/// Would forget that it acted.
struct Forgetful;

impl Story for Forgetful {
    fn tell(flow: &mut Flow) -> Result<(), Stop> {
        flow.wait(Wait::until_notified())?;
        let _whatever = flow.act("create", Request::post("/things"))?;
        Err(flow.wait_on(Wait::until_notified()))
    }
}

#[test]
#[should_panic(expected = "cannot be forgotten")]
fn what_must_not_be_sent_twice_is_not_forgotten() {
    provision::<Told<Forgetful>>(&operation(), &[elapsed(), answered("create")]);
}

/// Says more than anybody reads.
struct Talkative;

impl Story for Talkative {
    fn tell(flow: &mut Flow) -> Result<(), Stop> {
        flow.report(Status::Failed, "ä".repeat(5_000));
        Ok(())
    }
}

#[test]
fn a_message_is_cut_at_what_portabilling_takes() {
    let progress = provision::<Told<Talkative>>(&operation(), &[]);
    let message = progress.reports[0].message.as_deref().unwrap_or_default();
    assert_eq!(message.chars().count(), 4_000);
}
