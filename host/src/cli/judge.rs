//! Compares what the neighbours saw: the events that were sent, the orders that were made, and
//! the statuses that PortaBilling was told. What the host says of itself must agree with it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use punchdown_kit::espf::{Espf, State};
use punchdown_kit::oms::OrderSeen;
use punchdown_kit::portabilling::{Account, StatusSeen};
use serde_json::Value;

use crate::cli::stage::Stage;

/// The group of a stage whose ledgers are compared.
pub const GROUP: &str = "HSS";

/// What was found, account by account.
#[derive(Default)]
pub struct Verdict {
    accounts: u64,
    by_status: BTreeMap<String, u64>,
    /// From the event to the last status, of those that are `OK`, in order.
    times_to_ok: Vec<Duration>,
    unfinished: u64,
    lost_events: u64,
    without_order: u64,
    doubled: u64,
    /// Requests for an order that came again although nobody knew what had become of them.
    repeated: u64,
    wrong: Vec<String>,
}

impl Verdict {
    /// Accounts whose event was acknowledged, and for which nothing was ever ordered.
    pub fn without_order(&self) -> u64 {
        self.without_order
    }

    /// The same, and events that were answered so that they were thrown away.
    pub fn lost(&self) -> u64 {
        self.without_order + self.lost_events
    }

    /// What else does not agree.
    pub fn wrong(&self) -> &[String] {
        &self.wrong
    }

    /// Accounts for which something was ordered more than once, and requests that were repeated in doubt.
    pub fn doubled(&self) -> u64 {
        self.doubled + self.repeated
    }

    pub fn agrees(&self) -> bool {
        self.is_settled()
            && self.wrong.is_empty()
            && self.lost_events + self.without_order + self.doubled + self.repeated == 0
    }

    pub fn is_settled(&self) -> bool {
        self.unfinished == 0
    }

    /// Accounts that have no last word, or not even an event.
    pub fn unfinished(&self) -> u64 {
        self.unfinished
    }

    /// Takes up what else was found wrong.
    pub fn hear(&mut self, wrong: &[String]) {
        self.wrong.extend_from_slice(wrong);
    }
}

/// What the ledgers do not explain in what the host says of itself: for every account one event and
/// one operation, which is closed, and of which everything is told.
pub fn unrest(status: &Value, accounts: u64) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut closed: u64 = 0;
    for (state, count) in status["groups"][GROUP]["operations"].as_object().into_iter().flatten() {
        match state.as_str() {
            "done" | "failed" => closed += count.as_u64().unwrap_or_default(),
            state => wrong.push(format!("the host has {count} operations {state}")),
        }
    }
    for (what, said, expected) in [
        ("events stored", &status["events"], accounts),
        ("operations that ended", &closed.into(), accounts),
        ("statuses to tell", &status["statuses_waiting"], 0),
        ("notifications unread", &status["notifications_unread"], 0),
        ("dead letters", &status["dead_letters"], 0),
    ] {
        if *said != expected {
            wrong.push(format!("the host says {said} {what}, not {expected}"));
        }
    }
    wrong
}

pub fn judge(stage: &Stage, espf: &Espf, accounts: u64) -> Verdict {
    let mut verdict = Verdict { accounts, ..Verdict::default() };
    let mut orders: BTreeMap<String, Vec<OrderSeen>> = BTreeMap::new();
    let ledger = stage.oms.ledger();
    verdict.repeated = ledger.keys_in_doubt.len() as u64;
    for order in ledger.orders {
        orders.entry(order.account.clone().unwrap_or_default()).or_default().push(order);
    }
    let told = stage.billing.final_statuses(GROUP);
    let events = espf.ledger().events;
    verdict.unfinished = accounts.saturating_sub(events.len() as u64);
    for event in events {
        if event.state == State::Discarded {
            verdict.lost_events += 1;
        }
        let Some(i_account) = event.i_account else { continue };
        let account = Account::mobile(i_account);
        let mut of_account = orders.remove(&account.id).unwrap_or_default();
        of_account.extend(orders.remove(&i_account.to_string()).unwrap_or_default());
        let told = told.get(&i_account);
        verdict.account(i_account, &of_account, told);
        if let Some(told) = told.filter(|told| told.status == "OK") {
            verdict.times_to_ok.push(told.at.duration_since(event.emitted_at).unwrap_or_default());
        }
    }
    for (account, orders) in orders {
        verdict.wrong.push(format!("orders for `{account}`, of which no event told: {}", orders.len()));
    }
    verdict.times_to_ok.sort();
    verdict
}

impl Verdict {
    fn account(&mut self, i_account: u64, orders: &[OrderSeen], told: Option<&StatusSeen>) {
        let status = told.map_or("nothing", |told| told.status.as_str());
        *self.by_status.entry(status.to_owned()).or_default() += 1;
        if !matches!(status, "OK" | "FAILED") {
            self.unfinished += 1;
        }
        match orders {
            [] => self.without_order += 1,
            [order] => {
                let agrees = match status {
                    "OK" => order.state == "completed",
                    "FAILED" => {
                        order.ended_at.is_some() && matches!(order.state.as_str(), "failed" | "cancelled")
                    }
                    _ => false,
                };
                if !agrees {
                    self.wrong.push(format!(
                        "account {i_account}: its order is {}, its status {status}",
                        order.state
                    ));
                }
            }
            several => {
                self.doubled += 1;
                self.wrong.push(format!("account {i_account}: {} orders", several.len()));
            }
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quantile = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a share of a small count"
            )]
            let index = (self.times_to_ok.len() as f64 * share) as usize;
            let time = self.times_to_ok.get(index.min(self.times_to_ok.len().saturating_sub(1)));
            time.map_or_else(|| "-".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()))
        };
        writeln!(f, "\ngroup  accounts     OK  FAILED  other  time to OK: p50      p95      max")?;
        let count = |status: &str| self.by_status.get(status).copied().unwrap_or(0);
        let (ok, failed) = (count("OK"), count("FAILED"));
        writeln!(
            f,
            "{GROUP:<6} {:>8} {ok:>6} {failed:>7} {:>6} {:>16} {:>8} {:>8}",
            self.accounts,
            self.accounts.saturating_sub(ok + failed),
            quantile(0.5),
            quantile(0.95),
            quantile(1.0),
        )?;
        writeln!(
            f,
            "\nevents refused: {}, accounts without an order: {}, with more than one: {}, \
             requests repeated in doubt: {}",
            self.lost_events, self.without_order, self.doubled, self.repeated
        )?;
        for wrong in self.wrong.iter().take(10) {
            writeln!(f, "wrong: {wrong}")?;
        }
        let word =
            if self.agrees() { "The ledgers agree for every account." } else { "The ledgers do not agree." };
        writeln!(f, "{word}")
    }
}
