//! What the bench offers beside building: a look at the decisions, figures, cases that are kept up to date, cases from
//! a running host, and a round at every save.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use punchdown_kit::oms::Settings;
use serde_json::{Value, json};

use crate::harness::{PROGRAM, component, folder, new_accounts, oms_adapter, stage, told, until, workspace};
use crate::operators::operations;

use super::{adapter, begun, built, json, said, target_dir};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_case_is_run_step_by_step_with_its_requests_for_curl() {
    let Some(blank) = component("adapters/blank") else { return };
    let case = workspace().join("adapters/blank/cases/new-account.json");
    let text = said(&adapter(&[&"run", &blank, &case, &"--target", &"http://127.0.0.1:9"]));
    for part in [
        "1  send look, repeatable",
        "curl -X POST 'http://127.0.0.1:9/services' -H 'content-type: text/xml; charset=utf-8'",
        "# \"@@session@@\" stands for \"session.id\"",
        "2  send add, at-most-once",
        "3  finish",
        "reports  [{\"status\":\"ok\"}]",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    let told = json(&adapter(&[&"run", &blank, &case, &"-o", &"json"]));
    assert_eq!(told["steps"].as_array().map(Vec::len), Some(3), "{told}");
}

#[test]
fn a_component_is_measured_by_its_cases() {
    let Some(blank) = component("adapters/blank") else { return };
    let cases = workspace().join("adapters/blank/cases");
    let told = json(&adapter(&[&"bench", &blank, &cases, &"--rounds", &"2", &"-o", &"json"]));
    let mut questions = told["questions"].as_array().expect("questions").iter();
    let provision = questions.find(|question| question["question"] == "provision").expect("it is asked");
    let micros = |name: &str| provision[name].as_u64().expect("microseconds");
    assert!(micros("p50_us") <= micros("p95_us") && micros("p95_us") <= micros("max_us"), "{told}");
    assert!(provision["asked"].as_u64().expect("a number") >= 36, "each of 18 cases twice: {told}");
    assert!(told["memory_peak"].as_u64().expect("bytes") >= 1 << 16, "a page at least: {told}");
    assert!(
        told["load_ms"].as_f64().expect("a time") >= told["compile_ms"].as_f64().expect("a time"),
        "{told}"
    );
}

/// What holds is not touched, and what differs is written as an author would.
#[test]
fn cases_are_brought_up_to_date() {
    let Some(blank) = component("adapters/blank") else { return };
    let home = folder();
    let (kept, changed) = ("new-account.json", "config-bad.json");
    let original = |name: &str| {
        std::fs::read_to_string(workspace().join("adapters/blank/cases").join(name)).expect("a case")
    };
    std::fs::write(home.path().join(kept), original(kept)).expect("written");
    let other = original("terminated.json").replace("\"status\": \"ok\"", "\"status\": \"failed\"");
    assert_ne!(other, original("terminated.json"));
    std::fs::write(home.path().join("terminated.json"), other).expect("written");
    let bare = json!({ "about": "", "ask": "check-config", "config": { "nonsense": 1 } });
    std::fs::write(home.path().join(changed), bare.to_string()).expect("written");

    let before = said(&adapter(&[&"test", &blank, &home.path()]));
    assert!(before.contains("2 of 3 cases do not hold") && before.contains("give it `expect`"), "{before}");
    let update = said(&adapter(&[&"test", &blank, &home.path(), &"--update"]));
    assert!(update.contains("2 cases updated, 1 unchanged"), "{update}");
    let after = said(&adapter(&[&"test", &blank, &home.path()]));
    assert!(after.contains("all 3 cases hold"), "{after}");
    let now = |name: &str| std::fs::read_to_string(home.path().join(name)).expect("a case");
    assert_eq!(now(kept), original(kept));
    // Only what its last step expects is another one.
    let before = |text: &str| text.rsplit_once("\"expect\"").expect("a step").0.to_owned();
    assert_eq!(before(&now("terminated.json")), before(&original("terminated.json")));
}

/// From a running host, with somebody else's numbers.
#[tokio::test(flavor = "multi_thread")]
async fn what_happened_to_an_operation_becomes_a_case() {
    let Some(oms) = oms_adapter() else { return };
    let home = folder();
    let mut stage = stage(home.path(), &oms, Settings::default()).await;
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    until("OK for account 1", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;
    let id = operations(&stage, &[]).await[0]["id"].as_str().expect("an id").to_owned();

    let cases = home.path().join("cases");
    std::fs::create_dir(&cases).expect("a folder");
    let to = cases.join("recorded.json");
    let config = stage.directory.join("punchdown.toml");
    let record = || adapter(&[&"record", &id, &oms, &"--to", &to, &"--config", &config]);
    let output = tokio::task::block_in_place(record);
    assert!(output.status.success(), "{}", said(&output));
    let case: Value = serde_json::from_str(&std::fs::read_to_string(&to).expect("a case")).expect("JSON");
    assert!(case["steps"].as_array().expect("steps").len() >= 2, "{case}");
    let again = tokio::task::block_in_place(|| adapter(&[&"test", &oms, &cases]));
    assert!(again.status.success(), "{}", said(&again));

    // Whoever it was is somebody else now, and the same one throughout.
    let mut known = Vec::new();
    stage.billing.change_account(1, |account| {
        known.extend(account.id.split('@').next().map(str::to_owned));
        known.extend(account.imsi.clone());
        known.extend(account.iccid.clone());
    });
    assert!(known.len() >= 2, "{known:?}");
    for word in known {
        assert!(!case.to_string().contains(&word), "{word} stands in {case}");
    }
    let twice = tokio::task::block_in_place(record);
    assert!(said(&twice).contains("E0310"), "it writes over nothing: {}", said(&twice));
    let unknown = tokio::task::block_in_place(|| {
        adapter(&[&"record", &"nobody", &oms, &"--to", &cases.join("x.json"), &"--config", &config])
    });
    assert!(said(&unknown).contains("there is no operation nobody"), "{}", said(&unknown));
}

/// A child that is ended with the test.
struct Watched(Child);

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn dev(project: &Path) -> (Watched, impl Iterator<Item = String>) {
    let mut command = Command::new(PROGRAM);
    command.args(["adapter", "dev"]).arg(project).env("CARGO_TARGET_DIR", target_dir());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
    let lines = BufReader::new(child.stdout.take().expect("an output")).lines().map_while(Result::ok);
    (Watched(child), lines)
}

#[test]
fn every_save_builds_asks_and_shows_what_changed_in_the_requests() {
    let home = folder();
    let project = begun(home.path(), "saved", "hss", "rust");
    if built(&project).is_none() {
        return;
    }
    let (_child, mut lines) = dev(&project);
    let first: Vec<_> = lines.by_ref().take_while(|line| !line.starts_with("waiting for a change")).collect();
    assert!(first.iter().any(|line| line.ends_with("cases hold")), "{first:?}");
    let source = project.join("src/lib.rs");
    let text = std::fs::read_to_string(&source).expect("a source");
    assert!(text.contains("\"/subscribers\""), "the template asks for subscribers");
    std::fs::write(&source, text.replace("\"/subscribers\"", "\"/people\"")).expect("written");
    let second: Vec<_> =
        lines.by_ref().take_while(|line| !line.starts_with("waiting for a change")).collect();
    let says =
        |begin: &str, part: &str| second.iter().any(|line| line.starts_with(begin) && line.contains(part));
    assert!(says("FAILED ", "/decision/send/path"), "{second:?}");
    assert!(says("- curl", "/subscribers") && says("+ curl", "/people"), "{second:?}");
}

#[test]
fn what_a_machine_lacks_is_told_with_the_way_to_get_it() {
    let told = json(&adapter(&[&"doctor", &"-o", &"json"]));
    let languages = told["languages"].as_array().expect("languages");
    assert_eq!(languages.len(), 3, "{told}");
    let mut command = Command::new(PROGRAM);
    let bare = command.args(["adapter", "doctor"]).env("PATH", "/nowhere").output().expect("it runs");
    let text = said(&bare);
    for part in ["python: not ready", "typescript: not ready", "mend: "] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}
