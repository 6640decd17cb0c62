//! What a run leaves in the log and in the metrics: words of sets that are documented, and a trace by which
//! an operation is found in the logs of other systems.

use std::collections::BTreeSet;
use std::time::Duration;

use punchdown::cli::stage::{OMS_TOKEN, Stage};
use punchdown::domain::{Kind, Stage as Standing, Trace};
use punchdown_kit::front::Demand;
use punchdown_kit::oms::{Odd, Settings};
use punchdown_kit::portabilling::{Fault, When};
use serde_json::{Value, json};

use crate::harness::{
    counted, folder, front, log, oms_adapter, rewrite, stage, told, until, with_settings, workspace,
};
use crate::operators::{asked, operations};

const SOON: Duration = Duration::from_secs(20);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The log's lines about operations.
fn transitions(stage: &Stage) -> Vec<Value> {
    let lines = log(stage);
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["operation"].is_string() && line["stage"].is_string()).collect()
}

fn lines_of<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["message"] == message).collect()
}

/// The first words in the rows of the table below that heading of `docs/operating.md`.
fn table(heading: &str) -> Vec<(String, Vec<String>)> {
    let page = std::fs::read_to_string(workspace().join("docs/operating.md")).expect("the page");
    let (_, section) = page.split_once(&format!("\n{heading}\n")).expect("the section is there");
    let section = section.split("\n#").next().unwrap_or_default();
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split(" | ").map(quoted);
        let first = cells.next().and_then(|words| words.into_iter().next()).expect("a word");
        (first, cells.next().unwrap_or_default())
    })
    .collect()
}

#[test]
fn the_stages_and_the_kinds_of_failure_are_documented() {
    let stages: Vec<String> = table("### Stages").into_iter().map(|(stage, _)| stage).collect();
    assert_eq!(stages, Standing::WORDS);
    let kinds = table("### Kinds of failure");
    assert_eq!(kinds.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), Kind::ALL.map(Kind::word));
    for ((word, codes), kind) in kinds.iter().zip(Kind::ALL) {
        let codes: BTreeSet<&str> = codes.iter().map(String::as_str).collect();
        assert_eq!(codes, kind.codes().collect(), "{word}");
    }
    // Each trouble that is explained is of a kind.
    for (code, _) in table("## Reasons for parking").into_iter().chain(table("## Other troubles")) {
        assert_ne!(Kind::of(&code), Kind::Answer, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transitions_are_told_in_words_of_closed_sets() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let front = front(&stage, Demand::Bearer(OMS_TOKEN.to_owned())).await;
    stage.open_accounts(3);
    let busy = Fault::Busy;
    stage.billing.faults().strike_on("Account/get_account_info", busy, When::Next(1));
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("OK", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;
    stage.oms.answer_next(Odd::ErrorInSuccess);
    espf.emit("Account/New", json!({ "i_account": 2 }));
    until("it is parked", SOON, async || told(&stage, 2).last().is_some_and(|word| word == "FAILED")).await;
    front.demand(Demand::Silence);
    espf.emit("Account/New", json!({ "i_account": 3 }));
    until("nobody answers", SOON, async || !lines_of(&transitions(&stage), "unanswered").is_empty()).await;
    until("it is tried again", SOON, async || {
        lines_of(&transitions(&stage), "retrying").iter().any(|line| line["kind"] == "target")
    })
    .await;

    let lines = transitions(&stage);
    for line in &lines {
        let stage = line["stage"].as_str().unwrap_or_default();
        assert!(Standing::WORDS.contains(&stage), "{line}");
        let trace = line["trace"].as_str().unwrap_or_default();
        assert!(trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
        let has_failed = ["retrying", "parked", "unanswered", "struck"].map(Value::from);
        assert_eq!(line["kind"].is_string(), has_failed.contains(&line["message"]), "{line}");
        let kind = line["kind"].as_str().unwrap_or(Kind::ALL[0].word());
        assert!(Kind::ALL.iter().any(|known| known.word() == kind), "{line}");
    }
    let of = |message: &str, kind: &str| {
        let lines = lines_of(&lines, message);
        assert!(lines.iter().any(|line| line["kind"] == kind), "no {message} of {kind} in {lines:#?}");
    };
    of("retrying", "billing");
    of("parked", "answer");
    of("unanswered", "target");

    // The same in the metrics.
    for (series, least) in [
        ("punchdown_retries_total{group=\"HSS\",kind=\"billing\"}", 1),
        ("punchdown_retries_total{group=\"HSS\",kind=\"target\"}", 1),
        ("punchdown_retries_total{group=\"HSS\",kind=\"credential\"}", 0),
        ("punchdown_provision_seconds_count{group=\"HSS\",outcome=\"done\"}", 1),
        ("punchdown_provision_seconds_count{group=\"HSS\",outcome=\"failed\"}", 0),
        ("punchdown_stage_seconds_count{group=\"HSS\",stage=\"received\"}", 3),
        ("punchdown_stage_seconds_count{group=\"HSS\",stage=\"waiting\"}", 1),
        ("punchdown_answers_total{group=\"HSS\",code=\"2xx\"}", 2),
        ("punchdown_answers_total{group=\"HSS\",code=\"5xx\"}", 0),
        ("punchdown_adapter_calls_total{group=\"HSS\",question=\"provision\",result=\"answered\"}", 3),
        ("punchdown_adapter_calls_total{group=\"HSS\",question=\"provision\",result=\"adapter-limit\"}", 0),
        ("punchdown_statuses_given_up", 0),
    ] {
        let count = counted(&stage, series).await;
        assert!(if least == 0 { count == 0 } else { count >= least }, "{series} {count}");
    }
    let metrics = reqwest::get(format!("http://{}/metrics", stage.admin)).await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    let info = "punchdown_adapter_info{group=\"HSS\",adapter=\"oms-tmf641\",version=\"";
    let line = metrics.lines().find(|line| line.starts_with(info)).expect("who serves the group");
    assert!(line.contains("digest=\"sha256:") && line.ends_with(" 1"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_from_the_delivery_to_the_log_and_the_target_over_a_restart() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let front = front(&stage, Demand::Bearer(OMS_TOKEN.to_owned())).await;
    stage.oms.hold_completion(true);
    stage.open_accounts(3);
    stage.start_host().await.expect("the host starts");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let door = format!("http://{}/espf/events", stage.public);
    let send = async |i_account: u64, headers: &[(&str, &str)]| {
        let event = json!({ "event_type": "Account/New", "variables": { "i_account": i_account, "i_event": i_account } });
        let mut request = client.post(&door).basic_auth("espf", Some("stage-espf-password")).json(&event);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        assert!(request.send().await.expect("an answer").status().is_success());
        let in_progress = async || told(&stage, i_account).last().is_some_and(|word| word == "IN_PROGRESS");
        until("it is ordered", SOON, in_progress).await;
    };
    send(1, &[("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01")), ("b3", "0")]).await;
    assert_eq!(front.ledger().traces, [None], "nothing is said of it unless that is wanted");

    stage.stop_host().await.expect("it stops");
    with_settings(&stage, "groups.HSS.target", "traceparent = true");
    stage.oms.hold_completion(false);
    stage.start_host().await.expect("the host starts");
    let shown = async |i_account: &str| -> Value {
        let [operation] = &operations(&stage, &["--account", i_account]).await[..] else { panic!("one") };
        asked(&stage, &["operation", "show", operation["id"].as_str().expect("an id")]).await
    };
    assert_eq!(shown("1").await["trace"], TRACE);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let send = async |i_account: u64, header: Option<(&str, &str)>| {
        let event = json!({ "event_type": "Account/New", "variables": { "i_account": i_account, "i_event": i_account } });
        let mut request = client.post(&door).basic_auth("espf", Some("stage-espf-password")).json(&event);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        assert!(request.send().await.expect("an answer").status().is_success());
        until("OK", SOON, async || told(&stage, i_account).last().is_some_and(|word| word == "OK")).await;
    };
    send(2, Some(("b3", "a3ce929d0e0e4736-00f067aa0ba902b7-0"))).await;
    send(3, None).await;
    let own = shown("3").await;
    let made =
        Trace::of_operation(&punchdown::domain::OperationId(own["id"].as_str().expect("an id").to_owned()));
    assert_eq!(own["trace"], made.to_string(), "made of the operation");
    let short = format!("{:0>32}", "a3ce929d0e0e4736");
    assert_eq!(shown("2").await["trace"], short);

    let lines = transitions(&stage);
    let of = |i_account: u64| -> BTreeSet<&str> {
        let number = Value::from(i_account.to_string());
        let lines = lines.iter().filter(|line| line["i_account"] == number);
        lines.filter_map(|line| line["trace"].as_str()).collect()
    };
    assert_eq!(of(1), BTreeSet::from([TRACE]), "before the restart and after it");
    assert_eq!(of(2), BTreeSet::from([short.as_str()]));
    let told: BTreeSet<String> = front.ledger().traces.into_iter().flatten().collect();
    let id = |parent: &str| parent.split('-').nth(1).unwrap_or_default().to_owned();
    let ids: BTreeSet<String> = told.iter().map(|parent| id(parent)).collect();
    assert!(ids.contains(&short) && ids.contains(&made.to_string()), "{told:?}");
    let flags = |id: &str| told.iter().filter(|parent| parent.contains(id)).all(|it| it.ends_with("-00"));
    assert!(
        flags(&short) && !flags(&made.to_string()),
        "what is not recorded before us is not after us: {told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_to_be_asked_later_is_asked_later() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.open_accounts(2);
    let busy = Fault::BusyFor(600);
    stage.billing.faults().strike_on("Account/get_account_info", busy, When::Next(1));
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    let retrying = async || operations(&stage, &["--state", "retrying"]).await;
    until("it is tried later", SOON, async || retrying().await.len() == 1).await;
    let line = &retrying().await[0];
    let at = |name: &str| -> punchdown::domain::Timestamp {
        serde_json::from_value(line[name].clone()).expect("a time")
    };
    let pause = at("due").since(at("changed_at")).as_secs();
    assert!((600..=720).contains(&pause), "{pause} s");

    // A person need not wait, and others do not.
    let id = line["id"].as_str().expect("an id");
    asked(&stage, &["operation", "retry", id, "--who", "ann", "--why", "it is back"]).await;
    espf.emit("Account/New", json!({ "i_account": 2 }));
    for i_account in [1, 2] {
        until("OK", SOON, async || told(&stage, i_account).last().is_some_and(|word| word == "OK")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_is_asked_again_when_it_says_so_and_its_tokens_are_shown_to_nobody() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let front = front(&stage, Demand::Bearer("gr4nted-t0ken".to_owned())).await;
    std::fs::write(folder.path().join("secrets/client"), crate::harness::CLIENT_SECRET).expect("written");
    let grant = format!(
        "auth = {{ oauth2 = {{ token-url = \"{}/oauth/token\", client-id = \"punchdown\", client-secret = {{ file = \"secrets/client\" }} }} }}",
        front.url()
    );
    rewrite(&stage, "auth = { bearer = { file = \"secrets/oms\" } }", &grant);
    stage.open_accounts(2);
    front.grant_later(900);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("it is refused", SOON, async || log(&stage).contains("no token for a target")).await;
    let said = log(&stage);
    let line = said.lines().find(|line| line.contains("no token for a target")).expect("a line");
    let line: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!((&line["code"], &line["pause_s"]), (&json!("token-unavailable"), &json!(900)), "{line}");
    stage.stop_host().await.expect("it stops");

    front.grant(Some("gr4nted-t0ken"));
    stage.start_host().await.expect("the host starts");
    espf.emit("Account/New", json!({ "i_account": 2 }));
    until("OK", SOON, async || told(&stage, 2).last().is_some_and(|word| word == "OK")).await;
    // Somebody quotes it where nobody expects it.
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let letter = client.post(format!("http://{}/espf/events", stage.public));
    let letter =
        letter.basic_auth("espf", Some("stage-espf-password")).body("no event: Bearer gr4nted-t0ken");
    assert_eq!(letter.send().await.expect("an answer").status().as_u16(), 400);
    let letters = asked(&stage, &["event", "list", "--dead-letters"]).await;
    let id = letters["dead_letters"][0]["id"].as_str().expect("an id");
    let shown = asked(&stage, &["event", "show", "--dead-letter", id]).await;
    assert_eq!(shown["body"], "no event: Bearer (secret)");
}
