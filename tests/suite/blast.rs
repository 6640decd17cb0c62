//! A group that is no good is no other group's trouble, at the start as at a reload: its events are taken, and wait.

use std::path::Path;
use std::time::{Duration, Instant};

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use serde_json::{Value, json};

use crate::harness::{PROGRAM, folder, log, oms_adapter, refusal, rewrite, stage_of, unserved, until};
use crate::operators::{operations, said};
use crate::reload::reloaded;

const SOON: Duration = Duration::from_secs(20);
/// Ten seconds until a notification is read once more, and five until somebody looks.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(17);

/// A stage with a second group, whose adapter is a file of its own.
async fn two_groups(folder: &Path, adapter: &Path) -> Stage {
    let stage = stage_of(PROGRAM, folder, adapter, Settings::default(), "", "").await;
    let (oms, own) = (stage.oms.url(), folder.join("own.wasm"));
    let mut config = std::fs::read_to_string(&stage.config).expect("a configuration");
    config.push_str(&format!(
        "[groups.PCRF]\nadapter = \"{}\"\nevents = [\"Account/**\"]\n\
         [groups.PCRF.target]\nurl = \"{oms}\"\nauth = {{ bearer = {{ file = \"secrets/pcrf\" }} }}\n\
         [groups.PCRF.notify]\nauth = \"none\"\n\
         [groups.PCRF.config]\nspecification = \"mobile-line\"\npoll-seconds = 1\n",
        own.display()
    ));
    std::fs::write(&stage.config, config).expect("written");
    std::fs::copy(adapter, own).expect("copied");
    std::fs::copy(folder.join("secrets/oms"), folder.join("secrets/pcrf")).expect("copied");
    stage.open_accounts(9);
    stage
}

async fn served(stage: &Stage, group: &str) -> Value {
    stage.status().await.expect("the host answers")["groups"][group]["served"].clone()
}

/// Each of these has an operation that has not moved at all.
async fn waits(stage: &Stage, i_account: u64) {
    let of = operations(stage, &["--account", &i_account.to_string(), "--group", "PCRF"]).await;
    assert_eq!(of[0]["state"], "received", "{of:?}");
}

async fn is_ok(stage: &Stage, i_account: u64, group: &str) -> bool {
    stage.billing.final_status(i_account, group).is_some_and(|seen| seen.status == "OK")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_adapter_at_the_start_harms_its_group_alone_until_a_good_one_lies_there() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = two_groups(folder.path(), &adapter).await;
    std::fs::write(folder.path().join("own.wasm"), "no component").expect("written");
    stage.start_host().await.expect("the host starts");
    assert_eq!((served(&stage, "HSS").await, served(&stage, "PCRF").await), (true.into(), false.into()));

    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("the other group serves", SOON, async || is_ok(&stage, 1, "HSS").await).await;
    waits(&stage, 1).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let news = json!({
        "eventType": "ServiceOrderStateChangeEvent",
        "event": { "serviceOrder": { "id": "made-up", "externalId": "made-up", "state": "completed" } },
    });
    let door = client.post(format!("http://{}/notify/PCRF", stage.public)).json(&news);
    assert_eq!(door.send().await.expect("an answer").status(), 202, "its notifications are taken, too");
    let received = Instant::now();
    let problems = said(&stage, &["status", "--problems"]).await;
    assert!(String::from_utf8_lossy(&problems.stdout).contains("group PCRF has no adapter"), "{problems:?}");
    let last = reloaded(&stage).await;
    assert_eq!(
        (&last["problems"][0]["code"], &last["because"]),
        (&"E0302".into(), &"start".into()),
        "{last}"
    );
    let metrics = reqwest::get(format!("http://{}/metrics", stage.admin)).await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    assert!(metrics.contains("punchdown_held{group=\"PCRF\",by=\"unserved\"} 1"), "{metrics}");
    let unread = async || stage.status().await.expect("the host answers")["notifications_unread"].clone();
    // Whoever received it would have been given up by now.
    tokio::time::sleep(GIVEN_UP_AFTER.saturating_sub(received.elapsed())).await;
    assert_eq!(unread().await, 1, "it waits to be read");
    assert!(metrics.contains("punchdown_held{group=\"HSS\",by=\"unserved\"} 0"), "{metrics}");

    // The next start knows what waits.
    stage.kill_host().await.expect("it dies");
    stage.start_host().await.expect("the host starts");
    waits(&stage, 1).await;
    std::fs::copy(&adapter, folder.path().join("unfinished")).expect("copied");
    std::fs::rename(folder.path().join("unfinished"), folder.path().join("own.wasm")).expect("renamed");
    until("what waited is provisioned", SOON, async || is_ok(&stage, 1, "PCRF").await).await;
    assert_eq!(served(&stage, "PCRF").await, true);
    until("it is read", SOON, async || {
        stage.status().await.expect("the host answers")["notifications_unread"] == 0
    })
    .await;
    let metrics = reqwest::get(format!("http://{}/metrics", stage.admin)).await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    assert!(metrics.contains("punchdown_held{group=\"PCRF\",by=\"unserved\"} 0"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_section_at_the_start_harms_its_group_alone_until_it_is_mended() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = two_groups(folder.path(), &adapter).await;
    std::fs::remove_file(folder.path().join("secrets/pcrf")).expect("removed");
    stage.start_host().await.expect("the host starts");
    assert!(log(&stage).contains("E0202"), "{}", log(&stage));
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("the other group serves", SOON, async || is_ok(&stage, 1, "HSS").await).await;
    waits(&stage, 1).await;

    std::fs::copy(folder.path().join("secrets/oms"), folder.path().join("secrets/pcrf")).expect("copied");
    until("what waited is provisioned", SOON, async || is_ok(&stage, 1, "PCRF").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_of_which_something_is_not_understood_stays_shut() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = two_groups(folder.path(), &adapter).await;
    rewrite(&stage, "[groups.PCRF.notify]\n", "[groups.PCRF.notify]\nadresses = [\"10.20.0.0/16\"]\n");
    stage.start_host().await.expect("the host starts");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let door = client.post(format!("http://{}/notify/PCRF", stage.public)).body("{}");
    assert_eq!(door.send().await.expect("an answer").status(), 404);
}

/// It might never answer, and a start would wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_no_file_is_not_waited_for() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let stage = two_groups(folder.path(), &adapter).await;
    let pipe = folder.path().join("secrets/pcrf");
    std::fs::remove_file(&pipe).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("it runs");
    assert!(made.success());
    let said = unserved(&stage.config);
    assert!(said.contains("error[E0202]") && said.contains("it is no file"), "{said}");
}

/// Nobody could say to whom an event belongs, and one that is answered must reach all that want it.
#[tokio::test(flavor = "multi_thread")]
async fn a_section_that_leaves_open_which_events_it_takes_stops_the_start() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let stage = two_groups(folder.path(), &adapter).await;
    let good = std::fs::read_to_string(&stage.config).expect("a configuration");
    for (bad, key) in [
        ("events = [\"Account/[\"]", "events"),
        ("events = [\"Account/**\"]\ndeadline = \"soon\"", "deadline"),
        ("events = [\"Account/**\"]\nreports = 5", "reports"),
        // It may have been meant for `service`.
        ("events = [\"Account/**\"]\nservise = \"OMS\"", "servise"),
    ] {
        let (before, section) = good.split_once("[groups.PCRF]").expect("a section");
        let section = section.replacen("events = [\"Account/**\"]", bad, 1);
        std::fs::write(&stage.config, format!("{before}[groups.PCRF]{section}")).expect("written");
        let said = refusal(&stage.config);
        assert!(said.contains(&format!("groups.PCRF.{key}")), "{said}");
    }
}
