//! Nobody ran for a while: what waited has as much time left as it had, nobody is told that it failed,
//! and those who want to look for news do not keep others from being served. A deadline that does come is
//! told, and a success after it is taken, and marked.

use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{PROGRAM, counted, folder, log, new_accounts, oms_adapter, stage_of, told, until};

const SOON: Duration = Duration::from_secs(30);

async fn running(group: &str, adapter_config: &str, accounts: u64) -> Option<(TempDir, Stage)> {
    let component = oms_adapter()?;
    let folder = folder();
    let oms = Settings::default();
    let mut stage = stage_of(PROGRAM, folder.path(), &component, oms, group, adapter_config).await;
    stage.open_accounts(accounts);
    stage.oms.hold_completion(true);
    stage.start_host().await.expect("the host starts");
    Some((folder, stage))
}

async fn all_in_progress(stage: &Stage, accounts: u64) {
    until("all are in progress", SOON, async || {
        (1..=accounts)
            .all(|i_account| told(stage, i_account).last().is_some_and(|word| word == "IN_PROGRESS"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_that_nobody_ran_burns_no_deadline() {
    let Some((_folder, mut stage)) = running("deadline = \"20s\"", "poll-seconds = 1", 5).await else {
        return;
    };
    let espf = stage.espf(0.0);
    new_accounts(&espf, 5);
    all_in_progress(&stage, 5).await;
    stage.stop_host().await.expect("it stops");
    tokio::time::sleep(Duration::from_secs(23)).await;
    stage.start_host().await.expect("the host starts");
    // Everybody looks, and sees an open order.
    until("all have looked", SOON, async || {
        stage.oms.ledger().requests.get("GET /serviceOrder/{id}").is_some_and(|looks| *looks >= 10)
    })
    .await;
    stage.oms.hold_completion(false);
    until("all are OK", SOON, async || {
        (1..=5).all(|i_account| told(&stage, i_account).last().is_some_and(|word| word == "OK"))
    })
    .await;
    for i_account in 1..=5 {
        assert_eq!(told(&stage, i_account), ["IN_PROGRESS", "OK"], "account {i_account}");
    }
    assert!(log(&stage).contains("nobody ran for a while"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_long_night_a_new_event_does_not_wait_for_a_hundred_looks() {
    let narrow = "poll-seconds = 2";
    let Some((_folder, mut stage)) = running("", narrow, 61).await else { return };
    let espf = stage.espf(0.0);
    new_accounts(&espf, 60);
    all_in_progress(&stage, 60).await;
    stage.stop_host().await.expect("it stops");
    // From now on the system is slow, and does two things at a time.
    stage.oms.set_answer_after(Duration::from_millis(250));
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    std::fs::write(&stage.config, config.replace("concurrency = 32", "concurrency = 2")).expect("written");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = looks(&stage);
    espf.emit("Account/New", json!({ "i_account": 61 }));
    stage.start_host().await.expect("the host starts");
    until("it is ordered", SOON, async || stage.oms.ledger().orders.len() == 61).await;
    let looks = looks(&stage) - before;
    assert!(looks < 40, "{looks} looks came first");
    stage.oms.set_answer_after(Duration::ZERO);
    stage.oms.hold_completion(false);
    until("all are OK", SOON, async || {
        (1..=61).all(|i_account| told(&stage, i_account).last().is_some_and(|word| word == "OK"))
    })
    .await;
}

fn looks(stage: &Stage) -> u64 {
    stage.oms.ledger().requests.get("GET /serviceOrder/{id}").copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_told_in_the_groups_own_word_and_a_late_success_is_taken_and_marked() {
    let Some((_folder, stage)) = running("deadline = \"10s\"\non-deadline = \"FAILED\"", "", 1).await else {
        return;
    };
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    until("the deadline is told", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "FAILED"))
        .await;
    let said = stage.billing.final_status(1, "HSS").and_then(|seen| seen.message).expect("a message");
    assert_eq!(said, "no end was heard of within 10 s");
    stage.oms.hold_completion(false);
    until("the late success is told", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK"))
        .await;
    let said = stage.billing.final_status(1, "HSS").and_then(|seen| seen.message).expect("a message");
    assert!(said.starts_with("late: after the deadline of 10 s"), "{said}");
    assert_eq!(told(&stage, 1), ["IN_PROGRESS", "FAILED", "OK"]);
    assert_eq!(counted(&stage, "punchdown_late_total{group=\"HSS\"}").await, 1);
}
