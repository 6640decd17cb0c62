//! What the journal counts, as it is read when somebody asks for the metrics.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{GroupState, OfGroup};
use crate::domain::{Group, State, Timestamp};
use crate::ports::Overview;

#[derive(Default)]
pub struct Counts {
    last_event: Gauge,
    operations: Family<GroupState, Gauge>,
    oldest_open: Family<OfGroup, Gauge>,
    fan_outs: Gauge,
    dead_letters: Gauge,
    unread: Gauge,
    unmatched: Gauge,
    signals_parked: Gauge,
    statuses_waiting: Gauge,
    statuses_given_up: Gauge,
}

impl Counts {
    #[rustfmt::skip]
    pub fn register(&self, all: &mut Registry) {
        all.register("last_event_timestamp_seconds", "When the last event was stored, Unix time", self.last_event.clone());
        all.register("operations", "Operations by where they stand", self.operations.clone());
        all.register("oldest_open_age_seconds", "Age of the oldest unfinished operation", self.oldest_open.clone());
        all.register("fan_outs", "Events of customers that have not reached all accounts", self.fan_outs.clone());
        all.register("dead_letters", "Deliveries that could never become an event", self.dead_letters.clone());
        all.register("notifications_unread", "Notifications that no adapter has read", self.unread.clone());
        all.register("signals_unmatched", "Signals kept for an operation that has not named their key", self.unmatched.clone());
        all.register("signals_parked", "Signals that nobody claimed in time", self.signals_parked.clone());
        all.register("statuses_waiting", "Statuses that PortaBilling has yet to take", self.statuses_waiting.clone());
        all.register("statuses_given_up", "Statuses of accounts that PortaBilling has no more", self.statuses_given_up.clone());
    }

    pub fn are(&self, overview: &Overview, groups: &[Group], now: Timestamp) {
        for group in groups {
            self.of_group(overview, group, now);
        }
        self.last_event.set(overview.last_event.as_ref().map_or(0, |(_, at)| at.millis() / 1000));
        self.fan_outs.set(integer(overview.fan_outs));
        self.dead_letters.set(integer(overview.dead_letters));
        self.unread.set(integer(overview.notifications_unread));
        self.unmatched.set(integer(overview.signals_kept));
        self.signals_parked.set(integer(overview.signals_parked));
        self.statuses_waiting.set(integer(overview.statuses_waiting));
        self.statuses_given_up.set(integer(overview.statuses_given_up));
    }

    fn of_group(&self, overview: &Overview, group: &Group, now: Timestamp) {
        for state in State::ALL.map(State::word) {
            let count = overview.operations.get(&(group.clone(), state.to_owned())).copied().unwrap_or(0);
            self.operations.get_or_create(&GroupState { group: group.0.clone(), state }).set(integer(count));
        }
        let age = overview.oldest_open.get(group).map_or(0, |oldest| now.since(*oldest).as_secs());
        self.oldest_open.get_or_create(&OfGroup { group: group.0.clone() }).set(integer(age));
    }
}

fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
