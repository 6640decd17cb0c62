//! Takes what the doors received: writes it down, then wakes whoever works on it.

use std::sync::Arc;
use std::time::Instant;

use super::Core;
use crate::domain::{
    Event, Group, NotAnEvent, Notification, Operation, OperationId, Reading, Response, Timestamp,
};
use crate::ports::{Acceptance, AdapterError, DeadLetter, Delivered, JournalError, Kept, Overview};
use crate::telemetry::{AdapterQuestion, Metrics};

/// Of what can never become an event so much is kept.
const DEAD_LETTER_BYTES_MAX: usize = 64 << 10;

#[derive(Clone)]
pub struct Intake {
    core: Arc<Core>,
}

/// What became of a delivery. All of these are durable, and none needs to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// So many groups want it.
    New {
        operations: usize,
    },
    Repeated,
    /// It can never be an event; a person will find it among the dead letters.
    DeadLetter,
}

#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("there is no group {0}")]
    NoSuchGroup(Group),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Intake {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    pub fn metrics(&self) -> &Metrics {
        &self.core.metrics
    }

    pub fn now(&self) -> Timestamp {
        self.core.ports.world.now()
    }

    /// Takes one delivery of the ESPF. `Ok` means durable.
    pub async fn event(&self, body: &[u8]) -> Result<Accepted, JournalError> {
        let now = self.now();
        let served = self.core.ports.billing.environment();
        match Event::parse(body, now).and_then(|event| event.of_environment(served)) {
            Ok(event) => self.accept(event).await,
            Err(why) => self.bury(body, &why, now).await,
        }
    }

    async fn accept(&self, event: Event) -> Result<Accepted, JournalError> {
        let operations = self.operations(&event);
        let (identity, name, count) = (event.identity.clone(), event.name.clone(), operations.len());
        let wanting: Vec<Group> = operations.iter().map(|operation| operation.lane.group.clone()).collect();
        let i_account = event.i_account.map_or_else(|| "none".to_owned(), |account| account.to_string());
        let accepted = self.core.ports.journal.accept(event, operations).await?;
        // Durable from here on; a hint that gets lost costs a second.
        for group in &wanting {
            self.core.hints.lanes[group].notify_one();
        }
        match accepted {
            Acceptance::New => {
                self.core.metrics.event(if count == 0 { "unwanted" } else { "accepted" });
                tracing::info!(event = %identity, name, i_account, operations = count, "event stored");
                Ok(Accepted::New { operations: count })
            }
            Acceptance::Repeated => {
                self.core.metrics.event("repeated");
                tracing::info!(event = %identity, name, i_account, "event repeated");
                Ok(Accepted::Repeated)
            }
        }
    }

    /// One operation for each group that wants the event.
    fn operations(&self, event: &Event) -> Vec<Operation> {
        let Some(i_account) = event.i_account else { return Vec::new() };
        let wanting = self.core.groups.values().filter(|settings| settings.events.want(&event.name));
        wanting
            .map(|settings| {
                Operation::received(
                    OperationId(self.core.ports.world.new_id()),
                    settings.group.clone(),
                    settings.policy.service.clone(),
                    event.clone(),
                    i_account,
                    settings.policy.deadline,
                )
            })
            .collect()
    }

    /// The ESPF will not send again what it was told to be wrong, so it is kept.
    async fn bury(&self, body: &[u8], why: &NotAnEvent, at: Timestamp) -> Result<Accepted, JournalError> {
        let body = body[..body.len().min(DEAD_LETTER_BYTES_MAX)].to_vec();
        let letter = DeadLetter { id: self.core.ports.world.new_id(), at, why: why.to_string(), body };
        tracing::warn!(letter = letter.id, why = letter.why, "dead letter");
        self.core.ports.journal.keep_dead_letter(letter).await?;
        self.core.metrics.event("dead-letter");
        Ok(Accepted::DeadLetter)
    }

    /// Takes one notification: stored as it came, then read, its signals stored, then answered.
    /// `Ok` means stored. By the sender's own id, when he has proved that it is his, a repeat is
    /// known; it is answered as the first one was.
    pub async fn notification(
        &self,
        group: &Group,
        sender_id: Option<String>,
        raw: Notification,
    ) -> Result<Response, IntakeError> {
        if !self.core.groups.contains_key(group) {
            return Err(IntakeError::NoSuchGroup(group.clone()));
        }
        let id = self.core.ports.world.new_id();
        let delivered = Delivered { id: id.clone(), group: group.clone(), sender_id, raw: raw.clone() };
        let reply = match self.core.ports.journal.keep_notification(delivered).await? {
            Kept::New => self.core.read_notification(group, &id, &raw).await.unwrap_or_else(|error| {
                // It is stored, and will be read again.
                tracing::error!(%group, notification = id, %error, "cannot record a reading");
                None
            }),
            Kept::Repeated(first) => {
                self.core.metrics.notification(group, "repeated");
                tracing::info!(%group, "notification repeated");
                first
            }
        };
        Ok(reply.unwrap_or_else(|| self.core.default_reply(group)))
    }

    /// Whether an event could be stored now.
    pub async fn ready(&self) -> Result<(), JournalError> {
        self.core.ports.journal.ping().await
    }

    pub async fn overview(&self) -> Result<Overview, JournalError> {
        self.core.ports.journal.overview().await
    }
}

impl Core {
    /// What is answered while no adapter has read a notification.
    pub(super) fn default_reply(&self, group: &Group) -> Response {
        self.groups[group].default_reply.clone()
    }

    /// Lets the group's adapter read a stored notification. `None`: it could not, and may be
    /// asked again.
    pub(super) async fn read_notification(
        &self,
        group: &Group,
        id: &str,
        raw: &Notification,
    ) -> Result<Option<Response>, JournalError> {
        let began = Instant::now();
        let answer = self.ports.adapters.read_notification(group, raw).await;
        let result = if answer.is_ok() { "answered" } else { "fault" };
        self.metrics.adapter_call(group, AdapterQuestion::ReadNotification, result, began.elapsed());
        let reading = match answer {
            Ok(reading) => reading,
            Err(error @ (AdapterError::NotLoaded(_) | AdapterError::Fault(_))) => {
                self.metrics.notification(group, "unread");
                // What the adapter said last may hold what it was given, so only the code is logged.
                let code = error.code();
                tracing::warn!(%group, notification = id, code, "a notification stays unread");
                return Ok(None);
            }
        };
        let unread = reading.unread.clone();
        let reply = if unread.is_some() { self.default_reply(group) } else { reading.reply };
        let reading = Reading { reply: reply.clone(), ..reading };
        let signals = reading.signals.len();
        self.ports.journal.record_reading(id, reading, self.ports.world.now()).await?;
        if let Some(trouble) = unread {
            self.metrics.notification(group, "unread");
            tracing::warn!(%group, notification = id, code = trouble.code, "the adapter cannot read a notification");
        } else {
            self.metrics.notification(group, "read");
            tracing::info!(%group, notification = id, signals, "notification read");
        }
        self.hints.lanes[group].notify_one();
        Ok(Some(reply))
    }
}
