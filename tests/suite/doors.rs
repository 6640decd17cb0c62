//! What the doors answer, through the real listeners. The ESPF deletes an event on any 4xx and
//! repeats it on anything but 200, so every word counts.

use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{PROGRAM, folder, oms_adapter, stage, told, until};

const CREDENTIAL: &str = "stage-espf-password";
const SOON: Duration = Duration::from_secs(20);

async fn running() -> Option<(TempDir, Stage, Client)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.oms.hold_completion(true);
    stage.open_accounts(3);
    stage.start_host().await.expect("the host starts");
    Some((folder, stage, Client::builder().no_proxy().build().expect("a client")))
}

async fn status_of(stage: &Stage, client: &Client) -> Value {
    let url = format!("http://{}/admin/v1/status", stage.admin);
    let answer = client.get(url).bearer_auth("stage-admin-token").send().await.expect("an answer");
    answer.json().await.expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_door_answers_in_the_one_way_that_loses_nothing() {
    let Some((_folder, stage, client)) = running().await else { return };
    let url = format!("http://{}/espf/events", stage.public);
    let event = |i_event: u64, name: &str| {
        json!({ "event_type": name, "variables": { "i_account": 1, "i_event": i_event } }).to_string()
    };
    let huge = format!("{{\"event_type\": \"{}\"}}", "x".repeat(2 << 20));
    let cases: Vec<(&str, Method, String, &str, StatusCode)> = vec![
        ("a new event", Method::POST, event(1, "Account/New"), CREDENTIAL, StatusCode::OK),
        ("the same again", Method::POST, event(1, "Account/New"), CREDENTIAL, StatusCode::OK),
        ("one that no group wants", Method::POST, event(2, "Customer/New"), CREDENTIAL, StatusCode::OK),
        ("one that nobody knows", Method::POST, event(3, "What/Ever/This/Is"), CREDENTIAL, StatusCode::OK),
        (
            "one without an account",
            Method::POST,
            r#"{"event_type":"Account/New","variables":{"i_event":4}}"#.to_owned(),
            CREDENTIAL,
            StatusCode::OK,
        ),
        ("no JSON", Method::POST, "<event/>".to_owned(), CREDENTIAL, StatusCode::BAD_REQUEST),
        (
            "no id",
            Method::POST,
            r#"{"event_type":"Account/New","variables":{}}"#.to_owned(),
            CREDENTIAL,
            StatusCode::BAD_REQUEST,
        ),
        ("nothing", Method::POST, String::new(), CREDENTIAL, StatusCode::BAD_REQUEST),
        ("too large", Method::POST, huge, CREDENTIAL, StatusCode::BAD_REQUEST),
        ("a wrong password", Method::POST, event(5, "Account/New"), "wrong", StatusCode::UNAUTHORIZED),
        ("another method", Method::GET, String::new(), CREDENTIAL, StatusCode::SERVICE_UNAVAILABLE),
    ];
    for (what, method, body, password, expected) in cases {
        let request = client.request(method, &url).basic_auth("espf", Some(password)).body(body);
        let answer = request.send().await.expect(what);
        assert_eq!(answer.status(), expected, "{what}");
    }
    let nowhere = client.post(format!("http://{}/espf/event", stage.public)).send().await.expect("an answer");
    assert_eq!(nowhere.status(), StatusCode::SERVICE_UNAVAILABLE, "a wrong path is ours to mend");
    let slash =
        client.post(format!("{url}/")).basic_auth("espf", Some(CREDENTIAL)).body(event(6, "Account/New"));
    assert_eq!(
        slash.send().await.expect("an answer").status(),
        StatusCode::OK,
        "a trailing slash does not matter"
    );

    let status = status_of(&stage, &client).await;
    assert_eq!(status["events"], 5, "each event is stored once: {status}");
    assert_eq!(status["dead_letters"], 4, "what can never be an event is kept: {status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_names_its_account_as_a_billing_entity_reaches_it() {
    let Some((_folder, stage, client)) = running().await else { return };
    let url = format!("http://{}/espf/events", stage.public);
    let entity =
        json!({ "billing_entity_id": "2", "i_event": 1, "prev_balance": 1.10, "curr_balance": -0.5 });
    let event = json!({ "event_type": "Account/BalanceChanged", "variables": entity });
    let request = client.post(url).basic_auth("espf", Some(CREDENTIAL)).json(&event);
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::OK);
    until("it is ordered for", SOON, async || told(&stage, 2) == ["IN_PROGRESS"]).await;
    assert_eq!(stage.billing.ledger().calls_of.keys().map(|(_, account)| *account).max(), Some(2));
    let orders = stage.oms.ledger().orders;
    assert_eq!(
        orders.iter().map(|order| order.account.as_deref()).collect::<Vec<_>>(),
        [Some("15550000002@msisdn")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_door_wants_a_token_but_for_health_and_metrics() {
    let Some((_folder, stage, client)) = running().await else { return };
    let get = async |path: &str, token: Option<&str>| {
        let mut request = client.get(format!("http://{}{path}", stage.admin));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.expect("an answer")
    };
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(get(path, None).await.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(get("/admin/v1/status", None).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(get("/admin/v1/status", Some("wrong")).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(get("/admin/v1/status", Some("stage-admin-token")).await.status(), StatusCode::OK);
    let metrics = get("/metrics", None).await.text().await.expect("text");
    for series in [
        "punchdown_events_total{door=\"espf\",result=\"accepted\"} 0",
        "punchdown_events_total{door=\"nsps\",result=\"accepted\"} 0",
        "punchdown_requests_total{group=\"HSS\",result=\"unanswered\"} 0",
        "punchdown_operations{group=\"HSS\",state=\"parked\"} 0",
    ] {
        assert!(metrics.contains(series), "no `{series}` in\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_command_asks_the_running_host() {
    let Some((_folder, stage, client)) = running().await else { return };
    let url = format!("http://{}/espf/events", stage.public);
    let event = json!({ "event_type": "Account/New", "variables": { "i_account": 1, "i_event": 1 } });
    let answer =
        client.post(url).basic_auth("espf", Some(CREDENTIAL)).json(&event).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);

    let status = async |more: &[&str]| {
        let mut command = tokio::process::Command::new(PROGRAM);
        command.args(["status", "--config"]).arg(&stage.config).args(more);
        command.output().await.expect("it runs")
    };
    let text = status(&[]).await;
    assert!(text.status.success(), "{}", String::from_utf8_lossy(&text.stderr));
    let shown = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(shown.contains("events stored        1") && shown.contains("group HSS"), "{shown}");
    let json: Value = serde_json::from_slice(&status(&["-o", "json"]).await.stdout).expect("JSON");
    assert_eq!(json["events"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_be_known_by_its_digest_alone() {
    use sha2::Digest as _;
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let digest: String =
        sha2::Sha256::digest("a long word").iter().map(|byte| format!("{byte:02X}")).collect();
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let tokens = format!("tokens = [{{ sha256 = \"{digest}\" }}]");
    let config = config.replace("tokens = [{ file = \"secrets/admin\" }]", &tokens);
    std::fs::write(&stage.config, &config).expect("written");
    stage.start_host().await.expect("the host starts");

    let token = folder.path().join("token");
    let status = async |word: Option<&str>| {
        let mut command = tokio::process::Command::new(PROGRAM);
        command.args(["status", "--config"]).arg(&stage.config);
        if let Some(word) = word {
            std::fs::write(&token, format!("{word}\n")).expect("written");
            command.arg("--token-file").arg(&token);
        }
        command.output().await.expect("it runs")
    };
    assert!(status(Some("a long word")).await.status.success());
    let refused = status(Some(&digest)).await;
    assert_eq!(refused.status.code(), Some(77), "the digest is no token");
    let none = status(None).await;
    assert_eq!(none.status.code(), Some(77));
    assert!(String::from_utf8_lossy(&none.stderr).contains("--token-file"));

    std::fs::write(&stage.config, config.replace(&digest, &digest[1..])).expect("written");
    let bad = status(None).await;
    assert_eq!(bad.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("is not 64 hexadecimal digits"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_command_says_that_no_host_runs() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    let mut command = tokio::process::Command::new(PROGRAM);
    let output = command.args(["status", "--config"]).arg(&stage.config).output().await.expect("it runs");
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is the host running?"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_says_nothing_or_too_little_is_not_waited_for() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let limits = "[events]\nheader-timeout = \"1s\"\nbody-timeout = \"1s\"";
    std::fs::write(&stage.config, config.replace("[events]", limits)).expect("written");
    stage.start_host().await.expect("the host starts");

    let said = async |words: &str| {
        let mut caller = tokio::net::TcpStream::connect(stage.public).await.expect("a connection");
        caller.write_all(words.as_bytes()).await.expect("sent");
        let mut heard = String::new();
        let end = caller.read_to_string(&mut heard);
        tokio::time::timeout(Duration::from_secs(30), end).await.expect("the host hangs up").expect("text");
        heard
    };
    assert_eq!(said("").await, "", "nothing was said, nothing is answered");
    assert!(!said("POST /espf/events HTTP/1.1\r\nHo").await.contains(" 200 "));
    let credential = "Authorization: Basic ZXNwZjpzdGFnZS1lc3BmLXBhc3N3b3Jk";
    let head = format!("POST /espf/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{credential}\r\n");
    let dribbled = said(&format!("{head}Content-Length: 100\r\n\r\n{{")).await;
    assert!(dribbled.starts_with("HTTP/1.1 503 "), "it may come again: {dribbled}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_credential_can_be_answered_so_that_the_event_comes_again() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    std::fs::write(&stage.config, config.replace("[events]", "[events]\nauth-failure = 503"))
        .expect("written");
    stage.start_host().await.expect("the host starts");
    let client = Client::builder().no_proxy().build().expect("a client");
    let request =
        client.post(format!("http://{}/espf/events", stage.public)).basic_auth("espf", Some("wrong"));
    let answer = request.body("{}").send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// As on a machine where systemd alone hands the secrets over: whoever is at the operators' door has one token.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_the_host_needs_no_secret_but_a_token() {
    let Some((_folder, stage, _client)) = running().await else { return };
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let unknown =
        config.replace("{ file = \"secrets/", "{ credential = \"").replace("[groups.HSS]", "[grups.HSS]");
    let here = stage.directory.join("elsewhere.toml");
    std::fs::write(&here, unknown).expect("written");
    let token = stage.directory.join("secrets/admin");
    let status = async |more: &[&std::ffi::OsStr]| {
        let mut command = tokio::process::Command::new(PROGRAM);
        command.args(["status", "--config"]).arg(&here).args(more).env_remove("CREDENTIALS_DIRECTORY");
        command.output().await.expect("it runs")
    };
    let none = status(&[]).await;
    assert_eq!(none.status.code(), Some(77));
    assert!(String::from_utf8_lossy(&none.stderr).contains("--token-file FILE"), "{none:?}");
    let given = status(&["--token-file".as_ref(), token.as_os_str()]).await;
    assert!(given.status.success(), "{}", String::from_utf8_lossy(&given.stderr));

    // What is wrong in its own section is said, and so is what makes the file none.
    let wrong = config.replace(&stage.admin.to_string(), "8701");
    for (text, code) in [(wrong, "E0106"), (format!("{config}\n[admin"), "E0102")] {
        std::fs::write(&here, text).expect("written");
        let refused = status(&[]).await;
        assert_eq!(refused.status.code(), Some(78));
        assert!(String::from_utf8_lossy(&refused.stderr).contains(code), "{code}: {refused:?}");
    }
}
