//! Keeps the groups registered for notifications, where a system notifies only who has registered: once for
//! the group, kept in the journal, and again when its time is up.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::errands::{Failed, Name};
use super::groups::PerGroup;
use super::sessions::Session;
use super::{Core, GroupSettings, LOOK_EVERY};
use crate::domain::{Digest, Duty, Group, Registration, Standing, Timestamp, Token, Trouble};
use crate::ports::{Denial, Journal, JournalError, Lack, Register, Withheld};
use crate::secret::{Kept, Secret, Vault};
use crate::telemetry::AdapterQuestion;

const REGISTRATION: Name = Name {
    what: "the registration for notifications",
    refused: "registration-refused",
    unavailable: "registration-unavailable",
    question: AdapterQuestion::Register,
};
/// Of requests that wait for a registration.
const PAUSE: Duration = Duration::from_secs(2);
/// Below the address of the group's door, before what makes the address one of its own.
pub const REGISTRATION_MARK: &str = "~";

/// Each is locked while it is turned, and not while another system is waited for.
pub type Registrations = PerGroup<Mutex<State>>;

#[derive(Default)]
pub struct State {
    registration: Registration,
    /// Its tokens are struck from whatever is said.
    kept: Vec<Kept>,
    withheld: Withheld,
    /// The target that withholds it. Another one may not, nor the same one another credential.
    by: Option<Digest>,
}

impl State {
    fn put(&mut self, registration: Registration, vault: &Vault) {
        self.kept = registration.tokens().map(|token| vault.keep(Secret::new(token.0.clone()))).collect();
        self.registration = registration;
    }
}

impl Registrations {
    /// As they were before the stop. What was being asked for then came to nothing, as far as anybody
    /// knows.
    pub async fn load(&self, journal: &dyn Journal, vault: &Vault) -> Result<(), JournalError> {
        for (group, registration) in journal.registrations().await? {
            self.of(&group).lock().await.put(registration.came_to_nothing(), vault);
        }
        Ok(())
    }
}

/// One group's loop.
pub async fn keep(core: &Core, group: &Group, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let Some(settings) = core.groups.of(group) else { break };
        let look_in = core.look_at_registration(&settings).await.unwrap_or_else(|error| {
            tracing::error!(%group, %error, "a registration cannot be kept");
            LOOK_EVERY
        });
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(look_in.min(LOOK_EVERY)) => {}
        }
    }
}

impl Core {
    /// The one instance that leads registers; the others know of it.
    async fn look_at_registration(&self, settings: &GroupSettings) -> Result<Duration, JournalError> {
        if settings.registers || self.stands(&settings.group).await {
            self.hear_of_registration(&settings.group).await?;
        }
        if self.leads() { self.see_to_registration(settings).await } else { Ok(LOOK_EVERY) }
    }

    async fn stands(&self, group: &Group) -> bool {
        self.registrations.of(group).lock().await.registration.stands.is_some()
    }

    /// As it stands in the journal, where others may write it, too.
    async fn hear_of_registration(&self, group: &Group) -> Result<(), JournalError> {
        if self.ports.instances.among().several {
            let mut state = self.registrations.of(group).lock_owned().await;
            self.hear_into(&mut state, group).await?;
        }
        Ok(())
    }

    async fn hear_into(&self, state: &mut State, group: &Group) -> Result<(), JournalError> {
        let kept = self.ports.journal.registrations().await?.remove(group);
        if let Some(kept) = kept.filter(|kept| *kept != state.registration) {
            state.put(kept, &self.vault);
        }
        Ok(())
    }

    /// Does what is to be done for a group's registration, and says when to look again.
    async fn see_to_registration(&self, settings: &GroupSettings) -> Result<Duration, JournalError> {
        let group = &settings.group;
        let can = self.ports.adapters.needs(group).is_some_and(|needs| needs.registers);
        if !can || self.is_paused(settings).await {
            return Ok(LOOK_EVERY);
        }
        let now = self.ports.world.now();
        let (duty, lack) = {
            let mut state = self.registrations.of(group).lock_owned().await;
            let by = self.ports.outbound.identity(group);
            if state.by != by {
                (state.by, state.withheld) = (by, Withheld::default());
            }
            let wanted = self.to_register_with(settings);
            (state.registration.duty(wanted.as_ref(), now), state.withheld.lack(now))
        };
        match (duty, lack) {
            (Duty::RestUntil(until), _) => Ok(until.map_or(LOOK_EVERY, |until| until.since(now))),
            (Duty::Register | Duty::Unregister, Some(lack)) => Ok(lack.pause),
            (Duty::Register, None) => self.register(settings).await.map(|()| Duration::ZERO),
            (Duty::Unregister, None) => self.unregister(group).await.map(|()| Duration::ZERO),
        }
    }

    /// What a registration is made for: when any of it changes, another one is wanted.
    fn to_register_with(&self, settings: &GroupSettings) -> Option<Digest> {
        let system = settings.registers.then(|| self.ports.outbound.address(&settings.group))??;
        let needs = self.ports.adapters.needs(&settings.group)?;
        let door = needs.notify_at?;
        Some(Digest::of(format!("{system}\n{door}\n{}", needs.config.text()).as_bytes()))
    }

    /// The address is written down before anybody hears of it.
    async fn register(&self, settings: &GroupSettings) -> Result<(), JournalError> {
        let group = &settings.group;
        let door = self.ports.adapters.needs(group).and_then(|needs| needs.notify_at);
        let (Some(door), Some(with)) = (door, self.to_register_with(settings)) else { return Ok(()) };
        let token = Token(self.ports.world.new_id().to_lowercase());
        let address = format!("{}/{REGISTRATION_MARK}{}", door.trim_end_matches('/'), token.0);
        let begun = self.turn(group, |registration| registration.begun(token.clone(), with)).await?;
        if !begun.is_asked_for_at(&token) {
            // Another instance leads: of this address nobody may hear.
            return Ok(());
        }
        let standing = begun.stands.map(|stands| stands.standing);
        let how = Register::At { address, standing };
        let Some(ended) = self.while_it_leads(self.run(group, &how)).await else { return Ok(()) };
        match ended {
            Ok(standing) => {
                let now = self.ports.world.now();
                // Another instance may lead by now, and have asked for one of its own.
                let granted = |registration: Registration| {
                    registration.if_asked_for_at(&token, |asked_for| asked_for.granted(standing, now))
                };
                let granted = self.turn(group, granted).await?;
                let renew_at = granted.stands.and_then(|stands| stands.renew_at);
                let renew_at = renew_at.map(tracing::field::display);
                tracing::info!(%group, renew_at, "registered for notifications");
                self.registration_had(group, "granted").await;
                self.hints.lane(group);
            }
            Err(failed) => {
                let ended = |registration: Registration| {
                    registration.if_asked_for_at(&token, Registration::came_to_nothing)
                };
                self.turn(group, ended).await?;
                self.registration_denied(group, failed, "not registered for notifications").await;
            }
        }
        Ok(())
    }

    async fn unregister(&self, group: &Group) -> Result<(), JournalError> {
        let stands = self.registrations.of(group).lock().await.registration.stands.clone();
        let Some(stands) = stands else { return Ok(()) };
        let no_more = Register::NoMore { standing: stands.standing };
        let Some(ended) = self.while_it_leads(self.run(group, &no_more)).await else { return Ok(()) };
        match ended {
            Ok(_) => {
                self.turn(group, Registration::removed).await?;
                tracing::info!(%group, "registered for notifications no more");
                self.registration_had(group, "removed").await;
            }
            Err(failed) => {
                self.registration_denied(group, failed, "still registered for notifications").await;
            }
        }
        Ok(())
    }

    async fn run(&self, group: &Group, how: &Register) -> Result<Standing, Failed> {
        let lacking = |lack: Lack| (Denial::Unavailable, lack.trouble);
        let session = self.group_session(group).await.map_err(lacking)?;
        let values = Session::values(session.as_ref());
        let ask = |run| self.ports.adapters.register(run, how.clone());
        let ended = self.errand(group, &REGISTRATION, values, ask).await;
        // An errand cannot say that its session has ended, and without a registration nothing else would find out.
        if let (Err((Denial::Unavailable, _)), Some(session)) = (&ended, &session) {
            self.session_ended(group, session).await;
        }
        ended
    }

    async fn registration_had(&self, group: &Group, result: &'static str) {
        self.metrics.registration(group, result);
        self.registrations.of(group).lock().await.withheld.proved();
    }

    async fn registration_denied(&self, group: &Group, (denial, trouble): Failed, what: &'static str) {
        self.metrics.registration(group, if denial == Denial::Refused { "refused" } else { "failed" });
        let now = self.ports.world.now();
        // It is shown to persons, and an adapter may quote an answer that quotes the address.
        let trouble = Trouble { message: self.for_log(group, &trouble.message), ..trouble };
        let lack = self.registrations.of(group).lock().await.withheld.denied(denial, trouble, None, now);
        let (code, why) = (&lack.trouble.code, &lack.trouble.message);
        tracing::warn!(%group, code, why, pause_s = lack.pause.as_secs(), "{what}");
    }

    /// Changes what is known of it, in the journal first. Gives what stands there then, which another instance may
    /// have written.
    async fn turn(
        &self,
        group: &Group,
        change: impl FnOnce(Registration) -> Registration,
    ) -> Result<Registration, JournalError> {
        let mut state = self.registrations.of(group).lock_owned().await;
        let among = self.ports.instances.among();
        if among.several {
            self.hear_into(&mut state, group).await?;
        }
        let changed = change(state.registration.clone());
        let kept = self.ports.journal.keep_registration(group, &changed, among.term).await?;
        state.put(kept.clone(), &self.vault);
        Ok(kept)
    }

    /// What would be sent now might never be heard of again. A person who wants no registration
    /// takes that upon himself.
    pub(super) async fn registration_lack(&self, settings: &GroupSettings) -> Option<Lack> {
        if !settings.registers {
            return None;
        }
        let (now, with) = (self.ports.world.now(), self.to_register_with(settings));
        let state = self.registrations.of(&settings.group).lock_owned().await;
        if state.registration.off || with.is_some_and(|with| state.registration.is_good(&with, now)) {
            return None;
        }
        let asked = || REGISTRATION.unavailable("it is being asked for");
        let lack = state.withheld.lack(now).map_or_else(asked, |lack| lack.trouble);
        // Looking again costs no request, and whoever waits for a person does not wait for a pause besides.
        Some(Lack { trouble: lack, pause: PAUSE })
    }

    /// Whether a registration of the group has that address, or had it a moment ago.
    pub(super) async fn takes_at(&self, group: &Group, token: &str) -> bool {
        let now = self.ports.world.now();
        let takes = async || self.registrations.of(group).lock().await.registration.takes(token, now);
        // Another instance wrote it down a moment ago, before anybody could notify there.
        takes().await || (self.hear_of_registration(group).await.is_ok() && takes().await)
    }

    /// A person wants no registration, or one again.
    pub(super) async fn turn_registration(&self, group: &Group, off: bool) -> Result<(), JournalError> {
        self.turn(group, |registration| registration.turned(off)).await?;
        self.registrations.of(group).lock().await.withheld.granted();
        Ok(())
    }

    /// How the group is registered, for an operator.
    pub(super) async fn registration_of(&self, settings: &GroupSettings) -> Option<RegistrationState> {
        let state = self.registrations.of(&settings.group).lock_owned().await;
        let Registration { off, stands, .. } = &state.registration;
        if !settings.registers && stands.is_none() {
            return None;
        }
        let (now, with) = (self.ports.world.now(), self.to_register_with(settings));
        Some(RegistrationState {
            wanted: settings.registers && !off,
            good: with.is_some_and(|with| state.registration.is_good(&with, now)),
            since: stands.as_ref().map(|stands| stands.since),
            renew_at: stands.as_ref().and_then(|stands| stands.renew_at),
            trouble: state.withheld.lack(now).map(|lack| lack.trouble),
        })
    }
}

/// How a group is registered, for an operator.
#[derive(Clone, Debug)]
pub struct RegistrationState {
    /// Its section asks for one, and no person has ended it.
    pub wanted: bool,
    pub good: bool,
    pub since: Option<Timestamp>,
    pub renew_at: Option<Timestamp>,
    /// Why it was not granted when it was asked for last.
    pub trouble: Option<Trouble>,
}
