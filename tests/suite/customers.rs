//! An event that names only a customer reaches every open account of it, and no other.

use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use punchdown_kit::portabilling::{Account, Fault, When};
use serde_json::json;

use crate::harness::{PROGRAM, counted, folder, oms_adapter, stage_of, told, until};

const SOON: Duration = Duration::from_secs(60);
const CUSTOMER: u64 = 77;
const LIST: &str = "Account/get_account_list";

fn accounts_of(stage: &Stage, i_customer: u64, accounts: impl Iterator<Item = u64>) {
    for i_account in accounts {
        stage.billing.put_account(Account { i_customer, ..Account::mobile(i_account) });
    }
}

async fn set(folder: &std::path::Path) -> Option<Stage> {
    let adapter = oms_adapter()?;
    let stage = stage_of(PROGRAM, folder, &adapter, Settings::default(), "", "poll-seconds = 2").await;
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let wanted = config.replace(r#"["Account/**"]"#, r#"["Account/**", "Customer/**"]"#);
    std::fs::write(&stage.config, wanted).expect("written");
    Some(stage)
}

fn is_ok(stage: &Stage, i_account: u64) -> bool {
    told(stage, i_account).last().is_some_and(|word| word == "OK")
}

/// More accounts than a page holds, PortaBilling away at first, and the host killed under way.
#[tokio::test(flavor = "multi_thread")]
async fn every_open_account_is_reached_once_and_a_crash_takes_nobody_along() {
    let folder = folder();
    let Some(mut stage) = set(folder.path()).await else { return };
    accounts_of(&stage, CUSTOMER, 1..=130);
    accounts_of(&stage, CUSTOMER + 1, 200..=202);
    stage.billing.change_account(130, |account| account.bill_status = 'C');
    stage.billing.faults().strike_on(LIST, Fault::Busy, When::Next(1));
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    espf.emit("Customer/Updated", json!({ "i_customer": CUSTOMER }));
    until("some are reached", SOON, async || (1..=129).any(|one| !told(&stage, one).is_empty())).await;
    stage.kill_host().await.expect("killed");
    stage.start_host().await.expect("the host starts again");
    until("OK for all", 3 * SOON, async || (1..=129).all(|one| is_ok(&stage, one))).await;
    until("the end", SOON, async || counted(&stage, "punchdown_fan_outs ").await == 0).await;
    assert_eq!(stage.oms.ledger().orders.len(), 129, "one order each");
    for untouched in [130, 200, 201, 202] {
        assert!(told(&stage, untouched).is_empty(), "{untouched} is closed, or another customer's");
    }
}

/// The accounts are closed before anybody is told that their customer is.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_of_closed_accounts_is_taken_away() {
    let folder = folder();
    let Some(mut stage) = set(folder.path()).await else { return };
    accounts_of(&stage, CUSTOMER, 1..=3);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("OK for the first", SOON, async || is_ok(&stage, 1)).await;
    for i_account in 1..=3 {
        stage.billing.change_account(i_account, |account| account.bill_status = 'C');
    }
    espf.emit("Customer/Status/Closed", json!({ "billing_entity_id": CUSTOMER.to_string() }));
    until("the service is taken away", SOON, async || stage.oms.ledger().orders.len() == 2).await;
    until("the end", SOON, async || counted(&stage, "punchdown_fan_outs ").await == 0).await;
    let finished = "punchdown_operations{group=\"HSS\",state=\"done\"} ";
    until("all are looked after", SOON, async || counted(&stage, finished).await == 4).await;
    assert_eq!(stage.oms.ledger().orders.len(), 2, "nothing stood of the others");
}
