//! Sessions: who may call, and until when.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::moment::{billing_time, unix_seconds};

/// Faults of `Session` and of the check in front of every other call.
pub(super) mod code {
    pub const AUTH_FAILED: &str = "Server.Session.auth_failed";
    pub const LOCKED_OUT: &str = "Server.Session.cannot_login_brute_force_activity";
    pub const SESSION_OVER: &str = "Server.Session.check_auth.auth_failed";
    pub const TOKEN_UNKNOWN: &str = "Client.Session.check_auth.failed_to_process_access_token";
    pub const NO_TOKEN: &str = "Client.check_auth.envelope_missed";
    pub const REFRESH_FAILED: &str = "Server.Session.refresh_access_token.refresh_failed";
    pub const LOGGED_OUT: &str = "Client.Session.logout.failed_to_process_access_token";
}

/// When a session is looked at: the time, and the age that `expire_sessions` ends.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub(super) at: SystemTime,
    pub(super) age: u64,
}

/// How the end of a session is told, beside the token itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndTold {
    /// As newer releases do: seconds, and a time.
    InSecondsAndAsTime,
    AsTime,
    /// By the token alone.
    Not,
}

struct Session {
    session_id: String,
    refresh_token: String,
    ends: SystemTime,
    age: u64,
}

/// The sessions granted so far, by access token.
pub(super) struct Sessions {
    login: String,
    lifetime: Duration,
    told: EndTold,
    granted: u64,
    by_access_token: HashMap<String, Session>,
}

impl Sessions {
    pub(super) fn new(login: &str, lifetime: Duration) -> Self {
        let (login, told) = (login.to_owned(), EndTold::InSecondsAndAsTime);
        Self { login, lifetime, told, granted: 0, by_access_token: HashMap::new() }
    }

    pub(super) fn grant_for(&mut self, lifetime: Duration, told: EndTold) {
        (self.lifetime, self.told) = (lifetime, told);
    }

    /// The answer to a log-in.
    pub(super) fn grant(&mut self, now: Now) -> Value {
        let session_id = self.next_secret();
        let mut answer = self.grant_tokens(&session_id, now);
        answer["session_id"] = session_id.into();
        answer
    }

    /// The answer to a refresh: new tokens for the same session. The old ones end.
    pub(super) fn refresh(&mut self, refresh_token: &str, now: Now) -> Result<Value, &'static str> {
        let access_token = self
            .by_access_token
            .iter()
            .find(|(_, session)| session.refresh_token == refresh_token && session.age == now.age)
            .map(|(access_token, _)| access_token.clone())
            .ok_or(code::REFRESH_FAILED)?;
        let old = self.by_access_token.remove(&access_token);
        let old = old.ok_or(code::REFRESH_FAILED)?;
        Ok(self.grant_tokens(&old.session_id, now))
    }

    fn grant_tokens(&mut self, session_id: &str, now: Now) -> Value {
        let refresh_token = self.next_secret();
        let ends = now.at + self.lifetime;
        let access_token = self.access_token(session_id, now.at, ends);
        let mut answer = json!({ "access_token": access_token, "refresh_token": refresh_token });
        if self.told != EndTold::Not {
            answer["expires_at"] = billing_time(ends).into();
        }
        if self.told == EndTold::InSecondsAndAsTime {
            answer["expires_in"] = self.lifetime.as_secs().into();
        }
        let session = Session { session_id: session_id.to_owned(), refresh_token, ends, age: now.age };
        self.by_access_token.insert(access_token, session);
        answer
    }

    /// Whether the bearer of this token may call.
    pub(super) fn check(&self, access_token: &str, now: Now) -> Result<(), &'static str> {
        match self.by_access_token.get(access_token) {
            None => Err(code::TOKEN_UNKNOWN),
            Some(session) if session.lives(now) => Ok(()),
            Some(_) => Err(code::SESSION_OVER),
        }
    }

    /// Ends the session that is named by its access token or by its id.
    pub(super) fn end(&mut self, token_or_id: &str) -> Result<(), &'static str> {
        let before = self.by_access_token.len();
        self.by_access_token
            .retain(|token, session| token != token_or_id && session.session_id != token_or_id);
        if self.by_access_token.len() == before {
            return Err(code::LOGGED_OUT);
        }
        Ok(())
    }

    /// 32 hexadecimal digits. They guard nothing, so they may be counted.
    fn next_secret(&mut self) -> String {
        self.granted += 1;
        let spread = self.granted.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("{spread:016x}{:016x}", self.granted)
    }

    /// Looks like the signed token of the real one: callers may read `exp` from it.
    fn access_token(&mut self, session_id: &str, from: SystemTime, ends: SystemTime) -> String {
        let head = json!({ "alg": "RS256", "typ": "JWT" });
        let claims = json!({
            "iat": unix_seconds(from),
            "exp": unix_seconds(ends),
            "jti": session_id,
            "i_user": 3,
            "i_env": 1,
            "login": self.login,
            "realm": "admin",
            "aud": ["portabilling-api", "portasip-api", "espf-api"],
            "scopes": "espf.api:write espf.handlers:write",
            "is_super_user": 0,
        });
        let unsigned = self.next_secret();
        [head.to_string(), claims.to_string(), unsigned]
            .map(|part| BASE64_URL_SAFE_NO_PAD.encode(part))
            .join(".")
    }
}

impl Session {
    fn lives(&self, now: Now) -> bool {
        self.age == now.age && now.at < self.ends
    }
}
