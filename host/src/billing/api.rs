//! PortaBilling's calling convention: every call is a POST, every fault an HTTP 500 that its
//! `faultcode` tells from others.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reqwest::header::DATE;
use reqwest::tls::TlsInfo;
use reqwest::{Response, StatusCode};
use serde_json::value::RawValue;

use super::Params;
use crate::domain::Timestamp;
use crate::ports::{Away, BillingError, World};
use crate::secret::{Screen, Secret, Vault};
use crate::web::{self, Validity};

/// Faults that a new session mends.
const SESSION_FAULTS: [&str; 5] = [
    "Client.Session.check_auth.failed_to_process_access_token",
    "Client.Session.check_auth.failed_to_process_jwt",
    "Client.check_auth.envelope_missed",
    "Server.Session.check_auth.auth_failed",
    "Server.Session.refresh_access_token.refresh_failed",
];

/// Faults that no session mends, whichever call they answer: a person must mend the user.
const USER_FAULTS: [&str; 3] =
    ["Server.Session.alert_You_must_change_password", "Server.Session.auth_failed", LOCKED_OUT];

/// Too many log-ins failed.
const LOCKED_OUT: &str = "Server.Session.cannot_login_brute_force_activity";

/// An answer of PortaBilling is some tens of kilobytes; beyond this something else answers.
const ANSWER_BYTES_MAX: usize = 8 << 20;

pub struct Api {
    http: reqwest::Client,
    url: String,
    /// What is struck from its faults.
    pub secrets: Vault,
    world: Arc<dyn World>,
    /// When the last answer was given, by PortaBilling's own clock, and what its connection showed.
    last: RwLock<(Option<Timestamp>, Option<TlsInfo>)>,
}

/// What PortaBilling showed of itself with its last answer.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// By its own clock.
    pub at: Option<Timestamp>,
    /// Of its certificate.
    pub validity: Option<Validity>,
}

#[derive(Debug, serde::Deserialize)]
pub struct Fault {
    pub faultcode: String,
    #[serde(default)]
    faultstring: String,
}

impl Fault {
    /// Whether a new session mends it.
    pub fn is_of_session(&self) -> bool {
        SESSION_FAULTS.contains(&self.faultcode.as_str())
    }

    /// Whether every other call will be answered so, too, and more of them make it worse.
    pub fn is_of_user(&self) -> bool {
        USER_FAULTS.contains(&self.faultcode.as_str())
    }

    /// What a fault that no new session mends says about what to do. PortaBilling's own
    /// troubles pass; what is wrong with the user needs a person, but fails no operation.
    pub fn meaning(&self, method: &str) -> BillingError {
        let said = format!("{method}: {self}");
        let of = |whose: &str| self.faultcode.starts_with(whose);
        if self.faultcode == LOCKED_OUT {
            BillingError::LockedOut(said)
        } else if of("Server.Session.") || of("Client.Session.") {
            BillingError::LoginRefused(said)
        } else if of("Client.") {
            BillingError::Refused(said)
        } else {
            BillingError::Unavailable(said.into())
        }
    }

    /// The method's own service says that there is none.
    pub fn says_there_is_none(&self, method: &str) -> bool {
        let service = method.split('/').next().unwrap_or_default();
        self.faultcode.ends_with("not_found") && self.faultcode.split('.').nth(1) == Some(service)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.faultcode, self.faultstring)
    }
}

pub enum CallError {
    /// PortaBilling itself says no.
    Fault(Fault),
    /// No answer, or one that PortaBilling's API does not give.
    Unavailable(Away),
}

impl CallError {
    fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable(why.into().into())
    }
}

impl Api {
    pub fn new(http: reqwest::Client, url: String, secrets: Vault, world: Arc<dyn World>) -> Self {
        Self { http, url, secrets, world, last: RwLock::default() }
    }

    pub fn seen(&self) -> Seen {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        Seen { at: last.0, validity: last.1.as_ref().and_then(Validity::seen) }
    }

    fn look_at(&self, answer: &Response) {
        let at = answer.headers().get(DATE).and_then(|date| Timestamp::from_http_date(date.to_str().ok()?));
        let connection = answer.extensions().get().cloned();
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = (at, connection);
    }

    pub async fn call(
        &self,
        method: &str,
        params: &Params,
        token: Option<&Secret>,
    ) -> Result<Box<RawValue>, CallError> {
        let mut request = self.http.post(format!("{}/rest/{method}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token.expose());
        }
        let response = request
            .json(&serde_json::json!({ "params": params }))
            .send()
            .await
            .map_err(|error| CallError::unavailable(web::reason(&error)))?;
        self.look_at(&response);
        let (status, asked) = (response.status(), web::retry_after(response.headers(), self.world.now()));
        let body = web::read_bounded(response, ANSWER_BYTES_MAX).await.map_err(|unread| match unread {
            web::Unread::TooLarge { bytes_max } => {
                CallError::unavailable(format!("the answer has more than {bytes_max} bytes"))
            }
            web::Unread::Broken(why) => CallError::unavailable(why),
        })?;
        read(status, asked, &body).map_err(|error| match error {
            CallError::Fault(fault) => CallError::Fault(self.unsaid(fault)),
            unavailable @ CallError::Unavailable(_) => unavailable,
        })
    }

    /// A fault without the secrets that it may quote.
    fn unsaid(&self, fault: Fault) -> Fault {
        let faultstring = Screen::new(self.secrets.clone(), &[]).message(&fault.faultstring);
        Fault { faultstring, ..fault }
    }
}

/// A gateway in front of PortaBilling speaks through the status; PortaBilling itself does not.
fn read(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Result<Box<RawValue>, CallError> {
    let may_be_a_fault = status.is_success() || status == StatusCode::INTERNAL_SERVER_ERROR;
    if may_be_a_fault && let Ok(fault) = serde_json::from_slice::<Fault>(body) {
        return Err(CallError::Fault(fault));
    }
    if !status.is_success() {
        return Err(CallError::Unavailable(Away { why: format!("HTTP {status}"), retry_after }));
    }
    serde_json::from_slice(body)
        .map_err(|error| CallError::unavailable(format!("HTTP {status} without JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_by_its_fault_code() {
        let read = |status: u16, body: &str| {
            let method = "Account/get_account_info";
            match read(StatusCode::from_u16(status).expect("a status"), None, body.as_bytes()) {
                Ok(_) => "an answer",
                Err(CallError::Fault(fault)) if fault.is_of_session() => "a dead session",
                Err(CallError::Fault(fault)) if fault.says_there_is_none(method) => "there is none",
                Err(CallError::Fault(fault)) if fault.is_of_user() => "the user",
                Err(CallError::Fault(fault)) => match fault.meaning(method) {
                    BillingError::LoginRefused(_) | BillingError::LockedOut(_) => "needs a person",
                    BillingError::Refused(_) => "refused",
                    BillingError::Unavailable(_) => "passes",
                },
                Err(CallError::Unavailable(_)) => "no answer",
            }
        };
        let fault = |code: &str| format!(r#"{{"faultcode":"{code}","faultstring":"why"}}"#);
        for (code, meaning) in [
            ("Server.Session.check_auth.auth_failed", "a dead session"),
            ("Client.Session.check_auth.failed_to_process_access_token", "a dead session"),
            ("Client.Session.check_auth.failed_to_process_jwt", "a dead session"),
            ("Client.check_auth.envelope_missed", "a dead session"),
            ("Server.Session.refresh_access_token.refresh_failed", "a dead session"),
            ("Server.Session.auth_failed", "the user"),
            ("Server.Session.cannot_login_brute_force_activity", "the user"),
            ("Server.Session.alert_You_must_change_password", "the user"),
            ("Server.Session.access_denied", "needs a person"),
            ("Server.Account.account_not_found", "there is none"),
            ("Server.Customer.customer_not_found", "passes"),
            ("Server.Account.duplicate_id", "passes"),
            ("Server.General.internal", "passes"),
            ("Client.Account.bad_parameter", "refused"),
            ("", "passes"),
        ] {
            assert_eq!(read(500, &fault(code)), meaning, "{code}");
            assert_eq!(read(200, &fault(code)), meaning, "{code} as a success");
        }
        for (status, body, meaning) in [
            (200, "{}", "an answer"),
            (200, "[]", "an answer"),
            (200, "", "no answer"),
            (200, "<html>", "no answer"),
            (200, r#"{"account_info":{"id"#, "no answer"),
            (500, "<html>", "no answer"),
            (500, "", "no answer"),
            (500, r#"{"error":"why"}"#, "no answer"),
            (502, &fault("Client.Account.bad_parameter"), "no answer"),
            (503, "", "no answer"),
            (504, "<html>", "no answer"),
            (401, "", "no answer"),
            (302, "", "no answer"),
        ] {
            assert_eq!(read(status, body), meaning, "{status} {body}");
        }
    }
}
