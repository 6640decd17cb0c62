//! Stands in front of another neighbour: asks for a credential of a kind that the neighbour does
//! not know, and hands on what has it. It grants OAuth2 tokens at `/oauth/token`, too.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use serde_json::json;

use crate::client::http_client;
use crate::lock::lock;
use crate::server::{Server, Tasks, hang_up};

/// How long the neighbour behind may take.
const BEHIND_TIMEOUT: Duration = Duration::from_secs(30);
const BODY_MAX: usize = 1 << 20;

#[derive(Clone, Debug)]
pub struct Settings {
    /// The root of the neighbour behind, such as `http://127.0.0.1:8443`.
    pub behind: String,
    /// What that one wants to see as bearer.
    pub bearer: String,
    pub client_id: String,
    pub client_secret: String,
}

/// What a request must show.
#[derive(Clone, Debug)]
pub enum Demand {
    Bearer(String),
    Header {
        name: String,
        value: String,
    },
    Query {
        name: String,
        value: String,
    },
    /// Nobody is let through now, and all are told when to come again, by `Retry-After`.
    Later(StatusCode, String),
    /// Nobody is answered, whatever he shows.
    Silence,
    /// The same, and nobody is told so: the connection stays until the caller closes it.
    BlackHole,
}

/// What it was asked.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub passed: u64,
    pub refused: u64,
    pub unanswered: u64,
    pub grants: u64,
    pub grants_refused: u64,
    /// The form of the last request for a token.
    pub last_grant: String,
    /// The `traceparent` of each request that passed, if it had one.
    pub traces: Vec<Option<String>>,
}

/// It stops when the last handle is dropped.
#[derive(Clone)]
pub struct Front {
    shared: Arc<Shared>,
    server: Arc<Server>,
}

struct Shared {
    settings: Settings,
    demand: Mutex<Demand>,
    /// The token that is granted now; without one every request for it is refused.
    grant: Mutex<Option<String>>,
    /// Tokens are granted after so many seconds, and who asks before is told so.
    grant_later: Mutex<Option<u64>>,
    ledger: Mutex<Ledger>,
    client: reqwest::Client,
}

impl Front {
    pub async fn start(settings: Settings, demand: Demand) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            settings,
            demand: Mutex::new(demand),
            grant: Mutex::default(),
            grant_later: Mutex::default(),
            ledger: Mutex::default(),
            client: http_client(BEHIND_TIMEOUT),
        });
        let routes =
            Router::new().route("/oauth/token", post(token)).fallback(pass).with_state(Arc::clone(&shared));
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Arc::new(Server::start(listen, routes, Tasks::default()).await?);
        Ok(Self { shared, server })
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn demand(&self, demand: Demand) {
        *lock(&self.shared.demand) = demand;
    }

    /// Whoever wants a token is told to come back after so many seconds, until one is granted.
    pub fn grant_later(&self, seconds: u64) {
        *lock(&self.shared.grant_later) = Some(seconds);
    }

    pub fn grant(&self, token: Option<&str>) {
        *lock(&self.shared.grant_later) = None;
        *lock(&self.shared.grant) = token.map(str::to_owned);
    }

    pub fn ledger(&self) -> Ledger {
        lock(&self.shared.ledger).clone()
    }
}

async fn token(State(shared): State<Arc<Shared>>, headers: HeaderMap, form: String) -> Response {
    let Settings { client_id, client_secret, .. } = &shared.settings;
    let credential = base64::engine::general_purpose::STANDARD.encode(format!("{client_id}:{client_secret}"));
    let knows = headers.get(AUTHORIZATION).is_some_and(|value| *value == format!("Basic {credential}"));
    let grant = lock(&shared.grant).clone().filter(|_| knows);
    let mut ledger = lock(&shared.ledger);
    ledger.last_grant = form;
    if let Some(token) = grant {
        ledger.grants += 1;
        let granted = json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 });
        return axum::Json(granted).into_response();
    }
    ledger.grants_refused += 1;
    if let Some(seconds) = *lock(&shared.grant_later) {
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", seconds.to_string())]).into_response();
    }
    let refused = json!({ "error": "invalid_client", "error_description": format!("not {client_secret}") });
    (StatusCode::UNAUTHORIZED, axum::Json(refused)).into_response()
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let demand = lock(&shared.demand).clone();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let shows = match &demand {
        Demand::Bearer(token) => {
            request.headers().get(AUTHORIZATION).is_some_and(|value| *value == format!("Bearer {token}"))
        }
        Demand::Header { name, value } => {
            request.headers().get(name).is_some_and(|shown| shown.as_bytes() == value.as_bytes())
        }
        Demand::Query { name, value } => query.split('&').any(|pair| pair == format!("{name}={value}")),
        Demand::Later(status, after) => {
            lock(&shared.ledger).refused += 1;
            return (*status, [(RETRY_AFTER, after.clone())]).into_response();
        }
        Demand::Silence => {
            lock(&shared.ledger).unanswered += 1;
            return hang_up();
        }
        Demand::BlackHole => {
            lock(&shared.ledger).unanswered += 1;
            return std::future::pending().await;
        }
    };
    if !shows {
        lock(&shared.ledger).refused += 1;
        return (StatusCode::UNAUTHORIZED, format!("not with {query}")).into_response();
    }
    let trace = request.headers().get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned);
    {
        let mut ledger = lock(&shared.ledger);
        ledger.passed += 1;
        ledger.traces.push(trace);
    }
    let url = format!("{}{}", shared.settings.behind, without(request.uri(), &demand));
    hand_on(&shared, url, request).await.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
}

/// Path and query without the credential.
fn without(uri: &Uri, demand: &Demand) -> String {
    let shown =
        |pair: &str| matches!(demand, Demand::Query { name, .. } if pair.split('=').next() == Some(name));
    let rest: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(|pair| !shown(pair)).collect();
    match rest.join("&") {
        rest if rest.is_empty() => uri.path().to_owned(),
        rest => format!("{}?{rest}", uri.path()),
    }
}

async fn hand_on(shared: &Shared, url: String, request: Request) -> Result<Response, axum::BoxError> {
    let (head, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, BODY_MAX).await?;
    let mut headers = head.headers;
    for name in [AUTHORIZATION, CONTENT_LENGTH, HOST] {
        headers.remove(name);
    }
    let wire = shared.client.request(head.method, url).headers(headers).bearer_auth(&shared.settings.bearer);
    let answer = wire.body(body).send().await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    if let Some(kind) = answer.headers().get("content-type") {
        response.headers_mut().insert("content-type", kind.clone());
    }
    *response.body_mut() = Body::from(answer.bytes().await?);
    Ok(response)
}
