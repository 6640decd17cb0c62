//! A target that answers nobody is left in peace; a group that is paused keeps taking work in.

use std::process::Command;
use std::time::Duration;

use punchdown::cli::stage::{OMS_TOKEN, Stage};
use punchdown_kit::front::{Demand, Front};
use punchdown_kit::oms::Settings;
use serde_json::{Value, json};

use crate::harness::{
    PROGRAM, counted, folder, front, new_accounts, oms_adapter, rewrite, stage, stage_of, told, until,
    with_settings,
};

const SOON: Duration = Duration::from_secs(20);
const BY_BREAKER: &str = "punchdown_held{group=\"HSS\",by=\"breaker\"}";
const BY_PAUSE: &str = "punchdown_held{group=\"HSS\",by=\"paused\"}";

fn operations(state: &str) -> String {
    format!("punchdown_operations{{group=\"HSS\",state=\"{state}\"}}")
}

/// A front that is silent, and a breaker that opens after three.
async fn silent(stage: &Stage, pause: &str) -> Front {
    let breaker = format!("breaker = {{ failures = 3, pause = \"{pause}\", pause-max = \"1h\" }}");
    rewrite(stage, "breaker = { pause = \"200ms\", pause-max = \"1s\" }", &breaker);
    front(stage, Demand::Silence).await
}

fn status(stage: &Stage, output: &str) -> String {
    let mut command = Command::new(PROGRAM);
    let asked = command.args(["status", "-o", output, "--config"]).arg(&stage.config).output();
    String::from_utf8(asked.expect("it runs").stdout).expect("text")
}

fn lines(stage: &Stage, words: &str) -> usize {
    std::fs::read_to_string(stage.log()).expect("a log").matches(words).count()
}

fn all_ok(stage: &Stage, accounts: std::ops::RangeInclusive<u64>) -> bool {
    accounts.into_iter().all(|i_account| told(stage, i_account).last().is_some_and(|word| word == "OK"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_begins_no_storm_over_a_target_that_answers_nobody() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let front = silent(&stage, "1h").await;
    stage.open_accounts(30);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 20);
    until("the breaker opens", SOON, async || counted(&stage, BY_BREAKER).await == 1).await;
    until("all are held back", SOON, async || counted(&stage, &operations("held")).await == 20).await;
    let asked = front.ledger().unanswered;
    // Twenty orders at most, and a look of each of the two that failed before it opened.
    assert!((3..=22).contains(&asked), "{asked} requests");

    stage.kill_host().await.expect("killed");
    // Now it would answer, and nobody may know.
    front.demand(Demand::Bearer(OMS_TOKEN.to_owned()));
    stage.start_host().await.expect("the host starts");
    for i_account in 21..=30 {
        espf.emit("Account/New", json!({ "i_account": i_account }));
    }
    assert!(espf.drained(SOON).await, "events are taken all the time");
    until("the new ones are held, too", SOON, async || counted(&stage, &operations("held")).await == 30)
        .await;
    assert_eq!(counted(&stage, BY_BREAKER).await, 1, "it is open as before");
    assert_eq!((front.ledger().passed, front.ledger().unanswered), (0, asked), "nothing has left");

    let shown: Value = serde_json::from_str(&status(&stage, "json")).expect("JSON");
    let breaker = &shown["groups"]["HSS"]["breaker"];
    assert_eq!(breaker["code"], "target-silent", "{shown}");
    assert!(breaker["open_since"].as_str() < breaker["probe_at"].as_str(), "{shown}");
    assert!(status(&stage, "text").contains("breaker open       since "), "{}", status(&stage, "text"));
    assert!((1..=30).all(|i_account| !told(&stage, i_account).contains(&"FAILED".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_finds_that_the_target_is_there_again() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let oms = Settings::default();
    let mut stage = stage_of(PROGRAM, folder.path(), &adapter, oms, "", "poll-seconds = 1").await;
    let front = silent(&stage, "500ms").await;
    stage.open_accounts(20);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 20);
    until("a probe fails", SOON, async || lines(&stage, "a probe failed") >= 1).await;
    front.demand(Demand::Bearer(OMS_TOKEN.to_owned()));
    until("OK for all", SOON, async || all_ok(&stage, 1..=20)).await;
    assert_eq!(counted(&stage, BY_BREAKER).await, 0);
    assert_eq!((lines(&stage, "the breaker is open"), lines(&stage, "the breaker is closed")), (1, 1));
    assert_eq!(stage.oms.ledger().orders.len(), 20, "one order an account");
    let shown: Value = serde_json::from_str(&status(&stage, "json")).expect("JSON");
    assert_eq!(shown["groups"]["HSS"]["breaker"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_group_keeps_taking_work_in() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.oms.hold_completion(true);
    stage.open_accounts(10);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 5);
    until("five orders are open", SOON, async || {
        stage.oms.waiting() == 5 && counted(&stage, &operations("awaiting-notification")).await == 5
    })
    .await;
    stage.stop_host().await.expect("it stops");

    with_settings(&stage, "groups.HSS", "paused = true");
    stage.start_host().await.expect("the host starts");
    let requests: u64 = stage.oms.ledger().requests.values().sum();
    for i_account in 6..=10 {
        espf.emit("Account/New", json!({ "i_account": i_account }));
    }
    assert!(espf.drained(SOON).await, "events are taken");
    stage.oms.hold_completion(false);
    until("the notifications are read", SOON, async || {
        counted(&stage, "punchdown_notifications_total{group=\"HSS\",result=\"read\"}").await >= 5
    })
    .await;
    assert_eq!(counted(&stage, BY_PAUSE).await, 1);
    assert_eq!(counted(&stage, &operations("received")).await, 5, "unstarted");
    assert_eq!(counted(&stage, &operations("done")).await, 0, "what they say is taken later");
    assert_eq!(stage.oms.ledger().requests.values().sum::<u64>(), requests, "nothing was sent");
    assert!(status(&stage, "text").contains("group HSS (paused)"), "{}", status(&stage, "text"));
    stage.stop_host().await.expect("it stops");

    rewrite(&stage, "paused = true", "");
    stage.start_host().await.expect("the host starts");
    until("OK for all", SOON, async || all_ok(&stage, 1..=10)).await;
    assert_eq!(stage.oms.ledger().orders.len(), 10, "one order an account");
}
