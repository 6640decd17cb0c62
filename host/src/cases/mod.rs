//! A golden case, asked of a component. What a case is says `sdk/rust/src/cases.rs`, which asks it of the same
//! adapter natively. Those that lie beside a component are asked before it serves.

mod beside;
mod compare;
mod read;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::domain::{
    Body, Decision, Entry, Errand, Group, Happening, Json, Notification, OperationId, Request, Timestamp,
};
use crate::ports::{AdapterError, Adapters as _, Register, Run};
use crate::wasm::{Adapter, Catalog, Serving};

pub use beside::{Seen, folder_beside, hold_in};
use compare::{Shown, compare};
use read::{entry, expected_progress, expected_reading, question, text, written};

/// A case that cannot be asked, an adapter that does not answer, or all that differs.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

pub struct Case {
    /// Of its file, without the ending.
    pub name: String,
    pub case: Value,
}

/// A question of a case, asked twice, and what came of it.
pub struct Asked {
    /// Its place among the steps; `None`: the case is this one question.
    pub step: Option<usize>,
    /// What the case expects, if it says so, and the answer, both in the host's words.
    pub expected: Option<Value>,
    pub answer: Value,
    /// The request that the answer is, where it is one.
    pub request: Option<Request>,
    /// What the answer says to stand outside, where it says so: as JSON, to say nothing and to say that nothing
    /// stands look alike.
    pub applied: Option<Json>,
    /// What the case lets happen then.
    pub then: Option<Value>,
    pub same_twice: bool,
    /// For the first of the two answers.
    pub took: Duration,
}

impl Asked {
    /// # Errors
    /// All that differs, by its place in the answer.
    pub fn hold(&self) -> Result<(), Failure> {
        self.hold_shown(&|whole| whole)
    }

    /// # Errors
    /// All that differs, by its place in the answer, and as it may be shown.
    pub fn hold_shown(&self, shown: &Shown<'_>) -> Result<(), Failure> {
        let expected = self
            .expected
            .as_ref()
            .ok_or("it says nothing of what it expects: give it `expect`, or --update")?;
        let held = compare(expected, &self.answer, self.same_twice, shown);
        let held = held.and_then(|()| self.request.as_ref().map_or(Ok(()), marks_are_explained));
        held.map_err(|why| match self.step {
            Some(number) => format!("step {number}: {why}").into(),
            None => why,
        })
    }
}

/// Hears of each question as it is answered; what it says ends the case.
pub type Ear<'a> = dyn FnMut(Asked) -> Result<(), Failure> + Send + 'a;

/// The files in a folder that are cases, in their order.
pub fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?;
    let mut files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

impl Case {
    /// # Errors
    /// When it cannot be read, or is no JSON; the error says where.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        Self::of(path, &std::fs::read_to_string(path)?)
    }

    /// With the text of the file, by whoever has read that.
    fn of(path: &Path, text: &str) -> Result<Self, Failure> {
        let case = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        Ok(Self { name: name_of(path), case })
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
        self.each(adapter, &mut |asked| asked.hold()).await
    }

    /// Asks everything in it, and lets `ear` hear each answer.
    ///
    /// # Errors
    /// What cannot be asked, where the adapter stops, and what `ear` says.
    pub async fn each(&self, adapter: &Adapter, ear: &mut Ear<'_>) -> Result<(), Failure> {
        let case = &self.case;
        match case["ask"].as_str() {
            Some("provision") => live(adapter, case, ear).await,
            Some("read-notification") => read_notification(adapter, case, ear).await,
            Some("check-config") => check_config(adapter, case, ear).await,
            Some("log-in" | "register-at" | "unregister") => errand(adapter, case, ear).await,
            _ => {
                let known = "provision, read-notification, check-config, log-in, register-at, unregister";
                Err(format!("`ask` is {}, and must be one of: {known}", case["ask"]).into())
            }
        }
    }
}

/// The first answer, how long it took, and whether the second is the same.
async fn twice<T, E, F>(ask: impl Fn() -> F) -> Result<(T, Duration, bool), E>
where
    T: PartialEq,
    F: Future<Output = Result<T, E>>,
{
    let began = Instant::now();
    let first = ask().await?;
    let took = began.elapsed();
    let same_twice = ask().await? == first;
    Ok((first, took, same_twice))
}

async fn read_notification(adapter: &Adapter, case: &Value, ear: &mut Ear<'_>) -> Result<(), Failure> {
    let (catalog, group) = serving(adapter, &case["config"]);
    let raw: Notification = serde_json::from_str(&written(&case["notification"], "/body"))?;
    let expected = case.get("expect").map(expected_reading).transpose()?;
    let (reading, took, same_twice) = twice(|| catalog.read_notification(&group, &raw)).await?;
    let expected = expected.map(|expected| json!(expected));
    ear(Asked {
        step: None,
        expected,
        answer: json!(reading),
        request: None,
        applied: None,
        then: None,
        same_twice,
        took,
    })
}

async fn check_config(adapter: &Adapter, case: &Value, ear: &mut Ear<'_>) -> Result<(), Failure> {
    let config = text(&case["config"]);
    let (problems, took, same_twice) =
        twice(|| adapter.check_config(&config)).await.map_err(|trouble| trouble.message)?;
    let expected = case.get("expect").cloned();
    ear(Asked {
        step: None,
        expected,
        answer: json!(problems),
        request: None,
        applied: None,
        then: None,
        same_twice,
        took,
    })
}

async fn errand(adapter: &Adapter, case: &Value, ear: &mut Ear<'_>) -> Result<(), Failure> {
    let (catalog, group) = serving(adapter, &case["config"]);
    let id = OperationId("01KG8E5S00ERRAND0000000001".to_owned());
    let how = how_to_register(case)?;
    let mut run = Run { group, id, began: Timestamp::default(), history: Vec::new() };
    for (place, step) in case["steps"].as_array().ok_or("it has no steps")?.iter().enumerate() {
        let (errand, took, same_twice) = twice(|| match how.clone() {
            Some(how) => catalog.register(run.clone(), how),
            None => catalog.log_in(run.clone()),
        })
        .await?;
        let answer = without_nulls(&move_of(&errand));
        let expected = step.get("expect").map(expected_move).transpose()?;
        let then = step.get("then").cloned();
        let request = match errand {
            Errand::Send(request) => Some(request),
            Errand::Again(_) | Errand::Fail(_) | Errand::Ready(_) => None,
        };
        let step = Some(place + 1);
        ear(Asked { step, expected, answer, request, applied: None, then: then.clone(), same_twice, took })?;
        if let Some(then) = then {
            run.history.push(entry(&then)?);
        }
    }
    Ok(())
}

fn how_to_register(case: &Value) -> Result<Option<Register>, Failure> {
    let standing = || case.get("standing").map(text);
    Ok(match case["ask"].as_str() {
        Some("register-at") => {
            let address = case["address"].as_str().ok_or("it names no address")?.to_owned();
            Some(Register::At { address, standing: standing() })
        }
        Some("unregister") => Some(Register::NoMore { standing: standing().ok_or("it names no standing")? }),
        _ => None,
    })
}

fn move_of(errand: &Errand) -> Value {
    match errand {
        Errand::Send(request) => json!({ "send": request }),
        Errand::Again(trouble) => json!({ "again": trouble }),
        Errand::Fail(trouble) => json!({ "fail": trouble }),
        Errand::Ready(standing) => {
            let seconds = standing.life.map(|life| life.as_secs());
            json!({ "ready": { "value": standing.value.value(), "seconds": seconds } })
        }
    }
}

fn expected_move(expected: &Value) -> Result<Value, Failure> {
    Ok(match expected.get("send") {
        Some(send) => {
            let request: Request = serde_json::from_str(&written(send, "/body"))?;
            without_nulls(&json!({ "send": request }))
        }
        None => without_nulls(expected),
    })
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
async fn live(adapter: &Adapter, case: &Value, ear: &mut Ear<'_>) -> Result<(), Failure> {
    let mut question = question(&case["operation"])?;
    let (catalog, group) = serving(adapter, &case["operation"]["config"]);
    question.group = group;
    for (place, step) in case["steps"].as_array().ok_or("it has no steps")?.iter().enumerate() {
        let number = place + 1;
        let asked = twice(|| catalog.provision(question.clone())).await;
        let ((progress, _), took, same_twice) =
            asked.map_err(|why: AdapterError| format!("step {number}: {why}"))?;
        let expected = step.get("expect").map(expected_progress).transpose()?;
        let decision = progress.decision.clone();
        let (expected, then) = (expected.map(|expected| json!(expected)), step.get("then").cloned());
        let (step, answer, applied) = (Some(number), json!(progress), progress.applied);
        let request = match &decision {
            Decision::Send(request) => Some(request.clone()),
            _ => None,
        };
        ear(Asked { step, expected, answer, request, applied, then: then.clone(), same_twice, took })?;
        if let Some(then) = then {
            strike(&decision, &mut question.history);
            question.history.push(entry(&then)?);
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

/// Between these an adapter writes what the host fills in; nothing else is written so.
const MARK: &str = "@@";

/// A mark that no fill explains would reach the external system as it is.
fn marks_are_explained(request: &Request) -> Result<(), Failure> {
    let body = match &request.body {
        Body::Text(text) => text.as_str(),
        Body::Empty | Body::Bytes(_) => "",
    };
    let headers = request.headers.iter().map(|header| header.value.as_str());
    for text in [request.path.as_str(), body].into_iter().chain(headers) {
        let explained = request.fills.iter().fold(text.to_owned(), |text, fill| text.replace(&fill.mark, ""));
        let parts: Vec<_> = explained.split(MARK).collect();
        let between = parts.iter().skip(1).step_by(2).take((parts.len() - 1) / 2);
        let unexplained = between.into_iter().find(|word| is_word(word));
        if let Some(word) = unexplained {
            return Err(format!(
                "`{}` holds the mark {MARK}{word}{MARK}, and no fill explains it",
                request.label
            )
            .into());
        }
    }
    Ok(())
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.'))
}

fn serving(adapter: &Adapter, config: &Value) -> (Catalog, Group) {
    let group = Group("OMS".to_owned());
    let (adapter, config, limits) = (adapter.clone(), text(config), adapter.limits());
    let serving = Serving { adapter, config, notify_at: None, limits };
    (Catalog::new([(group.clone(), serving)]), group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Delivery, Escape, Fill};

    #[test]
    fn a_mark_needs_a_fill() {
        let request = |path: &str, body: &str, mark: &str| Request {
            label: "make".to_owned(),
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Body::Text(body.to_owned()),
            delivery: Delivery::Repeatable,
            fills: vec![Fill {
                mark: mark.to_owned(),
                source: "secret.key".to_owned(),
                escape: Escape::Json,
            }],
            extras: None,
        };
        for (path, body, is_well) in [
            ("/lines", "{\"key\":\"@@key@@\"}", true),
            ("/lines?key=@@key@@", "", true),
            ("/lines", "{\"key\":\"@@kye@@\"}", false),
            ("/lines?key=@@session@@", "@@key@@", false),
            ("/lines", "one@@two words@@three", true),
            ("/lines", "ada@@example", true),
        ] {
            let held = marks_are_explained(&request(path, body, "@@key@@"));
            assert_eq!(held.is_ok(), is_well, "{path} {body}");
        }
    }
}
