//! What persons see and do: operations one by one, groups that rest. Whatever they change is written down
//! with who and why.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::lanes::give_back;
use super::{Core, GroupSettings, LEASE};
use crate::crash::how_it_ended;
use crate::domain::outcome::{Outcome, apply};
use crate::domain::resync::{Mode, Whom};
use crate::domain::{
    Act, Digest, Event, EventIdentity, Group, Json, Operation, OperationId, Person, Resync, Subject,
    may_act_on,
};
use crate::ports::{Audit, Claim, Held, Hint, Journal, JournalError, Lease, Work};
use crate::secret::Screen;
use crate::telemetry::HeldBy;

/// After that whoever asked is answered, and the lane is given back as soon as that can be.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct Operators {
    core: Arc<Core>,
}

/// What is wanted of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    Retry,
    Restart,
    Skip,
}

#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("there is no {0}")]
    Unknown(String),
    /// Not as things stand; the sentence says what to do first.
    #[error("{0}")]
    NotNow(String),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Operators {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// What there is to look at.
    pub fn journal(&self) -> &dyn Journal {
        self.core.ports.journal.as_ref()
    }

    /// Before data that may be of any group.
    pub fn screen_of_all(&self) -> Screen {
        let groups = self.core.groups.all();
        let fields: Vec<String> =
            groups.keys().flat_map(|group| self.core.ports.adapters.secret_fields(group)).collect();
        Screen::new(self.core.vault.clone(), &fields)
    }

    /// Before data of a group.
    pub fn screen(&self, group: &Group) -> Screen {
        self.core.screen(group)
    }

    /// Does to an operation what a person wants; the one that takes its place, if one does. It comes to
    /// its end whether or not whoever asked is still there to hear of it.
    ///
    /// # Errors
    /// When there is no such operation, or when it is not to be touched now.
    pub async fn act(
        &self,
        id: OperationId,
        wish: Wish,
        person: Person,
    ) -> Result<Option<OperationId>, Refused> {
        let this = self.clone();
        let done = tokio::spawn(async move { this.act_now(&id, wish, person).await });
        done.await.unwrap_or_else(|error| Err(JournalError::Failed(how_it_ended(&error).to_owned()).into()))
    }

    async fn act_now(
        &self,
        id: &OperationId,
        wish: Wish,
        person: Person,
    ) -> Result<Option<OperationId>, Refused> {
        let core = &self.core;
        let unknown = || Refused::Unknown(format!("operation {id}"));
        let told = core.ports.journal.operation(id).await?.ok_or_else(unknown)?;
        may_act_on(&told.operation).map_err(Refused::NotNow)?;
        if let Some(head) = told.stands_behind {
            return Err(Refused::NotNow(format!("it stands behind {head}: see to that one first")));
        }
        let group = &told.operation.lane.group;
        let settings = core.groups.of(group).ok_or_else(|| {
            Refused::NotNow(format!(
                "no section of the configuration names its group, {group}: bring it back"
            ))
        })?;
        let taken = core.ports.journal.take(id, core.claim_of_one(group)).await?;
        let Some((lease, held)) = taken else {
            return Err(Refused::NotNow("it is being moved at this very moment: try again".to_owned()));
        };
        let done = core.lay_hands_on(&settings, &lease, held, wish, person).await;
        // Whoever asked does not wait for it, and nobody else takes the lane until its lease is over.
        let (core, group) = (Arc::clone(core), group.clone());
        let given_back = tokio::spawn(async move {
            give_back(&core, &lease, &CancellationToken::new()).await;
            core.hints.lane(&group);
        });
        let _ = tokio::time::timeout(GIVEN_BACK_WITHIN, given_back).await;
        self.core.to_whoever_leads(Hint::Statuses);
        done
    }

    /// Lets a group rest, or work again. Its events and notifications are taken all the while.
    ///
    /// # Errors
    /// When there is no such group, or when it is its section that holds it.
    pub async fn pause(&self, group: &Group, paused: bool, person: Person) -> Result<(), Refused> {
        let core = &self.core;
        let unknown = || Refused::Unknown(format!("group {group}"));
        let settings = core.groups.of(group).ok_or_else(unknown)?;
        if settings.paused {
            return Err(Refused::NotNow(format!(
                "`paused` of its section holds group {group}: change the configuration"
            )));
        }
        core.pause(group, paused).await?;
        if !paused {
            core.forgive_stops(&settings).await;
        }
        core.metrics.held(group, HeldBy::Paused, paused);
        let what = if paused { "pause" } else { "resume" };
        core.audit(what, &group.0, person).await?;
        core.person_said(group);
        Ok(())
    }

    /// Begins a resync, one at a time.
    ///
    /// # Errors
    /// When one is under way, or when there is no such group.
    pub async fn resync(
        &self,
        whom: Whom,
        group: Option<Group>,
        mode: Mode,
        person: Person,
    ) -> Result<Resync, Refused> {
        self.core.begin_resync(whom, group, mode, person).await
    }

    /// Ends the resync that is under way.
    ///
    /// # Errors
    /// When none is.
    pub async fn stop_resync(&self, person: Person) -> Result<Resync, Refused> {
        self.core.stop_resync(person).await
    }

    /// Lets the adapter of a group be asked again about what processes died of, wherever it serves.
    ///
    /// # Errors
    /// When there is no such group, or when nothing is held against its adapter.
    pub async fn release(&self, group: &Group, person: Person) -> Result<Digest, Refused> {
        self.core.let_in(group, person).await
    }

    /// Whether a person may have that adapter serve a group: not one that a process died of.
    ///
    /// # Errors
    /// When one did.
    pub fn may_serve(&self, adapter: &Digest) -> Result<(), Refused> {
        match self.core.has_killed(adapter) {
            true => Err(Refused::NotNow(format!(
                "a process died while adapter {adapter} was asked: it is not let in by a pin"
            ))),
            false => Ok(()),
        }
    }

    /// A person has pinned a group to that one, or to none any more.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub async fn pinned(&self, group: &Group, to: Option<&Digest>, person: Person) -> Result<(), Refused> {
        let what = to.map_or_else(|| "unpin".to_owned(), |digest| format!("pin {digest}"));
        Ok(self.core.audit(&what, &group.0, person).await?)
    }

    /// Has a group registered for notifications no more, or again.
    ///
    /// # Errors
    /// When there is no such group, or when its section does not want it registered.
    pub async fn register(&self, group: &Group, off: bool, person: Person) -> Result<(), Refused> {
        let core = &self.core;
        let settings = core.groups.of(group).ok_or_else(|| Refused::Unknown(format!("group {group}")))?;
        if !settings.registers && !off {
            return Err(Refused::NotNow(format!(
                "`notify.register` of group {group} is not true: change the configuration"
            )));
        }
        core.turn_registration(group, off).await?;
        core.audit(if off { "unregister" } else { "register" }, &group.0, person).await?;
        core.person_said(group);
        Ok(())
    }
}

impl Core {
    /// Of one lane, by an owner of its own: a person, or a start.
    pub(super) fn claim_of_one(&self, group: &Group) -> Claim {
        let now = self.ports.world.now();
        Claim {
            group: group.clone(),
            owner: self.ports.world.new_id(),
            most: 1,
            senders: true,
            looks_first: false,
            now,
            until: now + LEASE,
        }
    }

    async fn lay_hands_on(
        &self,
        settings: &GroupSettings,
        lease: &Lease,
        held: Held,
        wish: Wish,
        person: Person,
    ) -> Result<Option<OperationId>, Refused> {
        may_act_on(&held.operation).map_err(Refused::NotNow)?;
        if wish != Wish::Skip {
            self.reprieve(&Subject::Lane(held.operation.lane.clone())).await?;
        }
        let (id, successor) = (held.operation.id.clone(), self.successor(settings, &held.operation, wish));
        let act = match (&successor, wish) {
            (Some((_, successor)), _) => Act::Restart { to: successor.id.clone() },
            (None, Wish::Skip) => Act::Skip,
            (None, _) => Act::Retry,
        };
        let word = act.word();
        let to = successor.as_ref().map(|(_, successor)| successor.id.clone());
        if let Some((event, successor)) = successor {
            self.ports.journal.accept(event, Work::Operations(vec![successor])).await?;
        }
        let now = self.ports.world.now();
        let outcome = Outcome::ByPerson(act, person.clone());
        let change = apply(held.operation, outcome, &settings.policy, now, self.ports.world.chance());
        self.ports.journal.save(lease, change, now).await?;
        self.audit(word, &id.0, person).await?;
        Ok(to)
    }

    /// The one that begins anew, for the same event under a name of its own.
    fn successor(
        &self,
        settings: &GroupSettings,
        operation: &Operation,
        wish: Wish,
    ) -> Option<(Event, Operation)> {
        if wish != Wish::Restart {
            return None;
        }
        let identity = format!("restart-{}", self.ports.world.new_id());
        let event = Event {
            identity: EventIdentity(identity.clone()),
            id: identity,
            received_at: self.ports.world.now(),
            // What was true then need not be now.
            enclosed: Json::empty_object(),
            trace: Some(operation.trace()),
            ..operation.event.clone()
        };
        let successor = self.operation(settings, &event, operation.lane.i_account);
        Some((event, successor))
    }

    pub(super) async fn audit(&self, what: &str, about: &str, person: Person) -> Result<(), JournalError> {
        tracing::warn!(what, about, who = person.who, why = person.why, "a person changed something");
        let at = self.ports.world.now();
        let (what, about) = (what.to_owned(), about.to_owned());
        self.ports.journal.audit(Audit { at, person, what, about }).await
    }
}
