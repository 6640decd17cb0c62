//! The one session with PortaBilling. It is renewed before it ends, and only once however many
//! workers wait for it; a log-in that was refused is not tried again for a while, because
//! PortaBilling locks out who hammers.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::api::{Api, CallError};
use super::{Credential, Params, wire};
use crate::domain::{Digest, RETRY_AFTER_MAX, Timestamp, growing, renewed_after};
use crate::ports::{BillingError, Instances, LogInRefused, Tokens, World};
use crate::secret::{Kept, Secret};

/// A token that does not say how long it lives is taken to live so long.
const LIFE_UNKNOWN: Duration = Duration::from_secs(900);
/// After a refused log-in; doubled each time, up to the second.
const REFUSED_PAUSE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// After one that was not answered.
const UNANSWERED_PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A token that is refused within this time was never good.
const NEW: Duration = Duration::from_secs(30);
const REFUSED_NEW_MAX: u32 = 3;

pub struct Session {
    api: Arc<Api>,
    user: ArcSwap<User>,
    world: Arc<dyn World>,
    /// Locked while somebody logs in: the others wait for the same answer.
    state: Mutex<State>,
    /// What the last token said; known from then on, also while PortaBilling is away.
    environment: RwLock<Option<u64>>,
    /// Who else logs in as the same user.
    instances: OnceLock<Arc<dyn Instances>>,
}

#[derive(Default)]
struct State {
    current: Option<Token>,
    /// Tokens that were refused when they were new, one after the other.
    refused_new: u32,
    /// Log-ins that were refused, or helped nothing, one after the other.
    refusals: u32,
    /// Log-ins that were not answered, one after the other.
    unanswered: u32,
    /// When another door than the API last cost a session.
    doubted_at: Option<Timestamp>,
    /// No log-in before, and why.
    pause: Option<(Timestamp, BillingError)>,
}

impl State {
    /// Whoever waits for this log-in, or comes soon, has the same answer.
    fn rest(&mut self, now: Timestamp, error: BillingError, lock_out: Duration) -> BillingError {
        let ((first, longest), failures) = match error {
            BillingError::Unavailable(_) => (UNANSWERED_PAUSE, &mut self.unanswered),
            BillingError::LockedOut(_) => ((lock_out, lock_out.max(REFUSED_PAUSE.1)), &mut self.refusals),
            BillingError::LoginRefused(_) | BillingError::Refused(_) => (REFUSED_PAUSE, &mut self.refusals),
        };
        *failures += 1;
        let asked = match &error {
            BillingError::Unavailable(away) => away.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX),
            _ => Duration::ZERO,
        };
        let (pause, is_first) = (growing(first, longest, *failures).max(asked), *failures == 1);
        let until = now + pause;
        let with_end = |why: String| {
            alarm(is_first, &why, pause);
            format!("{why}; not tried again before {until}")
        };
        let error = match error {
            BillingError::LockedOut(why) => BillingError::LockedOut(with_end(why)),
            BillingError::LoginRefused(why) | BillingError::Refused(why) => {
                BillingError::LoginRefused(with_end(why))
            }
            unavailable @ BillingError::Unavailable(_) => unavailable,
        };
        self.pause = Some((until, error.clone()));
        error
    }
}

/// One alarm, until it was good for a while; what comes after it says that it still is so.
fn alarm(is_first: bool, why: &str, pause: Duration) {
    let pause_s = pause.as_secs();
    if is_first {
        tracing::error!(why, pause_s, "PortaBilling refuses the log-in");
    } else {
        tracing::warn!(why, pause_s, "PortaBilling still refuses the log-in");
    }
}

/// As whom the host logs in.
pub struct User {
    pub login: String,
    pub credential: Credential,
    /// After a lock-out no log-in is tried for so long; doubled each time.
    pub lock_out: Duration,
}

impl User {
    /// By which he is known, with that very credential: what is refused with one may be granted with another.
    fn mark(&self) -> String {
        let (Credential::Token(secret) | Credential::Password(secret)) = &self.credential;
        Digest::of(format!("{}\n{}", self.login, secret.expose()).as_bytes()).to_string()
    }
}

struct Token {
    kept: Kept,
    granted_at: Timestamp,
    renew_at: Timestamp,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<Value>,
    expires_at: Option<Value>,
}

impl Session {
    pub(super) fn new(api: Arc<Api>, user: User, world: Arc<dyn World>) -> Self {
        Self {
            api,
            user: ArcSwap::from_pointee(user),
            world,
            state: Mutex::default(),
            environment: RwLock::default(),
            instances: OnceLock::new(),
        }
    }

    /// From now on what PortaBilling has against the user is known to all of these, and what it has told them here.
    pub fn know(&self, instances: Arc<dyn Instances>) {
        let _ = self.instances.set(instances);
    }

    /// Whether another instance was refused, and all are to wait.
    async fn refused_elsewhere(&self, now: Timestamp) -> Option<(Timestamp, BillingError)> {
        let instances = self.instances.get()?;
        let LogInRefused { locked_out, why, pause } =
            instances.log_in_refused(&self.user.load().mark()).await.ok()??;
        let error = if locked_out { BillingError::LockedOut(why) } else { BillingError::LoginRefused(why) };
        Some((now + pause, error))
    }

    /// Tells the others what was answered here. Should they not hear of it, each is refused once.
    async fn tell(&self, state: &State) {
        let (Some(instances), Some((until, error))) = (self.instances.get(), &state.pause) else { return };
        let (locked_out, why) = match error {
            BillingError::LockedOut(why) => (true, why.clone()),
            BillingError::LoginRefused(why) => (false, why.clone()),
            BillingError::Unavailable(_) | BillingError::Refused(_) => return,
        };
        let refused = LogInRefused { locked_out, why, pause: until.since(self.world.now()) };
        if let Err(error) = instances.refuse_log_in(&self.user.load().mark(), &refused).await {
            tracing::warn!(%error, "other instances do not know that PortaBilling refuses the log-in");
        }
    }

    pub(super) fn environment(&self) -> Option<u64> {
        *self.environment.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token that names no environment changes nothing.
    fn learn_environment(&self, access_token: &str) {
        if let Some(found) = environment(access_token) {
            *self.environment.write().unwrap_or_else(PoisonError::into_inner) = Some(found);
        }
    }

    /// Another user, or another credential of his. What was held against the last one is not held against it, and what was
    /// granted to that one is not asked with any more.
    pub async fn take_user(&self, login: &str, credential: &Credential) {
        let mut state = self.state.lock().await;
        let now = self.user.load();
        if now.login == login && now.credential.is(credential) {
            return;
        }
        let user = User { login: login.to_owned(), credential: credential.clone(), lock_out: now.lock_out };
        if now.login != login {
            // Of another one: what comes until he is logged in is judged after its reading.
            *self.environment.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        self.user.store(Arc::new(user));
        *state = State::default();
    }

    /// Gives up the session: PortaBilling has something against the user.
    pub(super) async fn rest(&self, token: &Secret, error: BillingError) -> BillingError {
        let mut state = self.state.lock().await;
        let now = self.world.now();
        let is_current = |it: &Token| it.kept.secret().is(token.expose().as_bytes());
        if state.current.as_ref().is_some_and(|current| !is_current(current)) {
            // Another one has taken its place, and is not answerable for it.
            return error;
        }
        match state.pause.as_ref().filter(|(until, _)| now < *until) {
            // Somebody else was told the same.
            Some((_, error)) => error.clone(),
            None => {
                state.current = None;
                let error = state.rest(now, error, self.user.load().lock_out);
                self.tell(&state).await;
                error
            }
        }
    }

    async fn log_in(&self) -> Result<Granted, BillingError> {
        let user = self.user.load_full();
        let (name, secret) = match &user.credential {
            Credential::Token(secret) => ("token", secret),
            Credential::Password(secret) => ("password", secret),
        };
        let params = Params::from_iter([
            ("login".to_owned(), user.login.clone().into()),
            (name.to_owned(), secret.expose().into()),
        ]);
        let answer = match self.api.call("Session/login", &params, None).await {
            Ok(answer) => answer,
            Err(CallError::Fault(fault)) => return Err(fault.meaning("Session/login")),
            Err(CallError::Unavailable(away)) => {
                return Err(BillingError::Unavailable(away.from_call("Session/login")));
            }
        };
        // What is wrong with it is not said: it may quote the token.
        serde_json::from_str(answer.get()).map_err(|_| {
            BillingError::Unavailable("Session/login: the answer is not as it should be".to_owned().into())
        })
    }
}

#[async_trait]
impl Tokens for Session {
    async fn bearer(&self) -> Result<Secret, BillingError> {
        let mut state = self.state.lock().await;
        let now = self.world.now();
        if let Some(token) = state.current.as_ref().filter(|token| now < token.renew_at) {
            let (secret, granted_at) = (token.kept.secret().clone(), token.granted_at);
            // It has been good for a while, so what was before it is over.
            if now.since(granted_at) >= NEW {
                state.refusals = 0;
            }
            return Ok(secret);
        }
        if let Some((_, error)) = state.pause.as_ref().filter(|(until, _)| now < *until) {
            return Err(error.clone());
        }
        if let Some((until, error)) = self.refused_elsewhere(now).await {
            tracing::warn!(why = error.to_string(), "no log-in: another instance was refused");
            state.pause = Some((until, error.clone()));
            return Err(error);
        }
        match self.log_in().await {
            Ok(granted) => {
                let renew_at = renew_at(&granted, now);
                self.learn_environment(&granted.access_token);
                let secret = Secret::new(granted.access_token);
                tracing::info!(%renew_at, "logged in to PortaBilling");
                let kept = self.api.secrets.keep(secret.clone());
                let current = Some(Token { kept, granted_at: now, renew_at });
                (state.current, state.unanswered, state.pause) = (current, 0, None);
                Ok(secret)
            }
            Err(error) => {
                let error = state.rest(self.world.now(), error, self.user.load().lock_out);
                self.tell(&state).await;
                Err(error)
            }
        }
    }

    async fn refused(&self, token: &Secret) {
        let mut state = self.state.lock().await;
        let now = self.world.now();
        // Somebody may have renewed it meanwhile.
        let Some(current) =
            state.current.take_if(|current| current.kept.secret().is(token.expose().as_bytes()))
        else {
            return;
        };
        state.refused_new = if now.since(current.granted_at) < NEW { state.refused_new + 1 } else { 0 };
        // Log-ins that succeed and help nothing would end in a lock-out.
        if state.refused_new >= REFUSED_NEW_MAX {
            let why = "its tokens are refused as soon as they are granted".to_owned();
            state.rest(now, BillingError::LoginRefused(why), self.user.load().lock_out);
            state.refused_new = 0;
            self.tell(&state).await;
        }
    }

    async fn doubted(&self, token: &Secret) {
        let mut state = self.state.lock().await;
        let now = self.world.now();
        if state.doubted_at.is_some_and(|at| now.since(at) < NEW) {
            return;
        }
        if state.current.take_if(|current| current.kept.secret().is(token.expose().as_bytes())).is_some() {
            state.doubted_at = Some(now);
        }
    }
}

/// What a token says of itself, if it is a JWT. Its signature is PortaBilling's own affair.
fn claims(access_token: &str) -> Option<Value> {
    let claims = access_token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&claims).ok()
}

fn environment(access_token: &str) -> Option<u64> {
    whole(claims(access_token)?.get("i_env")?)
}

/// A whole number, which may be written as text.
fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A tenth of its life or a minute before its end.
fn renew_at(granted: &Granted, now: Timestamp) -> Timestamp {
    let life = life(granted, now).unwrap_or(LIFE_UNKNOWN);
    now + renewed_after(life)
}

/// How long the token lives, by whatever the answer or the token tells. What depends on nobody's
/// clock comes first; a token that was just granted has not ended, whatever a clock says.
fn life(granted: &Granted, now: Timestamp) -> Option<Duration> {
    let claims = claims(&granted.access_token).unwrap_or_default();
    let claim = |name: &str| claims.get(name).and_then(whole).and_then(seconds);
    let expires_in = granted.expires_in.as_ref().and_then(whole).map(Duration::from_secs);
    let issued = claim("iat").zip(claim("exp")).map(|(from, end)| end.since(from));
    let end = granted.expires_at.as_ref().and_then(|end| match end {
        Value::String(text) => wire::utc(text).or_else(|| whole(end).and_then(seconds)),
        other => whole(other).and_then(seconds),
    });
    let expires_at = end.map(|end| end.since(now));
    let ends = claim("exp").map(|end| end.since(now));
    [expires_in, issued, expires_at, ends].into_iter().flatten().find(|life| !life.is_zero())
}

/// Seconds since 1970.
fn seconds(seconds: u64) -> Option<Timestamp> {
    i64::try_from(seconds).ok()?.checked_mul(1000).map(Timestamp::from_millis)
}

#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz {
    use super::*;

    /// The answer to a log-in, or a token alone: what is granted is not renewed before it is there,
    /// and an environment that is read can be written and read again.
    pub fn session_token(input: &[u8]) {
        let Ok(text) = std::str::from_utf8(input) else { return };
        let now = Timestamp::from_millis(1_769_846_400_000);
        let granted = serde_json::from_slice::<Granted>(input);
        if let Ok(granted) = &granted {
            assert!(renew_at(granted, now) >= now);
        }
        let token = granted.as_ref().map_or(text, |granted| granted.access_token.as_str());
        if let Some(found) = environment(token.trim()) {
            let claims = URL_SAFE_NO_PAD.encode(format!("{{\"i_env\":{found}}}"));
            assert_eq!(environment(&format!("e30.{claims}")), Some(found));
        }
    }
}

#[cfg(test)]
mod tests;
