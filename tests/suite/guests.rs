//! An adapter that misbehaves costs one question: the answer names the limit that it met or gives
//! its last words, and nobody else waits for it. What does not fit the contract is not loaded.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use punchdown::cli::stage::Stage;
use punchdown::domain::{AccountId, Group, Json, Progress, Reason, Subscriber, Trouble};
use punchdown::ports::{AdapterError, Question};
use punchdown::secret::{Secret, Vault};
use punchdown::toolchain::{component_from_module, embed_contract};
use punchdown::wasm::{Adapter, Catalog, Limits, Sandbox, Serving};
use punchdown_kit::oms;
use punchdown_tests::question::about_closed_account;
use serde_json::json;

use crate::harness::{PROGRAM, folder, oms_adapter, stage_of, told, until, workspace};
use crate::operators::asked;

mod exports;
mod refusals;

const KI: &str = "465B5CE8B199B49FAA5F0A2EE238A6BC0";
const SOON: Duration = Duration::from_secs(20);
const LIMITS: Limits =
    Limits { memory: 16 << 20, time: Duration::from_secs(1), answer: 1 << 20, log_lines: 3 };

fn guest_text(name: &str) -> String {
    let path = workspace().join("tests/guests").join(name).with_extension("wat");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn contract() -> String {
    std::fs::read_to_string(workspace().join("wit/adapter.wit")).expect("the contract")
}

/// A component of a module's text and a contract's.
pub fn component(module: &str, contract: &str) -> Vec<u8> {
    let module = wat::parse_str(module).unwrap_or_else(|error| panic!("{error}"));
    let module = embed_contract(module, contract).expect("the contract goes in");
    component_from_module(&module).unwrap_or_else(|error| panic!("{error:?}"))
}

pub fn file(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// A guest's module: what all have in common, and what it has of its own.
pub fn module(name: &str) -> String {
    let (common, own) = (guest_text("common"), guest_text(name));
    match own.contains("#read-notification") {
        true => common + &own,
        false => common + &guest_text("unnotified") + &own,
    }
}

/// The component of a guest.
pub fn guest(folder: &Path, name: &str) -> PathBuf {
    file(folder, &format!("{name}.wasm"), component(&module(name), &contract()))
}

/// The same with its text changed.
pub fn bent(folder: &Path, name: &str, file_name: &str, bend: impl FnOnce(String) -> String) -> PathBuf {
    file(folder, file_name, component(&bend(module(name)), &contract()))
}

async fn loaded(sandbox: &Sandbox, path: &Path) -> Adapter {
    sandbox.load(path).await.unwrap_or_else(|error| panic!("{error}"))
}

fn serving(name: &str, adapter: Adapter, config: &str) -> (Group, Serving) {
    let config = Json::parse(config.to_owned()).expect("JSON");
    (Group(name.to_owned()), Serving { adapter, config, notify_at: None, limits: LIMITS })
}

fn question(group: &str) -> Question {
    about_closed_account(group, r#"{"specification":"mobile-line"}"#)
}

/// Asks a guest once.
async fn ask(name: &str) -> Result<Progress, AdapterError> {
    let folder = folder();
    let sandbox = Sandbox::new().expect("a sandbox");
    let adapter = loaded(&sandbox, &guest(folder.path(), name)).await;
    let catalog = Catalog::new([serving(name, adapter, "{}")]);
    catalog.provision(question(name)).await.map(|(progress, _)| progress)
}

/// The fault of a guest; its message must have all these parts.
async fn fault(name: &str, reason: Reason, parts: &[&str]) {
    let Err(AdapterError::Fault(Trouble { code, message })) = ask(name).await else {
        panic!("{name} answers");
    };
    assert_eq!(code, reason.code(), "{name}: {message}");
    for part in parts {
        assert!(message.contains(part), "{name}: `{part}` is not in `{message}`");
    }
}

#[tokio::test]
async fn one_that_traps_is_quoted() {
    let last_words = "its last words: the profile table is empty";
    fault("traps", Reason::AdapterBroken, &["unreachable", last_words]).await;
}

#[tokio::test]
async fn one_that_blabs_is_heard_without_secrets() {
    let folder = folder();
    let vault = Vault::new(vec![Secret::new("api-token-9")]);
    let sandbox = Sandbox::new().expect("a sandbox").striking(vault);
    let adapter = loaded(&sandbox, &guest(folder.path(), "blabs")).await;
    let catalog = Catalog::new([serving("blabs", adapter, "{}")]);
    let documents = json!({
        "card": { "ki": KI, "note": "the token is api-token-9" },
        "again": [KI, "001010123456789"],
    });
    let subscriber = Subscriber {
        account_id: AccountId("15550001111@msisdn".to_owned()),
        msisdn: None,
        imsi: Some("001010123456789".to_owned()),
        iccid: None,
        documents: Json::parse(documents.to_string()).expect("JSON"),
    };
    let mut question = question("blabs");
    question.laid_down.subscriber = Some(subscriber);
    let Err(AdapterError::Fault(Trouble { message, .. })) = catalog.provision(question).await else {
        panic!("it answers");
    };
    for secret in [KI, "api-token-9", "001010123456789"] {
        assert!(!message.contains(secret), "`{secret}` is in `{message}`");
    }
    for part in ["\"ki\":\"(hidden)\"", "the token is (secret)", "00101…89"] {
        assert!(message.contains(part), "`{part}` is not in `{message}`");
    }
}

#[tokio::test]
async fn one_that_diverges_is_said_to_diverge() {
    fault("diverges", Reason::AdapterDiverged, &["the history has \"remove\""]).await;
}

#[tokio::test]
async fn one_that_spins_is_stopped() {
    let began = Instant::now();
    fault("spins", Reason::AdapterLimit, &["limits.time", "1000 ms"]).await;
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
}

#[tokio::test]
async fn one_that_hoards_is_refused_more() {
    fault("hoards", Reason::AdapterLimit, &["limits.memory", "16777216", "16908288"]).await;
}

#[tokio::test]
async fn one_that_recurses_comes_to_the_end_of_its_stack() {
    fault("recurses", Reason::AdapterLimit, &["stack", "524288"]).await;
}

#[tokio::test]
async fn one_that_floods_is_not_taken_in() {
    for name in ["floods", "multiplies", "shouts"] {
        fault(name, Reason::AdapterLimit, &["limits.answer", "1048576"]).await;
    }
}

#[tokio::test]
async fn one_that_babbles_is_not_believed() {
    fault("babbles", Reason::AdapterRefused, &["`applied` is not JSON", "line 1"]).await;
}

#[tokio::test]
async fn one_that_points_nowhere_is_broken() {
    fault("points-nowhere", Reason::AdapterBroken, &["out of bounds"]).await;
}

#[tokio::test]
async fn one_that_chatters_may_go_on() {
    let progress = ask("chatters").await.expect("an answer");
    assert_eq!(progress.decision.word(), "finish");
    assert_eq!(progress.reports.len(), 1);
}

/// `tokio::test` has one thread: had a guest that one, no timer would fire.
#[tokio::test]
async fn all_who_spin_at_once_hold_nobody_up() {
    let folder = folder();
    let sandbox = Sandbox::new().expect("a sandbox");
    let spins = loaded(&sandbox, &guest(folder.path(), "spins")).await;
    let mut groups = vec![serving("SPINS", spins, "{}")];
    let good = oms_adapter();
    if let Some(path) = &good {
        groups.push(serving("OMS", loaded(&sandbox, path).await, r#"{"specification":"mobile-line"}"#));
    }
    let catalog = std::sync::Arc::new(Catalog::new(groups));
    let asked = |group: &'static str| {
        let catalog = std::sync::Arc::clone(&catalog);
        tokio::spawn(async move { catalog.provision(question(group)).await })
    };
    // Twice as many as may be asked at once.
    let spinning: Vec<_> = (0..8).map(|_| asked("SPINS")).collect();
    tokio::task::yield_now().await;

    let began = Instant::now();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(began.elapsed() < LIMITS.time, "a timer of 50 ms took {:?}", began.elapsed());
    if good.is_some() {
        let (progress, _) = asked("OMS").await.expect("it is asked").expect("it answers");
        assert_eq!(progress.decision.word(), "finish", "nothing stands, so there is nothing to take away");
        assert!(spinning.iter().any(|one| !one.is_finished()), "the good one waited for those that spin");
    }
    for one in spinning {
        let answer = one.await.expect("it is asked");
        let Err(AdapterError::Fault(trouble)) = answer else { panic!("it spins, and answers") };
        assert!(trouble.message.contains("limits.time"), "{}", trouble.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn portabilling_hears_the_last_words_and_the_host_goes_on() {
    let folder = folder();
    let adapter = guest(folder.path(), "traps");
    let mut stage = stage_of(PROGRAM, folder.path(), &adapter, oms::Settings::default(), "", "").await;
    stage.open_accounts(2);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);

    for i_account in [1, 2] {
        espf.emit("Account/New", json!({ "i_account": i_account }));
        let failed = async || told(&stage, i_account).last().is_some_and(|word| word == "FAILED");
        until("FAILED", SOON, failed).await;
        let seen = stage.billing.final_status(i_account, "HSS").and_then(|seen| seen.message);
        let message = seen.expect("a message");
        assert!(message.starts_with("adapter-broken: "), "{message}");
        assert!(message.contains("its last words: the profile table is empty"), "{message}");
    }
    assert_eq!(told(&stage, 1), ["FAILED"], "told once");
    for event in espf.ledger().events {
        assert_eq!(event.answers, ["200"], "what its adapter does is no matter of the ESPF");
    }
    assert!(stage.oms.ledger().orders.is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_that_chatters_the_first_lines_are_logged() {
    let folder = folder();
    let adapter = guest(folder.path(), "chatters");
    let limits = "limits = { log-lines = 3 }";
    let mut stage = stage_of(PROGRAM, folder.path(), &adapter, oms::Settings::default(), limits, "").await;
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");

    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("OK", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;
    let log = std::fs::read_to_string(stage.log()).expect("the host's log");
    assert_eq!(log.matches("and another thing").count(), 3);
    assert!(log.contains("4997 log lines dropped"), "{log}");
    assert!(log.contains("`limits.log-lines` keeps 3"), "{log}");
}

/// At a restart with another adapter, one that would not have sent what was sent.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_adapter_began_another_takes_over_only_if_it_would_have_sent_the_same() {
    let Some(first) = oms_adapter() else { return };
    let folder = folder();
    let oms = oms::Settings::default();
    let mut stage = stage_of(PROGRAM, folder.path(), &first, oms, "", "poll-seconds = 1").await;
    stage.oms.hold_completion(true);
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("IN_PROGRESS", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "IN_PROGRESS"))
        .await;

    // This one finishes at once, whatever has happened; and the one that began is kept no more.
    std::fs::remove_dir_all(folder.path().join("data/adapters")).expect("removed");
    replace_adapter(&mut stage, &first, &guest(folder.path(), "chatters")).await;
    until("FAILED", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "FAILED")).await;
    let message = stage.billing.final_status(1, "HSS").and_then(|seen| seen.message).expect("a message");
    assert!(message.starts_with("adapter-diverged: "), "{message}");
    assert!(
        message.contains("would not have sent `order`") && message.contains("bring back sha256:"),
        "{message}"
    );
    assert_eq!(stage.oms.ledger().orders.len(), 1, "nothing was sent again");
}

/// The news came while one served that stops at notifications; the one before is brought back.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_adapter_could_not_read_the_next_one_reads() {
    let Some(good) = oms_adapter() else { return };
    let folder = folder();
    // No look of its own brings the news.
    let oms = oms::Settings::default();
    let mut stage = stage_of(PROGRAM, folder.path(), &good, oms, "", "poll-seconds = 3600").await;
    stage.oms.hold_completion(true);
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    // The order's own first news, that it is in progress, are taken before the other one comes.
    until("it waits again", SOON, async || {
        let log = std::fs::read_to_string(stage.log()).expect("the host's log");
        log.matches("\"stage\":\"waiting\"").count() >= 2
    })
    .await;

    let broken = guest(folder.path(), "traps");
    replace_adapter(&mut stage, &good, &broken).await;
    stage.oms.hold_completion(false);
    let unread = async |stage: &Stage| {
        let status = asked(stage, &["status"]).await;
        status["notifications_unread"].as_u64().is_some_and(|unread| unread > 0)
    };
    until("the news is unread", SOON, async || unread(&stage).await).await;
    assert_eq!(told(&stage, 1), ["IN_PROGRESS"]);

    replace_adapter(&mut stage, &broken, &good).await;
    until("OK", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;
    assert!(!unread(&stage).await);
    assert_eq!(stage.oms.ledger().orders.len(), 1, "nothing was sent again");
}

/// Over a restart.
async fn replace_adapter(stage: &mut Stage, old: &Path, new: &Path) {
    stage.stop_host().await.expect("the host stops");
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let config = config.replace(&old.display().to_string(), &new.display().to_string());
    std::fs::write(&stage.config, config).expect("written");
    stage.start_host().await.expect("the host starts again");
}

/// More than there are places: each is answered, and in a place of its own.
#[tokio::test]
async fn who_finds_no_place_waits_for_one() {
    let folder = folder();
    let sandbox = Sandbox::new().expect("a sandbox");
    let adapter = loaded(&sandbox, &guest(folder.path(), "chatters")).await;
    let groups = (0..100).map(|number| serving(&number.to_string(), adapter.clone(), "{}"));
    let catalog = std::sync::Arc::new(Catalog::new(groups));
    let asked = (0..400).map(|number| {
        let catalog = std::sync::Arc::clone(&catalog);
        tokio::spawn(async move { catalog.provision(question(&(number % 100).to_string())).await })
    });
    for one in asked.collect::<Vec<_>>() {
        let (progress, _) = one.await.expect("it is asked").expect("it answers");
        assert_eq!(progress.decision.word(), "finish");
    }
}
