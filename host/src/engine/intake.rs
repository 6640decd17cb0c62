//! Takes what the doors received: writes it down, then wakes whoever works on it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Core, GroupSettings, GroupState};
use crate::domain::{
    Event, EventSource, Group, IAccount, NotAnEvent, Notification, Operation, OperationId, Otherwise,
    Reading, Response, Subject, Timestamp, Trace,
};
use crate::ports::{
    Acceptance, AdapterError, Among, DeadLetter, Delivered, Hint, JournalError, Kept, Overview, Work,
};
use crate::telemetry::{AdapterQuestion, Metrics};

/// Of what can never become an event so much is kept.
const DEAD_LETTER_BYTES_MAX: usize = 64 << 10;
/// For a delivery to be stored. Who waits longer has given up, and sends it again.
const STORED_WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Intake {
    core: Arc<Core>,
}

/// What became of a delivery. All of these are durable, and none needs to be sent again.
#[derive(Debug, PartialEq, Eq)]
pub enum Accepted {
    New,
    Repeated,
    /// It can never be an event; a person will find it among the dead letters.
    DeadLetter(NotAnEvent),
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

    /// Takes one delivery. `Ok` means durable. What is late may be stored all the same; it is known
    /// when it comes again.
    pub async fn event(
        &self,
        source: EventSource,
        trace: Option<Trace>,
        body: &[u8],
    ) -> Result<Accepted, JournalError> {
        within(STORED_WITHIN, self.judge(source, trace, body)).await
    }

    async fn judge(
        &self,
        source: EventSource,
        trace: Option<Trace>,
        body: &[u8],
    ) -> Result<Accepted, JournalError> {
        let served = self.core.ports.billing.environment();
        match source.read(body, self.now()).and_then(|event| event.of_environment(served)) {
            Ok(event) => self.accept(source, Event { trace, ..event }).await,
            Err(why) => self.keep_letter(source, body, why).await,
        }
    }

    async fn accept(&self, source: EventSource, event: Event) -> Result<Accepted, JournalError> {
        let groups = self.core.groups.all();
        let wanting: Vec<_> = groups.values().filter(|settings| settings.events.want(&event.name)).collect();
        let work = self.core.work(&event, &wanting);
        let result = if work.is_nothing() { "unwanted" } else { "accepted" };
        let fans_out = matches!(work, Work::FanOut(_));
        let (identity, name, of) = (event.identity.clone(), event.name.clone(), of(&event));
        let accepted = self.core.ports.journal.accept(event, work).await?;
        // Durable from here on; a hint that gets lost costs a second.
        if fans_out {
            self.core.to_whoever_leads(Hint::FanOuts);
        }
        for settings in &wanting {
            self.core.lanes_are_due(&settings.group);
        }
        match accepted {
            Acceptance::New => {
                self.core.metrics.event(source, result);
                tracing::info!(event = %identity, name, of, groups = wanting.len(), result, "event stored");
                Ok(Accepted::New)
            }
            Acceptance::Repeated => {
                self.core.metrics.event(source, "repeated");
                tracing::info!(event = %identity, name, of, "event repeated");
                Ok(Accepted::Repeated)
            }
        }
    }

    /// Keeps what can never be an event: the ESPF will not send again what it was told to be wrong.
    pub async fn bury(
        &self,
        source: EventSource,
        body: &[u8],
        why: NotAnEvent,
    ) -> Result<Accepted, JournalError> {
        within(STORED_WITHIN, self.keep_letter(source, body, why)).await
    }

    async fn keep_letter(
        &self,
        source: EventSource,
        body: &[u8],
        why: NotAnEvent,
    ) -> Result<Accepted, JournalError> {
        let id = source.letter_id(body).unwrap_or_else(|| self.core.ports.world.new_id());
        let body = body[..body.len().min(DEAD_LETTER_BYTES_MAX)].to_vec();
        let letter = DeadLetter { id, at: self.now(), why: why.to_string(), body };
        tracing::warn!(letter = letter.id, why = letter.why, "dead letter");
        self.core.ports.journal.keep_dead_letter(letter).await?;
        self.core.metrics.event(source, "dead-letter");
        Ok(Accepted::DeadLetter(why))
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
        if self.core.groups.of(group).is_none() {
            return Err(IntakeError::NoSuchGroup(group.clone()));
        }
        let id = self.core.ports.world.new_id();
        let delivered = Delivered { id: id.clone(), group: group.clone(), sender_id, raw: raw.clone() };
        let reply = match within(STORED_WITHIN, self.core.ports.journal.keep_notification(delivered)).await? {
            Kept::New => {
                let read = self.core.read_notification(group, &id, &raw).await.unwrap_or_else(|error| {
                    // It is stored, and will be read again.
                    tracing::error!(%group, notification = id, %error, "cannot record a reading");
                    None
                });
                if read.is_none()
                    && let Err(error) =
                        self.core.ports.journal.keep_reply(&id, &self.core.default_reply(group)).await
                {
                    tracing::error!(%group, notification = id, %error, "cannot keep a reply");
                }
                read
            }
            Kept::Repeated(first) => {
                self.core.metrics.notification(group, "repeated");
                tracing::info!(%group, "notification repeated");
                first
            }
        };
        Ok(reply.unwrap_or_else(|| self.core.default_reply(group)))
    }

    /// Whether a registration of the group has that address, or had it a moment ago.
    pub async fn takes_at(&self, group: &Group, token: &str) -> bool {
        self.core.takes_at(group, token).await
    }

    /// Whether an event could be stored now.
    pub async fn ready(&self) -> Result<(), JournalError> {
        within(STORED_WITHIN, self.core.ports.journal.ping()).await
    }

    /// How this host stands among those that work on the journal.
    pub fn among(&self) -> Among {
        self.core.ports.instances.among()
    }

    /// How the groups stand.
    pub async fn groups(&self) -> Vec<GroupState> {
        self.core.group_states().await
    }

    /// The groups whose requests do not leave now.
    pub async fn held(&self) -> BTreeSet<Group> {
        let states = self.groups().await.into_iter();
        states.filter(GroupState::is_held).map(|state| state.group).collect()
    }

    /// When an operation's time is up, if any runs.
    pub async fn time_is_up(&self, operation: &Operation) -> Option<Timestamp> {
        self.core.time_is_up(operation).await
    }

    pub async fn overview(&self) -> Result<Overview, JournalError> {
        Ok(self.core.ports.journal.overview().await?.held_back(&self.held().await))
    }
}

async fn within<T>(
    limit: Duration,
    storing: impl Future<Output = Result<T, JournalError>>,
) -> Result<T, JournalError> {
    let late = |_| JournalError::Failed(format!("the journal did not answer within {limit:?}"));
    tokio::time::timeout(limit, storing).await.map_err(late)?
}

/// Whom an event names, for the log.
fn of(event: &Event) -> String {
    match (event.i_account, event.i_customer) {
        (Some(i_account), _) => format!("i_account {i_account}"),
        (None, Some(i_customer)) => format!("i_customer {i_customer}"),
        (None, None) => "nobody".to_owned(),
    }
}

impl Core {
    fn work(&self, event: &Event, wanting: &[&Arc<GroupSettings>]) -> Work {
        match (event.i_account, event.i_customer) {
            (Some(i_account), _) => {
                let operation = |settings: &&Arc<GroupSettings>| self.operation(settings, event, i_account);
                Work::Operations(wanting.iter().map(operation).collect())
            }
            (None, Some(_)) if !wanting.is_empty() => {
                Work::FanOut(wanting.iter().map(|settings| settings.group.clone()).collect())
            }
            (None, _) => Work::Operations(Vec::new()),
        }
    }

    /// A new operation for an account of an event.
    pub(super) fn operation(
        &self,
        settings: &GroupSettings,
        event: &Event,
        i_account: IAccount,
    ) -> Operation {
        Operation::received(
            OperationId(self.ports.world.new_id()),
            settings.group.clone(),
            settings.policy.service.clone(),
            event.clone(),
            i_account,
            settings.policy.deadline,
        )
    }

    /// What is answered while no adapter has read a notification.
    pub(super) fn default_reply(&self, group: &Group) -> Response {
        self.groups.of(group).map_or(Response::ACCEPTED, |settings| settings.default_reply.clone())
    }

    /// Lets the group's adapter read a stored notification. `None`: it could not, or is in quarantine, and
    /// may be asked again.
    pub(super) async fn read_notification(
        &self,
        group: &Group,
        id: &str,
        raw: &Notification,
    ) -> Result<Option<Response>, JournalError> {
        if self.quarantine(group).is_some() {
            return Ok(None);
        }
        let subject = Subject::Notification { group: group.clone(), id: id.to_owned() };
        if let Some(trouble) = self.fatal(&subject) {
            self.set_aside(group, id, trouble).await?;
            return Ok(Some(self.default_reply(group)));
        }
        let answer = self.ports.adapters.read_notification(group, raw);
        let reading = match self.asked(&subject, AdapterQuestion::ReadNotification, answer).await {
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
        let begins = reading.signals.iter().any(|signal| signal.otherwise == Otherwise::Begin);
        self.ports.journal.record_reading(id, reading, self.ports.world.now()).await?;
        if let Some(trouble) = unread {
            self.metrics.notification(group, "unread");
            tracing::warn!(%group, notification = id, code = trouble.code, "the adapter cannot read a notification");
        } else {
            self.metrics.notification(group, "read");
            tracing::info!(%group, notification = id, signals, "notification read");
        }
        self.lanes_are_due(group);
        if begins {
            self.to_whoever_leads(Hint::Changes);
        }
        Ok(Some(reply))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_waits_for_a_journal_without_end() {
        let limit = Duration::from_millis(10);
        let never = within(limit, std::future::pending::<Result<(), JournalError>>()).await;
        let error = never.expect_err("it is late").to_string();
        assert!(error.contains("did not answer within 10ms"), "{error}");
        within(limit, async { Ok(()) }).await.expect("what is in time is as it was");
    }
}
