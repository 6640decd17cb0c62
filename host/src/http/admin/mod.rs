//! The operators' door. What monitoring asks for needs no token; all else does.

mod adapters;
mod config;
mod looks;
mod operations;
mod recorded;
mod reload;
mod resync;
mod status;

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::header;
use crate::crash::how_it_ended;
use crate::engine::{Intake, Operators, Refused};
use crate::ports::{JournalError, Reloads};
use crate::secret::Secret;

pub use config::setting;

pub struct Door {
    pub intake: Intake,
    pub operators: Operators,
    pub tokens: Vec<AdminToken>,
    pub reloads: Arc<dyn Reloads>,
}

/// What lets an operator in.
#[derive(Clone, Debug)]
pub enum AdminToken {
    Known(Secret),
    /// Its SHA-256: whoever reads that is not let in by it.
    Digest([u8; 32]),
}

impl AdminToken {
    fn is(&self, offered: &[u8]) -> bool {
        match self {
            Self::Known(token) => token.is(offered),
            Self::Digest(digest) => Sha256::digest(offered).as_slice().ct_eq(digest).into(),
        }
    }

    /// The token itself, where it is known.
    pub fn known(&self) -> Option<&Secret> {
        match self {
            Self::Known(token) => Some(token),
            Self::Digest(_) => None,
        }
    }
}

/// What an operator can reach.
pub fn routes(door: Door) -> Router {
    let door = Arc::new(door);
    let with_token = Router::new()
        .route("/status", get(status::status))
        .route("/operations", get(operations::list))
        .route("/operations/{id}", get(operations::show))
        .route("/operations/{id}/case", get(recorded::case))
        .route("/operations/{id}/{wish}", post(operations::act))
        .route("/groups/{group}/{wish}", post(operations::group))
        .route("/groups/{group}/pin", post(adapters::pin))
        .route("/groups/{group}/unpin", post(adapters::unpin))
        .route("/adapters", get(adapters::list))
        .route("/events", get(looks::events))
        .route("/events/{id}", get(looks::event))
        .route("/dead-letters", get(looks::letters))
        .route("/dead-letters/{id}", get(looks::letter))
        .route("/notifications", get(looks::notifications))
        .route("/notifications/{id}", get(looks::notification))
        .route("/accounts/{i_account}", get(looks::account))
        .route("/config", get(config::show))
        .route("/reload", get(reload::last).post(reload::now))
        .route("/resync", get(resync::show).post(resync::begin))
        .route("/resync/stop", post(resync::stop))
        .route("/resync/differing", get(resync::differing))
        .route("/audit", get(operations::audit))
        .route_layer(from_fn_with_state(Arc::clone(&door), admit));
    Router::new()
        .route("/livez", get(async || StatusCode::OK))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .nest("/admin/v1", with_token)
        .with_state(door)
}

async fn admit(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    if admits(&door.tokens, request.headers()) {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, "a token of [admin] is needed: Authorization: Bearer …\n").into_response()
}

/// Ready to take events: the journal can be written.
async fn ready(State(door): State<Arc<Door>>) -> Response {
    match door.intake.ready().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

async fn metrics(State(door): State<Arc<Door>>) -> Response {
    match door.intake.overview().await {
        Ok(overview) => {
            let metrics = door.intake.metrics();
            metrics.instances.are(&door.intake.among());
            let text = metrics.render(&overview, door.intake.now());
            ([("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
                .into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

/// All are compared, so that the time does not tell which one was near.
pub fn admits(tokens: &[AdminToken], headers: &HeaderMap) -> bool {
    let offered = header(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    let offered = offered.unwrap_or_default().trim().as_bytes();
    tokens.iter().fold(false, |admitted, token| token.is(offered) | admitted)
}

/// Why something was not done, as JSON.
struct Problem(StatusCode, String);

impl Problem {
    fn unreadable(why: &JsonRejection) -> Self {
        Self(StatusCode::BAD_REQUEST, why.body_text())
    }

    const fn unknown(why: String) -> Self {
        Self(StatusCode::NOT_FOUND, why)
    }

    const fn conflict(why: String) -> Self {
        Self(StatusCode::CONFLICT, why)
    }

    fn of_ours(error: &tokio::task::JoinError) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, how_it_ended(error).to_owned())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(status, message) = self;
        (status, Json(json!({ "message": message }))).into_response()
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::Unknown(_) => StatusCode::NOT_FOUND,
            Refused::NotNow(_) => StatusCode::CONFLICT,
            Refused::Journal(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self(status, refused.to_string())
    }
}
