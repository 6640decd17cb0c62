//! A status is told until PortaBilling takes it, however it wants it written; the latest word counts, the
//! same is not told twice, and several targets may stand behind one service.

use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::{Oms, Settings};
use punchdown_kit::portabilling::{Fault, StatusDoor, When};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{counted, folder, log, new_accounts, oms_adapter, stage, told, until};

const SOON: Duration = Duration::from_secs(20);
const FORM: &str = "application/x-www-form-urlencoded";

async fn running(oms: Settings, accounts: u64) -> Option<(TempDir, Stage)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, oms).await;
    stage.open_accounts(accounts);
    stage.start_host().await.expect("the host starts");
    Some((folder, stage))
}

async fn ends(stage: &Stage, i_account: u64, word: &str) {
    until(&format!("{i_account} is {word}"), SOON, async || {
        told(stage, i_account).last().is_some_and(|last| last == word)
    })
    .await;
}

fn posts(stage: &Stage) -> u64 {
    stage.billing.ledger().calls.get("espf/status").copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_in_another_form_is_told_in_that_from_then_on() {
    let Some((_folder, stage)) = running(Settings::default(), 2).await else { return };
    stage.billing.set_status_door(StatusDoor { content_type: Some(FORM), ..StatusDoor::default() });
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    ends(&stage, 1, "OK").await;
    let seen = stage.billing.final_status(1, "HSS").expect("a status");
    assert_eq!(seen.content_type, FORM);
    let (before, taken) = (posts(&stage), told(&stage, 1).len() as u64);
    assert_eq!(before, taken + 1, "the first was refused once");
    espf.emit("Account/New", json!({ "i_account": 2 }));
    ends(&stage, 2, "OK").await;
    assert_eq!(posts(&stage) - before, told(&stage, 2).len() as u64, "it is remembered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_not_taken_is_left_out() {
    let Some((_folder, stage)) = running(Settings { fail_share: 1.0, ..Settings::default() }, 1).await else {
        return;
    };
    let door = StatusDoor { content_type: Some(FORM), takes_messages: false, speaks_html: false };
    stage.billing.set_status_door(door);
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    ends(&stage, 1, "FAILED").await;
    let seen = stage.billing.final_status(1, "HSS").expect("a status");
    assert_eq!((seen.message, seen.content_type.as_str()), (None, FORM), "and both at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ended_is_renewed_once_for_a_status() {
    let Some((_folder, stage)) = running(Settings::default(), 1).await else { return };
    stage.oms.hold_completion(true);
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    ends(&stage, 1, "IN_PROGRESS").await;
    stage.billing.faults().expire_sessions();
    let before = posts(&stage);
    stage.oms.hold_completion(false);
    ends(&stage, 1, "OK").await;
    assert_eq!(stage.billing.ledger().logins, 2);
    assert_eq!(posts(&stage) - before, 2, "refused, and said once more");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_no_more_ends_its_telling_and_a_gateways_page_does_not() {
    let Some((_folder, stage)) = running(Settings::default(), 2).await else { return };
    stage.oms.hold_completion(true);
    let espf = stage.espf(0.0);
    new_accounts(&espf, 2);
    ends(&stage, 1, "IN_PROGRESS").await;
    ends(&stage, 2, "IN_PROGRESS").await;

    // Neither a 404 nor a 200 of something in front of PortaBilling is PortaBilling's.
    stage.billing.remove_account(1);
    stage.billing.set_status_door(StatusDoor { speaks_html: true, ..StatusDoor::default() });
    stage.oms.hold_completion(false);
    until("both are said in vain", SOON, async || log(&stage).matches("a page in HTML").count() >= 2).await;
    assert_eq!(counted(&stage, "punchdown_status_posts_total{status=\"OK\",result=\"taken\"}").await, 0);
    let waiting = "punchdown_statuses_waiting";
    assert_eq!(counted(&stage, waiting).await, 2);

    stage.billing.set_status_door(StatusDoor::default());
    ends(&stage, 2, "OK").await;
    until("the other is given up", SOON, async || counted(&stage, waiting).await == 0).await;
    assert_eq!(counted(&stage, "punchdown_status_posts_total{status=\"OK\",result=\"refused\"}").await, 1);
    assert!(log(&stage).contains("status given up"), "the note");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_word_counts_and_the_same_is_not_told_twice() {
    let Some((_folder, stage)) = running(Settings::default(), 1).await else { return };
    stage.billing.faults().strike_on("espf/status", Fault::StatusRefused(503), When::Next(1));
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    ends(&stage, 1, "OK").await;
    // By the time that the first is said again it is not what counts.
    assert!(told(&stage, 1).len() <= 2, "{:?}", told(&stage, 1));
    let before = told(&stage, 1);
    // One that finds everything as it should be has one word, and that was told.
    stage.billing.change_account(1, |account| account.bill_status = 'C');
    espf.emit("Account/Terminated", json!({ "i_account": 1 }));
    are_settled(&stage, 2).await;
    let after = told(&stage, 1);
    assert_eq!(after[before.len()..], ["IN_PROGRESS", "OK"], "it is taken away");
    espf.emit("Account/Terminated", json!({ "i_account": 1 }));
    are_settled(&stage, 3).await;
    assert_eq!(told(&stage, 1), after, "`OK` was the last word");
}

/// So many operations are done, and PortaBilling has heard of all.
async fn are_settled(stage: &Stage, count: u64) {
    let done = "punchdown_operations{group=\"HSS\",state=\"done\"}";
    until("all are done", SOON, async || counted(stage, done).await == count).await;
    until("all is told", SOON, async || counted(stage, "punchdown_statuses_waiting").await == 0).await;
}

/// Two systems make one service: what PortaBilling hears is `OK` when both have done their part.
#[tokio::test(flavor = "multi_thread")]
async fn several_targets_stand_behind_one_service() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let west = Oms::start(Settings::default()).await.expect("another order system");
    west.hold_completion(true);
    let section = format!(
        r#"
[groups.HSS-west]
service = "HSS"
adapter = "{}"
events = ["Account/**"]
target = {{ url = "{}" }}
config = {{ specification = "mobile-line", poll-seconds = 1 }}
"#,
        adapter.display(),
        west.url()
    );
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    std::fs::write(&stage.config, config + &section).expect("written");
    stage.open_accounts(2);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    until("the first has done its part", SOON, async || {
        counted(&stage, "punchdown_operations{group=\"HSS\",state=\"done\"}").await == 1
    })
    .await;
    until("it is told", SOON, async || counted(&stage, "punchdown_statuses_waiting").await == 0).await;
    assert_eq!(told(&stage, 1).last().map(String::as_str), Some("IN_PROGRESS"), "the other has not");
    west.hold_completion(false);
    ends(&stage, 1, "OK").await;

    west.set_fail_share(1.0);
    espf.emit("Account/New", json!({ "i_account": 2 }));
    ends(&stage, 2, "FAILED").await;
    assert_eq!(stage.oms.ledger().orders.len() + west.ledger().orders.len(), 4);
}
