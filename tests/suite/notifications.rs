//! Notifications: who may send them, and that each is stored before anybody reads it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use punchdown::cli::stage::Stage;
use punchdown_kit::oms::{Manners, Settings};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use crate::harness::{folder, oms_adapter, stage, told, until};

const SOON: Duration = Duration::from_secs(20);
const SECRET: &str = "c3RhZ2Utd2ViaG9vay1zZWNyZXQtb2YtcHVuY2hkb3du";

/// An account whose order stands open, and an OMS that says nothing by itself.
async fn waiting(bearer: bool) -> Option<(TempDir, Stage, Client, Value)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let manners = Manners { loses_notice: 1.0, ..Manners::default() };
    let mut stage = stage(folder.path(), &adapter, Settings { manners, ..Settings::default() }).await;
    if bearer {
        let config = std::fs::read_to_string(&stage.config).expect("a configuration");
        let signed = "auth = { standard-webhooks = { secret = { file = \"secrets/oms-hook\" } } }";
        assert!(config.contains(signed));
        let config = config.replace(signed, "auth = { bearer = { file = \"secrets/oms-hook\" } }");
        std::fs::write(&stage.config, config).expect("written");
    }
    stage.oms.hold_completion(true);
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("IN_PROGRESS", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "IN_PROGRESS"))
        .await;
    let order = stage.oms.ledger().orders.remove(0);
    let notice = json!({
        "eventId": "n-1",
        "eventType": "ServiceOrderStateChangeEvent",
        "event": { "serviceOrder": {
            "id": order.id,
            "externalId": order.external_id,
            "state": "completed",
            "serviceOrderItem": [{ "id": "1", "action": "add", "state": "completed" }],
        } },
    });
    let client = Client::builder().no_proxy().build().expect("a client");
    drop(espf);
    Some((folder, stage, client, notice))
}

fn post(stage: &Stage, client: &Client, body: &str) -> RequestBuilder {
    client.post(format!("http://{}/notify/HSS/tmf", stage.public)).body(body.to_owned())
}

fn signed(request: RequestBuilder, body: &str, key: &str) -> RequestBuilder {
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(key).expect("base64")).expect("any key");
    mac.update(format!("n-1.{now}.{body}").as_bytes());
    request
        .header("webhook-id", "n-1")
        .header("webhook-timestamp", now)
        .header("webhook-signature", format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

async fn counted(stage: &Stage, client: &Client, series: &str) -> u64 {
    let text = client.get(format!("http://{}/metrics", stage.admin)).send().await.expect("an answer");
    let text = text.text().await.expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no `{series}` in\n{text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_notification_ends_the_wait_and_a_forged_one_does_not() {
    let Some((_folder, stage, client, notice)) = waiting(false).await else { return };
    let body = notice.to_string();
    let forged_key = STANDARD.encode("another key");

    let unsigned = post(&stage, &client, &body).send().await.expect("an answer");
    assert_eq!(unsigned.status(), StatusCode::UNAUTHORIZED);
    let forged = signed(post(&stage, &client, &body), &body, &forged_key).send().await.expect("an answer");
    assert_eq!(forged.status(), StatusCode::UNAUTHORIZED);
    let changed = signed(post(&stage, &client, &body.replace("completed", "failed")), &body, SECRET);
    assert_eq!(changed.send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
    assert_eq!(told(&stage, 1), ["IN_PROGRESS"]);

    let good = signed(post(&stage, &client, &body), &body, SECRET).send().await.expect("an answer");
    assert_eq!(good.status(), StatusCode::NO_CONTENT, "the adapter's own reply");
    until("OK", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;
    let series = "punchdown_notifications_total{group=\"HSS\",result=\"unauthorised\"}";
    assert_eq!(counted(&stage, &client, series).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_token_admits_a_notification() {
    let Some((_folder, stage, client, notice)) = waiting(true).await else { return };
    let body = notice.to_string();
    let wrong = post(&stage, &client, &body).bearer_auth("wrong").send().await.expect("an answer");
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let good =
        post(&stage, &client, &body).bearer_auth(format!("whsec_{SECRET}")).send().await.expect("an answer");
    assert_eq!(good.status(), StatusCode::NO_CONTENT);
    until("OK", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_kept_and_the_sender_is_answered() {
    let Some((_folder, stage, client, _)) = waiting(false).await else { return };
    let body = "<notice/>";
    let answer = signed(post(&stage, &client, body), body, SECRET).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
    assert_eq!(counted(&stage, &client, "punchdown_notifications_unread").await, 1);
    let nobody = client.post(format!("http://{}/notify/IPTV", stage.public)).body("{}");
    assert_eq!(nobody.send().await.expect("an answer").status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_survives_a_kill_right_after_its_answer() {
    let Some((_folder, mut stage, client, notice)) = waiting(false).await else { return };
    let body = notice.to_string();
    let good = signed(post(&stage, &client, &body), &body, SECRET).send().await.expect("an answer");
    assert_eq!(good.status(), StatusCode::NO_CONTENT);
    stage.kill_host().await.expect("there is a host");
    stage.start_host().await.expect("it starts again");
    until("OK", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;
}
