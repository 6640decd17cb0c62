//! The one session with PortaBilling. It is renewed before it ends, and only once however many
//! workers wait for it; a log-in that was refused is not tried again for a while, because
//! PortaBilling locks out who hammers.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{Api, CallError, Credential};
use crate::domain::Timestamp;
use crate::ports::{BillingError, Tokens, World};
use crate::secret::Secret;

/// A token that does not say how long it lives is taken to live so long.
const LIFE_UNKNOWN: Duration = Duration::from_secs(900);
/// It is renewed so long before its end, or a tenth of its life if that is shorter.
const RENEW_BEFORE_MAX: Duration = Duration::from_secs(60);
/// After a refused log-in; doubled each time, up to the second.
const REFUSED_PAUSE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// A token that is refused within this time was never good.
const NEW: Duration = Duration::from_secs(30);
const REFUSED_NEW_MAX: u32 = 3;

pub struct Session {
    api: Arc<Api>,
    login: String,
    credential: Credential,
    world: Arc<dyn World>,
    /// Locked while somebody logs in: the others wait for the same answer.
    state: Mutex<State>,
    /// What the last token said; known from then on, also while PortaBilling is away.
    environment: RwLock<Option<u64>>,
}

#[derive(Default)]
struct State {
    current: Option<Token>,
    /// Tokens that were refused when they were new, one after the other.
    refused_new: u32,
    refusals: u32,
    /// No log-in before, and why.
    refused: Option<(Timestamp, String)>,
}

struct Token {
    secret: Secret,
    granted_at: Timestamp,
    renew_at: Timestamp,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<serde_json::Value>,
    expires_at: Option<String>,
}

impl Session {
    pub(super) fn new(api: Arc<Api>, login: String, credential: Credential, world: Arc<dyn World>) -> Self {
        Self { api, login, credential, world, state: Mutex::default(), environment: RwLock::default() }
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

    async fn log_in(&self) -> Result<Granted, BillingError> {
        let (name, secret) = match &self.credential {
            Credential::Token(secret) => ("token", secret),
            Credential::Password(secret) => ("password", secret),
        };
        let params = serde_json::json!({ "login": self.login, name: secret.expose() });
        let answer = match self.api.call("Session/login", &params, None).await {
            Ok(answer) => answer,
            Err(CallError::Fault(fault)) => return Err(BillingError::LoginRefused(fault.to_string())),
            Err(CallError::Unavailable(why)) => {
                return Err(BillingError::Unavailable(format!("Session/login: {why}")));
            }
        };
        serde_json::from_str(answer.get()).map_err(|error| {
            BillingError::Unavailable(format!("Session/login: the answer is not as it should be: {error}"))
        })
    }
}

#[async_trait]
impl Tokens for Session {
    async fn bearer(&self) -> Result<Secret, BillingError> {
        let mut state = self.state.lock().await;
        let now = self.world.now();
        if let Some(token) = state.current.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.secret.clone());
        }
        if let Some((until, why)) = state.refused.as_ref().filter(|(until, _)| now < *until) {
            return Err(BillingError::LoginRefused(format!("{why}; not tried again before {until}")));
        }
        match self.log_in().await {
            Ok(granted) => {
                let renew_at = renew_at(&granted, now);
                self.learn_environment(&granted.access_token);
                let secret = Secret::new(granted.access_token);
                tracing::info!(%renew_at, "logged in to PortaBilling");
                let current = Some(Token { secret: secret.clone(), granted_at: now, renew_at });
                *state = State { current, refused_new: state.refused_new, ..State::default() };
                Ok(secret)
            }
            Err(BillingError::LoginRefused(why)) => {
                state.refusals += 1;
                let (first, longest) = REFUSED_PAUSE;
                let pause = first.saturating_mul(1 << (state.refusals - 1).min(10)).min(longest);
                tracing::error!(why, pause_s = pause.as_secs(), "PortaBilling refuses the log-in");
                state.refused = Some((now + pause, why.clone()));
                Err(BillingError::LoginRefused(why))
            }
            Err(error) => Err(error),
        }
    }

    async fn refused(&self, token: &Secret) {
        let mut state = self.state.lock().await;
        let now = self.world.now();
        // Somebody may have renewed it meanwhile.
        let Some(current) = state.current.take_if(|current| current.secret.is(token.expose().as_bytes()))
        else {
            return;
        };
        state.refused_new = if now.since(current.granted_at) < NEW { state.refused_new + 1 } else { 0 };
        // Log-ins that succeed and help nothing would end in a lock-out.
        if state.refused_new >= REFUSED_NEW_MAX {
            let why = "its tokens are refused as soon as they are granted".to_owned();
            tracing::error!(why, "PortaBilling grants sessions that it does not honour");
            state.refused = Some((now + REFUSED_PAUSE.0, why));
            state.refused_new = 0;
        }
    }
}

/// The claim `i_env` of a token that is a JWT. Its signature is PortaBilling's own affair.
fn environment(access_token: &str) -> Option<u64> {
    let claims = access_token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    match serde_json::from_slice::<serde_json::Value>(&claims).ok()?.get("i_env")? {
        serde_json::Value::Number(number) => number.as_u64(),
        serde_json::Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn renew_at(granted: &Granted, now: Timestamp) -> Timestamp {
    let seconds = granted.expires_in.as_ref().and_then(|value| match value {
        serde_json::Value::Number(number) => number.as_u64(),
        serde_json::Value::String(text) => text.parse().ok(),
        _ => None,
    });
    let life = seconds
        .map(Duration::from_secs)
        .or_else(|| granted.expires_at.as_deref().and_then(utc).map(|end| end.since(now)))
        .unwrap_or(LIFE_UNKNOWN);
    now + life.saturating_sub(RENEW_BEFORE_MAX.min(life / 10))
}

/// `YYYY-MM-DD HH:MM:SS`, which PortaBilling means in UTC.
fn utc(text: &str) -> Option<Timestamp> {
    let civil: jiff::civil::DateTime = text.trim().parse().ok()?;
    let at = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_millis(at.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_tell_its_environment() {
        let jwt = |claims: &str| format!("e30.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(claims));
        for (token, told) in [
            (jwt(r#"{"i_env":1,"login":"punchdown"}"#), Some(1)),
            (jwt(r#"{"i_env":"12"}"#), Some(12)),
            (jwt(r#"{"login":"punchdown"}"#), None),
            (jwt("not JSON"), None),
            ("0123456789abcdef".to_owned(), None),
            ("a.###.b".to_owned(), None),
        ] {
            assert_eq!(environment(&token), told, "{token}");
        }
    }

    #[test]
    fn renewal_comes_a_tenth_or_a_minute_before_the_end() {
        let now = utc("2026-01-31 08:00:00").expect("a time");
        let seconds = |expires_in: serde_json::Value, expires_at: Option<&str>| {
            let granted = Granted {
                access_token: String::new(),
                expires_in: Some(expires_in),
                expires_at: expires_at.map(str::to_owned),
            };
            renew_at(&granted, now).since(now).as_secs()
        };
        use serde_json::json;
        for (expires_in, expires_at, renewed) in [
            (json!(100), None, 90),
            (json!(900), None, 840),
            (json!("900"), None, 840),
            (json!(172_800), None, 172_740),
            (json!(null), Some("2026-01-31 08:15:00"), 840),
            (json!(null), Some("nonsense"), 840),
            (json!(null), None, 840),
        ] {
            assert_eq!(seconds(expires_in.clone(), expires_at), renewed, "{expires_in} {expires_at:?}");
        }
    }
}
