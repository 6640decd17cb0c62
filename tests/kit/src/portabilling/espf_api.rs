//! The ESPF API below `/espf/v1`: statuses in, groups out. Unlike `/rest` it
//! speaks through the HTTP status.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Shared, StatusDoor, StatusSeen, bearer};
use crate::lock::lock;

const WORDS: [&str; 4] = ["OK", "IN_PROGRESS", "RETRY", "FAILED"];
const MESSAGE_CHARS_MAX: usize = 4000;

/// Groups that PortaBilling registers itself; all others are custom ones.
pub(super) const REGISTERED: [&str; 8] =
    ["VoIP", "HSS", "PCRF", "IPTV", "WiMAX", "Netaccess", "NumberPortability", "LawfulInterception"];
const FIRST_CUSTOM_GROUP: usize = 1001;

/// Why a call was refused: the HTTP status, and a text for people.
type Refusal = (StatusCode, String);

/// The account whose status the path names.
pub(super) fn account_in(path: &str) -> Option<u64> {
    path.strip_prefix("/espf/v1/account/i/")?.split('/').next()?.parse().ok()
}

pub(super) async fn status_by_number(
    State(shared): State<Arc<Shared>>,
    Path(i_account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let known = i_account.parse().ok();
    take_status(&shared, &headers, &body, |_| known)
}

pub(super) async fn status_by_id(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    take_status(&shared, &headers, &body, |world| world.account_by_id(&id).map(|account| account.i_account))
}

fn take_status(
    shared: &Shared,
    headers: &HeaderMap,
    body: &[u8],
    named: impl FnOnce(&super::World) -> Option<u64>,
) -> Response {
    let taken = may_call(shared, headers).and_then(|()| {
        let world = &mut *lock(&shared.world);
        let i_account = named(world)
            .filter(|i_account| world.accounts.contains_key(i_account))
            .ok_or_else(|| refusal(StatusCode::NOT_FOUND, "there is no such account"))?;
        let status = read_status(shared, i_account, headers, body)?;
        admit(world.status_door, &status)?;
        world.ledger.statuses.push(status);
        Ok(())
    });
    let speaks_html = lock(&shared.world).status_door.speaks_html;
    let answer = match taken {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => refused(refusal),
    };
    match speaks_html {
        true => (answer.status(), Html("<html><body>gateway</body></html>")).into_response(),
        false => answer,
    }
}

fn admit(door: StatusDoor, status: &StatusSeen) -> Result<(), Refusal> {
    if door.content_type.is_some_and(|only| status.content_type != only) {
        return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "another content type is wanted"));
    }
    if status.message.is_some() && !door.takes_messages {
        return Err(refusal(StatusCode::BAD_REQUEST, "the field `message` is not known"));
    }
    Ok(())
}

/// The body is JSON whatever its content type says, as the manual has it.
fn read_status(
    shared: &Shared,
    i_account: u64,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<StatusSeen, Refusal> {
    let bad = |why: &str| refusal(StatusCode::BAD_REQUEST, why);
    let document: Value = serde_json::from_slice(body).map_err(|_| bad("the body is not JSON"))?;
    let field = |name: &str| document[name].as_str().map(str::to_owned);
    let status = field("status")
        .filter(|word| WORDS.contains(&word.as_str()))
        .ok_or_else(|| bad("the status is none of the four words"))?;
    let group = field("group")
        .filter(|group| shared.settings.groups.contains(group))
        .ok_or_else(|| bad("the group is not registered"))?;
    let message = field("message");
    if message.as_ref().is_some_and(|text| text.chars().count() > MESSAGE_CHARS_MAX) {
        return Err(bad("the message is longer than 4000 characters"));
    }
    Ok(StatusSeen {
        at: SystemTime::now(),
        i_account,
        group,
        status,
        message,
        content_type: header(headers, CONTENT_TYPE.as_str()).to_owned(),
    })
}

pub(super) async fn groups(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = may_call(&shared, &headers) {
        return refused(refusal);
    }
    let mut custom = FIRST_CUSTOM_GROUP..;
    let rows: Vec<Value> = shared
        .settings
        .groups
        .iter()
        .map(|name| {
            let registered = REGISTERED.iter().position(|known| known == name);
            let i_group = registered.map_or_else(|| custom.next(), |place| Some(place + 1));
            // The number is text and the flag is not: so the real one answers.
            let i_group = i_group.unwrap_or(FIRST_CUSTOM_GROUP).to_string();
            json!({ "i_group": i_group, "name": name, "is_custom": registered.is_none() })
        })
        .collect();
    Json(json!({ "group_list": rows })).into_response()
}

/// An access token of `/rest`, or the user's credentials as Basic.
fn may_call(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    let no = || refusal(StatusCode::UNAUTHORIZED, "the credentials are not accepted");
    if let Some(token) = bearer(headers) {
        let world = lock(&shared.world);
        return world.sessions.check(token, shared.now()).map_err(|_| no());
    }
    let settings = &shared.settings;
    let basic = header(headers, AUTHORIZATION.as_str()).strip_prefix("Basic ");
    let accepted = [&settings.token, &settings.password].iter().any(|secret| {
        let credentials = BASE64_STANDARD.encode(format!("{}:{secret}", settings.login));
        basic == Some(credentials.as_str())
    });
    if accepted { Ok(()) } else { Err(no()) }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

fn refusal(status: StatusCode, why: &str) -> Refusal {
    (status, why.to_owned())
}

fn refused((status, why): Refusal) -> Response {
    (status, Json(json!({ "message": why }))).into_response()
}
