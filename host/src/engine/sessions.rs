//! The groups' sessions, where a target wants a log-in first: one log-in for all who need it, kept in
//! memory alone, and done again when its time is up or an answer says so.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::Core;
use super::errands::{Failed, Name};
use super::groups::PerGroup;
use crate::domain::{Digest, Group, Reason, Request, Standing, Timestamp, Trouble, renewed_after};
use crate::ports::{Denial, Lack, SessionValues, Withheld};
use crate::secret::{Kept, Secret};
use crate::telemetry::AdapterQuestion;

const LOG_IN: Name = Name {
    what: "the log-in",
    refused: "session-refused",
    unavailable: "session-unavailable",
    question: AdapterQuestion::LogIn,
};
/// A session that ends sooner was never good.
const NEW: Duration = Duration::from_secs(30);
/// After a log-in that nobody needs any more.
const AGAIN_IN: Duration = Duration::from_millis(100);
/// So many of them one after the other are as good as a refusal.
const ENDED_NEW_MAX: u32 = 3;

/// Each is locked while somebody logs in: the others wait for the same session.
pub type Sessions = PerGroup<Mutex<State>>;

#[derive(Default)]
pub struct State {
    /// The adapter that logs in, and the target. Another one may want other words of a session, or none.
    by: Option<(Digest, Option<Digest>)>,
    current: Option<Arc<Session>>,
    withheld: Withheld,
    /// Sessions that ended when they were new, one after the other.
    ended_new: u32,
}

/// What a log-in brought.
#[derive(Debug)]
pub struct Session {
    pub values: SessionValues,
    /// Struck from whatever is said, until nobody uses the session any more.
    _kept: Vec<Kept>,
    granted_at: Timestamp,
    renew_at: Option<Timestamp>,
}

impl Session {
    /// What a request is filled with: nothing where it needs no session.
    pub fn values(session: Option<&Arc<Self>>) -> &SessionValues {
        static NONE: SessionValues = SessionValues::new();
        session.map_or(&NONE, |session| &session.values)
    }
}

impl Core {
    /// The session with which the request leaves; `None` when it needs none, or when its group's
    /// adapter cannot log in: then `send` says what cannot be filled in.
    pub(super) async fn session(
        &self,
        group: &Group,
        request: &Request,
    ) -> Result<Option<Arc<Session>>, Lack> {
        if request.needs_session() { self.group_session(group).await } else { Ok(None) }
    }

    /// The one that runs, or a new one; `None` when the group's adapter cannot log in.
    pub(super) async fn group_session(&self, group: &Group) -> Result<Option<Arc<Session>>, Lack> {
        // Whoever waited for a log-in of others may find another adapter or target.
        let mut state = self.sessions.of(group).lock_owned().await;
        let Some(by) = self.logs_in(group) else { return Ok(None) };
        if state.by.as_ref() != Some(&by) {
            *state = State { by: Some(by.clone()), ..State::default() };
        }
        let now = self.ports.world.now();
        let is_good = |session: &&Arc<Session>| session.renew_at.is_none_or(|at| now < at);
        if let Some(session) = state.current.as_ref().filter(is_good).map(Arc::clone) {
            if now.since(session.granted_at) >= NEW {
                (state.ended_new, _) = (0, state.withheld.proved());
            }
            return Ok(Some(session));
        }
        if let Some(lack) = state.withheld.lack(now) {
            return Err(lack);
        }
        match self.log_in(group).await {
            Ok(_) if self.logs_in(group) != Some(by) => {
                let trouble = LOG_IN.unavailable("the adapter or the target became another one meanwhile");
                Err(Lack { trouble, pause: AGAIN_IN })
            }
            Ok(session) => {
                let session = Arc::new(session);
                tracing::info!(%group, renew_at = session.renew_at.map(tracing::field::display), "logged in to a target");
                self.metrics.log_in(group, "granted");
                state.current = Some(Arc::clone(&session));
                state.withheld.granted();
                Ok(Some(session))
            }
            Err((denial, trouble)) => {
                self.metrics.log_in(group, if denial == Denial::Refused { "refused" } else { "failed" });
                let lack = state.withheld.denied(denial, trouble, None, self.ports.world.now());
                let (code, why) = (&lack.trouble.code, self.for_log(group, &lack.trouble.message));
                tracing::warn!(%group, code, why, pause_s = lack.pause.as_secs(), "no session with a target");
                Err(lack)
            }
        }
    }

    /// An answer says that the session it was asked with has ended. A newer one stays. Log-ins that
    /// succeed and help nothing would go on as fast as operations come.
    pub(super) async fn session_ended(&self, group: &Group, used: &Arc<Session>) {
        let mut state = self.sessions.of(group).lock_owned().await;
        if state.current.take_if(|current| Arc::ptr_eq(current, used)).is_none() {
            return;
        }
        let now = self.ports.world.now();
        let is_new = now.since(used.granted_at) < NEW;
        state.ended_new = if is_new { state.ended_new + 1 } else { 0 };
        if state.ended_new >= ENDED_NEW_MAX {
            let why = "its sessions end as soon as they are granted";
            let lack =
                state.withheld.denied(Denial::Refused, Trouble::new("session-refused", why), None, now);
            tracing::warn!(%group, code = "session-refused", why, pause_s = lack.pause.as_secs(), "no session with a target");
        }
    }

    /// Who logs in where; `None`: nobody can.
    fn logs_in(&self, group: &Group) -> Option<(Digest, Option<Digest>)> {
        let needs = self.ports.adapters.needs(group).filter(|needs| needs.logs_in)?;
        Some((needs.digest, self.ports.outbound.identity(group)))
    }

    async fn log_in(&self, group: &Group) -> Result<Session, Failed> {
        let ask = |run| self.ports.adapters.log_in(run);
        self.session_of(&self.errand(group, &LOG_IN, Session::values(None), ask).await?)
    }

    fn session_of(&self, standing: &Standing) -> Result<Session, Failed> {
        let values = standing
            .session_values()
            .map_err(|why| (Denial::Refused, Reason::AdapterRefused.trouble(why)))?;
        let values = values.into_iter().map(|(name, value)| (name, Secret::new(value))).collect();
        let values: SessionValues = values;
        let kept = values.values().map(|value| self.vault.keep(value.clone())).collect();
        let granted_at = self.ports.world.now();
        let renew_at = standing.life.map(|life| granted_at + renewed_after(life));
        Ok(Session { values, _kept: kept, granted_at, renew_at })
    }
}
