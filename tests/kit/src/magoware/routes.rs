//! The calls of third parties, and those of whoever has logged in.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::books::Sold;
use super::odd::Odd;
use super::{Shared, answers};
use crate::lock::lock;

pub(super) fn all(shared: &Arc<Shared>) -> Router {
    Router::new().fallback(handle).with_state(Arc::clone(shared))
}

struct Asked<'a> {
    method: &'a str,
    /// Below `/api/`.
    segments: Vec<&'a str>,
    query: HashMap<String, String>,
    members: Value,
}

impl Asked<'_> {
    fn name(&self) -> String {
        let path = match self.segments.as_slice() {
            [resource @ ("logindata" | "customerdata"), _] => format!("{resource}/{{id}}"),
            other => other.join("/"),
        };
        format!("{} /api/{path}", self.method)
    }

    fn text(&self, member: &str) -> &str {
        self.members[member].as_str().unwrap_or_default()
    }
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let segments = uri.path().trim_start_matches("/api/").split('/').collect();
    let members = serde_json::from_slice(&body).unwrap_or_default();
    let asked = Asked { method: method.as_str(), segments, query, members };
    let name = asked.name();
    *lock(&shared.ledger).requests.entry(name.clone()).or_default() += 1;
    let writes = method != Method::GET && name != "POST /api/auth/login";
    let odd = odd_for(&shared, &name, writes);
    if let Some(odd) = odd {
        *lock(&shared.ledger).odd.entry(odd).or_default() += 1;
    }
    let waiting = writes.then(|| shared.unanswered.one_more());
    let answer = match odd {
        Some(Odd::Unchanged) => answer(&shared, &Asked { method: "GET", ..asked }, &headers),
        Some(odd) => {
            if odd.does_it() {
                drop(answer(&shared, &asked, &headers));
            }
            answers::odd(odd)
        }
        None => answer(&shared, &asked, &headers),
    };
    if writes {
        shared.hold_answers.released().await;
    }
    drop(waiting);
    answer
}

fn odd_for(shared: &Shared, name: &str, writes: bool) -> Option<Odd> {
    let mut knobs = lock(&shared.knobs);
    if let Some(odd) = knobs.odd.get_mut(name).and_then(|queue| queue.pop_front()) {
        return Some(odd);
    }
    knobs.writes += u64::from(writes);
    let mut chance = StdRng::seed_from_u64(shared.settings.seed.rotate_left(32) ^ knobs.writes);
    (writes && chance.random::<f64>() < shared.settings.loses_answer).then_some(Odd::Lost)
}

fn answer(shared: &Shared, asked: &Asked<'_>, headers: &HeaderMap) -> Response {
    match (asked.method, asked.segments.as_slice()) {
        ("POST", ["auth", "login"]) => log_in(shared, asked),
        // Nobody is asked who he is.
        ("GET", ["logindata"]) => list(shared, asked),
        (_, ["productslist" | "createcustomerlogin" | "upsertsubscription"])
            if asked.query.get("apikey") != Some(&shared.settings.key) =>
        {
            answers::message(StatusCode::FORBIDDEN, "Invalid API key")
        }
        ("GET", ["productslist"]) => {
            let books = lock(&shared.books);
            let products = books.products().map(|id| json!({ "product_id": id, "name": id, "duration": 30 }));
            answers::shown(products.collect())
        }
        ("POST", ["createcustomerlogin"]) => create(shared, asked),
        ("POST", ["upsertsubscription"]) => sell(shared, asked),
        (_, ["logindata" | "customerdata", _]) if !is_logged_in(shared, headers) => {
            answers::message(StatusCode::FORBIDDEN, "User is not allowed")
        }
        ("DELETE", ["logindata", _]) if !shared.settings.removes_logins => answers::no_such_path(),
        (_, ["logindata", key]) => login(shared, asked, key),
        ("DELETE", ["customerdata", id]) => {
            let id = id.parse().unwrap_or_default();
            match lock(&shared.books).remove_customer(id, shared.settings.cascades) {
                true => answers::shown(json!({ "id": id })),
                false => answers::message(StatusCode::BAD_REQUEST, "Unable to find the Data"),
            }
        }
        _ => answers::no_such_path(),
    }
}

fn log_in(shared: &Shared, asked: &Asked<'_>) -> Response {
    let settings = &shared.settings;
    if asked.text("username") != settings.admin || asked.text("password") != settings.password {
        return answers::message(StatusCode::UNAUTHORIZED, "UserName or Password does not match");
    }
    let token = format!("token-of-magoware-{:016x}", rand::random::<u64>());
    lock(&shared.knobs).tokens.insert(token.clone());
    let mut ledger = lock(&shared.ledger);
    ledger.log_ins += 1;
    ledger.tokens.push(token.clone());
    answers::shown(json!({ "token": token }))
}

/// The token alone, without a word in front of it.
fn is_logged_in(shared: &Shared, headers: &HeaderMap) -> bool {
    let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    shown.is_some_and(|token| lock(&shared.knobs).tokens.contains(token))
}

/// It searches by what it knows, and passes over the rest.
fn list(shared: &Shared, asked: &Asked<'_>) -> Response {
    let books = lock(&shared.books);
    let query = |name: &str| asked.query.get(name);
    let rows = books.logins().filter(|login| {
        query("q").is_none_or(|part| login.username.contains(part))
            && query("customer_id").is_none_or(|id| login.customer.to_string() == *id)
    });
    answers::shown(rows.map(|login| login.document()).collect())
}

fn create(shared: &Shared, asked: &Asked<'_>) -> Response {
    let (username, email) = (asked.text("username").to_lowercase(), asked.text("email").to_lowercase());
    let refused = |text| answers::sentence(StatusCode::BAD_REQUEST, text);
    if username.is_empty() || email.is_empty() {
        return refused("Email address or Username can not be blank.");
    }
    let mut books = lock(&shared.books);
    if books.has_email(&email) {
        return refused("Email address already exists");
    }
    if books.logins().any(|login| login.username == username) {
        return refused("Username already exists");
    }
    let password = asked.members["password"].as_str().unwrap_or("1234");
    books.add_login(&username, &email, password);
    answers::sentence(StatusCode::OK, "Customer and account created successfully")
}

fn sell(shared: &Shared, asked: &Asked<'_>) -> Response {
    let end = asked.members["end_date"].as_str();
    let sold = lock(&shared.books).sell(asked.text("username"), asked.text("product_id"), end);
    match sold {
        Sold::NoProduct => answers::refused(StatusCode::NOT_FOUND, "no combo found"),
        Sold::NoUser => answers::refused(StatusCode::NOT_FOUND, "no user found"),
        Sold::Until | Sold::Extended => {
            lock(&shared.ledger).extended += u64::from(matches!(sold, Sold::Extended));
            answers::shown(json!({ "status": true, "message": "transaction executed correctly" }))
        }
    }
}

fn login(shared: &Shared, asked: &Asked<'_>, key: &str) -> Response {
    let mut books = lock(&shared.books);
    let Some(login) = books.login(key).cloned() else {
        return answers::message(StatusCode::NOT_FOUND, "No data with that identifier has been found");
    };
    match asked.method {
        "PUT" => books.change(login.id, &asked.members),
        "DELETE" => books.remove_login(login.id),
        _ => {}
    }
    let now = books.logins().find(|it| it.id == login.id).unwrap_or(&login);
    answers::shown(now.document())
}
