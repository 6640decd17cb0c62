//! The groups' breakers: kept in memory, and in the journal whenever one turns.

use std::time::Duration;

use tokio::sync::Mutex;

use super::groups::{PerGroup, tell_of_pause};
use super::registrations::RegistrationState;
use super::{Core, GroupSettings};
use crate::domain::breaker::{Open, Sign, Turn};
use crate::domain::step::Step;
use crate::domain::{Breaker, Group, Operation, Quarantine, Timestamp};
use crate::ports::{Journal, JournalError};
use crate::telemetry::HeldBy;

/// Each is locked while its turn is written down, so that turns are written in their order.
pub type Breakers = PerGroup<Mutex<Breaker>>;

/// How a group stands, for an operator.
#[derive(Clone, Debug)]
pub struct GroupState {
    pub group: Group,
    pub paused: bool,
    /// An adapter can be asked.
    pub served: bool,
    /// Its breaker, when that is open.
    pub open: Option<Open>,
    /// That of its adapter.
    pub stops: Option<Open>,
    /// Where it is registered for notifications, or wants to be.
    pub registration: Option<RegistrationState>,
    /// That of its adapter.
    pub quarantine: Option<Quarantine>,
}

impl GroupState {
    /// Whether nothing of it moves, be it only what has a request to send.
    pub const fn is_held(&self) -> bool {
        let by_breaker = self.open.is_some() || self.stops.is_some();
        self.paused || !self.served || by_breaker || self.quarantine.is_some()
    }
}

impl Breakers {
    /// As they were before the stop.
    pub async fn load(&self, journal: &dyn Journal) -> Result<(), JournalError> {
        for (group, breaker) in journal.breakers().await? {
            *self.of(&group).lock().await = breaker;
        }
        Ok(())
    }
}

impl Core {
    /// Before anything moves.
    pub(super) async fn begin(&self) {
        if let Err(error) = self.breakers.load(self.ports.journal.as_ref()).await {
            tracing::error!(%error, "cannot read the breakers; they begin closed");
        }
        if let Err(error) = self.registrations.load(self.ports.journal.as_ref(), &self.vault).await {
            tracing::error!(%error, "cannot read the registrations; they are asked for again");
        }
        self.park_the_fatal().await;
        for (group, settings) in self.groups.all().iter() {
            self.rest(group).await;
            if settings.paused || self.breakers.of(group).lock().await.rests() {
                tell_of_pause(group);
            }
        }
    }

    async fn keep(&self, group: &Group, breaker: &Breaker) {
        if let Err(error) = self.ports.journal.keep_breaker(group, breaker).await {
            tracing::error!(%group, %error, "cannot keep a breaker");
        }
    }

    /// Its section, a quarantine or the want of an adapter holds the group, or does not any more: as it is once nobody
    /// else can turn that. Gives the quarantine, and whether it is served.
    pub(super) async fn hold(&self, group: &Group) -> (Option<Quarantine>, bool) {
        let mut breaker = self.breakers.of(group).lock_owned().await;
        let paused = self.groups.of(group).is_some_and(|settings| settings.paused);
        let (shut, served) = (self.quarantine(group), self.ports.adapters.serves(group));
        let stops = self.stops.open(group).is_some();
        for (by, held) in [
            (HeldBy::Paused, paused || breaker.rests()),
            (HeldBy::Breaker, breaker.open().is_some()),
            (HeldBy::Adapter, stops),
            (HeldBy::Quarantine, shut.is_some()),
            (HeldBy::Unserved, !served),
        ] {
            self.metrics.held(group, by, held);
        }
        if breaker.pause(paused || shut.is_some() || stops || !served, self.ports.world.now()) {
            self.keep(group, &breaker).await;
        }
        (shut, served)
    }

    /// Whether its section, a quarantine, the want of an adapter or a person holds the group.
    pub(super) async fn is_paused(&self, settings: &GroupSettings) -> bool {
        settings.paused
            || !self.ports.adapters.serves(&settings.group)
            || self.quarantine(&settings.group).is_some()
            || self.breakers.of(&settings.group).lock().await.rests()
    }

    /// A person lets the group rest, or work again. Whoever hears that it is so finds it so after a restart.
    pub(super) async fn pause(&self, group: &Group, paused: bool) -> Result<(), JournalError> {
        let mut breaker = self.breakers.of(group).lock_owned().await;
        if self.ports.instances.among().several
            && let Some(kept) = self.ports.journal.breakers().await?.get(group)
        {
            breaker.hear(kept);
        }
        let mut changed = breaker.clone();
        if changed.rest(paused, self.ports.world.now()) {
            self.ports.journal.keep_breaker(group, &changed).await?;
            *breaker = changed;
        }
        Ok(())
    }

    /// Whether a request of the group may leave now.
    pub(super) async fn admits(&self, group: &Group) -> bool {
        self.breakers.of(group).lock().await.admits(self.ports.world.now())
    }

    /// Lets one request leave, if one may.
    pub(super) async fn admit(&self, group: &Group) -> bool {
        self.breakers.of(group).lock().await.admit(self.ports.world.now())
    }

    pub(super) async fn did_not_leave(&self, group: &Group) {
        self.breakers.of(group).lock().await.did_not_leave();
    }

    /// How much of the time in which the operation rested before that step burns no deadline. One that was begun a
    /// moment ago has rested for nothing but what the clock has left out since it was set ahead by so much.
    pub(super) async fn held_before(&self, step: &Step, operation: &Operation, ahead: Duration) -> Duration {
        if !step.moves() {
            return self.clocks.set_ahead().saturating_sub(ahead);
        }
        let breaker = self.breakers.of(&operation.lane.group).lock_owned().await;
        breaker.held_between(operation.rests_since(), self.ports.world.now())
    }

    /// When an operation's time is up, as far as can be told now.
    pub(super) async fn time_is_up(&self, operation: &Operation) -> Option<Timestamp> {
        let ends = operation.time_is_up()?;
        let breaker = self.breakers.of(&operation.lane.group).lock_owned().await;
        Some(ends + breaker.held_between(operation.rests_since(), self.ports.world.now()))
    }

    /// Nobody ran between the two.
    pub(super) async fn was_away(&self, group: &Group, from: Timestamp, to: Timestamp) {
        let mut breaker = self.breakers.of(group).lock_owned().await;
        breaker.was_away(from, to);
        self.keep(group, &breaker).await;
    }

    pub(super) async fn heard(&self, settings: &GroupSettings, sign: Sign) {
        let group = &settings.group;
        let mut breaker = self.breakers.of(group).lock_owned().await;
        let Some(turn) = breaker.heard(sign, &settings.breaker, self.ports.world.now()) else { return };
        self.metrics.held(group, HeldBy::Breaker, breaker.open().is_some());
        match turn {
            Turn::Opened { trouble, probe_at } => {
                tracing::warn!(%group, code = trouble.code, why = self.for_log(group, &trouble.message), %probe_at, "the breaker is open");
            }
            Turn::StaysOpen { probe_at } => tracing::info!(%group, %probe_at, "a probe failed"),
            Turn::Closed { since } => {
                tracing::warn!(%group, %since, "the breaker is closed");
                self.hints.lane(group);
            }
        }
        self.keep(group, &breaker).await;
    }

    /// How the groups stand.
    pub(super) async fn group_states(&self) -> Vec<GroupState> {
        let groups = self.groups.all();
        let mut states = Vec::with_capacity(groups.len());
        for (group, settings) in groups.iter() {
            let breaker = self.breakers.of(group).lock_owned().await;
            let paused = settings.paused || breaker.rests();
            let open = breaker.open().cloned();
            drop(breaker);
            let registration = self.registration_of(settings).await;
            let (group, served) = (group.clone(), self.ports.adapters.serves(group));
            let quarantine = self.quarantine(&group);
            let stops = self.stops.open(&group);
            states.push(GroupState { group, paused, served, open, stops, registration, quarantine });
        }
        states
    }
}
