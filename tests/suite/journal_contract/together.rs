//! What comes at the same moment comes one after the other. On a journal with one writer that is little to promise; where
//! transactions run side by side each of these was a way to miss the other one.

use super::*;

/// As often as it takes to meet in the middle now and then.
const TIMES: u32 = 30;

fn about(correlation: Correlation) -> Signal {
    Signal { id: None, correlation, payload: json("{\"state\":\"done\"}"), otherwise: Otherwise::Keep }
}

async fn end_the_one_that_is_due(journal: &dyn Journal, second: u32) -> Option<Json> {
    let (lease, held) = lease_one(journal, at(second)).await;
    let signal = held.signal;
    save(journal, &lease, in_stage(held.operation, Stage::Finished), at(second)).await;
    journal.release(&lease, at(second)).await.expect("the lease holds");
    signal
}

#[tokio::test]
async fn a_signal_that_comes_while_its_key_is_named_reaches_whom_it_speaks_of() {
    every_journal(async |journal| {
        for number in 1..=TIMES {
            accept(journal, number, number.into()).await;
            let (lease, held) = lease_one(journal, at(0)).await;
            let (key, id) = (format!("order-{number}"), format!("n-{number}"));
            let change = waits(held.operation, 600, &[&key]);
            let signal = about(Correlation::Key(key));
            tokio::join!(save(journal, &lease, change, at(0)), hear_signal(journal, &id, 0, signal));
            journal.release(&lease, at(0)).await.expect("the lease holds");
            assert!(end_the_one_that_is_due(journal, 1).await.is_some(), "{number}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_signal_that_comes_with_the_event_of_its_account_reaches_its_operation() {
    every_journal(async |journal| {
        for number in 1..=TIMES {
            let signal = about(Correlation::IAccount(IAccount(number.into())));
            let id = format!("n-{number}");
            tokio::join!(accept(journal, number, number.into()), hear_signal(journal, &id, 0, signal));
            assert!(end_the_one_that_is_due(journal, 0).await.is_some(), "{number}");
        }
    })
    .await;
}

#[tokio::test]
async fn of_two_groups_that_speak_of_one_service_at_the_same_moment_the_worse_word_is_told() {
    every_journal(async |journal| {
        for number in 1..=TIMES {
            let event = event(number, number.into());
            let operations = vec![operation(&event, hss()), operation(&event, oms())];
            journal.accept(event, Work::Operations(operations)).await.expect("stored");
            let (good, held) = lease_one(journal, at(0)).await;
            let good_word = says(held.operation, "HSS", said(Status::Ok, "done"));
            let (bad, held) = lease_in(journal, oms(), at(0)).await.lanes.remove(0);
            let bad_word = says(held.operation, "HSS", said(Status::Failed, "refused"));
            tokio::join!(save(journal, &good, good_word, at(0)), save(journal, &bad, bad_word, at(0)));
            let due = journal.statuses_due(at(0), 100).await.expect("reads");
            let [told] = due.as_slice() else { panic!("{} are to be told", due.len()) };
            assert_eq!(told.said.status, Status::Failed, "{number}");
            journal.status_settled(told, true).await.expect("stored");
        }
    })
    .await;
}

#[tokio::test]
async fn many_events_that_come_at_the_same_moment_are_each_taken_once() {
    every_journal(async |journal| {
        // Of five accounts, and each delivered twice.
        let come = (1..=100_u32).chain(1..=100).map(async |number| {
            let event = event(number, u64::from(number % 5) + 1);
            let operations = vec![operation(&event, hss()), operation(&event, oms())];
            journal.accept(event, Work::Operations(operations)).await.expect("stored")
        });
        let taken = futures_util::future::join_all(come).await;
        let count = |what| taken.iter().filter(|taken| **taken == what).count();
        assert_eq!((count(Acceptance::New), count(Acceptance::Repeated)), (100, 100));
        for group in [hss(), oms()] {
            assert_eq!(lease_in(journal, group, at(0)).await.lanes.len(), 5);
        }
        let stored = journal.overview().await.expect("reads");
        assert_eq!(stored.events, 100);
    })
    .await;
}

#[tokio::test]
async fn many_who_lease_at_the_same_moment_get_each_lane_once() {
    every_journal(async |journal| {
        for number in 1..=60 {
            accept(journal, number, number.into()).await;
        }
        let some = |owner: &'static str| async move {
            let claim = Claim { most: 20, ..claim(owner, at(0)) };
            let leased = journal.lease(claim).await.expect("leases").lanes;
            leased.into_iter().map(|(lease, _)| lease.lane).collect::<Vec<_>>()
        };
        let (one, two, three, four) = tokio::join!(some("one"), some("two"), some("three"), some("four"));
        let mut lanes = [one, two, three, four].concat();
        // What another one was just claiming was left to him.
        lanes.extend(lease(journal, at(0)).await.into_iter().map(|(lease, _)| lease.lane));
        let leased = lanes.len();
        lanes.sort_unstable();
        lanes.dedup();
        assert_eq!((leased, lanes.len()), (60, 60));
    })
    .await;
}
