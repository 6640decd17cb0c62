//! Another key for the journal, and SIGKILL at any moment of its making: whoever begins again goes on, and nothing is lost.

mod on_postgresql;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::harness::{PROGRAM, folder, log, new_accounts, oms_adapter, stage_of, told, until};

const SOON: Duration = Duration::from_secs(60);
/// So many kills must strike while the key is being changed.
const KILLS: u32 = 6;
const ATTEMPTS_MAX: u32 = 200;

fn rotate(config: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["journal", "rotate-key", "--config"]).arg(config).kill_on_drop(true);
    command
}

async fn rotated(config: &Path) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = rotate(config).output().await.expect("it runs");
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// A stage whose orders will all be open, and rest: nobody looks for news, and none come. The host does not run yet.
async fn of_open_orders(accounts: u64) -> Option<(TempDir, Stage)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let patient = "poll-seconds = 86400";
    let stage = stage_of(PROGRAM, folder.path(), &adapter, Settings::default(), "", patient).await;
    stage.open_accounts(accounts);
    stage.oms.hold_completion(true);
    Some((folder, stage))
}

async fn with_open_orders(accounts: u64) -> Option<(TempDir, Stage)> {
    let (folder, mut stage) = of_open_orders(accounts).await?;
    stage.start_host().await.expect("the host starts");
    Some((folder, stage))
}

async fn all_say(stage: &Stage, accounts: u64, word: &str) {
    until(word, SOON, async || {
        (1..=accounts).all(|account| told(stage, account).last().is_some_and(|last| last == word))
    })
    .await;
}

/// All that the operators' door shows of operations, events, notifications and accounts.
async fn shown(stage: &Stage) -> Vec<Value> {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let get = async |path: &str| {
        let request = client.get(format!("http://{}/admin/v1/{path}", stage.admin));
        let answer = request.bearer_auth("stage-admin-token").send().await.expect("an answer");
        answer.json::<Value>().await.expect("JSON")
    };
    let mut shown = Vec::new();
    for list in ["operations", "events", "notifications"] {
        let page = get(&format!("{list}?limit=500")).await;
        let rows = page[list].as_array().expect("a list").clone();
        assert!(!rows.is_empty(), "there are {list}");
        for row in rows {
            shown.push(get(&format!("{list}/{}", row["id"].as_str().expect("an id"))).await);
        }
    }
    for account in 1..=3 {
        shown.push(get(&format!("accounts/{account}")).await);
    }
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_changed_between_a_stop_and_a_start() {
    let Some((_folder, mut stage)) = with_open_orders(5).await else { return };
    let espf = stage.espf(0.0);
    new_accounts(&espf, 5);
    all_say(&stage, 5, "IN_PROGRESS").await;
    let (code, said) = rotated(&stage.config).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another Punchdown runs"), "{said}");
    stage.stop_host().await.expect("it stops");
    let (code, said) = rotated(&stage.config).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("The old one is gone"), "{said}");
    stage.start_host().await.expect("it starts with the new key");
    // The notices name orders by the keys that were named before.
    stage.oms.hold_completion(false);
    all_say(&stage, 5, "OK").await;
    stage.billing.change_account(1, |account| account.blocked = true);
    espf.emit("Account/Blocked", json!({ "i_account": 1 }));
    until("it goes on", SOON, async || told(&stage, 1).iter().filter(|word| *word == "OK").count() > 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_changed_without_the_secrets_of_the_service() {
    let Some((_folder, mut stage)) = with_open_orders(1).await else { return };
    stage.stop_host().await.expect("it stops");
    std::fs::remove_dir_all(stage.directory.join("secrets")).expect("removed");
    let (code, said) = rotated(&stage.config).await;
    assert_eq!(code, Some(0), "{said}");
}

/// All that is shown once the orders of all accounts are made, and nothing moves any more.
async fn when_all_rest(stage: &Stage, accounts: u64) -> Vec<Value> {
    let espf = stage.espf(0.0);
    new_accounts(&espf, accounts);
    all_say(stage, accounts, "IN_PROGRESS").await;
    until("all have been told that their orders are in progress", SOON, async || {
        stage
            .oms
            .ledger()
            .orders
            .iter()
            .all(|order| order.state == "inProgress" && order.notices_accepted > 0)
    })
    .await;
    let mut before = Vec::new();
    until("all of that is read, and all rest", SOON, async || {
        let now = shown(stage).await;
        let waits = now.iter().filter(|it| it["state"] == "awaiting-notification").count();
        let unread = now.iter().any(|it| it.to_string().contains("\"fate\":\"kept\""));
        let rests = u64::try_from(waits) == Ok(accounts) && !unread && now == before;
        before = now;
        rests
    })
    .await;
    before
}

/// The time that nobody ran burns no deadline.
fn same(after: Vec<Value>, before: Vec<Value>) {
    assert_eq!(after.len(), before.len());
    for (mut after, mut before) in after.into_iter().zip(before) {
        for page in [&mut after, &mut before] {
            page.as_object_mut().map(|page| page.remove("deadline"));
        }
        assert_eq!(after, before);
    }
}

/// How long it takes when nobody stops it, on a copy.
async fn uninterrupted(stage: &Stage) -> Duration {
    let copy = folder();
    std::fs::create_dir(copy.path().join("data")).expect("a folder");
    for file in std::fs::read_dir(stage.directory.join("data")).expect("a folder") {
        let file = file.expect("a file");
        if file.path().is_dir() {
            continue;
        }
        std::fs::copy(file.path(), copy.path().join("data").join(file.file_name())).expect("copied");
    }
    let config = copy.path().join("punchdown.toml");
    std::fs::copy(&stage.config, &config).expect("copied");
    let began = Instant::now();
    let (code, said) = rotated(&config).await;
    assert_eq!(code, Some(0), "{said}");
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_is_finished_by_the_next_one_and_nothing_is_lost() {
    // All notices of the end come at once, and one address has 256 connections.
    const ACCOUNTS: u64 = 200;
    let Some((_folder, mut stage)) = with_open_orders(ACCOUNTS).await else { return };
    let before = when_all_rest(&stage, ACCOUNTS).await;
    stage.stop_host().await.expect("it stops");

    let (data, whole) = (stage.directory.join("data"), uninterrupted(&stage).await);
    let first = std::fs::read(data.join("journal.key")).expect("a key");
    let mut chance = StdRng::seed_from_u64(189);
    let (mut attempts, mut struck) = (0, 0);
    while struck < KILLS {
        attempts += 1;
        assert!(attempts < ATTEMPTS_MAX, "only {struck} kills struck in the midst of it");
        let mut changing =
            rotate(&stage.config).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        tokio::time::sleep(whole.mul_f64(chance.random_range(0.0..1.0))).await;
        changing.kill().await.expect("SIGKILL");
        if data.join("journal.key.next").exists() {
            struck += 1;
            let refused = stage.start_host().await.expect_err("no host starts before it is finished");
            assert!(refused.to_string().contains("rotate-key"), "{refused}");
        }
    }
    let (code, said) = rotated(&stage.config).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("The old one is gone") && !said.contains("could not be read"), "{said}");
    assert!(!data.join("journal.key.next").exists());
    assert_ne!(std::fs::read(data.join("journal.key")).expect("a key"), first);

    stage.start_host().await.expect("it starts with the new key");
    same(shown(&stage).await, before);
    // Each notice finds its order by the key that it was given before.
    stage.oms.hold_completion(false);
    all_say(&stage, ACCOUNTS, "OK").await;
    println!("killed {attempts} times, {struck} of them in the midst of it; {whole:?} when nobody stops it");
}
