//! A home location register that wants a log-in first. A session ends when it likes, and it says so in
//! an answer that is `200` and holds an error, with the session itself in it.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::lock::lock;
use crate::server::{Server, Tasks, hang_up};

#[derive(Clone, Debug)]
pub struct Settings {
    pub user: String,
    pub password: String,
    /// As a log-in tells it; `None`: it tells nothing.
    pub session_seconds: Option<u32>,
    /// How long a log-in takes.
    pub log_in_takes: Duration,
}

/// What it was asked.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub log_ins: u64,
    pub log_ins_refused: u64,
    /// Requests without a session that stands.
    pub refused: u64,
    /// Whether a line is on, and how often it was switched.
    pub lines: BTreeMap<String, (bool, u64)>,
    /// Every session that was ever granted.
    pub sessions: Vec<String>,
}

/// It stops when the last handle is dropped.
#[derive(Clone)]
pub struct Hlr {
    shared: Arc<Shared>,
    server: Arc<Server>,
}

struct Shared {
    settings: Settings,
    state: Mutex<Knobs>,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Knobs {
    session: Option<String>,
    locked_out: bool,
    silent: bool,
    forgetful: bool,
}

impl Hlr {
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let shared = Arc::new(Shared { settings, state: Mutex::default(), ledger: Mutex::default() });
        let routes = Router::new()
            .route("/session", post(log_in))
            .route("/lines/{line}", put(switch).get(look))
            .with_state(Arc::clone(&shared));
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Arc::new(Server::start(listen, routes, Tasks::default()).await?);
        Ok(Self { shared, server })
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn ledger(&self) -> Ledger {
        lock(&self.shared.ledger).clone()
    }

    /// A line that somebody else has switched on, or off.
    pub fn put_line(&self, line: &str, on: bool) {
        lock(&self.shared.ledger).lines.insert(line.to_owned(), (on, 0));
    }

    pub fn end_sessions(&self) {
        lock(&self.shared.state).session = None;
    }

    /// While true, every log-in is refused, and the session that stood is no more.
    pub fn lock_out(&self, locked_out: bool) {
        let mut state = lock(&self.shared.state);
        (state.locked_out, state.session) = (locked_out, None);
    }

    /// While true, it grants sessions and knows none of them.
    pub fn forget(&self, forgetful: bool) {
        lock(&self.shared.state).forgetful = forgetful;
    }

    /// While true, a log-in is not answered.
    pub fn silence(&self, silent: bool) {
        lock(&self.shared.state).silent = silent;
    }
}

async fn log_in(State(shared): State<Arc<Shared>>, Json(credential): Json<Value>) -> Response {
    tokio::time::sleep(shared.settings.log_in_takes).await;
    let Settings { user, password, session_seconds, .. } = &shared.settings;
    let (mut state, mut ledger) = (lock(&shared.state), lock(&shared.ledger));
    if state.silent {
        return hang_up();
    }
    if state.locked_out || credential != json!({ "user": user, "password": password }) {
        ledger.log_ins_refused += 1;
        return (StatusCode::FORBIDDEN, format!("not with {credential}")).into_response();
    }
    ledger.log_ins += 1;
    let session = format!("hlr-session-{}-{:08x}", ledger.log_ins, rand::random::<u32>());
    ledger.sessions.push(session.clone());
    state.session = Some(session.clone()).filter(|_| !state.forgetful);
    Json(json!({ "session": session, "seconds": session_seconds })).into_response()
}

/// Whoever only looks needs no session.
async fn look(State(shared): State<Arc<Shared>>, Path(line): Path<String>) -> Response {
    match lock(&shared.ledger).lines.get(&line) {
        Some((on, _)) => Json(json!({ "on": on })).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn switch(
    State(shared): State<Arc<Shared>>,
    Path(line): Path<String>,
    headers: HeaderMap,
    Json(wanted): Json<Value>,
) -> Response {
    let shown = headers.get("x-session").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let stands = lock(&shared.state).session.clone();
    let mut ledger = lock(&shared.ledger);
    if shown.is_none() || shown != stands {
        ledger.refused += 1;
        return Json(json!({ "error": "session-ended", "session": shown })).into_response();
    }
    let (on, times) = ledger.lines.entry(line).or_default();
    (*on, *times) = (wanted["on"] == true, *times + 1);
    Json(json!({ "on": on, "by": shown })).into_response()
}
