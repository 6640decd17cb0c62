//! An adapter that stops at one account has that one parked; one that stops at all of them fails nobody: its group waits
//! until it answers again, or another one serves.

use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guests::guest;
use crate::harness::{
    DIES, PROGRAM, counted, folder, log, new_accounts, oms_adapter, rewrite, stage_of, told, until,
};
use crate::operators::{asked, operations, said};
use crate::reload::put;

const SOON: Duration = Duration::from_secs(30);
const HELD: &str = "punchdown_held{group=\"HSS\",by=\"adapter\"}";

async fn set(program: &str, accounts: u64, pause: &str) -> Option<(TempDir, Stage)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let own = folder.path().join("own.wasm");
    std::fs::copy(adapter, &own).expect("copied");
    let stage = stage_of(program, folder.path(), &own, Settings::default(), "", "poll-seconds = 1").await;
    let breaker = format!("breaker = {{ pause = \"{pause}\", pause-max = \"1h\" }}");
    rewrite(&stage, "breaker = { pause = \"200ms\", pause-max = \"1s\" }", &breaker);
    stage.open_accounts(accounts);
    Some((folder, stage))
}

/// The accounts at which the adapter stops from now on.
fn stops_at(stage: &Stage, accounts: impl Iterator<Item = u64>) {
    let text: String = accounts.map(|account| format!("stops {account}\n")).collect();
    put(&stage.directory.join("deadly"), text.as_bytes());
}

fn is_told(stage: &Stage, account: u64, word: &str) -> bool {
    told(stage, account).last().is_some_and(|last| last == word)
}

async fn all_are_well(stage: &Stage, accounts: u64) {
    until("OK for all", SOON, async || (1..=accounts).all(|account| is_told(stage, account, "OK"))).await;
}

/// Nobody was failed, at any moment.
fn nobody_failed(stage: &Stage, accounts: u64) {
    for account in 1..=accounts {
        assert!(!told(stage, account).contains(&"FAILED".to_owned()), "account {account}\n{}", log(stage));
    }
}

async fn opens(stage: &Stage) {
    until("the adapter's breaker opens", SOON, async || counted(stage, HELD).await == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stops_at_everybody_fails_nobody_and_another_one_goes_on_at_once() {
    let Some((folder, mut stage)) = set(PROGRAM, 20, "1h").await else { return };
    let (own, good) = (folder.path().join("own.wasm"), oms_adapter().expect("an adapter"));
    put(&own, &std::fs::read(guest(folder.path(), "traps")).expect("a guest"));
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 20);
    opens(&stage).await;
    let shown = asked(&stage, &["status"]).await["groups"]["HSS"]["adapter_breaker"].clone();
    assert_eq!(shown["code"], "adapter-broken", "{shown}");
    assert!(
        shown["why"].as_str().is_some_and(|why| why.contains("accounts and answered about none")),
        "{shown}"
    );
    assert!(!shown.to_string().contains("the profile table is empty"), "one subscriber's words: {shown}");
    let problems = said(&stage, &["status", "--problems"]).await;
    let problems = String::from_utf8_lossy(&problems.stdout).into_owned();
    assert!(problems.contains("group HSS: its adapter stops since "), "{problems}");
    assert!(log(&stage).contains("the adapter's breaker is open"), "{}", log(&stage));
    assert_eq!(operations(&stage, &["--problems"]).await, Vec::<Value>::new(), "nothing is parked");
    let waiting = |stage: &Stage| log(stage).matches("the adapter stopped; it is asked again").count();
    let stopped = waiting(&stage);

    // A restart asks a few of them again, and fails nobody either.
    stage.kill_host().await.expect("it dies");
    stage.start_host().await.expect("the host starts");
    opens(&stage).await;
    assert!(waiting(&stage) < stopped + 3 * 20, "{}", log(&stage));
    nobody_failed(&stage, 20);

    put(&own, &std::fs::read(good).expect("a component"));
    let output = said(&stage, &["reload"]).await;
    assert!(output.status.success(), "{output:?}");
    all_are_well(&stage, 20).await;
    assert_eq!(counted(&stage, HELD).await, 0);
    assert_eq!(asked(&stage, &["status"]).await["groups"]["HSS"]["adapter_breaker"], Value::Null);
    assert_eq!(stage.oms.ledger().orders.len(), 20, "one order an account");
    nobody_failed(&stage, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_that_it_stops_at_is_parked_and_nobody_waits_for_it() {
    let Some((_folder, mut stage)) = set(DIES, 9, "1h").await else { return };
    stops_at(&stage, [7].into_iter());
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 9);
    let ended =
        async || (1..=9).all(|account| is_told(&stage, account, if account == 7 { "FAILED" } else { "OK" }));
    until("each has its last word", SOON, ended).await;
    assert_eq!(counted(&stage, HELD).await, 0);
    let again = log(&stage).matches("the adapter stopped; it is asked again").count();
    assert_eq!(again, 3, "it was asked four times: {}", log(&stage));
    // Whoever comes after it is asked about in his turn.
    stops_at(&stage, std::iter::empty());
    espf.emit("Account/Updated", json!({ "i_account": 7 }));
    until("OK", SOON, async || is_told(&stage, 7, "OK")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_finds_that_it_answers_again_and_what_is_bad_is_parked_then() {
    let Some((_folder, mut stage)) = set(DIES, 12, "300ms").await else { return };
    stops_at(&stage, 1..=12);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 12);
    opens(&stage).await;
    until("a probe fails", SOON, async || log(&stage).contains("the adapter still stops")).await;
    nobody_failed(&stage, 12);
    // Of two it was right: their data are what it cannot bear.
    stops_at(&stage, [3, 4].into_iter());
    let ended = async || {
        (1..=12)
            .all(|account| is_told(&stage, account, if [3, 4].contains(&account) { "FAILED" } else { "OK" }))
    };
    until("each has its last word", SOON, ended).await;
    assert_eq!(counted(&stage, HELD).await, 0);
    let message = stage.billing.final_status(3, "HSS").and_then(|seen| seen.message).expect("a message");
    assert!(message.starts_with("adapter-broken: "), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_has_mended_it_lets_the_group_work_again() {
    let Some((_folder, mut stage)) = set(DIES, 6, "1h").await else { return };
    stops_at(&stage, 1..=6);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 6);
    opens(&stage).await;
    assert!(espf.drained(SOON).await, "events are taken all the while");
    stops_at(&stage, std::iter::empty());
    let resume = ["target", "resume", "HSS", "--who", "ann", "--why", "its limit was too low"];
    assert!(said(&stage, &resume).await.status.success());
    all_are_well(&stage, 6).await;
    nobody_failed(&stage, 6);
    assert!(log(&stage).contains("the adapter's breaker is closed"), "{}", log(&stage));
}
