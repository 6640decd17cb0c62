//! What the system changed of itself begins an operation, unless it is an echo of our own.

use super::*;

const QUIET_SECONDS: u32 = 60;

/// News of account 189, for which an operation is to begin if none waits.
async fn hear(journal: &dyn Journal, id: &str, second: u32, correlation: Correlation) {
    let signal = Signal { id: None, correlation, payload: json("7"), otherwise: Otherwise::Begin };
    hear_signal(journal, id, second, signal).await;
}

async fn of_account(journal: &dyn Journal, id: &str, second: u32) {
    hear(journal, id, second, Correlation::IAccount(IAccount(189))).await;
}

async fn to_begin(journal: &dyn Journal) -> Vec<SystemChange> {
    journal.changes_to_begin(&hss(), 9).await.expect("read")
}

#[tokio::test]
async fn one_of_an_account_that_was_never_touched_begins_once() {
    every_backend(async |backend| {
        let journal = backend.open().await;
        of_account(&*journal, "n-1", 0).await;
        of_account(&*journal, "n-2", 0).await;
        drop(journal);
        let journal = backend.open().await;
        let changes = to_begin(&*journal).await;
        assert_eq!(changes.len(), 1, "the second comes while the first has yet to begin");
        assert_eq!(
            (changes[0].i_account, &changes[0].payload, changes[0].at),
            (IAccount(189), &json("7"), at(0))
        );
        assert!(journal.changes_to_begin(&oms(), 9).await.expect("read").is_empty(), "another group's");
        journal.change_begun(changes[0].signal).await.expect("stored");
        assert!(to_begin(&*journal).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn while_an_operation_is_open_it_ends_that_ones_wait() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        step(journal, at(0), |operation| waits(operation, 600, &[])).await;
        of_account(journal, "n-1", 300).await;
        assert!(to_begin(journal).await.is_empty());
        assert_eq!(lease_one(journal, at(300)).await.1.signal, Some(json("7")));
    })
    .await;
}

#[tokio::test]
async fn an_echo_of_our_own_begins_nothing() {
    every_journal(async |journal| {
        let id = accept(journal, 1, 189).await.id;
        step(journal, at(10), |operation| in_stage(operation, Stage::Finished)).await;
        for (name, second) in [("n-1", 10), ("n-2", 9 + QUIET_SECONDS)] {
            of_account(journal, name, second).await;
            assert!(to_begin(journal).await.is_empty(), "{second} s: it may be an echo");
        }
        // By the id of an operation that has ended, as good as by its account.
        hear(journal, "n-3", 11 + QUIET_SECONDS, Correlation::Key(id.0)).await;
        assert_eq!(to_begin(journal).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_speaks_of_nobody_that_is_known_is_kept() {
    every_journal(async |journal| {
        hear(journal, "n-1", 0, Correlation::Key("order-1".to_owned())).await;
        assert!(to_begin(journal).await.is_empty());
        assert_eq!(overview(journal).await.signals_kept, 1);
    })
    .await;
}
