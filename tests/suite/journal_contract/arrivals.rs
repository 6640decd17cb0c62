//! What a journal that moves meets on its way: rows of an older version, a key that is there already, a host that does not
//! know yet that it has ended, and a database that goes away in the middle.

use std::fs;
use std::time::Instant;

use punchdown::store::{CareError, Settings, export};

use super::fan_outs::of_customer;
use super::moves::{exported, imported, refused, sealed_as};
use super::*;
use crate::harness::until;

const DAY: u32 = 24 * 3600;

fn delivered(id: &str, sender_id: &str) -> Delivered {
    let raw = notice(Body::Empty);
    Delivered { id: id.to_owned(), group: hss(), sender_id: Some(sender_id.to_owned()), raw }
}

fn beneath(folder: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.join("journal.db")).expect("opens")
}

/// As a version before this one stored it.
fn stored_as_it_came(folder: &Path, id: &str, sender_id: &str) {
    let beneath = beneath(folder);
    let stored = beneath.execute(
        "INSERT INTO notification (id, grp, received_at, unread, sender_id, raw) VALUES (?1, 'hss', 0, 0, ?2, x'')",
        [id, sender_id],
    );
    stored.expect("stored");
    let stored = beneath.execute(
        "INSERT INTO signal (notification, grp, sender_id, key, at, fate, payload) VALUES (?1, 'hss', ?2, 'k', 0, 'dropped', x'')",
        [id, sender_id],
    );
    stored.expect("stored");
}

#[tokio::test]
async fn a_message_that_stands_there_twice_since_its_id_is_stored_otherwise_goes_along() {
    let Some(database) = Postgres::new() else { return };
    let folder = harness::folder();
    let (here, file) = (folder.path().join("here"), folder.path().join("file"));
    let (long, strange, alone) = ("x".repeat(600), "a\0b", "b\0c");
    let journal = open(&here).expect("the journal opens");
    for (number, id) in [long.as_str(), strange].into_iter().enumerate() {
        let signal = Signal {
            id: Some(id.to_owned()),
            correlation: Correlation::Key("nobody's".to_owned()),
            payload: json("1"),
            otherwise: Otherwise::Drop,
        };
        hear_signal(&journal, &format!("m-heard-{number}"), 0, signal).await;
        let kept = journal.keep_notification(delivered(&format!("m-new-{number}"), id)).await;
        assert_eq!(kept.expect("stored"), Kept::New);
    }
    drop(journal);
    // One stands before those that were stored since, and one behind them.
    for (id, sender_id) in [("a-old", long.as_str()), ("z-old", strange), ("z-alone", alone)] {
        stored_as_it_came(&here, id, sender_id);
    }
    exported(&Settings::in_directory(&here), &file).await;
    let there = sealed_as(&here, &database);
    let other = folder.path().join("other");
    let key = here.join("journal.key");
    imported(&there, &file, None).await.unwrap_or_else(|error| panic!("{error}"));
    imported(&Settings::in_directory(&other), &file, Some(&key))
        .await
        .unwrap_or_else(|error| panic!("{error}"));

    let there = store::begin(&there, Arc::new(SystemWorld)).await;
    let there = there.unwrap_or_else(|error| panic!("{error}")).journal;
    let other_journal = open(&other).expect("the journal opens");
    for journal in [&*there, &other_journal] {
        for id in [&long, strange, alone] {
            let again = journal.keep_notification(delivered("again", id)).await.expect("known");
            assert_eq!(again, Kept::Repeated(None));
        }
    }
    drop(other_journal);
    let ids = "SELECT COUNT(*), COUNT(sender_id) FROM notification WHERE id IN ('a-old', 'z-old', 'z-alone')";
    let counted =
        beneath(&other).query_row(ids, [], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?)));
    assert_eq!(counted.expect("counted"), (3, 1), "the later row is the one that is found");
    assert_eq!(database.database.ask(ids).expect("counted"), "3|1");
}

#[tokio::test]
async fn no_key_is_written_over_and_an_import_that_was_stopped_is_done_again() {
    let folder = harness::folder();
    let [here, other, to] = ["here", "other", "to"].map(|name| folder.path().join(name));
    let file = folder.path().join("file");
    let journal = open(&here).expect("the journal opens");
    accept(&journal, 1, 189).await;
    drop((journal, open(&other).expect("the journal opens")));
    exported(&Settings::in_directory(&here), &file).await;
    let key = here.join("journal.key");

    // The key of a journal whose tables were put away.
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(other.join(name));
    }
    let before = fs::read(other.join("journal.key")).expect("a key");
    let told = refused(&Settings::in_directory(&other), &file, Some(&key)).await;
    assert!(told.starts_with("E0502") && told.contains("no key is written over"), "{told}");
    assert_eq!(fs::read(other.join("journal.key")).expect("a key"), before);
    assert!(!other.join("journal.db").exists() && !other.join("journal.db.part").exists());

    // It ended when it had copied the key, and before the journal had its name.
    let settings = Settings::in_directory(&to);
    imported(&settings, &file, Some(&key)).await.unwrap_or_else(|error| panic!("{error}"));
    fs::rename(to.join("journal.db"), to.join("journal.db.part")).expect("as if it had ended");
    assert!(open(&to).is_err(), "no host makes another journal of it");
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).expect("a key"));
    let copied = inode(&settings.key());
    imported(&settings, &file, Some(&key)).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(inode(&settings.key()), copied, "the same key is not copied");
    assert_eq!(overview(&open(&to).expect("the journal opens")).await.events, 1);
}

/// A journal of that database, with a file of it beside, and nobody who works on it.
async fn moved_there(database: &Postgres, folder: &Path) -> Settings {
    let (here, file) = (folder.join("here"), folder.join("file"));
    let journal = open(&here).expect("the journal opens");
    accept(&journal, 1, 189).await;
    drop(journal);
    exported(&Settings::in_directory(&here), &file).await;
    let there = sealed_as(&here, database);
    imported(&there, &file, None).await.unwrap_or_else(|error| panic!("{error}"));
    there
}

async fn exports(from: &Settings, to: &Path) -> Result<store::Exported, CareError> {
    export(from, Arc::new(SystemWorld), to).await
}

/// Says for a host, by that many milliseconds from now, that it is there.
fn is_there(database: &Postgres, since: i64) {
    let text = format!(
        "INSERT INTO instance SELECT 'one', (extract(epoch FROM clock_timestamp()) * 1000)::bigint + {since}
         ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at"
    );
    database.database.ask(&text).expect("said");
}

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_a_database_while_a_host_may_work_there_that_has_lost_its_lock() {
    let Some(database) = Postgres::new() else { return };
    let folder = harness::folder();
    let there = moved_there(&database, folder.path()).await;
    let file = |name: &str| folder.path().join(name);

    let beside = open(&there.directory).expect("the journal opens");
    let told = exports(&there, &file("locked")).await.expect_err("the directory is in use").to_string();
    assert!(told.contains("another Punchdown runs on the journal directory"), "{told}");
    drop(beside);

    is_there(&database, 0);
    let (began, to) = (Instant::now(), file("renewed"));
    let (renewed, ()) = tokio::join!(exports(&there, &to), async {
        tokio::time::sleep(Duration::from_secs(6)).await;
        is_there(&database, 0);
    });
    let error = renewed.expect_err("a host is there");
    assert_eq!(error.code().to_string(), "E0501", "{error}");
    assert!(began.elapsed() < Duration::from_secs(20) && !to.exists(), "it does not wait for its silence");

    is_there(&database, -15_000);
    let began = Instant::now();
    exported(&there, &file("later")).await;
    assert!(began.elapsed() > Duration::from_secs(2), "it waited for what was heard last to be old");
}

/// Somebody who holds the table that is read last until he is let go, and changes it then.
struct Holder {
    database: Arc<Postgres>,
    holding: tokio::task::JoinHandle<()>,
    leash: tokio::task::JoinHandle<()>,
}

const HERE: &str =
    "FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())";

impl Holder {
    async fn of(database: &Arc<Postgres>, change: &str) -> Self {
        let says = |text: String| {
            let database = Arc::clone(database);
            tokio::task::spawn_blocking(move || {
                let _ = database.database.ask(&text);
            })
        };
        // He waits for a lock that another one has for as long as he is to hold.
        let leash = says("SELECT pg_advisory_lock(7, 7); SELECT pg_sleep(120)".to_owned());
        let held = async |sql: &str| database.database.ask(sql).expect("a number") != "0";
        let leashed = format!("SELECT count(*) {HERE} AND classid = 7 AND objid = 7 AND granted");
        until("there is a leash", SOON, async || held(&leashed).await).await;
        let holding = says(format!(
            "BEGIN; LOCK TABLE differing IN ACCESS EXCLUSIVE MODE; SELECT pg_advisory_xact_lock(7, 7); {change}; COMMIT"
        ));
        let holds = format!(
            "SELECT count(*) {HERE} AND relation = 'differing'::regclass AND mode = 'AccessExclusiveLock' AND granted"
        );
        until("the table is held", SOON, async || held(&holds).await).await;
        Self { database: Arc::clone(database), holding, leash }
    }

    /// Somebody else wants to read the table, and waits for this one.
    async fn is_waited_for(&self) {
        let waits = format!("SELECT count(*) {HERE} AND relation = 'differing'::regclass AND NOT granted");
        let is_so = async || self.database.database.ask(&waits).expect("a number") != "0";
        until("it is waited for", SOON, is_so).await;
    }

    async fn lets_go(self) {
        let let_go =
            format!("SELECT pg_terminate_backend(pid) {HERE} AND classid = 7 AND objid = 7 AND granted");
        self.database.database.ask(&let_go).expect("let go");
        self.holding.await.expect("it ends");
        self.leash.await.expect("it ends");
    }
}

const CUT_WHO_HOLDS_THE_LOCK: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND classid <> 7 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_of_one_moment_and_ends_with_its_lock() {
    let Some(database) = Postgres::new() else { return };
    let database = Arc::new(database);
    let folder = harness::folder();
    let there = moved_there(&database, folder.path()).await;
    let later = "INSERT INTO differing (grp, i_account, how) VALUES ('hss', 424242, 'changed')";
    let holder = Holder::of(&database, later).await;
    let file = folder.path().join("one moment");
    tokio::join!(exported(&there, &file), async {
        holder.is_waited_for().await;
        holder.lets_go().await;
    });
    let came = "SELECT count(*) FROM differing WHERE i_account = 424242";
    assert_eq!(database.database.ask(came).expect("counted"), "1");
    assert!(!fs::read_to_string(&file).expect("text").contains("424242"), "that came later");

    let (holder, to) = (Holder::of(&database, "SELECT 1").await, folder.path().join("cut"));
    let (out, ()) = tokio::join!(exports(&there, &to), async {
        holder.is_waited_for().await;
        database.database.ask(CUT_WHO_HOLDS_THE_LOCK).expect("cut");
        holder.lets_go().await;
    });
    let told = out.expect_err("its lock is gone").to_string();
    assert!(told.contains("the lock of the database was lost"), "{told}");
    assert!(!to.exists(), "nothing is left of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_looks_once_more_and_leaves_nothing_when_its_lock_is_lost() {
    let Some(database) = Postgres::new() else { return };
    let database = Arc::new(database);
    let folder = harness::folder();
    let there = moved_there(&database, folder.path()).await;
    let file = folder.path().join("file");
    let tables =
        "event, lane, operation, operation_key, timeline, notification, signal, fan_out, resync, differing";
    database.database.ask(&format!("TRUNCATE {tables}")).expect("emptied");
    let rows = "INSERT INTO differing (grp, i_account, how) VALUES ('hss', 1, 'changed')";
    let holder = Holder::of(&database, rows).await;
    let (told, ()) = tokio::join!(refused(&there, &file, None), async {
        holder.is_waited_for().await;
        holder.lets_go().await;
    });
    assert!(told.starts_with("E0506"), "somebody wrote meanwhile: {told}");

    database.database.ask("TRUNCATE differing").expect("emptied");
    let holder = Holder::of(&database, "SELECT 1").await;
    let (told, ()) = tokio::join!(refused(&there, &file, None), async {
        holder.is_waited_for().await;
        database.database.ask(CUT_WHO_HOLDS_THE_LOCK).expect("cut");
        holder.lets_go().await;
    });
    assert!(told.contains("the lock of the database was lost"), "{told}");
    assert_eq!(database.database.ask("SELECT COUNT(*) FROM event").expect("counted"), "0");
}

/// News for which an operation is to begin: the number of their signal.
async fn begins(journal: &dyn Journal, id: &str, account: u64) -> i64 {
    let signal = Signal {
        id: None,
        correlation: Correlation::IAccount(IAccount(account)),
        payload: json("1"),
        otherwise: Otherwise::Begin,
    };
    hear_signal(journal, id, 0, signal).await;
    let changes = journal.changes_to_begin(&hss(), 9).await.expect("read");
    let of_account = changes.iter().find(|change| change.i_account == IAccount(account));
    of_account.expect("it begins").signal.to_string().parse().expect("a number")
}

/// An event whose identity is a signal's, and the signal is purged.
async fn outlives_its_signal(journal: &dyn Journal) -> i64 {
    let number = begins(journal, "n-1", 1).await;
    let identity = EventIdentity(format!("signal-{number}"));
    let event = Event { identity, received_at: at(9 * DAY), ..of_customer(7) };
    journal.accept(event, Work::FanOut(vec![hss()])).await.expect("stored");
    for change in journal.changes_to_begin(&hss(), 9).await.expect("read") {
        journal.change_begun(change.signal).await.expect("stored");
    }
    let old = Purge { finished_before: at(DAY), bodies_before: at(DAY), most: 100 };
    assert_eq!(journal.purge(old).await.expect("purges").of(Purgeable::Signal), 1);
    number
}

#[tokio::test]
async fn the_number_of_a_signal_is_never_given_again() {
    every_journal(async |journal| {
        let first = outlives_its_signal(journal).await;
        assert!(begins(journal, "n-2", 2).await > first);
    })
    .await;
}

#[tokio::test]
async fn the_number_of_a_signal_is_not_given_again_where_its_journal_went() {
    let Some(database) = Postgres::new() else { return };
    let folder = harness::folder();
    let [here, other, back] = ["here", "other", "back"].map(|name| folder.path().join(name));
    let journal = open(&here).expect("the journal opens");
    let first = outlives_its_signal(&journal).await;
    drop(journal);
    // As a version before this one left it.
    beneath(&here).execute("DELETE FROM meta WHERE name = 'signals'", []).expect("forgotten");
    let (key, file, out) = (here.join("journal.key"), folder.path().join("file"), folder.path().join("out"));
    exported(&Settings::in_directory(&here), &file).await;
    let there = sealed_as(&here, &database);
    imported(&there, &file, None).await.unwrap_or_else(|error| panic!("{error}"));
    // What only the numbers of the database tell.
    database
        .database
        .ask("DELETE FROM fan_out; DELETE FROM event; SELECT nextval('signal_id_seq')")
        .expect("gone");
    exported(&there, &out).await;
    for (directory, file) in [(&other, &file), (&back, &out)] {
        let settings = Settings::in_directory(directory);
        imported(&settings, file, Some(&key)).await.unwrap_or_else(|error| panic!("{error}"));
    }
    let opened = store::begin(&there, Arc::new(SystemWorld)).await;
    let there = opened.unwrap_or_else(|error| panic!("{error}")).journal;
    assert!(begins(&*there, "n-2", 2).await > first + 1);
    assert!(begins(&open(&other).expect("the journal opens"), "n-2", 2).await > first);
    assert!(begins(&open(&back).expect("the journal opens"), "n-2", 2).await > first + 1);
}
