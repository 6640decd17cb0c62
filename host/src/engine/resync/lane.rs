//! One lane of a resync: whether it is as PortaBilling wants it, and what its adapter finds outside.

use super::{Halt, Walk};
use crate::domain::resync::{Difference, Found, Mode, has_nothing_to_do};
use crate::domain::{
    Decision, Entry, Event, Exchange, Group, Happening, Json, LaidDown, Lane, Operation, Progress, Received,
    Request, Stage, Subject,
};
use crate::engine::sessions::Session;
use crate::engine::{Core, GroupSettings, LOOK_EVERY};
use crate::ports::{Account, Adopted, Compared, Marks, Question};
use crate::telemetry::AdapterQuestion;

/// Looks that an adapter may take to find what stands of an account.
const LOOKS_MAX: usize = 16;
/// Methods that change nothing.
const SAFE: [&str; 2] = ["GET", "HEAD"];

impl Walk<'_> {
    /// How a lane is found; `None`: it is nobody's business.
    pub(super) async fn lane(
        &self,
        settings: &GroupSettings,
        event: &Event,
        lane: &Lane,
        closed: bool,
    ) -> Result<Option<Found>, Halt> {
        let stands = self.core.ports.journal.stands(lane).await?;
        if stands.open {
            return Ok(Some(Found::Open));
        }
        if !stands.known && closed || stands.known && self.resync.mode == Mode::Adopt {
            return Ok(None);
        }
        let Some(needs) = self.core.ports.adapters.needs(&lane.group) else { return Ok(Some(Found::Unread)) };
        let billing = &self.core.ports.billing;
        let read = || billing.read(lane.i_account, &needs.queries, event.received_at);
        let (subscriber, wanted) = match self.until_answered(read).await {
            Ok(Account::Found { subscriber, wanted }) => (subscriber, wanted),
            // Removal is not believed without a closing event; a person will see it parked.
            Ok(Account::Absent) => return Ok(stands.known.then_some(Found::Differs(Difference::Absent))),
            Err(Halt::Refused(why)) => {
                let why = self.core.of_billing(&why);
                tracing::warn!(group = %lane.group, i_account = %lane.i_account, why, "an account is not compared");
                return Ok(Some(Found::Unread));
            }
            Err(halt) => return Err(halt),
        };
        let laid_down = LaidDown {
            began: self.core.ports.world.now(),
            wanted,
            subscriber: Some(subscriber),
            applied: None,
            config: needs.config,
            notify_at: needs.notify_at,
        };
        let compared = self.core.ports.journal.compare(lane, &laid_down).await?;
        match compared {
            Compared { open: true, .. } => Ok(Some(Found::Open)),
            Compared { same: true, .. } => Ok(Some(Found::Same)),
            Compared { known, applied, .. } => {
                let operation = self.core.operation(settings, event, lane.i_account);
                let operation = Operation { laid_down: Some(LaidDown { applied, ..laid_down }), ..operation };
                self.asked(settings, event, operation, known).await
            }
        }
    }

    /// What the adapter would do is the last word: much of what changes in PortaBilling is not its business.
    async fn asked(
        &self,
        settings: &GroupSettings,
        event: &Event,
        operation: Operation,
        known: bool,
    ) -> Result<Option<Found>, Halt> {
        if self.resync.mode == Mode::Adopt {
            return self.adopt(settings, event, operation).await;
        }
        let differs = if known { Difference::Changed } else { Difference::Unknown };
        Ok(Some(match self.core.would_do(&operation, Vec::new()).await {
            Some(progress) if has_nothing_to_do(&progress.decision) => Found::Same,
            Some(_) => Found::Differs(differs),
            None => Found::Unread,
        }))
    }

    /// Has the adapter look as long as it only looks. What it said until then stands.
    async fn adopt(
        &self,
        settings: &GroupSettings,
        event: &Event,
        mut operation: Operation,
    ) -> Result<Option<Found>, Halt> {
        let (mut history, mut applied): (Vec<Entry>, Option<Json>) = (Vec::new(), None);
        let as_wanted = loop {
            let Some(progress) = self.core.would_do(&operation, history.clone()).await else {
                return Ok(Some(Found::Unread));
            };
            let request = match progress.decision {
                Decision::Finish => None,
                Decision::Ignore(_) if history.is_empty() => return Ok(None),
                Decision::Send(request) if is_safe(&request) && history.len() < LOOKS_MAX => Some(request),
                // Of what it says with a change that is not made nothing is true.
                _ => break false,
            };
            applied = progress.applied.or(applied);
            operation.keys.extend(progress.keys);
            let Some(request) = request else { break true };
            match self.core.look(&settings.group, &operation, request).await {
                Some(entry) => history.push(entry),
                None => return Ok(Some(Found::Unread)),
            }
        };
        if as_wanted || applied.is_some() {
            operation.stage = Stage::Finished;
            let found = Adopted { operation, applied, as_wanted };
            if !self.core.ports.journal.adopt(event, found).await? {
                return Ok(Some(Found::Open));
            }
        }
        Ok(Some(if as_wanted { Found::Adopted } else { Found::Differs(Difference::NotAsWanted) }))
    }
}

fn is_safe(request: &Request) -> bool {
    SAFE.iter().any(|method| request.method.eq_ignore_ascii_case(method))
}

impl Core {
    /// What an adapter would do next; nothing of it is done. `None`: it cannot say, or is not to be asked.
    async fn would_do(&self, operation: &Operation, history: Vec<Entry>) -> Option<Progress> {
        let (group, subject) = (&operation.lane.group, Subject::Lane(operation.lane.clone()));
        if self.quarantine(group).is_some() || self.fatal(&subject).is_some() {
            return None;
        }
        let question = Question::about(operation, operation.laid_down.clone()?, history);
        let serving = self.ports.adapters.needs(group)?.digest;
        let answer = self.ports.adapters.provision_by(&serving, question);
        match self.asked(&subject, AdapterQuestion::Provision, answer).await {
            Ok((progress, _)) => Some(progress),
            Err(error) => {
                let (i_account, code) = (operation.lane.i_account, error.code());
                tracing::warn!(%group, %i_account, code, "an account is not compared");
                None
            }
        }
    }

    /// Whether the group is paused as things stand now: whoever waits for that may wait for hours.
    async fn rests(&self, group: &Group) -> bool {
        match self.groups.of(group) {
            Some(settings) => self.is_paused(&settings).await,
            None => true,
        }
    }

    /// One look at the target, when it may be asked.
    async fn look(&self, group: &Group, operation: &Operation, request: Request) -> Option<Entry> {
        while self.rests(group).await || !self.admits(group).await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let session = self.session(group, &request).await.ok()?;
        self.ports.outbound.make_ready(group, true).await.ok()?;
        let marks = Marks::of(operation, &request);
        let answer = self.sent(group, &request, &marks, Session::values(session.as_ref())).await;
        let outcome = Received::Answered(answer.ok()?);
        let what = Happening::Exchanged(Exchange { label: request.label, outcome });
        Some(Entry { at: self.ports.world.now(), what })
    }
}
