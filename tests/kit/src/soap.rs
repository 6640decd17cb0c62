//! A system that speaks SOAP: a log-in first, sessions that expire, and faults that come in a `200`.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::sync::watch;

use crate::lock::lock;
use crate::server::{Server, Tasks, hang_up};

#[derive(Clone, Debug)]
pub struct Settings {
    pub user: String,
    pub password: String,
}

/// A service that it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub number: String,
    pub profile: String,
    pub state: String,
}

/// How it answers once in a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// It does what it was asked, and the connection closes.
    Lost,
    /// A fault in a `500`, as SOAP wants it.
    Busy,
    /// A page of a proxy, in a `200`.
    Html,
    /// The session is over from now on.
    SessionEnded,
}

/// What it keeps, and what it was asked.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub services: BTreeMap<String, Service>,
    /// Calls by name, the refused ones too.
    pub calls: BTreeMap<String, u64>,
    /// Services that were made for a number that had one.
    pub doubled: u64,
}

/// It stops when the last handle is dropped.
#[derive(Clone)]
pub struct Soap {
    shared: Arc<Shared>,
    server: Arc<Server>,
}

struct Shared {
    settings: Settings,
    state: Mutex<Knobs>,
    ledger: Mutex<Ledger>,
    /// The call that is done and not answered.
    held: watch::Sender<Option<&'static str>>,
}

#[derive(Default)]
struct Knobs {
    session: Option<String>,
    odd: VecDeque<(String, Odd)>,
    granted: u64,
    made: u64,
}

impl Soap {
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let (state, ledger, held) = (Mutex::default(), Mutex::default(), watch::Sender::new(None));
        let shared = Arc::new(Shared { settings, state, ledger, held });
        let routes = Router::new().route("/services", post(receive)).with_state(Arc::clone(&shared));
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

    /// The next call of that name is answered so.
    pub fn answer_next(&self, call: &str, odd: Odd) {
        lock(&self.shared.state).odd.push_back((call.to_owned(), odd));
    }

    /// That call is done from now on, and not answered.
    pub fn hold(&self, call: Option<&'static str>) {
        self.shared.held.send_replace(call);
    }

    /// Made by somebody else.
    pub fn put(&self, id: &str, service: Service) {
        lock(&self.shared.ledger).services.insert(id.to_owned(), service);
    }
}

/// What a call came to: the members of its answer, or the code and the sentence of a fault.
type Outcome = Result<Vec<(&'static str, String)>, (&'static str, String)>;

async fn receive(State(shared): State<Arc<Shared>>, body: String) -> Response {
    let answer = answer(&shared, &body);
    let is_it = |held: &Option<&str>| held.is_some_and(|held| body.contains(&format!("<{held} ")));
    // The sender is borrowed for as long as this waits, so the wait cannot fail.
    shared.held.subscribe().wait_for(|held| !is_it(held)).await.ok();
    answer
}

fn answer(shared: &Shared, body: &str) -> Response {
    let known = ["Login", "GetService", "AddService", "ChangeService", "RemoveService"];
    let Some(call) = known.into_iter().find(|call| body.contains(&format!("<{call} "))) else {
        return fault(StatusCode::INTERNAL_SERVER_ERROR, "Client.Call", "there is no such call");
    };
    let (mut state, mut ledger) = (lock(&shared.state), lock(&shared.ledger));
    *ledger.calls.entry(call.to_owned()).or_default() += 1;
    let place = state.odd.iter().position(|(name, _)| name == call);
    let odd = place.and_then(|place| state.odd.remove(place)).map(|(_, odd)| odd);
    match odd {
        Some(Odd::Busy) => return fault(StatusCode::INTERNAL_SERVER_ERROR, "Server.Busy", "ask again"),
        Some(Odd::Html) => {
            return ([(CONTENT_TYPE, "text/html")], "<html><body>Maintenance</body></html>").into_response();
        }
        Some(Odd::SessionEnded) => state.session = None,
        Some(Odd::Lost) | None => {}
    }
    let outcome = match call {
        "Login" => log_in(&shared.settings, &mut state, body),
        _ if state.session.is_none() || member(body, "session") != state.session => {
            Err(("Client.Session", "the session has ended".to_owned()))
        }
        "GetService" => look(&ledger, body),
        "AddService" => add(&mut state, &mut ledger, body),
        "ChangeService" => change(&mut ledger, body),
        _ => remove(&mut ledger, body),
    };
    match outcome {
        _ if odd == Some(Odd::Lost) => hang_up(),
        Ok(members) => envelope(StatusCode::OK, &elements(&format!("{call}Response"), &members)),
        Err((code, why)) => fault(StatusCode::OK, code, &why),
    }
}

fn log_in(settings: &Settings, state: &mut Knobs, body: &str) -> Outcome {
    let Settings { user, password } = settings;
    if member(body, "user").as_ref() != Some(user) || member(body, "password").as_ref() != Some(password) {
        return Err(("Client.Login", "unknown user or wrong password".to_owned()));
    }
    state.granted += 1;
    let session = format!("soap-session-{}-{:08x}", state.granted, rand::random::<u32>());
    state.session = Some(session.clone());
    Ok(vec![("session", session), ("seconds", "3600".to_owned())])
}

fn look(ledger: &Ledger, body: &str) -> Outcome {
    let number = member(body, "number").unwrap_or_default();
    let found = ledger.services.iter().find(|(_, service)| service.number == number);
    let (id, service) = found.ok_or_else(|| not_found(&number))?;
    Ok(vec![("id", id.clone()), ("profile", service.profile.clone()), ("state", service.state.clone())])
}

/// It does not look whether there is one of that number already, so whoever asks twice has two.
fn add(state: &mut Knobs, ledger: &mut Ledger, body: &str) -> Outcome {
    let service = service_of(body);
    known_profile(&service)?;
    let has_one = ledger.services.values().any(|other| other.number == service.number);
    ledger.doubled += u64::from(has_one);
    state.made += 1;
    let id = format!("svc-{}", state.made);
    ledger.services.insert(id.clone(), service);
    Ok(vec![("id", id)])
}

fn change(ledger: &mut Ledger, body: &str) -> Outcome {
    let (id, service) = (member(body, "id").unwrap_or_default(), service_of(body));
    known_profile(&service)?;
    *ledger.services.get_mut(&id).ok_or_else(|| not_found(&id))? = service;
    Ok(vec![("id", id)])
}

fn remove(ledger: &mut Ledger, body: &str) -> Outcome {
    let id = member(body, "id").unwrap_or_default();
    ledger.services.remove(&id).ok_or_else(|| not_found(&id))?;
    Ok(vec![("id", id)])
}

fn service_of(body: &str) -> Service {
    let text = |name| member(body, name).unwrap_or_default();
    Service { number: text("number"), profile: text("profile"), state: text("state") }
}

fn known_profile(service: &Service) -> Result<(), (&'static str, String)> {
    match service.profile.as_str() {
        "gold" | "silver" => Ok(()),
        other => Err(("Client.Profile", format!("profile \"{other}\" & its like are unknown"))),
    }
}

fn not_found(what: &str) -> (&'static str, String) {
    ("Client.NotFound", format!("there is no service {what}"))
}

/// The text of an element that our callers write without attributes.
fn member(body: &str, name: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&apos;", "'")
            .replace("&amp;", "&"),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn elements(name: &str, members: &[(&str, String)]) -> String {
    let members: String =
        members.iter().map(|(name, value)| format!("<ns2:{name}>{}</ns2:{name}>", escaped(value))).collect();
    format!("<ns2:{name} xmlns:ns2=\"urn:example:services\">{members}</ns2:{name}>")
}

fn fault(status: StatusCode, code: &str, why: &str) -> Response {
    let why = escaped(why);
    envelope(
        status,
        &format!("<S:Fault><faultcode>S:{code}</faultcode><faultstring>{why}</faultstring></S:Fault>"),
    )
}

fn envelope(status: StatusCode, body: &str) -> Response {
    let text = format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <S:Body>{body}</S:Body></S:Envelope>"
    );
    (status, [(CONTENT_TYPE, "text/xml;charset=utf-8")], text).into_response()
}
