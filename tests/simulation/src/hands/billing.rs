//! PortaBilling's API.

use std::num::NonZeroU32;

use async_trait::async_trait;
use punchdown::domain::{AccountId, IAccount, ICustomer, Json, Listed, Subscriber, Timestamp, Wanted};
use punchdown::ports::{Account, Away, Billing, BillingError, Shared};

use crate::outside::{self, Reading};
use crate::universe::Host;

/// Accounts on a page.
const PAGE: usize = 2;
/// For so long what was read serves others.
const SHARED_FOR: u64 = 5000;

pub struct Hand(pub Host);

impl Hand {
    fn fault(&self) -> Option<BillingError> {
        let mut state = self.0.state();
        let fault = if state.fails(|weather| weather.billing_out) {
            BillingError::Unavailable(Away { why: "no answer".to_owned(), retry_after: None })
        } else if state.fails(|weather| weather.billing_refuses_login) {
            match state.dice.permille(500) {
                true => BillingError::LoginRefused("the token is old".to_owned()),
                false => BillingError::LockedOut("too many log-ins".to_owned()),
            }
        } else if state.fails(|weather| weather.billing_refuses) {
            BillingError::Refused("no permission".to_owned())
        } else {
            state.outside.logged_in = true;
            return None;
        };
        state.note(format!("host {} billing: {fault}", self.0.number));
        Some(fault)
    }

    /// What somebody read after that moment, if that was a moment ago.
    fn shared(&self, account: IAccount, since: Timestamp) -> Option<Option<outside::Account>> {
        let state = self.0.state();
        let known = state.outside.read.get(&account)?;
        let gone_by = state.moment() - known.began_at;
        // A clock that was set back proves nothing.
        let by_the_clock = u64::try_from(state.now().since(known.began).as_millis()).unwrap_or_default();
        let serves = known.began > since && gone_by < SHARED_FOR && by_the_clock + 5 >= gone_by;
        (serves || state.outside.reads_stale).then(|| known.found.clone())
    }
}

fn told(account: IAccount, found: &outside::Account) -> Account {
    let documents = serde_json::json!({"account_info": {"version": found.version}}).to_string();
    let subscriber = Subscriber {
        account_id: AccountId(format!("1555000{account:04}@msisdn")),
        msisdn: None,
        imsi: None,
        iccid: None,
        documents: Json::parse(documents).unwrap_or_else(|_| Json::empty_object()),
    };
    Account::Found { subscriber, wanted: found.wanted() }
}

impl Shared for Hand {
    fn share(&self, _: NonZeroU32) {}
}

#[async_trait]
impl Billing for Hand {
    async fn read(
        &self,
        i_account: IAccount,
        _queries: &[String],
        since: Timestamp,
    ) -> Result<Account, BillingError> {
        let host = &self.0;
        host.gate().await;
        if let Some(found) = self.shared(i_account, since) {
            return Ok(found.map_or(Account::Absent, |found| told(i_account, &found)));
        }
        let (began, began_at) = {
            let state = host.state();
            (state.now(), state.moment())
        };
        host.takes(800).await;
        if let Some(fault) = self.fault() {
            return Err(fault);
        }
        let found = {
            let mut state = host.state();
            let moment = state.moment();
            let known = state.outside.accounts.get(&i_account);
            let found = known.filter(|account| !account.gone && account.hidden_until <= moment).cloned();
            let line = found.as_ref().map(|found| (found.wanted(), found.version));
            state.note(format!("host {} reads account {i_account}: {line:?}", host.number));
            state.outside.read.insert(i_account, Reading { began, began_at, found: found.clone() });
            found
        };
        host.takes(800).await;
        host.may_die("read").await;
        Ok(found.map_or(Account::Absent, |found| told(i_account, &found)))
    }

    async fn accounts_of(&self, i_customer: ICustomer, from: u64) -> Result<Vec<Listed>, BillingError> {
        self.0.gate().await;
        self.0.takes(500).await;
        if let Some(fault) = self.fault() {
            return Err(fault);
        }
        let state = self.0.state();
        let of_customer = state
            .outside
            .accounts
            .iter()
            .filter(|(_, account)| account.customer == i_customer && !account.gone);
        let listed = of_customer.map(|(i_account, account)| Listed {
            i_account: *i_account,
            closed: account.wanted() == Wanted::Gone,
        });
        Ok(listed.skip(usize::try_from(from).unwrap_or(usize::MAX)).take(PAGE).collect())
    }

    /// Nobody begins a resync here.
    async fn customers(&self, _from: u64) -> Result<Vec<ICustomer>, BillingError> {
        Ok(Vec::new())
    }

    fn environment(&self) -> Option<u64> {
        self.0.state().outside.logged_in.then_some(1)
    }
}
