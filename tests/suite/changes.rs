//! The external system changes something of itself, and Punchdown looks after it.

use std::time::Duration;

use punchdown_kit::oms::Settings;

use crate::guests::guest;
use crate::harness::{PROGRAM, folder, stage_of, told, until};

const SOON: Duration = Duration::from_secs(20);

/// The guest reads in every notification that account 1 was changed, and finds it as it should be.
#[tokio::test(flavor = "multi_thread")]
async fn an_operation_begins_and_the_echo_of_it_begins_none() {
    let folder = folder();
    let adapter = guest(folder.path(), "begins");
    let mut stage = stage_of(PROGRAM, folder.path(), &adapter, Settings::default(), "", "").await;
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let (before, after) = config.split_once("[groups.HSS.notify]").expect("a door");
    let (_, config_of_adapter) = after.split_once("[groups.HSS.config]").expect("a configuration");
    let open =
        format!("{before}[groups.HSS.notify]\nauth = \"none\"\n[groups.HSS.config]{config_of_adapter}");
    std::fs::write(&stage.config, open).expect("written");
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");

    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let door = format!("http://{}/notify/HSS", stage.public);
    let notify = async || client.post(&door).body("{}").send().await.expect("an answer").status().as_u16();
    assert_eq!(notify().await, 202);
    until("OK", SOON, async || told(&stage, 1) == ["OK"]).await;
    let log = std::fs::read_to_string(stage.log()).expect("the host's log");
    assert_eq!(log.matches("an operation begins").count(), 1, "{log}");

    assert_eq!(notify().await, 202, "the system echoes");
    assert_eq!(notify().await, 202, "and again");
    let log = std::fs::read_to_string(stage.log()).expect("the host's log");
    assert_eq!(log.matches("an operation begins").count(), 1, "{log}");
}
