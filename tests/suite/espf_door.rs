//! The ESPF's door, in every way in which it may be spoken to and in which the host may be in
//! trouble: what is not stored comes again, and what can never be an event is kept.

use std::time::{Duration, SystemTime};

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use rand::RngCore as _;
use reqwest::{Client, RequestBuilder, StatusCode};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::either::{count, needs_directory, texts};
use crate::harness::{
    BENT, PROGRAM, counted, folder, log, oms_adapter, rewrite, stage_of, until, with_settings,
};
use crate::hostile::attacks::{BASIC, signed};
use crate::listeners::{heard, holding};

const PATIENCE: Duration = Duration::from_secs(30);
const PASSWORD: &str = "stage-espf-password";

async fn running(program: &str, settings: &str) -> Option<(TempDir, Stage, Client)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let mut stage = stage_of(program, folder.path(), &adapter, Settings::default(), "", "").await;
    with_settings(&stage, "events", settings);
    if settings.contains("auth = ") {
        rewrite(
            &stage,
            "\nauth = [{ basic = { user = \"espf\", password = { file = \"secrets/espf\" } } }]\n",
            "\n",
        );
    }
    stage.start_host().await.expect("the host starts");
    Some((folder, stage, Client::builder().no_proxy().build().expect("a client")))
}

/// One that no group wants, so that it moves nothing.
fn event(name: &str, i_event: u64) -> String {
    format!("{{\"event_type\":\"{name}\",\"variables\":{{\"i_event\":{i_event}}}}}")
}

fn posted(stage: &Stage, client: &Client, body: impl Into<reqwest::Body>) -> RequestBuilder {
    client.post(format!("http://{}/espf/events", stage.public)).body(body)
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.expect("an answer").status()
}

async fn events(stage: &Stage, result: &str) -> u64 {
    counted(stage, &format!("punchdown_events_total{{door=\"espf\",result=\"{result}\"}}")).await
}

fn journal(stage: &Stage) -> Connection {
    Connection::open(stage.directory.join("data/journal.db")).expect("a journal")
}

fn stored(stage: &Stage) -> u64 {
    count(stage, "event")
}

#[tokio::test(flavor = "multi_thread")]
async fn while_another_holds_the_database_events_come_again_and_the_host_goes_on() {
    if needs_directory("a file is held by whoever writes; a database has room for several") {
        return;
    }
    let Some((_folder, stage, client)) = running(PROGRAM, "").await else { return };
    let post =
        async || status(posted(&stage, &client, event("A/B", 1)).basic_auth("espf", Some(PASSWORD))).await;
    let other = journal(&stage);
    other.execute_batch("BEGIN IMMEDIATE").expect("held");
    for _ in 0..2 {
        assert_eq!(post().await, StatusCode::SERVICE_UNAVAILABLE, "nothing is stored");
    }
    assert_eq!(events(&stage, "refused").await, 2);
    let log = log(&stage);
    assert!(log.contains("held by another process") && log.contains("nothing is written now"), "{log}");
    other.execute_batch("ROLLBACK").expect("given back");
    until("it is stored", PATIENCE, async || post().await == StatusCode::OK).await;
    // Of one that was told to come again because it waited too long, the journal may have taken it since.
    let taken = events(&stage, "unwanted").await + events(&stage, "repeated").await;
    assert_eq!((taken, stored(&stage)), (1, 1), "by the very process");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_journal_does_not_take_in_time_comes_again() {
    let Some((_folder, stage, client)) = running(BENT, "").await else { return };
    let body = event("Never/Stored", 1);
    let never = status(posted(&stage, &client, body).basic_auth("espf", Some(PASSWORD)));
    let answered = tokio::time::timeout(PATIENCE, never).await.expect("nobody waits without end");
    assert_eq!(answered, StatusCode::SERVICE_UNAVAILABLE);
    assert!(log(&stage).contains("the journal did not answer within 10s"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_credential_is_taken_from_the_header_that_is_named() {
    let auth = r#"auth-header = "X-Espf"
auth = [
    { custom = { type = "Plain", credential = { file = "secrets/espf" } } },
    { signature = { key-id = "test", key = { file = "secrets/espf" } } },
    { basic = { user = "espf", password = { file = "secrets/espf" } } },
]"#;
    let Some((_folder, stage, client)) = running(PROGRAM, auth).await else { return };
    let now = SystemTime::now();
    let signature = |at, key| header(&signed(at, key), "Authorization");
    let date = |at| header(&signed(at, PASSWORD), "Date");
    let basic = header(BASIC, "Authorization");
    let yesterday = now - Duration::from_secs(86_400);
    let ours = signature(now, PASSWORD);
    for (what, name, credential, date, expected) in [
        ("a custom word", "X-Espf", format!("Plain {PASSWORD}"), None, 200),
        ("a signed date", "X-Espf", ours.clone(), Some(date(now)), 200),
        ("a password", "X-Espf", basic.clone(), None, 200),
        ("a wrong word", "X-Espf", format!("Plain {PASSWORD}!"), None, 401),
        ("another type", "X-Espf", format!("Bearer {PASSWORD}"), None, 401),
        ("another key", "X-Espf", signature(now, "other"), Some(date(now)), 401),
        ("an old date", "X-Espf", signature(yesterday, PASSWORD), Some(date(yesterday)), 401),
        ("another date than the signed one", "X-Espf", ours, Some(date(yesterday)), 401),
        ("the usual header", "Authorization", basic, None, 401),
    ] {
        let mut request = posted(&stage, &client, event("A/B", 1)).header(name, credential);
        if let Some(date) = date {
            request = request.header("Date", date);
        }
        assert_eq!(status(request).await, expected, "{what}");
    }
    assert_eq!((events(&stage, "unwanted").await, events(&stage, "repeated").await), (1, 2));
}

/// The value of a header among lines.
fn header(lines: &str, name: &str) -> String {
    let mut values = lines.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    values.next().unwrap_or_else(|| panic!("no {name} in {lines}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_content_type_does_not_matter() {
    let Some((_folder, stage, client)) = running(PROGRAM, "").await else { return };
    let types = [
        None,
        Some("application/json; charset=utf-8"),
        Some("text/plain"),
        Some("application/xml"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data"),
        Some("no type at all;;;"),
        Some(""),
    ];
    for (content_type, i_event) in types.into_iter().zip(1..) {
        let request = posted(&stage, &client, event("A/B", i_event)).basic_auth("espf", Some(PASSWORD));
        let request = match content_type {
            Some(content_type) => request.header("content-type", content_type),
            None => request,
        };
        assert_eq!(status(request).await, StatusCode::OK, "{content_type:?}");
    }
    assert_eq!(events(&stage, "unwanted").await, types.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_an_event_is_kept_up_to_64_kib_and_not_quoted() {
    let Some((_folder, stage, client)) = running(PROGRAM, "body-max = \"200KiB\"").await else { return };
    // What is drawn by chance cannot be packed.
    let noise = |kib: usize| {
        let mut noise = vec![0xff; kib << 10];
        rand::rng().fill_bytes(&mut noise[1..]);
        noise
    };
    let listed = br#"["Account/New",{"i_account":1,"i_event":1}]"#.to_vec();
    let quoted = br#"{"event_type": s3cret-of-a-subscriber}"#.to_vec();
    let long = event(&"x".repeat(10_000), 1).into_bytes();
    let cases = [
        ("short", noise(1), 1 << 10),
        ("100 KiB", noise(100), 64 << 10),
        ("too large", noise(300), 64 << 10),
        ("a list", listed, 0),
        ("no JSON", quoted, 0),
        ("a long name", long, 0),
    ];
    for (what, body, _) in &cases {
        let request = posted(&stage, &client, body.clone()).basic_auth("espf", Some(PASSWORD));
        assert_eq!(status(request).await, StatusCode::BAD_REQUEST, "{what}");
    }
    let letters = texts(&stage, "SELECT length(body) || ' ' || why FROM dead_letter ORDER BY at, id");
    assert_eq!(letters.len(), cases.len());
    for (letter, (what, _, expected)) in letters.iter().zip(&cases) {
        let (kept, why) = letter.split_once(' ').expect("both");
        let kept: u32 = kept.parse().expect("a number");
        // With the seal, and what packing adds where it wins nothing.
        let more = kept.checked_sub(*expected).unwrap_or_else(|| panic!("{what}: only {kept} are kept"));
        assert!(more < 256, "{what}: {kept} are kept");
        assert!(why.len() < 128, "{what}: {why}");
    }
    assert!(!log(&stage).contains("s3cret-of-a-subscriber") && !log(&stage).contains("xxxx"));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_stop_what_is_under_way_is_answered_and_all_else_finds_nobody() {
    let Some((_folder, mut stage, _)) = running(PROGRAM, "").await else { return };
    let door = stage.public;
    let first = format!("POST /espf/events HTTP/1.1\r\nHost: x\r\n{BASIC}");
    let mut kept = TcpStream::connect(door).await.expect("a connection");
    let body = event("A/B", 1);
    let request = format!("{first}Content-Length: {}\r\n\r\n{body}", body.len());
    kept.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = [0; 512];
    let length = kept.read(&mut answer).await.expect("an answer");
    assert!(answer[..length].starts_with(b"HTTP/1.1 200 "));
    let mut under_way = holding(1, door, &first).await;

    let rest = async {
        assert_eq!(heard(kept).await, "", "it is closed without a word");
        until("nobody is let in", PATIENCE, async || TcpStream::connect(door).await.is_err()).await;
        let body = event("A/B", 2);
        let body = format!("{body}{}", " ".repeat(100 - body.len()));
        under_way.write_all(body.as_bytes()).await.expect("sent");
        let answer = heard(under_way).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer}");
    };
    let (stopped, ()) = tokio::join!(stage.stop_host(), rest);
    assert!(stopped.expect("it stops").success());
    assert_eq!(stored(&stage), 2);
}
