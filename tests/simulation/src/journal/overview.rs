//! Counts, for an operator.

use std::collections::BTreeMap;
use std::time::Duration;

use punchdown::domain::{Group, State, Timestamp};
use punchdown::ports::Overview;

use super::tables::{Fate, Read, SignalRow, Tables};

fn count<T>(of: impl Iterator<Item = T>) -> u64 {
    u64::try_from(of.count()).unwrap_or(u64::MAX)
}

impl Tables {
    pub fn overview(&self) -> Overview {
        let mut overview = Overview::default();
        for row in self.operations.values().filter(|row| !row.purged) {
            let (operation, group) = (&row.operation, &row.operation.lane.group);
            let word = State::of(operation).word().to_owned();
            *overview.operations.entry((group.clone(), word)).or_default() += 1;
            let newest = overview.newest.entry(group.clone()).or_default();
            *newest = operation.event.received_at.max(*newest);
            if operation.stage.is_open() {
                let received = operation.event.received_at;
                let oldest = overview.oldest_open.entry(group.clone()).or_insert(received);
                *oldest = received.min(*oldest);
            }
        }
        let signals = |of: fn(&SignalRow) -> bool| count(self.signals.values().filter(|row| of(row)));
        overview.events = count(self.events.values());
        overview.fan_outs = count(self.fan_outs.values().filter(|row| !row.done));
        overview.dead_letters = count(self.letters.values());
        overview.notifications_unread =
            count(self.notifications.values().filter(|row| row.read != Read::Yes));
        overview.signals_kept = signals(|row| row.fate == Fate::Kept && row.operation.is_none());
        overview.signals_parked = signals(|row| row.fate == Fate::Parked);
        overview.statuses_waiting = count(self.statuses.values().filter(|row| row.due.is_some()));
        overview.statuses_given_up = count(self.statuses.values().filter(|row| row.given_up));
        overview.times = self.times();
        let received = self.events.values().filter(|event| event.received_at > Timestamp::default());
        let last = received.max_by_key(|event| event.received_at);
        overview.last_event = last.map(|event| (event.identity.clone(), event.received_at));
        overview
    }

    /// From the event to `done`.
    fn times(&self) -> BTreeMap<Group, (Duration, Duration)> {
        let mut took: BTreeMap<Group, Vec<Duration>> = BTreeMap::new();
        let done =
            self.operations.values().filter(|row| !row.purged && State::of(&row.operation) == State::Done);
        for row in done {
            let time = row.changed_at.since(row.operation.event.received_at);
            took.entry(row.operation.lane.group.clone()).or_default().push(time);
        }
        let of_group = |(group, mut times): (Group, Vec<Duration>)| {
            times.sort_unstable();
            let at = |twentieths: usize| times[(times.len() - 1) * twentieths / 20];
            (group, (at(10), at(19)))
        };
        took.into_iter().map(of_group).collect()
    }
}
