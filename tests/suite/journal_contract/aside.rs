//! What cannot be read is set aside; where even that cannot be done, nothing beside it is lost.

use super::*;

/// A journal with SQL beneath it.
struct Beneath {
    backend: Box<dyn Backend>,
    sql: Box<dyn Fn(&str)>,
    /// From then on no lane can be set aside.
    refuses: &'static str,
}

const SQLITE_REFUSES: &str = "CREATE TRIGGER refuses BEFORE UPDATE OF due ON lane
    WHEN new.due IS NULL AND new.owner IS NULL BEGIN SELECT RAISE(ABORT, 'refused'); END";

const POSTGRES_REFUSES: &str = "CREATE FUNCTION refuses() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
    CREATE TRIGGER refuses BEFORE UPDATE OF due ON lane FOR EACH ROW
    WHEN (new.due IS NULL AND new.owner IS NULL) EXECUTE FUNCTION refuses()";

fn all() -> Vec<Beneath> {
    let folder = harness::folder();
    let file = folder.path().join("journal.db");
    let sql = move |text: &str| {
        let beneath = rusqlite::Connection::open(&file).expect("opens");
        beneath.execute_batch(text).expect(text);
    };
    let sqlite = Beneath { backend: Box::new(Sqlite(folder)), sql: Box::new(sql), refuses: SQLITE_REFUSES };
    let postgres = Postgres::new().map(|backend| {
        let database = backend.database.clone();
        let sql = move |text: &str| drop(database.ask(text).expect(text));
        Beneath { backend: Box::new(backend), sql: Box::new(sql), refuses: POSTGRES_REFUSES }
    });
    std::iter::once(sqlite).chain(postgres).collect()
}

#[tokio::test]
async fn a_lane_that_cannot_even_be_set_aside_keeps_none_beside_it_from_moving() {
    for Beneath { backend, sql, refuses } in all() {
        let journal = backend.open().await;
        for number in 1..=3 {
            accept(&*journal, number, number.into()).await;
        }
        // Sealed in another place, so it cannot be opened here.
        sql(
            "UPDATE operation SET state = (SELECT state FROM operation WHERE event = '1-1') WHERE event = '1-2'",
        );
        sql(refuses);
        let leased = lease(&*journal, at(0)).await;
        let mut accounts: Vec<u64> = leased.iter().map(|(_, held)| held.operation.lane.i_account.0).collect();
        accounts.sort_unstable();
        assert_eq!(accounts, [1, 3]);
        for (lease, held) in leased {
            save(&*journal, &lease, waits(held.operation, 600, &[]), at(0)).await;
            journal.release(&lease, at(0)).await.expect("the lease holds");
        }
    }
}
