//! Golden cases: files of what is given and what is expected, run against the adapter natively.
//!
//! The host runs the same files against the component. A `provision` case is a life in steps: asked
//! with everything that was said to happen so far, the adapter must answer `expect`; `then` is what
//! happens next. What a decision strikes from the history is struck here too. Every question is
//! asked twice, because its answer must depend on nothing but the question.

use std::any::Any;
use std::ffi::OsStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::types::{
    Decision, Entry, Happening, Move, Notification, Operation, Outcome, Problem, Progress, Reading,
};
use crate::{Adapter, LogIn, Register, log_in, provision, register_at, unregister};

#[derive(Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
enum Case {
    Provision(Box<Life>),
    ReadNotification(Box<Notice>),
    CheckConfig(Check),
    LogIn(Way),
    RegisterAt(Way),
    Unregister(Way),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Life {
    about: String,
    operation: Operation,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    expect: Progress,
    /// What the decision leads to; absent in the last step.
    then: Option<Entry>,
}

/// An errand, move by move.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Way {
    about: String,
    config: Value,
    /// Of a registration.
    address: Option<String>,
    /// Of a registration, or of its end.
    standing: Option<Value>,
    steps: Vec<Stage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stage {
    expect: Move,
    /// What becomes of what is sent; absent in the last step.
    then: Option<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Notice {
    about: String,
    config: Value,
    notification: Notification,
    expect: Reading,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    about: String,
    config: Value,
    expect: Vec<Problem>,
}

/// Runs every `*.json` of a folder against `A`.
///
/// # Panics
///
/// With everything that differs, by file and step; also when there is no case at all.
pub fn run_cases<A: Adapter>(folder: impl AsRef<Path>) {
    run::<A>(folder.as_ref(), Errands::default());
}

/// As [`run_cases`], with the cases that ask for a log-in.
///
/// # Panics
///
/// As [`run_cases`].
pub fn run_cases_with_log_in<A: LogIn>(folder: impl AsRef<Path>) {
    run::<A>(folder.as_ref(), Errands { log_in: Some(log_in::<A>), ..Errands::default() });
}

/// As [`run_cases`], with the cases that ask for a registration or its end.
///
/// # Panics
///
/// As [`run_cases`].
pub fn run_cases_with_register<A: Register>(folder: impl AsRef<Path>) {
    let register: (AskRegister, AskUnregister) = (register_at::<A>, unregister::<A>);
    run::<A>(folder.as_ref(), Errands { register: Some(register), ..Errands::default() });
}

type AskLogIn = fn(&Value, &[Entry]) -> Move;
type AskRegister = fn(&Value, &str, Option<&Value>, &[Entry]) -> Move;
type AskUnregister = fn(&Value, &Value, &[Entry]) -> Move;

/// The optional interfaces that an adapter was given with.
#[derive(Clone, Copy, Default)]
struct Errands {
    log_in: Option<AskLogIn>,
    register: Option<(AskRegister, AskUnregister)>,
}

impl Errands {
    fn walk(self, case: &Case, way: &Way) -> Result<(), String> {
        let (config, standing) = (&way.config, way.standing.as_ref());
        match (case, self) {
            (Case::LogIn(_), Self { log_in: Some(log_in), .. }) => {
                walk(way, |history| log_in(config, history))
            }
            (Case::RegisterAt(_), Self { register: Some((register_at, _)), .. }) => {
                let address = way.address.as_deref().ok_or("the case names no `address`")?;
                walk(way, |history| register_at(config, address, standing, history))
            }
            (Case::Unregister(_), Self { register: Some((_, unregister)), .. }) => {
                let standing = standing.ok_or("the case names no `standing`")?;
                walk(way, |history| unregister(config, standing, history))
            }
            _ => Err("this adapter was given without that: run_cases_with_log_in, run_cases_with_register"
                .to_owned()),
        }
    }
}

fn run<A: Adapter>(folder: &Path, errands: Errands) {
    let files = case_files(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    assert!(!files.is_empty(), "no golden case there: {}", folder.display());
    let mut failures = Vec::new();
    for file in &files {
        let run = AssertUnwindSafe(|| run_file::<A>(file, errands));
        if let Err(why) = catch_unwind(run).unwrap_or_else(|panic| Err(words(&*panic))) {
            failures.push(format!("{}: {why}", file.display()));
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

fn case_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("json")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn run_file<A: Adapter>(file: &Path, errands: Errands) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let case = serde_json::from_str(&text).map_err(|error| format!("not a case: {error}"))?;
    let (about, result) = match &case {
        Case::Provision(life) => (&life.about, live::<A>(life)),
        Case::ReadNotification(notice) => {
            let ask = || A::read_notification(&notice.config, &notice.notification);
            (&notice.about, compare(&notice.expect, ask))
        }
        Case::CheckConfig(check) => {
            let ask = || A::check_config(&check.config);
            (&check.about, compare(&check.expect, ask))
        }
        Case::LogIn(way) | Case::RegisterAt(way) | Case::Unregister(way) => {
            (&way.about, errands.walk(&case, way))
        }
    };
    result.map_err(|why| format!("{about}\n    {why}"))
}

fn live<A: Adapter>(life: &Life) -> Result<(), String> {
    let mut history = Vec::new();
    for (place, step) in life.steps.iter().enumerate() {
        let is_last = place + 1 == life.steps.len();
        compare(&step.expect, || provision::<A>(&life.operation, &history))
            .and_then(|()| match &step.then {
                Some(then) if !is_last => happen(&step.expect.decision, then, &mut history),
                None if is_last => Ok(()),
                Some(_) => Err("no step follows this `then`".to_owned()),
                None => Err("`then` is missing".to_owned()),
            })
            .map_err(|why| format!("step {}:\n    {why}", place + 1))?;
    }
    Ok(())
}

fn walk(way: &Way, ask: impl Fn(&[Entry]) -> Move) -> Result<(), String> {
    let mut history: Vec<Entry> = Vec::new();
    for (place, step) in way.steps.iter().enumerate() {
        let is_last = place + 1 == way.steps.len();
        compare(&step.expect, || ask(&history))
            .and_then(|()| match (&step.then, &step.expect) {
                (Some(then), Move::Send(request)) if !is_last && label(then) == Some(&request.label) => {
                    history.push(then.clone());
                    Ok(())
                }
                (None, _) if is_last => Ok(()),
                (Some(_), _) => Err("`then` cannot follow from this move".to_owned()),
                (None, _) => Err("`then` is missing".to_owned()),
            })
            .map_err(|why| format!("step {}:\n    {why}", place + 1))?;
    }
    Ok(())
}

/// Appends what a decision led to, and before that strikes what the decision strikes.
fn happen(decision: &Decision, then: &Entry, history: &mut Vec<Entry>) -> Result<(), String> {
    let exchanged = label(then);
    let fits = match decision {
        Decision::Send(request) => exchanged == Some(&request.label),
        Decision::Again(_) | Decision::Renew(_) => {
            let struck = history.pop().filter(|entry| !is_unknown(entry));
            exchanged.is_some() && exchanged == struck.as_ref().and_then(label)
        }
        Decision::Wait(waiting) => {
            let last_wait = history.iter().rposition(|entry| label(entry).is_none());
            if let Some(place) = last_wait.filter(|_| waiting.forget) {
                history.truncate(place);
            }
            exchanged.is_none()
        }
        Decision::Finish | Decision::Ignore(_) | Decision::Park(_) => false,
    };
    history.push(then.clone());
    if fits { Ok(()) } else { Err("`then` cannot follow from this decision".to_owned()) }
}

/// The label of an exchange; what is none ends a wait.
fn label(entry: &Entry) -> Option<&String> {
    match &entry.what {
        Happening::Exchanged(exchange) => Some(&exchange.label),
        Happening::Notified(_) | Happening::Elapsed => None,
    }
}

fn is_unknown(entry: &Entry) -> bool {
    matches!(&entry.what, Happening::Exchanged(exchange) if matches!(exchange.outcome, Outcome::Unknown(_)))
}

fn compare<T: Serialize>(expected: &T, ask: impl Fn() -> T) -> Result<(), String> {
    let (expected, answer, second) = (readable(expected), readable(&ask()), readable(&ask()));
    let mut differences = Vec::new();
    note_differences("", Some(&expected), Some(&answer), &mut differences);
    if answer != second {
        differences.push("asked a second time, it answers otherwise".to_owned());
        note_differences("", Some(&answer), Some(&second), &mut differences);
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n    ")) }
}

/// A value as JSON, with texts that hold JSON taken for what they hold: the order of members and
/// the space between them are nobody's business.
fn readable(value: &impl Serialize) -> Value {
    match serde_json::to_value(value) {
        Ok(value) => unfolded(value),
        Err(error) => panic!("an answer that is not JSON: {error}"),
    }
}

fn unfolded(value: Value) -> Value {
    match value {
        Value::Object(mut object) => {
            let text = object.get("text").and_then(Value::as_str).filter(|_| object.len() == 1);
            match text.and_then(|text| serde_json::from_str(text).ok()) {
                Some(json) => {
                    object = Map::new();
                    object.insert("json".to_owned(), json);
                    Value::Object(object)
                }
                None => object.into_iter().map(|(name, value)| (name, unfolded(value))).collect(),
            }
        }
        Value::Array(values) => values.into_iter().map(unfolded).collect(),
        plain => plain,
    }
}

/// Names the smallest parts that differ, each by its JSON pointer.
fn note_differences(at: &str, expected: Option<&Value>, answer: Option<&Value>, into: &mut Vec<String>) {
    match (expected, answer) {
        _ if expected == answer => {}
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let only_right = right.keys().filter(|name| !left.contains_key(*name));
            for name in left.keys().chain(only_right) {
                note_differences(&format!("{at}/{name}"), left.get(name), right.get(name), into);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            for place in 0..left.len().max(right.len()) {
                note_differences(&format!("{at}/{place}"), left.get(place), right.get(place), into);
            }
        }
        _ => {
            let shown = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            into.push(format!("{at}: expected {}, answered {}", shown(expected), shown(answer)));
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without words"))
}
