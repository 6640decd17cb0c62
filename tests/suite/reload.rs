//! Adapters and their configuration are taken over while the host runs: what is good serves from the next question on,
//! what is no good changes nothing, and what was begun is brought to its end.

mod sections;
mod storm;
mod ways;

use std::path::{Path, PathBuf};
use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::{Oms, Settings};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::either::over_postgres;
use crate::guests::{bent, guest};
use crate::harness::{PROGRAM, folder, log, oms_adapter, rewrite, stage_of, told, until};
use crate::operators::{asked, operations, said};

const SOON: Duration = Duration::from_secs(20);

/// A stage whose adapter lies where this test alone writes.
async fn set(folder: &Path, adapter_config: &str) -> Option<(Stage, PathBuf)> {
    let adapter = folder.join("oms.wasm");
    std::fs::copy(oms_adapter()?, &adapter).expect("copied");
    let stage = stage_of(PROGRAM, folder, &adapter, Settings::default(), "", adapter_config).await;
    Some((stage, adapter))
}

async fn running(folder: &Path, adapter_config: &str) -> Option<(Stage, PathBuf)> {
    let (mut stage, adapter) = set(folder, adapter_config).await?;
    stage.open_accounts(9);
    stage.start_host().await.expect("the host starts");
    Some((stage, adapter))
}

/// The same component under another digest: a section that says nothing more.
pub fn edition(component: &Path, number: u8) -> Vec<u8> {
    edition_of(&std::fs::read(component).expect("a component"), number)
}

fn edition_of(component: &[u8], number: u8) -> Vec<u8> {
    let mut bytes = component.to_vec();
    bytes.extend([0, 9, 7, b'e', b'd', b'i', b't', b'i', b'o', b'n', number]);
    bytes
}

/// Whole under its name, or not at all.
pub fn put(path: &Path, bytes: &[u8]) {
    let unfinished = path.with_extension("unfinished");
    std::fs::write(&unfinished, bytes).expect("written");
    std::fs::rename(unfinished, path).expect("renamed");
}

/// Whatever came of the last time: the exit code says whether all was well.
pub async fn reloaded(stage: &Stage) -> Value {
    let output = said(stage, &["reload", "--last", "-o", "json"]).await;
    serde_json::from_slice(&output.stdout).expect("JSON")
}

async fn provisioned(stage: &Stage, account: u64) {
    until("OK", SOON, async || told(stage, account).last().is_some_and(|word| word == "OK")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_adapter_serves_as_soon_as_it_lies_there() {
    let folder = folder();
    let Some((stage, adapter)) = running(folder.path(), "").await else { return };
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    provisioned(&stage, 1).await;
    let before = reloaded(&stage).await;
    assert_eq!((&before["generation"], &before["because"]), (&1.into(), &"start".into()), "{before}");

    put(&adapter, &edition(&adapter, 2));
    until("another one serves", SOON, async || reloaded(&stage).await["generation"] == 2).await;
    let after = reloaded(&stage).await;
    let (old, new) = (&before["groups"][0]["digest"], &after["groups"][0]["digest"]);
    assert_ne!(old, new, "{after}");
    assert_eq!(after["groups"][0]["outcome"], "swapped", "{after}");
    assert_eq!(after["groups"][0]["retired"], json!([old]), "{after}");
    assert_eq!(after["because"], "a changed file", "{after}");

    espf.emit("Account/New", json!({ "i_account": 2 }));
    provisioned(&stage, 2).await;
    let id = operations(&stage, &["--account", "2"]).await[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(asked(&stage, &["operation", "show", &id]).await["adapter"], *new);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_good_changes_nothing_and_says_why() {
    let folder = folder();
    let Some((stage, adapter)) = running(folder.path(), "").await else { return };
    let good = std::fs::read(&adapter).expect("a component");
    let espf = stage.espf(0.0);
    let stops = |text: String| text.replace("(i32.const 1024))", "(unreachable))");
    let stops = bent(folder.path(), "ignores", "stops.wasm", stops);
    for (account, bytes, code) in [
        (1, b"not a component".to_vec(), "E0302"),
        (2, good[..good.len() / 2].to_vec(), "E0302"),
        (3, std::fs::read(stops).expect("a guest"), "E0304"),
    ] {
        put(&adapter, &bytes);
        let output = said(&stage, &["reload"]).await;
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(&format!("error[{code}]")) && text.contains("what served goes on"), "{text}");
        espf.emit("Account/New", json!({ "i_account": account }));
        provisioned(&stage, account).await;
    }
    put(&adapter, &good);
    let output = said(&stage, &["reload"]).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(reloaded(&stage).await["generation"], 1, "it was the same one throughout");
}

/// Its order was taken by the one; the other would never have sent it, and decides what is new.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_is_brought_to_its_end_by_what_began_it() {
    let folder = folder();
    let Some((stage, adapter)) = running(folder.path(), "poll-seconds = 1").await else { return };
    stage.oms.hold_completion(true);
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("IN_PROGRESS", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "IN_PROGRESS"))
        .await;

    put(&adapter, &std::fs::read(guest(folder.path(), "ignores")).expect("a guest"));
    let output = said(&stage, &["reload"]).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(reloaded(&stage).await["groups"][0]["adapter"], "guest");
    espf.emit("Account/New", json!({ "i_account": 2 }));
    let state = async |account: &str| -> Value {
        let of_account = operations(&stage, &["--account", account]).await;
        of_account.first().map(|it| it["state"].clone()).unwrap_or_default()
    };
    until("the other one decides", SOON, async || state("2").await == "ignored").await;

    stage.oms.hold_completion(false);
    provisioned(&stage, 1).await;
    assert_eq!(state("1").await, "done");
    assert_eq!(stage.oms.ledger().orders.len(), 1, "nothing was sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_configuration_of_an_adapter_is_taken_over_and_what_is_the_hosts_own_waits() {
    let folder = folder();
    let Some((stage, _)) = running(folder.path(), "").await else { return };
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let espf = stage.espf(0.0);
    let bad = config.replace("specification = \"mobile-line\"", "specification = 7");
    put(&stage.config, bad.as_bytes());
    let output = said(&stage, &["reload"]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("E0305") && text.contains("groups.HSS.config.specification"), "{text}");

    let other = config.replace("specification = \"mobile-line\"", "specification = \"mobile-line-2\"");
    let other = other.replacen("[events]", "[events]\nconcurrency = 47", 1);
    put(&stage.config, other.as_bytes());
    let pid = stage.host_pid().expect("a host").to_string();
    let hangup = Command::new("kill").args(["-HUP", &pid]).status().await.expect("it runs");
    assert!(hangup.success());
    until("it is taken over", SOON, async || reloaded(&stage).await["generation"] == 2).await;
    let told = reloaded(&stage).await;
    assert_eq!(told["waits_for_restart"], json!(["events.concurrency"]), "{told}");
    espf.emit("Account/New", json!({ "i_account": 1 }));
    provisioned(&stage, 1).await;
    let order = stage.oms.ledger().orders.remove(0);
    assert!(format!("{order:?}").contains("mobile-line-2"), "{order:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_and_another_secret_of_a_target_are_taken_over() {
    let folder = folder();
    let Some((stage, _)) = running(folder.path(), "poll-seconds = 1").await else { return };
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    provisioned(&stage, 1).await;

    let token = "an0ther-token";
    let moved = Oms::start(Settings { bearer: Some(token.to_owned()), ..Settings::default() });
    let moved = moved.await.expect("another system");
    put(&folder.path().join("secrets/oms"), token.as_bytes());
    rewrite(&stage, &stage.oms.url(), &moved.url());
    let output = said(&stage, &["reload"]).await;
    assert!(output.status.success(), "{output:?}");
    espf.emit("Account/New", json!({ "i_account": 2 }));
    provisioned(&stage, 2).await;
    assert_eq!(moved.ledger().orders.len(), 1, "it moved");
    let after = reloaded(&stage).await;
    assert_eq!((&after["waits_for_restart"], &after["problems"]), (&json!([]), &json!([])), "{after}");
    assert_eq!(stage.oms.ledger().orders.len(), 1, "nothing more went where it was");

    // A secret that is gone changes nothing.
    std::fs::remove_file(folder.path().join("secrets/oms")).expect("removed");
    let output = said(&stage, &["reload"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("error[E0202]"), "{output:?}");
    espf.emit("Account/New", json!({ "i_account": 3 }));
    provisioned(&stage, 3).await;
    let heard = log(&stage);
    assert!(!heard.contains(token), "{heard}");
}

/// The one that began it is kept on disk, and found there by a host that never knew it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_is_brought_to_its_end_by_what_began_it_after_a_restart_too() {
    let folder = folder();
    let Some((mut stage, adapter)) = running(folder.path(), "poll-seconds = 1").await else { return };
    stage.oms.hold_completion(true);
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("IN_PROGRESS", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "IN_PROGRESS"))
        .await;
    // It may be asked at that moment: one death is held against nobody for good.
    stage.kill_host().await.expect("it dies");
    put(&adapter, &std::fs::read(guest(folder.path(), "ignores")).expect("a guest"));
    stage.start_host().await.expect("the host starts");
    stage.oms.hold_completion(false);
    provisioned(&stage, 1).await;
    assert_eq!(stage.oms.ledger().orders.len(), 1, "nothing was sent again");

    // What is kept and is not what it was is not used: then nobody can go on. A database has it whole.
    stage.oms.hold_completion(true);
    put(&adapter, &std::fs::read(oms_adapter().expect("an adapter")).expect("a component"));
    assert!(said(&stage, &["reload"]).await.status.success());
    espf.emit("Account/New", json!({ "i_account": 2 }));
    until("IN_PROGRESS", SOON, async || told(&stage, 2).last().is_some_and(|word| word == "IN_PROGRESS"))
        .await;
    stage.stop_host().await.expect("it stops");
    put(&adapter, &std::fs::read(guest(folder.path(), "ignores")).expect("a guest"));
    let shelf = folder.path().join("data/adapters/HSS");
    for kept in std::fs::read_dir(shelf).expect("a folder") {
        std::fs::write(kept.expect("a file").path(), "torn").expect("written");
    }
    stage.start_host().await.expect("the host starts");
    if over_postgres() {
        stage.oms.hold_completion(false);
        return provisioned(&stage, 2).await;
    }
    let parked = async || operations(&stage, &["--account", "2"]).await[0]["state"] == "parked";
    until("it waits for a person", SOON, parked).await;
    assert_eq!(stage.oms.ledger().orders.len(), 2, "nothing was sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_puts_another_adapter_in_its_place_and_goes_back() {
    let folder = folder();
    let Some((stage, adapter)) = running(folder.path(), "").await else { return };
    let before = reloaded(&stage).await["groups"][0]["digest"].clone();
    let ignores = guest(folder.path(), "ignores").display().to_string();
    let text = folder.path().join("text.wasm");
    std::fs::write(&text, "no component").expect("written");
    let kept = async || {
        let output = said(&stage, &["adapter", "list", "-o", "json"]).await;
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        told["groups"][0]["kept"].as_array().expect("a list").clone()
    };

    let bad = said(&stage, &["adapter", "install", &text.display().to_string(), "--group", "HSS"]).await;
    assert_eq!(bad.status.code(), Some(78), "{bad:?}");
    assert!(String::from_utf8_lossy(&bad.stderr).contains("error[E0302]"), "{bad:?}");
    let nobody = said(&stage, &["adapter", "install", &ignores, "--group", "Nobody"]).await;
    assert!(!nobody.status.success(), "{nobody:?}");
    assert_eq!((kept().await.len(), &reloaded(&stage).await["groups"][0]["digest"]), (1, &before));

    // Whom the host does not admit changes nothing.
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let wrong_token = config.replace("secrets/admin", "secrets/oms");
    put(&stage.config, wrong_token.as_bytes());
    let stranger = said(&stage, &["adapter", "install", &ignores, "--group", "HSS"]).await;
    assert_eq!(stranger.status.code(), Some(77), "{stranger:?}");
    put(&stage.config, config.as_bytes());
    assert_eq!(
        std::fs::read(&adapter).expect("a file"),
        std::fs::read(oms_adapter().expect("an adapter")).expect("a file")
    );

    std::fs::set_permissions(&adapter, std::os::unix::fs::PermissionsExt::from_mode(0o604)).expect("chmod");
    let good = said(&stage, &["adapter", "install", &ignores, "--group", "HSS"]).await;
    assert!(good.status.success(), "{good:?}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&adapter.metadata().expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o604, "whoever could read it still can");
    let installed = reloaded(&stage).await["groups"][0].clone();
    assert_eq!(installed["adapter"], "guest");
    assert_eq!(std::fs::read(&adapter).expect("a file"), std::fs::read(&ignores).expect("a file"));
    let now = kept().await;
    assert_eq!(
        (now.len(), &now[0]["digest"], &now[0]["lies_there"]),
        (2, &installed["digest"], &true.into())
    );

    let back = said(&stage, &["adapter", "rollback", "--group", "HSS"]).await;
    assert!(back.status.success(), "{back:?}");
    assert_eq!(reloaded(&stage).await["groups"][0]["digest"], before);
    let prefix = installed["digest"].as_str().expect("a digest")[..16].to_owned();
    let again = said(&stage, &["adapter", "rollback", "--group", "HSS", "--to", &prefix]).await;
    assert!(again.status.success(), "{again:?}");
    assert_eq!(reloaded(&stage).await["groups"][0]["adapter"], "guest");
}
