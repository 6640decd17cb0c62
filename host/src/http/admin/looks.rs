//! Events, dead letters, notifications and accounts, as a person sees them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{self, Path, Query};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::operations::{LINES_MAX, line, most};
use super::{Door, Problem};
use crate::domain::{EventIdentity, IAccount, Timestamp};
use crate::ports::{Letter, NotificationLine, Place, Sought};
use crate::secret::Screen;

/// Operations of an account that are shown with it.
const OPERATIONS_MAX: usize = 50;

type Shared = extract::State<Arc<Door>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Where the last answer ended.
    before: Option<String>,
    limit: Option<usize>,
    /// Of notifications, only those that no adapter could read.
    #[serde(default)]
    unread: bool,
}

type Asked = Result<Query<Page>, extract::rejection::QueryRejection>;

impl Page {
    fn read(asked: Asked) -> Result<(Option<Place>, usize, bool), Problem> {
        let Query(page) = asked.map_err(|why| Problem(StatusCode::BAD_REQUEST, why.body_text()))?;
        let place = page.before.as_deref().map(|text| {
            let place = text.split_once(':').and_then(|(millis, id)| {
                Some(Place { at: Timestamp::from_millis(millis.parse().ok()?), id: id.to_owned() })
            });
            let why =
                || Problem(StatusCode::BAD_REQUEST, format!("`before` is what an answer had, not `{text}`"));
            place.ok_or_else(why)
        });
        Ok((place.transpose()?, most(page.limit), page.unread))
    }
}

/// Where a list that may have more is continued.
fn next(count: usize, most: usize, last: Option<(Timestamp, &str)>) -> Option<String> {
    last.filter(|_| count == most).map(|(at, id)| format!("{}:{id}", at.millis()))
}

fn missing(what: &str, id: &str) -> Problem {
    Problem(StatusCode::NOT_FOUND, format!("there is no {what} {id}"))
}

/// What an event made, or what was done for an account; the newest first.
async fn operations(door: &Door, of: Sought) -> Result<Vec<Value>, Problem> {
    let sought = Sought { held: door.intake.held().await, ..of };
    Ok(door.operators.journal().operations(sought).await?.iter().map(line).collect())
}

pub async fn events(extract::State(door): Shared, asked: Asked) -> Result<Json<Value>, Problem> {
    let (before, most, _) = Page::read(asked)?;
    let events = door.operators.journal().events(before, most).await?;
    let next =
        next(events.len(), most, events.last().map(|last| (last.received_at, last.identity.0.as_str())));
    let events: Vec<Value> = events
        .iter()
        .map(|event| {
            json!({
                "id": event.identity.0,
                "name": event.name,
                "i_account": event.i_account.map(|account| account.0),
                "i_customer": event.i_customer.map(|customer| customer.0),
                "received_at": event.received_at.to_string(),
            })
        })
        .collect();
    Ok(Json(json!({ "events": events, "before": next })))
}

pub async fn event(extract::State(door): Shared, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let event = door.operators.journal().event(&EventIdentity(id.clone())).await?;
    let event = event.ok_or_else(|| missing("event", &id))?;
    let of_event = Sought { event: Some(event.identity.clone()), most: LINES_MAX, ..Sought::default() };
    let screen = door.operators.screen_of_all();
    Ok(Json(json!({
        "id": event.identity.0,
        "i_event": event.id,
        "i_env": event.i_env,
        "name": event.name,
        "i_account": event.i_account.map(|account| account.0),
        "i_customer": event.i_customer.map(|customer| customer.0),
        "received_at": event.received_at.to_string(),
        "variables": screen.over(event.variables.value()),
        "enclosed": screen.over(event.enclosed.value()),
        "trace": event.trace.as_ref().map(ToString::to_string),
        "operations": operations(&door, of_event).await?,
    })))
}

pub async fn letters(extract::State(door): Shared, asked: Asked) -> Result<Json<Value>, Problem> {
    let (before, most, _) = Page::read(asked)?;
    let letters = door.operators.journal().letters(before, most).await?;
    let next = next(letters.len(), most, letters.last().map(|last| (last.at, last.id.as_str())));
    let screen = door.operators.screen_of_all();
    let letters: Vec<Value> = letters.iter().map(|letter| letter_shown(letter, &screen)).collect();
    Ok(Json(json!({ "dead_letters": letters, "before": next })))
}

pub async fn letter(extract::State(door): Shared, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let letter = door.operators.journal().letter(&id).await?.ok_or_else(|| missing("dead letter", &id))?;
    let mut shown = letter_shown(&letter, &door.operators.screen_of_all());
    shown["purged"] = purged(letter.body.is_none());
    Ok(Json(shown))
}

/// Why the page of one thing has no body, where it has none.
fn purged(is_purged: bool) -> Value {
    is_purged.then_some("the body, by retention.bodies").into()
}

fn letter_shown(letter: &Letter, screen: &Screen) -> Value {
    let text = |body: &Vec<u8>| screen.over(String::from_utf8_lossy(body).into_owned().into());
    json!({
        "id": letter.id,
        "at": letter.at.to_string(),
        "why": letter.why,
        "body": letter.body.as_ref().map(text),
    })
}

pub async fn notifications(extract::State(door): Shared, asked: Asked) -> Result<Json<Value>, Problem> {
    let (before, most, unread) = Page::read(asked)?;
    let found = door.operators.journal().notifications(unread, before, most).await?;
    let next = next(found.len(), most, found.last().map(|last| (last.received_at, last.id.as_str())));
    let found: Vec<Value> = found.iter().map(notification_line).collect();
    Ok(Json(json!({ "notifications": found, "before": next })))
}

fn notification_line(line: &NotificationLine) -> Value {
    json!({
        "id": line.id,
        "group": line.group.0,
        "received_at": line.received_at.to_string(),
        "read": line.is_read,
    })
}

pub async fn notification(
    extract::State(door): Shared,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let told = door.operators.journal().notification(&id).await?;
    let told = told.ok_or_else(|| missing("notification", &id))?;
    let screen = door.operators.screen(&told.line.group);
    let signals: Vec<Value> = told
        .signals
        .iter()
        .map(|(fate, operation)| json!({ "fate": fate, "operation": operation }))
        .collect();
    let mut shown = notification_line(&told.line);
    shown["raw"] = screen.over(json!(told.raw));
    shown["signals"] = signals.into();
    shown["purged"] = purged(told.raw.is_none());
    Ok(Json(shown))
}

pub async fn account(extract::State(door): Shared, Path(number): Path<u64>) -> Result<Json<Value>, Problem> {
    let told = door.operators.journal().account(IAccount(number)).await?;
    let told = told.ok_or_else(|| missing("account", &number.to_string()))?;
    let stands: serde_json::Map<String, Value> = told
        .stands
        .iter()
        .map(|(group, applied)| {
            let screen = door.operators.screen(group);
            (group.0.clone(), applied.as_ref().map_or(Value::Null, |applied| screen.over(applied.value())))
        })
        .collect();
    let of_account = Sought { i_account: Some(IAccount(number)), most: OPERATIONS_MAX, ..Sought::default() };
    let screen = door.operators.screen_of_all();
    let statuses: Vec<Value> = told
        .statuses
        .iter()
        .map(|status| {
            json!({
                "service": status.service.0,
                "status": status.said.status.word(),
                "message": status.said.message.clone().map(|message| screen.over(message.into())),
                "to_be_told_at": status.due.map(|due| due.to_string()),
                "given_up": status.given_up,
            })
        })
        .collect();
    Ok(Json(json!({
        "i_account": number,
        "stands": stands,
        "statuses": statuses,
        "operations": operations(&door, of_account).await?,
    })))
}
