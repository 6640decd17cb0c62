//! Who may move what, and when.

use super::*;

#[tokio::test]
async fn only_the_oldest_operation_of_a_lane_is_its_head() {
    every_journal(async |journal| {
        let [first, second, third] =
            [accept(journal, 1, 189).await, accept(journal, 2, 189).await, accept(journal, 3, 189).await];
        for (head, behind) in
            [(&first, Some(second.id.clone())), (&second, Some(third.id.clone())), (&third, None)]
        {
            let (lease, held) = lease_one(journal, at(0)).await;
            let next = |held: &Held| held.behind.as_ref().map(|behind| behind.next.clone());
            assert_eq!((&held.operation, next(&held)), (head, behind.clone()));
            let held = save(journal, &lease, in_stage(held.operation, Stage::Finished), at(0)).await;
            assert_eq!(next(&held), behind, "known after a save, too");
            journal.release(&lease, at(0)).await.expect("the lease holds");
        }
        assert!(lease(journal, at(0)).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn lanes_are_independent() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        let (_, held) = lease_one(journal, at(0)).await;
        assert_eq!(held.operation.lane.i_account, IAccount(189));
        accept(journal, 2, 200).await;
        let (_, held) = lease_one(journal, at(0)).await;
        assert_eq!(held.operation.lane.i_account, IAccount(200));
        let event = event(3, 189);
        journal
            .accept(event.clone(), Work::Operations(vec![operation(&event, oms())]))
            .await
            .expect("stored");
        assert_eq!(lease_in(journal, oms(), at(0)).await.lanes.len(), 1, "another group");
    })
    .await;
}

#[tokio::test]
async fn a_leased_lane_is_not_leased_again_until_it_is_released() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        let (first, _) = lease_one(journal, at(0)).await;
        accept(journal, 2, 189).await;
        assert!(lease(journal, at(59)).await.is_empty(), "not for something newer either");
        journal.release(&first, at(59)).await.expect("the lease holds");
        let (second, _) = lease_one(journal, at(59)).await;
        assert!(second.epoch > first.epoch);
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_ran_out_is_given_to_the_next_and_each_save_prolongs_it() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        let (first, held) = lease_one(journal, at(0)).await;
        save(journal, &first, unchanged(held.operation), at(50)).await;
        assert!(lease(journal, at(100)).await.is_empty(), "prolonged to 110");
        let (second, _) = lease_one(journal, at(110)).await;
        assert!(second.epoch > first.epoch);
    })
    .await;
}

#[tokio::test]
async fn a_save_under_an_old_epoch_is_refused_and_changes_nothing() {
    every_journal(refuses_old_epochs).await;
}

pub async fn refuses_old_epochs(journal: &dyn Journal) {
    let kept = accept(journal, 1, 189).await;
    let (old, held) = lease_one(journal, at(0)).await;
    let (new, _) = lease_one(journal, at(60)).await;
    let late = Change {
        operation: Operation { stage: Stage::Finished, ..held.operation },
        applied: Some(json("{\"asked\":1}")),
        ..says(kept.clone(), "HSS", said(Status::Ok, "done"))
    };
    let lost = journal.save(&old, late.clone(), at(61)).await;
    assert!(matches!(lost, Err(JournalError::LeaseLost)));
    assert!(matches!(journal.release(&old, at(61)).await, Err(JournalError::LeaseLost)));
    assert!(journal.statuses_due(at(99), 9).await.expect("reads").is_empty());
    assert!(lease(journal, at(61)).await.is_empty(), "it is still the new one's");
    let someone_else = Lease { owner: "somebody else".to_owned(), ..new.clone() };
    let lost = journal.save(&someone_else, late.clone(), at(61)).await;
    assert!(matches!(lost, Err(JournalError::LeaseLost)));
    journal.release(&new, at(62)).await.expect("the lease holds");
    let lost = journal.save(&new, late, at(62)).await;
    assert!(matches!(lost, Err(JournalError::LeaseLost)), "given back is given back");
    let (_, held) = lease_one(journal, at(62)).await;
    assert_eq!((held.operation, held.applied), (kept, None));
}

#[tokio::test]
async fn what_is_not_due_is_not_leased_and_the_journal_says_when_it_will_be() {
    every_journal(async |journal| {
        for (number, due) in [(1, 30), (2, 20), (3, 40)] {
            accept(journal, number, number.into()).await;
            step(journal, at(0), |operation| {
                unchanged(Operation { due: at(due), stage: Stage::Received { attempts: 1 }, ..operation })
            })
            .await;
        }
        let leased = lease_in(journal, hss(), at(19)).await;
        assert!(leased.lanes.is_empty());
        assert_eq!(leased.next_due, Some(at(20)));
        assert_eq!(lease_one(journal, at(20)).await.1.operation.id.0, "01-1-2-hss");
        assert_eq!(lease_in(journal, hss(), at(21)).await.next_due, Some(at(30)));
        assert_eq!(lease_in(journal, oms(), at(21)).await.next_due, None, "each group has its own");
    })
    .await;
}

#[tokio::test]
async fn no_more_lanes_are_leased_than_asked_for_and_those_first_that_waited_longest() {
    every_journal(async |journal| {
        for number in 1..=5 {
            let event = Event { received_at: at(10 - number), ..event(number, number.into()) };
            journal
                .accept(event.clone(), Work::Operations(vec![operation(&event, hss())]))
                .await
                .expect("stored");
        }
        let mut leased = Vec::new();
        for most in [2, 0, 2, 2] {
            let claim = Claim { most, ..claim("me", at(20)) };
            let lanes = journal.lease(claim).await.expect("leases").lanes;
            let mut accounts: Vec<_> =
                lanes.iter().map(|(_, held)| held.operation.lane.i_account.0).collect();
            accounts.sort_unstable();
            leased.push(accounts);
        }
        assert_eq!(leased, [vec![4, 5], vec![], vec![2, 3], vec![1]]);
    })
    .await;
}

/// After a long night thousands want to look for news, and one to be switched off.
#[tokio::test]
async fn those_that_only_look_for_news_come_last_unless_it_is_their_turn() {
    every_journal(async |journal| {
        for number in 1..=3 {
            accept(journal, number, number.into()).await;
            step(journal, at(0), |operation| waits(operation, 10 + number, &[])).await;
        }
        accept(journal, 4, 4).await;
        let leased = async |owner: &str, most, looks_first| -> Vec<u64> {
            let claim = Claim { most, looks_first, ..claim(owner, at(20)) };
            let lanes = journal.lease(claim).await.expect("leases").lanes;
            for (lease, _) in &lanes {
                journal.release(lease, at(20)).await.expect("the lease holds");
            }
            let accounts: BTreeSet<u64> =
                lanes.iter().map(|(_, held)| held.operation.lane.i_account.0).collect();
            accounts.into_iter().collect()
        };
        assert_eq!(leased("a", 1, false).await, [4], "though it came last");
        assert_eq!(leased("b", 1, true).await, [1], "the one that waited longest");
        assert_eq!(leased("c", 100, false).await.len(), 4, "when there is room for all");
        hear_signal(journal, "n1", 20, of_account(3)).await;
        assert_eq!(leased("d", 2, false).await, [3, 4], "news are no look");
        let next = journal.lease(Claim { most: 0, ..claim("e", at(5)) }).await.expect("leases").next_due;
        assert_eq!(next, Some(at(0)), "whichever it is that falls due next");
    })
    .await;
}

fn of_account(number: u64) -> Signal {
    let correlation = Correlation::IAccount(IAccount(number));
    Signal { id: None, correlation, payload: json("{}"), otherwise: Otherwise::Keep }
}

#[tokio::test]
async fn what_is_parked_moves_only_when_something_newer_comes_and_nothing_is_in_doubt() {
    every_journal(async |journal| {
        for (account, in_doubt) in [(189, false), (200, true)] {
            let parked = Stage::Parked { trouble: trouble(), in_doubt };
            accept(journal, account, account.into()).await;
            step(journal, at(0), |operation| in_stage(operation, parked)).await;
            let leased = lease_in(journal, hss(), at(9999)).await;
            assert!(leased.lanes.is_empty() && leased.next_due.is_none());
            let newer = accept(journal, account + 1, account.into()).await;
            let heads: Vec<_> = lease(journal, at(9999)).await.into_iter().map(|(_, held)| held).collect();
            match in_doubt {
                true => assert!(heads.is_empty(), "a person has to look first"),
                false => assert_eq!(heads[0].behind.as_ref().map(|behind| &behind.newest), Some(&newer.id)),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_stands_outlives_its_operation_and_goes_when_it_is_null() {
    every_journal(async |journal| {
        let stands = |applied: Option<&str>| {
            let applied = applied.map(json);
            move |operation| Change { applied, ..in_stage(operation, Stage::Finished) }
        };
        // What each operation finds, and what it says of it.
        for (number, found, says) in [
            (1, None, Some("{\"order\": 12345678901234567890, \"b\": 1.0}")),
            (2, Some("{\"order\": 12345678901234567890, \"b\": 1.0}"), None),
            (3, Some("{\"order\": 12345678901234567890, \"b\": 1.0}"), Some("{}")),
            (4, Some("{}"), Some("null")),
            (5, None, None),
        ] {
            accept(journal, number, 189).await;
            let (lease, held) = lease_one(journal, at(0)).await;
            assert_eq!(held.applied, found.map(json), "{number}");
            let held = save(journal, &lease, stands(says)(held.operation), at(0)).await;
            let stands = says.map_or(found, |says| (says != "null").then_some(says));
            assert_eq!(held.applied, stands.map(json), "{number}");
            journal.release(&lease, at(0)).await.expect("the lease holds");
        }
        accept(journal, 6, 200).await;
        step(journal, at(0), stands(Some("{\"of\":200}"))).await;
        accept(journal, 7, 189).await;
        assert_eq!(lease_one(journal, at(0)).await.1.applied, None, "of another account");
    })
    .await;
}

#[tokio::test]
async fn an_operation_can_tell_when_its_lane_was_last_changed_before_it() {
    every_journal(async |journal| {
        let [first, second] = [accept(journal, 1, 189).await, accept(journal, 2, 189).await];
        let another = accept(journal, 3, 200).await;
        let before = async |operation: &Operation| journal.changed_before(&operation.id).await.expect("read");
        assert_eq!(before(&second).await, Some(at(0)), "by its being there");
        for (lease, held) in lease(journal, at(5)).await {
            save(journal, &lease, in_stage(held.operation, Stage::Finished), at(5)).await;
        }
        assert_eq!(before(&second).await, Some(at(5)));
        assert_eq!((before(&first).await, before(&another).await), (None, None), "nothing stands before");
    })
    .await;
}

/// A clock that jumps must not let one process move an operation twice.
#[tokio::test]
async fn a_living_owner_is_never_given_its_own_lane_again() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        let claim = |second| claim("the living one", at(second));
        assert_eq!(journal.lease(claim(0)).await.expect("leases").lanes.len(), 1);
        assert!(journal.lease(claim(9999)).await.expect("leases").lanes.is_empty());
        assert_eq!(lease(journal, at(9999)).await.len(), 1, "somebody else may take it over");
    })
    .await;
}
