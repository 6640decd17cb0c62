//! What a caller runs into before anybody asks who it is. Each limit is reached here, through the
//! real listener, and each is counted.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{
    PROGRAM, counted, folder, log, oms_adapter, rewrite, stage, stage_of, until, with_settings,
};
use crate::hostile::attacks;

const PATIENCE: Duration = Duration::from_secs(30);
const CREDENTIAL: &str = "Authorization: Basic ZXNwZjpzdGFnZS1lc3BmLXBhc3N3b3Jk";

/// All of a request but its headers.
const POST: &str = "POST /espf/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";

/// A host whose events listener has these settings.
async fn running(events: &str) -> Option<(TempDir, Stage)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    with_settings(&stage, "events", events);
    stage.start_host().await.expect("the host starts");
    Some((folder, stage))
}

/// A caller at 127.0.0.`last`: the whole net is this machine's own.
pub async fn caller(last: u8, door: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0).into()).expect("an address");
    socket.connect(door).await.expect("a connection")
}

/// A caller who has a place and keeps it: his body of 100 bytes is waited for, and the host has said so.
/// `head` is all of his request that comes before its length.
pub async fn holding(last: u8, door: SocketAddr, head: &str) -> TcpStream {
    const GO_ON: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    let mut caller = caller(last, door).await;
    let words = format!("{head}Expect: 100-continue\r\nContent-Length: 100\r\n\r\n");
    caller.write_all(words.as_bytes()).await.expect("sent");
    let mut heard = [0; GO_ON.len()];
    let said = tokio::time::timeout(PATIENCE, caller.read_exact(&mut heard)).await.expect("it is answered");
    said.expect("he may go on");
    assert_eq!(String::from_utf8_lossy(&heard), GO_ON);
    caller
}

/// What is heard until the host hangs up.
pub async fn heard(mut caller: TcpStream) -> String {
    let mut heard = Vec::new();
    let end = caller.read_to_end(&mut heard);
    // A host that hangs up on what it has not read resets the connection.
    let _ = tokio::time::timeout(PATIENCE, end).await.expect("the host hangs up");
    String::from_utf8_lossy(&heard).into_owned()
}

async fn said(door: SocketAddr, words: &str) -> String {
    let mut caller = caller(1, door).await;
    caller.write_all(words.as_bytes()).await.expect("sent");
    heard(caller).await
}

async fn limited(stage: &Stage, limit: &str) -> u64 {
    counted(stage, &format!("punchdown_limited_total{{listener=\"events\",limit=\"{limit}\"}}")).await
}

/// A caller may see the end of his connection before it is counted.
async fn is_limited(stage: &Stage, limit: &str, count: u64) {
    until("it is counted", PATIENCE, async || limited(stage, limit).await >= count).await;
    assert_eq!(limited(stage, limit).await, count, "{limit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hyper_says_by_itself_is_come_again_at_the_events_listener() {
    let Some((_folder, stage)) = running("headers = 20\nheader-max = \"2KiB\"").await else { return };
    let long = "x".repeat(3000);
    let many = (0..30).map(|number| format!("x-{number}: 1\r\n")).collect::<String>();
    let post = "POST /espf/events HTTP/1.1\r\nHost: x\r\n";
    for (what, words) in [
        ("a header that is too large", format!("{post}X-Long: {long}\r\n\r\n")),
        ("too many headers", format!("{post}{many}\r\n")),
        ("too long an address", format!("POST /{long} HTTP/1.1\r\nHost: x\r\n\r\n")),
        ("an address of 70 KB", format!("POST /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(70_000))),
        ("no HTTP", "what is this\r\n\r\n".to_owned()),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n".to_owned()),
        ("another version", "POST /espf/events HTTP/3.7\r\n\r\n".to_owned()),
        ("a length that is none", format!("{post}Content-Length: many\r\n\r\n")),
        ("two lengths", format!("{post}Content-Length: 1\r\nContent-Length: 2\r\n\r\n")),
        ("a coding that is none", format!("{post}Transfer-Encoding: zipped\r\n\r\n")),
        ("a header that is none", format!("{post}no colon here\r\n\r\n")),
    ] {
        let answer = said(stage.public, &words).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{what}: {answer}");
        assert!(answer.contains("retry-after: 1\r\n") && answer.contains("connection: close"), "{answer}");
    }
    // The service has answered before, on the same connection.
    let twice = said(stage.public, &format!("{post}Content-Length: 0\r\n\r\nnonsense\r\n\r\n")).await;
    assert!(twice.starts_with("HTTP/1.1 401 ") && twice.contains("\r\n\r\nwrong credential\n"), "{twice}");
    assert!(twice.ends_with("content-length: 0\r\n\r\n") && twice.contains("HTTP/1.1 503 "), "{twice}");
    assert_eq!(said(stage.public, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, "", "there is no HTTP/2 here");

    until("they are counted", PATIENCE, async || {
        limited(&stage, "header-size").await >= 3 && limited(&stage, "malformed").await >= 7
    })
    .await;
    let refused = said(stage.admin, "what is this\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 400 "), "no event is lost at the operators' door: {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_has_more_connections_than_it_may() {
    let Some((_folder, stage)) = running("connections = 4\nconnections-per-address = 2").await else {
        return;
    };
    let open = "punchdown_connections{listener=\"events\"}";
    let (one, two) = (caller(2, stage.public).await, caller(2, stage.public).await);
    until("two are open", PATIENCE, async || counted(&stage, open).await == 2).await;
    assert_eq!(heard(caller(2, stage.public).await).await, "", "the third of one address");
    is_limited(&stage, "per-address", 1).await;
    let others = (caller(3, stage.public).await, caller(4, stage.public).await);
    until("four are open", PATIENCE, async || counted(&stage, open).await == 4).await;
    assert_eq!(heard(caller(5, stage.public).await).await, "", "the fifth in all");
    is_limited(&stage, "connections", 1).await;

    drop((one, two, others));
    until("all have left", PATIENCE, async || counted(&stage, open).await == 0).await;
    let request = "POST /espf/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(said(stage.public, request).await.starts_with("HTTP/1.1 401 "), "there is room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn load_is_shed_before_anybody_looks_at_a_credential() {
    let Some((_folder, stage)) = running("concurrency = 1\nbody-timeout = \"60s\"").await else { return };
    let slow = holding(2, stage.public, &format!("{POST}{CREDENTIAL}\r\n")).await;
    let answer = said(stage.public, &format!("{POST}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "it is shed, not called unauthorised: {answer}");
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    is_limited(&stage, "concurrency", 1).await;
    drop(slow);
    let room = async || said(stage.public, &format!("{POST}\r\n")).await.starts_with("HTTP/1.1 401 ");
    until("there is room again", PATIENCE, room).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_its_time_and_its_size() {
    let settings = "body-timeout = \"1s\"\nbody-max = \"1KiB\"";
    let Some((_folder, stage)) = running(settings).await else { return };
    let slow = said(stage.public, &format!("{POST}{CREDENTIAL}\r\nContent-Length: 100\r\n\r\n{{")).await;
    assert!(slow.starts_with("HTTP/1.1 503 "), "it may come again: {slow}");
    is_limited(&stage, "body-time", 1).await;
    let large = format!("{POST}{CREDENTIAL}\r\nContent-Length: 2000\r\n\r\n{}", "x".repeat(2000));
    let large = said(stage.public, &large).await;
    assert!(large.starts_with("HTTP/1.1 400 "), "{large}");
    is_limited(&stage, "body-size", 1).await;
    let line =
        log(&stage).lines().find(|line| line.contains("an event was told to come again")).map(str::to_owned);
    assert!(line.is_some_and(|line| line.contains("the body came too slowly")), "the slow one is logged");
}

/// Who signs proves it with his body. Until he has, he could be anybody.
#[tokio::test(flavor = "multi_thread")]
async fn slow_notifications_leave_events_their_room_and_strangers_cost_a_head() {
    let Some((_folder, stage)) = running("concurrency = 2\nbody-timeout = \"60s\"").await else { return };
    let notify = "POST /notify/HSS/tmf HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let hook = |at| attacks::hook("a", at, b"", b"a key of somebody else");
    let now = std::time::SystemTime::now();
    let slow = holding(2, stage.public, &format!("{notify}{}", hook(now))).await;
    let half = "Content-Length: 100\r\n\r\n{";
    let second = said(stage.public, &format!("{notify}{}{half}", hook(now))).await;
    assert!(second.starts_with("HTTP/1.1 503 ") && second.contains("retry-after: 1\r\n"), "{second}");
    is_limited(&stage, "concurrency", 1).await;
    let event = said(stage.public, &format!("{POST}{CREDENTIAL}\r\nContent-Length: 2\r\n\r\n{{}}")).await;
    assert!(event.starts_with("HTTP/1.1 400 "), "an event has room: {event}");
    // They are refused before the place that they would not get.
    for (what, headers) in [
        ("unsigned", String::new()),
        ("signed yesterday", hook(now - Duration::from_secs(86_400))),
        ("signed by half", hook(now).replace("=\r\n", "\r\n")),
    ] {
        let stranger = said(stage.public, &format!("{notify}{headers}{half}")).await;
        assert!(stranger.starts_with("HTTP/1.1 401 "), "{what}: {stranger}");
    }
    drop(slow);
    let room = async || {
        let forged = format!("{notify}{}Content-Length: 2\r\n\r\n{{}}", hook(now));
        said(stage.public, &forged).await.starts_with("HTTP/1.1 401 ")
    };
    until("there is room again", PATIENCE, room).await;
}

/// Whoever is still speaking when the host hangs up may never see its answer, and sends it again.
#[tokio::test(flavor = "multi_thread")]
async fn who_says_too_much_is_heard_to_the_end_and_answered() {
    let Some((_folder, stage)) = running("body-max = \"1KiB\"").await else { return };
    let much = "x".repeat(16 << 20);
    let head = format!("POST /espf/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{CREDENTIAL}\r\n");
    let answer = said(stage.public, &format!("{head}Content-Length: {}\r\n\r\n{much}", much.len())).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    is_limited(&stage, "body-size", 1).await;
}

/// Services begin with few files, and may have more.
#[tokio::test(flavor = "multi_thread")]
async fn the_host_may_open_as_many_files_as_the_system_allows() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let program = folder.path().join("as-a-service");
    let script = format!("#!/bin/sh\nulimit -S -n 64\nexec {PROGRAM} \"$@\"\n");
    std::fs::write(&program, script).expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("it can be run");
    let program = program.to_str().expect("a path");
    let mut stage = stage_of(program, folder.path(), &adapter, Settings::default(), "", "").await;
    stage.start_host().await.expect("the host starts");
    let mut callers = Vec::new();
    for _ in 0..100 {
        callers.push(caller(2, stage.public).await);
    }
    let open = "punchdown_connections{listener=\"events\"}";
    until("all have come in", PATIENCE, async || counted(&stage, open).await == 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_has_its_time_from_the_first_moment_and_on_a_kept_connection() {
    let Some((_folder, stage)) = running("header-timeout = \"1s\"").await else { return };
    assert_eq!(heard(caller(1, stage.public).await).await, "", "nothing was said");
    is_limited(&stage, "header-time", 1).await;
    let kept =
        said(stage.public, "POST /espf/events HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nPOST /es")
            .await;
    assert!(kept.starts_with("HTTP/1.1 401 "), "{kept}");
    assert_eq!(kept.matches("HTTP/1.1").count(), 1, "half a head is not answered: {kept}");
    is_limited(&stage, "header-time", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_never_hears_the_answer_is_cut_off() {
    let Some((_folder, stage)) = running("").await else { return };
    let caller = caller(1, stage.admin).await;
    let (_heard, mut says) = caller.into_split();
    let asking = tokio::spawn(async move {
        let question = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
        while says.write_all(question.as_bytes()).await.is_ok() {}
    });
    let series = "punchdown_limited_total{listener=\"admin\",limit=\"answer-time\"}";
    until("it is cut off", Duration::from_secs(60), async || counted(&stage, series).await == 1).await;
    asking.await.expect("the host hangs up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_says_for_whom_it_speaks_and_nobody_else_does() {
    let settings = "trusted-proxies = [\"127.0.0.2\"]\nconnections-per-address = 1\nbody-timeout = \"60s\"";
    let Some((_folder, stage)) = running(settings).await else { return };
    let from = async |last: u8, forwarded: &str| {
        let mut caller = caller(last, stage.public).await;
        let words = format!("{POST}{forwarded}\r\n");
        caller.write_all(words.as_bytes()).await.expect("sent");
        heard(caller).await
    };
    let slow = format!("{POST}X-Forwarded-For: 192.0.2.1\r\n{CREDENTIAL}\r\n");
    let _slow = holding(2, stage.public, &slow).await;
    let again = from(2, "X-Forwarded-For: 192.0.2.1\r\n").await;
    assert!(again.starts_with("HTTP/1.1 503 "), "a second request of one address is shed: {again}");
    is_limited(&stage, "per-address", 1).await;
    let other = from(2, "X-Forwarded-For: 203.0.113.9, 192.0.2.2\r\n").await;
    assert!(other.starts_with("HTTP/1.1 401 "), "the proxy itself has room for others: {other}");
    assert!(from(3, "X-Forwarded-For: 192.0.2.3\r\n").await.starts_with("HTTP/1.1 401 "));
    assert!(from(2, "").await.starts_with("HTTP/1.1 401 "));

    let log = std::fs::read_to_string(stage.log()).expect("a log");
    assert!(log.contains("\"from\":\"192.0.2.2\"") && log.contains("\"from\":\"127.0.0.3\""), "{log}");
    assert!(!log.contains("203.0.113.9") && !log.contains("192.0.2.3"), "{log}");
    assert!(!log.contains("\"from\":\"127.0.0.2\""), "a proxy speaks for others, named or not: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_proxy_does_not_name_is_not_let_in_as_the_proxy() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    with_settings(&stage, "events", "trusted-proxies = [\"127.0.0.2\"]");
    let signed = "auth = { standard-webhooks = { secret = { file = \"secrets/oms-hook\" } } }";
    rewrite(&stage, signed, "auth = { addresses = [\"127.0.0.0/8\"] }");
    stage.start_host().await.expect("the host starts");
    for (last, forwarded, status) in [
        (3, "", 202),
        (2, "", 401),
        (2, "X-Forwarded-For: unknown\r\n", 401),
        (2, "X-Forwarded-For: 192.0.2.1\r\n", 401),
        (2, "X-Forwarded-For: 127.0.0.9\r\n", 202),
    ] {
        let mut caller = caller(last, stage.public).await;
        let first = "POST /notify/HSS/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
        let words = format!("{first}{forwarded}Content-Length: 2\r\n\r\n{{}}");
        caller.write_all(words.as_bytes()).await.expect("sent");
        let answer = heard(caller).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{last} {forwarded}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_can_have_a_listener_of_their_own() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let own = punchdown_kit::free_address().expect("free");
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    std::fs::write(&stage.config, format!("{config}\n[notifications]\nlisten = \"{own}\"\n"))
        .expect("written");
    stage.start_host().await.expect("the host starts");

    let post = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(said(own, &post("/notify/HSS/tmf")).await.starts_with("HTTP/1.1 401 "), "it is asked who it is");
    assert!(said(own, &post("/espf/events")).await.starts_with("HTTP/1.1 503 "), "no events here");
    assert!(said(stage.public, &post("/espf/events")).await.starts_with("HTTP/1.1 401 "));
    assert!(said(stage.public, &post("/notify/HSS/tmf")).await.starts_with("HTTP/1.1 503 "), "not here");
    let long = format!("/notify/{}", "x".repeat(1000));
    assert!(said(stage.public, &post(&long)).await.starts_with("HTTP/1.1 503 "));
    let log = log(&stage);
    assert!(log.contains("\"path\":\"/notify/HSS/tmf\""), "a wrong address is ours to mend: {log}");
    assert!(log.contains(&format!("\"path\":\"{}\"", &long[..256])), "its beginning: {log}");
    assert!(said(own, "what is this\r\n\r\n").await.starts_with("HTTP/1.1 400 "), "no event is lost here");
}
