//! Notifications: who may send them, and that each is stored before anybody reads it.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use punchdown::cli::stage::Stage;
use punchdown::domain::{
    Body, Correlation, Group, Json, Notification, Otherwise, Reading, Response, Signal, Timestamp,
};
use punchdown::ports::Delivered;
use punchdown_kit::oms::{Manners, Settings};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use crate::either::journal;
use crate::guests;
use crate::harness::{folder, oms_adapter, stage, told, until};

const SOON: Duration = Duration::from_secs(20);
pub const SECRET: &str = "c3RhZ2Utd2ViaG9vay1zZWNyZXQtb2YtcHVuY2hkb3du";

const STANDARD_WEBHOOKS: &str = "standard-webhooks = { secret = { file = \"secrets/oms-hook\" } }";

/// A host that runs, and an OMS that says nothing by itself. What notifies it says so by `auth`.
async fn notified_by(auth: &str) -> Option<(TempDir, Stage, Client)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let manners = Manners { loses_notice: 1.0, ..Manners::default() };
    let mut stage = stage(folder.path(), &adapter, Settings { manners, ..Settings::default() }).await;
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    assert!(config.contains(STANDARD_WEBHOOKS));
    std::fs::write(&stage.config, config.replace(STANDARD_WEBHOOKS, auth)).expect("written");
    for (name, secret) in [("old", "the old one"), ("new", "th\u{e9} new/one")] {
        std::fs::write(folder.path().join("secrets").join(name), secret).expect("written");
    }
    stage.oms.hold_completion(true);
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");
    Some((folder, stage, Client::builder().no_proxy().build().expect("a client")))
}

/// An account whose order stands open, and the notice that would close it.
async fn waiting(auth: &str) -> Option<(TempDir, Stage, Client, Value)> {
    let (folder, stage, client) = notified_by(auth).await?;
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
    drop(espf);
    Some((folder, stage, client, notice))
}

pub fn post(stage: &Stage, client: &Client, body: &str) -> RequestBuilder {
    client.post(format!("http://{}/notify/HSS/tmf", stage.public)).body(body.to_owned())
}

pub fn signed(request: RequestBuilder, body: &str, key: &str) -> RequestBuilder {
    signed_as("n-1", request, body, key)
}

fn signed_as(id: &str, request: RequestBuilder, body: &str, key: &str) -> RequestBuilder {
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(key).expect("base64")).expect("any key");
    mac.update(format!("{id}.{now}.{body}").as_bytes());
    request
        .header("webhook-id", id)
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
    let Some((_folder, stage, client, notice)) = waiting(STANDARD_WEBHOOKS).await else { return };
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
    let Some((_folder, stage, client, notice)) = waiting("bearer = { file = \"secrets/oms-hook\" }").await
    else {
        return;
    };
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
    let Some((_folder, stage, client, _)) = waiting(STANDARD_WEBHOOKS).await else { return };
    let body = "<notice/>";
    let answer = signed(post(&stage, &client, body), body, SECRET).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
    assert_eq!(counted(&stage, &client, "punchdown_notifications_unread").await, 1);
    let nobody = client.post(format!("http://{}/notify/IPTV", stage.public)).body("{}");
    assert_eq!(nobody.send().await.expect("an answer").status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_survives_a_kill_right_after_its_answer() {
    let Some((_folder, mut stage, client, notice)) = waiting(STANDARD_WEBHOOKS).await else { return };
    let body = notice.to_string();
    let good = signed(post(&stage, &client, &body), &body, SECRET).send().await.expect("an answer");
    assert_eq!(good.status(), StatusCode::NO_CONTENT);
    stage.kill_host().await.expect("there is a host");
    stage.start_host().await.expect("it starts again");
    until("OK", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;
}

/// What the door says to these requests, one after another.
async fn answers<const N: usize>(requests: [RequestBuilder; N]) -> [StatusCode; N] {
    let mut answers = [StatusCode::default(); N];
    for (answer, request) in answers.iter_mut().zip(requests) {
        *answer = request.send().await.expect("an answer").status();
    }
    answers
}

const IN: StatusCode = StatusCode::ACCEPTED;
const OUT: StatusCode = StatusCode::UNAUTHORIZED;
const BODY: &str = "<notice/>";

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_passwords_admits_and_is_not_handed_on() {
    let auth = r#"basic = { user = "oms", password = [{ file = "secrets/old" }, { file = "secrets/new" }] }"#;
    let Some((_folder, mut stage, client)) = notified_by(auth).await else { return };
    let with = |user: &str, password: &str| post(&stage, &client, BODY).basic_auth(user, Some(password));
    let said = answers([
        with("oms", "the old one"),
        with("oms", "th\u{e9} new/one"),
        with("oms", "another one"),
        with("pcrf", "the old one"),
        post(&stage, &client, BODY),
        post(&stage, &client, BODY).bearer_auth("the old one"),
    ]);
    assert_eq!(said.await, [IN, IN, OUT, OUT, OUT, OUT]);
    for stored in stored(&mut stage).await {
        assert!(stored.headers.iter().all(|header| header.name != "authorization"), "{stored:?}");
    }
}

/// What the journal holds and no adapter could read.
async fn stored(stage: &mut Stage) -> Vec<Notification> {
    stage.stop_host().await.expect("it stops");
    let journal = journal(stage).await;
    let unread = journal.unread(&Group("HSS".to_owned()), 100).await.expect("reads");
    assert!(!unread.is_empty());
    unread.into_iter().map(|(_, raw)| raw).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_the_path_admits_and_is_seen_by_nobody() {
    let auth = r#"path-secret = [{ file = "secrets/old" }, { file = "secrets/new" }]"#;
    let Some((_folder, mut stage, client)) = notified_by(auth).await else { return };
    let to = |path: &str| client.post(format!("http://{}{path}", stage.public)).body(BODY);
    let said = answers([
        to("/notify/HSS/the%20old%20one/tmf?kind=order"),
        to("/notify/HSS/th%C3%A9%20new%2Fone"),
        to("/notify/HSS/another%20one/tmf"),
        to("/notify/HSS/tmf/the%20old%20one"),
        to("/notify/HSS"),
        to("/notify/HSS//the%20old%20one"),
    ]);
    assert_eq!(said.await, [IN, IN, OUT, OUT, OUT, OUT]);
    let astray = answers([
        to("/notify/the%20old%20one/HSS"),
        to("/notfy/HSS/the%20old%20one/tmf"),
        to("//notify/HSS/th%C3%A9%20new%2Fone"),
    ]);
    assert!(astray.await.iter().all(|status| !status.is_success()));

    let stored = stored(&mut stage).await;
    let paths: BTreeSet<&str> = stored.iter().map(|raw| raw.path.as_str()).collect();
    assert_eq!(paths, BTreeSet::from(["/", "/tmf?kind=order"]));
    let log = std::fs::read_to_string(stage.log()).expect("a log");
    assert!(log.contains("/notfy/HSS/(secret)/tmf"), "{log}");
    for secret in ["the old one", "the%20old%20one", "th\u{e9} new/one", "th%C3%A9%20new%2Fone"] {
        assert!(!log.contains(secret), "{secret} in\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_named_must_hold() {
    let auth = r#"addresses = ["127.0.0.0/8", "::1"], bearer = { file = "secrets/old" }"#;
    let Some((_folder, stage, client)) = notified_by(auth).await else { return };
    let said = answers([
        post(&stage, &client, BODY).bearer_auth("the old one"),
        post(&stage, &client, BODY).bearer_auth("another one"),
        post(&stage, &client, BODY),
    ]);
    assert_eq!(said.await, [IN, OUT, OUT]);

    let auth = r#"addresses = ["10.0.0.0/8", "2001:db8::/32"], bearer = { file = "secrets/old" }"#;
    let Some((_folder, stage, client)) = notified_by(auth).await else { return };
    let elsewhere = post(&stage, &client, BODY).bearer_auth("the old one");
    let forwarded =
        post(&stage, &client, BODY).bearer_auth("the old one").header("x-forwarded-for", "10.0.0.1");
    assert_eq!(answers([elsewhere, forwarded]).await, [OUT, OUT], "he calls from elsewhere");
}

/// `t=…,v1=…`, as Stripe signs. The codes of published examples are tried beside the code.
fn signed_with_time(key: &str, seconds: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any key");
    mac.update(format!("{seconds}.{body}").as_bytes());
    let code = mac.finalize().into_bytes();
    let code: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={code}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_of_any_make_admits_what_it_covers() {
    let auth = r#"hmac = { secret = [{ file = "secrets/old" }, { file = "secrets/new" }], header = "X-Signature", prefix = "v1=", timestamp = { field = "t", window = "1m" }, signed = "{timestamp}.{body}" }"#;
    let Some((_folder, stage, client)) = notified_by(auth).await else { return };
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let with = |signature: String| post(&stage, &client, BODY).header("x-signature", signature);
    let said = answers([
        with(signed_with_time("the old one", now, BODY)),
        with(signed_with_time("th\u{e9} new/one", now, BODY)),
        with(signed_with_time("another one", now, BODY)),
        with(signed_with_time("the old one", now - 120, BODY)),
        with(signed_with_time("the old one", now + 120, BODY)),
        with(signed_with_time("the old one", now, "<other/>")),
        post(&stage, &client, BODY),
    ]);
    assert_eq!(said.await, [IN, IN, OUT, OUT, OUT, OUT, OUT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_gets_the_first_reply_again_and_is_not_read_again() {
    let Some((_folder, mut stage, client, notice)) = waiting(STANDARD_WEBHOOKS).await else { return };
    let notice = notice.to_string();
    let send = async |stage: &Stage, id: &str, body: &str| {
        let request = signed_as(id, post(stage, &client, body), body, SECRET);
        request.send().await.expect("an answer").status()
    };
    assert_eq!(send(&stage, "m-1", &notice).await, StatusCode::NO_CONTENT);
    assert_eq!(send(&stage, "m-1", &notice).await, StatusCode::NO_CONTENT);
    assert_eq!(send(&stage, "m-1", BODY).await, StatusCode::NO_CONTENT, "the id says what is a repeat");
    assert_eq!(send(&stage, "m-2", BODY).await, IN);
    assert_eq!(send(&stage, "m-3", &notice).await, StatusCode::NO_CONTENT, "equal bodies are two messages");
    let result = |result| format!("punchdown_notifications_total{{group=\"HSS\",result=\"{result}\"}}");
    for (word, count) in [("repeated", 2), ("read", 2), ("unread", 1)] {
        assert_eq!(counted(&stage, &client, &result(word)).await, count, "{word}");
    }
    stage.kill_host().await.expect("there is a host");
    stage.start_host().await.expect("it starts again");
    assert_eq!(send(&stage, "m-1", BODY).await, StatusCode::NO_CONTENT, "over a crash, too");
    assert_eq!(counted(&stage, &client, &result("repeated")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_nobody_signed_makes_no_repeat() {
    let Some((_folder, stage, client)) = notified_by("bearer = { file = \"secrets/old\" }").await else {
        return;
    };
    for _ in 0..2 {
        let request = post(&stage, &client, BODY).bearer_auth("the old one").header("webhook-id", "m-1");
        assert_eq!(request.send().await.expect("an answer").status(), IN);
    }
    assert_eq!(counted(&stage, &client, "punchdown_notifications_unread").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_that_stops_leaves_the_sender_with_the_default_reply() {
    let folder = folder();
    let guest = guests::guest(folder.path(), "traps");
    let mut stage = stage(folder.path(), &guest, Settings::default()).await;
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let reply =
        "[groups.HSS.notify.default-reply]\nstatus = 200\ncontent-type = \"text/xml\"\nbody = \"<taken/>\"\n";
    std::fs::write(&stage.config, config + reply).expect("written");
    stage.start_host().await.expect("the host starts");
    let client = Client::builder().no_proxy().build().expect("a client");
    for what in ["the first", "its repeat"] {
        let answer = signed(post(&stage, &client, BODY), BODY, SECRET).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{what}");
        assert_eq!(answer.headers()["content-type"], "text/xml", "{what}");
        assert_eq!(answer.text().await.expect("text"), "<taken/>", "{what}");
    }
    assert_eq!(counted(&stage, &client, "punchdown_notifications_unread").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_claimed_for_three_days_is_parked_and_shown() {
    let Some((_folder, mut stage, client)) = notified_by(STANDARD_WEBHOOKS).await else { return };
    let notice = json!({ "eventId": "n-1", "event": { "serviceOrder": {
        "id": "o-1", "state": "completed", "serviceOrderItem": [{ "id": "1", "action": "add", "state": "completed" }],
    } } });
    let sent = signed(post(&stage, &client, &notice.to_string()), &notice.to_string(), SECRET).send().await;
    assert_eq!(sent.expect("an answer").status(), StatusCode::NO_CONTENT);
    let counts = async |stage: &Stage| {
        let unmatched = counted(stage, &client, "punchdown_signals_unmatched").await;
        (unmatched, counted(stage, &client, "punchdown_signals_parked").await)
    };
    assert_eq!(counts(&stage).await, (1, 0));

    // The same news, as if they had come long ago.
    stage.stop_host().await.expect("it stops");
    let journal = journal(&stage).await;
    let (group, long_ago) = (Group("HSS".to_owned()), Timestamp::from_millis(1_000));
    let raw = Notification {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        headers: Vec::new(),
        body: Body::Text(notice.to_string()),
        received_at: long_ago,
    };
    let delivered = Delivered { id: "0".to_owned(), group, sender_id: None, raw };
    journal.keep_notification(delivered).await.expect("stored");
    let signal = Signal {
        id: None,
        correlation: Correlation::Key("o-0".to_owned()),
        payload: Json::empty_object(),
        otherwise: Otherwise::Keep,
    };
    let reading = Reading { reply: Response::ACCEPTED, signals: vec![signal], unread: None };
    journal.record_reading("0", reading, long_ago).await.expect("stored");
    drop(journal);
    stage.start_host().await.expect("it starts again");
    until("parked", SOON, async || counts(&stage).await == (1, 1)).await;
    let url = format!("http://{}/admin/v1/status", stage.admin);
    let status = client.get(url).bearer_auth("stage-admin-token").send().await.expect("an answer");
    assert_eq!(status.json::<Value>().await.expect("JSON")["signals_parked"], 1);
}
