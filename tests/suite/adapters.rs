//! The golden cases of an adapter, run by the host against its component: what its author tried
//! natively is what the sandbox answers. `sdk/rust/src/cases.rs` says what a case is.

use std::path::{Path, PathBuf};

use punchdown::domain::{
    AccountId, Decision, Entry, Errand, Event, EventIdentity, Group, Happening, IAccount, Json, LaidDown,
    Notification, OperationId, Progress, Reading, Request, Service, Subscriber, Timestamp,
};
use punchdown::ports::{Adapters as _, Question, Register, Run};
use punchdown::wasm::{Adapter, Catalog, Limits, Sandbox, Serving};
use serde_json::{Value, json};

use crate::harness::{component, oms_adapter, workspace};

/// So many cases the adapter has at least: an empty folder proves nothing.
const CASES_MIN: usize = 30;

/// A case that cannot be read, an adapter that does not answer, or all that differs.
type Failure = Box<dyn std::error::Error>;

#[tokio::test]
async fn the_golden_cases_hold_for_the_component_too() {
    let Some(path) = oms_adapter() else { return };
    hold(&path, "adapters/oms-tmf641/cases", CASES_MIN).await;
    let Some(path) = component("adapters/blank") else { return };
    hold(&path, "adapters/blank/cases", 18).await;
    let Some(path) = component("adapters/hss-pyhss") else { return };
    hold(&path, "adapters/hss-pyhss/cases", CASES_MIN).await;
    let Some(path) = component("adapters/iptv-magoware") else { return };
    hold(&path, "adapters/iptv-magoware/cases", CASES_MIN).await;
    let Some(path) = component("tests/guests/hlr") else { return };
    hold(&path, "tests/guests/hlr/cases", 4).await;
}

async fn hold(component: &Path, cases: &str, cases_min: usize) {
    let sandbox = Sandbox::new().expect("a sandbox");
    let adapter = sandbox.load(component).await.unwrap_or_else(|error| panic!("{error}"));
    let cases = case_files(cases);
    assert!(cases.len() >= cases_min, "{} cases are too few", cases.len());
    let mut failures = Vec::new();
    for path in cases {
        let text = std::fs::read_to_string(&path).expect("a case");
        let case: Value = serde_json::from_str(&text).expect("JSON");
        if let Err(why) = run(&adapter, &case).await {
            failures.push(format!("{}: {}\n    {why}", path.display(), case["about"]));
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

#[test]
fn to_say_that_nothing_stands_is_not_to_say_nothing() {
    let finish = json!({ "decision": "finish", "reports": [{ "status": "ok" }] });
    let nothing_stands = json!({ "decision": "finish", "reports": [{ "status": "ok" }], "applied": null });
    let [before, nothing] =
        [finish, nothing_stands].map(|case| expected_progress(&case).expect("a progress"));
    let difference = compare(&json!(before), &json!(nothing), true).expect_err("they differ");
    assert!(difference.to_string().contains("applied"), "{difference}");
}

/// A Rust adapter needs nothing but the contract; `std` must not have brought WASI with it.
#[test]
fn a_rust_adapter_does_without_wasi() {
    for adapter in ["adapters/oms-tmf641", "adapters/hss-pyhss", "adapters/iptv-magoware"] {
        let Some(path) = component(adapter) else { return };
        let component = std::fs::read(path).expect("the component");
        let names = |text: &str| component.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(names("punchdown:adapter/log@"), "imports are written as they are");
        assert!(!names("wasi:") && !names("wasi_snapshot"), "{adapter} imports WASI");
    }
}

fn case_files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(workspace().join(folder)).expect("the cases");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

async fn run(adapter: &Adapter, case: &Value) -> Result<(), Failure> {
    match case["ask"].as_str() {
        Some("provision") => live(adapter, case).await,
        Some("read-notification") => {
            let (catalog, group) = serving(adapter, &case["config"]);
            let raw = written(&case["notification"], "/body");
            let raw: Notification = serde_json::from_str(&raw)?;
            let expected = written(&case["expect"], "/reply/body");
            let expected: Reading = serde_json::from_str(&expected)?;
            let first = catalog.read_notification(&group, &raw).await?;
            let second = catalog.read_notification(&group, &raw).await?;
            compare(&json!(expected), &json!(first), first == second)
        }
        Some("check-config") => {
            let config = text(&case["config"]);
            let first = adapter.check_config(&config).await.map_err(|trouble| trouble.message)?;
            let second = adapter.check_config(&config).await.map_err(|trouble| trouble.message)?;
            compare(&case["expect"], &json!(first), first == second)
        }
        Some("log-in" | "register-at" | "unregister") => errand(adapter, case).await,
        _ => Err(format!("nobody can ask {}", case["ask"]).into()),
    }
}

async fn errand(adapter: &Adapter, case: &Value) -> Result<(), Failure> {
    let (catalog, group) = serving(adapter, &case["config"]);
    let id = OperationId("01KG8E5S00ERRAND0000000001".to_owned());
    let standing = || case.get("standing").map(text);
    let how = match case["ask"].as_str() {
        Some("register-at") => {
            let address = case["address"].as_str().ok_or("it names no address")?.to_owned();
            Some(Register::At { address, standing: standing() })
        }
        Some("unregister") => Some(Register::NoMore { standing: standing().ok_or("it names no standing")? }),
        _ => None,
    };
    let ask = async |run: Run| match how.clone() {
        Some(how) => catalog.register(run, how).await,
        None => catalog.log_in(run).await,
    };
    let mut run = Run { group, id, began: Timestamp::default(), history: Vec::new() };
    for step in case["steps"].as_array().ok_or("it has no steps")? {
        let first = ask(run.clone()).await?;
        let second = ask(run.clone()).await?;
        let expected = &step["expect"];
        let answer = match &first {
            Errand::Send(request) => json!({ "send": request }),
            Errand::Again(trouble) => json!({ "again": trouble }),
            Errand::Fail(trouble) => json!({ "fail": trouble }),
            Errand::Ready(standing) => {
                let seconds = standing.life.map(|life| life.as_secs());
                json!({ "ready": { "value": standing.value.value(), "seconds": seconds } })
            }
        };
        let expected = match expected.get("send") {
            Some(_) => {
                let request: Request = serde_json::from_str(&written(&expected["send"], "/body"))?;
                json!({ "send": request })
            }
            None => without_nulls(expected),
        };
        compare(&expected, &without_nulls(&answer), first == second)?;
        if let Some(then) = step.get("then") {
            run.history.push(entry(then)?);
        }
    }
    Ok(())
}

/// A member that is missing and one that is `null` say the same here.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            members.map(|(name, value)| (name.clone(), without_nulls(value))).collect()
        }
        plain => plain.clone(),
    }
}

/// A life in steps. What a decision strikes from the history is struck here, too; that each `then`
/// can follow from its decision is seen to natively.
async fn live(adapter: &Adapter, case: &Value) -> Result<(), Failure> {
    let mut question = question(&case["operation"])?;
    let (catalog, group) = serving(adapter, &case["operation"]["config"]);
    question.group = group;
    let steps = case["steps"].as_array().ok_or("it has no steps")?;
    for (place, step) in steps.iter().enumerate() {
        let number = place + 1;
        let expected = expected_progress(&step["expect"])?;
        let (first, by) = catalog.provision(question.clone()).await?;
        let (second, _) = catalog.provision(question.clone()).await?;
        compare(&json!(expected), &json!(first), first == second)
            .map_err(|why| format!("step {number}: {why}"))?;
        assert_eq!(&by, adapter.digest(), "an answer names who gave it");
        if let Some(then) = step.get("then") {
            strike(&expected.decision, &mut question.history);
            question.history.push(entry(then)?);
        }
    }
    Ok(())
}

fn strike(decision: &Decision, history: &mut Vec<Entry>) {
    match decision {
        Decision::Again(_) | Decision::Renew(_) => drop(history.pop()),
        Decision::Wait(waiting) if waiting.forget => {
            let is_wait = |entry: &Entry| !matches!(entry.what, Happening::Exchanged(_));
            if let Some(last_wait) = history.iter().rposition(is_wait) {
                history.truncate(last_wait);
            }
        }
        _ => {}
    }
}

fn serving(adapter: &Adapter, config: &Value) -> (Catalog, Group) {
    let group = Group("OMS".to_owned());
    let (adapter, config) = (adapter.clone(), text(config));
    let serving = Serving { adapter, config, notify_at: None, limits: Limits::default() };
    (Catalog::new([(group.clone(), serving)]), group)
}

fn question(operation: &Value) -> Result<Question, Failure> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let i_account = IAccount(word(&operation["i-account"]).parse().map_err(|_| "`i-account` is no number")?);
    let event = &operation["event"];
    if operation.get("extras").is_some_and(|extras| *extras != json!({})) {
        return Err("the host has no extras to hand over".into());
    }
    Ok(Question {
        operation: OperationId(word(&operation["id"])),
        group: Group(word(&operation["group"])),
        service: Service(word(&operation["group"])),
        i_account,
        event: Event {
            identity: EventIdentity(format!("0-{}", word(&event["id"]))),
            id: word(&event["id"]),
            i_env: None,
            i_customer: None,
            name: word(&event["name"]),
            i_account: Some(i_account),
            received_at: instant(&event["received-at"])?,
            variables: text(&event["variables"]),
            enclosed: text(&event["enclosed"]),
            trace: None,
        },
        laid_down: LaidDown {
            began: instant(&operation["began"])?,
            wanted: serde_json::from_str(&operation["wanted"].to_string())?,
            subscriber: there(operation, "subscriber").map(|subscriber| Subscriber {
                account_id: AccountId(word(&subscriber["account-id"])),
                msisdn: there(subscriber, "msisdn").map(word),
                imsi: there(subscriber, "imsi").map(word),
                iccid: there(subscriber, "iccid").map(word),
                documents: text(&subscriber["documents"]),
            }),
            applied: there(operation, "applied").map(text),
            config: text(&operation["config"]),
            notify_at: there(operation, "notify-at").map(word),
        },
        history: Vec::new(),
    })
}

fn there<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// An adapter sees an instant as the host writes it: a case must write it so, too.
fn instant(value: &Value) -> Result<Timestamp, Failure> {
    let at: Timestamp = serde_json::from_str(&value.to_string())?;
    if Some(at.to_string().as_str()) == value.as_str() {
        return Ok(at);
    }
    Err(format!("the host writes {value} as {at}").into())
}

fn entry(then: &Value) -> Result<Entry, Failure> {
    instant(&then["at"])?;
    let then = written(then, "/what/exchanged/outcome/answered/body");
    Ok(serde_json::from_str(&then)?)
}

/// `applied` is taken from the case itself: as JSON, a member that is `null` and one that is absent
/// are the same to serde, and not to an adapter.
fn expected_progress(expect: &Value) -> Result<Progress, Failure> {
    let written = written(expect, "/decision/send/body");
    let mut progress: Progress = serde_json::from_str(&written)?;
    progress.applied = expect.get("applied").map(text);
    Ok(progress)
}

/// A part of a case as text, with the short form of a body, `{"json": …}`, written out. As text,
/// because the domain keeps JSON as its author wrote it, and a tree has no author.
fn written(part: &Value, body_at: &str) -> String {
    let mut part = part.clone();
    if let Some(body) = part.pointer_mut(body_at)
        && let Some(short) = body.get("json")
    {
        *body = json!({ "text": short.to_string() });
    }
    part.to_string()
}

fn text(value: &Value) -> Json {
    Json::of(value).expect("a tree is JSON")
}

fn compare(expected: &Value, answer: &Value, same_twice: bool) -> Result<(), Failure> {
    if !same_twice {
        return Err("asked a second time, it answers otherwise".into());
    }
    let mut differences = Vec::new();
    note_differences("", &unfolded(expected), &unfolded(answer), &mut differences);
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n    ").into()) }
}

/// Texts that hold JSON become what they hold: the order of members and the space between them
/// are nobody's business.
fn unfolded(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let alone = value.get("text").and_then(Value::as_str).filter(|_| members.len() == 1);
            match alone.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
                Some(held) => json!({ "json": held }),
                None => members.iter().map(|(name, member)| (name.clone(), unfolded(member))).collect(),
            }
        }
        Value::Array(values) => values.iter().map(unfolded).collect(),
        plain => plain.clone(),
    }
}

/// Names the smallest parts that differ, each by its JSON pointer.
fn note_differences(at: &str, expected: &Value, answer: &Value, into: &mut Vec<String>) {
    match (expected, answer) {
        _ if expected == answer => {}
        (Value::Object(left), Value::Object(right)) if left.keys().eq(right.keys()) => {
            for (name, member) in left {
                note_differences(&format!("{at}/{name}"), member, &right[name], into);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (place, (left, right)) in left.iter().zip(right).enumerate() {
                note_differences(&format!("{at}/{place}"), left, right, into);
            }
        }
        _ => into.push(format!("{at}: expected {expected}, answered {answer}")),
    }
}
