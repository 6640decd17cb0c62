//! What is promised of several processes that have one journal, which is a database's alone to promise.

use punchdown::store::Opened;
use punchdown_kit::postgres::Database;

use super::*;

/// Two of them, each with a directory of its own.
pub async fn two() -> Option<([Opened; 2], Database, [tempfile::TempDir; 2])> {
    let database = database::shared()?.database().expect("a database");
    let folders = [harness::folder(), harness::folder()];
    let [one, other] = &folders;
    let opened = [open_in(one, &database).await, open_in(other, &database).await];
    Some((opened, database, folders))
}

async fn open_in(folder: &tempfile::TempDir, database: &Database) -> Opened {
    opened_in(folder, database).await.expect("the journal opens")
}

async fn opened_in(folder: &tempfile::TempDir, database: &Database) -> Result<Opened, store::OpenError> {
    let postgres = store::postgres::Settings { several: true, ..database::settings(database) };
    let settings =
        store::Settings { postgres: Some(postgres), ..store::Settings::in_directory(folder.path()) };
    store::begin(&settings, Arc::new(SystemWorld)).await
}

/// How many have the lock, together or alone.
fn locks(database: &Database) -> String {
    let of_this = "database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let text = format!("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND {of_this}");
    database.ask(&text).expect("known")
}

/// A database that one worked on, and nobody has the lock of.
async fn left() -> Option<(Database, tempfile::TempDir)> {
    let database = database::shared()?.database().expect("a database");
    let folder = harness::folder();
    let opened = open_in(&folder, &database).await;
    opened.instances.leave().await;
    drop(opened);
    harness::until("it is gone", TERM, async || locks(&database) == "0").await;
    Some((database, folder))
}

/// One that works there with all its connections cut, as after a restart of the database.
fn another_was_seen(database: &Database, seen_at: &str) {
    let now = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    database
        .ask(&format!("INSERT INTO instance VALUES ('another one', {now} + {seen_at})"))
        .expect("written");
    let leads = format!(
        "UPDATE lead SET term = term + 1, instance = 'another one', until = {now} + 10000 + {seen_at}"
    );
    database.ask(&leads).expect("written");
}

/// The one that leads first.
fn led(opened: &[Opened; 2]) -> [&dyn Journal; 2] {
    let [one, other] = opened;
    assert!(one.instances.among().leads() && !other.instances.among().leads());
    [&*one.journal, &*other.journal]
}

/// As if that one had stood still for longer than it leads.
fn another_leads(database: &Database) {
    let takes = "UPDATE lead SET term = term + 1, instance = 'another one', until = 9223372036854775807";
    database.ask(takes).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_one_leads_and_both_know_of_each_other() {
    let Some((opened, ..)) = two().await else { return };
    led(&opened);
    harness::until("both are seen", TERM, async || {
        opened.iter().all(|it| it.instances.among().live.get() == 2)
    })
    .await;
}

/// It may have reached PortaBilling after the word of the one that leads now.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_told_that_leads_no_more_is_told_once_more_by_the_one_that_does() {
    let Some((opened, database, _folders)) = two().await else { return };
    let [one, other] = led(&opened);
    accept(one, 1, 189).await;
    step(one, at(0), |operation| says(operation, "HSS", said(Status::InProgress, "ordered"))).await;
    let [old] = &one.statuses_due(at(0), 100).await.expect("reads")[..] else { panic!("one is due") };
    another_leads(&database);
    // The newer word was told by the other one meanwhile.
    step(other, at(0), |operation| says(operation, "HSS", said(Status::Ok, "done"))).await;
    database.ask("UPDATE status SET due = NULL, told = said").expect("written");
    for late in ["taken", "not taken"] {
        match late {
            "taken" => one.status_settled(old, true).await.expect("written"),
            _ => one.status_later(old, at(100)).await.expect("written"),
        }
        let [again] = &other.statuses_due(at(0), 100).await.expect("reads")[..] else { panic!("{late}") };
        assert_eq!((&again.said, &again.told), (&said(Status::Ok, "done"), &None), "{late}");
    }
}

/// The one that leads is telling it when the late one is heard.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_told_when_one_is_heard_that_leads_no_more_is_told_once_more_after_it() {
    let Some((opened, database, _folders)) = two().await else { return };
    let [one, other] = led(&opened);
    accept(one, 1, 189).await;
    step(one, at(0), |operation| says(operation, "HSS", said(Status::Ok, "done"))).await;
    for late in ["taken", "not taken"] {
        let [old] = &one.statuses_due(at(0), 100).await.expect("reads")[..] else { panic!("one is due") };
        another_leads(&database);
        let term = database.ask("SELECT term FROM lead").expect("read").parse().expect("a number");
        let [new] = &other.statuses_due(at(0), 100).await.expect("reads")[..] else { panic!("{late}") };
        let new = StatusUpdate { term, ..new.clone() };
        match late {
            "taken" => one.status_settled(old, true).await.expect("written"),
            _ => one.status_later(old, at(100)).await.expect("written"),
        }
        other.status_settled(&new, true).await.expect("written");
        let due = other.statuses_due(at(0), 100).await.expect("reads");
        assert_eq!(due.iter().map(|it| &it.told).collect::<Vec<_>>(), [&None], "{late}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_finds_no_lock_does_not_lead_at_once_nor_forget_words_if_another_one_may_be_there() {
    let Some((database, folder)) = left().await else { return };
    let word = "INSERT INTO status_part (i_account, service, grp, word, said, at) VALUES (1, 'S', 'OMS', 'OK', '', 0)";
    database.ask(word).expect("written");
    for (seen_at, leads, live, forgotten) in
        [(Some("0"), false, 2, 0), (Some("(-3600000)"), true, 1, 0), (None, true, 1, 1)]
    {
        database.ask("DELETE FROM instance").expect("written");
        if let Some(seen_at) = seen_at {
            another_was_seen(&database, seen_at);
        }
        let opened = open_in(&folder, &database).await;
        let among = opened.instances.among();
        assert_eq!((among.leads(), among.live.get()), (leads, live), "{seen_at:?}");
        assert_eq!(opened.journal.hear_only(&[hss()]).await.expect("written"), forgotten, "{seen_at:?}");
        opened.instances.leave().await;
        drop(opened);
        harness::until("it is gone", TERM, async || locks(&database) == "0").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_not_changed_under_one_that_has_lost_its_connections_and_may_take_the_lock_again() {
    let Some((database, folder)) = left().await else { return };
    another_was_seen(&database, "0");
    database.ask("UPDATE meta SET value = '10' WHERE name = 'version'").expect("written");
    let begins = opened_in(&folder, &database);
    let says_that_it_is_there = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(locks(&database), "0", "nobody keeps the lock from it");
        database.ask("UPDATE instance SET seen_at = seen_at + 3600000").expect("written");
    };
    let (opened, ()) = tokio::join!(begins, says_that_it_is_there);
    let Err(refused) = opened else { panic!("another one works on it") };
    assert!(refused.to_string().contains("stop them all"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_has_its_lock_again_ends_if_the_tables_were_changed_meanwhile() {
    let Some((opened, database, _folders)) = two().await else { return };
    database.cut().expect("cut");
    database.ask("SELECT count(*) FROM instance").expect("it is there");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!opened.iter().any(|it| it.failed.is_cancelled()), "nothing was changed");
    database.ask("UPDATE meta SET value = '99' WHERE name = 'version'").expect("written");
    database.cut().expect("cut");
    harness::until("both end", TERM, async || opened.iter().all(|it| it.failed.is_cancelled())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_registration_the_word_of_the_one_that_leads_counts_and_of_persons_the_later_one() {
    let Some((opened, database, _folders)) = two().await else { return };
    let [one, other] = led(&opened);
    let with = || Digest::of(b"with");
    let granted = |token: &str| {
        let standing = Standing { value: json("{}"), life: None };
        Registration::default().begun(Token(token.to_owned()), with()).granted(standing, at(0))
    };
    let term = opened[0].instances.among().term;
    let leader = database.ask("SELECT instance FROM lead").expect("read");
    one.keep_registration(&hss(), &granted("a"), term).await.expect("kept");
    // A person says so to the other one, which knows nothing of it yet.
    other.keep_registration(&hss(), &Registration::default().turned(true), 0).await.expect("kept");
    let kept = || async { one.registrations().await.expect("reads").remove(&hss()).expect("one") };
    let ended = kept().await;
    assert!(ended.off && ended.takes("a", at(0)));
    another_leads(&database);
    let late = async || one.keep_registration(&hss(), &granted("b"), term).await.expect("it is heard");
    assert_eq!((late().await, kept().await), (ended.clone(), ended.clone()), "it counts no more");
    let leads_again = format!("UPDATE lead SET term = term + 1, instance = '{leader}', until = 0");
    database.ask(&leads_again).expect("written");
    harness::until("it knows", TERM, async || opened[0].instances.among().term == term + 2).await;
    assert_eq!(late().await, ended, "what it has read in another term does not count either");
    one.keep_registration(&hss(), &granted("c"), term + 2).await.expect("kept");
    assert!(kept().await.takes("c", at(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_said_of_a_group_outlives_what_another_one_keeps_of_its_breaker() {
    let Some((opened, ..)) = two().await else { return };
    let [one, other] = led(&opened);
    let mut rests = Breaker::default();
    assert!(rests.rest(true, at(0)));
    one.keep_breaker(&hss(), &rests).await.expect("kept");
    other.keep_breaker(&hss(), &Breaker::default()).await.expect("kept");
    assert!(one.breakers().await.expect("reads")[&hss()].rests());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_next_process_of_one_finds_is_its_own_alone() {
    let Some((opened, database, folders)) = two().await else { return };
    let [one, other] = led(&opened);
    for number in 1..=2 {
        accept(one, number, number.into()).await;
    }
    let claim_one = |owner| Claim { most: 1, ..claim(owner, SystemWorld.now()) };
    let [(mine, _)] = &one.lease(claim_one("mine")).await.expect("leases").lanes[..] else { panic!("one") };
    let [(theirs, held)] = &other.lease(claim_one("theirs")).await.expect("leases").lanes[..] else {
        panic!("one")
    };
    assert_ne!(mine.lane, theirs.lane);
    // It dies, and another process begins in its directory.
    let [dies, lives] = opened;
    drop(dies);
    harness::until("it is gone", TERM, async || locks(&database) == "1").await;
    // In a copy of its directory nobody knows that.
    let copy = harness::folder();
    let names = |folder: &tempfile::TempDir| folder.path().join("journal.owners");
    std::fs::copy(names(&folders[0]), names(&copy)).expect("copied");
    let another = open_in(&copy, &database).await;
    assert!(!another.instances.among().leads());
    let leased = another.journal.lease(claim("another", SystemWorld.now())).await.expect("leases");
    assert!(leased.lanes.is_empty(), "{:?}", leased.lanes);
    drop(another);
    let next = open_in(&folders[0], &database).await;
    assert!(next.instances.among().leads(), "what it led it leads at once");
    let again = next.journal.lease(claim("next", SystemWorld.now())).await.expect("leases");
    assert_eq!(again.lanes.iter().map(|(lease, _)| lease.lane).collect::<Vec<_>>(), [mine.lane]);
    let now = SystemWorld.now();
    lives.journal.save(theirs, unchanged(held.operation.clone()), now).await.expect("its lease holds");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_log_in_is_known_to_all_by_user_and_credential_until_its_pause_is_over() {
    let Some((opened, database, _folders)) = two().await else { return };
    let [one, other] = &opened;
    let refused = |pause| LogInRefused { locked_out: true, why: "locked".to_owned(), pause };
    let hour = Duration::from_secs(3600);
    one.instances.refuse_log_in("user and token", &refused(hour)).await.expect("written");
    one.instances.refuse_log_in("user and token", &refused(Duration::ZERO)).await.expect("written");
    let known = other.instances.log_in_refused("user and token").await.expect("reads").expect("refused");
    assert!(known.locked_out && known.pause > hour / 2, "{known:?}");
    assert_eq!(other.instances.log_in_refused("user and another token").await.expect("reads"), None);
    assert_eq!(
        database.ask("SELECT count(*) FROM log_in_refused WHERE who LIKE '%user%'").expect("read"),
        "0"
    );
    database.ask("UPDATE log_in_refused SET until = 1").expect("written");
    assert_eq!(other.instances.log_in_refused("user and token").await.expect("reads"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_leaves_leads_no_more_and_counts_no_more() {
    let Some((opened, database, _folders)) = two().await else { return };
    led(&opened);
    opened[0].instances.leave().await;
    assert!(!opened[0].instances.among().leads());
    harness::until("the other one leads", TERM, async || opened[1].instances.among().leads()).await;
    assert_eq!(database.ask("SELECT count(*) FROM instance").expect("read"), "1");
}

#[tokio::test]
async fn a_hint_comes_to_the_others_and_again_once_its_connection_was_cut() {
    let Some((opened, database, _folders)) = two().await else { return };
    let [one, other] = opened.each_ref().map(|it| &it.instances);
    for hint in [Hint::Statuses, Hint::Lanes(hss())] {
        harness::until("it is heard", TERM, async || {
            // What is told while nobody listens is lost.
            one.hint(hint.clone());
            let heard = tokio::time::timeout(Duration::from_millis(100), other.hinted()).await;
            heard.is_ok_and(|heard| heard.contains(&hint))
        })
        .await;
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE application_name = 'punchdown hints' AND datname = current_database()";
        database.ask(cut).expect("cut");
    }
    let own = tokio::time::timeout(Duration::from_millis(300), one.hinted()).await;
    assert!(own.is_err(), "its own come back to nobody: {own:?}");
}
