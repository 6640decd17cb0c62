//! The host as a service: it says when its doors are open and when it stops, and its key is changed while it
//! is stopped.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use punchdown::lifecycle::EXIT_CONFIGURATION;
use punchdown_kit::oms::Settings;
use serde_json::json;
use tokio::net::UnixDatagram;
use tokio::process::Command;

use crate::harness::{PROGRAM, folder, new_accounts, oms_adapter, stage, told, until, workspace};

const SOON: Duration = Duration::from_secs(30);

async fn heard(manager: &UnixDatagram) -> String {
    let mut told = [0; 256];
    let length = tokio::time::timeout(SOON, manager.recv(&mut told)).await.expect("in time").expect("a word");
    String::from_utf8_lossy(&told[..length]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_hears_when_the_doors_are_open_and_when_it_stops() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).expect("a socket");
    let mut host = Command::new(PROGRAM)
        .args(["serve", "--config"])
        .arg(&stage.config)
        .env("NOTIFY_SOCKET", &socket)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    assert_eq!(heard(&manager).await, "READY=1");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    for url in [format!("http://{}/livez", stage.admin), format!("http://{}/espf/events", stage.public)] {
        client.get(url).send().await.expect("the doors are open");
    }
    let id = host.id().expect("it runs").to_string();
    Command::new("kill").args(["-TERM", &id]).status().await.expect("told");
    assert_eq!(heard(&manager).await, "STOPPING=1");
    assert!(host.wait().await.expect("it ends").success());
}

#[test]
fn the_unit_restarts_what_a_person_need_not_mend() {
    let unit = workspace().join("host/deploy/punchdown.service");
    let unit = std::fs::read_to_string(unit).expect("the unit");
    let says = |line: &str| unit.lines().any(|found| found == line);
    for line in ["Type=notify", "Restart=on-failure", "NoNewPrivileges=yes", "LimitCORE=0"] {
        assert!(says(line), "{line}");
    }
    assert!(says(&format!("RestartPreventExitStatus={EXIT_CONFIGURATION}")));
    assert!(!unit.contains("\nExecStartPre="), "its exit code prevents no restart");
    assert!(!says("MemoryDenyWriteExecute=yes"), "adapters are compiled in memory");
}

async fn rotate_key(config: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(PROGRAM);
    command.args(["journal", "rotate-key", "--config"]).arg(config);
    let Output { status, stdout, stderr } = command.output().await.expect("it runs");
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_changed_between_a_stop_and_a_start() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.open_accounts(5);
    stage.oms.hold_completion(true);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 5);
    let all = async |stage: &punchdown::cli::stage::Stage, word: &str| {
        until(word, SOON, async || {
            (1..=5).all(|account| told(stage, account).last().is_some_and(|last| last == word))
        })
        .await;
    };
    all(&stage, "IN_PROGRESS").await;
    let (code, said) = rotate_key(&stage.config).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another Punchdown runs"), "{said}");
    stage.stop_host().await.expect("it stops");
    let (code, said) = rotate_key(&stage.config).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the old one is gone"), "{said}");
    stage.start_host().await.expect("it starts with the new key");
    // The notices name orders by the keys that were named before.
    stage.oms.hold_completion(false);
    all(&stage, "OK").await;
    stage.billing.change_account(1, |account| account.blocked = true);
    espf.emit("Account/Blocked", json!({ "i_account": 1 }));
    until("it goes on", SOON, async || told(&stage, 1).iter().filter(|word| *word == "OK").count() > 1).await;
}
