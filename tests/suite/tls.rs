//! TLS at every listener: who is let in, what a handshake may cost, and certificates that change.

pub mod authority;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown::config;
use punchdown_kit::espf::{self, Espf, State};
use punchdown_kit::oms::Settings;
use reqwest::{Certificate, Client, StatusCode};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{PROGRAM, counted, folder, oms_adapter, stage, until, with_settings, workspace};
use authority::{Authority, Pair, put};

const SOON: Duration = Duration::from_secs(20);
const TLS: &str = "tls = { cert = \"host.pem\", key = \"host.key\" }";
/// A request that needs no credential to be answered.
const ASK: &str = "POST /espf/events HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n";

/// A stage whose folder holds this certificate.
async fn set(shown: &Pair) -> Option<(TempDir, Stage)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    shown.put(folder.path());
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    Some((folder, stage))
}

/// A running host whose events listener has TLS, and these settings.
async fn running(shown: &Pair, settings: &str) -> Option<(TempDir, Stage)> {
    let (folder, mut stage) = set(shown).await?;
    with_settings(&stage, "events", &format!("{TLS}\n{settings}"));
    stage.start_host().await.expect("the host starts");
    Some((folder, stage))
}

fn replace(stage: &Stage, from: &str, to: &str) {
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    assert!(config.contains(from), "no `{from}` in\n{config}");
    std::fs::write(&stage.config, config.replace(from, to)).expect("written");
}

/// Who believes this authority, and shows this certificate.
fn client(ca: &Authority, shown: Option<&Pair>) -> Client {
    let ca = Certificate::from_pem(ca.pem().as_bytes()).expect("a certificate");
    let client = Client::builder().no_proxy().tls_certs_only([ca]);
    match shown {
        Some(pair) => client.identity(pair.identity()),
        None => client,
    }
    .build()
    .expect("a client")
}

async fn connected(last: u8, door: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).expect("an address");
    socket.connect(door).await.expect("a connection")
}

/// A TLS connection of one's own making.
async fn greeted(
    ca: &Authority,
    door: SocketAddr,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).expect("PEM")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, connected(1, door).await).await
}

/// What is heard until the host hangs up.
async fn heard(mut caller: TcpStream) -> String {
    let mut heard = Vec::new();
    let end = caller.read_to_end(&mut heard);
    let _ = tokio::time::timeout(SOON, end).await.expect("the host hangs up");
    String::from_utf8_lossy(&heard).into_owned()
}

async fn limited(stage: &Stage, limit: &str) -> u64 {
    counted(stage, &format!("punchdown_limited_total{{listener=\"events\",limit=\"{limit}\"}}")).await
}

fn log(stage: &Stage) -> String {
    std::fs::read_to_string(stage.log()).expect("a log")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_espf_and_the_systems_are_served_over_tls_and_nobody_without_it() {
    let ca = Authority::new();
    let Some((_folder, mut stage)) = set(&ca.host()).await else { return };
    let own = punchdown_kit::free_address().expect("free");
    with_settings(&stage, "events", TLS);
    replace(&stage, "[admin]\n", &format!("[notifications]\nlisten = \"{own}\"\n{TLS}\n\n[admin]\n"));
    stage.start_host().await.expect("the host starts");

    let espf = Espf::start(espf::Settings {
        url: format!("https://localhost:{}/espf/events", stage.public.port()),
        auth: espf::Auth::Basic { user: "espf".to_owned(), password: "stage-espf-password".to_owned() },
        ca: ca.pem(),
        ..espf::Settings::default()
    });
    espf.emit("Customer/New", serde_json::json!({ "i_customer": 1 }));
    assert!(espf.drained(SOON).await, "{:?}", espf.ledger());
    assert_eq!(espf.ledger().events[0].state, State::Acknowledged);
    let notice = client(&ca, None).post(format!("https://{own}/notify/HSS/tmf")).send().await;
    assert_eq!(notice.expect("an answer").status(), StatusCode::UNAUTHORIZED, "the door is asked over TLS");

    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let stream = greeted(&ca, stage.public, &[version], &["h2", "http/1.1"]).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
    for (limits, door) in [("events", stage.public), ("notifications", own)] {
        let mut plain = connected(1, door).await;
        plain.write_all(format!("{ASK}\r\n").as_bytes()).await.expect("sent");
        let answer = heard(plain).await;
        assert!(!answer.contains("HTTP/1.1"), "{answer}");
        let series = format!("punchdown_limited_total{{listener=\"{limits}\",limit=\"handshake\"}}");
        assert_eq!(counted(&stage, &series).await, 1);
    }
    assert!(greeted(&ca, stage.public, rustls::ALL_VERSIONS, &["h2"]).await.is_err(), "there is no HTTP/2");
    // One that only looks whether somebody is there.
    drop(connected(1, stage.public).await);
    let open = "punchdown_connections{listener=\"events\"}";
    espf.stop().await;
    until("all have left", SOON, async || counted(&stage, open).await == 0).await;
    until("they are counted", SOON, async || limited(&stage, "handshake").await == 2).await;
    let log = log(&stage);
    assert!(!log.contains("ERROR") && !log.contains("panicked") && !log.contains("handshake"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_has_its_time() {
    let ca = Authority::new();
    let Some((_folder, stage)) = running(&ca.host(), "header-timeout = \"1s\"").await else { return };
    let mut half = connected(2, stage.public).await;
    half.write_all(&[22, 3, 1, 2]).await.expect("sent");
    assert_eq!(heard(half).await, "", "it is cut off");
    until("it is counted", SOON, async || limited(&stage, "handshake-time").await == 1).await;
    let open = "punchdown_connections{listener=\"events\"}";
    until("its place is free", SOON, async || counted(&stage, open).await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_holds_a_place_and_holds_up_no_stop() {
    let ca = Authority::new();
    let settings = "header-timeout = \"60s\"\nconnections-per-address = 1";
    let Some((_folder, mut stage)) = running(&ca.host(), settings).await else { return };
    let mut half = connected(2, stage.public).await;
    half.write_all(&[22, 3, 1, 2]).await.expect("sent");
    let open = "punchdown_connections{listener=\"events\"}";
    until("it is open", SOON, async || counted(&stage, open).await == 1).await;
    assert_eq!(heard(connected(2, stage.public).await).await, "", "its place is taken");
    until("it is counted", SOON, async || limited(&stage, "per-address").await == 1).await;
    greeted(&ca, stage.public, rustls::ALL_VERSIONS, &[]).await.expect("others are not held up");

    assert!(stage.stop_host().await.expect("it stops").success());
    assert!(!log(&stage).contains("some connections were cut"), "a handshake holds up no stop");
    drop(half);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_known_by_his_certificate_and_the_espf_needs_none() {
    let (ca, callers, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let Some((folder, mut stage)) = set(&ca.host()).await else { return };
    let oms =
        |authority: &Authority| authority.caller("the OMS", "oms.example.net", "spiffe://example.net/oms");
    let (right, forged) = (oms(&callers), oms(&strangers));
    let other = callers.caller("oms.example.net", "iptv.example.net", "spiffe://example.net/iptv");
    let by_digest = callers.caller("an old one", "old.example.net", "spiffe://example.net/old");
    let by_uri = callers.caller("a third", "third.example.net", "spiffe://example.net/third");
    let by_common_name = callers.caller("the fourth", "fourth.example.net", "spiffe://example.net/fourth");
    let digest: Vec<String> = {
        use sha2::Digest as _;
        sha2::Sha256::digest(&by_digest.der).iter().map(|byte| format!("{byte:02X}")).collect()
    };
    put(folder.path(), "clients.pem", &callers.pem());
    let tls = TLS.replace(" }", ", client-ca = \"clients.pem\", client-auth = \"optional\" }");
    with_settings(&stage, "events", &tls);
    let names = format!(
        r#"["dns:oms.example.net", "uri:spiffe://example.net/third", "cn:the fourth", "sha256:{}"]"#,
        digest.join(":")
    );
    replace(
        &stage,
        "standard-webhooks = { secret = { file = \"secrets/oms-hook\" } }",
        &format!("client-certificate = {names}, bearer = {{ file = \"secrets/oms-hook\" }}"),
    );
    stage.start_host().await.expect("the host starts");

    let base = format!("https://{}", stage.public);
    let event =
        client(&ca, None).post(format!("{base}/espf/events")).basic_auth("espf", Some("stage-espf-password"));
    let event = event.body(r#"{"event_type": "Account/New", "variables": {"i_event": 1, "i_account": 1}}"#);
    assert_eq!(event.send().await.expect("an answer").status(), StatusCode::OK, "it showed none");

    let token = std::fs::read_to_string(folder.path().join("secrets/oms-hook")).expect("a secret");
    let notify = async |shown: Option<&Pair>, token: &str| {
        let notice = client(&ca, shown).post(format!("{base}/notify/HSS/tmf")).bearer_auth(token).body("{}");
        notice.send().await.map(|answer| answer.status().as_u16())
    };
    for (what, shown, token, status) in [
        ("no certificate", None, token.as_str(), 401),
        ("one of the same CA with another name", Some(&other), &token, 401),
        ("the right one without the token", Some(&right), "wrong", 401),
    ] {
        assert_eq!(notify(shown, token).await.expect("an answer"), status, "{what}");
    }
    let log = log(&stage);
    assert!(log.contains("cn:oms.example.net") && log.contains("dns:iptv.example.net"), "{log}");
    assert!(notify(Some(&forged), &token).await.is_err(), "another CA: there is no handshake");
    until("it is counted", SOON, async || limited(&stage, "handshake").await == 1).await;
    for right in [&right, &by_digest, &by_uri, &by_common_name] {
        let status = notify(Some(right), &token).await.expect("an answer");
        assert!((200..300).contains(&status), "{status}");
    }
    let refused = "punchdown_notifications_total{group=\"HSS\",result=\"unauthorised\"}";
    assert_eq!(counted(&stage, refused).await, 3);
}

fn status(stage: &Stage, folder: &Path, arguments: &[&str]) -> Output {
    let url = format!("https://localhost:{}", stage.admin.port());
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).args(["status", "--config"]).arg(&stage.config).args(["--url", &url]);
    command.args(arguments).output().expect("it runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_reach_a_listener_that_wants_to_see_their_certificate() {
    let (ca, operators) = (Authority::new(), Authority::new());
    let Some((folder, stage)) = set(&ca.host()).await else { return };
    put(folder.path(), "ca.pem", &ca.pem());
    put(folder.path(), "operators.pem", &operators.pem());
    put(folder.path(), "me.pem", &operators.caller("me", "me.example.net", "urn:me").both());
    with_settings(&stage, "admin", &TLS.replace(" }", ", client-ca = \"operators.pem\" }"));
    let log = std::fs::File::create(stage.log()).expect("a log");
    let serve = tokio::process::Command::new(PROGRAM)
        .args(["serve", "--config"])
        .arg(&stage.config)
        .stdin(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn();
    let _host = serve.expect("it runs");
    let whole = ["--ca", "ca.pem", "--identity", "me.pem"];
    until("status", SOON, async || status(&stage, folder.path(), &whole).status.success()).await;
    let said = status(&stage, folder.path(), &whole);
    assert!(String::from_utf8_lossy(&said.stdout).contains("events stored"), "{said:?}");
    for (arguments, words) in [
        (&whole[..2], "cannot ask https://localhost"),
        (&whole[2..], "Does --ca name who stands behind"),
        (&["--ca", "nowhere.pem"], "cannot read nowhere.pem"),
        (&["--ca", "ca.pem", "--identity", "ca.pem"], "cannot use ca.pem"),
    ] {
        let said = status(&stage, folder.path(), arguments);
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(!said.status.success() && text.contains(words), "{arguments:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_certificate_is_taken_without_a_restart_and_a_bad_one_is_not() {
    let (first, second) = (Authority::new(), Authority::new());
    let Some((folder, stage)) = running(&first.host(), "header-timeout = \"60s\"").await else { return };
    let versions = rustls::ALL_VERSIONS;
    let mut standing = greeted(&first, stage.public, versions, &[]).await.expect("a handshake");
    let count = async |result: &str| {
        let series = format!("punchdown_certificates_total{{listener=\"events\",result=\"{result}\"}}");
        counted(&stage, &series).await
    };
    let shown_by = async |ca: &Authority| greeted(ca, stage.public, versions, &[]).await.is_ok();
    assert!(shown_by(&first).await && !shown_by(&second).await);

    second.host_within(-1, 200).put(folder.path());
    until("the new one is shown", SOON, async || shown_by(&second).await).await;
    assert!(!shown_by(&first).await, "and the old one is not");
    assert_eq!((count("taken").await, count("refused").await), (1, 0));
    let ends = counted(&stage, "punchdown_certificate_end_timestamp_seconds{listener=\"events\"}").await;
    let days = (ends - std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs()) / 86_400;
    assert!((198..=200).contains(&days), "{days}");
    standing.write_all(format!("{ASK}Connection: close\r\n\r\n").as_bytes()).await.expect("sent");
    let mut answer = String::new();
    standing.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 401 "), "who was connected stays so: {answer}");

    put(folder.path(), "host.key", &first.host().key);
    until("a bad one is refused", SOON, async || count("refused").await == 1).await;
    assert!(shown_by(&second).await, "what was good stays");
    let log = log(&stage);
    assert!(log.contains("the one before it stays") && log.contains("does not belong"), "{log}");
    first.host().put(folder.path());
    until("a good one is taken again", SOON, async || shown_by(&first).await).await;
    assert_eq!((count("taken").await, count("refused").await), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_has_ended_is_shouted_about_and_shown_all_the_same() {
    let ca = Authority::new();
    let Some((_folder, stage)) = running(&ca.host_within(-30, -1), "").await else { return };
    let log = log(&stage);
    assert!(log.contains("the certificate ended at") && log.contains("events.tls.cert"), "{log}");
    let refused = greeted(&ca, stage.public, rustls::ALL_VERSIONS, &[]).await.expect_err("it has ended");
    assert!(refused.to_string().contains("certificate expired"), "{refused}");
    let check =
        Command::new(PROGRAM).args(["check", "--config"]).arg(&stage.config).output().expect("it runs");
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(check.status.success() && said.contains("warning[W0102]: the certificate ended at"), "{said}");
    let summary = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(summary.contains(&format!("https://{}/espf/events", stage.public)), "{summary}");
}

/// A configuration with TLS for events as said, and this way for a system to be known.
fn configured(folder: &Path, events: &str, notify: &str) -> Result<Vec<String>, String> {
    let text = format!(
        "[portabilling]\nurl = \"https://billing.example.net\"\nlogin = \"punchdown\"\ntoken = {{ file = \"s\" }}\n\
         [events]\n{events}\nauth = [{{ basic = {{ user = \"espf\", password = {{ file = \"s\" }} }} }}]\n\
         [groups.HSS]\nadapter = \"a.wasm\"\nevents = [\"**\"]\ntarget = {{ url = \"https://oms.example.net\" }}\n\
         notify = {{ auth = {{ {notify} }} }}\n"
    );
    let file = folder.join("punchdown.toml");
    std::fs::write(&file, text).expect("written");
    match config::load(&file) {
        Ok(settings) => Ok(settings.warnings.iter().map(|warning| warning.tell(&file)).collect()),
        Err(problems) => Err(problems.to_string()),
    }
}

const BEARER: &str = "bearer = { file = \"s\" }";

#[test]
fn files_that_do_not_serve_are_named_with_what_is_wrong() {
    let (folder, ca) = (folder(), Authority::new());
    ca.host().put(folder.path());
    let put = |name: &str, text: &str| put(folder.path(), name, text);
    put("s", "s3cret");
    put("ca.pem", &ca.pem());
    put("other.key", &ca.host().key);
    put("empty.pem", "nothing\n");
    put("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    put("torn.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    put("odd.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for (tls, key, words) in [
        ("cert = \"no.pem\", key = \"host.key\"", "events.tls.cert", "cannot read"),
        ("cert = \"empty.pem\", key = \"host.key\"", "events.tls.cert", "there is no certificate in"),
        ("cert = \"torn.pem\", key = \"host.key\"", "events.tls.cert", "torn.pem is broken"),
        ("cert = \"odd.pem\", key = \"host.key\"", "events.tls.cert", "odd.pem is broken"),
        ("cert = \"host.pem\", key = \"no.key\"", "events.tls.key", "cannot read"),
        ("cert = \"host.pem\", key = \"host.pem\"", "events.tls.key", "is not there, or is broken"),
        ("cert = \"host.pem\", key = \"locked.key\"", "events.tls.key", "locked by a passphrase"),
        ("cert = \"host.pem\", key = \"other.key\"", "events.tls.key", "does not belong to the certificate"),
        ("cert = \"host.pem\"", "events.tls.key", "`key` is missing"),
        (
            "cert = \"host.pem\", key = \"host.key\", client-ca = \"empty.pem\"",
            "events.tls.client-ca",
            "there is no certificate in",
        ),
        (
            "cert = \"host.pem\", key = \"host.key\", client-ca = \"odd.pem\"",
            "events.tls.client-ca",
            "cannot be used",
        ),
        (
            "cert = \"host.pem\", key = \"host.key\", client-auth = \"optional\"",
            "events.tls",
            "says nothing without `client-ca`",
        ),
        (
            "cert = \"host.pem\", key = \"host.key\", client-ca = \"ca.pem\", client-auth = \"maybe\"",
            "events.tls.client-auth",
            "not `required` or `optional`",
        ),
    ] {
        let said = configured(folder.path(), &format!("tls = {{ {tls} }}"), BEARER).expect_err(tls);
        assert!(said.starts_with("1 problem in") && said.contains(words), "no `{words}` alone in\n{said}");
        assert!(said.contains(&format!("  {key}\n")), "no `{key}` in\n{said}");
    }
    let both = "tls = { cert = \"no.pem\", key = \"no.key\" }";
    let said = configured(folder.path(), both, BEARER).expect_err("two are missing");
    assert!(said.starts_with("2 problems in"), "{said}");
}

#[test]
fn every_kind_of_key_serves_and_what_may_be_heard_is_warned_of() {
    let (folder, ca) = (folder(), Authority::new());
    let host = ca.host();
    host.put(folder.path());
    put(folder.path(), "s", "s3cret");
    assert_eq!(configured(folder.path(), TLS, BEARER), Ok(vec![]), "0.0.0.0 with TLS is not in the clear");
    let clear = configured(folder.path(), "", BEARER).expect("it would run");
    assert_eq!(clear.len(), 2, "{clear:?}");
    assert!(
        clear
            .iter()
            .all(|warning| warning.contains("speaks no TLS") && warning.contains("give the listener `tls`"))
    );

    put(folder.path(), "host.key", &sec1(&host.key));
    assert_eq!(configured(folder.path(), TLS, BEARER), Ok(vec![]), "a key of the older form");
    put(folder.path(), "both.pem", &host.both());
    let one_file = "tls = { cert = \"both.pem\", key = \"both.pem\" }";
    assert_eq!(configured(folder.path(), one_file, BEARER), Ok(vec![]), "both in one file");

    use std::os::unix::fs::PermissionsExt as _;
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.path().join("host.key"), open).expect("chmod");
    let warned = configured(folder.path(), TLS, BEARER).expect("it would run");
    assert!(warned.len() == 1 && warned[0].contains("others may read the key"), "{warned:?}");
    ca.host_within(-1, 20).put(folder.path());
    let warned = configured(folder.path(), TLS, BEARER).expect("it would run");
    assert!(warned.len() == 1 && warned[0].contains("the certificate ends soon"), "{warned:?}");
}

/// The same key as `BEGIN EC PRIVATE KEY`: it lies in the PKCS#8 form as it is.
fn sec1(pkcs8: &str) -> String {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let body: String = pkcs8.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64.decode(body).expect("base64");
    let text = base64.encode(&der[29..]);
    format!("-----BEGIN EC PRIVATE KEY-----\n{text}\n-----END EC PRIVATE KEY-----\n")
}

#[test]
fn what_the_pages_show_is_taken() {
    let (folder, ca) = (folder(), Authority::new());
    std::fs::create_dir(folder.path().join("tls")).expect("a folder");
    put(folder.path(), "s", "s3cret");
    let host = ca.host();
    for (name, text) in
        [("punchdown.pem", &host.cert), ("punchdown.key", &host.key), ("callers.pem", &ca.pem())]
    {
        put(&folder.path().join("tls"), name, text);
    }
    let mut shown = 0;
    for page in ["docs/operating.md", "host/config.example.toml"] {
        let page = std::fs::read_to_string(workspace().join(page)).expect("a page");
        let lines = page.lines().map(|line| line.trim_start_matches(['#', ' ']));
        for tls in lines.filter(|line| line.starts_with("tls = {")) {
            assert_eq!(configured(folder.path(), tls, BEARER), Ok(vec![]), "{tls}");
            shown += 1;
        }
    }
    assert_eq!(shown, 4);
}

#[test]
fn a_door_that_wants_a_certificate_needs_a_listener_that_asks_for_one() {
    let (folder, ca) = (folder(), Authority::new());
    ca.host().put(folder.path());
    put(folder.path(), "s", "s3cret");
    put(folder.path(), "ca.pem", &ca.pem());
    let asking = TLS.replace(" }", ", client-ca = \"ca.pem\" }");
    let by = |events: &str, names: &str| {
        configured(folder.path(), events, &format!("client-certificate = {names}"))
    };
    assert_eq!(by(&asking, "\"dns:oms.example.net\""), Ok(vec![]));
    for (events, names, words) in [
        (TLS, "\"dns:oms.example.net\"", "asks nobody for a certificate"),
        ("", "\"dns:oms.example.net\"", "asks nobody for a certificate"),
        (&asking, "\"oms.example.net\"", "is not a name of a certificate"),
        (&asking, "[]", "without a name nobody is let in"),
    ] {
        let said = by(events, names).expect_err(names);
        assert!(said.starts_with("1 problem in") && said.contains(words), "no `{words}` alone in\n{said}");
    }
}
