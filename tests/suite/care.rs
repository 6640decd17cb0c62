//! The care of a journal, by the commands that an operator has: what was answered before a backup is there after
//! it was brought back, and what is wrong with a journal is said with where it is and how to go on.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};

use punchdown::cli::stage::Stage;
use punchdown::explain::Code;
use punchdown_kit::espf::Espf;
use punchdown_kit::oms::Settings;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::harness::{PROGRAM, folder, new_accounts, oms_adapter, stage_of, told, until};
use crate::operators::{asked, said};

const SOON: Duration = Duration::from_secs(30);

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// Runs a command that goes well; gives what it prints.
async fn well(stage: &Stage, arguments: &[&str]) -> String {
    let output = said(stage, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", words(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a command that is refused with that code, and says these words.
async fn refused(stage: &Stage, arguments: &[&str], code: Code, exit: i32, said_words: &[&str]) {
    let output = said(stage, arguments).await;
    let words = words(&output);
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {words}");
    assert!(words.contains(&format!("error[{code}]: ")), "{arguments:?}: {words}");
    for word in said_words {
        assert!(words.contains(word), "{arguments:?}: no `{word}` in\n{words}");
    }
}

async fn running(accounts: u64) -> Option<(TempDir, Stage)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    // What was ordered after the backup has been told to nobody: who comes back must look for it soon.
    let mut stage =
        stage_of(PROGRAM, folder.path(), &adapter, Settings::default(), "", "poll-seconds = 1").await;
    stage.open_accounts(accounts);
    stage.start_host().await.expect("the host starts");
    Some((folder, stage))
}

async fn provisioned(stage: &Stage, accounts: u64) {
    let espf = stage.espf(0.0);
    new_accounts(&espf, accounts);
    until("all are OK", SOON, async || {
        (1..=accounts).all(|account| told(stage, account).last().is_some_and(|word| word == "OK"))
    })
    .await;
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ASCII")
}

/// The accounts whose events were answered by then.
fn answered(espf: &Espf, by: SystemTime) -> BTreeSet<u64> {
    let events = espf.ledger().events.into_iter();
    events
        .filter(|event| event.answered_at.is_some_and(|at| at <= by))
        .filter_map(|event| event.i_account)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_before_a_backup_is_there_after_it_was_brought_back() {
    const ACCOUNTS: u64 = 2000;
    let Some((folder, mut stage)) = running(ACCOUNTS).await else { return };
    let espf = stage.espf(0.0);
    let mut sent = 100;
    new_accounts(&espf, sent);
    until("a hundred are answered", SOON, async || answered(&espf, SystemTime::now()).len() == 100).await;
    let before = answered(&espf, SystemTime::now());
    let copies = folder.path().join("copies");
    std::fs::create_dir(&copies).expect("a folder");
    // However long it takes, more come meanwhile.
    let more_come = async {
        while sent < ACCOUNTS {
            sent += 1;
            espf.emit("Account/New", json!({ "i_account": sent }));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        std::future::pending::<()>().await;
    };
    let backup = ["journal", "backup", text(&copies)];
    let made = tokio::select! {
        made = asked(&stage, &backup) => made,
        () = more_come => unreachable!("it has no end"),
    };
    assert!(sent > 101, "it was made under load");

    // The disk dies; what is left is the copy, and the key that was kept elsewhere.
    stage.kill_host().await.expect("there is a host");
    let (data, key) = (folder.path().join("data"), folder.path().join("kept.key"));
    std::fs::rename(data.join("journal.key"), &key).expect("kept");
    std::fs::remove_dir_all(&data).expect("gone");
    // Nothing but a key stands there, and it is another one's.
    std::fs::create_dir(&data).expect("a folder");
    let others = data.join("journal.key");
    std::fs::write(&others, [7; 32]).expect("written");
    std::fs::set_permissions(&others, PermissionsExt::from_mode(0o600)).expect("chmod");
    let copy = made["file"].as_str().expect("a file");
    well(&stage, &["journal", "verify", copy, "--key", text(&key)]).await;
    let restored = well(&stage, &["journal", "restore", copy, "--key", text(&key)]).await;
    assert_eq!(std::fs::read(data.join("replaced/journal.key")).expect("it is kept"), [7; 32]);
    assert!(restored.contains("operations that stand open"), "{restored}");
    let stored = asked(&stage, &["journal", "shell", "SELECT i_account FROM event"]).await;
    let stored: BTreeSet<u64> =
        stored["rows"].as_array().into_iter().flatten().filter_map(|row| row["i_account"].as_u64()).collect();
    assert!(before.is_subset(&stored), "{:?} are lost", before.difference(&stored).collect::<Vec<_>>());
    assert_eq!(made["events"].as_u64(), Some(stored.len() as u64));

    stage.start_host().await.expect("it starts again");
    assert!(espf.drained(SOON).await, "and takes what still comes");
    until("all that was in it is OK", 3 * SOON, async || {
        stored.iter().all(|account| told(&stage, *account).last().is_some_and(|word| word == "OK"))
    })
    .await;
    stage.stop_host().await.expect("it stops");
    assert!(well(&stage, &["journal", "verify"]).await.contains("It is sound."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_for_its_owner_alone_holds_no_key_and_overwrites_nothing() {
    let Some((folder, stage)) = running(3).await else { return };
    provisioned(&stage, 3).await;
    let copy = folder.path().join("copy.db");
    let told = well(&stage, &["journal", "backup", text(&copy)]).await;
    let bytes = std::fs::metadata(&copy).expect("a file").len();
    assert!(told.contains(&format!("{bytes} bytes")) && told.contains(" s\n"), "{told}");
    assert!(
        told.contains("It holds 3 events") && told.contains("keep a copy of that in another place"),
        "{told}"
    );
    let mode = |path: &Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(&copy), 0o600);
    let key = std::fs::read(folder.path().join("data/journal.key")).expect("the key");
    let inside = std::fs::read(&copy).expect("the copy");
    assert!(!inside.windows(key.len()).any(|window| window == key), "its key is not in it");
    refused(
        &stage,
        &["journal", "backup", text(&copy)],
        Code::FileOfCommand,
        1,
        &["copy.db is there already"],
    )
    .await;

    let whole = folder.path().join("whole.db");
    let told = well(&stage, &["journal", "backup", text(&whole), "--with-key"]).await;
    assert!(told.contains("whole.key: whoever has both can read all of it"), "{told}");
    let beside = folder.path().join("whole.key");
    assert_eq!((std::fs::read(&beside).expect("a key"), mode(&beside)), (key, 0o600));
    // With it, nothing else of this machine is needed.
    let away =
        Command::new(PROGRAM).args(["journal", "verify", text(&whole)]).current_dir("/").output().await;
    let away = away.expect("it runs");
    assert!(away.status.success(), "{}", words(&away));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_brought_back_only_where_a_person_wants_it() {
    let Some((folder, mut stage)) = running(2).await else { return };
    provisioned(&stage, 1).await;
    let copy = folder.path().join("copy.db");
    well(&stage, &["journal", "backup", text(&copy)]).await;
    let restore = ["journal", "restore", text(&copy)];
    refused(&stage, &restore, Code::JournalLocked, 1, &["another Punchdown runs on"]).await;
    stage.stop_host().await.expect("it stops");
    refused(&stage, &restore, Code::JournalThere, 1, &["a journal stands in", "= help: --move-aside"]).await;
    let told = well(&stage, &["journal", "restore", text(&copy), "--move-aside"]).await;
    assert!(told.contains("What stood there before is in") && told.contains("After a restore"), "{told}");
    assert!(folder.path().join("data/replaced/journal.db").exists());
    stage.start_host().await.expect("the host starts");
    assert_eq!(asked(&stage, &["event", "list"]).await["events"].as_array().map(Vec::len), Some(1));
    let missing = folder.path().join("missing.db");
    refused(&stage, &["journal", "restore", text(&missing)], Code::JournalLocked, 1, &[]).await;
    stage.stop_host().await.expect("it stops");
    std::fs::remove_dir_all(folder.path().join("data/replaced")).expect("looked at, and gone");
    let again = ["journal", "restore", text(&missing), "--move-aside"];
    refused(&stage, &again, Code::FileOfCommand, 1, &["cannot read", "missing.db"]).await;
}

/// A journal of a stopped host with three accounts, and where it lies.
async fn stopped() -> Option<(TempDir, Stage, PathBuf)> {
    let (folder, mut stage) = running(3).await?;
    provisioned(&stage, 3).await;
    stage.stop_host().await.expect("it stops");
    let data = folder.path().join("data");
    Some((folder, stage, data))
}

async fn starts_not(stage: &mut Stage, words: &[&str]) {
    let said = stage.start_host().await.expect_err("it does not start").to_string();
    for word in words {
        assert!(said.contains(word), "no `{word}` in\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_value_is_named_and_the_host_works_with_the_rest() {
    let Some((_folder, mut stage, data)) = stopped().await else { return };
    let sound = well(&stage, &["journal", "verify"]).await;
    assert!(
        sound.contains("It is sound.") && sound.contains("3 operation") && sound.contains("could be read"),
        "{sound}"
    );
    // One byte of what is sealed, on the disk.
    let connection = rusqlite::Connection::open(data.join("journal.db")).expect("the journal");
    let state: Vec<u8> = connection
        .query_row("SELECT state FROM operation WHERE seq = 2", [], |row| row.get(0))
        .expect("an operation");
    drop(connection);
    let mut bytes = std::fs::read(data.join("journal.db")).expect("the file");
    let end = &state[state.len() - 24..];
    let at = bytes.windows(end.len()).position(|window| window == end).expect("it is on the disk");
    bytes[at] ^= 1;
    std::fs::write(data.join("journal.db"), &bytes).expect("written");

    let value = ["damage  value  operation.state:", "its seal is broken", "= help: value: a host sets aside"];
    refused(&stage, &["journal", "verify"], Code::JournalDamaged, 65, &value).await;
    let report = said(&stage, &["journal", "verify", "-o", "json"]).await;
    let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
    assert_eq!(
        (&report["sound"], &report["damages"], &report["rows"]["operation"]),
        (&json!(false), &json!(1), &json!(3))
    );
    assert_eq!(report["damage"][0]["kind"], "value");
    stage.start_host().await.expect("the host starts all the same");
    assert_eq!(asked(&stage, &["account", "show", "3"]).await["statuses"][0]["status"], "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_cut_or_no_database_is_refused_with_the_way_out() {
    let Some((folder, mut stage, data)) = stopped().await else { return };
    let copy = folder.path().join("copy.db");
    well(&stage, &["journal", "backup", text(&copy)]).await;
    let whole = std::fs::read(data.join("journal.db")).expect("the file");
    let way_out = ["= help: `punchdown journal verify`", "`punchdown journal restore` brings a backup back"];
    for damaged in [whole[..whole.len() / 2].to_vec(), vec![7; whole.len()]] {
        std::fs::write(data.join("journal.db"), damaged).expect("written");
        starts_not(&mut stage, &[&["error[E0505]: ", "journal.db"][..], &way_out].concat()).await;
        let file = ["damage  file  ", "restore the newest backup that is sound"];
        refused(&stage, &["journal", "verify"], Code::JournalDamaged, 65, &file).await;
        let other = folder.path().join("other.db");
        refused(&stage, &["journal", "backup", text(&other)], Code::JournalDamaged, 1, &[]).await;
        assert!(!other.exists());
    }
    well(&stage, &["journal", "restore", text(&copy), "--move-aside"]).await;
    stage.start_host().await.expect("the host starts");
    assert_eq!(asked(&stage, &["event", "list"]).await["events"].as_array().map(Vec::len), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_missing_or_another_one_is_said_before_anything_is_done() {
    let Some((folder, mut stage, data)) = stopped().await else { return };
    let copy = folder.path().join("copy.db");
    well(&stage, &["journal", "backup", text(&copy)]).await;
    let (key, kept) = (data.join("journal.key"), folder.path().join("kept.key"));
    std::fs::rename(&key, &kept).expect("kept");
    starts_not(&mut stage, &["error[E0502]: ", "journal.key", "bring it back"]).await;
    let missing = ["damage  key  ", "it is not there", "bring the right key back"];
    refused(&stage, &["journal", "verify"], Code::JournalDamaged, 65, &missing).await;
    let with_key = folder.path().join("other.db");
    refused(
        &stage,
        &["journal", "backup", text(&with_key), "--with-key"],
        Code::JournalKey,
        1,
        &["it is missing"],
    )
    .await;
    let restore = ["journal", "restore", text(&copy), "--move-aside"];
    refused(&stage, &restore, Code::JournalKey, 1, &["is sealed with the key", "name its file with --key"])
        .await;

    let other = folder.path().join("other.key");
    std::fs::write(&other, [7; 32]).expect("written");
    std::fs::set_permissions(&other, PermissionsExt::from_mode(0o600)).expect("chmod");
    std::fs::copy(&other, &key).expect("another key");
    starts_not(&mut stage, &["error[E0502]: ", "bring the right one back"]).await;
    let wrong = ["damage  key  ", "and the journal is sealed with"];
    refused(&stage, &["journal", "verify"], Code::JournalDamaged, 65, &wrong).await;
    refused(
        &stage,
        &["journal", "verify", text(&copy), "--key", text(&other)],
        Code::JournalDamaged,
        65,
        &wrong,
    )
    .await;
    refused(&stage, &restore, Code::JournalKey, 1, &["name its file with --key"]).await;
    assert!(!data.join("replaced").exists(), "nothing was done");

    well(&stage, &["journal", "restore", text(&copy), "--move-aside", "--key", text(&kept)]).await;
    stage.start_host().await.expect("the host starts");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_reads_shows_nothing_sealed_and_writes_nothing() {
    let Some((folder, stage)) = running(3).await else { return };
    provisioned(&stage, 3).await;
    let shell = |text: &'static str| ["journal", "shell", text];
    let table = well(&stage, &shell("SELECT seq, word, state, compared FROM operation WHERE seq = 1")).await;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["seq", "word", "state", "compared"], "{table}");
    assert_eq!(
        (&lines[1][..3], &lines[1][4..]),
        (&["1", "done", "sealed,"][..], &["bytes", "-"][..]),
        "{table}"
    );
    assert!(!table.contains("155"), "{table}");
    let counted = asked(&stage, &shell("SELECT COUNT(*) AS events, body FROM event GROUP BY 'all'")).await;
    assert_eq!((&counted["rows"][0]["events"], &counted["more"]), (&json!(3), &json!(false)));
    assert!(
        counted["rows"][0]["body"].as_str().is_some_and(|body| body.starts_with("sealed, ")),
        "{counted}"
    );

    let writes = [
        "DELETE FROM event",
        "PRAGMA journal_mode = DELETE",
        "VACUUM INTO '/tmp/punchdown-never'",
        "PRAGMA wal_checkpoint",
    ];
    for write in writes {
        refused(&stage, &["journal", "shell", write], Code::NoAnswer, 1, &["the shell only reads"]).await;
    }
    refused(&stage, &shell("BEGIN"), Code::NoAnswer, 1, &["each statement stands for itself"]).await;
    refused(&stage, &shell("SELECT who FROM event"), Code::NoAnswer, 1, &["no such column: who"]).await;
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n";
    let timed = ["journal", "shell", endless, "--time", "1"];
    refused(&stage, &timed, Code::NoAnswer, 1, &["it took longer than 1s, and was stopped"]).await;
    let few = well(&stage, &["journal", "shell", "SELECT identity FROM event", "--rows", "2"]).await;
    assert!(few.ends_with("there are more: --rows\n") && few.lines().count() == 4, "{few}");

    // From the standard input, of a copy.
    let copy = folder.path().join("copy.db");
    well(&stage, &["journal", "backup", text(&copy)]).await;
    let mut command = Command::new(PROGRAM);
    command.args(["journal", "shell", "--backup", text(&copy)]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut asking = command.spawn().expect("it runs");
    let mut input = asking.stdin.take().expect("an input");
    input
        .write_all(b"-- how many\nSELECT COUNT(*) AS n\nFROM event;\nSELECT 1 AS one")
        .await
        .expect("written");
    drop(input);
    let answer = asking.wait_with_output().await.expect("it ends");
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "n\n3\none\n1\n");
    assert_eq!(
        asked(&stage, &["event", "list"]).await["events"].as_array().map(Vec::len),
        Some(3),
        "all is there"
    );
}

/// Whoever cares for a journal may not be able to read the secrets of its host.
#[tokio::test(flavor = "multi_thread")]
async fn the_commands_need_nothing_of_the_configuration_but_where_the_journal_is() {
    let Some((folder, stage, _)) = stopped().await else { return };
    std::fs::remove_dir_all(folder.path().join("secrets")).expect("they are somebody else's");
    assert!(well(&stage, &["journal", "verify"]).await.contains("It is sound."));
    let copy = folder.path().join("copy.db");
    well(&stage, &["journal", "backup", text(&copy)]).await;
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    std::fs::write(&stage.config, format!("{config}\n[journal]\ndirectori = \"x\"\n")).expect("written");
    refused(&stage, &["journal", "verify"], Code::UnknownKey, 78, &["did you mean `directory`?"]).await;
}
