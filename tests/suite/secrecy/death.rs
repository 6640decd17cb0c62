//! A host that dies of itself says where, and leaves nothing of what it held: no image of its memory, whatever the
//! system would do with one, and no word of a panic that quotes something.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use serde_json::json;
use tokio::process::{Child, Command};

use super::{ACCOUNTS, SOON, give_secrets, ki, opc, search, secrets, token};
use crate::harness::{BENT, PROGRAM, folder, new_accounts, oms_adapter, stage, told, until};

const SIGABRT: i32 = 6;

/// How it is brought about.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// By a signal whose default is an image of the memory.
    Signal(&'static str),
    /// The process ends itself.
    Abort,
}

/// In a shell that lets it write an image as large as the system allows.
fn in_shell(line: &str, folder: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -S -c \"$(ulimit -H -c)\"; {line}")]).current_dir(folder);
    shell.env("RUST_BACKTRACE", "full").stdin(Stdio::null()).kill_on_drop(true);
    shell
}

async fn begin(program: &str, stage: &Stage, folder: &Path) -> Child {
    let log = std::fs::File::create(folder.join("host.log")).expect("a log");
    let mut shell = in_shell("exec \"$0\" serve --config \"$1\"", folder);
    shell.arg(program).arg(&stage.config).stdout(log.try_clone().expect("a log")).stderr(log);
    let mut host = shell.spawn().expect("it begins");
    until("the host is ready", SOON, async || {
        assert_eq!(host.try_wait().expect("a child"), None, "the host ended");
        let answer = reqwest::get(format!("http://{}/readyz", stage.admin)).await;
        answer.is_ok_and(|answer| answer.status().is_success())
    })
    .await;
    host
}

async fn signal(process: &Child, name: &str) {
    let id = process.id().expect("it runs").to_string();
    let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().await.expect("kill");
    assert!(sent.success(), "{name}");
}

/// An event that holds what is secret. Nobody answers it.
async fn send(stage: &Stage, name: &str) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let variables = json!({
        "i_event": 1, "i_account": 1, "imsi": "001010000000001", "ki": ki(1), "opc": opc(1), "token": token(1),
    });
    let door = client.post(format!("http://{}/espf/events", stage.public));
    let event = json!({ "event_type": name, "variables": variables });
    let answer = door.basic_auth("espf", Some("stage-espf-password")).json(&event).send().await;
    assert!(answer.is_err(), "{name} was answered: {answer:?}");
}

/// Whether this machine writes images at all; or there is nothing to see.
async fn writes_images(folder: &Path) -> bool {
    let died = in_shell("kill -ABRT $$", folder).status().await.expect("a shell");
    assert_eq!(died.signal(), Some(SIGABRT));
    died.core_dumped()
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        match path.is_dir() {
            true if path.ends_with("secrets") => {}
            true => files.extend(self::files(&path)),
            false => files.push((path.display().to_string(), std::fs::read(&path).unwrap_or_default())),
        }
    }
    files
}

/// In its journal, its log, and wherever else it could write.
fn nothing_is_left(stage: &Stage) {
    let (secrets, mut found) = (secrets(stage), Vec::new());
    let files = files(&stage.directory);
    for place in ["/host.log", "/journal.db"] {
        assert!(files.iter().any(|(name, bytes)| name.ends_with(place) && !bytes.is_empty()), "{place}");
    }
    for (place, bytes) in files {
        assert!(!place.contains("/core"), "an image: {place}");
        search(&place, &bytes, &secrets, &mut found);
    }
    found.truncate(12);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_dies_of_itself_leaves_nothing_of_what_it_held() {
    let Some(adapter) = oms_adapter() else { return };
    let elsewhere = folder();
    if !writes_images(elsewhere.path()).await {
        eprintln!("skipped: core dumps (this machine writes none, so none can be missed)");
    }
    for (program, death) in
        [(PROGRAM, Death::Signal("ABRT")), (PROGRAM, Death::Signal("QUIT")), (BENT, Death::Abort)]
    {
        let folder = folder();
        let stage = stage(folder.path(), &adapter, Settings::default()).await;
        stage.open_accounts(ACCOUNTS);
        give_secrets(&stage);
        let work = folder.path().join("work");
        std::fs::create_dir(&work).expect("a folder");
        let mut host = begin(program, &stage, &work).await;
        let espf = stage.espf(0.0);
        new_accounts(&espf, 3);
        until("it has had all of it in its hands", SOON, async || {
            (1..=3).all(|account| told(&stage, account).last().is_some_and(|word| word == "OK"))
        })
        .await;
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", host.id().expect("it runs")));
        let limits = limits.expect("its limits");
        let of_images = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
        assert_eq!(
            of_images.split_whitespace().skip(4).take(2).collect::<Vec<_>>(),
            ["0", "0"],
            "{of_images}"
        );
        match death {
            Death::Signal(name) => signal(&host, name).await,
            Death::Abort => send(&stage, "Never/Survived").await,
        }
        let status = host.wait().await.expect("it ends");
        assert!(status.signal().is_some() && !status.core_dumped(), "{death:?}: {status}");
        nothing_is_left(&stage);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_says_its_place_and_quotes_nothing_and_the_host_goes_on() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.open_accounts(ACCOUNTS);
    give_secrets(&stage);
    let mut host = begin(BENT, &stage, folder.path()).await;
    send(&stage, "Never/Told").await;
    let log = || std::fs::read_to_string(folder.path().join("host.log")).expect("a log");
    until("the log says so", SOON, async || log().contains("a part of the host panicked")).await;
    let line = log().lines().find(|line| line.contains("panicked")).map(str::to_owned).expect("a line");
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert!(line["place"].as_str().is_some_and(|place| place.contains("broken.rs:")), "{line}");
    assert!(line["backtrace"].as_str().is_some_and(|trace| trace.contains("judge")), "{line}");
    assert_eq!((&line["level"], &line["words"]), (&json!("ERROR"), &json!(null)));

    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    until("it goes on", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;
    signal(&host, "TERM").await;
    assert!(host.wait().await.expect("it ends").success());
    nothing_is_left(&stage);
}
