//! The door for NSPS: its words, what is one event whichever way it comes, and what it sends along.

use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::either::needs_directory;
use crate::harness::{
    PROGRAM, counted, folder, oms_adapter, rewrite, stage, stage_of, told, until, with_settings,
};
use crate::listeners::holding;

const PATIENCE: Duration = Duration::from_secs(30);
const TOKEN: &str = "token-of-nsps";

/// A host with a door for NSPS, where an older token is still known.
async fn running(events: &str, group: &str) -> Option<(TempDir, Stage, Client)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let mut stage = stage_of(PROGRAM, folder.path(), &adapter, Settings::default(), group, "").await;
    stage.open_accounts(3);
    with_settings(&stage, "events", events);
    for (name, token) in [("nsps", TOKEN), ("nsps-old", "older-token-of-nsps")] {
        std::fs::write(folder.path().join("secrets").join(name), token).expect("written");
    }
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let nsps = "[nsps]\nauth = [{ bearer = { file = \"secrets/nsps\" } }, { bearer = { file = \"secrets/nsps-old\" } }]";
    std::fs::write(&stage.config, format!("{config}\n{nsps}\n")).expect("written");
    stage.start_host().await.expect("the host starts");
    Some((folder, stage, Client::builder().no_proxy().build().expect("a client")))
}

fn door(stage: &Stage) -> String {
    format!("http://{}/nsps/events", stage.public)
}

/// `Account/New` of an account, with what NSPS would have read of it at that time.
fn envelope(i_event: u64, i_account: u64, read_at: &str) -> Value {
    json!({
        "event_id": format!("3e84c79f-ab6f-4546-8e27-{i_event:012}"),
        "data": {
            "event_type": "Account/New",
            "variables": { "i_env": 1, "i_event": i_event, "i_account": i_account, "curr_status": "used" },
        },
        "pb_data": {
            "account_info": {
                "i_account": i_account,
                "id": format!("1777{i_account:07}@msisdn"),
                "bill_status": "open",
                "blocked": false,
                "product_name": "as NSPS says it",
            },
            "sim_info": { "i_sim_card": 9, "imsi": "001017770000001", "status": "used" },
        },
        "handler_id": "punchdown",
        "created_at": read_at,
        "updated_at": read_at,
        "status": "queued",
    })
}

fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    let now = punchdown::domain::Timestamp::from_millis(i64::try_from(since.as_millis()).expect("a time"));
    // As Python writes it.
    now.to_string().replace('Z', "000+00:00")
}

/// Posts it as NSPS does; gives the status and the document.
async fn post(stage: &Stage, client: &Client, body: impl ToString) -> (StatusCode, Value) {
    let request = client
        .post(door(stage))
        .bearer_auth(TOKEN)
        .header("content-type", "application/json")
        .header("x-b3-traceid", "463ac35c9f6413ad48485a3953bb6124")
        .header("x-request-id", "a-request-of-nsps")
        .body(body.to_string());
    let answer = request.send().await.expect("an answer");
    (answer.status(), answer.json().await.expect("JSON"))
}

fn is_error_form(document: &Value) -> bool {
    ["message", "error", "type"].iter().all(|name| document[name].is_string())
}

fn readings(stage: &Stage) -> u64 {
    stage.billing.ledger().calls.get("Account/get_account_info").copied().unwrap_or_default()
}

/// For which account IDs there are orders, in their order.
fn ordered(stage: &Stage) -> Vec<String> {
    stage.oms.ledger().orders.into_iter().filter_map(|order| order.account).collect()
}

async fn is_ok(stage: &Stage, i_account: u64) {
    let ok = async || told(stage, i_account).last().is_some_and(|word| word == "OK");
    until("the account is provisioned", PATIENCE, ok).await;
}

async fn events(stage: &Stage, result: &str) -> u64 {
    counted(stage, &format!("punchdown_events_total{{door=\"nsps\",result=\"{result}\"}}")).await
}

fn log_line(stage: &Stage, words: &str) -> Value {
    let log = std::fs::read_to_string(stage.log()).expect("a log");
    let line =
        log.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("no {words} in\n{log}"));
    serde_json::from_str(line).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_provisioned_and_known_by_whichever_door_it_comes_again() {
    let Some((_folder, stage, client)) = running("", "").await else { return };
    let event = envelope(1, 1, &now());
    assert_eq!(post(&stage, &client, &event).await, (StatusCode::ACCEPTED, json!({ "message": "stored" })));
    is_ok(&stage, 1).await;
    assert_eq!(readings(&stage), 1, "what was sent along stands beside PortaBilling's own word");
    assert_eq!(ordered(&stage), ["15550000001@msisdn"]);

    assert_eq!(post(&stage, &client, &event).await, (StatusCode::ACCEPTED, json!({ "message": "known" })));
    let espf = client.post(format!("http://{}/espf/events", stage.public));
    let espf = espf.basic_auth("espf", Some("stage-espf-password")).json(&event["data"]);
    let answer = espf.send().await.expect("an answer");
    assert_eq!((answer.status(), answer.text().await.expect("text").as_str()), (StatusCode::OK, "known\n"));
    assert_eq!((events(&stage, "accepted").await, events(&stage, "repeated").await), (1, 1));
    assert_eq!(stage.oms.ledger().orders.len(), 1);

    let stored = log_line(&stage, "event stored");
    assert_eq!(stored["event"], "1-1", "{stored}");
    let by = json!({ "name": "delivery", "door": "nsps", "trace": "463ac35c9f6413ad48485a3953bb6124", "request": "a-request-of-nsps" });
    assert_eq!(stored["span"], by);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_number_is_known_by_the_id_that_nsps_gave_it() {
    let Some((_folder, stage, client)) = running("", "").await else { return };
    let mut event = envelope(1, 1, &now());
    event["data"]["variables"]["i_event"] = Value::Null;
    for message in ["stored", "known"] {
        assert_eq!(post(&stage, &client, &event).await.1["message"], message);
    }
    event["event_id"] = json!("another");
    assert_eq!(post(&stage, &client, &event).await.1["message"], "stored");
    is_ok(&stage, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_said_in_the_form_that_nsps_shows() {
    let Some((_folder, stage, client)) = running("body-timeout = \"1s\"\nbody-max = \"4KiB\"", "").await
    else {
        return;
    };
    let raw = json!({ "event_type": "Account/New", "variables": { "i_account": 1, "i_event": 1 } });
    let huge = json!({ "data": raw, "pb_data": "x".repeat(5000) });
    let cases = [
        ("no JSON", "<event/>".to_owned(), "the body is not JSON"),
        ("the ESPF's own form", raw.to_string(), "is it an event of the ESPF?"),
        ("no name", json!({ "event_id": "1", "data": { "variables": {} } }).to_string(), "`event_type`"),
        ("too large", huge.to_string(), "more than 4096 bytes"),
    ];
    for (what, body, why) in &cases {
        for _ in ["the first time", "and again, as NSPS does"] {
            let (status, document) = post(&stage, &client, body).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{what}");
            assert!(is_error_form(&document) && document["type"] == "validation_error", "{what}: {document}");
            assert!(
                document["error"].as_str().is_some_and(|error| error.contains(why)),
                "{what}: {document}"
            );
        }
    }
    assert_eq!(events(&stage, "dead-letter").await, 8);
    assert_eq!(counted(&stage, "punchdown_dead_letters").await, 4, "a letter that comes again is the same");
    assert_eq!(log_line(&stage, "dead letter")["span"]["request"], "a-request-of-nsps");

    for (token, expected) in [
        (Some("wrong"), StatusCode::UNAUTHORIZED),
        (None, StatusCode::UNAUTHORIZED),
        (Some("older-token-of-nsps"), StatusCode::ACCEPTED),
    ] {
        let mut request = client.post(door(&stage)).json(&envelope(2, 1, &now()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), expected, "{token:?}");
        let document: Value = answer.json().await.expect("JSON");
        assert_eq!(is_error_form(&document), expected == StatusCode::UNAUTHORIZED, "{document}");
    }
    let espf = client.post(door(&stage)).basic_auth("espf", Some("stage-espf-password")).json(&raw);
    assert_eq!(espf.send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED, "not with its word");
    assert_eq!(events(&stage, "unauthorised").await, 3);

    let get = client.request(Method::GET, door(&stage)).bearer_auth(TOKEN).send().await.expect("an answer");
    assert_eq!(get.status(), StatusCode::SERVICE_UNAVAILABLE, "nothing is lost by a wrong method");
    assert!(is_error_form(&get.json().await.expect("JSON")));
    let slow = dribbled(&stage).await;
    assert!(slow.starts_with("HTTP/1.1 503 ") && slow.contains("the body came too slowly"), "{slow}");
    assert_eq!(events(&stage, "refused").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_at_once_is_told_to_come_again() {
    let Some((_folder, stage, client)) = running("concurrency = 1\nbody-timeout = \"60s\"", "").await else {
        return;
    };
    // Notices come to the same listener, and would take the only place.
    stage.oms.set_notify(None);
    let event = envelope(1, 1, &now());
    let answer = async || {
        let request = client.post(door(&stage)).bearer_auth(TOKEN).json(&event);
        let answer = request.send().await.expect("an answer");
        (answer.status(), answer.text().await.expect("text"))
    };
    let first = "POST /nsps/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let slow = holding(1, stage.public, &format!("{first}Authorization: Bearer {TOKEN}\r\n")).await;
    let (status, words) = answer().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "it is shed: {words}");
    drop(slow);
    until("there is room again", PATIENCE, async || answer().await.0 == StatusCode::ACCEPTED).await;
}

/// What a caller hears who never says all of his body.
async fn dribbled(stage: &Stage) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut caller = tokio::net::TcpStream::connect(stage.public).await.expect("a connection");
    let head = format!(
        "POST /nsps/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n"
    );
    caller.write_all(format!("{head}Content-Length: 100\r\n\r\n{{").as_bytes()).await.expect("sent");
    let mut heard = String::new();
    let end = caller.read_to_string(&mut heard);
    tokio::time::timeout(PATIENCE, end).await.expect("the host hangs up").expect("text");
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_whether_an_event_could_be_stored() {
    if needs_directory("a file is held by whoever writes; a database has room for several") {
        return;
    }
    let Some((_folder, stage, client)) = running("", "").await else { return };
    let health =
        async || client.get(format!("http://{}/health", stage.public)).send().await.expect("an answer");
    assert_eq!(health().await.status(), StatusCode::OK);

    // Whoever holds the database keeps the journal from being written.
    let journal = rusqlite::Connection::open(stage.directory.join("data/journal.db")).expect("a journal");
    journal.execute_batch("BEGIN IMMEDIATE").expect("held");
    let answer = health().await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(is_error_form(&answer.json().await.expect("JSON")));
    journal.execute_batch("ROLLBACK").expect("given back");
    let well = async || health().await.status() == StatusCode::OK;
    until("the host goes on when it can", PATIENCE, well).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_section_there_is_no_such_door() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.start_host().await.expect("the host starts");
    let client = Client::builder().no_proxy().build().expect("a client");
    for (method, path) in [(Method::POST, "nsps/events"), (Method::GET, "health")] {
        let request = client.request(method, format!("http://{}/{path}", stage.public)).bearer_auth("");
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.text().await.expect("text"), "nothing is served at this path\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nsps_sent_along_can_take_the_place_of_a_query() {
    let Some((_folder, stage, client)) = running("", "pb-data = \"instead\"").await else { return };
    assert_eq!(post(&stage, &client, envelope(1, 1, &now())).await.0, StatusCode::ACCEPTED);
    is_ok(&stage, 1).await;
    assert_eq!(readings(&stage), 0, "PortaBilling was not asked");
    assert_eq!(counted(&stage, "punchdown_billing_calls_total{result=\"enclosed\"}").await, 1);
    assert_eq!(ordered(&stage), ["17770000001@msisdn"]);

    // What was read long ago, or says too little, or was overtaken, takes nobody's place.
    let mut little = envelope(3, 3, &now());
    little["pb_data"]["account_info"]["blocked"] = Value::Null;
    let before = "2026-01-31T08:00:00+00:00";
    for (event, asked) in [(envelope(2, 2, before), 1), (little, 2), (envelope(4, 1, before), 3)] {
        let i_account = event["data"]["variables"]["i_account"].as_u64().expect("an account");
        let orders = stage.oms.ledger().orders.len();
        assert_eq!(post(&stage, &client, &event).await.0, StatusCode::ACCEPTED);
        until("it is ordered", PATIENCE, async || stage.oms.ledger().orders.len() > orders).await;
        is_ok(&stage, i_account).await;
        assert_eq!(readings(&stage), asked, "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_the_last_change_is_read_again() {
    let Some((_folder, stage, client)) = running("", "pb-data = \"instead\"").await else { return };
    let read_at = now();
    post(&stage, &client, envelope(2, 1, &read_at)).await;
    is_ok(&stage, 1).await;
    // An older event that came late. Its data are seconds old, and another operation had later ones.
    let mut late = envelope(1, 1, &read_at);
    late["data"]["event_type"] = json!("Account/Blocked");
    late["pb_data"]["account_info"]["blocked"] = json!(true);
    post(&stage, &client, &late).await;
    until("PortaBilling is asked", PATIENCE, async || readings(&stage) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_token_in_the_clear_is_warned_of_off_loopback() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    let token = "[nsps]\nauth = [{ bearer = { file = \"secrets/admin\" } }]\n\n[admin]\n";
    // Of the ESPF only a signature of the date is heard, which is no credential.
    let signed = "auth = [{ signature = { key-id = \"us\", key = { file = \"secrets/espf\" } } }]";
    rewrite(
        &stage,
        "auth = [{ basic = { user = \"espf\", password = { file = \"secrets/espf\" } } }]",
        signed,
    );
    rewrite(&stage, "[admin]\n", token);
    let warnings = || {
        let check =
            std::process::Command::new(PROGRAM).args(["check", "--config"]).arg(&stage.config).output();
        let check = check.expect("it runs");
        let said = String::from_utf8_lossy(&check.stderr).into_owned();
        assert!(check.status.success(), "a warning is no error: {said}");
        said
    };
    assert_eq!(warnings(), "");
    let near = format!("listen = \"{}\"", stage.public);
    rewrite(&stage, &near, &format!("listen = \"0.0.0.0:{}\"", stage.public.port()));
    let said = warnings();
    let words = "warning[W0101]: `events.listen` speaks no TLS: whoever hears this token on the way can send events\n";
    assert!(said.starts_with(words) && said.contains("  nsps.auth\n"), "{said}");
    assert_eq!(said.matches("warning[").count(), 1, "{said}");
    with_settings(&stage, "events", "trusted-proxies = [\"10.0.0.1\"]");
    assert_eq!(warnings(), "", "a proxy speaks TLS in front");
}
