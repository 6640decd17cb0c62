//! Compares what the neighbours saw: the events that were sent, the orders that were made, and
//! the statuses that PortaBilling was told.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use punchdown_kit::espf::{Espf, State};
use punchdown_kit::oms::OrderSeen;
use punchdown_kit::portabilling::{Account, StatusSeen};

use crate::cli::stage::Stage;

const GROUP: &str = "HSS";

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
    wrong: Vec<String>,
}

impl Verdict {
    /// Accounts whose event was acknowledged, and for which nothing was ever ordered.
    pub fn without_order(&self) -> u64 {
        self.without_order
    }

    pub fn agrees(&self) -> bool {
        self.is_settled()
            && self.wrong.is_empty()
            && self.lost_events + self.without_order + self.doubled == 0
    }

    pub fn is_settled(&self) -> bool {
        self.unfinished == 0
    }
}

pub fn judge(stage: &Stage, espf: &Espf, accounts: u64) -> Verdict {
    let mut verdict = Verdict { accounts, ..Verdict::default() };
    let mut orders: BTreeMap<String, Vec<OrderSeen>> = BTreeMap::new();
    for order in stage.oms.ledger().orders {
        orders.entry(order.account.clone().unwrap_or_default()).or_default().push(order);
    }
    for event in espf.ledger().events {
        if event.state == State::Discarded {
            verdict.lost_events += 1;
        }
        let Some(i_account) = event.i_account else { continue };
        let account = Account::mobile(i_account);
        let mut of_account = orders.remove(&account.id).unwrap_or_default();
        of_account.extend(orders.remove(&i_account.to_string()).unwrap_or_default());
        let told = stage.billing.final_status(i_account, GROUP);
        verdict.account(i_account, &of_account, told.as_ref());
        if let Some(told) = told.filter(|told| told.status == "OK") {
            verdict.times_to_ok.push(told.at.duration_since(event.emitted_at).unwrap_or_default());
        }
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
                let expected = if order.state == "completed" { "OK" } else { "FAILED" };
                if status != expected {
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
            "\nevents refused: {}, accounts without an order: {}, with more than one: {}",
            self.lost_events, self.without_order, self.doubled
        )?;
        for wrong in self.wrong.iter().take(10) {
            writeln!(f, "wrong: {wrong}")?;
        }
        let word =
            if self.agrees() { "The ledgers agree for every account." } else { "The ledgers do not agree." };
        writeln!(f, "{word}")
    }
}
