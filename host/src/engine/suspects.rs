//! Who may have killed the process: asked alone, and after three deaths in a row not any more. An adapter
//! that was the end of the process for several accounts is shut out, until another one serves or a person
//! lets it in.

use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Instant;

use tokio::sync::{RwLock as Turns, RwLockReadGuard, RwLockWriteGuard};

use super::tell::tell;
use super::{Core, GroupSettings};
use crate::domain::outcome::{Outcome, apply};
use crate::domain::{
    Digest, Group, OperationId, Person, Quarantine, Reading, Stage, Subject, Suspect, Trouble, suspect,
};
use crate::ports::{AdapterError, JournalError, Mark, Slot};
use crate::telemetry::AdapterQuestion;

use super::operators::Refused;

#[derive(Default)]
pub struct Suspects {
    /// As the journal has them.
    known: RwLock<Vec<Suspect>>,
    /// Whoever asks an adapter has a turn beside others; a suspect has it alone.
    turns: Turns<()>,
}

/// Held while an adapter is asked. It unmarks before it lets others in.
struct Asking<'a> {
    marked: &'a Marked,
    _beside_others: Option<RwLockReadGuard<'a, ()>>,
    _alone: Option<RwLockWriteGuard<'a, ()>>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.marked.clear();
    }
}

/// Against which adapter it is held if the process dies now: one at a time, and in a slot of its group.
#[derive(Default)]
pub struct Marked(Mutex<Option<(Option<Mark>, Slot)>>);

impl Marked {
    fn set(&self, mark: Option<Mark>, slot: Slot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((mark, slot));
    }

    /// Nobody is asked just now.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Suspects {
    fn look<T>(&self, at: impl FnOnce(&[Suspect]) -> T) -> T {
        at(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Suspect>)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// As the journal has them now: another instance may have died of something, or a person spoken to it.
    pub fn know(&self, suspects: Vec<Suspect>) {
        self.change(|known| *known = suspects);
    }

    /// What is held against that adapter about it.
    fn of(&self, subject: &Subject, adapter: &Digest) -> Option<Suspect> {
        let is_it = |it: &&Suspect| it.subject == *subject && it.adapter == *adapter;
        self.look(|known| known.iter().find(is_it).cloned())
    }
}

impl Core {
    /// What the last process may have died of, before anything is asked.
    pub(super) async fn count_deaths(&self) -> Result<(), JournalError> {
        let suspects = self.ports.journal.count_deaths(self.ports.world.now()).await?;
        for Suspect { subject, adapter, deaths, at, .. } in &suspects {
            let (group, about, adapter) = (subject.group(), subject.told(), adapter.short());
            tracing::warn!(%group, about, adapter, deaths, %at, "the process died while an adapter was asked; it is asked alone");
        }
        self.suspects.know(suspects);
        Ok(())
    }

    /// What the adapter answers: asked beside others or alone, marked, timed and counted. What is held against
    /// it about this is held no more.
    pub(super) async fn asked<T>(
        &self,
        subject: &Subject,
        question: AdapterQuestion,
        answer: impl Future<Output = Result<T, AdapterError>>,
    ) -> Result<T, AdapterError> {
        self.asked_under(subject, question, &Marked::default(), answer).await
    }

    /// The same where the mark may be [handed on](Self::hand_on) on the way.
    pub(super) async fn asked_under<T>(
        &self,
        subject: &Subject,
        question: AdapterQuestion,
        marked: &Marked,
        answer: impl Future<Output = Result<T, AdapterError>>,
    ) -> Result<T, AdapterError> {
        let answer = self.asked_on_the_way(subject, question, marked, answer).await;
        self.acquit(subject).await;
        answer
    }

    /// From now on another one is asked. What the process dies of is not held against the one before, and no slot is
    /// kept while it is brought.
    pub(super) async fn hand_on(&self, subject: &Subject, marked: &Marked, adapter: &Digest) {
        marked.clear();
        self.ports.adapters.have_at_hand(subject.group(), adapter).await;
        let slot = self.ports.adapters.slot(subject.group()).await;
        marked.set(Some(self.ports.journal.mark(subject, adapter)), slot);
    }

    /// The same of one question of several: what the process dies of may come after what it survives.
    pub(super) async fn asked_on_the_way<T>(
        &self,
        subject: &Subject,
        question: AdapterQuestion,
        marked: &Marked,
        answer: impl Future<Output = Result<T, AdapterError>>,
    ) -> Result<T, AdapterError> {
        let asking = self.asking(subject, marked).await;
        let began = Instant::now();
        let answer = answer.await;
        drop(asking);
        let fault = answer.as_ref().err().map(AdapterError::code);
        self.metrics.adapter_call(subject.group(), question, fault, began.elapsed());
        answer
    }

    /// The adapter may be asked about it while this is held. Of what the process dies meanwhile is known to
    /// the next one; who only waits for a slot has no part in it.
    async fn asking<'a>(&'a self, subject: &Subject, marked: &'a Marked) -> Asking<'a> {
        let slot = self.ports.adapters.slot(subject.group()).await;
        let turns = &self.suspects.turns;
        // Whichever it is held against: one that served before may be asked, too.
        let is_suspect = self.suspects.look(|known| known.iter().any(|it| it.subject == *subject));
        let (beside_others, alone) = match is_suspect {
            true => (None, Some(turns.write().await)),
            false => (Some(turns.read().await), None),
        };
        let mark = self.serving(subject.group()).map(|adapter| self.ports.journal.mark(subject, &adapter));
        marked.set(mark, slot);
        Asking { marked, _beside_others: beside_others, _alone: alone }
    }

    /// The process has survived it.
    pub(super) async fn acquit(&self, subject: &Subject) {
        let Some(Suspect { adapter, .. }) = self.suspect(subject) else { return };
        self.acquit_of(subject, &adapter).await;
    }

    /// The process has survived that one.
    pub(super) async fn acquit_of(&self, subject: &Subject, adapter: &Digest) {
        if self.suspects.of(subject, adapter).is_none() {
            return;
        }
        if let Err(error) = self.ports.journal.acquit(subject, adapter).await {
            tracing::error!(group = %subject.group(), about = subject.told(), %error, "cannot acquit a suspect");
            return;
        }
        tracing::info!(group = %subject.group(), about = subject.told(), "acquitted: its adapter answers, and the process lives");
        self.suspects.change(|known| known.retain(|it| it.subject != *subject || it.adapter != *adapter));
    }

    /// What is held against the adapter that serves now.
    fn suspect(&self, subject: &Subject) -> Option<Suspect> {
        if self.suspects.look(<[Suspect]>::is_empty) {
            return None;
        }
        self.suspects.of(subject, &self.serving(subject.group())?)
    }

    /// Whether a process died while that one was asked about whatever.
    pub(super) fn has_killed(&self, adapter: &Digest) -> bool {
        self.suspects.look(|known| known.iter().any(|it| it.adapter == *adapter))
    }

    /// Whether one that serves no more may be asked about it: as one that serves may.
    pub(super) fn may_ask(&self, subject: &Subject, adapter: &Digest) -> bool {
        let is_convicted = self.suspects.of(subject, adapter).is_some_and(|it| it.is_convicted());
        !is_convicted && self.suspects.look(|known| suspect::quarantine(known, adapter).is_none())
    }

    /// Why that one is not asked about it any more.
    pub(super) fn fatal(&self, subject: &Subject) -> Option<Trouble> {
        self.suspect(subject)?.trouble()
    }

    /// Why the adapter that serves a group is asked nothing.
    pub(super) fn quarantine(&self, group: &Group) -> Option<Quarantine> {
        if self.suspects.look(<[Suspect]>::is_empty) {
            return None;
        }
        let serving = self.serving(group)?;
        self.suspects.look(|known| suspect::quarantine(known, &serving))
    }

    pub(super) fn serving(&self, group: &Group) -> Option<Digest> {
        self.ports.adapters.needs(group).map(|needs| needs.digest)
    }

    /// Parks what three processes died of, while its group may yet be moved: a quarantine leaves all as it is.
    pub(super) async fn park_the_fatal(&self) {
        let suspects = self.suspects.look(<[Suspect]>::to_vec);
        for Suspect { subject, head, .. } in suspects {
            let (Some(head), Some(trouble), Some(settings)) =
                (head, self.fatal(&subject), self.groups.of(subject.group()))
            else {
                continue;
            };
            if let Err(error) = self.park_fatal(&settings, &head, trouble).await {
                tracing::error!(operation = %head, %error, "cannot park what the process died of");
            }
        }
    }

    async fn park_fatal(
        &self,
        settings: &GroupSettings,
        head: &OperationId,
        trouble: Trouble,
    ) -> Result<(), JournalError> {
        let taken = self.ports.journal.take(head, self.claim_of_one(&settings.group)).await?;
        let Some((lease, held)) = taken else { return Ok(()) };
        let now = self.ports.world.now();
        if held.operation.stage == Stage::Asking {
            let (refused, chance) = (Outcome::Refused(trouble), self.ports.world.chance());
            let stood = (held.operation.stage.word(), held.operation.since);
            let change = apply(held.operation, refused, &settings.policy, now, chance);
            tell(&self.metrics, stood, &change, now);
            self.ports.journal.save(&lease, change, now).await?;
        }
        self.ports.journal.release(&lease, now).await
    }

    /// What an adapter is not asked about any more is for a person to read.
    pub(super) async fn set_aside(
        &self,
        group: &Group,
        id: &str,
        trouble: Trouble,
    ) -> Result<(), JournalError> {
        tracing::warn!(%group, notification = id, code = trouble.code, "a notification is set aside");
        self.metrics.notification(group, "unread");
        let reply = self.default_reply(group);
        let unread = Reading { reply, signals: Vec::new(), unread: Some(trouble) };
        self.ports.journal.record_reading(id, unread, self.ports.world.now()).await
    }

    /// A person has a suspect's operation asked again, as if nothing had died of it.
    pub(super) async fn reprieve(&self, subject: &Subject) -> Result<(), Refused> {
        let Some(Suspect { adapter, .. }) = self.suspect(subject) else { return Ok(()) };
        let group = subject.group();
        // One account less would be the end of it, and nobody has said so.
        if self.quarantine(group).is_some() {
            return Err(Refused::NotNow(format!(
                "its adapter is in quarantine: install another one, or `punchdown adapter release {group}`"
            )));
        }
        self.ports.journal.reprieve(subject, &adapter).await?;
        let is_it = |it: &&mut Suspect| it.subject == *subject && it.adapter == adapter;
        self.suspects.change(|known| known.iter_mut().filter(is_it).for_each(|it| it.deaths = 0));
        Ok(())
    }

    /// A person lets the adapter of a group be asked again about whatever processes died of, wherever it
    /// serves.
    pub(super) async fn let_in(&self, group: &Group, person: Person) -> Result<Digest, Refused> {
        let unknown = || Refused::Unknown(format!("group {group}"));
        self.groups.of(group).ok_or_else(unknown)?;
        let accused = |adapter: &Digest| {
            self.suspects.look(|known| known.iter().any(|it| it.adapter == *adapter && it.deaths > 0))
        };
        let adapter = self.serving(group).filter(accused).ok_or_else(|| {
            Refused::NotNow(format!("nothing is held against the adapter of group {group}"))
        })?;
        self.ports.journal.pardon(&adapter).await?;
        self.suspects.change(|known| {
            known.iter_mut().filter(|it| it.adapter == adapter).for_each(|it| it.deaths = 0);
        });
        self.audit("release", &group.0, person).await?;
        for group in self.groups.all().keys() {
            self.rest(group).await;
            self.person_said(group);
        }
        Ok(adapter)
    }

    /// Holds a group whose section says so, whose adapter is in quarantine or stops at everything, or that has none;
    /// lets go of any other.
    pub(super) async fn rest(&self, group: &Group) {
        let (shut, served) = self.hold(group).await;
        if !served {
            tracing::error!(%group, "no adapter serves the group: its events and notifications are stored, nothing else moves");
        }
        if let Some(Quarantine { adapter, since, because_of }) = shut {
            let about = because_of.iter().map(Subject::told).collect::<Vec<_>>().join(", ");
            tracing::error!(%group, %adapter, %since, about, "the adapter is in quarantine: its group's events and notifications are stored, nothing else moves");
        }
    }
}
