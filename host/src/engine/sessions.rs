//! The groups' sessions, where a target wants a log-in first: one log-in for all who need it, kept in
//! memory alone, and done again when its time is up or an answer says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::Core;
use crate::domain::{
    Delivery, Entry, Errand, Exchange, Group, Happening, OperationId, Reason, Received, Request, Standing,
    Timestamp, Trouble, renewed_after,
};
use crate::ports::{AdapterError, Denial, Lack, LogIn, SendError, SessionValues, Withheld};
use crate::secret::Secret;
use crate::telemetry::AdapterQuestion;

/// Whoever waits for a log-in has a lease that ends.
const LOG_IN_MAX: Duration = Duration::from_secs(30);
/// A log-in that wants more goes round in a circle.
const REQUESTS_MAX: usize = 16;
/// A session that ends sooner was never good.
const NEW: Duration = Duration::from_secs(30);
/// So many of them one after the other are as good as a refusal.
const ENDED_NEW_MAX: u32 = 3;

/// Each is locked while somebody logs in: the others wait for the same session.
pub struct Sessions(BTreeMap<Group, Mutex<State>>);

#[derive(Default)]
struct State {
    current: Option<Arc<Session>>,
    withheld: Withheld,
    /// Sessions that ended when they were new, one after the other.
    ended_new: u32,
}

/// What a log-in brought.
#[derive(Debug)]
pub struct Session {
    pub values: SessionValues,
    granted_at: Timestamp,
    renew_at: Option<Timestamp>,
}

/// Why a log-in came to nothing: whether anybody said no, and what is known of it.
type Failed = (Denial, Trouble);

impl Sessions {
    pub fn new(groups: impl Iterator<Item = Group>) -> Self {
        Self(groups.map(|group| (group, Mutex::default())).collect())
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
        let logs_in = || self.ports.adapters.needs(group).is_some_and(|needs| needs.logs_in);
        if !request.needs_session() || !logs_in() {
            return Ok(None);
        }
        let mut state = self.sessions.0[group].lock().await;
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
        let silent = |_| Err((Denial::Unavailable, unavailable("it takes longer than 30 seconds")));
        match tokio::time::timeout(LOG_IN_MAX, self.log_in(group)).await.unwrap_or_else(silent) {
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
                let lack = state.withheld.denied(denial, trouble, self.ports.world.now());
                let (code, why) = (&lack.trouble.code, self.for_log(group, &lack.trouble.message));
                tracing::warn!(%group, code, why, pause_s = lack.pause.as_secs(), "no session with a target");
                Err(lack)
            }
        }
    }

    /// An answer says that the session it was asked with has ended. A newer one stays. Log-ins that
    /// succeed and help nothing would go on as fast as operations come.
    pub(super) async fn session_ended(&self, group: &Group, used: &Arc<Session>) {
        let mut state = self.sessions.0[group].lock().await;
        if state.current.take_if(|current| Arc::ptr_eq(current, used)).is_none() {
            return;
        }
        let now = self.ports.world.now();
        let is_new = now.since(used.granted_at) < NEW;
        state.ended_new = if is_new { state.ended_new + 1 } else { 0 };
        if state.ended_new >= ENDED_NEW_MAX {
            let why = "its sessions end as soon as they are granted";
            let lack = state.withheld.denied(Denial::Refused, Trouble::new("session-refused", why), now);
            tracing::warn!(%group, code = "session-refused", why, pause_s = lack.pause.as_secs(), "no session with a target");
        }
    }

    /// Asks the adapter for each move from the beginning to the end. Nothing of it is written down.
    async fn log_in(&self, group: &Group) -> Result<Session, Failed> {
        let world = &self.ports.world;
        let (id, began) = (OperationId(world.new_id()), world.now());
        let mut history = Vec::new();
        loop {
            let asked = LogIn { group: group.clone(), id: id.clone(), began, history: history.clone() };
            let at = Instant::now();
            let errand = self.ports.adapters.log_in(asked).await;
            let result = if errand.is_ok() { "answered" } else { "fault" };
            self.metrics.adapter_call(group, AdapterQuestion::LogIn, result, at.elapsed());
            match errand.map_err(|error| (Denial::Refused, fault(&error)))? {
                Errand::Send(_) if history.len() >= REQUESTS_MAX => {
                    let why = format!("it sends more than {REQUESTS_MAX} requests and comes to no end");
                    return Err((Denial::Refused, Reason::HistoryLimit.trouble(why)));
                }
                Errand::Send(request) => {
                    let outcome = self.send_for(group, &id, &request).await?;
                    let what = Happening::Exchanged(Exchange { label: request.label, outcome });
                    history.push(Entry { at: world.now(), what });
                }
                Errand::Again(trouble) => return Err((Denial::Unavailable, unavailable(&said(&trouble)))),
                Errand::Fail(trouble) => {
                    return Err((Denial::Refused, Trouble::new("session-refused", said(&trouble))));
                }
                Errand::Ready(standing) => return self.session_of(&standing),
            }
        }
    }

    fn session_of(&self, standing: &Standing) -> Result<Session, Failed> {
        let values = standing
            .session_values()
            .map_err(|why| (Denial::Refused, Reason::AdapterRefused.trouble(why)))?;
        let values = values.into_iter().map(|(name, value)| (name, Secret::new(value))).collect();
        let values: SessionValues = values;
        values.values().for_each(|value| self.vault.keep(value.clone()));
        let granted_at = self.ports.world.now();
        let renew_at = standing.life.map(|life| granted_at + renewed_after(life));
        Ok(Session { values, granted_at, renew_at })
    }

    /// One request of a log-in. Nobody knows a session yet, and whoever is not answered begins anew.
    async fn send_for(&self, group: &Group, id: &OperationId, request: &Request) -> Result<Received, Failed> {
        let outbound = &self.ports.outbound;
        let lacking = |lack: Lack| (Denial::Unavailable, lack.trouble);
        outbound.make_ready(group, false).await.map_err(lacking)?;
        let (key, began) = (request.idempotency_key(id), Instant::now());
        let answer = outbound.send(group, request, &key, &SessionValues::new()).await;
        self.metrics.request(group, &answer, began.elapsed());
        match answer {
            Ok(response) => Ok(Received::Answered(response)),
            Err(SendError::Unanswered(why)) if request.delivery == Delivery::AtMostOnce => {
                Ok(Received::Unknown(why))
            }
            Err(SendError::Lacking(lack)) => Err(lacking(lack)),
            Err(error @ (SendError::NotSent(_) | SendError::Unanswered(_))) => {
                Err((Denial::Unavailable, unavailable(&error.to_string())))
            }
            Err(SendError::TooLarge(why)) => Err((Denial::Refused, Reason::AnswerTooLarge.trouble(why))),
            Err(SendError::Refused(why)) => Err((Denial::Refused, Reason::RequestRefused.trouble(why))),
        }
    }
}

fn unavailable(why: &str) -> Trouble {
    Trouble::new("session-unavailable", format!("the log-in: {why}"))
}

/// The adapter's own trouble, in our sentence.
fn said(trouble: &Trouble) -> String {
    format!("{} ({})", trouble.message, trouble.code)
}

fn fault(error: &AdapterError) -> Trouble {
    Trouble::new(error.code(), format!("the log-in: {error}"))
}
