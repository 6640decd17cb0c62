use std::time::{Duration, Instant};

use punchdown_kit::portabilling::{Account, Fault, PortaBilling, Settings, When};
use reqwest::Response;
use serde_json::{Value, json};

/// A caller with a session of its own.
struct Caller {
    billing: PortaBilling,
    client: reqwest::Client,
    token: String,
}

impl Caller {
    async fn start(settings: Settings) -> Self {
        let token = settings.token.clone();
        let billing = PortaBilling::start(settings).await.expect("a free port");
        billing.put_account(Account::mobile(189));
        let client = crate::client();
        let mut caller = Self { billing, client, token: String::new() };
        let params = json!({ "login": "punchdown", "token": token });
        let session = caller.rest("Session/login", params).await;
        let access_token = session["access_token"].as_str().expect("it is granted");
        access_token.clone_into(&mut caller.token);
        caller
    }

    async fn ask(&self, call: &str, params: Value) -> Result<Response, reqwest::Error> {
        let url = format!("{}/rest/{call}", self.billing.url());
        let request = self.client.post(url).bearer_auth(&self.token);
        request.json(&json!({ "params": params })).send().await
    }

    async fn rest(&self, call: &str, params: Value) -> Value {
        let response = self.ask(call, params).await.expect("it answers");
        response.json().await.expect("it answers with JSON")
    }

    async fn status(&self, path: &str, body: &str) -> u16 {
        let url = format!("{}/espf/v1/account/{path}/status", self.billing.url());
        let request = self.client.post(url).bearer_auth(&self.token);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request.body(body.to_owned()).send().await;
        response.expect("it answers").status().as_u16()
    }
}

#[tokio::test]
async fn a_session_reads_an_account_and_an_unknown_one_is_empty() {
    let caller = Caller::start(Settings::default()).await;

    let known = caller.rest("Account/get_account_info/", json!({ "i_account": "189" })).await;
    let unknown = caller.rest("Account/get_account_info", json!({ "i_account": 1 })).await;

    assert_eq!(known["account_info"]["id"], "15550000189@msisdn");
    assert_eq!(known["account_info"]["bill_status"], "O");
    assert_eq!(unknown, json!({}));
    let plain = json!({ "id": "15550000189@msisdn", "without_service_features": 1 });
    let plain = caller.rest("Account/get_account_info", plain).await;
    assert_eq!(plain["account_info"]["i_account"], 189);
    assert_eq!(plain["account_info"]["service_features"], Value::Null);
    let ledger = caller.billing.ledger();
    assert_eq!((ledger.logins, ledger.calls["Account/get_account_info"]), (1, 3));
}

#[tokio::test]
async fn lists_are_paged_and_a_card_belongs_to_its_account() {
    let caller = Caller::start(Settings::default()).await;
    for i_account in [188, 190, 191, 192] {
        caller.billing.put_account(Account::mobile(i_account));
    }

    let page = json!({ "i_customer": 1047, "limit": 2, "offset": 1, "get_total": 1 });
    let page = caller.rest("Account/get_account_list", page).await;
    let cards = caller.rest("SIMCard/get_card_list", json!({ "i_account": 189 })).await;
    let customer = caller.rest("Customer/get_customer_info", json!({ "i_customer": 1047 })).await;

    assert_eq!(page["total"], 4);
    assert_eq!(page["account_list"][1]["i_account"], 190);
    assert_eq!(cards["card_list"][0]["imsi"], "001010000000189");
    assert_eq!(customer["customer_info"]["i_customer"], 1047);
}

#[tokio::test]
async fn every_fault_of_rest_is_a_500_with_its_code() {
    let mut caller = Caller::start(Settings::default()).await;
    let code = |fault: Value| fault["faultcode"].as_str().unwrap_or_default().to_owned();
    let version = "Generic/get_version";

    caller.billing.faults().expire_sessions();
    let over = caller.ask(version, json!({})).await.expect("it answers");
    assert_eq!(over.status(), 500);
    let over = over.json().await.expect("a fault document");
    assert_eq!(code(over), "Server.Session.check_auth.auth_failed");
    let ping = caller.rest("Session/ping", json!({})).await;
    assert_eq!(ping["user_id"], 0);

    "nobody".clone_into(&mut caller.token);
    let unknown = caller.rest(version, json!({})).await;
    assert!(code(unknown).ends_with("failed_to_process_access_token"));
    let wrong = json!({ "login": "punchdown", "token": "wrong" });
    let wrong = caller.rest("Session/login", wrong).await;
    assert_eq!(code(wrong), "Server.Session.auth_failed");
}

#[tokio::test]
async fn a_token_ends_by_itself_and_is_refreshed() {
    let settings = Settings { token_seconds: 0, ..Settings::default() };
    let caller = Caller::start(settings).await;
    let login = json!({ "login": "punchdown", "password": "password-of-punchdown" });

    let over = caller.rest("Generic/get_version", json!({})).await;
    let session = caller.rest("Session/login", login).await;
    let refresh = json!({ "refresh_token": session["refresh_token"] });
    let refreshed = caller.rest("Session/refresh_access_token", refresh.clone()).await;
    let again = caller.rest("Session/refresh_access_token", refresh).await;

    assert_eq!(over["faultcode"], "Server.Session.check_auth.auth_failed");
    assert_ne!(refreshed["access_token"], session["access_token"]);
    assert_eq!(refreshed["session_id"], Value::Null);
    assert_eq!(again["faultcode"], "Server.Session.refresh_access_token.refresh_failed");
}

#[tokio::test]
async fn statuses_are_recorded_and_bad_ones_refused() {
    let caller = Caller::start(Settings::default()).await;

    let progress = r#"{"status":"IN_PROGRESS","group":"HSS"}"#;
    assert_eq!(caller.status("i/189", progress).await, 200);
    let ok = r#"{"status":"OK","group":"HSS","message":"done"}"#;
    assert_eq!(caller.status("15550000189%40msisdn", ok).await, 200);
    assert_eq!(caller.status("i/190", ok).await, 404);
    assert_eq!(caller.status("i/189", r#"{"status":"OK ","group":"HSS"}"#).await, 400);
    assert_eq!(caller.status("i/189", r#"{"status":"OK","group":"OMS"}"#).await, 400);

    let words: Vec<String> =
        caller.billing.statuses(189, "HSS").into_iter().map(|seen| seen.status).collect();
    assert_eq!(words, ["IN_PROGRESS", "OK"]);
    let last = caller.billing.final_status(189, "HSS").expect("it was reported");
    assert_eq!(last.message.as_deref(), Some("done"));
    assert_eq!(last.content_type, "application/x-www-form-urlencoded");
}

#[tokio::test]
async fn the_espf_api_knows_the_groups_and_says_401() {
    let mut settings = Settings::default();
    settings.groups.push("IOT".to_owned());
    let caller = Caller::start(settings).await;
    let url = format!("{}/espf/v1/groups", caller.billing.url());

    let basic = caller.client.get(&url);
    let basic = basic.basic_auth("punchdown", Some("token-of-punchdown"));
    let groups: Value = basic.send().await.expect("it answers").json().await.expect("JSON");
    let refused = caller.client.get(&url).bearer_auth("nobody").send().await;

    let custom = json!({ "i_group": "1001", "name": "IOT", "is_custom": true });
    assert_eq!(groups["group_list"][8], custom);
    assert_eq!(refused.expect("it answers").status(), 401);
}

#[tokio::test]
async fn faults_strike_as_they_were_told() {
    let caller = Caller::start(Settings::default()).await;
    let faults = caller.billing.faults();
    let (version, once) = ("Generic/get_version", When::Next(1));
    let pause = Duration::from_millis(50);

    faults.strike(Fault::HangUp, once);
    let nothing = caller.ask(version, json!({})).await.expect_err("no answer");
    assert!(!nothing.is_connect() && !nothing.is_timeout());

    faults.strike(Fault::Delay(pause), once);
    faults.strike(Fault::HtmlPage, once);
    let began = Instant::now();
    let page = caller.ask(version, json!({})).await.expect("it answers");
    assert_eq!(page.status(), 500);
    assert!(began.elapsed() >= pause);
    assert!(page.text().await.expect("a page").starts_with("<html>"));

    faults.strike(Fault::LoginLockedOut, once);
    faults.strike(Fault::StatusRefused(415), once);
    let login = caller.rest("Session/login", json!({})).await;
    assert_eq!(login["faultcode"], "Server.Session.cannot_login_brute_force_activity");
    let ok = r#"{"status":"OK","group":"HSS"}"#;
    assert_eq!(caller.status("i/189", ok).await, 415);
    assert_eq!(caller.status("i/189", ok).await, 200);
    assert_eq!(caller.billing.ledger().statuses.len(), 1);
}

#[tokio::test]
async fn it_stops_with_its_last_handle_and_can_start_at_the_same_address() {
    let first = PortaBilling::start(Settings::default()).await.expect("a free port");
    let address = first.url().trim_start_matches("http://").to_owned();
    let settings = Settings { listen: address.parse().expect("it is an address"), ..Settings::default() };
    let client = crate::client();
    assert!(client.get(first.url()).send().await.is_ok());

    first.stop().await;
    assert!(client.get(first.url()).send().await.is_err());

    let second = PortaBilling::start(settings).await.expect("the port is free again");
    assert!(client.get(second.url()).send().await.is_ok());

    let url = second.url();
    drop(second);
    for _ in 0..1000 {
        if client.get(&url).send().await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it went on without a handle");
}
