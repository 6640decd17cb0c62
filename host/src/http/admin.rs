//! The operators' door.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::header;
use crate::domain::breaker::Open;
use crate::engine::{GroupState, Intake};
use crate::ports::Overview;
use crate::secret::Secret;

pub struct Door {
    pub intake: Intake,
    pub tokens: Vec<AdminToken>,
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

/// Ready to take events: the journal can be written.
pub async fn ready(State(door): State<Arc<Door>>) -> Response {
    match door.intake.ready().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

pub async fn metrics(State(door): State<Arc<Door>>) -> Response {
    match door.intake.overview().await {
        Ok(overview) => {
            let text = door.intake.metrics().render(&overview, door.intake.now());
            ([("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
                .into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

pub async fn status(State(door): State<Arc<Door>>, headers: HeaderMap) -> Response {
    if !admits(&door.tokens, &headers) {
        return (StatusCode::UNAUTHORIZED, "a token of [admin] is needed: Authorization: Bearer …\n")
            .into_response();
    }
    match door.intake.overview().await {
        Ok(overview) => Json(Status::of(&overview, door.intake.groups().await)).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

/// All are compared, so that the time does not tell which one was near.
pub fn admits(tokens: &[AdminToken], headers: &HeaderMap) -> bool {
    let offered = header(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    let offered = offered.unwrap_or_default().trim().as_bytes();
    tokens.iter().fold(false, |admitted, token| token.is(offered) | admitted)
}

#[derive(Serialize)]
struct Status {
    groups: BTreeMap<String, GroupStatus>,
    events: u64,
    last_event_at: Option<String>,
    fan_outs: u64,
    dead_letters: u64,
    notifications_unread: u64,
    signals_unmatched: u64,
    signals_parked: u64,
    statuses_waiting: u64,
    statuses_given_up: u64,
}

#[derive(Default, Serialize)]
struct GroupStatus {
    operations: BTreeMap<String, u64>,
    oldest_open_at: Option<String>,
    paused: bool,
    /// Absent while it is closed.
    breaker: Option<OpenBreaker>,
}

#[derive(Serialize)]
struct OpenBreaker {
    open_since: String,
    probe_at: String,
    code: String,
    why: String,
}

impl OpenBreaker {
    fn of(open: Open) -> Self {
        let (open_since, probe_at) = (open.since.to_string(), open.probe_at.to_string());
        Self { open_since, probe_at, code: open.trouble.code, why: open.trouble.message }
    }
}

impl Status {
    fn of(overview: &Overview, states: Vec<GroupState>) -> Self {
        let mut groups: BTreeMap<String, GroupStatus> = BTreeMap::new();
        for ((group, stage), count) in &overview.operations {
            groups.entry(group.0.clone()).or_default().operations.insert(stage.clone(), *count);
        }
        for (group, oldest) in &overview.oldest_open {
            groups.entry(group.0.clone()).or_default().oldest_open_at = Some(oldest.to_string());
        }
        for state in states {
            let group = groups.entry(state.group.0).or_default();
            group.paused = state.paused;
            group.breaker = state.open.map(OpenBreaker::of);
        }
        Self {
            groups,
            events: overview.events,
            last_event_at: overview.last_event.as_ref().map(|(_, at)| at.to_string()),
            fan_outs: overview.fan_outs,
            dead_letters: overview.dead_letters,
            notifications_unread: overview.notifications_unread,
            signals_unmatched: overview.signals_kept,
            signals_parked: overview.signals_parked,
            statuses_waiting: overview.statuses_waiting,
            statuses_given_up: overview.statuses_given_up,
        }
    }
}
