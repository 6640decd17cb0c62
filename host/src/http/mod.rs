//! The doors: who may come in, and what they are told.
//!
//! | door | who calls | answers |
//! |---|---|---|
//! | `POST /espf/events` | the ESPF | `200` durable, `400` a dead letter, `401`, `503` for all else |
//! | `POST /nsps/events` | NSPS | `202` durable, `422` a dead letter, `401`, `503` for all else |
//! | `GET /health` | NSPS | `200` an event could be stored now, else `503` |
//! | `/notify/<group>/…` | the group's external system | what its adapter replies, once it is durable |
//! | `GET /livez`, `/readyz`, `/metrics` | monitoring | on the operators' listener, without a token |
//! | `GET /admin/v1/…` | operators | JSON, with a token |

mod admin;
mod auth;
mod doors;
mod events;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod listener;
mod notifications;
mod notify_auth;
mod patience;
mod peer;
mod places;
mod rewording;
mod signature;
mod tls;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONNECTION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use crate::engine::{Intake, Operators};
use crate::ports::Reloads;
use crate::telemetry::{Limit, ListenerName};

pub use admin::{AdminToken, setting};
pub use auth::EventAuth;
pub use doors::Doors;
pub use listener::{Limits, Listener, ListenerSettings};
pub use notify_auth::{AtRegistration, CallerRule, NotifyAuth};
pub use peer::{Peer, TrustedProxies};
pub use signature::{Algorithm, Encoding, Key, Signature, SignedTime, Template, TimeFrom};
pub use tls::{CertificateName, Clients, Tls, TlsFile, TlsFiles};

const NOTHING_HERE: &str = "nothing is served at this path\n";

/// What the events door must know.
#[derive(Clone, Debug)]
pub struct EventSettings {
    /// Any one of them is enough, so that a credential can be changed without a gap.
    pub auth: Vec<EventAuth>,
    /// The header that carries the credential.
    pub auth_header: String,
    /// What a wrong credential is answered with: 401, by which the ESPF deletes the event, or 503,
    /// by which it sends it again.
    pub auth_failure: StatusCode,
    pub body_max: u64,
    /// Of the reading of a body.
    pub body_timeout: std::time::Duration,
}

/// What the door for NSPS must know beside that.
#[derive(Clone, Debug)]
pub struct NspsSettings {
    /// Any one of them is enough.
    pub auth: Vec<EventAuth>,
}

/// What the notification doors must know, by group.
#[derive(Clone, Debug)]
pub struct NotifySettings {
    /// The listener that these doors are at.
    pub listener: ListenerName,
    pub doors: Doors,
    pub body_max: u64,
    pub body_timeout: std::time::Duration,
    /// Notifications under way: who signs proves it with his body, so that strangers can be among
    /// them, and at a listener that they share the events must have room beside them.
    pub concurrency: usize,
}

impl NotifySettings {
    /// What they may have of a listener that is not theirs alone.
    pub fn share(listener: &Limits) -> usize {
        (listener.concurrency / 2).max(1)
    }
}

/// The doors that PortaBilling reaches, itself or by NSPS.
pub fn events(intake: &Intake, doors: &Doors) -> Router {
    let espf = Router::new()
        .route("/espf/events", any(events::receive))
        .route("/espf/events/", any(events::receive))
        .with_state(Arc::new(events::Door::espf(intake, doors)));
    let Some(nsps) = events::Door::nsps(intake, doors) else { return espf };
    let nsps = Router::new()
        .route("/nsps/events", any(events::receive))
        .route("/nsps/events/", any(events::receive))
        .route("/health", any(events::health))
        .route("/health/", any(events::health))
        .with_state(Arc::new(nsps));
    espf.merge(nsps)
}

/// The doors that the external systems reach, and what is said at every other path.
pub fn notifications(intake: &Intake, settings: NotifySettings) -> Router {
    let elsewhere = elsewhere(&settings.doors);
    let door = Arc::new(notifications::Door::new(intake, settings));
    Router::new()
        .route("/notify/{group}", any(notifications::receive))
        .route("/notify/{group}/", any(notifications::receive))
        .route("/notify/{group}/{*rest}", any(notifications::receive))
        .with_state(door)
        .merge(elsewhere)
}

/// What is said at a path where nothing is. The doors of the notifications know what must not be
/// shown of it, wherever they are.
pub fn elsewhere(doors: &Doors) -> Router {
    Router::new().fallback(unknown_path).with_state(doors.clone())
}

fn nothing_here() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, NOTHING_HERE).into_response()
}

/// Whoever is told to come again may find another instance then, and over a connection that is kept he finds this one.
fn come_again(mut response: Response) -> Response {
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// As whoever meets a limit of requests under way is told.
fn too_much() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], "too much at once\n").into_response()
}

/// The operators' listener.
pub fn admin(
    intake: &Intake,
    operators: Operators,
    tokens: Vec<AdminToken>,
    reloads: Arc<dyn Reloads>,
) -> Router {
    admin::routes(admin::Door { intake: intake.clone(), operators, tokens, reloads })
}

/// The ESPF deletes an event that is answered 4xx. A wrong address is ours to mend, so the
/// event must come again.
async fn unknown_path(State(doors): State<Doors>, uri: axum::http::Uri) -> Response {
    tracing::warn!(path = doors.shown(uri.path()), "nothing is served at this path");
    nothing_here()
}

/// Why a body was not read.
enum Unread {
    TooLarge(Vec<u8>),
    TooSlow,
    Broken,
}

impl Unread {
    /// The limit that was run into, if it was one.
    fn limit(&self) -> Option<Limit> {
        match self {
            Self::TooLarge(_) => Some(Limit::BodySize),
            Self::TooSlow => Some(Limit::BodyTime),
            Self::Broken => None,
        }
    }
}

/// Reads a body within its limits of bytes and time; of one that is too large, its beginning.
///
/// What is too large is heard to its end all the same, as long as it has time: a caller who is
/// still speaking when we hang up may never see what he was answered, and would send it again.
async fn read_body(mut body: Body, bytes_max: u64, timeout: std::time::Duration) -> Result<Vec<u8>, Unread> {
    use http_body_util::BodyExt as _;
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let (mut bytes, mut too_large) = (Vec::new(), false);
    let read = async {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            let Some(data) = frame.data_ref() else { continue };
            let room = bytes_max - bytes.len();
            bytes.extend_from_slice(&data[..data.len().min(room)]);
            too_large |= data.len() > room;
        }
        true
    };
    let whole = tokio::time::timeout(timeout, read).await;
    match whole {
        _ if too_large => Err(Unread::TooLarge(bytes)),
        Ok(true) => Ok(bytes),
        Ok(false) => Err(Unread::Broken),
        Err(_) => Err(Unread::TooSlow),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
