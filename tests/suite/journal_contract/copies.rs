//! A copy of a journal: made beside its host, brought back wherever that was stopped, looked through.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use punchdown::store::{
    CareError, Kind, Report, Restored, Settings, Wish, backup, key_beside, restore, verify,
};

use super::directory::{bytes, holds, refusal, tell_all};
use super::*;

const SECRET: &str = "001010000000001";
/// Those that change something.
const STEPS: usize = 4;

fn place(folder: &Path) -> Settings {
    Settings::in_directory(folder)
}

fn wish(from: &Path) -> Wish {
    Wish { from: from.to_owned(), key: None, move_aside: false, accept_damage: false }
}

/// A journal with all that can be sealed, and a copy of it with its key.
async fn copied(folder: &Path) -> PathBuf {
    let journal = open(&folder.join("data")).expect("the journal opens");
    tell_all(&journal, SECRET).await;
    let copy = folder.join("copy.db");
    backup(&place(&folder.join("data")), &copy, true).expect("while it is open");
    copy
}

fn looked(database: &Path) -> Report {
    verify(database, &key_beside(database)).expect("it can be looked at")
}

fn done(restored: Result<Option<Restored>, CareError>) -> Restored {
    restored.expect("it is brought back").expect("to its end")
}

fn refused(restored: Result<Option<Restored>, CareError>) -> String {
    restored.expect_err("it is refused").to_string()
}

fn edit(database: &Path, text: &str) {
    let connection = rusqlite::Connection::open(database).expect("a database");
    connection.execute_batch("PRAGMA foreign_keys = OFF").expect("set");
    assert!(connection.execute(text, []).expect(text) > 0, "{text}");
}

#[tokio::test]
async fn a_copy_holds_one_moment_and_nothing_to_read() {
    let folder = harness::folder();
    let data = folder.path().join("data");
    let journal = open(&data).expect("the journal opens");
    tell_all(&journal, SECRET).await;
    let copy = folder.path().join("copy.db");
    let made = backup(&place(&data), &copy, false).expect("while it is open");
    accept(&journal, 2, 190).await;

    assert_eq!(made.bytes, fs::metadata(&copy).expect("a file").len());
    assert_eq!((made.contents.events, made.contents.open), (1, 1), "what came later is not in it");
    assert_eq!(made.contents.newest_event, Some(at(0)));
    assert_eq!(fs::metadata(&copy).expect("a file").permissions().mode() & 0o777, 0o600);
    let key = fs::read(data.join("journal.key")).expect("the key");
    let files = bytes(folder.path(), |name| name.starts_with("copy"));
    assert!(holds(&files, "CREATE TABLE") && !holds(&files, SECRET) && !holds(&files, key));
    assert_eq!(made.key_file, None);
    let names: Vec<_> =
        fs::read_dir(folder.path()).expect("lists").map(|it| it.expect("it").file_name()).collect();
    assert_eq!(names.len(), 2, "one file, whole by itself: {names:?}");

    let again = backup(&place(&data), &copy, false).expect_err("it is there").to_string();
    assert!(again.contains("copy.db is there already"), "{again}");
    let none = backup(&place(folder.path()), &folder.path().join("other.db"), false);
    assert!(none.expect_err("none").to_string().contains("there is no journal"));
}

#[tokio::test]
async fn a_copy_is_brought_back_wherever_that_was_stopped() {
    let folder = harness::folder();
    let copy = copied(folder.path()).await;
    for stopped in 0..STEPS {
        let data = folder.path().join(format!("data-{stopped}"));
        let journal = open(&data).expect("another journal");
        accept(&journal, 7, 700).await;
        drop(journal);
        // As a killed host leaves it.
        fs::write(data.join("journal.db-wal"), "the log of another one").expect("written");
        let wish = Wish { move_aside: true, ..wish(&copy) };
        assert!(restore(&place(&data), &wish, Some(stopped)).expect("as far").is_none());
        if stopped > 0 {
            let refusal = refusal(open(&data));
            assert!(refusal.contains("run `punchdown journal restore` again"), "{stopped}: {refusal}");
        }
        // Once it is under way nobody has to say again that it may.
        let again = Wish { move_aside: stopped == 0, ..wish.clone() };
        let restored = done(restore(&place(&data), &again, None));
        assert!(restored.report.is_sound() && restored.report.opened > 10, "{:?}", restored.report);
        let aside = restored.aside.expect("what stood there is kept");
        assert!(aside.join("journal.db").exists() && aside.join("journal.db-wal").exists());
        fs::remove_file(aside.join("journal.db-wal")).expect("it was none");
        let journal = open(&data).expect("with the copy's key");
        assert_eq!(overview(&journal).await.events, 1);
        assert_eq!(lease(&journal, at(0)).await.len(), 1);
        drop(journal);
        let before = open(&aside).expect("with its own key");
        let lanes = lease(&before, at(0)).await;
        assert_eq!(lanes[0].1.operation.lane.i_account, IAccount(700), "nothing of it is lost");
    }
}

#[tokio::test]
async fn a_copy_is_brought_back_only_where_nothing_is_in_its_way() {
    let folder = harness::folder();
    let copy = copied(folder.path()).await;
    let data = folder.path().join("data");
    let journal = open(&data).expect("the journal opens");
    let runs = refused(restore(&place(&data), &Wish { move_aside: true, ..wish(&copy) }, None));
    assert!(runs.contains("another Punchdown runs on"), "{runs}");
    drop(journal);
    let stands = refused(restore(&place(&data), &wish(&copy), None));
    assert!(stands.contains("a journal stands in"), "{stands}");
    assert!(!data.join("journal.db.part").exists() && data.join("journal.db").exists());

    // On another machine, with the key from elsewhere.
    let (elsewhere, key) = (folder.path().join("elsewhere"), folder.path().join("kept"));
    fs::rename(key_beside(&copy), &key).expect("moved");
    let missing = refused(restore(&place(&elsewhere), &wish(&copy), None));
    assert!(missing.contains("name its file with --key"), "{missing}");
    let restored = done(restore(&place(&elsewhere), &Wish { key: Some(key), ..wish(&copy) }, None));
    assert_eq!(restored.aside, None);
    assert_eq!(lease(&open(&elsewhere).expect("it opens"), at(0)).await.len(), 1);
    assert_eq!(fs::metadata(elsewhere.join("journal.key")).expect("it").permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_copy_of_another_version_is_not_taken_for_one_of_this() {
    let folder = harness::folder();
    let copy = copied(folder.path()).await;
    let to = place(&folder.path().join("new"));
    let version: i64 = rusqlite::Connection::open(&copy)
        .and_then(|it| it.pragma_query_value(None, "user_version", |row| row.get(0)))
        .expect("a version");
    let set = |version: i64| {
        let connection = rusqlite::Connection::open(&copy).expect("a database");
        connection.pragma_update(None, "user_version", version).expect("set");
    };
    set(version + 1);
    let newer = refused(restore(&to, &wish(&copy), None));
    assert!(newer.contains("copy.db is of version") && newer.contains("or a newer one"), "{newer}");
    set(0);
    let foreign = refused(restore(&to, &wish(&copy), None));
    assert!(foreign.contains("holds no journal of Punchdown"), "{foreign}");
    set(1);
    let older = verify(&copy, &key_beside(&copy)).expect_err("not of this version").to_string();
    assert!(older.contains("is of version 1"), "{older}");
}

/// A journal as the first version of all made it.
#[tokio::test]
async fn a_copy_of_the_first_version_is_brought_to_this_one() {
    let folder = harness::folder();
    let copy = copied(folder.path()).await;
    let key = looked(&copy).key.expect("a key");
    let first = folder.path().join("first.db");
    let connection = rusqlite::Connection::open(&first).expect("a database");
    let tables = harness::workspace().join("host/src/store/sqlite/0001_journal.sql");
    connection.execute_batch(&fs::read_to_string(tables).expect("the first tables")).expect("made");
    connection.pragma_update(None, "user_version", 1).expect("set");
    connection.execute("INSERT INTO meta VALUES ('key', ?1)", [key]).expect("set");
    connection.execute("INSERT INTO event VALUES ('1-7', 'Account/New', 7, 1, x'')", []).expect("an event");
    drop(connection);
    let to = place(&folder.path().join("new"));
    let restored = done(restore(&to, &Wish { key: Some(key_beside(&copy)), ..wish(&first) }, None));
    assert!(restored.report.is_sound(), "{:?}", restored.report);
    assert_eq!(overview(&open(&to.directory).expect("it opens")).await.events, 1);
}

/// One byte of the value in that column, in the middle of its seal.
fn flip(database: &Path, table: &str, column: &str) {
    let connection = rusqlite::Connection::open(database).expect("a database");
    let select = format!("SELECT {column} FROM {table} WHERE length({column}) > 0");
    let mut value: Vec<u8> = connection.query_row(&select, [], |row| row.get(0)).expect("a value");
    let whole = value.clone();
    *value.last_mut().expect("bytes") ^= 1;
    let update = format!("UPDATE {table} SET {column} = ?1 WHERE {column} = ?2");
    assert_eq!(connection.execute(&update, [value, whole]).expect("flipped"), 1);
}

#[tokio::test]
async fn each_damage_is_found_and_named() {
    let folder = harness::folder();
    let copy = copied(folder.path()).await;
    assert!(looked(&copy).is_sound(), "{:?}", looked(&copy).damage);
    type Damages = &'static [(Kind, &'static str, &'static str)];
    let cases: [(&str, Damages); 8] = [
        ("UPDATE lane SET due = NULL", &[(Kind::Order, "lane hss/189", "nothing will ever move it")]),
        ("UPDATE lane SET owner = 'nobody'", &[(Kind::Order, "lane hss/189", "leased by nobody")]),
        (
            "INSERT INTO operation SELECT seq + 1, id || '-2', lane, event, stage, open, gives_way, compared, compare_at, due,
             received_at, changed_at, laid_down, state, word FROM operation",
            &[
                (Kind::Order, "lane hss/189", "only the oldest may"),
                (Kind::Value, "operation.laid_down:01-1-1-hss-2", "its seal is broken"),
                (Kind::Value, "operation.state:01-1-1-hss-2", "its seal is broken"),
            ],
        ),
        (
            "UPDATE operation SET stage = 'waiting'",
            &[(Kind::Order, "operation 01-1-1-hss", "its row says waiting, and it is ready")],
        ),
        ("UPDATE status SET due = NULL", &[(Kind::Order, "status 189/HSS", "never told")]),
        (
            "UPDATE timeline SET operation = 99",
            &[
                (Kind::Reference, "timeline row 1", "a row of `operation` that is not there"),
                (Kind::Reference, "timeline row 2", "a row of `operation` that is not there"),
            ],
        ),
        ("DELETE FROM meta WHERE name = 'key'", &[(Kind::Key, "meta", "does not say with which key")]),
        (
            "UPDATE meta SET value = 'x' WHERE name = 'key'",
            &[(Kind::Key, "copy.key", "and the journal is sealed with x")],
        ),
    ];
    for (text, expected) in cases {
        let damaged = folder.path().join("damaged").join("copy.db");
        fs::create_dir_all(damaged.parent().expect("a folder")).expect("a folder");
        fs::copy(&copy, &damaged).expect("copied");
        fs::copy(key_beside(&copy), key_beside(&damaged)).expect("copied");
        edit(&damaged, text);
        let found = looked(&damaged);
        assert_eq!(found.damage.len(), expected.len(), "{text}: {:?}", found.damage);
        for (damage, (kind, place, why)) in found.damage.iter().zip(expected) {
            assert_eq!(damage.kind, *kind, "{text}: {damage:?}");
            assert!(damage.place.ends_with(place) && damage.why.contains(why), "{text}: {damage:?}");
        }
    }
}

#[tokio::test]
async fn every_sealed_value_is_opened_in_its_own_place() {
    let folder = harness::folder();
    let copy = copied(folder.path()).await;
    let whole = looked(&copy);
    for (table, column) in [
        ("event", "body"),
        ("lane", "applied"),
        ("operation", "laid_down"),
        ("operation", "state"),
        ("timeline", "note"),
        ("notification", "raw"),
        ("notification", "reply"),
        ("signal", "payload"),
        ("status", "said"),
        ("status_part", "said"),
        ("dead_letter", "body"),
    ] {
        let damaged = folder.path().join("damaged.db");
        fs::copy(&copy, &damaged).expect("copied");
        fs::copy(key_beside(&copy), key_beside(&damaged)).expect("copied");
        flip(&damaged, table, column);
        let found = looked(&damaged);
        assert_eq!(found.opened, whole.opened - 1, "{table}.{column}");
        let [damage] = &found.damage[..] else { panic!("{table}.{column}: {:?}", found.damage) };
        assert_eq!((damage.kind, &damage.why[..]), (Kind::Value, "its seal is broken"));
        let place = format!("{}.{column}:", table.trim_end_matches("_part"));
        assert!(damage.place.starts_with(&place), "{damage:?}");
        // Who has no other one can go on with it.
        let to = place_of(folder.path(), table, column);
        let error = refused(restore(&to, &wish(&damaged), None));
        assert!(error.contains("damaged in 1 places") && error.contains(&place), "{error}");
        assert!(!to.directory.join("journal.db").exists());
        let restored = done(restore(&to, &Wish { accept_damage: true, ..wish(&damaged) }, None));
        assert_eq!(restored.report.damages(), 1);
        drop(open(&to.directory).expect("a host can start"));
    }
}

fn place_of(folder: &Path, table: &str, column: &str) -> Settings {
    place(&folder.join(format!("{table}-{column}")))
}

#[tokio::test]
async fn what_is_no_journal_any_more_is_neither_opened_nor_brought_back() {
    let folder = harness::folder();
    let copy = copied(folder.path()).await;
    let whole = fs::read(&copy).expect("the copy");
    let page = u16::from_be_bytes(whole[16..18].try_into().expect("two bytes"));
    let page = if page == 1 { 65_536 } else { usize::from(page) };
    // The root of a table, whose first bytes say what the page is.
    let mut root = whole.clone();
    root[2 * page..2 * page + 8].fill(0xff);
    for (name, damaged) in [
        ("cut in the middle of a page", whole[..whole.len() / 2 - 100].to_vec()),
        ("cut behind the first page", whole[..page].to_vec()),
        ("another first page", [b"no database at all".repeat(30), whole[540..].to_vec()].concat()),
        ("a root page overwritten", root),
    ] {
        let data = folder.path().join(name.replace(' ', "-"));
        fs::create_dir_all(&data).expect("a folder");
        let file = data.join("journal.db");
        fs::write(&file, &damaged).expect("written");
        fs::copy(key_beside(&copy), data.join("journal.key")).expect("copied");
        let found = verify(&file, &data.join("journal.key")).expect("it can be looked at");
        assert!(!found.is_usable(), "{name}: {found:?}");
        assert!(found.damage.iter().all(|damage| damage.kind == Kind::File), "{name}: {:?}", found.damage);
        let to = place(&data.join("new"));
        let accepting = Wish { accept_damage: true, ..wish(&file) };
        let error = restore(&to, &accepting, None).expect_err("it is not trusted");
        assert_eq!(error.code(), punchdown::explain::Code::JournalDamaged, "{name}: {error}");
        assert!(!to.directory.join("journal.db").exists() && !to.directory.join("journal.db.part").exists());
        let error = backup(&place(&data), &data.join("copy.db"), false).expect_err("it is damaged");
        assert_eq!(error.code(), punchdown::explain::Code::JournalDamaged, "{name}: {error}");
        assert!(!data.join("copy.db").exists() && !data.join("copy.db.part").exists());
    }
}
