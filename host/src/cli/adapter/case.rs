//! A golden case, asked of a component. What a case is says `sdk/rust/src/cases.rs`, which asks it of the same
//! adapter natively.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::compare::compare;
use crate::domain::{
    AccountId, Decision, Entry, Errand, Event, EventIdentity, Group, Happening, IAccount, Json, LaidDown,
    Notification, OperationId, Progress, Reading, Request, Service, Subscriber, Timestamp,
};
use crate::ports::{Adapters as _, Question, Register, Run};
use crate::wasm::{Adapter, Catalog, Limits, Serving};

/// A case that cannot be asked, an adapter that does not answer, or all that differs.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

pub struct Case {
    /// Of its file, without the ending.
    pub name: String,
    case: Value,
}

/// The files in a folder that are cases, in their order.
pub fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?;
    let mut files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

impl Case {
    /// # Errors
    /// When it cannot be read, or is no JSON; the error says where.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path)?;
        let case = serde_json::from_str(&text).map_err(|error| format!("it is no JSON: {error}"))?;
        Ok(Self { name, case })
    }

    /// What it is about, in its author's words.
    pub fn about(&self) -> &str {
        self.case["about"].as_str().unwrap_or_default()
    }

    /// Asks everything in it, each twice.
    ///
    /// # Errors
    /// What differs, by its place in the answer.
    pub async fn hold(&self, adapter: &Adapter) -> Result<(), Failure> {
        ask(adapter, &self.case).await
    }
}

async fn ask(adapter: &Adapter, case: &Value) -> Result<(), Failure> {
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
        _ => {
            let known = "provision, read-notification, check-config, log-in, register-at, unregister";
            Err(format!("`ask` is {}, and must be one of: {known}", case["ask"]).into())
        }
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
        let (first, _) = catalog.provision(question.clone()).await?;
        let (second, _) = catalog.provision(question.clone()).await?;
        compare(&json!(expected), &json!(first), first == second)
            .map_err(|why| format!("step {number}: {why}"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_say_that_nothing_stands_is_not_to_say_nothing() {
        let finish = json!({ "decision": "finish", "reports": [{ "status": "ok" }] });
        let nothing_stands =
            json!({ "decision": "finish", "reports": [{ "status": "ok" }], "applied": null });
        let [before, nothing] =
            [finish, nothing_stands].map(|case| expected_progress(&case).expect("a progress"));
        let difference = compare(&json!(before), &json!(nothing), true).expect_err("they differ");
        assert!(difference.to_string().contains("applied"), "{difference}");
    }
}
