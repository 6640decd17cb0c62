//! Adapters that stop: an operation is asked about again, parked, or waits with all others of its group until the
//! adapter answers again or another one serves.

use std::sync::{Mutex, PoisonError};

use super::groups::PerGroup;
use super::{Core, GroupSettings};
use crate::domain::breaker::{Open, Turn};
use crate::domain::outcome::Outcome;
use crate::domain::stops::{Stops, Verdict, is_stop};
use crate::domain::{Group, IAccount, Lane, Operation, Trouble};
use crate::ports::Held;

/// What is held against each group's adapter.
#[derive(Default)]
pub struct AllStops(PerGroup<Mutex<Stops>>);

impl AllStops {
    fn at<T>(&self, group: &Group, look: impl FnOnce(&mut Stops) -> T) -> T {
        look(&mut self.0.of(group).lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn open(&self, group: &Group) -> Option<Open> {
        self.at(group, |stops| stops.open().cloned())
    }
}

/// Which lanes of a group may be leased.
pub enum Turns {
    Any,
    /// One, to see whether the adapter answers.
    One,
    None,
}

impl Core {
    /// What becomes of an operation whose adapter brought that instead of an answer.
    pub(super) async fn stopped(&self, operation: &Operation, trouble: Trouble) -> Outcome {
        let Lane { group, i_account } = &operation.lane;
        let (Some(settings), true) = (self.groups.of(group), is_stop(&trouble)) else {
            return Outcome::Refused(trouble);
        };
        self.heed_another(group).await;
        let now = self.ports.world.now();
        let (verdict, turn) =
            self.stops.at(group, |stops| stops.stopped(*i_account, &trouble, &settings.breaker, now));
        self.adapter_turned(&settings, turn).await;
        let until = match verdict {
            Verdict::Park => return Outcome::Refused(trouble),
            // Due as all others are: the next probe is one of theirs, and when it closes nobody sleeps on.
            Verdict::Rests => now,
            Verdict::Again { stops } => {
                now + settings.policy.retry.pause(stops, None, self.ports.world.chance())
            }
        };
        let (id, code) = (&operation.id, &trouble.code);
        let why = self.for_log(group, &trouble.message);
        tracing::warn!(operation = %id, %group, %i_account, code, why, %until, "the adapter stopped; it is asked again");
        Outcome::Held { trouble, until }
    }

    /// Whether the last word is that of the component that began it, which serves no more.
    pub(super) async fn is_gone_on_with_by_an_older(&self, operation: &Operation) -> bool {
        let group = &operation.lane.group;
        match operation.by.as_ref().filter(|by| self.serving(group).as_ref() != Some(*by)) {
            Some(older) => self.may_go_on(&operation.lane, older).await,
            None => false,
        }
    }

    /// The adapter has answered about that account.
    pub(super) async fn adapter_answered(&self, lane: &Lane) {
        let Some(settings) = self.groups.of(&lane.group) else { return };
        let now = self.ports.world.now();
        let turn = self.stops.at(&lane.group, |stops| stops.answered(lane.i_account, &settings.breaker, now));
        self.adapter_turned(&settings, turn).await;
    }

    /// Another adapter than the one that stopped may serve by now.
    async fn heed_another(&self, group: &Group) {
        let (Some(serving), Some(settings)) = (self.serving(group), self.groups.of(group)) else { return };
        let turn = self.stops.at(group, |stops| stops.serves(&serving));
        self.adapter_turned(&settings, turn).await;
    }

    /// A person has mended something.
    pub(super) async fn forgive_stops(&self, settings: &GroupSettings) {
        let turn = self.stops.at(&settings.group, Stops::forgive);
        self.adapter_turned(settings, turn).await;
    }

    async fn adapter_turned(&self, settings: &GroupSettings, turn: Option<Turn>) {
        let group = &settings.group;
        match turn {
            None => return,
            Some(Turn::Opened { trouble, probe_at }) => {
                tracing::error!(%group, code = trouble.code, why = trouble.message, %probe_at, "the adapter's breaker is open: its group's operations wait");
            }
            Some(Turn::StaysOpen { probe_at }) => {
                tracing::warn!(%group, %probe_at, "the adapter still stops");
            }
            Some(Turn::Closed { since }) => {
                tracing::warn!(%group, %since, "the adapter's breaker is closed");
                self.hints.lane(group);
            }
        }
        self.rest(group).await;
    }

    /// What of a group may be leased, as far as its adapter goes.
    pub(super) async fn turns(&self, group: &Group) -> Turns {
        if self.stops.open(group).is_none() {
            return Turns::Any;
        }
        self.heed_another(group).await;
        let now = self.ports.world.now();
        self.stops.at(group, |stops| match (stops.open(), stops.admits(now)) {
            (None, _) => Turns::Any,
            (Some(_), true) => Turns::One,
            (Some(_), false) => Turns::None,
        })
    }

    /// That lane is leased to see whether the adapter answers.
    pub(super) fn probes_adapter(&self, lane: &Lane) {
        let now = self.ports.world.now();
        self.stops.at(&lane.group, |stops| stops.probe(lane.i_account, now));
    }

    pub(super) fn came_to_rest(&self, group: &Group, account: IAccount) {
        self.stops.at(group, |stops| stops.rests(account));
    }

    /// Whether the head of a lane may be moved now.
    pub(super) async fn may_move(&self, settings: &GroupSettings, held: &Held) -> bool {
        let lets = self.stops.at(&settings.group, |stops| stops.lets(held.operation.lane.i_account));
        lets && !self.is_paused(settings).await
    }
}
