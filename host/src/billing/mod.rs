//! Answers the port `Billing`: what PortaBilling knows of an account.

mod session;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use crate::domain::IAccount;
use crate::ports::{Account, Billing, BillingError, Tokens, World};
use crate::secret::Secret;
use crate::web;

pub use session::Session;

/// Faults that a new session mends.
const SESSION_FAULTS: [&str; 5] = [
    "Client.Session.check_auth.failed_to_process_access_token",
    "Client.Session.check_auth.failed_to_process_jwt",
    "Client.check_auth.envelope_missed",
    "Server.Session.check_auth.auth_failed",
    "Server.Session.refresh_access_token.refresh_failed",
];

/// An answer of PortaBilling is some tens of kilobytes; beyond this something else answers.
const ANSWER_BYTES_MAX: usize = 8 << 20;

#[derive(Clone, Debug)]
pub struct Settings {
    /// `https://billing.example.net`, without a path.
    pub url: String,
    pub login: String,
    pub credential: Credential,
    /// Of one call, its answer included.
    pub timeout: Duration,
    /// Calls at a time.
    pub concurrency: usize,
    /// The documents that an adapter may ask for, by name.
    pub queries: BTreeMap<String, Query>,
}

/// What the user of the API logs in with.
#[derive(Clone, Debug)]
pub enum Credential {
    Token(Secret),
    Password(Secret),
}

/// Where a document comes from. Methods that no public document confirms are settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// `Account/get_account_info`
    pub method: String,
    /// Sent beside `i_account`, as a JSON object.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// The member of the answer that is the document; of a list, its first element.
    pub answer: String,
}

impl Query {
    pub fn defaults() -> BTreeMap<String, Self> {
        let query = |method: &str, answer: &str, params: &[(&str, i64)]| Self {
            method: method.to_owned(),
            answer: answer.to_owned(),
            params: params.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect(),
        };
        BTreeMap::from([
            (
                wire::ACCOUNT.to_owned(),
                query(
                    "Account/get_account_info",
                    "account_info",
                    &[("detailed_info", 1), ("get_service_features", 1)],
                ),
            ),
            (wire::SIM_CARD.to_owned(), query("SIMCard/get_card_list", "card_list", &[])),
        ])
    }
}

pub struct PortaBilling {
    api: Arc<Api>,
    session: Arc<Session>,
    queries: BTreeMap<String, Query>,
    slots: Semaphore,
}

impl PortaBilling {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(settings: Settings, world: Arc<dyn World>) -> reqwest::Result<Self> {
        let api = Arc::new(Api { http: web::client(settings.timeout)?, url: settings.url });
        let session = Arc::new(Session::new(Arc::clone(&api), settings.login, settings.credential, world));
        Ok(Self { api, session, queries: settings.queries, slots: Semaphore::new(settings.concurrency) })
    }

    /// The one session, for whoever else talks to PortaBilling.
    pub fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session)
    }

    /// Calls a method. A fault of the session is mended by one log-in, and the call is repeated once.
    async fn call(&self, method: &str, params: &serde_json::Value) -> Result<Box<RawValue>, BillingError> {
        let _slot = self.slots.acquire().await;
        for last in [false, true] {
            let token = self.session.bearer().await?;
            match self.api.call(method, params, Some(&token)).await {
                Err(CallError::Fault(fault)) if SESSION_FAULTS.contains(&fault.faultcode.as_str()) => {
                    self.session.refused(&token).await;
                    if last {
                        return Err(BillingError::Unavailable(format!("{method}: {fault}")));
                    }
                }
                Err(CallError::Fault(fault)) if fault.says_there_is_none(method) => {
                    return Ok(wire::nothing());
                }
                Err(CallError::Fault(fault)) => return Err(fault.meaning(method)),
                Err(CallError::Unavailable(why)) => {
                    return Err(BillingError::Unavailable(format!("{method}: {why}")));
                }
                Ok(answer) => return Ok(answer),
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn document(
        &self,
        i_account: IAccount,
        query: &Query,
    ) -> Result<Option<Box<RawValue>>, BillingError> {
        let mut params = query.params.clone();
        params.insert("i_account".to_owned(), i_account.0.into());
        let answer = self.call(&query.method, &params.into()).await?;
        wire::member(&answer, &query.answer, i_account).map_err(|why| {
            BillingError::Unavailable(format!("{}: the answer is not as it should be: {why}", query.method))
        })
    }
}

#[async_trait]
impl Billing for PortaBilling {
    async fn read(&self, i_account: IAccount, queries: &[String]) -> Result<Account, BillingError> {
        let mut documents = BTreeMap::new();
        // The account is always read: it says what is wanted.
        let names = std::iter::once(wire::ACCOUNT).chain(queries.iter().map(String::as_str));
        for name in names {
            if documents.contains_key(name) {
                continue;
            }
            let query = self.queries.get(name).ok_or_else(|| {
                BillingError::Refused(format!(
                    "no query `{name}`: name its method under [portabilling.queries.{name}]"
                ))
            })?;
            let document = self.document(i_account, query).await?;
            if name == wire::ACCOUNT && document.is_none() {
                return Ok(Account::Absent);
            }
            documents.insert(name.to_owned(), document);
        }
        wire::account(&documents).map_err(BillingError::Unavailable)
    }

    fn environment(&self) -> Option<u64> {
        self.session.environment()
    }
}

/// PortaBilling's calling convention.
struct Api {
    http: reqwest::Client,
    url: String,
}

#[derive(Debug, serde::Deserialize)]
struct Fault {
    faultcode: String,
    #[serde(default)]
    faultstring: String,
}

impl Fault {
    /// What a fault that no new session mends says about what to do. PortaBilling's own
    /// troubles pass; what is wrong with the user needs a person, but fails no operation.
    fn meaning(&self, method: &str) -> BillingError {
        let said = format!("{method}: {self}");
        let of = |whose: &str| self.faultcode.starts_with(whose);
        if of("Server.Session.") || of("Client.Session.") {
            BillingError::LoginRefused(said)
        } else if of("Client.") {
            BillingError::Refused(said)
        } else {
            BillingError::Unavailable(said)
        }
    }

    /// The method's own service says that there is none.
    fn says_there_is_none(&self, method: &str) -> bool {
        let service = method.split('/').next().unwrap_or_default();
        self.faultcode.ends_with("not_found") && self.faultcode.split('.').nth(1) == Some(service)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.faultcode, self.faultstring)
    }
}

enum CallError {
    /// PortaBilling itself says no. Every fault is HTTP 500, so the status says nothing.
    Fault(Fault),
    /// No answer, or one that PortaBilling's API does not give.
    Unavailable(String),
}

impl Api {
    async fn call(
        &self,
        method: &str,
        params: &serde_json::Value,
        token: Option<&Secret>,
    ) -> Result<Box<RawValue>, CallError> {
        let unavailable = |error: &reqwest::Error| CallError::Unavailable(web::reason(error));
        let mut request = self.http.post(format!("{}/rest/{method}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token.expose());
        }
        let response = request
            .json(&serde_json::json!({ "params": params }))
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        let status = response.status();
        let body = web::read_bounded(response, ANSWER_BYTES_MAX).await.map_err(|unread| match unread {
            web::Unread::TooLarge { bytes_max } => {
                CallError::Unavailable(format!("the answer has more than {bytes_max} bytes"))
            }
            web::Unread::Broken(why) => CallError::Unavailable(why),
        })?;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|error| CallError::Unavailable(format!("HTTP {status} without JSON: {error}")));
        }
        match serde_json::from_slice::<Fault>(&body) {
            Ok(fault) if status == reqwest::StatusCode::INTERNAL_SERVER_ERROR => Err(CallError::Fault(fault)),
            Ok(_) | Err(_) => Err(CallError::Unavailable(format!("HTTP {status}"))),
        }
    }
}
