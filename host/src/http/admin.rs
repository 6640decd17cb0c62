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
use crate::engine::Intake;
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
    if !door.admits(&headers) {
        return (StatusCode::UNAUTHORIZED, "a token of [admin] is needed: Authorization: Bearer …\n")
            .into_response();
    }
    match door.intake.overview().await {
        Ok(overview) => Json(Status::of(&overview)).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

impl Door {
    fn admits(&self, headers: &HeaderMap) -> bool {
        let offered = header(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
        let offered = offered.unwrap_or_default().trim().as_bytes();
        self.tokens.iter().fold(false, |admitted, token| token.is(offered) | admitted)
    }
}

#[derive(Serialize)]
struct Status {
    groups: BTreeMap<String, GroupStatus>,
    events: u64,
    last_event_at: Option<String>,
    dead_letters: u64,
    notifications_unread: u64,
    signals_unmatched: u64,
    signals_parked: u64,
    statuses_waiting: u64,
}

#[derive(Default, Serialize)]
struct GroupStatus {
    operations: BTreeMap<String, u64>,
    oldest_open_at: Option<String>,
}

impl Status {
    fn of(overview: &Overview) -> Self {
        let mut groups: BTreeMap<String, GroupStatus> = BTreeMap::new();
        for ((group, stage), count) in &overview.operations {
            groups.entry(group.0.clone()).or_default().operations.insert(stage.clone(), *count);
        }
        for (group, oldest) in &overview.oldest_open {
            groups.entry(group.0.clone()).or_default().oldest_open_at = Some(oldest.to_string());
        }
        Self {
            groups,
            events: overview.events,
            last_event_at: overview.last_event.as_ref().map(|(_, at)| at.to_string()),
            dead_letters: overview.dead_letters,
            notifications_unread: overview.notifications_unread,
            signals_unmatched: overview.signals_kept,
            signals_parked: overview.signals_parked,
            statuses_waiting: overview.statuses_waiting,
        }
    }
}
