//! The main job, as the manual tells it: an event comes in, an order goes out, a notification
//! comes an hour later, and the right status stands in PortaBilling.

use std::time::Duration;

use punchdown_kit::oms::{Manners, Misdeed, Settings};
use serde_json::json;

use crate::harness::{PROGRAM, folder, new_accounts, oms_adapter, rewrite, stage, stage_of, told, until};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn account_189_is_provisioned_as_the_manual_tells_it() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.open_accounts(189);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);

    espf.emit("Account/New", json!({ "i_account": 189 }));
    until("OK for account 189", SOON, async || told(&stage, 189).last().is_some_and(|word| word == "OK"))
        .await;

    assert_eq!(told(&stage, 189), ["IN_PROGRESS", "OK"]);
    let orders = stage.oms.ledger().orders;
    assert_eq!(orders.len(), 1);
    let external_id = orders[0].external_id.clone().expect("an externalId");
    assert_eq!(external_id.len(), 26, "the operation's id is a ULID: {external_id}");
    let keys = stage.oms.ledger().idempotency_keys;
    let (key, times) = keys.first_key_value().expect("an idempotency key");
    assert!(key.starts_with(&external_id) && *times == 1, "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_order_is_told_with_its_reason() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings { fail_share: 1.0, ..Settings::default() }).await;
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");

    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("FAILED", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "FAILED")).await;

    let reason = stage.oms.ledger().orders[0].error.clone().expect("the OMS says why");
    let message = stage.billing.final_status(1, "HSS").and_then(|seen| seen.message).expect("a message");
    assert!(message.contains(&reason), "PortaBilling is told `{message}`, the OMS said `{reason}`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_looked_up_and_not_ordered_again() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let manners = Manners { loses_answer: 1.0, ..Manners::default() };
    let mut stage = stage(folder.path(), &adapter, Settings { manners, ..Settings::default() }).await;
    stage.open_accounts(10);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 10);

    until("OK for all", SOON, async || {
        (1..=10).all(|i_account| told(&stage, i_account).last().is_some_and(|word| word == "OK"))
    })
    .await;
    assert_eq!(stage.oms.ledger().orders.len(), 10, "one order an account");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_notice_the_order_is_polled() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let manners = Manners { loses_notice: 1.0, ..Manners::default() };
    let oms = Settings { manners, ..Settings::default() };
    let mut stage = stage_of(PROGRAM, folder.path(), &adapter, oms, "", "poll-seconds = 1").await;
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");

    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("OK by polling", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;
    assert_eq!(stage.oms.ledger().orders[0].notices_sent, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_that_come_early_or_late_or_twice_do_no_harm() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let manners = Manners { early_notice: 0.5, repeats_notice: 1.0, late_notice: 1.0, ..Manners::default() };
    let oms = Settings { manners, ..Settings::default() };
    // Polling would hide a lost notice.
    let mut stage = stage_of(PROGRAM, folder.path(), &adapter, oms, "", "poll-seconds = 3600").await;
    stage.open_accounts(20);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 20);

    until("OK for all", SOON, async || {
        (1..=20).all(|i_account| told(&stage, i_account).last().is_some_and(|word| word == "OK"))
    })
    .await;
    // Two notices and a late one of each order, each twice.
    until("the late ones are taken, too", SOON, async || {
        stage.oms.ledger().orders.iter().all(|order| order.notices_accepted == 6)
    })
    .await;
    until("nothing is to be read or told", SOON, async || {
        let status = stage.status().await.expect("the host answers");
        status["notifications_unread"] == 0 && status["statuses_waiting"] == 0
    })
    .await;
    let misdeeds = stage.oms.ledger().misdeeds;
    assert_eq!(misdeeds[&Misdeed::NoticeLate], 20);
    assert!(misdeeds.contains_key(&Misdeed::NoticeEarly), "{misdeeds:?}");
    for i_account in 1..=20 {
        let words = told(&stage, i_account);
        assert!(words.len() <= 2, "account {i_account} heard {words:?}");
        assert!(words.ends_with(&["OK".to_owned()]), "account {i_account} heard {words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_system_is_asked_again_and_portabilling_hears_of_it() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let manners = Manners { busy: 1.0, ..Manners::default() };
    let mut stage = stage(folder.path(), &adapter, Settings { manners, ..Settings::default() }).await;
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");

    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("RETRY", SOON, async || told(&stage, 1).contains(&"RETRY".to_owned())).await;
    stage.oms.set_manners(Manners::default());
    until("OK", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;
    assert_eq!(stage.oms.ledger().orders.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soft_stop_finishes_the_steps_under_way_and_keeps_the_rest() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    // Notices that come while no host runs are lost, so the orders are polled.
    let mut stage =
        stage_of(PROGRAM, folder.path(), &adapter, Settings::default(), "", "poll-seconds = 1").await;
    // However long its answer is held.
    rewrite(&stage, "timeout = \"5s\"", "timeout = \"40s\"");
    stage.open_accounts(40);
    stage.oms.hold_answers(true);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 40);
    until("requests are out", SOON, async || stage.oms.unanswered() >= 20).await;
    assert!(espf.drained(SOON).await, "every event is stored");

    let oms = stage.oms.clone();
    let release = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        oms.hold_answers(false);
    });
    let status = stage.stop_host().await.expect("the host stops");
    release.await.expect("released");
    assert!(status.success(), "{status}");
    let ordered = stage.oms.ledger().orders.len();
    assert!(ordered < 40, "the rest is kept for the next start");

    stage.start_host().await.expect("the host starts again");
    until("OK for all", SOON, async || {
        (1..=40).all(|i_account| told(&stage, i_account).last().is_some_and(|word| word == "OK"))
    })
    .await;
    assert_eq!(stage.oms.ledger().orders.len(), 40);
    let looks =
        stage.oms.ledger().requests.keys().filter(|request| request.as_str() == "GET /serviceOrder").count();
    assert_eq!(looks, 0, "no answer was lost, so nothing had to be looked up");
}
