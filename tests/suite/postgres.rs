//! A host whose journal is on PostgreSQL keeps the same promises; what is wrong with a database is said by its code,
//! and what a database's own tools do is left to them.

mod tls;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown::domain::{Event, EventSource};
use punchdown::ports::{Acceptance, Journal, JournalError, Work, World as _};
use punchdown::store;
use punchdown::world::SystemWorld;
use punchdown_kit::espf::State;
use punchdown_kit::oms::{Manners, Settings};
use punchdown_kit::postgres::{Cluster, Database, Ending};
use punchdown_tests::rounds::{End, Round, on};
use serde_json::json;

use crate::database::{beside, own, shared};
use crate::harness::{PROGRAM, folder, log, new_accounts, oms_adapter, stage, told, until};

const SOON: Duration = Duration::from_secs(60);

/// A stage whose host has its journal in a database of that cluster. The host does not run yet.
async fn stage_on(folder: &Path, oms: Settings, cluster: &Arc<Cluster>) -> Option<(Stage, Database)> {
    let stage = stage(folder, &oms_adapter()?, oms).await;
    let database = cluster.database().expect("a database");
    on(&stage, &database).expect("written");
    Some((stage, database))
}

fn all_are_ok(stage: &Stage, count: u64) -> bool {
    (1..=count).all(|i_account| told(stage, i_account).last().is_some_and(|word| word == "OK"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_is_done_and_a_lost_answer_is_looked_up() {
    let (Some(cluster), folder) = (shared(), folder()) else { return };
    let manners = Manners { loses_answer: 0.5, ..Manners::default() };
    let oms = Settings { manners, ..Settings::default() };
    let Some((mut stage, database)) = stage_on(folder.path(), oms, cluster).await else { return };
    stage.open_accounts(20);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 20);
    until("OK for all", SOON, async || all_are_ok(&stage, 20)).await;
    assert_eq!(stage.oms.ledger().orders.len(), 20, "one order an account");
    assert_eq!(database.ask("SELECT count(*) FROM event").expect("a number"), "20");
    assert!(!stage.directory.join("data/journal.db").exists(), "the folder holds what is its own alone");
    // Subscribers' data is sealed there, too.
    let readable = database.ask("SELECT count(*) FROM operation WHERE position('msisdn' in encode(state, 'escape')) > 0 OR position('msisdn' in encode(laid_down, 'escape')) > 0");
    assert_eq!(readable.expect("a number"), "0");
    let stopped = stage.stop_host().await.expect("it stops");
    assert!(stopped.success(), "{}", log(&stage));
    stage.start_host().await.expect("the host starts again");
}

fn round(folder: &Path, adapter: PathBuf, end: End, cycles: u32, database: Database) -> Round {
    Round {
        program: PROGRAM.into(),
        bent: None,
        adapter,
        folder: folder.to_owned(),
        end,
        disk_lies: false,
        database: Some(database),
        cycles,
        seed: 189,
        patience: Duration::from_secs(90),
    }
}

async fn rounds_lose_nothing_and_double_nothing(end: End, cycles: u32, cluster: &Arc<Cluster>) {
    let (Some(adapter), folder) = (oms_adapter(), folder()) else { return };
    let database = cluster.database().expect("a database");
    let round = round(folder.path(), adapter, end, cycles, database);
    let tally = round.play().await.expect("it starts again");
    println!("| {end:?} | {tally}");
    assert!(tally.is_clean(), "{tally}\n{}", folder.keep().display());
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_under_load_lose_nothing_and_double_nothing() {
    let Some(cluster) = shared() else { return };
    rounds_lose_nothing_and_double_nothing(End::Kill, 20, cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_cuts_of_all_connections_lose_nothing_and_double_nothing() {
    let Some(cluster) = shared() else { return };
    rounds_lose_nothing_and_double_nothing(End::Cut, 20, cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_dies_and_comes_back_loses_nothing_and_doubles_nothing() {
    let Some(cluster) = own() else { return };
    rounds_lose_nothing_and_double_nothing(End::DatabaseGone, 8, &cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_one_of_three_hosts_loses_nothing_and_doubles_nothing() {
    let Some(cluster) = own() else { return };
    rounds_lose_nothing_and_double_nothing(End::OneOfSeveral, 10, &cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn six_moves_under_load_lose_nothing_and_double_nothing() {
    let Some(cluster) = shared() else { return };
    rounds_lose_nothing_and_double_nothing(End::Moves, 6, cluster).await;
}

/// Events that come together are stored together. One of them may need what somebody holds.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_stored_yet_does_not_keep_those_beside_it() {
    const ALL: u64 = 45;
    let (Some(cluster), folder) = (shared(), folder()) else { return };
    let Some((mut stage, database)) = stage_on(folder.path(), Settings::default(), cluster).await else {
        return;
    };
    stage.open_accounts(ALL);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf_of(0.0, 64);
    new_accounts(&espf, ALL);
    until("OK for all", SOON, async || all_are_ok(&stage, ALL)).await;
    let holding = database.clone();
    let holds = "SELECT id FROM lane WHERE i_account = 30 FOR UPDATE; SELECT pg_sleep(120)";
    let held = tokio::task::spawn_blocking(move || holding.ask(holds));
    let sleeps =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    until("it is held", SOON, async || database.ask(sleeps).expect("a number") == "1").await;

    for i_account in 1..=ALL {
        espf.emit("Account/Updated", json!({ "i_account": i_account }));
    }
    let stored = || espf.ledger().events.iter().filter(|event| event.state == State::Acknowledged).count();
    // Before any statement's own time is over.
    until("all others are stored", Duration::from_secs(20), async || stored() == 45 + 44).await;
    assert!(!held.is_finished(), "and it is held still");
    database.ask(&sleeps.replace("count(*)", "pg_cancel_backend(pid)")).expect("let go");
    let _ = held.await.expect("it ran");
    assert!(espf.drained(SOON).await, "the one that had to wait is stored, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_its_database_is_away_the_host_takes_nothing_and_then_goes_on() {
    let (Some(cluster), folder) = (own(), folder()) else { return };
    let Some((mut stage, _)) = stage_on(folder.path(), Settings::default(), &cluster).await else { return };
    stage.open_accounts(3);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    until("OK for the first", SOON, async || all_are_ok(&stage, 1)).await;
    cluster.end(Ending::Fast).expect("it ends");
    espf.emit("Account/New", serde_json::json!({ "i_account": 2 }));
    espf.emit("Account/New", serde_json::json!({ "i_account": 3 }));
    assert!(!espf.drained(Duration::from_secs(4)).await, "nothing is answered 200");
    assert!(!stage.host_has_ended().expect("known"), "{}", log(&stage));
    cluster.begin().expect("it comes back");
    until("OK for all", SOON, async || all_are_ok(&stage, 3)).await;
    assert_eq!(stage.oms.ledger().orders.len(), 3);
}

fn tell_server(cluster: &Cluster, order: &str) {
    for sql in [order, "SELECT pg_reload_conf()"] {
        cluster.ask("postgres", sql).expect("done");
    }
}

/// An event that nobody wants.
fn event(number: u32) -> Event {
    let body = format!(r#"{{"event_type":"Account/New","variables":{{"i_account":1,"i_event":{number}}}}}"#);
    EventSource::Espf.read(body.as_bytes(), SystemWorld.now()).expect("an event")
}

async fn accepted(journal: &dyn Journal, number: u32) -> Result<Acceptance, JournalError> {
    journal.accept(event(number), Work::Operations(Vec::new())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn while_its_standby_is_away_no_more_wait_there_than_have_a_connection_and_nothing_is_lost() {
    const EVENTS: u32 = 32;
    let (Some(cluster), folder) = (own(), folder()) else { return };
    let database = cluster.database().expect("a database");
    let settings = beside(folder.path(), &database);
    let opened = store::begin(&settings, Arc::new(SystemWorld)).await.expect("it opens");
    let journal: Arc<dyn Journal> = Arc::from(opened.journal);
    assert_eq!(accepted(&*journal, 0).await.expect("stored"), Acceptance::New);
    tell_server(&cluster, "ALTER SYSTEM SET synchronous_standby_names = 'away'");
    let mut others = EVENTS + 1;
    until("commits wait for it", SOON, async || {
        others += 1;
        tokio::time::timeout(Duration::from_millis(300), accepted(&*journal, others)).await.is_err()
    })
    .await;

    // As at the doors: whoever is not answered goes away, and somebody else comes.
    for wave in 0..4 {
        let mut callers = tokio::task::JoinSet::new();
        for number in 1..=EVENTS / 4 {
            let journal = Arc::clone(&journal);
            let accepted = async move { accepted(&*journal, wave * EVENTS / 4 + number).await.is_ok() };
            callers.spawn(tokio::time::timeout(Duration::from_millis(500), accepted));
        }
        let answered = callers.join_all().await;
        assert!(answered.iter().all(Result::is_err), "nobody is told that it is stored");
    }
    let there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'punchdown'";
    let there: usize = database.ask(there).expect("a number").parse().expect("a number");
    assert!(there <= settings.postgres.expect("it is there").server.connections, "{there}");
    let refused = accepted(&*journal, EVENTS + 1).await.expect_err("there is no room");
    assert!(matches!(refused, JournalError::Busy), "{refused}");

    tell_server(&cluster, "ALTER SYSTEM RESET synchronous_standby_names");
    let mut known = 0;
    for number in 1..=others {
        let accepted = accepted(&*journal, number).await.expect("stored");
        known += u32::from(accepted == Acceptance::Repeated);
    }
    assert!(known > others - EVENTS - 1, "those that waited were committed");
    assert_eq!(journal.overview().await.expect("counts").events, u64::from(others) + 1);
    assert!(!opened.failed.is_cancelled());
}

fn punchdown(stage: &Stage, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .arg("--config")
        .arg(&stage.config)
        .output()
        .expect("the program runs")
}

/// What a command says of what is wrong.
fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

fn journal_line(stage: &Stage) -> String {
    let said = said(&punchdown(stage, &["check", "--online"]));
    let line = said.lines().find(|line| line.split_whitespace().nth(1) == Some("journal"));
    line.unwrap_or_else(|| panic!("no line of the journal in\n{said}")).to_owned()
}

fn with_secret(stage: &Stage, name: &str, value: &str) {
    std::fs::write(stage.directory.join("secrets").join(name), value).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_database_is_said_by_its_code() {
    let (Some(cluster), folder) = (shared(), folder()) else { return };
    let Some((mut stage, database)) = stage_on(folder.path(), Settings::default(), cluster).await else {
        return;
    };
    assert!(journal_line(&stage).starts_with("ok"), "an empty one will do");
    assert_eq!(database.ask("SELECT to_regclass('meta') IS NULL").expect("known"), "t", "nothing was made");
    stage.start_host().await.expect("the host starts");

    let mut other = crate::harness::stage(
        folder_of(&folder, "other").as_path(),
        &oms_adapter().expect("built"),
        Settings::default(),
    )
    .await;
    on(&other, &database).expect("written");
    let refused = other.start_host().await.expect_err("there is one already").to_string();
    assert!(refused.contains("error[E0501]") && refused.contains("another Punchdown runs"), "{refused}");

    // Another key.
    let right = std::fs::read_to_string(other.directory.join("secrets/journal")).expect("a key");
    with_secret(&other, "journal", &right.replace("Bwc=", "Bwg="));
    let line = journal_line(&other);
    assert!(line.contains("E0502") && line.contains("was sealed with the key"), "{line}");
    with_secret(&other, "journal", "short");
    let refused = said(&punchdown(&other, &["check"]));
    assert!(refused.contains("error[E0106]") && refused.contains("32 bytes in base64"), "{refused}");
    with_secret(&other, "journal", &right);

    with_secret(&other, "postgres", "another-password");
    let line = journal_line(&other);
    assert!(line.contains("E0507") && line.contains("28P01"), "{line}");
    with_secret(&other, "postgres", database.password());

    database.ask("UPDATE meta SET value = '99' WHERE name = 'version'").expect("written");
    let line = journal_line(&other);
    assert!(line.contains("E0503") && line.contains("version 99"), "{line}");
}

fn folder_of(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_could_lose_what_was_answered_is_refused_and_one_that_is_away_is_named() {
    if own().is_none() {
        return;
    }
    let (cluster, folder) = (Cluster::start(&[("fsync", "off")]).expect("a cluster"), folder());
    let Some((mut stage, _)) = stage_on(folder.path(), Settings::default(), &cluster).await else { return };
    let line = journal_line(&stage);
    assert!(line.contains("E0508") && line.contains("`fsync = on`"), "{line}");
    let refused = stage.start_host().await.expect_err("it could lose them").to_string();
    assert!(refused.contains("error[E0508]"), "{refused}");
    cluster.end(Ending::Fast).expect("it ends");
    let line = journal_line(&stage);
    assert!(line.contains("E0507") && line.contains("cannot be reached"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_are_synced_whatever_the_server_thinks_of_it() {
    let (Some(cluster), folder) = (shared(), folder()) else { return };
    let Some((mut stage, database)) = stage_on(folder.path(), Settings::default(), cluster).await else {
        return;
    };
    let name = database.ask("SELECT current_database()").expect("a name");
    database.ask(&format!("ALTER DATABASE {name} SET synchronous_commit = off")).expect("set");
    stage.start_host().await.expect("the host starts");
    // A connection that was begun with `off` tells the others what it is set to now.
    let off = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'punchdown'";
    assert_ne!(database.ask(off).expect("a number"), "0");
    let line = journal_line(&stage);
    assert!(line.starts_with("ok"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_a_directory_says_what_there_is_instead() {
    let (Some(cluster), folder) = (shared(), folder()) else { return };
    let Some((stage, _)) = stage_on(folder.path(), Settings::default(), cluster).await else { return };
    let to = folder.path().join("copy.db").display().to_string();
    for (command, instead) in [
        (vec!["journal", "backup", &to], "pg_dump"),
        (vec!["journal", "restore", &to], "pg_restore"),
        (vec!["journal", "verify"], "pg_amcheck"),
        (vec!["journal", "shell", "SELECT 1"], "psql"),
        (vec!["journal", "rotate-key"], "--to FILE"),
    ] {
        let refused = said(&punchdown(&stage, &command));
        assert!(refused.contains("error[E0509]") && refused.contains(instead), "{command:?}: {refused}");
    }
}

/// A process that ends with the test.
struct Ends(std::process::Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stands_by_takes_over_what_a_killed_one_had_under_way() {
    let (Some(cluster), folder) = (shared(), folder()) else { return };
    let Some((mut stage, database)) = stage_on(folder.path(), Settings::default(), cluster).await else {
        return;
    };
    stage.open_accounts(60);
    stage.start_host().await.expect("the host starts");
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let apart = "[journal]\ndirectory = \"other\"\n\n[journal.postgres]\nstandby = true";
    let second = folder.path().join("second.toml");
    std::fs::write(&second, config.replace("[journal.postgres]", apart)).expect("written");
    let second_log = folder.path().join("second.log");
    let output = std::fs::File::create(&second_log).expect("a log");
    let mut standing_by = Command::new(PROGRAM);
    standing_by.args(["serve", "--config"]).arg(&second).stderr(output).stdout(std::process::Stdio::null());
    let mut standing_by = Ends(standing_by.spawn().expect("it starts"));
    let has_said = |what: &str| std::fs::read_to_string(&second_log).expect("a log").contains(what);
    until("it stands by", SOON, async || has_said("this one stands by")).await;

    let espf = stage.espf(100.0);
    new_accounts(&espf, 60);
    until("some are under way", SOON, async || stage.oms.ledger().orders.len() > 5).await;
    let held = "SELECT count(*) FROM lane WHERE owner IS NOT NULL";
    until("lanes are held", SOON, async || database.ask(held).expect("a number") != "0").await;
    stage.kill_host().await.expect("killed");
    until("OK for all", Duration::from_secs(150), async || all_are_ok(&stage, 60)).await;
    assert!(has_said("this one begins"));
    assert_eq!(stage.oms.ledger().orders.len(), 60, "one order an account");
    assert!(standing_by.0.try_wait().expect("known").is_none(), "it runs");
}
