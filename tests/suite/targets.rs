//! A target is reached as its section says, at addresses that may be contacted, and by nobody else's
//! credential; what it lacks for a while fails no operation.

mod edges;
pub mod tls;

use std::path::Path;
use std::time::{Duration, SystemTime};

use punchdown::cli::stage::{OMS_TOKEN, Stage};
use punchdown::domain::Timestamp;
use punchdown_kit::front::Demand;
use punchdown_kit::oms::Settings;
use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{
    CLIENT_SECRET, counted, folder, front, log, new_accounts, oms_adapter, rewrite, root, stage, told,
    unserved, until, with_settings,
};
use crate::operators::{operations, said};

const SOON: Duration = Duration::from_secs(20);
const BEARER: &str = "auth = { bearer = { file = \"secrets/oms\" } }";

fn secret(stage: &Stage, name: &str, text: &str) {
    std::fs::write(stage.directory.join("secrets").join(name), text).expect("written");
}

async fn is_ok(stage: &Stage, i_account: u64) -> bool {
    told(stage, i_account).last().is_some_and(|word| word == "OK")
}

/// Every file below a folder, as one heap of bytes.
fn all_bytes(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => bytes.extend(all_bytes(&path)),
            path => bytes.extend(std::fs::read(path).unwrap_or_default()),
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_never_contacted_is_no_target() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    let good = std::fs::read_to_string(&stage.config).expect("a configuration");
    for (host, words) in [
        ("169.254.169.254", "a link-local address"),
        ("[fe80::1]", "a link-local address"),
        ("[::ffff:169.254.169.254]", "a link-local address"),
        ("2852039166", "a link-local address"),
        ("0xa9.0xfe.0xa9.0xfe", "a link-local address"),
        ("[fd00:ec2::254]", "a metadata address"),
        ("224.0.0.251", "a multicast address"),
        ("0.0.0.0", "an unspecified address"),
        ("0", "an unspecified address"),
        ("[::]", "an unspecified address"),
    ] {
        std::fs::write(&stage.config, good.replace(&root(&stage), &format!("http://{host}")))
            .expect("written");
        let said = unserved(&stage.config);
        assert!(said.contains(words) && said.contains("groups.HSS.target.url"), "{host}: {said}");
    }
}

/// A name of this machine that is not `localhost`.
fn other_name() -> Option<String> {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let lines = hosts.lines().filter(|line| line.starts_with("127.0.0.1"));
    let names = lines.flat_map(|line| line.split_whitespace().skip(1)).map(str::to_owned);
    names.into_iter().find(|name| !name.starts_with("localhost") && !name.contains('#'))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_means_this_machine_is_contacted_only_where_that_is_allowed() {
    let Some(adapter) = oms_adapter() else { return };
    let Some(name) = other_name() else {
        eprintln!("skipped: /etc/hosts has no other name of 127.0.0.1 than localhost");
        return;
    };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    rewrite(&stage, &root(&stage), &root(&stage).replace("127.0.0.1", &name));
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    until("RETRY", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "RETRY")).await;
    let message = stage.billing.final_status(1, "HSS").and_then(|seen| seen.message).expect("a message");
    assert!(message.contains("target-unreachable") && message.contains("allow-loopback"), "{message}");
    assert!(stage.oms.ledger().requests.is_empty(), "nobody was asked");

    stage.stop_host().await.expect("it stops");
    with_settings(&stage, "groups.HSS.target", "allow-loopback = true");
    stage.start_host().await.expect("the host starts");
    until("OK", SOON, async || is_ok(&stage, 1).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_has_its_own_authority_and_knows_us_by_our_certificate() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let (ours, other) = (tls::Authority::new(), tls::Authority::new());
    let behind = root(&stage).trim_start_matches("http://").parse().expect("an address");
    let front = tls::Front::start(behind, &ours).await;
    rewrite(&stage, &root(&stage), &format!("https://{}", front.address));
    let (certificate, key) = ours.issue("punchdown");
    for (name, text) in [("ca.pem", &ours.pem), ("other.pem", &other.pem), ("us.pem", &certificate)] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    secret(&stage, "us", &key);
    secret(&stage, "not-us", &ours.issue("somebody").1);
    stage.open_accounts(1);

    let identity = |key: &str| {
        format!("client-certificate = {{ cert = \"us.pem\", key = {{ file = \"secrets/{key}\" }} }}")
    };
    with_settings(&stage, "groups.HSS.target", &format!("ca = \"ca.pem\"\n{}", identity("not-us")));
    let refused = unserved(&stage.config);
    assert!(refused.contains("error[E0401]: the target of group HSS cannot be used"), "{refused}");

    // Another authority does not vouch for it.
    rewrite(&stage, &identity("not-us"), &identity("us"));
    rewrite(&stage, "ca = \"ca.pem\"", "ca = \"other.pem\"");
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    until("RETRY", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "RETRY")).await;
    assert!(stage.oms.ledger().requests.is_empty(), "nobody was asked");
    stage.stop_host().await.expect("it stops");

    let strangers = front.clients();
    rewrite(&stage, "ca = \"other.pem\"", "ca = \"ca.pem\"");
    stage.start_host().await.expect("the host starts");
    until("OK", SOON, async || is_ok(&stage, 1).await).await;
    assert_eq!(front.known_clients(), front.clients() - strangers, "all showed our certificate");
    stage.stop_host().await.expect("it stops");

    // Without a certificate nobody is let in.
    let (orders, known, clients) = (stage.oms.ledger().orders.len(), front.known_clients(), front.clients());
    rewrite(&stage, &identity("us"), "");
    stage.start_host().await.expect("the host starts");
    espf.emit("Account/Product/Changed", json!({ "i_account": 1 }));
    until("a refused handshake", SOON, async || front.clients() > clients).await;
    assert_eq!((stage.oms.ledger().orders.len(), front.known_clients()), (orders, known));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_knows_us_by_a_password_or_by_a_header_of_its_own() {
    for (demand, auth) in [
        (
            // punchdown:p:ssword
            ("authorization", "Basic cHVuY2hkb3duOnA6c3N3b3Jk"),
            "basic = { user = \"punchdown\", password = { file = \"secrets/known\" } }",
        ),
        (
            ("x-api-key", "p:ssword"),
            "header = { name = \"X-API-Key\", value = { file = \"secrets/known\" } }",
        ),
    ] {
        let Some(adapter) = oms_adapter() else { return };
        let folder = folder();
        let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
        let (name, value) = (demand.0.to_owned(), demand.1.to_owned());
        let front = front(&stage, Demand::Header { name, value }).await;
        secret(&stage, "known", "p:ssword");
        rewrite(&stage, BEARER, &format!("auth = {{ {auth} }}"));
        stage.open_accounts(1);
        stage.start_host().await.expect("the host starts");
        let espf = stage.espf(0.0);
        new_accounts(&espf, 1);
        until("OK", SOON, async || is_ok(&stage, 1).await).await;
        assert_eq!(front.ledger().refused, 0, "{auth}");
        stage.stop_host().await.expect("it stops");
        assert!(!log(&stage).contains("p:ssword"), "{auth}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_are_out_at_a_time_than_the_target_takes() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let settings = Settings { answer_after: Duration::from_millis(100), ..Settings::default() };
    let mut stage = stage(folder.path(), &adapter, settings).await;
    rewrite(&stage, "concurrency = 32", "concurrency = 3");
    stage.open_accounts(30);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 30);
    let mut most = 0;
    until("all are ordered", SOON, async || {
        most = stage.oms.unanswered().max(most);
        stage.oms.ledger().orders.len() == 30
    })
    .await;
    assert!((1..=3).contains(&most), "{most} at a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_the_query_is_never_shown() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let demand = |value: &str| Demand::Query { name: "key".to_owned(), value: value.to_owned() };
    let front = front(&stage, demand("qu3ryk3y")).await;
    secret(&stage, "key", "qu3ryk3y");
    rewrite(&stage, BEARER, "auth = { query = { name = \"key\", value = { file = \"secrets/key\" } } }");
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    std::fs::write(&stage.config, config + "\n[log]\nfilter = \"debug\"\n").expect("written");
    stage.open_accounts(2);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("OK", SOON, async || is_ok(&stage, 1).await).await;

    // It says back what it was shown, and the adapter makes a sentence of it.
    front.demand(demand("another"));
    espf.emit("Account/New", json!({ "i_account": 2 }));
    until("refused", SOON, async || front.ledger().refused > 0).await;
    until("a word", SOON, async || told(&stage, 2).last().is_some_and(|word| word == "RETRY")).await;
    // What is gone leaves an error behind, whose address holds the key.
    front.demand(Demand::Silence);
    espf.emit("Account/Product/Changed", json!({ "i_account": 1 }));
    until("silence", SOON, async || front.ledger().unanswered > 0).await;
    stage.stop_host().await.expect("it stops");
    assert!(!log(&stage).contains("qu3ryk3y"), "{}", log(&stage));
    let journal = all_bytes(&folder.path().join("data"));
    assert!(!journal.windows(8).any(|part| part == b"qu3ryk3y"));
    for i_account in [1, 2] {
        for seen in stage.billing.statuses(i_account, "HSS") {
            assert!(!seen.message.unwrap_or_default().contains("qu3ryk3y"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_granted_once_and_renewed_when_they_are_refused() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let front = front(&stage, Demand::Bearer("first-token".to_owned())).await;
    secret(&stage, "client", CLIENT_SECRET);
    let oauth2 = format!(
        "auth = {{ oauth2 = {{ token-url = \"{}/oauth/token\", client-id = \"punchdown\", client-secret = {{ file = \"secrets/client\" }}, scope = \"orders status\", audience = \"oms\" }} }}",
        front.url()
    );
    rewrite(&stage, BEARER, &oauth2);
    stage.open_accounts(30);

    // Nobody is let in, and no operation fails by it.
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 20);
    until("a refused grant", SOON, async || front.ledger().grants_refused > 0).await;
    assert!(espf.drained(SOON).await, "events are taken all the time");
    until("all are held back", SOON, async || {
        counted(&stage, "punchdown_operations{group=\"HSS\",state=\"held\"}").await == 20
    })
    .await;
    let ledger = front.ledger();
    assert!(ledger.grants_refused <= 3 && ledger.refused == 0, "it is not hammered: {ledger:?}");
    assert!((1..=20).all(|i_account| told(&stage, i_account).is_empty()), "nothing failed, nothing is told");
    stage.stop_host().await.expect("it stops");

    front.grant(Some("first-token"));
    stage.start_host().await.expect("the host starts");
    until("OK for all", Duration::from_secs(60), async || {
        (1..=20).all(|i_account| told(&stage, i_account).last().is_some_and(|word| word == "OK"))
    })
    .await;
    let ledger = front.ledger();
    assert_eq!((ledger.grants, ledger.refused), (1, 0), "one for all");
    assert_eq!(ledger.last_grant, "grant_type=client_credentials&scope=orders+status&audience=oms");

    // A token that is no good any more is renewed once for all, and what it was refused for repeated.
    front.grant(Some("second-token"));
    front.demand(Demand::Bearer("second-token".to_owned()));
    for i_account in 21..=30 {
        espf.emit("Account/New", json!({ "i_account": i_account }));
    }
    until("OK for the others", SOON, async || {
        (21..=30).all(|i_account| told(&stage, i_account).last().is_some_and(|word| word == "OK"))
    })
    .await;
    assert_eq!(front.ledger().grants, 2);
    assert_eq!(stage.oms.ledger().orders.len(), 30, "one order an account");
    let said = log(&stage);
    assert!(said.contains("token-refused") && said.contains("invalid_client"), "{said}");
    for secret in [CLIENT_SECRET, "first-token", "second-token"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_leave_at_the_rate_that_the_target_takes() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    with_settings(&stage, "groups.HSS.target", "rate = \"10/s\"");
    stage.open_accounts(20);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    let began = std::time::Instant::now();
    new_accounts(&espf, 20);
    until("OK for all", Duration::from_secs(60), async || {
        (1..=20).all(|i_account| told(&stage, i_account).last().is_some_and(|word| word == "OK"))
    })
    .await;
    let requests: u64 = stage.oms.ledger().requests.values().sum();
    assert!(requests >= 20);
    // A hundred milliseconds between two of them: it cannot have been sooner.
    let soonest = Duration::from_millis(100) * u32::try_from(requests - 1).expect("not so many");
    assert!(began.elapsed() >= soonest, "{requests} requests in {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_says_when_to_come_again_is_asked_then() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let later = |status: StatusCode, after: &str| Demand::Later(status, after.to_owned());
    let front = front(&stage, later(StatusCode::SERVICE_UNAVAILABLE, "1200")).await;
    stage.open_accounts(3);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    let in_ten_minutes = || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(600));
    for (i_account, status, after, seconds) in [
        (1, StatusCode::SERVICE_UNAVAILABLE, Some("1200"), 1200),
        (2, StatusCode::TOO_MANY_REQUESTS, None, 599),
        // Nobody is believed for longer than an hour.
        (3, StatusCode::SERVICE_UNAVAILABLE, Some("86400"), 3600),
    ] {
        let before = now();
        let after = after.map_or_else(in_ten_minutes, str::to_owned);
        front.demand(later(status, &after));
        let asked = Duration::from_secs(seconds);
        espf.emit("Account/New", json!({ "i_account": i_account }));
        let account = i_account.to_string();
        let retrying = async || operations(&stage, &["--state", "retrying", "--account", &account]).await;
        until("it is tried later", SOON, async || retrying().await.len() == 1).await;
        let due: Timestamp = serde_json::from_value(retrying().await[0]["due"].clone()).expect("a date");
        // By up to a fifth later, so that not all come at once.
        let last = now() + asked.mul_f64(1.2) + Duration::from_secs(1);
        assert!(before + asked <= due && due <= last, "{after}: {before} {due} {last}");
        assert_eq!(front.ledger().refused, i_account, "asked once each");
    }
    // A person need not wait for it.
    front.demand(Demand::Bearer(OMS_TOKEN.to_owned()));
    let id = operations(&stage, &["--account", "3"]).await[0]["id"].as_str().expect("an id").to_owned();
    let retry = said(&stage, &["operation", "retry", &id, "--who", "ann", "--why", "it is back"]).await;
    assert!(retry.status.success(), "{retry:?}");
    until("OK", SOON, async || is_ok(&stage, 3).await).await;
    assert_eq!(stage.oms.ledger().orders.len(), 1);
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
    Timestamp::from_millis(i64::try_from(since.as_millis()).expect("a time"))
}
