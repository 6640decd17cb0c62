//! The host as a service: it says when its doors are open and when it stops.

use std::process::Stdio;
use std::time::Duration;

use punchdown_kit::oms::Settings;
use tokio::net::UnixDatagram;
use tokio::process::Command;

use crate::harness::{PROGRAM, folder, oms_adapter, stage};

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
