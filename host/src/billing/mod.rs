//! Answers the port `Billing`: what PortaBilling knows of an account.

mod api;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod pages;
mod path;
mod query;
mod session;
mod shared;
mod slots;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use futures_util::future::try_join_all;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::{IAccount, ICustomer, Listed, Timestamp};
use crate::ports::{self, Account, Billing, BillingError, Tokens, World};
use crate::secret::{Secret, Vault};
use crate::web::{self, Pace, Rate, Way};

use api::{Api, CallError};
use pages::Pages;
use query::Known;
use shared::{After, Call, Shared};
use slots::Slots;
use wire::{ACCOUNT, SIM_CARD};

pub use api::Seen;
pub use query::{List, Query, Window};
pub use session::Session;
use session::User;

/// Parameters of a method.
pub type Params = serde_json::Map<String, Value>;

/// Rows of a list that are asked for at once.
const PAGE: u64 = 100;

type Document = Option<Box<RawValue>>;

#[derive(Clone, Debug)]
pub struct Settings {
    /// `https://billing.example.net`, without a path.
    pub url: String,
    pub login: String,
    pub credential: Credential,
    /// The pause after a lock-out.
    pub lock_out: Duration,
    /// Of one call, its answer included.
    pub timeout: Duration,
    pub way: Way,
    /// Calls at a time.
    pub concurrency: usize,
    pub rate: Rate,
    /// How long an answer serves others who ask for the same.
    pub share: Duration,
    /// The methods that list accounts of a customer, and customers.
    pub lists: Lists,
    /// The documents that an adapter may ask for, by name.
    pub queries: BTreeMap<String, Query>,
    /// What is struck from its faults, which quote what they were asked.
    pub secrets: Vault,
}

#[derive(Clone, Debug)]
pub struct Lists {
    pub accounts: String,
    pub customers: String,
}

/// What the user of the API logs in with.
#[derive(Clone, Debug)]
pub enum Credential {
    Token(Secret),
    Password(Secret),
}

impl Credential {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token(one), Self::Token(other)) | (Self::Password(one), Self::Password(other)) => {
                one.is(other.expose().as_bytes())
            }
            (Self::Token(_), Self::Password(_)) | (Self::Password(_), Self::Token(_)) => false,
        }
    }
}

pub struct PortaBilling {
    api: Arc<Api>,
    session: Arc<Session>,
    lists: Lists,
    queries: Queries,
    slots: Slots,
    rate: Option<Pace>,
    shared: Shared,
    world: Arc<dyn World>,
}

/// By which name which document is had. All who have it see the same.
#[derive(Clone)]
pub struct Queries(Arc<ArcSwap<BTreeMap<String, Query>>>);

impl Queries {
    /// From now on these, and of the others those before: somebody may still need one that is gone.
    pub fn take(&self, queries: &BTreeMap<String, Query>) {
        let mut all = BTreeMap::clone(&self.0.load());
        all.extend(queries.iter().map(|(name, query)| (name.clone(), query.clone())));
        self.0.store(Arc::new(all));
    }

    pub fn names(&self) -> BTreeSet<String> {
        self.0.load().keys().cloned().collect()
    }
}

impl PortaBilling {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(settings: Settings, world: Arc<dyn World>) -> reqwest::Result<Self> {
        let http = web::client_by(&settings.way, &settings.url, settings.timeout)?;
        let api = Arc::new(Api::new(http, settings.url, settings.secrets, Arc::clone(&world)));
        let user =
            User { login: settings.login, credential: settings.credential, lock_out: settings.lock_out };
        let session = Session::new(Arc::clone(&api), user, Arc::clone(&world));
        Ok(Self {
            api,
            session: Arc::new(session),
            lists: settings.lists,
            queries: Queries(Arc::new(ArcSwap::from_pointee(settings.queries))),
            slots: Slots::new(settings.concurrency),
            // What was not used may be made up for by a tenth of a second's worth.
            rate: Pace::new(settings.rate, settings.rate.in_a_tenth()),
            shared: Shared::new(settings.share),
            world,
        })
    }

    /// The one session, for whoever else talks to PortaBilling.
    pub fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session)
    }

    /// The documents that can be asked for, for whoever may change them.
    pub fn queries(&self) -> Queries {
        self.queries.clone()
    }

    /// What PortaBilling showed of itself with its last answer.
    pub fn seen(&self) -> Seen {
        self.api.seen()
    }

    /// Calls a method, unless an answer that serves is at hand.
    async fn call(&self, method: &str, params: &Params, after: After) -> Result<Box<RawValue>, BillingError> {
        let call = Call {
            method: method.to_owned(),
            params: serde_json::to_string(params)
                .map_err(|error| BillingError::Refused(error.to_string()))?,
        };
        self.shared.get(&call, after, self.world.now(), self.call_now(method, params)).await
    }

    /// A fault of the session is mended by one log-in, and the call is repeated once.
    async fn call_now(&self, method: &str, params: &Params) -> Result<Box<RawValue>, BillingError> {
        let _slot = self.slots.take().await;
        for last in [false, true] {
            let token = self.session.bearer().await?;
            if let Some(rate) = &self.rate {
                rate.limiter().until_ready().await;
            }
            match self.api.call(method, params, Some(&token)).await {
                Err(CallError::Fault(fault)) if fault.is_of_session() => {
                    self.session.refused(&token).await;
                    if last {
                        return Err(BillingError::Unavailable(format!("{method}: {fault}").into()));
                    }
                }
                Err(CallError::Fault(fault)) if fault.says_there_is_none(method) => {
                    return Ok(wire::nothing());
                }
                Err(CallError::Fault(fault)) if fault.is_of_user() => {
                    return Err(self.session.rest(&token, fault.meaning(method)).await);
                }
                Err(CallError::Fault(fault)) => {
                    let error = fault.meaning(method);
                    if matches!(error, BillingError::LoginRefused(_) | BillingError::LockedOut(_)) {
                        tracing::warn!(
                            method,
                            faultcode = fault.faultcode,
                            "PortaBilling refuses the user this call"
                        );
                    }
                    return Err(error);
                }
                Err(CallError::Unavailable(away)) => {
                    return Err(BillingError::Unavailable(away.from_call(method)));
                }
                Ok(answer) => return Ok(answer),
            }
        }
        unreachable!("the last attempt returns")
    }

    /// A page of a list. It is never shared: each must be as it stands now.
    async fn page<T>(
        &self,
        method: &str,
        params: &[(&str, u64)],
        read: impl FnOnce(&RawValue) -> Result<T, String>,
    ) -> Result<T, BillingError> {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let answer = self.call_now(method, &params).await?;
        read(&answer).map_err(|why| {
            BillingError::Unavailable(format!("{method}: the answer is not as it should be: {why}").into())
        })
    }

    fn query(&self, name: &str) -> Result<Query, BillingError> {
        self.queries.0.load().get(name).cloned().ok_or_else(|| {
            let help = format!("name its method under [portabilling.queries.{name}]");
            BillingError::Refused(format!("no query `{name}`: {help}"))
        })
    }

    /// The document that the query `name` stands for.
    async fn document(&self, name: &str, known: &Known<'_>, after: After) -> Result<Document, BillingError> {
        let query = self.query(name)?;
        let Some(params) = query.fill(known) else { return Ok(None) };
        let unreadable = |why: String| {
            let method = &query.method;
            BillingError::Unavailable(format!("{method}: the answer is not as it should be: {why}").into())
        };
        let now = self.world.now();
        if let List::All { page: Some(limit), window } = &query.list {
            let rows = self.pages(&query, &params, *limit, after).await?;
            return wire::list(rows, window.as_ref(), known.i_account, now).map(Some).map_err(unreadable);
        }
        let answer = self.call(&query.method, &params, after).await?;
        wire::document(&answer, &query, known.i_account, now).map_err(unreadable)
    }

    /// A list that comes in pages, as a whole.
    async fn pages(
        &self,
        query: &Query,
        params: &Params,
        limit: u64,
        after: After,
    ) -> Result<Vec<Box<RawValue>>, BillingError> {
        let method = &query.method;
        let unreadable = |why: String| BillingError::Unavailable(format!("{method}: {why}").into());
        let mut pages = Pages::of(limit);
        while let Some(params) = pages.next(params) {
            let answer = self.call(method, &params, after).await?;
            let rows = wire::rows(&answer, &query.answer).map_err(unreadable)?;
            pages.take(rows).map_err(unreadable)?;
        }
        Ok(pages.rows())
    }
}

impl ports::Shared for PortaBilling {
    fn share(&self, among: NonZeroU32) {
        self.slots.share(among);
        if let Some(rate) = &self.rate {
            rate.share(among);
        }
    }
}

#[async_trait]
impl Billing for PortaBilling {
    async fn read(
        &self,
        i_account: IAccount,
        queries: &[String],
        since: Timestamp,
    ) -> Result<Account, BillingError> {
        let after = After::since(since);
        // The account is always read, and first: it says what is wanted, and whose customer it is.
        let unknown = Known { i_account, info: None };
        let Some(info) = self.document(ACCOUNT, &unknown, after).await? else {
            return Ok(Account::Absent);
        };
        let tree: Value = serde_json::from_str(info.get()).unwrap_or_default();
        let known = Known { i_account, info: Some(&tree) };
        let others = queries.iter().filter(|name| *name != ACCOUNT).map(|name| {
            let known = &known;
            async move { Ok((name.clone(), self.document(name, known, after).await?)) }
        });
        let mut documents: BTreeMap<String, Document> = try_join_all(others).await?.into_iter().collect();
        documents.insert(ACCOUNT.to_owned(), Some(info));
        wire::account(&documents).map_err(|why| BillingError::Unavailable(why.into()))
    }

    /// Closed ones too: one that is closed between two pages must not leave the list.
    async fn accounts_of(&self, i_customer: ICustomer, from: u64) -> Result<Vec<Listed>, BillingError> {
        let of_customer = [("i_customer", i_customer.0), ("limit", PAGE), ("offset", from)];
        self.page(&self.lists.accounts, &of_customer, |answer| wire::listed(answer, i_customer)).await
    }

    async fn customers(&self, from: u64) -> Result<Vec<ICustomer>, BillingError> {
        self.page(&self.lists.customers, &[("limit", PAGE), ("offset", from)], wire::customers).await
    }

    fn environment(&self) -> Option<u64> {
        self.session.environment()
    }
}
