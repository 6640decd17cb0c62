//! A person sees what is stuck and why, releases it, and lets groups rest; who did it and why is kept. What
//! is shown names no subscriber in full.

use std::process::Output;
use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::front::Demand;
use punchdown_kit::oms::{Odd, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::guests::guest;
use crate::harness::{PROGRAM, folder, front, new_accounts, oms_adapter, stage, stage_of, told, until};

const SOON: Duration = Duration::from_secs(20);

/// What a command says to whoever calls it.
pub async fn said(stage: &Stage, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).arg("--config").arg(&stage.config);
    command.output().await.expect("it runs")
}

/// What it prints for programs.
pub async fn asked(stage: &Stage, arguments: &[&str]) -> Value {
    let output = said(stage, &[arguments, &["-o", "json"]].concat()).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

pub async fn operations(stage: &Stage, filter: &[&str]) -> Vec<Value> {
    let list = asked(stage, &[&["operation", "list"], filter].concat()).await;
    list["operations"].as_array().expect("a list").clone()
}

fn id(operation: &Value) -> String {
    operation["id"].as_str().expect("an id").to_owned()
}

async fn ends(stage: &Stage, i_account: u64, word: &str) {
    until(&format!("{i_account} is {word}"), SOON, async || {
        told(stage, i_account).last().is_some_and(|last| last == word)
    })
    .await;
}

async fn running(accounts: u64) -> Option<(TempDir, Stage)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.open_accounts(accounts);
    stage.start_host().await.expect("the host starts");
    Some((folder, stage))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_is_seen_and_begun_anew() {
    let Some((_folder, stage)) = running(2).await else { return };
    stage.oms.answer_next(Odd::ErrorInSuccess);
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    ends(&stage, 1, "FAILED").await;
    espf.emit("Account/New", json!({ "i_account": 2 }));
    ends(&stage, 2, "OK").await;

    let [problem] = &operations(&stage, &["--problems"]).await[..] else { panic!("one is stuck") };
    assert_eq!((&problem["i_account"], &problem["state"]), (&json!(1), &json!("parked")));
    let shown = asked(&stage, &["operation", "show", &id(problem)]).await;
    assert_eq!(shown["trouble"]["code"], "refused");
    let steps: Vec<_> =
        shown["timeline"].as_array().into_iter().flatten().map(|line| line["what"].clone()).collect();
    assert_eq!(steps, ["laid-down", "decided", "left", "answered", "decided", "parked"]);
    // What was sent is there, and whom it was about is not.
    let text = shown.to_string();
    assert!(text.contains("/serviceOrder") && text.contains("155…01@msisdn"), "{text}");
    assert!(!text.contains("15550000001"), "{text}");

    // Asked again it has nothing else to say: its history ends with a refusal.
    let retry = ["operation", "retry", &id(problem), "--why", "try once more", "--who", "ann"];
    assert!(said(&stage, &retry).await.status.success());
    until("it is parked again", SOON, async || {
        operations(&stage, &["--problems", "--group", "HSS"]).await.len() == 1
    })
    .await;
    let restart = ["operation", "restart", &id(problem), "--why", "the profile is there now", "--who", "ann"];
    // It is parked a moment before its lane is let go of; until then it is said to try again.
    let mut done = Value::Null;
    until("it is restarted", SOON, async || {
        let output = said(&stage, &[&restart[..], &["-o", "json"]].concat()).await;
        done = serde_json::from_slice(&output.stdout).unwrap_or_default();
        output.status.success()
    })
    .await;
    ends(&stage, 1, "OK").await;
    let finished = operations(&stage, &["--account", "1", "--state", "done"]).await;
    assert_eq!(finished.iter().map(id).collect::<Vec<_>>(), [done["successor"].as_str().expect("one")]);
    let shown = asked(&stage, &["operation", "show", &id(problem)]).await;
    assert_eq!(shown["state"], "superseded");
    assert!(shown["timeline"].to_string().contains("the profile is there now"), "who and why are kept");
    assert!(operations(&stage, &["--problems"]).await.is_empty());

    // What was done is found by operation and by group, page by page.
    let what = async |filter: &[&str]| -> Vec<Value> {
        let audit = asked(&stage, &[&["audit"], filter].concat()).await;
        audit["audit"].as_array().expect("a list").iter().map(|entry| entry["what"].clone()).collect()
    };
    assert_eq!(what(&["--operation", &id(problem)]).await, ["restart", "retry"]);
    assert_eq!(what(&["--group", "HSS"]).await, ["restart", "retry"]);
    assert!(what(&["--group", "IPTV"]).await.is_empty());
    let first = asked(&stage, &["audit", "--limit", "1"]).await;
    assert_eq!((&first["audit"][0]["who"], &first["audit"][0]["about"]), (&json!("ann"), &problem["id"]));
    assert_eq!(what(&["--limit", "1", "--before", &first["before"].to_string()]).await, ["retry"]);
    let text = said(&stage, &["audit", "--limit", "1"]).await;
    let text = String::from_utf8(text.stdout).expect("text");
    assert!(
        text.contains("the profile is there now") && text.contains("there may be more: --before"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_doubt_is_released_by_a_person_alone() {
    let folder = folder();
    let adapter = guest(folder.path(), "doubts");
    let mut stage = stage_of(PROGRAM, folder.path(), &adapter, Settings::default(), "", "").await;
    let front = front(&stage, Demand::Silence).await;
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    ends(&stage, 1, "FAILED").await;
    espf.emit("Account/Blocked", json!({ "i_account": 1 }));
    until("both are there", SOON, async || operations(&stage, &[]).await.len() == 2).await;

    let [doubt] = &operations(&stage, &["--state", "in-doubt"]).await[..] else { panic!("one is in doubt") };
    let [newer] = &operations(&stage, &["--state", "received"]).await[..] else { panic!("one waits") };
    let behind = said(&stage, &["operation", "skip", &id(newer), "--why", "wrong one", "--who", "ann"]).await;
    assert_eq!(behind.status.code(), Some(1));
    let words = String::from_utf8_lossy(&behind.stderr).into_owned();
    assert!(words.contains(&format!("it stands behind {}", id(doubt))), "{words}");

    let skip = ["operation", "skip", &id(doubt), "--why", "done by hand in the register", "--who", "ann"];
    assert!(said(&stage, &skip).await.status.success());
    until("the newer one moves", SOON, async || front.ledger().unanswered == 2).await;
    let shown = asked(&stage, &["operation", "show", &id(doubt)]).await;
    assert_eq!((&shown["state"], &shown["due"]), (&json!("skipped"), &Value::Null));
    let again = said(&stage, &skip).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("it is skipped"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_rests_takes_its_events_and_does_so_over_a_restart() {
    let Some((_folder, mut stage)) = running(3).await else { return };
    let sign = ["--why", "maintenance tonight", "--who", "ann"];
    assert!(said(&stage, &[&["target", "pause", "HSS"][..], &sign].concat()).await.status.success());
    let espf = stage.espf(0.0);
    new_accounts(&espf, 2);
    assert!(espf.drained(SOON).await, "the events are stored");
    stage.stop_host().await.expect("it stops");
    stage.start_host().await.expect("the host starts");
    espf.emit("Account/New", json!({ "i_account": 3 }));
    assert!(espf.drained(SOON).await, "the events are stored");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(stage.oms.ledger().requests.is_empty(), "nothing is sent");
    let text = said(&stage, &["status"]).await;
    assert!(String::from_utf8_lossy(&text.stdout).contains("group HSS (paused)"), "{text:?}");

    assert!(said(&stage, &[&["target", "resume", "HSS"][..], &sign].concat()).await.status.success());
    for i_account in 1..=3 {
        ends(&stage, i_account, "OK").await;
    }
}

/// What is read is so by who moves it, and not by what was written of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_at_this_moment_is_found_by_that() {
    let Some((_folder, stage)) = running(2).await else { return };
    let listed = async |state: &str, accounts: &[u64]| {
        until(&format!("{accounts:?} are {state}"), SOON, async || {
            let found = operations(&stage, &["--state", state]).await;
            assert!(found.iter().all(|line| line["state"] == state), "{found:?}");
            let mut of: Vec<_> = found.iter().filter_map(|line| line["i_account"].as_u64()).collect();
            of.sort_unstable();
            of == accounts
        })
        .await;
    };
    stage.billing.faults().hold(&["Account/get_account_info"]);
    let espf = stage.espf(0.0);
    new_accounts(&espf, 2);
    listed("querying", &[1, 2]).await;
    assert_eq!(operations(&stage, &["--state", "querying", "--limit", "1"]).await.len(), 1);
    listed("received", &[]).await;
    stage.billing.faults().hold(&[]);
    listed("done", &[1, 2]).await;
    listed("querying", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_too_little_or_asks_for_what_is_not_there_is_told_so() {
    let Some((_folder, stage)) = running(1).await else { return };
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    ends(&stage, 1, "OK").await;
    until("it is finished", SOON, async || operations(&stage, &["--state", "done"]).await.len() == 1).await;
    let finished = id(&operations(&stage, &[]).await[0]);
    for (arguments, words) in [
        (&["operation", "skip", &finished, "--why", "x", "--who", "ann"][..], "it is finished"),
        (&["operation", "show", "01NONE"], "there is no operation 01NONE"),
        (
            &["operation", "retry", "../status", "--why", "x", "--who", "ann"],
            "there is no operation ../status",
        ),
        (&["operation", "skip", &finished, "--why", " ", "--who", "ann"], "`why` is a line of 1 to 200"),
        (&["operation", "list", "--state", "stuck"], "`stuck` is no state"),
        (&["target", "pause", "IPTV", "--why", "x", "--who", "ann"], "there is no group IPTV"),
    ] {
        let output = said(&stage, arguments).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(words), "{arguments:?}: {error}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
    // Without a token nothing is shown, and nothing done.
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = |path: &str| format!("http://{}/admin/v1/{path}", stage.admin);
    for path in ["operations", "audit", &format!("operations/{finished}")] {
        let answer = client.get(url(path)).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 401, "{path}");
    }
    let pause = client.post(url("groups/HSS/pause")).json(&json!({ "who": "mallory", "why": "x" }));
    assert_eq!(pause.send().await.expect("an answer").status().as_u16(), 401);
    let token = std::fs::read_to_string(stage.directory.join("secrets/admin")).expect("a token");
    let audit = client.get(url("audit")).bearer_auth(token).send().await.expect("an answer");
    assert_eq!(
        audit.json::<Value>().await.expect("JSON"),
        json!({ "audit": [], "before": null }),
        "nothing was done"
    );
}
