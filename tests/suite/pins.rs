//! A person pins a group to a component that is kept: it serves whatever lies in its place, until that is taken off. Who
//! needs which component is told before one goes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use serde_json::{Value, json};

use crate::harness::{PROGRAM, counted, folder, log, oms_adapter, stage_of, told, until, with_settings};
use crate::operators::{asked, said};
use crate::reload::{edition, put, reloaded};

const SOON: Duration = Duration::from_secs(20);
const PINNED: &str = "punchdown_adapter_pinned{group=\"HSS\"}";
const PASSED_OVER: &str = "punchdown_adapter_passed_over{group=\"HSS\"}";

/// A host whose adapter lies where this test alone writes.
async fn running(folder: &Path) -> Option<(Stage, PathBuf)> {
    let adapter = folder.join("oms.wasm");
    std::fs::copy(oms_adapter()?, &adapter).expect("copied");
    let mut stage = stage_of(PROGRAM, folder, &adapter, Settings::default(), "", "poll-seconds = 1").await;
    stage.open_accounts(9);
    stage.start_host().await.expect("the host starts");
    Some((stage, adapter))
}

async fn serves(stage: &Stage) -> String {
    reloaded(stage).await["groups"][0]["digest"].as_str().expect("a digest").to_owned()
}

/// What is kept: each with the operations that it decided last.
async fn kept(stage: &Stage) -> (Value, Vec<(String, u64)>) {
    let listed = asked(stage, &["adapter", "list"]).await;
    let kept = listed["groups"][0]["kept"].as_array().expect("a list").iter();
    let kept = kept.map(|it| {
        (it["digest"].as_str().expect("a digest").to_owned(), it["open"].as_u64().expect("a count"))
    });
    (listed["counted_by"].clone(), kept.collect())
}

async fn pin(stage: &Stage, arguments: &[&str]) -> (Option<i32>, String) {
    let output = said(stage, &[&["adapter", "pin", "--group", "HSS"], arguments].concat()).await;
    let text = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
    (output.status.code(), text)
}

/// It is taken over by hand, so that the story knows when.
async fn replaced(stage: &Stage, adapter: &Path, number: u8) {
    put(adapter, &edition(adapter, number));
    let output = said(stage, &["reload"]).await;
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_pinned_serves_whatever_lies_in_its_place_until_it_is_taken_off() {
    let folder = folder();
    let Some((mut stage, adapter)) = running(folder.path()).await else { return };
    let first = serves(&stage).await;
    replaced(&stage, &adapter, 2).await;
    let second = serves(&stage).await;
    assert_ne!(first, second);

    let (code, text) = pin(&stage, &[&first[7..19], "--who", "ann", "--why", "the second one is slow"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&format!("HSS is pinned to {first}")), "{text}");
    assert_eq!((serves(&stage).await, counted(&stage, PINNED).await), (first.clone(), 1));
    let audit = asked(&stage, &["audit"]).await["audit"][0].clone();
    assert_eq!((&audit["who"], &audit["what"]), (&"ann".into(), &format!("pin {first}").into()), "{audit}");

    replaced(&stage, &adapter, 3).await;
    let last = reloaded(&stage).await["groups"][0].clone();
    assert_eq!((&last["digest"], &last["outcome"]), (&first.clone().into(), &"pinned".into()), "{last}");
    let third = last["pin"]["passes_over"].as_str().expect("a digest").to_owned();
    assert!(third != first && third != second, "{last}");
    let shown = asked(&stage, &["status"]).await["groups"]["HSS"]["pin"].clone();
    assert_eq!(shown, json!({ "to": first, "passes_over": third }));
    let problems = said(&stage, &["status", "--problems"]).await;
    assert!(String::from_utf8_lossy(&problems.stdout).contains("group HSS is pinned to "), "{problems:?}");
    assert_eq!(counted(&stage, PASSED_OVER).await, 1);
    assert!(log(&stage).contains(&format!("\"passes_over\":\"{third}\"")), "{}", log(&stage));
    // Nor by an install, which says why and leaves all as it was.
    let fourth = folder.path().join("fourth.wasm");
    std::fs::write(&fourth, edition(&adapter, 4)).expect("written");
    let (fourth, cases) = (fourth.display().to_string(), folder.path().join("of-the-fourth"));
    std::fs::create_dir(&cases).expect("a folder");
    let case = json!({ "ask": "check-config", "config": { "specification": "mobile-line" }, "expect": [] });
    std::fs::write(cases.join("one.json"), case.to_string()).expect("written");
    let cases = cases.display().to_string();
    let output = said(&stage, &["adapter", "install", &fourth, "--group", "HSS", "--cases", &cases]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("adapter pin --group HSS --off"), "{output:?}");
    let names = std::fs::read_dir(folder.path()).expect("a folder").map(|it| it.expect("one").file_name());
    let of_cases: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with("oms.")).collect();
    assert_eq!(of_cases, ["oms.wasm"], "nothing of it stays");

    stage.kill_host().await.expect("it dies");
    stage.start_host().await.expect("the host starts");
    assert_eq!(serves(&stage).await, first, "over a restart");
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("OK", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;

    let (code, text) = pin(&stage, &["--off"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!((serves(&stage).await, counted(&stage, PINNED).await), (third, 0), "{text}");
    assert_eq!(asked(&stage, &["status"]).await["groups"]["HSS"]["pin"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_needs_a_component_is_told_by_the_host_and_without_one() {
    let folder = folder();
    let Some((mut stage, adapter)) = running(folder.path()).await else { return };
    stage.oms.hold_completion(true);
    let (espf, first) = (stage.espf(0.0), serves(&stage).await);
    let waits = async |account| {
        let is_told = async || told(&stage, account).last().is_some_and(|word| word == "IN_PROGRESS");
        until("IN_PROGRESS", SOON, is_told).await;
    };
    for account in [1, 2] {
        espf.emit("Account/New", json!({ "i_account": account }));
        waits(account).await;
    }
    // It looks no more: whoever serves would decide then.
    assert_eq!(kept(&stage).await, ("host".into(), vec![(first.clone(), 2)]));
    stage.stop_host().await.expect("it stops");
    assert_eq!(kept(&stage).await, ("journal".into(), vec![(first.clone(), 2)]));

    // What is not kept, and was needed.
    std::fs::remove_dir_all(folder.path().join("data/adapters")).expect("removed");
    put(&adapter, &edition(&adapter, 2));
    let listed = asked(&stage, &["adapter", "list"]).await;
    assert_eq!(listed["groups"][0]["gone"], json!({ first: 2 }), "{listed}");
    std::fs::remove_dir_all(folder.path().join("data")).expect("removed");
    let listed = asked(&stage, &["adapter", "list"]).await;
    assert_eq!((&listed["counted_by"], &listed["groups"][0]["undecided"]), (&Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_pinned_is_told_why_and_changes_nothing() {
    let folder = folder();
    let Some((mut stage, adapter)) = running(folder.path()).await else { return };
    let first = serves(&stage).await;
    replaced(&stage, &adapter, 2).await;
    let second = serves(&stage).await;
    let shelf = folder.path().join("data/adapters/HSS");
    std::fs::write(shelf.join(format!("{}.wasm", &first[7..])), "torn").expect("written");
    for (arguments, part) in [
        (&["0123456789"][..], "`0123456789` begins no component that is kept of group HSS"),
        (&["sha256:"][..], "begins 2 components that are kept"),
        (&[first.as_str()][..], "all is as it was"),
    ] {
        let (code, text) = pin(&stage, arguments).await;
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("error[E0703]") && text.contains(part), "`{part}` is not in {text}");
        assert_eq!(serves(&stage).await, second);
        assert!(!shelf.join("pinned").exists(), "{text}");
    }
    let nobody = said(&stage, &["adapter", "pin", "--group", "Nobody"]).await;
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
    // The one that serves, by no name: not while it is in memory alone, unless what lies in its place is the same.
    let kept = shelf.join(format!("{}.wasm", &second[7..]));
    let whole = std::fs::read(&adapter).expect("a component");
    std::fs::write(&kept, "torn").expect("written");
    std::fs::write(&adapter, "torn").expect("written");
    let (code, text) = pin(&stage, &[]).await;
    assert!(code == Some(1) && text.contains("it serves, and is not kept whole"), "{text}");
    put(&adapter, &whole);
    let (code, text) = pin(&stage, &[]).await;
    assert!(code == Some(0) && text.contains(&second), "{text}");
    stage.stop_host().await.expect("it stops");
    assert_eq!(pin(&stage, &["--off"]).await.0, Some(69), "no host runs");
    stage.start_host().await.expect("the host starts");
    assert_eq!(asked(&stage, &["status"]).await["groups"]["HSS"]["pin"]["to"], second);
    assert_eq!(std::fs::read(&kept).expect("it is kept"), whole);

    // What is pinned and cannot be read serves nobody at a start, and harms nobody who serves.
    for torn in [&b"torn"[..], &edition(&adapter, 9)] {
        std::fs::write(&kept, torn).expect("written");
        assert_eq!(said(&stage, &["reload"]).await.status.code(), Some(1));
        assert_eq!(serves(&stage).await, second);
    }
    let (last, pinned) = (reloaded(&stage).await.to_string(), shelf.join("pinned"));
    assert!(last.contains("E0301") && last.contains("is not what was kept there"), "{last}");
    std::fs::write(&kept, &whole).expect("written");
    std::fs::write(&pinned, "sha256:0").expect("written");
    stage.kill_host().await.expect("it dies");
    stage.start_host().await.expect("the host starts");
    let unserved = reloaded(&stage).await;
    assert_eq!(unserved["groups"], json!([]), "what lies in its place may be what it is spared: {unserved}");
    assert!(
        unserved["problems"][0]["message"].as_str().is_some_and(|it| it.contains("no digest")),
        "{unserved}"
    );
    let (code, text) = pin(&stage, &[&second]).await;
    assert!(code == Some(1) && text.contains("--off"), "{text}");
    // What lies there is no good, either: that is said, too.
    std::fs::write(&adapter, "torn").expect("written");
    let (code, text) = pin(&stage, &["--off"]).await;
    assert!(code == Some(1) && text.contains("nothing serves it") && text.contains("E0302"), "{text}");
    put(&adapter, &whole);
    assert!(said(&stage, &["reload"]).await.status.success());
    assert_eq!(serves(&stage).await, second);

    // Nor is it taken over beside a word that may have been meant for every group.
    assert_eq!(pin(&stage, &[]).await.0, Some(0));
    put(&adapter, &edition(&adapter, 5));
    with_settings(&stage, "events", "clsoing = []");
    let (code, text) = pin(&stage, &["--off"]).await;
    assert!(code == Some(1) && text.contains("events.clsoing") && text.contains(&second), "{text}");
}
