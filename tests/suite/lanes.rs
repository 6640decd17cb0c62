//! One account in one group: the oldest operation moves, and makes room when it must.

use std::time::Duration;

use punchdown_kit::oms::{Manners, Settings};
use serde_json::json;

use crate::harness::{PROGRAM, folder, new_accounts, oms_adapter, stage, stage_of, told, until};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_block_does_not_wait_for_the_open_order_and_an_update_does() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let oms =
        Settings { manners: Manners { loses_notice: 1.0, ..Manners::default() }, ..Settings::default() };
    let mut stage = stage_of(PROGRAM, folder.path(), &adapter, oms, "", "poll-seconds = 3600").await;
    stage.oms.hold_completion(true);
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    until("the order is open", SOON, async || stage.oms.waiting() == 1).await;

    espf.emit("Account/Product/Changed", json!({ "i_account": 1 }));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(stage.oms.ledger().orders.len(), 1, "an update waits for the open order");

    stage.billing.change_account(1, |account| account.blocked = true);
    espf.emit("Account/Blocked", json!({ "i_account": 1 }));
    // The wait would have lasted an hour.
    until("the open order is cancelled", SOON, async || {
        stage.oms.ledger().orders.first().is_some_and(|order| order.state == "cancelled")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_updates_makes_one_order_more() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.oms.hold_completion(true);
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    until("the order is open", SOON, async || stage.oms.waiting() == 1).await;

    for _ in 0..100 {
        espf.emit("Account/Product/Changed", json!({ "i_account": 1 }));
    }
    assert!(espf.drained(SOON).await, "all are stored");
    stage.oms.hold_completion(false);
    until("the storm is over", SOON, async || {
        let orders = stage.oms.ledger().orders;
        orders.len() > 1 && orders.iter().all(|order| order.state == "completed")
    })
    .await;
    until("OK", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let orders = stage.oms.ledger().orders.len();
    assert!(orders <= 3, "{orders} orders for a hundred updates");
}
