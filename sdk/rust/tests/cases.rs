//! Golden cases that do not hold say where.

use std::any::Any;
use std::cell::Cell;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use punchdown_adapter::{
    Adapter, Description, Flow, Notification, Operation, Problem, Reading, Request, Stop, Value, Wait, Woken,
    json, run_cases,
};

struct Toy;

impl Adapter for Toy {
    fn describe() -> Description {
        unimplemented!("no case asks for it")
    }

    /// Answers otherwise every time, as none may.
    fn check_config(_: &Value) -> Vec<Problem> {
        thread_local!(static ASKED: Cell<u32> = const { Cell::new(0) });
        let asked = ASKED.replace(ASKED.get() + 1);
        vec![Problem { at: String::new(), message: asked.to_string() }]
    }

    fn provision(flow: &mut Flow, _: &Operation) -> Result<(), Stop> {
        let response = flow.ask("put", Request::put("/thing").json(&json!({"a": 1, "b": 2})))?;
        if !response.is_success() {
            return Err(flow.again("busy", "later"));
        }
        match flow.wait(Wait::seconds(5))? {
            Woken::Notified(_) => Ok(()),
            Woken::Elapsed => Err(flow.wait_on(Wait::seconds(7))),
        }
    }

    fn read_notification(_: &Value, _: &Notification) -> Reading {
        unimplemented!("no case asks for it")
    }
}

const PUT: &str = r#"{ "send": { "label": "put", "method": "PUT", "path": "/thing",
    "headers": [{ "name": "content-type", "value": "application/json" }],
    "body": { "text": "{ \"b\": 2, \"a\": 1 }" }, "delivery": "repeatable" } }"#;
const AGAIN: &str = r#"{ "again": { "code": "busy", "message": "later" } }"#;
const WAIT: &str = r#"{ "wait": { "seconds": 5, "forget": false, "gives-way": false } }"#;
const WAIT_ON: &str = r#"{ "wait": { "seconds": 7, "forget": true, "gives-way": false } }"#;
const ELAPSED: &str = r#""elapsed""#;
const NOTIFIED: &str = r#"{ "notified": {} }"#;

fn put(status: u16) -> String {
    format!(
        r#"{{ "exchanged": {{ "label": "put",
            "outcome": {{ "answered": {{ "status": {status}, "body": "empty" }} }} }} }}"#
    )
}

/// A case of these decisions, each with what happens then, and of the last one.
fn life(steps: &[(&str, &str)], last: &str) -> String {
    let steps = steps.iter().map(|(decision, what)| {
        format!(
            r#"{{ "expect": {{ "decision": {decision} }},
                  "then": {{ "at": "2026-01-31T08:00:00Z", "what": {what} }} }}, "#
        )
    });
    format!(
        r#"{{ "about": "A life.", "ask": "provision",
            "operation": {{ "id": "1", "group": "HSS", "i-account": "189",
                "began": "2026-01-31T08:00:00Z",
                "event": {{ "id": "1", "name": "Account/New", "variables": {{}},
                    "enclosed": {{}}, "received-at": "2026-01-31T08:00:00Z" }},
                "wanted": "running", "config": {{}} }},
            "steps": [ {}{{ "expect": {{ "decision": {last} }} }} ] }}"#,
        steps.collect::<String>()
    )
}

/// What the run of one case says when it does not hold.
fn complaint(name: &str, case: &str) -> Option<String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("case.json"), case).expect("a file");
    let panic = catch_unwind(|| run_cases::<Toy>(&folder)).err()?;
    let panic: Box<dyn Any> = panic;
    panic.downcast_ref::<String>().cloned()
}

#[test]
fn a_whole_life_holds() {
    let (busy, done) = (put(503), put(200));
    let steps = [
        (PUT, &*busy),
        (AGAIN, &*busy),
        (AGAIN, &*done),
        (WAIT, ELAPSED),
        (WAIT_ON, ELAPSED),
        (WAIT_ON, NOTIFIED),
    ];
    assert_eq!(complaint("whole-life", &life(&steps, r#""finish""#)), None);
}

#[test]
fn what_differs_is_named_by_step_and_place() {
    let expected = PUT.replace("/thing", "/other").replace("1 }", "3 }");
    let complaint = complaint("differs", &life(&[], &expected)).expect("a complaint");
    for part in [
        "case.json: A life.",
        "step 1:",
        r#"/decision/send/path: expected "/other", answered "/thing""#,
        "/decision/send/body/json/a: expected 3, answered 1",
    ] {
        assert!(complaint.contains(part), "{part} in {complaint}");
    }
    assert!(!complaint.contains("/json/b"), "{complaint}");
}

#[test]
fn what_cannot_happen_is_no_case() {
    for (name, steps, says) in [
        ("after-send", &[(PUT, ELAPSED)][..], "cannot follow"),
        ("after-wait", &[(PUT, &*put(200)), (WAIT, &*put(200))], "cannot follow"),
        ("another-word", &[(PUT, r#""elapsd""#)], "not a case"),
    ] {
        let complaint = complaint(name, &life(steps, r#""finish""#)).expect("a complaint");
        assert!(complaint.contains(says), "{complaint}");
    }
}

#[test]
fn an_answer_that_depends_on_more_than_the_question_is_found() {
    let case = r#"{ "about": "A check.", "ask": "check-config", "config": {},
                    "expect": [{ "at": "", "message": "0" }] }"#;
    let complaint = complaint("twice", case).expect("a complaint");
    assert!(complaint.contains("asked a second time, it answers otherwise"), "{complaint}");
}

#[test]
#[should_panic(expected = "no golden case there")]
fn a_folder_without_cases_holds_nothing() {
    run_cases::<Toy>(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
}
