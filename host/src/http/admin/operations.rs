//! Operations, as a person sees them and lays hands on them.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{self, Path, Query};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Door, Problem};
use crate::domain::{Group, IAccount, Operation, OperationId, Person, Stage, State, Timestamp};
use crate::engine::Wish;
use crate::ports::{AuditsSought, Line, Sought, Told};
use crate::secret::Screen;

/// Lines that one answer has at most, and when nobody says how many.
pub const LINES_MAX: usize = 1000;
const LINES: usize = 100;
/// Of who and why.
const CHARS_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    group: Option<String>,
    state: Option<String>,
    i_account: Option<u64>,
    #[serde(default)]
    problems: bool,
    before: Option<u64>,
    limit: Option<usize>,
}

/// The newest first; `before` continues where the last answer ended.
pub async fn list(
    extract::State(door): extract::State<Arc<Door>>,
    filter: Result<Query<Filter>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(filter) = filter.map_err(|why| Problem(StatusCode::BAD_REQUEST, why.body_text()))?;
    let state = filter.state.as_deref().map(state).transpose()?;
    let most = most(filter.limit);
    let sought = Sought {
        group: filter.group.map(Group),
        state,
        held: door.intake.held().await,
        i_account: filter.i_account.map(IAccount),
        event: None,
        problems: filter.problems,
        before: filter.before,
        most,
    };
    let lines = door.operators.journal().operations(sought).await?;
    let before = lines.last().filter(|_| lines.len() == most).map(|line| line.seq);
    let lines: Vec<Value> = lines.iter().map(line).collect();
    Ok(Json(json!({ "operations": lines, "before": before })))
}

fn state(word: &str) -> Result<State, Problem> {
    State::from_word(word).ok_or_else(|| {
        let known = State::ALL.map(State::word).join(", ");
        Problem(StatusCode::BAD_REQUEST, format!("`{word}` is no state: {known}"))
    })
}

/// How many lines are shown when so many are asked for.
pub fn most(limit: Option<usize>) -> usize {
    limit.unwrap_or(LINES).clamp(1, LINES_MAX)
}

pub fn line(line: &Line) -> Value {
    json!({
        "id": line.id.0,
        "group": line.group.0,
        "i_account": line.i_account.0,
        "event": line.event,
        "state": line.state.word(),
        "received_at": line.received_at.to_string(),
        "changed_at": line.changed_at.to_string(),
        "due": line.due.to_string(),
    })
}

pub async fn show(
    extract::State(door): extract::State<Arc<Door>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let told = door.operators.journal().operation(&OperationId(id.clone())).await?;
    let told = told.ok_or_else(|| Problem(StatusCode::NOT_FOUND, format!("there is no operation {id}")))?;
    let screen = door.operators.screen(&told.operation.lane.group);
    let held = door.intake.held().await;
    let ends = door.intake.time_is_up(&told.operation).await;
    Ok(Json(shown(&told, &screen, &held, ends)))
}

/// Where it stands, in a person's word. Of a group whose requests do not leave, what has one to send is held.
pub fn state_of(operation: &Operation, held: &BTreeSet<Group>) -> State {
    let state = State::of(operation);
    let waits = matches!(operation.stage, Stage::Ready { .. } | Stage::Asking);
    let is_held = waits && held.contains(&operation.lane.group);
    if is_held { state.held_back() } else { state }
}

/// All that is known, without what nobody is to see.
fn shown(told: &Told, screen: &Screen, held: &BTreeSet<Group>, ends: Option<Timestamp>) -> Value {
    let operation = &told.operation;
    let state = state_of(operation, held);
    let timeline: Vec<Value> = told
        .timeline
        .iter()
        .map(
            |(at, note)| json!({ "at": at.to_string(), "what": note.word(), "note": screen.over(json!(note)) }),
        )
        .collect();
    let said: Value = operation
        .said
        .iter()
        .map(|(service, said)| {
            let told = json!({ "status": said.status.word(), "message": said.message });
            (service.0.clone(), screen.over(told))
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "id": operation.id.0,
        "group": operation.lane.group.0,
        "service": operation.service.0,
        "i_account": operation.lane.i_account.0,
        "trace": operation.trace().to_string(),
        "event": {
            "id": operation.event.id,
            "name": operation.event.name,
            "received_at": operation.event.received_at.to_string(),
            "stored_as": operation.event.identity.0,
        },
        "state": state.word(),
        "in_doubt": operation.is_in_doubt(),
        "overdue": operation.overdue.is_some(),
        "due": date(operation, operation.due),
        "deadline": ends.map(|ends| ends.to_string()),
        "trouble": trouble(operation, screen),
        "keys": screen.over(json!(operation.keys)),
        "adapter": operation.by.as_ref().map(ToString::to_string),
        "said": said,
        "stands_behind": told.stands_behind.as_ref().map(|head| head.0.clone()),
        "timeline": timeline,
    })
}

/// What is closed has no date any more.
fn date(operation: &Operation, at: Timestamp) -> Option<String> {
    operation.stage.is_open().then(|| at.to_string())
}

/// Why it does not go on, or why its last attempt did not succeed.
fn trouble(operation: &Operation, screen: &Screen) -> Option<Value> {
    let trouble = match &operation.stage {
        Stage::Parked { trouble, .. } => Some(trouble),
        _ => operation.trouble.as_ref(),
    };
    trouble.map(|trouble| screen.over(json!(trouble)))
}

/// Who does it, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    pub(super) who: String,
    pub(super) why: String,
}

impl Signed {
    pub fn person(self) -> Result<Person, Problem> {
        for (name, text) in [("who", &self.who), ("why", &self.why)] {
            let length = text.trim().chars().count();
            if !(1..=CHARS_MAX).contains(&length) || text.chars().any(char::is_control) {
                let why =
                    format!("`{name}` is a line of 1 to {CHARS_MAX} characters: it is kept with what you do");
                return Err(Problem(StatusCode::BAD_REQUEST, why));
            }
        }
        Ok(Person { who: self.who.trim().to_owned(), why: self.why.trim().to_owned() })
    }
}

pub type Body<T> = Result<Json<T>, axum::extract::rejection::JsonRejection>;

pub fn signed(body: Body<Signed>) -> Result<Person, Problem> {
    let Json(signed) = body.map_err(|why| Problem::unreadable(&why))?;
    signed.person()
}

pub async fn act(
    extract::State(door): extract::State<Arc<Door>>,
    Path((id, wish)): Path<(String, String)>,
    body: Body<Signed>,
) -> Result<Json<Value>, Problem> {
    let wish: Wish = serde_json::from_value(json!(wish)).map_err(|_| {
        Problem(StatusCode::NOT_FOUND, format!("`{wish}` cannot be done: retry, restart and skip can"))
    })?;
    let person = signed(body)?;
    let to = door.operators.act(OperationId(id.clone()), wish, person).await?;
    Ok(Json(json!({ "id": id, "successor": to.map(|to| to.0) })))
}

/// What a person may do to a group.
pub async fn group(
    extract::State(door): extract::State<Arc<Door>>,
    Path((name, wish)): Path<(String, String)>,
    body: Body<Signed>,
) -> Result<Json<Value>, Problem> {
    let (group, operators) = (Group(name.clone()), &door.operators);
    let person = || signed(body);
    match wish.as_str() {
        "pause" | "resume" => operators.pause(&group, wish == "pause", person()?).await?,
        "register" | "unregister" => operators.register(&group, wish == "unregister", person()?).await?,
        "release" => drop(operators.release(&group, person()?).await?),
        other => {
            let why = format!(
                "`{other}` cannot be done to a group: pause, resume, register, unregister, release, pin and unpin can"
            );
            return Err(Problem(StatusCode::NOT_FOUND, why));
        }
    }
    Ok(Json(json!({ "group": name, "done": wish })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditFilter {
    group: Option<String>,
    operation: Option<String>,
    before: Option<u64>,
    limit: Option<usize>,
}

/// The newest first; `before` continues where the last answer ended.
pub async fn audit(
    extract::State(door): extract::State<Arc<Door>>,
    filter: Result<Query<AuditFilter>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(filter) = filter.map_err(|why| Problem(StatusCode::BAD_REQUEST, why.body_text()))?;
    let most = most(filter.limit);
    let sought = AuditsSought {
        group: filter.group.map(Group),
        operation: filter.operation.map(OperationId),
        before: filter.before,
        most,
    };
    let entries = door.operators.journal().audits(sought).await?;
    let before = entries.last().filter(|_| entries.len() == most).map(|(place, _)| *place);
    let entries: Vec<Value> = entries
        .into_iter()
        .map(|(_, entry)| {
            json!({
                "at": entry.at.to_string(),
                "who": entry.person.who,
                "why": entry.person.why,
                "what": entry.what,
                "about": entry.about,
            })
        })
        .collect();
    Ok(Json(json!({ "audit": entries, "before": before })))
}
