//! What the host has to do, in counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;

use super::operations::state_of;
use super::reload::pin_shown;
use super::{Door, Problem};
use crate::domain::breaker::Open;
use crate::domain::{Group, Operation, Quarantine, Subject, Timestamp};
use crate::engine::{GroupState, RegistrationState};
use crate::ports::{Among, Overview};

pub async fn status(State(door): State<Arc<Door>>) -> Result<Json<Status>, Problem> {
    let overview = door.intake.overview().await?;
    let mut status = Status::of(&overview, door.intake.groups().await);
    let (held, now) = (door.intake.held().await, door.intake.now());
    for oldest in door.operators.journal().oldest_open().await? {
        let ends = door.intake.time_is_up(&oldest).await;
        let shown = OldestOpen::of(&oldest, state_of(&oldest, &held).word(), ends, now);
        status.group(&oldest.lane.group).oldest_open = Some(shown);
    }
    status.instances = Instances::of(door.intake.among());
    for pin in door.reloads.pins() {
        status.group(&pin.group).pin = Some(pin_shown(&pin));
    }
    Ok(Json(status))
}

#[derive(Serialize)]
pub struct Status {
    groups: BTreeMap<String, GroupStatus>,
    /// Absent where one host alone has the journal.
    instances: Option<Instances>,
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

#[derive(Serialize)]
struct Instances {
    live: u32,
    leads: bool,
}

impl Instances {
    fn of(among: Among) -> Option<Self> {
        among.several.then(|| Self { live: among.live.get(), leads: among.leads() })
    }
}

#[derive(Default, Serialize)]
struct GroupStatus {
    operations: BTreeMap<String, u64>,
    oldest_open: Option<OldestOpen>,
    /// From the event to `done`, of those that were done last: half of them, and nineteen of twenty.
    done_within_ms: Option<DoneWithin>,
    /// When its newest operation was received.
    last_event_at: Option<String>,
    paused: bool,
    /// An adapter can be asked. Not so for groups of which the configuration says nothing any more.
    served: bool,
    /// To which component a person has pinned it.
    pin: Option<Value>,
    /// Absent while it is closed.
    breaker: Option<OpenBreaker>,
    /// That of its adapter.
    adapter_breaker: Option<OpenBreaker>,
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

/// The oldest operation that has not ended, beside its deadline.
#[derive(Serialize)]
struct OldestOpen {
    id: String,
    i_account: u64,
    state: &'static str,
    received_at: String,
    age_s: u64,
    /// Absent where no time runs.
    deadline: Option<String>,
    /// Below 0: it has passed.
    left_s: Option<i64>,
}

impl OldestOpen {
    fn of(operation: &Operation, state: &'static str, ends: Option<Timestamp>, now: Timestamp) -> Self {
        let received_at = operation.event.received_at;
        Self {
            id: operation.id.0.clone(),
            i_account: operation.lane.i_account.0,
            state,
            received_at: received_at.to_string(),
            age_s: now.since(received_at).as_secs(),
            deadline: ends.map(|ends| ends.to_string()),
            left_s: ends.map(|ends| (ends.millis() - now.millis()).div_euclid(1000)),
        }
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
    /// No person has ended it.
    wanted: bool,
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
        Self {
            wanted: state.wanted,
            good: state.good,
            since: text(since),
            renew_at: text(renew_at),
            code,
            why,
        }
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
        let mut status = Self::of_host(overview);
        for ((group, state), count) in &overview.operations {
            status.group(group).operations.insert(state.clone(), *count);
        }
        for (group, newest) in &overview.newest {
            status.group(group).last_event_at = Some(newest.to_string());
        }
        for (group, (p50, p95)) in &overview.times {
            let within = DoneWithin { p50: p50.as_millis(), p95: p95.as_millis() };
            status.group(group).done_within_ms = Some(within);
        }
        for state in states {
            let group = status.group(&state.group);
            (group.paused, group.served) = (state.paused, state.served);
            group.breaker = state.open.map(OpenBreaker::of);
            group.adapter_breaker = state.stops.map(OpenBreaker::of);
            group.registration = state.registration.map(Registration::of);
            group.quarantine = state.quarantine.as_ref().map(Shut::of);
        }
        status
    }

    fn group(&mut self, group: &Group) -> &mut GroupStatus {
        self.groups.entry(group.0.clone()).or_default()
    }

    /// What is of no group.
    fn of_host(overview: &Overview) -> Self {
        Self {
            groups: BTreeMap::new(),
            instances: None,
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
