//! What every story needs: a stage with the real program on it, and patience.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use punchdown::cli::stage::{OMS_TOKEN, Operator, Setting, Stage};
use punchdown::toolchain;
use punchdown_kit::espf::Espf;
use punchdown_kit::front::{self, Demand, Front};
use punchdown_kit::oms;
use serde_json::Value;

use crate::either::keep_journal;
use crate::operators::operations;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_punchdown-under-test");
/// The same over a journal that is bent as `PUNCHDOWN_BENT` says.
pub const BENT: &str = env!("CARGO_BIN_EXE_punchdown-bent");
/// As little of it as uses the journal.
pub const OPENS: &str = env!("CARGO_BIN_EXE_punchdown-opens");

/// The same, but its adapters can be its end.
pub const DIES: &str = env!("CARGO_BIN_EXE_punchdown-dies");

/// By its own name: a path through `tests/..` would look like one of tests.
pub fn workspace() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(|| {
        let home = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        home.canonicalize().expect("the workspace is there")
    })
}

/// The OMS adapter as a component; built once. `None`, and a line that says so, where there is no
/// toolchain for it. Under `PUNCHDOWN_TESTS=all` that is a failure.
pub fn oms_adapter() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| component("adapters/oms-tmf641")).clone()
}

/// The component of an adapter crate of this checkout, as above.
pub fn component(directory: &str) -> Option<PathBuf> {
    match toolchain::build_adapter(&workspace().join(directory), &mut |line| eprintln!("{line}")) {
        Ok(component) => Some(component),
        Err(error) if std::env::var("PUNCHDOWN_TESTS").is_ok_and(|which| which == "all") => {
            panic!("no component: {error}")
        }
        Err(error) => {
            eprintln!("skipped: WebAssembly toolchain ({error})");
            None
        }
    }
}

/// What the host has written to its log.
pub fn log(stage: &Stage) -> String {
    std::fs::read_to_string(stage.log()).expect("a log")
}

/// What the host says of itself whose operators' door is there.
pub async fn status_at(admin: SocketAddr) -> Value {
    Operator::at(admin).expect("a client").status().await.expect("an answer")
}

/// A folder that goes away with the test, unless the test fails.
pub fn folder() -> tempfile::TempDir {
    tls();
    tempfile::Builder::new().prefix("punchdown-suite-").tempdir().expect("a folder")
}

/// Whoever uses TLS in the tests' process uses this one.
pub fn tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A stage with the OMS adapter on it. The host does not run yet.
pub async fn stage(folder: &Path, adapter: &Path, oms: oms::Settings) -> Stage {
    stage_of(PROGRAM, folder, adapter, oms, "", "").await
}

pub async fn stage_of(
    program: &str,
    folder: &Path,
    adapter: &Path,
    oms: oms::Settings,
    group_settings: &str,
    adapter_config: &str,
) -> Stage {
    set(Setting {
        directory: folder.to_owned(),
        program: PathBuf::from(program),
        adapter: adapter.to_owned(),
        adapter_config: &format!("specification = \"mobile-line\"\n{adapter_config}"),
        group_settings,
        target_settings: "concurrency = 32\ntimeout = \"5s\"\nretry = [\"200ms\", \"500ms\"]\nbreaker = { pause = \"200ms\", pause-max = \"1s\" }",
        oms,
        system: None,
    })
    .await
}

/// Whoever sets a stage for a story does it here: its journal is where this run has them.
pub async fn set(setting: Setting<'_>) -> Stage {
    let stage = Stage::set(setting).await.expect("the stage is set");
    keep_journal(&stage);
    stage
}

/// Waits until it is so; a story that waits in vain fails with its name.
pub async fn until(what: &str, within: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < within, "in vain for {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// `Account/New` for each of the accounts `1..=count`.
pub fn new_accounts(espf: &Espf, count: u64) {
    for i_account in 1..=count {
        espf.emit("Account/New", serde_json::json!({ "i_account": i_account }));
    }
}

/// The words that PortaBilling was told of an account, in order.
pub fn told(stage: &Stage, i_account: u64) -> Vec<String> {
    stage.billing.statuses(i_account, "HSS").into_iter().map(|seen| seen.status).collect()
}

/// Adds settings to a section of the configuration.
pub fn with_settings(stage: &Stage, section: &str, settings: &str) {
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let head = format!("[{section}]\n");
    assert!(config.contains(&head), "no [{section}] in\n{config}");
    let config = config.replacen(&head, &format!("{head}{settings}\n"), 1);
    std::fs::write(&stage.config, config).expect("written");
}

/// The root of the OMS, without the path of its API.
pub fn root(stage: &Stage) -> String {
    stage.oms.url().split("/tmf-api").next().expect("a root").to_owned()
}

/// Changes what the configuration says.
pub fn rewrite(stage: &Stage, from: &str, to: &str) {
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    assert!(config.contains(from), "no `{from}` in\n{config}");
    std::fs::write(&stage.config, config.replace(from, to)).expect("written");
}

/// By which the front knows `punchdown`, when it asks for a token.
pub const CLIENT_SECRET: &str = "cl1ent-s3cret";

/// A front before the OMS, which the configuration names in its place.
pub async fn front(stage: &Stage, demand: Demand) -> Front {
    let settings = front::Settings {
        behind: root(stage),
        bearer: OMS_TOKEN.to_owned(),
        client_id: "punchdown".to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
    };
    let front = Front::start(settings, demand).await.expect("a front");
    rewrite(stage, &root(stage), &front.url());
    front
}

/// What a series of the running host's metrics stands at.
pub async fn counted(stage: &Stage, series: &str) -> u64 {
    let url = format!("http://{}/metrics", stage.admin);
    let text = reqwest::get(url).await.expect("an answer").text().await.expect("text");
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no `{series}` in\n{text}"))
}

/// What `check` says of a configuration with which nothing can run. The start of `serve` says the same, ends with
/// the same code, and has made nothing.
pub fn refusal(config: &Path) -> String {
    let said = |command: &str| {
        let output = std::process::Command::new(PROGRAM).args([command, "--config"]).arg(config).output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(78), "`{command}` of {}", config.display());
        complaints(&output)
    };
    let (check, serve) = (said("check"), said("serve"));
    assert_eq!(serve, check, "`serve` and `check` say the same");
    let journal = config.parent().map(|folder| folder.join("data"));
    assert!(!journal.is_some_and(|journal| journal.exists()), "nothing was made");
    check
}

/// What `check` says of a configuration in which groups alone are not as they must be. `serve` says the same, and runs.
pub fn unserved(config: &Path) -> String {
    let mut command = std::process::Command::new(PROGRAM);
    let output = command.args(["check", "--config"]).arg(config).output().expect("it runs");
    assert_eq!(output.status.code(), Some(78), "`check` of {}", config.display());
    let check = complaints(&output);
    let heard = config.with_extension("heard");
    let file = std::fs::File::create(&heard).expect("a file");
    let mut command = std::process::Command::new(PROGRAM);
    let mut host = command.args(["serve", "--config"]).arg(config).stderr(file).spawn().expect("it runs");
    let (said, began) = (|| std::fs::read(&heard).expect("what it said"), Instant::now());
    let runs = |said: &[u8]| String::from_utf8_lossy(said).contains(UNSERVED) && host_listens(said);
    while !runs(&said()) && host.try_wait().is_ok_and(|ended| ended.is_none()) {
        assert!(began.elapsed() < Duration::from_secs(60), "it neither runs nor ends");
        std::thread::sleep(Duration::from_millis(20));
    }
    let ended = host.try_wait().expect("a process");
    host.kill().and_then(|()| host.wait()).expect("it ends");
    let stderr = said();
    assert!(ended.is_none(), "it ended: {}", String::from_utf8_lossy(&stderr));
    let serve = complaints(&std::process::Output { stderr, ..output });
    assert_eq!(serve, format!("{check}{UNSERVED}\n"), "`serve` and `check` say the same");
    check
}

const UNSERVED: &str = "The host runs. The events and notifications of these groups are stored, and wait.";

fn host_listens(log: &[u8]) -> bool {
    String::from_utf8_lossy(log).contains("\"message\":\"listening\"")
}

/// What a person is told; `serve` logs besides.
pub fn complaints(output: &std::process::Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().filter(|line| !line.starts_with('{')).map(|line| format!("{line}\n")).collect()
}

/// What a configuration names as the files of its secrets.
pub fn write_secrets(folder: &Path, example: &str) {
    std::fs::create_dir_all(folder.join("secrets")).expect("a folder");
    for (_, rest) in example.match_indices("file = \"").map(|(at, found)| (at, &example[at + found.len()..]))
    {
        let path = rest.split('"').next().expect("an end");
        let hook = path.contains("hook");
        std::fs::write(folder.join(path), if hook { "whsec_c2VjcmV0" } else { "secret" }).expect("written");
    }
}

/// What an adapter's page shows of a group is a configuration that `check` takes.
pub async fn check_example(page: &Path, component: &Path) {
    let text = std::fs::read_to_string(page).expect("a page");
    let example =
        text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let named = example.lines().find(|line| line.starts_with("adapter = ")).expect("an adapter");
    let config = format!(
        r#"[portabilling]
url = "https://billing.example.net"
login = "punchdown"
token = {{ file = "secrets/portabilling" }}
[events]
listen = "127.0.0.1:8700"
auth = [{{ basic = {{ user = "espf", password = {{ file = "secrets/espf" }} }} }}]
{}"#,
        example.replace(named, &format!("adapter = \"{}\"", component.display()))
    );
    let folder = folder();
    let path = folder.path().join("punchdown.toml");
    std::fs::write(&path, &config).expect("written");
    write_secrets(folder.path(), &config);
    let check = tokio::process::Command::new(PROGRAM).args(["check", "--config"]).arg(&path).output();
    let output = check.await.expect("it runs");
    assert!(output.status.success(), "{}\n{config}", String::from_utf8_lossy(&output.stderr));
}

/// Something happens to accounts in PortaBilling; returns when an operation of each has ended for it and PortaBilling
/// knows how: `OK`, or `FAILED` because it is parked. (It is not told the same twice, so its words do not tell.)
pub async fn happens(stage: &Stage, espf: &Espf, event: &str, accounts: RangeInclusive<u64>, word: &str) {
    let within = Duration::from_secs(40);
    let all = async || operations(stage, &["--limit", "1000"]).await;
    let before = all().await;
    for i_account in accounts.clone() {
        espf.emit(event, serde_json::json!({ "i_account": i_account }));
    }
    let state = if word == "OK" { "done" } else { "parked" };
    let has_ended = |all: &[Value], i_account: u64| {
        let newest = all.iter().find(|operation| operation["i_account"] == i_account);
        newest.is_some_and(|newest| {
            newest["state"] == state && before.iter().all(|old| old["id"] != newest["id"])
        })
    };
    until(&format!("{state} after {event}"), within, async || {
        let all = all().await;
        accounts.clone().all(|i_account| has_ended(&all, i_account))
    })
    .await;
    until(&format!("{word} after {event}"), within, async || {
        accounts.clone().all(|i_account| told(stage, i_account).last().is_some_and(|last| last == word))
    })
    .await;
}
