//! News that nobody claims rest after their time; whom they can still reach, and for how long.

use super::*;

const HOUR: u32 = 3600;
const DAYS_30: u32 = 30 * 24 * HOUR;

/// News of what is named by that key.
async fn hear(journal: &dyn Journal, id: &str, second: u32, names: &str) {
    let correlation = Correlation::Key(names.to_owned());
    let signal = Signal { id: None, correlation, payload: json("1"), otherwise: Otherwise::Keep };
    hear_signal(journal, id, second, signal).await;
}

/// Signals that are unclaimed, and those that are parked.
async fn resting(journal: &dyn Journal) -> (u64, u64) {
    let overview = overview(journal).await;
    (overview.signals_kept, overview.signals_parked)
}

async fn park(journal: &dyn Journal, since: u32, most: usize) -> usize {
    journal.park_unclaimed(at(since), most).await.expect("stored")
}

#[tokio::test]
async fn a_signal_that_nobody_claims_is_parked_the_oldest_first_and_never_deleted() {
    every_backend(async |backend| {
        let journal = backend.open().await;
        for (id, second, names) in [("n-1", 3, "o-3"), ("n-2", 1, "o-1"), ("n-3", 2, "o-2")] {
            hear(&*journal, id, second, names).await;
        }
        assert_eq!(park(&*journal, 0, 9).await, 0, "their time is not up");
        assert_eq!(park(&*journal, 2, 1).await, 1, "no more at once than is asked for");
        assert_eq!(resting(&*journal).await, (2, 1));
        assert_eq!(park(&*journal, 2, 9).await, 1);
        assert_eq!(park(&*journal, 2, 9).await, 0, "once is enough");
        drop(journal);
        let journal = backend.open().await;
        assert_eq!(resting(&*journal).await, (1, 2), "over a stop, too");
        accept(&*journal, 1, 189).await;
        step(&*journal, at(3), |operation| waits(operation, 600, &["o-1", "o-2"])).await;
        assert!(lease(&*journal, at(4)).await.is_empty(), "what is parked ends no wait");
        step(&*journal, at(600), |operation| waits(operation, 900, &["o-3"])).await;
        assert_eq!(lease_one(&*journal, at(601)).await.1.signal, Some(json("1")), "what is not, does");
    })
    .await;
}

#[tokio::test]
async fn a_signal_that_was_claimed_is_not_parked_however_long_its_operation_takes() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        step(journal, at(0), |operation| waits(operation, 600, &["o-1"])).await;
        hear(journal, "n-1", 1, "o-1").await;
        assert_eq!(park(journal, DAYS_30, 9).await, 0);
        assert_eq!(lease_one(journal, at(1)).await.1.signal, Some(json("1")));
    })
    .await;
}

#[tokio::test]
async fn finished_and_overdue_operations_are_found_by_their_keys_for_thirty_days() {
    every_backend(async |backend| {
        let journal = backend.open().await;
        accept(&*journal, 1, 189).await;
        step(&*journal, at(0), |operation| waits(operation, 0, &["o-1"])).await;
        step(&*journal, at(0), |operation| in_stage(operation, Stage::Finished)).await;
        accept(&*journal, 2, 200).await;
        let overdue = Some(said(Status::Failed, "no notification"));
        let wait = |operation| waits(Operation { overdue, ..operation }, 2 * DAYS_30, &["o-2"]);
        step(&*journal, at(0), wait).await;
        park(&*journal, DAYS_30, 9).await;
        drop(journal);
        let journal = backend.open().await;
        hear(&*journal, "n-1", DAYS_30, "o-1").await;
        assert_eq!(resting(&*journal).await, (0, 0), "news of a finished one are recorded with it");
        assert!(lease(&*journal, at(DAYS_30)).await.is_empty());
        hear(&*journal, "n-2", DAYS_30, "o-2").await;
        let (_, held) = lease_one(&*journal, at(DAYS_30)).await;
        assert_eq!(held.operation.lane.i_account, IAccount(200));
        assert_eq!(held.signal, Some(json("1")), "a late success is still taken");
    })
    .await;
}
