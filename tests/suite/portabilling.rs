//! PortaBilling as it really answers: one session for all workers, faults that are all HTTP 500,
//! accounts that are not there.

mod documents;
mod faults;
mod ways;

use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use punchdown_kit::portabilling::{Fault, When};
use serde_json::Value;

use crate::harness::{
    PROGRAM, counted, folder, new_accounts, oms_adapter, stage, told, until, with_settings,
};
use crate::operators::operations;

const SOON: Duration = Duration::from_secs(20);

fn is_ok(word: Option<&String>) -> bool {
    word.is_some_and(|word| word == "OK")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_serves_all_workers_and_a_dead_one_is_renewed_once() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.open_accounts(30);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 15);
    until("OK for the first", SOON, async || (1..=15).all(|one| is_ok(told(&stage, one).last()))).await;
    assert_eq!(stage.billing.ledger().logins, 1, "fifteen operations, one log-in");

    stage.billing.faults().expire_sessions();
    for i_account in 16..=30 {
        espf.emit("Account/New", serde_json::json!({ "i_account": i_account }));
    }
    until("OK for the others", SOON, async || (16..=30).all(|one| is_ok(told(&stage, one).last()))).await;
    assert_eq!(stage.billing.ledger().logins, 2, "a dead session costs one log-in");
}

/// All that read at the same time are held there, so each has made its call who may.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_calls_are_out_at_a_time_than_portabilling_takes() {
    const INFO: &str = "Account/get_account_info";
    let Some(adapter) = oms_adapter() else { return };
    for (setting, most) in [("", 16), ("concurrency = 3", 3)] {
        let folder = folder();
        let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
        // Whoever is held longer than that gives up, and comes again.
        with_settings(&stage, "portabilling", &format!("timeout = \"15s\"\n{setting}"));
        stage.open_accounts(60);
        stage.billing.faults().hold(&[INFO]);
        stage.start_host().await.expect("the host starts");
        let espf = stage.espf(0.0);
        new_accounts(&espf, 60);
        // As many as the target's `concurrency` lets move want to read, which are more.
        until("all who may move want to read", SOON, async || {
            let list = operations(&stage, &["--limit", "100"]).await;
            list.iter().filter(|operation| operation["state"] == "querying").count() == 32
        })
        .await;
        until("and those who may do", SOON, async || stage.billing.ledger().under_way == most).await;
        stage.billing.faults().hold(&[]);
        until("OK for all", SOON, async || (1..=60).all(|one| is_ok(told(&stage, one).last()))).await;
        assert_eq!(stage.billing.ledger().most_under_way, most, "`{setting}`");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_portabillings_answer_is_asked_again() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.open_accounts(1);
    let faults = stage.billing.faults();
    for fault in [Fault::Busy, Fault::HtmlPage, Fault::EmptyAnswer, Fault::HangUp] {
        faults.strike_on("Account/get_account_info", fault, When::Next(1));
    }
    faults.strike_on("espf/status", Fault::StatusRefused(503), When::Next(1));
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    until("OK at last", SOON, async || is_ok(told(&stage, 1).last())).await;
    assert_eq!(stage.billing.ledger().calls["Account/get_account_info"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_log_in_is_not_hammered_and_fails_no_operation() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.open_accounts(10);
    stage.billing.faults().strike_on("Session/login", Fault::LoginLockedOut, When::Share(1.0));
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 10);
    assert!(espf.drained(SOON).await, "events are taken all the same");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        stage.billing.ledger().calls["Session/login"],
        1,
        "a lock-out is not answered by another log-in"
    );
    let status = tokio::process::Command::new(PROGRAM)
        .args(["status", "-o", "json", "--config"])
        .arg(&stage.config)
        .output()
        .await
        .expect("it runs");
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(status["groups"]["HSS"]["operations"], serde_json::json!({ "held": 10 }), "they wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_merely_absent_is_parked_and_nothing_is_removed() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    let log = stage.log();
    until("parked", SOON, async || {
        std::fs::read_to_string(&log)
            .is_ok_and(|log| log.contains("account-absent") && log.contains("\"parked\""))
    })
    .await;
    assert_eq!(
        stage.billing.ledger().calls["Account/get_account_info"],
        4,
        "it is read again before it is believed"
    );
    assert!(stage.oms.ledger().orders.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_of_an_absent_account_goes_when_a_closing_event_says_so_and_not_before() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.open_accounts(2);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    let closed = |i_account: u64| {
        espf.emit("Account/Status/Closed", serde_json::json!({ "i_account": i_account }));
    };
    let orders = || {
        let orders = stage.oms.ledger().orders.into_iter();
        orders.map(|order| (order.action.unwrap_or_default(), order.state)).collect::<Vec<_>>()
    };
    let are = |expected: &[(&str, &str)]| {
        orders().iter().map(|(action, state)| (&**action, &**state)).eq(expected.iter().copied())
    };
    espf.emit("Account/New", serde_json::json!({ "i_account": 1 }));
    until("OK", SOON, async || is_ok(told(&stage, 1).last())).await;

    stage.billing.remove_account(1);
    espf.emit("Account/Blocked", serde_json::json!({ "i_account": 1 }));
    let parked = "punchdown_operations{group=\"HSS\",state=\"parked\"}";
    until("it is parked", SOON, async || counted(&stage, parked).await == 1).await;
    assert!(are(&[("add", "completed")]), "nothing is taken away: {:?}", orders());
    closed(1);
    until("the service is taken away", SOON, async || are(&[("add", "completed"), ("delete", "completed")]))
        .await;
    until("what was parked made room", SOON, async || counted(&stage, parked).await == 0).await;

    // What was ordered and is not done yet is called back.
    stage.oms.hold_completion(true);
    espf.emit("Account/New", serde_json::json!({ "i_account": 2 }));
    until("the order is open", SOON, async || stage.oms.waiting() == 1).await;
    stage.billing.remove_account(2);
    closed(2);
    until("the order is cancelled", SOON, async || {
        are(&[("add", "completed"), ("delete", "completed"), ("add", "cancelled")])
    })
    .await;
    let done = "punchdown_operations{group=\"HSS\",state=\"done\"}";
    until("all is done", SOON, async || counted(&stage, done).await == 3).await;
    assert_eq!(orders().len(), 3, "{:?}", orders());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_not_answered_in_time_is_looked_up() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.open_accounts(1);
    stage.oms.hold_answers(true);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    until("OK", SOON, async || is_ok(told(&stage, 1).last())).await;
    assert_eq!(stage.oms.ledger().orders.len(), 1);
    assert!(stage.oms.ledger().requests.contains_key("GET /serviceOrder"), "the order was looked for");
}

/// Another group that is a copy of the first, and reports for another service.
fn second_group(stage: &Stage, name: &str) {
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let first = config.split_once("[groups.HSS]").expect("a group").1;
    let first = first.split("[groups.HSS.notify]").next().expect("its beginning");
    let copy = format!("{first}[groups.HSS.config]\nspecification = \"mobile-line\"\npoll-seconds = 1\n");
    let copy = copy.replace("[groups.HSS.", &format!("[groups.{name}."));
    std::fs::write(&stage.config, format!("{config}\n[groups.{name}]{copy}")).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_groups_of_an_account_share_a_reading_but_not_an_older_one_than_their_event() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    second_group(&stage, "PCRF");
    stage.open_accounts(20);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 20);
    let both = |i_account| {
        ["HSS", "PCRF"]
            .iter()
            .all(|group| stage.billing.final_status(i_account, group).is_some_and(|seen| seen.status == "OK"))
    };
    until("OK for all, in both groups", SOON, async || (1..=20).all(both)).await;
    let read = || stage.billing.ledger().calls["Account/get_account_info"];
    let first = read();
    assert!((20..40).contains(&first), "{first} readings of 20 accounts in two groups");

    // Well within the five seconds in which a reading serves others.
    for i_account in 1..=20 {
        stage.billing.change_account(i_account, |account| account.blocked = true);
        espf.emit("Account/Blocked", serde_json::json!({ "i_account": i_account }));
    }
    let ordered = |state: &str| {
        let orders = stage.oms.ledger().orders;
        let of_state =
            orders.iter().filter(|order| order.body["serviceOrderItem"][0]["service"]["state"] == *state);
        of_state.count()
    };
    until("a second order for each", SOON, async || stage.oms.ledger().orders.len() == 80).await;
    assert_eq!((ordered("active"), ordered("inactive")), (40, 40), "all forty are suspended");
    assert!(read() >= first + 20, "each newer event had a newer reading");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_group_that_portabilling_does_not_know_is_warned_of_and_holds_up_nothing() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    second_group(&stage, "Fibre");
    stage.open_accounts(1);
    let faults = stage.billing.faults();
    for fault in [Fault::Busy, Fault::HtmlPage] {
        faults.strike_on("espf/groups", fault, When::Next(1));
    }
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    until("OK", SOON, async || is_ok(told(&stage, 1).last())).await;
    let log = stage.log();
    until("the warning", SOON, async || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        log.lines().any(|line| line.contains("knows no such service group") && line.contains("\"Fibre\""))
    })
    .await;
    let log = std::fs::read_to_string(&log).expect("a log");
    assert_eq!(log.matches("knows no such service group").count(), 1, "HSS is known");
    assert_eq!(stage.billing.ledger().calls["espf/groups"], 3, "asked until it was answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_not_to_be_had_hold_up_the_account_alone() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    with_settings(&stage, "portabilling", "queries.sim_card.method = \"SIMCard/get_no_such_list\"");
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    until("FAILED", SOON, async || told(&stage, 1) == ["FAILED"]).await;
    let said = stage.billing.final_status(1, "HSS").and_then(|seen| seen.message).unwrap_or_default();
    assert!(said.contains("SIMCard/get_no_such_list") && said.contains("unknown_method"), "{said}");
}
