//! What only grows is tallied: the sums are what one would count, whatever came and went, also in a journal that was made
//! before there were any.

use super::*;

async fn ends(journal: &dyn Journal, number: u32, account: u64) {
    accept(journal, number, account).await;
    step(journal, at(1), |operation| in_stage(operation, Stage::Finished)).await;
}

fn counts(overview: &Overview) -> (u64, Vec<(&str, u64)>) {
    let operations = overview.operations.iter().map(|((_, word), count)| (word.as_str(), *count));
    (overview.events, operations.collect())
}

async fn all_is_counted_as_it_comes_and_goes(backend: &dyn Backend, as_before_it_was_tallied: impl Fn()) {
    let journal = backend.open().await;
    assert_eq!(counts(&overview(&*journal).await), (0, vec![]));
    for number in 1..=3 {
        ends(&*journal, number, 1).await;
    }
    accept(&*journal, 4, 1).await;
    let seen = overview(&*journal).await;
    assert_eq!(counts(&seen), (4, vec![("done", 3), ("received", 1)]));
    assert_eq!((seen.oldest_open.get(&hss()), seen.newest.get(&hss())), (Some(&at(0)), Some(&at(0))));
    drop(journal);

    as_before_it_was_tallied();
    let journal = backend.open().await;
    assert_eq!(counts(&overview(&*journal).await), counts(&seen), "it is counted once");
    step(&*journal, at(1), |operation| in_stage(operation, Stage::Finished)).await;
    accept(&*journal, 5, 2).await;
    assert_eq!(counts(&overview(&*journal).await), (5, vec![("done", 4), ("received", 1)]));
    let old = Purge { finished_before: at(2), bodies_before: at(2), most: 2 };
    while journal.purge(old).await.expect("purges").more {}
    let left = overview(&*journal).await;
    let listed = journal.operations(Sought { most: 100, ..Sought::default() }).await.expect("lists");
    let done = listed.iter().filter(|line| line.state == State::Done).count() as u64;
    assert!(done < 4, "some went");
    assert_eq!(left.operations.get(&(hss(), "done".to_owned())).copied().unwrap_or_default(), done);
    let events = journal.events(None, 100).await.expect("lists");
    assert_eq!(left.events, events.len() as u64);
}

#[tokio::test]
async fn in_a_directory_all_is_counted_as_it_comes_and_goes() {
    let backend = Sqlite(harness::folder());
    let file = backend.0.path().join("journal.db");
    all_is_counted_as_it_comes_and_goes(&backend, || {
        let journal = rusqlite::Connection::open(&file).expect("opens");
        let mut triggers = journal
            .prepare("SELECT 'DROP TRIGGER ' || name FROM sqlite_schema WHERE type = 'trigger'")
            .expect("SQL");
        let drops: rusqlite::Result<Vec<String>> =
            triggers.query_map([], |row| row.get(0)).expect("rows").collect();
        drop(triggers);
        let drops = drops.expect("names").join(";");
        journal.execute_batch(&format!("{drops}; DROP TABLE tally")).expect("dropped");
    })
    .await;
}

#[tokio::test]
async fn in_a_database_all_is_counted_as_it_comes_and_goes() {
    let Some(backend) = Postgres::new() else { return };
    all_is_counted_as_it_comes_and_goes(&backend, || {
        let drops =
            "DROP FUNCTION tally_event, tally_operation CASCADE; DROP FUNCTION tally_of; DROP TABLE tally";
        backend.database.ask(drops).expect("dropped");
    })
    .await;
}
