//! PortaBilling: the JSON API, the ESPF's status door, and the accounts behind both.
//!
//! It emits no events; [`crate::espf`] does. What a caller reads is the account
//! as it stands at that moment, as on the real one.

mod account;
mod espf_api;
mod faults;
mod features;
mod rest;
mod sessions;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, DATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream;

pub use account::Account;
pub use faults::{Fault, Faults, When};

use crate::lock::lock;
use crate::server::{Server, Tasks, hang_up};
use rest::ApiFault;
use sessions::{Now, Sessions, code};

pub use sessions::EndTold;

/// Names of calls that faults single out, as the ledger writes them.
const LOGIN: &str = "Session/login";
const STATUS: &str = "espf/status";

const BODY_BYTES_MAX: usize = 1 << 20;

#[derive(Clone, Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    pub login: String,
    pub token: String,
    pub password: String,
    /// How long an access token lives.
    pub token_seconds: u64,
    /// The service groups that statuses may name.
    pub groups: Vec<String>,
    /// The time that every call takes.
    pub latency: Duration,
    /// Faults that strike by share are drawn from it.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            login: "punchdown".to_owned(),
            token: "token-of-punchdown".to_owned(),
            password: "password-of-punchdown".to_owned(),
            token_seconds: 900,
            groups: espf_api::REGISTERED.map(str::to_owned).to_vec(),
            latency: Duration::ZERO,
            seed: 0,
        }
    }
}

/// What it was asked, up to now.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Log-ins that were granted.
    pub logins: u64,
    /// Every call that came, faults included: `Account/get_account_info`, `espf/status`,
    /// `espf/groups`.
    pub calls: BTreeMap<String, u64>,
    /// The same of those that name an account.
    pub calls_of: BTreeMap<(String, u64), u64>,
    /// Calls of the JSON API that are not answered yet, and the most that ever were so at a time.
    pub under_way: u64,
    pub most_under_way: u64,
    /// The faults that struck, by [`Fault::name`], and how often.
    pub struck: BTreeMap<&'static str, u64>,
    /// Every status that was taken, in order.
    pub statuses: Vec<StatusSeen>,
}

/// A status that was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusSeen {
    pub at: SystemTime,
    pub i_account: u64,
    pub group: String,
    pub status: String,
    pub message: Option<String>,
    pub content_type: String,
}

/// A running PortaBilling. It stops when its last handle is dropped.
#[derive(Clone)]
pub struct PortaBilling {
    shared: Arc<Shared>,
    server: Arc<Server>,
}

struct Shared {
    settings: Settings,
    faults: Faults,
    world: Mutex<World>,
}

/// All that changes.
struct World {
    accounts: BTreeMap<u64, Account>,
    sessions: Sessions,
    status_door: StatusDoor,
    /// By how many seconds its clock is ahead.
    clock_ahead: i64,
    ledger: Ledger,
}

/// What the status door takes: the real ones differ.
#[derive(Clone, Copy, Debug)]
pub struct StatusDoor {
    /// The only content type; 415 for another one.
    pub content_type: Option<&'static str>,
    /// Without it a message is 400.
    pub takes_messages: bool,
    /// Says of an account that is not there, or of a status that is taken, what a gateway would say.
    pub speaks_html: bool,
}

impl Default for StatusDoor {
    fn default() -> Self {
        Self { content_type: None, takes_messages: true, speaks_html: false }
    }
}

impl PortaBilling {
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listen = settings.listen;
        let lifetime = Duration::from_secs(settings.token_seconds);
        let shared = Arc::new(Shared {
            faults: Faults::new(settings.seed),
            world: Mutex::new(World {
                accounts: BTreeMap::new(),
                sessions: Sessions::new(&settings.login, lifetime),
                status_door: StatusDoor::default(),
                clock_ahead: 0,
                ledger: Ledger::default(),
            }),
            settings,
        });
        let server = Server::start(listen, routes(&shared), Tasks::default()).await?;
        let server = Arc::new(server);
        Ok(Self { shared, server })
    }

    /// The root of all its addresses, such as `http://127.0.0.1:8443`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Adds the account, or replaces the one of the same number.
    pub fn put_account(&self, account: Account) {
        let accounts = &mut lock(&self.shared.world).accounts;
        accounts.insert(account.i_account, account);
    }

    /// Changes the account, when there is one.
    pub fn change_account(&self, i_account: u64, change: impl FnOnce(&mut Account)) {
        if let Some(account) = lock(&self.shared.world).accounts.get_mut(&i_account) {
            change(account);
        }
    }

    pub fn remove_account(&self, i_account: u64) {
        lock(&self.shared.world).accounts.remove(&i_account);
    }

    pub fn set_status_door(&self, door: StatusDoor) {
        lock(&self.shared.world).status_door = door;
    }

    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    pub fn ledger(&self) -> Ledger {
        lock(&self.shared.world).ledger.clone()
    }

    /// The statuses of one account in one group, in order.
    pub fn statuses(&self, i_account: u64, group: &str) -> Vec<StatusSeen> {
        let world = lock(&self.shared.world);
        let of_both = |seen: &&StatusSeen| seen.i_account == i_account && seen.group == group;
        world.ledger.statuses.iter().filter(of_both).cloned().collect()
    }

    /// What an administrator would see: the last status of the account in the group.
    pub fn final_status(&self, i_account: u64, group: &str) -> Option<StatusSeen> {
        self.statuses(i_account, group).pop()
    }

    /// The same, of all accounts at once.
    pub fn final_statuses(&self, group: &str) -> BTreeMap<u64, StatusSeen> {
        let statuses = self.ledger().statuses.into_iter().filter(|seen| seen.group == group);
        statuses.map(|seen| (seen.i_account, seen)).collect()
    }

    /// From now on, how long sessions live, and how their end is told.
    pub fn grant_sessions(&self, lifetime: Duration, told: EndTold) {
        lock(&self.shared.world).sessions.grant_for(lifetime, told);
    }

    /// From now on, by how many seconds the clock is ahead by which it dates its answers.
    pub fn set_clock_ahead(&self, seconds: i64) {
        lock(&self.shared.world).clock_ahead = seconds;
    }

    /// Stops at once, and returns when its port is free.
    pub async fn stop(&self) {
        self.server.stop().await;
    }
}

impl Shared {
    fn now(&self) -> Now {
        let (at, age) = (SystemTime::now(), self.faults.age());
        Now { at, age }
    }
}

impl World {
    fn account_by_id(&self, id: &str) -> Option<&Account> {
        self.accounts.values().find(|account| account.id == id)
    }
}

/// Every address is known with a slash at its end too, as callers write both.
fn routes(shared: &Arc<Shared>) -> Router {
    let doors = [
        ("/rest/{service}/{method}", post(rest::call)),
        ("/espf/v1/account/i/{i_account}/status", post(espf_api::status_by_number)),
        ("/espf/v1/account/{id}/status", post(espf_api::status_by_id)),
        ("/espf/v1/groups", get(espf_api::groups)),
    ];
    doors
        .into_iter()
        .fold(Router::new(), |router, (path, door)| {
            router.route(path, door.clone()).route(&format!("{path}/"), door)
        })
        .layer(middleware::from_fn_with_state(Arc::clone(shared), front))
        .with_state(Arc::clone(shared))
}

/// In front of every call: it is written down, takes its time, and may go wrong.
async fn front(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let call = call_name(request.uri().path());
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let i_account = rest::account_named(&body).or_else(|| espf_api::account_in(head.uri.path()));
    let struck = shared.faults.struck(&call, i_account);
    {
        let ledger = &mut lock(&shared.world).ledger;
        if let Some(i_account) = i_account {
            *ledger.calls_of.entry((call.clone(), i_account)).or_default() += 1;
        }
        *ledger.calls.entry(call.clone()).or_default() += 1;
        for name in struck.names() {
            *ledger.struck.entry(name).or_default() += 1;
        }
    }
    let _under_way = head.uri.path().starts_with("/rest/").then(|| UnderWay::begin(&shared));
    shared.faults.released(&call).await;
    tokio::time::sleep(shared.settings.latency + struck.delay).await;
    let mut answer = match struck.fault {
        None => next.run(Request::from_parts(head, body.into())).await,
        Some(fault) => faulty_answer(fault),
    };
    date(&mut answer, lock(&shared.world).clock_ahead);
    answer
}

/// One call until it is answered, or until its caller has hung up.
struct UnderWay<'a>(&'a Shared);

impl<'a> UnderWay<'a> {
    fn begin(shared: &'a Shared) -> Self {
        let ledger = &mut lock(&shared.world).ledger;
        ledger.under_way += 1;
        ledger.most_under_way = ledger.most_under_way.max(ledger.under_way);
        Self(shared)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.0.world).ledger.under_way -= 1;
    }
}

/// One whose clock is right leaves that to its server.
fn date(answer: &mut Response, ahead: i64) {
    let (now, off) = (SystemTime::now(), Duration::from_secs(ahead.unsigned_abs()));
    let dated = if ahead < 0 { now - off } else { now + off };
    if ahead != 0
        && let Ok(dated) = httpdate::fmt_http_date(dated).parse()
    {
        answer.headers_mut().insert(DATE, dated);
    }
}

fn faulty_answer(fault: Fault) -> Response {
    let page = Html("<html><body><h1>Internal Server Error</h1></body></html>");
    let of = |status: u16| StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match fault {
        Fault::Busy => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Fault::BusyFor(seconds) => {
            (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", seconds.to_string())]).into_response()
        }
        Fault::HtmlPage => (StatusCode::INTERNAL_SERVER_ERROR, page).into_response(),
        Fault::EmptyAnswer | Fault::Delay(_) => StatusCode::OK.into_response(),
        Fault::Answer(status, body) => (of(status), body).into_response(),
        Fault::CutAnswer => cut_answer(),
        Fault::FaultCode(code) => ApiFault::new(code, "The call failed").into_response(),
        Fault::HangUp => hang_up(),
        Fault::LoginRefused => ApiFault::new(code::AUTH_FAILED, "Authentication failed").into_response(),
        Fault::LoginLockedOut => {
            ApiFault::new(code::LOCKED_OUT, "Too many failed attempts to log in").into_response()
        }
        Fault::StatusRefused(status) => of(status).into_response(),
    }
}

fn cut_answer() -> Response {
    let begun = Ok(Bytes::from_static(b"{\"account_info\":{\"i_acc"));
    let end = Err(io::Error::from(io::ErrorKind::ConnectionAborted));
    Response::new(Body::from_stream(stream::iter([begun, end])))
}

/// The name of a call in the ledger and for the faults.
fn call_name(path: &str) -> String {
    let path = path.trim_end_matches('/');
    if let Some(method) = path.strip_prefix("/rest/") {
        return method.to_owned();
    }
    match path.strip_prefix("/espf/v1/") {
        Some(door) if door.ends_with("/status") => STATUS.to_owned(),
        Some(door) => format!("espf/{door}"),
        None => path.to_owned(),
    }
}

/// The access token in the headers.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::trim)
}
