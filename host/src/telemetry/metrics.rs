//! Every metric: name, unit, labels, in one list. `docs/operating.md` explains each; a test
//! compares. No label holds an account, an IMSI, an address or an event's id.

use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::counts::Counts;
use super::instances::Instances;
use super::labels::{
    ANSWERED, AdapterCall, CLASSES, DoorResult, ENDS, GroupCode, GroupHeld, GroupKind, GroupOutcome,
    GroupResult, GroupStage, NO_ANSWERS, OfGroup, OfKind, OfResult, STAGES, ServingAdapter, StatusPost,
    class, result,
};
use super::listeners::Listeners;
use super::serving::Serving;
use super::words::{AdapterQuestion, HeldBy};
use crate::domain::resync::Found;
use crate::domain::{Digest, EventSource, Group, Kind, Response, State, Status, Timestamp};
use crate::ports::{Overview, Purgeable, SendError};

/// From a millisecond to ten seconds: what one call may take.
const CALL_SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// From a second to a day: what an operation may take.
const PROVISION_SECONDS: [f64; 12] =
    [1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0];
/// From ten milliseconds to a day: a stage may be passed through, or stood in.
const STAGE_SECONDS: [f64; 10] = [0.01, 0.1, 0.5, 2.5, 15.0, 60.0, 300.0, 3600.0, 21_600.0, 86_400.0];

/// All metrics of one running host.
pub struct Metrics {
    registry: Registry,
    counts: Counts,
    pub instances: Instances,
    events: Family<DoorResult, Counter>,
    notifications: Family<GroupResult, Counter>,
    parked: Family<OfGroup, Counter>,
    late: Family<OfGroup, Counter>,
    held: Family<GroupHeld, Gauge>,
    provision: Family<GroupOutcome, Histogram>,
    stages: Family<GroupStage, Histogram>,
    retries: Family<GroupKind, Counter>,
    pub adapters: Serving,
    adapter_calls: Family<AdapterCall, Counter>,
    adapter_seconds: Family<OfGroup, Histogram>,
    requests: Family<GroupResult, Counter>,
    answers: Family<GroupCode, Counter>,
    certificates: Family<OfGroup, Gauge>,
    log_ins: Family<GroupResult, Counter>,
    registrations: Family<GroupResult, Counter>,
    request_seconds: Family<OfGroup, Histogram>,
    billing_calls: Family<OfResult, Counter>,
    billing_seconds: Histogram,
    status_posts: Family<StatusPost, Counter>,
    purged: Family<OfKind, Counter>,
    resynced: Family<OfResult, Counter>,
    pub listeners: Listeners,
    groups: RwLock<Vec<Group>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Makes a series be there before anything has happened.
fn present<L, M, C>(family: &Family<L, M, C>, labels: &L)
where
    L: Clone + std::hash::Hash + Eq,
    C: prometheus_client::metrics::family::MetricConstructor<M>,
{
    drop(family.get_or_create(labels));
}

fn call_seconds() -> Histogram {
    Histogram::new(CALL_SECONDS)
}

fn provision_seconds() -> Histogram {
    Histogram::new(PROVISION_SECONDS)
}

fn stage_seconds() -> Histogram {
    Histogram::new(STAGE_SECONDS)
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("punchdown"),
            counts: Counts::default(),
            instances: Instances::default(),
            events: Family::default(),
            notifications: Family::default(),
            parked: Family::default(),
            late: Family::default(),
            held: Family::default(),
            provision: Family::new_with_constructor(provision_seconds as fn() -> Histogram),
            stages: Family::new_with_constructor(stage_seconds as fn() -> Histogram),
            retries: Family::default(),
            adapters: Serving::default(),
            adapter_calls: Family::default(),
            adapter_seconds: Family::new_with_constructor(call_seconds as fn() -> Histogram),
            requests: Family::default(),
            answers: Family::default(),
            certificates: Family::default(),
            log_ins: Family::default(),
            registrations: Family::default(),
            request_seconds: Family::new_with_constructor(call_seconds as fn() -> Histogram),
            billing_calls: Family::default(),
            billing_seconds: call_seconds(),
            status_posts: Family::default(),
            purged: Family::default(),
            resynced: Family::default(),
            listeners: Listeners::default(),
            groups: RwLock::default(),
        };
        metrics.register();
        metrics
    }

    #[rustfmt::skip]
    fn register(&mut self) {
        let all = &mut self.registry;
        all.register("build", "What runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        self.counts.register(all);
        self.instances.register(all);
        all.register("events", "Deliveries at the doors for events", self.events.clone());
        all.register("notifications", "Notifications received", self.notifications.clone());
        all.register("held", "1 while a group's operations are held back", self.held.clone());
        all.register("parked", "Operations that were parked", self.parked.clone());
        all.register("late", "Operations that ended after their deadline", self.late.clone());
        all.register_with_unit("provision", "From the event to the end of its operation", Unit::Seconds, self.provision.clone());
        all.register_with_unit("stage", "How long operations stood in a stage", Unit::Seconds, self.stages.clone());
        all.register("retries", "Attempts that are made again", self.retries.clone());
        self.adapters.register(all);
        all.register("adapter_calls", "Questions to adapters", self.adapter_calls.clone());
        all.register_with_unit("adapter_call", "Time of a question to an adapter", Unit::Seconds, self.adapter_seconds.clone());
        all.register("requests", "Requests to targets", self.requests.clone());
        all.register("answers", "Answers of targets by their status code", self.answers.clone());
        all.register_with_unit("target_certificate_end_timestamp", "When the certificate by which a target knows us ends", Unit::Seconds, self.certificates.clone());
        all.register_with_unit("request", "Time of a request to a target", Unit::Seconds, self.request_seconds.clone());
        all.register("log_ins", "Log-ins at targets", self.log_ins.clone());
        all.register("registrations", "Registrations for notifications, and their ends", self.registrations.clone());
        all.register("billing_calls", "Readings of an account in PortaBilling", self.billing_calls.clone());
        all.register_with_unit("billing_call", "Time of a reading of an account", Unit::Seconds, self.billing_seconds.clone());
        all.register("status_posts", "Statuses sent to PortaBilling", self.status_posts.clone());
        all.register("purged", "Rows of the journal that went with their time", self.purged.clone());
        all.register("resynced", "Accounts in a group, as a resync found them", self.resynced.clone());
        self.listeners.register(all);
    }

    /// Makes every series of these groups present from the start, so that a rate over it works.
    pub fn expect_groups(&self, groups: impl IntoIterator<Item = Group>) {
        for group in groups {
            let name = group.0.clone();
            for result in ["read", "unread", "repeated", "unauthorised", "gone"] {
                present(&self.notifications, &GroupResult { group: name.clone(), result });
            }
            for result in ["answered", "not-sent", "unanswered", "refused"] {
                present(&self.requests, &GroupResult { group: name.clone(), result });
            }
            for result in ["granted", "refused", "failed"] {
                present(&self.log_ins, &GroupResult { group: name.clone(), result });
                present(&self.registrations, &GroupResult { group: name.clone(), result });
            }
            present(&self.registrations, &GroupResult { group: name.clone(), result: "removed" });
            for question in AdapterQuestion::ALL.map(AdapterQuestion::word) {
                for result in [ANSWERED].into_iter().chain(NO_ANSWERS) {
                    present(&self.adapter_calls, &AdapterCall { group: name.clone(), question, result });
                }
            }
            for by in HeldBy::ALL.map(HeldBy::word) {
                present(&self.held, &GroupHeld { group: name.clone(), by });
            }
            self.expect_moves(&name);
            let of_group = OfGroup { group: name };
            present(&self.parked, &of_group);
            present(&self.late, &of_group);
            present(&self.adapter_seconds, &of_group);
            present(&self.request_seconds, &of_group);
            self.groups.write().unwrap_or_else(PoisonError::into_inner).push(group);
        }
        for door in EventSource::ALL.map(EventSource::word) {
            for result in ["accepted", "repeated", "unwanted", "dead-letter", "unauthorised", "refused"] {
                present(&self.events, &DoorResult { door, result });
            }
        }
        for result in ["found", "absent", "failed", "enclosed"] {
            present(&self.billing_calls, &OfResult { result });
        }
        for result in Found::WORDS {
            present(&self.resynced, &OfResult { result });
        }
        for what in Purgeable::ALL.map(Purgeable::word) {
            present(&self.purged, &OfKind { what });
        }
        for status in Status::ALL {
            for result in ["taken", "later", "refused"] {
                present(&self.status_posts, &StatusPost { status: status.word(), result });
            }
        }
    }

    /// What is told of operations as they move.
    fn expect_moves(&self, group: &str) {
        let group = || group.to_owned();
        for outcome in ENDS.map(State::word) {
            present(&self.provision, &GroupOutcome { group: group(), outcome });
        }
        for stage in STAGES {
            present(&self.stages, &GroupStage { group: group(), stage });
        }
        for kind in Kind::ALL.map(Kind::word) {
            present(&self.retries, &GroupKind { group: group(), kind });
        }
        for code in CLASSES {
            present(&self.answers, &GroupCode { group: group(), code });
        }
    }

    /// The adapter that serves a group; the one before does no more.
    pub fn serves(&self, group: &Group, adapter: &str, version: &str, digest: &Digest) {
        let (adapter, version, digest) = (adapter.to_owned(), version.to_owned(), digest.to_string());
        self.adapters.is_now(ServingAdapter { group: group.0.clone(), adapter, version, digest });
    }

    /// When the certificate by which a group's target knows us ends; `None`: there is none.
    pub fn certificate_ends(&self, group: &Group, until: Option<Timestamp>) {
        let of = OfGroup { group: group.0.clone() };
        match until {
            Some(until) => drop(self.certificates.get_or_create(&of).set(until.millis() / 1000)),
            None => drop(self.certificates.remove(&of)),
        }
    }

    pub fn event(&self, source: EventSource, result: &'static str) {
        self.events.get_or_create(&DoorResult { door: source.word(), result }).inc();
    }

    pub fn notification(&self, group: &Group, result: &'static str) {
        self.notifications.get_or_create(&GroupResult { group: group.0.clone(), result }).inc();
    }

    pub fn parked(&self, group: &Group) {
        self.parked.get_or_create(&OfGroup { group: group.0.clone() }).inc();
    }

    pub fn late(&self, group: &Group) {
        self.late.get_or_create(&OfGroup { group: group.0.clone() }).inc();
    }

    pub fn held(&self, group: &Group, by: HeldBy, held: bool) {
        let by = by.word();
        self.held.get_or_create(&GroupHeld { group: group.0.clone(), by }).set(held.into());
    }

    pub fn finished(&self, group: &Group, end: State, took: Duration) {
        let end = GroupOutcome { group: group.0.clone(), outcome: end.word() };
        self.provision.get_or_create(&end).observe(took.as_secs_f64());
    }

    /// An operation stood there so long.
    pub fn left_stage(&self, group: &Group, stage: &'static str, stood: Duration) {
        if STAGES.contains(&stage) {
            let stage = GroupStage { group: group.0.clone(), stage };
            self.stages.get_or_create(&stage).observe(stood.as_secs_f64());
        }
    }

    pub fn retried(&self, group: &Group, kind: Kind) {
        self.retries.get_or_create(&GroupKind { group: group.0.clone(), kind: kind.word() }).inc();
    }

    pub fn adapter_call(
        &self,
        group: &Group,
        question: AdapterQuestion,
        fault: Option<&str>,
        took: Duration,
    ) {
        let (group, result) = (group.0.clone(), result(fault));
        self.adapter_calls
            .get_or_create(&AdapterCall { group: group.clone(), question: question.word(), result })
            .inc();
        self.adapter_seconds.get_or_create(&OfGroup { group }).observe(took.as_secs_f64());
    }

    pub fn request(&self, group: &Group, answer: &Result<Response, SendError>, took: Duration) {
        let group = group.0.clone();
        if let Ok(response) = answer {
            let code = class(response.status);
            self.answers.get_or_create(&GroupCode { group: group.clone(), code }).inc();
        }
        let result = match answer {
            Ok(_) | Err(SendError::TooLarge(_)) => "answered",
            Err(SendError::NotSent(_) | SendError::Lacking(_)) => "not-sent",
            Err(SendError::Unanswered(_)) => "unanswered",
            Err(SendError::Refused(_)) => "refused",
        };
        self.requests.get_or_create(&GroupResult { group: group.clone(), result }).inc();
        self.request_seconds.get_or_create(&OfGroup { group }).observe(took.as_secs_f64());
    }

    pub fn log_in(&self, group: &Group, result: &'static str) {
        self.log_ins.get_or_create(&GroupResult { group: group.0.clone(), result }).inc();
    }

    pub fn registration(&self, group: &Group, result: &'static str) {
        self.registrations.get_or_create(&GroupResult { group: group.0.clone(), result }).inc();
    }

    pub fn billing_call(&self, result: &'static str, took: Duration) {
        self.billing_calls.get_or_create(&OfResult { result }).inc();
        self.billing_seconds.observe(took.as_secs_f64());
    }

    /// PortaBilling was not asked, because what NSPS enclosed will do.
    pub fn billing_spared(&self) {
        self.billing_calls.get_or_create(&OfResult { result: "enclosed" }).inc();
    }

    pub fn status_post(&self, status: Status, result: &'static str) {
        self.status_posts.get_or_create(&StatusPost { status: status.word(), result }).inc();
    }

    pub fn resynced(&self, found: Found) {
        self.resynced.get_or_create(&OfResult { result: found.word() }).inc();
    }

    pub fn purged(&self, what: Purgeable, rows: usize) {
        self.purged
            .get_or_create(&OfKind { what: what.word() })
            .inc_by(u64::try_from(rows).unwrap_or(u64::MAX));
    }

    /// The text that Prometheus reads. What the journal counts is taken from `overview`.
    pub fn render(&self, overview: &Overview, now: Timestamp) -> String {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        self.counts.are(overview, &groups, now);
        drop(groups);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
