//! A journal that goes from one engine to another, and back: all of it, as it stood, or nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use punchdown::domain::resync::{Difference, Differing};
use punchdown::secret::Secret;
use punchdown::store::postgres::SealingKey;
use punchdown::store::{CareError, Settings, export, import};

use super::directory::bytes;
use super::fan_outs::of_customer;
use super::resyncs::resync;
use super::rotation::{fill, finds, read, rotate};
use super::*;

/// A row in every table, and a lane that somebody holds. Its process then dies.
async fn fill_every_table(folder: &Path) {
    let journal = open(folder).expect("the journal opens");
    fill(&journal).await;
    let newest = Event { received_at: at(1), ..of_customer(7) };
    journal.accept(newest, Work::FanOut(vec![hss(), oms()])).await.expect("stored");
    let person = Person { who: "ann".to_owned(), why: "a day was lost".to_owned() };
    let audit = Audit { at: at(0), person, what: "skip".to_owned(), about: "01-1-1-hss".to_owned() };
    journal.audit(audit).await.expect("stored");
    assert!(journal.begin_resync(&resync("r-1")).await.expect("begun"));
    let lane = Lane { i_account: IAccount(200), group: hss() };
    let differing = Differing { lane: lane.clone(), how: Difference::Changed };
    assert!(journal.resync_on(&resync("r-1"), vec![lane.clone()], vec![differing]).await.expect("stored"));
    journal.alive(at(5)).await.expect("stored");
    journal.count_deaths(at(0)).await.expect("counted");
    std::mem::forget(journal.mark(&Subject::Lane(lane), &Digest::of(b"adapter")));
    drop(journal);
    let journal = open(folder).expect("the journal opens");
    assert_eq!(journal.count_deaths(at(0)).await.expect("counted").len(), 1);
    assert!(!lease(&journal, at(0)).await.is_empty(), "somebody is at it");
}

/// What is sealed there was sealed with the key of that directory.
pub fn sealed_as(of: &Path, to: &Postgres) -> Settings {
    let key = STANDARD.encode(fs::read(of.join("journal.key")).expect("a key"));
    let mut settings = to.settings.clone();
    if let Some(postgres) = &mut settings.postgres {
        postgres.key = SealingKey(Secret::new(key));
    }
    settings
}

pub async fn exported(from: &Settings, to: &Path) -> store::Exported {
    export(from, Arc::new(SystemWorld), to).await.unwrap_or_else(|error| panic!("{error}"))
}

pub async fn imported(to: &Settings, from: &Path, key: Option<&Path>) -> Result<store::Counts, CareError> {
    import(to, Arc::new(SystemWorld), from, key).await
}

/// Its lines: whatever order an engine has its rows in, there are the same.
fn lines(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).expect("text");
    text.lines().filter(|line| !line.contains("sha256")).map(str::to_owned).collect()
}

#[tokio::test]
async fn all_of_a_journal_goes_along_to_the_other_engine_and_back() {
    let Some(database) = Postgres::new() else { return };
    let folder = harness::folder();
    let (here, back) = (folder.path().join("here"), folder.path().join("back"));
    fill_every_table(&here).await;
    // What is found by what two keys have made of it is found there, too.
    assert!(rotate(&here, None).expect("rotates").finished);
    let before = read(&open(&here).expect("the journal opens")).await;
    let file = |name: &str| folder.path().join(name);
    let settings = Settings::in_directory(&here);
    let made = exported(&settings, &file("first")).await;
    assert_eq!(made.bytes, fs::metadata(file("first")).expect("a file").len());
    let mode = fs::metadata(file("first")).expect("a file").permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    let text = fs::read_to_string(file("first")).expect("text");
    let empty = text.split("{\"table\":").skip(1).filter(|table| !table.contains("\n["));
    assert_eq!(empty.collect::<Vec<_>>(), [""; 0], "each has a row");
    assert!(!text.contains("001010000000001") && !text.contains("o-2"), "what was sealed is sealed");

    let there = sealed_as(&here, &database);
    let counts = imported(&there, &file("first"), None).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(counts, made.counts);
    assert_eq!(exported(&there, &file("second")).await.counts, counts);
    assert_eq!(lines(&file("second")), lines(&file("first")));
    let settings = Settings::in_directory(&back);
    let key = here.join("journal.key");
    imported(&settings, &file("second"), Some(&key)).await.unwrap_or_else(|error| panic!("{error}"));
    exported(&settings, &file("third")).await;
    assert_eq!(lines(&file("third")), lines(&file("first")));
    assert_eq!(bytes(&back, |name| name == "journal.key"), fs::read(&key).expect("the key"));

    let there = store::begin(&there, Arc::new(SystemWorld)).await;
    let there = there.unwrap_or_else(|error| panic!("{error}")).journal;
    let back = open(&back).expect("the journal opens");
    for journal in [&*there, &back] {
        assert_eq!(read(journal).await, before);
        assert_eq!(journal.last_alive().await.expect("told"), Some(at(5)));
        assert_eq!(journal.resync().await.expect("read").map(|it| it.id), Some("r-1".to_owned()));
        assert_eq!(journal.fan_outs_due(at(1), 10).await.expect("read").len(), 1);
        finds(journal, 1, "o-2").await;
        // Numbers go on where they were.
        accept(journal, 9, 300).await;
        assert_eq!(
            journal.operations(Sought { most: 1, ..Sought::default() }).await.expect("read")[0].event,
            "Account/New"
        );
    }
}

/// A column that only one engine has would be left behind, or made up. That all of SQLite's go along is said beside them.
#[tokio::test]
async fn both_engines_have_the_same_columns_but_for_what_one_makes_for_itself() {
    let Some(database) = Postgres::new() else { return };
    let folder = harness::folder();
    drop((open(folder.path()).expect("the journal opens"), database.open().await));
    let beneath = rusqlite::Connection::open(folder.path().join("journal.db")).expect("opens");
    let mut here = beneath
        .prepare("SELECT t.name || '.' || c.name FROM pragma_table_list t, pragma_table_info(t.name) c WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite%'")
        .expect("SQL");
    let here: rusqlite::Result<BTreeSet<String>> =
        here.query_map([], |row| row.get(0)).expect("rows").collect();
    let there = "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'";
    let there = database.database.ask(there).expect("names");
    let there: BTreeSet<String> = there.lines().map(str::to_owned).collect();
    // Of the hosts on that database, their connections and components, and not of what they do there.
    let of_hosts = |name: &String| {
        ["commit_mark", "instance", "lead", "log_in_refused", "component", "component_go", "served_by"]
            .contains(&name.split('.').next().unwrap_or_default())
    };
    let alone = here.as_ref().expect("names").symmetric_difference(&there).filter(|name| !of_hosts(name));
    assert_eq!(alone.collect::<Vec<_>>(), ["operation.ended_at", "tally.slot"]);
}

pub async fn refused(to: &Settings, from: &Path, key: Option<&Path>) -> String {
    let error = imported(to, from, key).await.expect_err("it is refused");
    format!("{}: {error}", error.code())
}

fn edited(file: &Path, name: &str, edit: impl FnOnce(String) -> String) -> PathBuf {
    let to = file.with_file_name(name);
    fs::write(&to, edit(fs::read_to_string(file).expect("text"))).expect("written");
    to
}

type Edit = fn(String) -> String;

#[tokio::test]
async fn what_is_not_a_whole_export_changes_nothing() {
    let Some(database) = Postgres::new() else { return };
    let folder = harness::folder();
    let here = folder.path().join("here");
    fill_every_table(&here).await;
    let file = folder.path().join("file");
    exported(&Settings::in_directory(&here), &file).await;
    let there = sealed_as(&here, &database);
    let edits: [(&str, &str, Edit); 8] = [
        ("cut", "it ends too soon", |text| {
            text[..text.len() / 2].rsplit_once('\n').expect("lines").0.to_owned()
        }),
        ("half a line", "it has a", |text| text[..text.len() / 2].to_owned()),
        ("changed", "it is not as it was written", |text| text.replacen("Account/New", "Account/Old", 1)),
        ("longer", "it is not as it was written", |text| text + "[]\n"),
        ("another table", "it has a table that no journal has", |text| {
            text.replacen("\"lane\"", "\"alley\"", 1)
        }),
        ("another row", "it has a row that is none of its table", |text| text.replacen("\n[", "\n[1,", 1)),
        ("newer", "E0503", |text| text.replacen("\"version\":11", "\"version\":99", 1)),
        ("none", "it does not begin like one", |_| "SQLite format 3".to_owned()),
    ];
    let nowhere = Settings::in_directory(&folder.path().join("nowhere"));
    for (name, why, edit) in edits {
        let edited = edited(&file, name, edit);
        for to in [&there, &nowhere] {
            let told = refused(to, &edited, Some(&here.join("journal.key"))).await;
            assert!(told.contains(why) && told.contains(name), "{name}: {told}");
        }
    }
    let tables = "SELECT to_regclass('meta') IS NULL";
    assert_eq!(database.database.ask(tables).expect("known"), "t", "nothing was made");
    assert!(!nowhere.database().exists() && !nowhere.key().exists());
}

#[tokio::test]
async fn nothing_is_moved_over_another_journal_under_a_host_or_with_another_key() {
    let Some(database) = Postgres::new() else { return };
    let folder = harness::folder();
    let (here, file) = (folder.path().join("here"), folder.path().join("file"));
    let settings = Settings::in_directory(&here);
    for settings in [&settings, &database.settings] {
        let none = export(settings, Arc::new(SystemWorld), &file).await.expect_err("none").to_string();
        assert!(none.contains("there is no journal"), "{none}");
    }
    let journal = open(&here).expect("the journal opens");
    accept(&journal, 1, 189).await;
    let locked = export(&settings, Arc::new(SystemWorld), &file).await.expect_err("a host runs").to_string();
    assert!(locked.contains("another Punchdown runs"), "{locked}");
    assert!(!file.exists(), "nothing is left of it");
    drop(journal);
    exported(&settings, &file).await;
    let again = export(&settings, Arc::new(SystemWorld), &file).await.expect_err("there").to_string();
    assert!(again.contains("is there already"), "{again}");

    // Another key.
    let told = refused(&database.settings, &file, None).await;
    assert!(told.starts_with("E0502") && told.contains("`journal.postgres.key` is"), "{told}");
    let away = Settings::in_directory(&folder.path().join("away"));
    let told = refused(&away, &file, None).await;
    assert!(told.starts_with("E0502") && told.contains("journal.key is not there"), "{told}");

    // A host, or what one left.
    let there = sealed_as(&here, &database);
    imported(&there, &file, None).await.unwrap_or_else(|error| panic!("{error}"));
    let told = refused(&there, &file, None).await;
    assert!(told.starts_with("E0506") && told.contains("holds a journal already"), "{told}");
    let told = refused(&settings, &file, None).await;
    assert!(told.starts_with("E0506"), "{told}");
    let opened = store::begin(&there, Arc::new(SystemWorld)).await;
    let _running = opened.unwrap_or_else(|error| panic!("{error}"));
    let beside = Settings { directory: folder.path().join("beside"), ..there };
    let told = refused(&beside, &file, None).await;
    assert!(told.starts_with("E0501"), "{told}");
}
