//! The golden cases that lie beside a component are asked before it serves: one that differs changes nothing, and says
//! in which case, where, and by what.

use std::path::{Path, PathBuf};
use std::time::Duration;

use punchdown::cases::{folder_beside, hold_in};
use punchdown::cli::stage::Stage;
use punchdown::secret::Screen;
use punchdown::wasm::{Limits, Sandbox};
use punchdown_kit::oms::Settings;
use serde_json::{Value, json};

use crate::guests::guest;
use crate::harness::{
    PROGRAM, counted, folder, log, oms_adapter, stage_of, told, unserved, until, workspace,
};
use crate::operators::{asked, said};
use crate::reload::{edition, put, reloaded};

const SOON: Duration = Duration::from_secs(20);
const CASE: &str = "accepted-with-a-monitor";
/// Of the subscriber of a case, and said without its name.
const PUK: &str = "puk-47114711";

/// A stage whose adapter lies where this test alone writes, with its own cases beside it.
async fn set(folder: &Path) -> Option<(Stage, PathBuf)> {
    let adapter = folder.join("oms.wasm");
    std::fs::copy(oms_adapter()?, &adapter).expect("copied");
    let stage = stage_of(PROGRAM, folder, &adapter, Settings::default(), "", "").await;
    stage.open_accounts(9);
    copy_cases(&folder.join("oms.cases"));
    Some((stage, adapter))
}

fn copy_cases(to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for case in std::fs::read_dir(workspace().join("adapters/oms-tmf641/cases")).expect("cases") {
        let case = case.expect("an entry");
        std::fs::copy(case.path(), to.join(case.file_name())).expect("copied");
    }
}

/// The same case with another expectation; `None`: as its author wrote it.
fn expect(cases: &Path, path: Option<&str>) {
    let name = format!("{CASE}.json");
    let text = std::fs::read(workspace().join("adapters/oms-tmf641/cases").join(&name)).expect("a case");
    let mut case: Value = serde_json::from_slice(&text).expect("JSON");
    if let Some(path) = path {
        case["operation"]["subscriber"]["documents"]["sim_card"]["puk"] = PUK.into();
        case["steps"][0]["expect"]["decision"]["send"]["path"] = path.into();
    }
    put(&cases.join(name), case.to_string().as_bytes());
}

/// The parts of what is said, wherever it is said.
const SAID: [&str; 4] =
    [CASE, "step 1: /decision/send/path: expected \"/elsewhere\"", "oms.cases", "/serviceOrder"];

#[tokio::test(flavor = "multi_thread")]
async fn one_that_differs_from_a_case_beside_it_does_not_serve_until_the_case_is_mended() {
    let folder = folder();
    let Some((mut stage, adapter)) = set(folder.path()).await else { return };
    let cases = folder.path().join("oms.cases");
    stage.start_host().await.expect("the host starts");
    assert!(log(&stage).contains("\"cases\":94"), "all were asked: {}", log(&stage));
    let before = reloaded(&stage).await["groups"][0]["digest"].clone();

    expect(&cases, Some("/elsewhere"));
    put(&adapter, &edition(&adapter, 2));
    let output = said(&stage, &["reload"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("error[E0311]") && text.contains("what served goes on"), "{text}");
    let refused = reloaded(&stage).await;
    let (told_last, logged) =
        (refused["problems"].to_string().replace("\\\"", "\""), log(&stage).replace("\\\"", "\""));
    for part in SAID {
        for said in [&text, &told_last, &logged] {
            assert!(said.contains(part), "`{part}` is not in {said}");
        }
    }
    assert_eq!(refused["groups"][0]["digest"], before);
    assert_eq!(counted(&stage, "punchdown_reload_problems").await, 1);
    let check = said(&stage, &["check"]).await;
    assert_eq!(check.status.code(), Some(78), "{check:?}");
    assert!(String::from_utf8_lossy(&check.stderr).contains("error[E0311]"), "{check:?}");
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("OK", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;

    // The case alone: what was refused for it is tried again.
    expect(&cases, None);
    until("it is taken over", SOON, async || reloaded(&stage).await["generation"] == 2).await;
    assert_eq!(counted(&stage, "punchdown_reload_problems").await, 0);
    let now = reloaded(&stage).await["groups"][0]["digest"].clone();
    assert_ne!(now, before);

    // And what serves is not judged by cases that came after it, be it over a restart.
    expect(&cases, Some("/elsewhere"));
    let output = said(&stage, &["reload"]).await;
    assert!(output.status.success(), "{output:?}");
    stage.kill_host().await.expect("it dies");
    stage.start_host().await.expect("the host starts");
    assert_eq!(reloaded(&stage).await["groups"][0]["digest"], now);
    until("it is warned of", SOON, async || log(&stage).contains("\"code\":\"W0203\"")).await;
    let back = said(&stage, &["adapter", "rollback", "--group", "HSS"]).await;
    assert!(back.status.success(), "{back:?}");
    assert_eq!(reloaded(&stage).await["groups"][0]["digest"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_first_start_its_group_is_unserved() {
    let folder = folder();
    let Some((stage, _)) = set(folder.path()).await else { return };
    expect(&folder.path().join("oms.cases"), Some("/elsewhere"));
    let check = unserved(&stage.config);
    for part in SAID.into_iter().chain(["error[E0311]", "punchdown adapter test "]) {
        assert!(check.contains(part), "`{part}` is not in {check}");
    }
    expect(&folder.path().join("oms.cases"), Some(&format!("/elsewhere/{PUK}")));
    let check = unserved(&stage.config);
    assert!(check.contains("expected \"/elsewhere/(hidden)\"") && !check.contains(PUK), "{check}");
}

/// With a component, and undone with it.
#[tokio::test(flavor = "multi_thread")]
async fn cases_are_carried_to_the_place_of_a_component_or_all_is_as_it_was() {
    let folder = folder();
    let Some((mut stage, adapter)) = set(folder.path()).await else { return };
    stage.start_host().await.expect("the host starts");
    let (cases, before) = (folder.path().join("oms.cases"), std::fs::read(&adapter).expect("a component"));
    let newer = folder.path().join("newer.wasm");
    std::fs::write(&newer, edition(&adapter, 2)).expect("written");
    let theirs = folder.path().join("theirs");
    std::fs::create_dir(&theirs).expect("a folder");
    expect(&theirs, Some("/elsewhere"));
    let (newer, from) = (newer.display().to_string(), theirs.display().to_string());
    let install = ["adapter", "install", &newer, "--group", "HSS", "--cases", &from];

    let output = said(&stage, &install).await;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "it is held to the cases that it brings: {stderr}");
    assert!(stderr.contains("/elsewhere") && stderr.contains("error[E0311]"), "{stderr}");
    assert_eq!(std::fs::read(&adapter).expect("a component"), before);
    assert_eq!(std::fs::read_dir(&cases).expect("cases").count(), 94, "those that lay there");

    expect(&theirs, None);
    let output = said(&stage, &install).await;
    assert!(output.status.success(), "{output:?}");
    assert_ne!(std::fs::read(&adapter).expect("a component"), before);
    let there: Vec<_> =
        std::fs::read_dir(&cases).expect("cases").map(|it| it.expect("one").file_name()).collect();
    assert_eq!(there, [format!("{CASE}.json").as_str()]);
    let beside = std::fs::read_dir(folder.path()).expect("a folder").map(|it| it.expect("one").file_name());
    let left = beside.filter(|name| name.to_string_lossy().contains("before-")).count();
    assert_eq!(left, 0, "nothing is left over");
    assert_eq!(asked(&stage, &["adapter", "list"]).await["groups"][0]["kept"][0]["lies_there"], true);
}

/// Of what lies there, half of it, and anything else; and of a component that does not come to an end.
#[tokio::test]
async fn whatever_lies_beside_is_told_with_its_name() {
    let folder = folder();
    let sandbox = Sandbox::new().expect("a sandbox");
    let limits = Limits { time: Duration::from_millis(100), ..Limits::default() };
    let (ignores, spins) = (guest(folder.path(), "ignores"), guest(folder.path(), "spins"));
    let asked = async |component: &Path| {
        let adapter = sandbox.load_within(component, limits).await.expect("an adapter");
        hold_in(&folder_beside(component), &adapter, &Screen::default()).await
    };
    assert_eq!(asked(&ignores).await, Ok(0), "there are none");
    let beside = folder_beside(&ignores);
    std::fs::create_dir(&beside).expect("a folder");
    let case = |expect: Value| json!({ "ask": "check-config", "config": {}, "expect": expect }).to_string();
    for (text, part) in [
        (case(json!([])), None),
        (case(json!([{ "at": "/a" }])), Some(": expected [{\"at\":\"/a\"}], answered []")),
        (case(json!([]))[..20].to_owned(), Some("it is no JSON: EOF")),
        (String::new(), Some("it is no JSON: EOF")),
        (
            json!({ "ask": "the way" }).to_string(),
            Some("`ask` is \"the way\", and must be one of: provision"),
        ),
    ] {
        std::fs::write(beside.join("one.json"), &text).expect("written");
        let found = asked(&ignores).await;
        match part {
            None => assert_eq!(found, Ok(1), "{text}"),
            Some(part) => {
                let found = found.expect_err(&text);
                assert!(found.len() == 1 && found[0].contains("case `one` of "), "{found:?}");
                assert!(found[0].contains(part), "`{part}` is not in {found:?}");
            }
        }
    }
    // Each costs a question's time, and after some it is enough.
    let beside = folder_beside(&spins);
    std::fs::create_dir(&beside).expect("a folder");
    let new = workspace().join("adapters/oms-tmf641/cases").join(format!("{CASE}.json"));
    (0..9).for_each(|number| drop(std::fs::copy(&new, beside.join(format!("{number}.json")))));
    let found = asked(&spins).await.expect_err("it spins");
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(found[0].contains("within 100 ms (`limits.time`)"), "{found:?}");
    assert_eq!(found[5], "after 5 of 9 cases no other one was asked");
}
