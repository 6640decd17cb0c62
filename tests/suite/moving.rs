//! A running installation moves from a directory into PostgreSQL, and back, with work of every kind in flight: all of it
//! ends as it would have, and nothing is sent twice.

use std::path::Path;
use std::time::Duration;

use punchdown::cli::judge::judge;
use punchdown::cli::stage::{Setting, Stage};
use punchdown_kit::espf::Espf;
use punchdown_kit::oms::{Manners, Odd, Settings};
use punchdown_kit::portabilling::{Fault, When};
use punchdown_tests::rounds::moves;
use serde_json::{Value, json};

use crate::database::shared;
use crate::harness::{PROGRAM, folder, oms_adapter, told, until};
use crate::notifications::{SECRET, post, signed};
use crate::operators::{asked, operations, said};

const SOON: Duration = Duration::from_secs(30);
const INFO: &str = "Account/get_account_info";

const DONE: u64 = 1;
const WAITING: u64 = 2;
const IN_DOUBT: u64 = 3;
const RETRYING: u64 = 4;
const PARKED: u64 = 5;
const UNREAD: u64 = 6;
const ALL: u64 = 6;

async fn stage_in(folder: &Path, adapter: &Path) -> Stage {
    Stage::set(Setting {
        directory: folder.to_owned(),
        program: PROGRAM.into(),
        adapter: adapter.to_owned(),
        adapter_config: "specification = \"mobile-line\"\npoll-seconds = 1",
        group_settings: "",
        target_settings: "concurrency = 32\ntimeout = \"30s\"\nretry = [\"200ms\", \"2s\"]\nbreaker = { failures = 1000 }",
        oms: Settings::default(),
        system: None,
    })
    .await
    .expect("the stage is set")
}

fn begins(espf: &Espf, i_account: u64) {
    espf.emit("Account/New", json!({ "i_account": i_account }));
}

async fn is_told(stage: &Stage, i_account: u64, word: &str) {
    until(&format!("{i_account} is {word}"), SOON, async || {
        told(stage, i_account).last().is_some_and(|last| last == word)
    })
    .await;
}

async fn stands(stage: &Stage, i_account: u64, state: &str) {
    until(&format!("{i_account} is {state}"), SOON, async || {
        let of_account = operations(stage, &["--account", &i_account.to_string()]).await;
        of_account.first().is_some_and(|operation| operation["state"] == state)
    })
    .await;
}

/// Brings an account into each of the states in which work can be, and a notice for nobody who is known.
async fn bring_about(stage: &Stage, espf: &Espf) {
    begins(espf, DONE);
    is_told(stage, DONE, "OK").await;
    stage.oms.answer_next(Odd::ErrorInSuccess);
    begins(espf, PARKED);
    is_told(stage, PARKED, "FAILED").await;
    stage.oms.hold_completion(true);
    begins(espf, WAITING);
    stands(stage, WAITING, "awaiting-notification").await;
    stage.oms.hold_answers(true);
    begins(espf, IN_DOUBT);
    until("its request is out", SOON, async || stage.oms.unanswered() == 1).await;
    stage.oms.set_manners(Manners { busy: 1.0, ..Manners::default() });
    begins(espf, RETRYING);
    stands(stage, RETRYING, "retrying").await;
    stage.billing.faults().strike_account(UNREAD, INFO, Fault::Busy, When::Share(1.0));
    begins(espf, UNREAD);
    assert!(espf.drained(SOON).await, "all are stored");
    let notice = json!({ "eventId": "n-1", "event": { "serviceOrder": {
        "id": "nobody's", "state": "completed",
        "serviceOrderItem": [{ "id": "1", "action": "add", "state": "completed" }],
    } } });
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let notice = notice.to_string();
    let sent = signed(post(stage, &client, &notice), &notice, SECRET).send().await.expect("an answer");
    assert!(sent.status().is_success());
    assert_eq!(kept_signals(stage).await, 1);
}

async fn kept_signals(stage: &Stage) -> u64 {
    stage.status().await.expect("it answers")["signals_unmatched"].as_u64().expect("a number")
}

fn all_is_well_again(stage: &Stage) {
    stage.billing.faults().clear();
    stage.oms.set_manners(Manners::default());
    stage.oms.hold_answers(false);
    stage.oms.hold_completion(false);
}

async fn moved(stage: &Stage, arguments: &[&str]) -> Value {
    asked(stage, &[&["journal"], arguments].concat()).await
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ASCII")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_killed_in_the_middle_goes_on_over_postgresql_and_comes_back() {
    let (Some(cluster), Some(adapter), folder) = (shared(), oms_adapter(), folder()) else { return };
    let mut stage = stage_in(folder.path(), &adapter).await;
    stage.open_accounts(ALL);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    bring_about(&stage, &espf).await;
    let file = folder.path().join("moved");
    let running = said(&stage, &["journal", "export", text(&file)]).await;
    assert!(String::from_utf8_lossy(&running.stderr).contains("error[E0501]"), "a host runs");
    stage.kill_host().await.expect("killed");

    let out = moved(&stage, &["export", text(&file)]).await;
    assert_eq!((&out["events"], &out["open_operations"]), (&json!(ALL), &json!(ALL - 1)));
    let directory = std::fs::read_to_string(&stage.config).expect("a configuration");
    moves::into(&stage, cluster).expect("an empty database");
    let there = moved(&stage, &["import", text(&file)]).await;
    assert_eq!((&there["rows"], &there["open_operations"]), (&out["rows"], &out["open_operations"]));

    stage.start_host().await.expect("the host starts");
    assert_eq!(kept_signals(&stage).await, 1, "and nobody has claimed it");
    all_is_well_again(&stage);
    for i_account in [WAITING, IN_DOUBT, RETRYING, UNREAD] {
        is_told(&stage, i_account, "OK").await;
    }
    let [parked] = &operations(&stage, &["--problems"]).await[..] else { panic!("one is parked") };
    assert_eq!(parked["i_account"], PARKED);
    let id = parked["id"].as_str().expect("an id");
    asked(&stage, &["operation", "restart", id, "--why", "it is mended", "--who", "ann"]).await;
    is_told(&stage, PARKED, "OK").await;
    let verdict = judge(&stage, &espf, ALL);
    assert!(verdict.agrees(), "{verdict}");
    assert_eq!(stage.oms.ledger().orders.len(), usize::try_from(ALL).expect("few"), "one order each");

    // The way back is the same way. What stands there meanwhile is an older truth.
    stage.stop_host().await.expect("it stops");
    let back = folder.path().join("back");
    moved(&stage, &["export", text(&back)]).await;
    std::fs::write(&stage.config, &directory).expect("written");
    let over = said(&stage, &["journal", "import", text(&back)]).await;
    assert!(String::from_utf8_lossy(&over.stderr).contains("error[E0506]"), "nothing is written over");
    moves::back(&stage, &directory).expect("put away");
    moved(&stage, &["import", text(&back)]).await;
    stage.start_host().await.expect("the host starts");
    assert_eq!(operations(&stage, &["--state", "done"]).await.len(), usize::try_from(ALL).expect("few"));
    assert_eq!(kept_signals(&stage).await, 1);
    espf.emit("Account/Blocked", json!({ "i_account": DONE }));
    until("what comes next is done, too", SOON, async || {
        operations(&stage, &["--state", "done", "--account", "1"]).await.len() == 2
    })
    .await;
    stage.stop_host().await.expect("it stops");
    let verified = said(&stage, &["journal", "verify"]).await;
    assert!(String::from_utf8_lossy(&verified.stdout).contains("It is sound."));
}
