//! Which events are taken, and what becomes of them, through the real listener.

use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{folder, oms_adapter, stage, told, until};
use crate::operators::{asked, operations};

const PATIENCE: Duration = Duration::from_secs(30);

/// A host with that in its section `[events]`, three accounts, and an OMS that never completes.
async fn running(settings: &str) -> Option<(TempDir, Stage, Client)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.oms.hold_completion(true);
    stage.open_accounts(3);
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let config = config.replace("[events]", &format!("[events]\n{settings}"));
    std::fs::write(&stage.config, config).expect("written");
    // Until somebody has logged in, nobody knows whose events these are.
    stage.billing.faults().hold(&["Session/login"]);
    stage.start_host().await.expect("the host starts");
    Some((folder, stage, Client::builder().no_proxy().build().expect("a client")))
}

fn may_log_in(stage: &Stage) {
    stage.billing.faults().hold(&[]);
}

async fn send(stage: &Stage, client: &Client, name: &str, variables: Value) -> StatusCode {
    let url = format!("http://{}/espf/events", stage.public);
    let event = json!({ "event_type": name, "variables": variables });
    let request = client.post(url).basic_auth("espf", Some("stage-espf-password")).json(&event);
    request.send().await.expect("an answer").status()
}

/// The counter of that result.
async fn counted(stage: &Stage, client: &Client, result: &str) -> u64 {
    let metrics = client.get(format!("http://{}/metrics", stage.admin)).send().await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    let series = format!("punchdown_events_total{{door=\"espf\",result=\"{result}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&series)).expect("a series");
    line.parse().expect("a number")
}

fn billing_calls(stage: &Stage, call: &str) -> u64 {
    stage.billing.ledger().calls.get(call).copied().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_name_goes_where_the_new_one_goes() {
    let aliases = r#"aliases = { "Line/Born" = "Account/New" }"#;
    let Some((_folder, stage, client)) = running(aliases).await else { return };
    for (name, i_event) in [("Line/Born", 1), ("Line/Unheard", 2)] {
        let answer = send(&stage, &client, name, json!({ "i_account": 1, "i_event": i_event })).await;
        assert_eq!(answer, StatusCode::OK, "{name}");
    }
    assert_eq!(counted(&stage, &client, "accepted").await, 1);
    assert_eq!(counted(&stage, &client, "unwanted").await, 1);
    may_log_in(&stage);
    until("the account is ordered", PATIENCE, async || stage.oms.ledger().orders.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_another_environment_is_kept_for_a_person() {
    let Some((_folder, stage, client)) = running("").await else { return };
    let event = |i_event: u64, i_env: Value| json!({ "i_account": 1, "i_event": i_event, "i_env": i_env });
    let early = send(&stage, &client, "What/Ever", event(1, json!(2))).await;
    assert_eq!(early, StatusCode::OK, "nobody knows yet what PortaBilling's session serves");
    may_log_in(&stage);
    assert_eq!(send(&stage, &client, "Account/New", event(2, json!(1))).await, StatusCode::OK);
    let read = async || billing_calls(&stage, "Account/get_account_info") > 0;
    until("the account is read", PATIENCE, read).await;
    for (i_env, expected) in
        [(json!(2), StatusCode::BAD_REQUEST), (json!("1"), StatusCode::OK), (Value::Null, StatusCode::OK)]
    {
        let answer = send(&stage, &client, "Account/New", event(3, i_env.clone())).await;
        assert_eq!(answer, expected, "{i_env}");
    }
    assert_eq!(counted(&stage, &client, "dead-letter").await, 1);
    let log = std::fs::read_to_string(stage.log()).expect("a log");
    assert!(log.contains("it is of environment 2, and the session with PortaBilling serves environment 1"));
}

/// Nobody has logged in yet, so it is taken; whoever reads the account then knows better.
#[tokio::test(flavor = "multi_thread")]
async fn an_early_event_of_another_environment_is_told_to_nobody() {
    let Some((_folder, stage, client)) = running("").await else { return };
    let event = json!({ "i_account": 1, "i_event": 1, "i_env": 2 });
    assert_eq!(send(&stage, &client, "Account/New", event).await, StatusCode::OK);
    may_log_in(&stage);
    let parked = async || operations(&stage, &["--state", "parked"]).await;
    until("it is parked", PATIENCE, async || parked().await.len() == 1).await;
    let id = parked().await[0]["id"].as_str().expect("an id").to_owned();
    let shown = asked(&stage, &["operation", "show", &id]).await;
    assert_eq!(shown["trouble"]["code"], "other-environment", "{shown}");

    // Our account of that number is another one, and goes its own way.
    assert_eq!(
        send(&stage, &client, "Account/New", json!({ "i_account": 1, "i_event": 2 })).await,
        StatusCode::OK
    );
    until("ours is ordered", PATIENCE, async || !told(&stage, 1).is_empty()).await;
    assert_eq!(told(&stage, 1), ["IN_PROGRESS"], "and nothing before it");
    assert_eq!(stage.oms.ledger().orders.len(), 1);
}

/// PortaBilling was restored from a copy, and counts once more from there.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_comes_again_for_another_event_is_taken_as_new_and_warned_of() {
    let Some((_folder, stage, client)) = running("").await else { return };
    for (i_account, times) in [(1, 1), (2, 2)] {
        for _ in 0..times {
            let event = json!({ "i_account": i_account, "i_event": 7, "i_env": 1 });
            assert_eq!(send(&stage, &client, "Account/New", event).await, StatusCode::OK);
        }
    }
    assert_eq!(counted(&stage, &client, "accepted").await, 2);
    assert_eq!(counted(&stage, &client, "repeated").await, 1, "the second one is known by now");
    may_log_in(&stage);
    until("both are ordered", PATIENCE, async || stage.oms.ledger().orders.len() == 2).await;

    let log = std::fs::read_to_string(stage.log()).expect("a log");
    let lines = log.lines().filter(|line| line.contains("an event's number came again for another event"));
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    // The one that is repeated is looked for under its number first, too.
    assert_eq!(lines.len(), 2, "{lines:?}");
    let stored_as = lines[0]["stored_as"].as_str().expect("a name");
    assert_eq!((&lines[0]["level"], &lines[0]["event"]), (&json!("WARN"), &json!("1-7")));
    assert_eq!(lines[1]["stored_as"], stored_as);
    for (id, i_account) in [("1-7", 1), (stored_as, 2)] {
        let shown = asked(&stage, &["event", "show", id]).await;
        assert_eq!(shown["i_account"], i_account, "{shown}");
    }
}
