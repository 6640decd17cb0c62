//! The resources: orders, their cancellation, and the hub.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::dialect::Dialect;
use super::life::{self, Fate};
use super::notices::{self, Hub};
use super::orders::{Filter, Refused, is_state};
use super::{Misdeed, Shared};
use crate::held::Waits;
use crate::lock::lock;
use crate::server::hang_up;

/// A refusal as TM Forum writes it.
struct Refusal(StatusCode, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, reason) = self;
        let document = json!({
            "code": status.as_u16().to_string(),
            "reason": reason,
            "status": status.as_u16().to_string(),
        });
        (status, Json(document)).into_response()
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown => Self(StatusCode::NOT_FOUND, "there is no such order"),
            Refused::Final => Self(StatusCode::CONFLICT, "the order has ended"),
        }
    }
}

fn bad_request(reason: &'static str) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, reason)
}

pub(super) fn all(shared: &Arc<Shared>) -> Router {
    let routes = Dialect::ALL.into_iter().fold(Router::new(), |routes, dialect| {
        routes.nest(dialect.base_path(), resources(dialect).layer(Extension(dialect)))
    });
    let routes = routes.route("/tmf-api/serviceInventory/v4/service", get(inventory));
    routes.layer(middleware::from_fn_with_state(Arc::clone(shared), front)).with_state(Arc::clone(shared))
}

fn resources(dialect: Dialect) -> Router<Arc<Shared>> {
    let orders = format!("/{}", dialect.order());
    let resources = Router::new()
        .route(&orders, post(create).get(list))
        .route(&format!("{orders}/{{id}}"), get(read).patch(patch))
        .route("/hub", post(register))
        .route("/hub/{id}", delete(unregister));
    match dialect.cancel() {
        Some(task) => resources.route(&format!("/{task}"), post(cancel)),
        None => resources,
    }
}

/// In front of every request: it is written down, and its bearer is looked at.
async fn front(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let below = Dialect::ALL.into_iter().find_map(|dialect| path.strip_prefix(dialect.base_path()));
    let path = below.unwrap_or(path);
    let resource = match path.match_indices('/').nth(1) {
        Some((end, _)) => format!("{}/{{id}}", &path[..end]),
        None => path.to_owned(),
    };
    let asked = format!("{} {resource}", request.method());
    *lock(&shared.asked).requests.entry(asked).or_default() += 1;
    if !may_ask(&shared, request.headers()) {
        return Refusal(StatusCode::UNAUTHORIZED, "the token is not accepted").into_response();
    }
    next.run(request).await
}

fn may_ask(shared: &Shared, headers: &HeaderMap) -> bool {
    shared.bearer.as_ref().is_none_or(|token| {
        let wanted = format!("Bearer {token}");
        headers.get(AUTHORIZATION).is_some_and(|value| *value == wanted)
    })
}

/// One request that is not answered yet.
struct Waiting<'a> {
    shared: &'a Shared,
    _waits: Waits<'a>,
    key: Option<String>,
    /// What its answer does wrong.
    wrong: Option<Misdeed>,
    /// It is known how it ended.
    over: bool,
}

impl<'a> Waiting<'a> {
    fn count(shared: &'a Shared, headers: &HeaderMap) -> Self {
        let waits = shared.unanswered.one_more();
        let key = headers.get("idempotency-key");
        let key = key.map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned());
        if let Some(key) = key.clone() {
            let asked = &mut *lock(&shared.asked);
            *asked.idempotency_keys.entry(key.clone()).or_default() += 1;
            if !asked.unanswered_keys.insert(key.clone()) {
                asked.keys_in_doubt.insert(key);
            }
        }
        Self { shared, _waits: waits, key, wrong: None, over: false }
    }

    /// Its client can know now what became of it.
    fn answered(&mut self) {
        self.over = true;
        if let Some(wrong) = self.wrong {
            self.shared.note(wrong);
        }
        if let Some(key) = &self.key {
            lock(&self.shared.asked).unanswered_keys.remove(key);
        }
    }

    fn lost(&mut self) {
        self.over = true;
        self.shared.note(Misdeed::AnswerLost);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.shared.note(Misdeed::Silence);
        }
    }
}

async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(dialect): Extension<Dialect>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut unanswered = Waiting::count(&shared, &headers);
    let mut fate = draw_fate(&shared);
    if fate.busy {
        tokio::time::sleep(shared.answer_after()).await;
        unanswered.wrong = Some(Misdeed::Busy);
        unanswered.answered();
        return Refusal(StatusCode::SERVICE_UNAVAILABLE, "busy, ask again").into_response();
    }
    let order = match posted_order(dialect, &body) {
        Ok(order) => order,
        Err(refusal) => {
            unanswered.answered();
            return refusal.into_response();
        }
    };
    let odd = lock(&shared.odd).pop_front();
    unanswered.wrong = odd.map(Misdeed::Answered);
    // What was said to be answered is answered.
    fate.loses_answer &= odd.is_none();
    fate.early_notice &= odd.is_none();
    if let Some(odd) = odd.filter(|odd| !odd.makes_the_order()) {
        unanswered.answered();
        return odd.answer(String::new());
    }
    let document = {
        let mut orders = lock(&shared.orders);
        orders.add(&fate.id, dialect, order, fate.loses_notice, fate.repeats_notice);
        orders.new_document(&fate.id)
    };
    let place = format!("{}/{}/{}", dialect.base_path(), dialect.order(), fate.id);
    let answer = match odd {
        Some(odd) => odd.answer(place),
        None => (StatusCode::CREATED, [(LOCATION, place)], Json(document)).into_response(),
    };
    let (answering, answered) = oneshot::channel();
    let ended = life::begin(&shared, &fate, answered);
    if fate.early_notice {
        answering.send(()).ok();
        ended.await.ok();
        return give(&shared, &fate, answer, unanswered).await;
    }
    let answer = give(&shared, &fate, answer, unanswered).await;
    drop(answering);
    answer
}

async fn give(shared: &Shared, fate: &Fate, answer: Response, mut unanswered: Waiting<'_>) -> Response {
    tokio::time::sleep(shared.answer_after()).await;
    shared.hold_answers.released().await;
    if fate.loses_answer {
        unanswered.lost();
        return hang_up();
    }
    unanswered.answered();
    lock(&shared.orders).told(&fate.id);
    answer
}

/// What is in store for a request.
fn draw_fate(shared: &Shared) -> Fate {
    let knobs = lock(&shared.knobs).clone();
    let mut asked = lock(&shared.asked);
    asked.orders += 1;
    Fate::draw(shared.seed, asked.orders, &knobs)
}

fn posted_order(dialect: Dialect, body: &[u8]) -> Result<Value, Refusal> {
    let order = json_of(body)?;
    let items = order[dialect.items()].as_array().filter(|items| !items.is_empty());
    let items = items.ok_or(bad_request("an order needs items"))?;
    match items.iter().find_map(|item| dialect.lacks(item)) {
        Some(lacking) => Err(bad_request(lacking)),
        None => Ok(order),
    }
}

fn json_of(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|_| bad_request("the body is not JSON"))
}

async fn list(
    State(shared): State<Arc<Shared>>,
    Query(mut query): Query<HashMap<String, String>>,
) -> Response {
    tokio::time::sleep(shared.answer_after()).await;
    let place = |name| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let (offset, limit) = (place("offset"), place("limit"));
    let filter = Filter {
        id: query.remove("id"),
        external_id: query.remove("externalId").or_else(|| query.remove("externalId.id")),
        state: query.remove("state"),
    };
    let found = look(&shared, &filter);
    let total = found.len();
    let page: Vec<Value> =
        found.into_iter().skip(offset.unwrap_or(0)).take(limit.unwrap_or(usize::MAX)).collect();
    let counts = [("x-total-count", total.to_string()), ("x-result-count", page.len().to_string())];
    (counts, Json(page)).into_response()
}

/// What a client is shown, it knows.
fn look(shared: &Shared, filter: &Filter) -> Vec<Value> {
    let mut orders = lock(&shared.orders);
    let found = orders.documents(filter);
    found.iter().filter_map(|order| order["id"].as_str()).for_each(|id| orders.told(id));
    found
}

/// It knows no filter, and shows all that it has.
async fn inventory(State(shared): State<Arc<Shared>>) -> Json<Vec<Value>> {
    tokio::time::sleep(shared.answer_after()).await;
    Json(lock(&shared.inventory).clone())
}

async fn read(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    tokio::time::sleep(shared.answer_after()).await;
    let document = lock(&shared.orders).document(&id);
    document.map(Json).ok_or(Refused::Unknown.into())
}

async fn patch(
    State(shared): State<Arc<Shared>>,
    Extension(dialect): Extension<Dialect>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    tokio::time::sleep(shared.answer_after()).await;
    let change = json_of(&body)?;
    let state = change["state"].as_str().filter(|word| is_state(word));
    let state = state.ok_or(bad_request("only the state can be changed"))?;
    let document = {
        let mut orders = lock(&shared.orders);
        orders.change(&id, state, None)?;
        orders.document(&id)
    };
    notices::spawn(&shared, &id);
    let document = document.ok_or(Refused::Unknown)?;
    let status = StatusCode::from_u16(dialect.patched()).unwrap_or_default();
    Ok((status, Json(document)).into_response())
}

/// Cancelling is a task of its own, which can fail while the request for it succeeds.
async fn cancel(
    State(shared): State<Arc<Shared>>,
    Extension(dialect): Extension<Dialect>,
    body: Bytes,
) -> Result<Response, Refusal> {
    tokio::time::sleep(shared.answer_after()).await;
    let task = json_of(&body)?;
    let id = task[dialect.order()]["id"].as_str();
    let id = id.ok_or(bad_request("the order's id is required"))?;
    let changed = lock(&shared.orders).change(id, "cancelled", None);
    let state = match changed {
        Ok(()) => {
            notices::spawn(&shared, id);
            "done"
        }
        Err(Refused::Final) => "terminatedWithError",
        Err(Refused::Unknown) => return Err(Refused::Unknown.into()),
    };
    let document = json!({
        "id": format!("cancel-{id}"),
        "state": state,
        dialect.order(): { "id": id },
        "cancellationReason": task["cancellationReason"],
    });
    Ok((StatusCode::CREATED, Json(document)).into_response())
}

/// The query of a registration is given back and never applied: there is only one
/// kind of event.
async fn register(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, Refusal> {
    let registration = json_of(&body)?;
    let callback = registration["callback"].as_str();
    let callback = callback.ok_or(bad_request("callback is required"))?;
    if shared.refuses_registrations.load(Ordering::Relaxed) {
        // Some say what they were asked.
        let why = json!({ "code": "60", "reason": format!("cannot reach {callback} now") });
        return Ok((StatusCode::SERVICE_UNAVAILABLE, Json(why)).into_response());
    }
    let id = {
        let mut asked = lock(&shared.asked);
        asked.registrations += 1;
        format!("hub-{}", asked.registrations)
    };
    lock(&shared.hubs).push(Hub { id: id.clone(), callback: callback.to_owned() });
    tokio::time::sleep(shared.answer_after()).await;
    shared.hold_answers.released().await;
    let document = json!({ "id": id, "callback": callback, "query": registration["query"] });
    Ok((StatusCode::CREATED, Json(document)).into_response())
}

async fn unregister(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    tokio::time::sleep(shared.answer_after()).await;
    let mut hubs = lock(&shared.hubs);
    let before = hubs.len();
    hubs.retain(|hub| hub.id != id);
    if hubs.len() == before {
        return Refusal(StatusCode::NOT_FOUND, "there is no such registration").into_response();
    }
    StatusCode::NO_CONTENT.into_response()
}
