//! What the host has to do, in counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::{Door, Problem};
use crate::domain::breaker::Open;
use crate::domain::{Quarantine, Subject, Timestamp};
use crate::engine::{GroupState, RegistrationState};
use crate::ports::Overview;

pub async fn status(State(door): State<Arc<Door>>) -> Result<Json<Status>, Problem> {
    let overview = door.intake.overview().await?;
    Ok(Json(Status::of(&overview, door.intake.groups().await)))
}

#[derive(Serialize)]
pub struct Status {
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
    /// From the event to `done`, of those that were done last: half of them, and nineteen of twenty.
    done_within_ms: Option<DoneWithin>,
    paused: bool,
    /// Absent while it is closed.
    breaker: Option<OpenBreaker>,
    /// Absent where none is wanted and none stands.
    registration: Option<Registration>,
    /// Absent while its adapter is asked.
    quarantine: Option<Shut>,
}

#[derive(Serialize)]
struct Shut {
    adapter: String,
    since: String,
    /// What several processes died of.
    because_of: Vec<String>,
}

impl Shut {
    fn of(quarantine: &Quarantine) -> Self {
        let Quarantine { adapter, since, because_of } = quarantine;
        let because_of = because_of.iter().map(Subject::told).collect();
        Self { adapter: adapter.to_string(), since: since.to_string(), because_of }
    }
}

#[derive(Serialize)]
struct DoneWithin {
    p50: u128,
    p95: u128,
}

#[derive(Serialize)]
struct OpenBreaker {
    open_since: String,
    probe_at: String,
    code: String,
    why: String,
}

/// How a group is registered for notifications.
#[derive(Serialize)]
struct Registration {
    good: bool,
    since: Option<String>,
    renew_at: Option<String>,
    code: Option<String>,
    why: Option<String>,
}

impl Registration {
    fn of(state: RegistrationState) -> Self {
        let (code, why) = state.trouble.map(|trouble| (trouble.code, trouble.message)).unzip();
        let (since, renew_at) = (state.since, state.renew_at);
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self { good: state.good, since: text(since), renew_at: text(renew_at), code, why }
    }
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
        for (group, (p50, p95)) in &overview.times {
            let within = DoneWithin { p50: p50.as_millis(), p95: p95.as_millis() };
            groups.entry(group.0.clone()).or_default().done_within_ms = Some(within);
        }
        for state in states {
            let group = groups.entry(state.group.0).or_default();
            group.paused = state.paused;
            group.breaker = state.open.map(OpenBreaker::of);
            group.registration = state.registration.map(Registration::of);
            group.quarantine = state.quarantine.as_ref().map(Shut::of);
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
