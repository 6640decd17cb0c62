//! The disk is full, fails or cannot be written, and the journal is cut off, gone, newer or another's: nothing is answered
//! that is not durable, nothing is damaged, whoever looks is told what is wrong, and what was there goes on.

use std::path::PathBuf;
use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::espf::{Espf, State};
use punchdown_kit::oms::Settings;
use punchdown_tests::disk::{Disk, EIO, ENOSPC, EROFS, NOTHING, Order, Unsynced};
use punchdown_tests::rounds::{journal, under};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{PROGRAM, folder, log, new_accounts, oms_adapter, stage_of, told, until};

const SOON: Duration = Duration::from_secs(60);

async fn on_a_disk(group: &str, accounts: u64) -> Option<(TempDir, Stage, Disk)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let oms = Settings::default();
    let mut stage = stage_of(PROGRAM, folder.path(), &adapter, oms, group, "poll-seconds = 1").await;
    let disk = under(&mut stage).expect("a disk");
    stage.open_accounts(accounts);
    Some((folder, stage, disk))
}

async fn all_are(stage: &Stage, accounts: std::ops::RangeInclusive<u64>, word: &str) {
    until(&format!("{accounts:?} are {word}"), SOON, async || {
        accounts.clone().all(|account| told(stage, account).last().is_some_and(|last| last == word))
    })
    .await;
}

/// The answers to the last so many events.
fn answers(espf: &Espf, last: usize) -> Vec<(State, Vec<String>)> {
    let events = espf.ledger().events;
    events[events.len() - last..].iter().map(|event| (event.state, event.answers.clone())).collect()
}

async fn readiness(stage: &Stage) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.get(format!("http://{}/readyz", stage.admin)).send().await.expect("an answer");
    answer.status().as_u16()
}

/// How a host that cannot start ends: with 1, and this code in what it says.
async fn does_not_start(stage: &mut Stage, code: &str, words: &str) {
    let before = log(stage).len();
    stage.launch_host().expect("launched");
    let ended = stage.host_ended(SOON).await.expect("it ends");
    let said = log(stage).split_off(before);
    assert_eq!(ended.code(), Some(1), "{said}");
    assert!(said.contains(&format!("error[{code}]")) && said.contains(words), "{words}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_the_host_stays_and_takes_nothing_and_goes_on_when_there_is_room() {
    let Some((_folder, mut stage, disk)) = on_a_disk("", 8).await else { return };
    stage.start_host().await.expect("the host starts");
    let (espf, host) = (stage.espf(0.0), stage.host_pid());
    new_accounts(&espf, 3);
    all_are(&stage, 1..=3, "OK").await;

    disk.order(Order::Write, ENOSPC).expect("ordered");
    for i_account in 4..=8 {
        espf.emit("Account/New", json!({ "i_account": i_account }));
    }
    until("they are told to come again", SOON, async || {
        answers(&espf, 5).iter().all(|(_, answers)| answers.len() >= 2)
    })
    .await;
    for (state, answers) in answers(&espf, 5) {
        assert_eq!(state, State::Queued);
        assert!(answers.iter().all(|answer| answer == "503"), "{answers:?}");
    }
    assert_eq!(readiness(&stage).await, 503);
    assert_eq!(log(&stage).matches("the disk is full; nothing is written until there is room").count(), 1);

    disk.order(Order::Write, NOTHING).expect("ordered");
    assert!(espf.drained(SOON).await, "all are taken");
    all_are(&stage, 4..=8, "OK").await;
    assert_eq!(stage.host_pid(), host, "it is the same process");
    assert!(log(&stage).contains("there is room on the disk again"));
    assert_eq!(stage.oms.ledger().orders.len(), 8, "each was ordered once");

    stage.stop_host().await.expect("it stops");
    disk.order(Order::Write, ENOSPC).expect("ordered");
    does_not_start(&mut stage, "E0504", "cannot open the journal").await;
    disk.order(Order::Write, NOTHING).expect("ordered");
    stage.start_host().await.expect("there is room");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_ends_the_host_before_anything_is_answered() {
    for (what, error) in [(Order::Write, EIO), (Order::Sync, EIO), (Order::Write, EROFS)] {
        let Some((_folder, mut stage, disk)) = on_a_disk("", 2).await else { return };
        stage.start_host().await.expect("the host starts");
        let espf = stage.espf(0.0);
        new_accounts(&espf, 1);
        all_are(&stage, 1..=1, "OK").await;
        disk.order(what, error).expect("ordered");
        espf.emit("Account/New", json!({ "i_account": 2 }));
        let ended = stage.host_ended(SOON).await.expect("it ends");
        assert_eq!(ended.code(), Some(1), "{what:?} {error}");
        assert_eq!(answers(&espf, 1)[0].0, State::Queued, "{what:?} {error}");
        assert!(log(&stage).contains("a commit failed; the journal stops"), "{what:?} {error}");

        disk.order(what, NOTHING).expect("ordered");
        stage.start_host().await.expect("the disk is well again");
        assert!(espf.drained(SOON).await, "it is taken");
        all_are(&stage, 1..=2, "OK").await;
        assert_eq!(stage.oms.ledger().orders.len(), 2, "each was ordered once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_cannot_be_written_no_host_starts() {
    let Some((_folder, mut stage, disk)) = on_a_disk("", 1).await else { return };
    stage.start_host().await.expect("the host starts");
    stage.stop_host().await.expect("it stops");
    for order in [Order::Open, Order::Write] {
        disk.order(order, EROFS).expect("ordered");
    }
    does_not_start(&mut stage, "E0504", "Read-only file system").await;
    for order in [Order::Open, Order::Write] {
        disk.order(order, NOTHING).expect("ordered");
    }
    stage.start_host().await.expect("it can be written again");
}

/// A sync that failed leaves in the kernel's memory what never reaches the disk, and no later sync says so. The next start
/// reads it there, knows the event, and answers for it: so it must have been written once more.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_after_a_failed_sync_survives_a_power_cut() {
    let Some((_folder, mut stage, disk)) = on_a_disk("", 2).await else { return };
    stage.oms.hold_completion(true);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    all_are(&stage, 1..=1, "IN_PROGRESS").await;
    disk.order(Order::Sync, EIO).expect("ordered");
    espf.emit("Account/New", json!({ "i_account": 2 }));
    stage.host_ended(SOON).await.expect("it ends");
    disk.order(Order::Sync, NOTHING).expect("ordered");
    stage.start_host().await.expect("it starts again");
    assert!(espf.drained(SOON).await, "it is taken");
    stage.kill_host().await.expect("killed");
    disk.cut(Unsynced::Gone).expect("cut");
    stage.start_host().await.expect("it starts again");
    let journal = Connection::open(journal(&stage).join("journal.db")).expect("a journal");
    let events: i64 =
        journal.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).expect("a number");
    assert_eq!(events, 2, "what was answered is there");
}

/// A folder that was made and not synced into the one above goes in a power cut, with all that is in it.
#[tokio::test(flavor = "multi_thread")]
async fn the_folder_of_the_journal_is_durable_where_it_stands() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let above = folder.path().join("above");
    std::fs::create_dir(&above).expect("a folder");
    let mut stage = stage_of(PROGRAM, &above, &adapter, Settings::default(), "", "").await;
    let disk = Disk::of(&above).expect("a disk");
    for (name, value) in disk.environment().expect("a shim") {
        stage.set_environment(name, value);
    }
    stage.start_host().await.expect("the host starts");
    let names = disk.names().expect("names");
    assert!(names.contains(&"data".to_owned()), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_cut_off_or_gone_is_refused_and_left_as_it_is() {
    let Some((_folder, mut stage, _)) = on_a_disk("", 3).await else { return };
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 3);
    all_are(&stage, 1..=3, "OK").await;
    stage.stop_host().await.expect("it stops");
    let database: PathBuf = journal(&stage).join("journal.db");
    let whole = std::fs::read(&database).expect("the database");
    for (left, code, words) in [
        (Some(whole.len() / 2), "E0505", "malformed"),
        (Some(5000), "E0505", "malformed"),
        (Some(100), "E0505", "malformed"),
        (Some(0), "E0504", "is gone or empty, though its key is here"),
        (None, "E0504", "is gone or empty, though its key is here"),
    ] {
        match left {
            Some(left) => std::fs::write(&database, &whole[..left]).expect("cut off"),
            None => std::fs::remove_file(&database).expect("removed"),
        }
        does_not_start(&mut stage, code, words).await;
        let found = std::fs::read(&database).ok();
        assert_eq!(found.as_deref(), left.map(|left| &whole[..left]), "nothing was changed");
    }
    std::fs::write(&database, &whole).expect("brought back");
    stage.start_host().await.expect("the host starts");
    let done = &stage.status().await.expect("an answer")["groups"]["HSS"]["operations"]["done"];
    assert_eq!(*done, 3);
}

/// SQLite keeps `user_version` in the header of the first page: four bytes, the highest first.
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_journal_and_one_that_another_host_has_are_refused_in_clear_words() {
    let Some((_folder, mut stage, _)) = on_a_disk("", 1).await else { return };
    stage.start_host().await.expect("the host starts");
    let second = std::process::Command::new(PROGRAM)
        .args(["serve", "--config"])
        .arg(&stage.config)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("error[E0501]") && said.contains("another Punchdown runs"), "{said}");
    stage.stop_host().await.expect("the first one was not disturbed");

    let database = journal(&stage).join("journal.db");
    let ours = std::fs::read(&database).expect("the database");
    let mut newer = ours.clone();
    newer[60..64].copy_from_slice(&9999_u32.to_be_bytes());
    std::fs::write(&database, &newer).expect("written");
    does_not_start(&mut stage, "E0503", "is of version 9999").await;
    assert_eq!(std::fs::read(&database).expect("the database"), newer, "nothing was changed");
    std::fs::write(&database, &ours).expect("written");
    stage.start_host().await.expect("the host starts");
}

const HOUR_MS: i64 = 3_600_000;

/// The hour would be longer than all that is left of the deadline.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_an_hour_ahead_and_back_fails_nothing_and_doubles_nothing() {
    let Some((_folder, mut stage, disk)) = on_a_disk("deadline = \"10m\"", 7).await else { return };
    stage.oms.hold_completion(true);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 5);
    all_are(&stage, 1..=5, "IN_PROGRESS").await;
    let looks = || stage.oms.ledger().requests.get("GET /serviceOrder/{id}").copied().unwrap_or_default();

    disk.order(Order::Clock, HOUR_MS).expect("ordered");
    let before = looks();
    // Whose wait is over by the new time looks, and would find its deadline over, too.
    until("somebody has looked", SOON, async || looks() > before).await;
    let known = async || log(&stage).contains("the clock was set ahead, or the machine slept");
    until("it is known", SOON, known).await;
    espf.emit("Account/New", json!({ "i_account": 6 }));
    all_are(&stage, 6..=6, "IN_PROGRESS").await;

    disk.order(Order::Clock, NOTHING).expect("ordered");
    until("it is known", SOON, async || log(&stage).contains("the clock was set back")).await;
    espf.emit("Account/New", json!({ "i_account": 7 }));
    all_are(&stage, 7..=7, "IN_PROGRESS").await;
    // What looks at a date waits an hour for it now; news comes all the same.
    stage.oms.hold_completion(false);
    all_are(&stage, 1..=7, "OK").await;
    for i_account in 1..=7 {
        assert_eq!(told(&stage, i_account), ["IN_PROGRESS", "OK"], "account {i_account}");
    }
    assert_eq!(stage.oms.ledger().orders.len(), 7, "each was ordered once");
}
