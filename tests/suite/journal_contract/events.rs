//! What was accepted is there, once.

use super::*;

#[tokio::test]
async fn an_accepted_event_is_known_and_its_operations_are_leased_once() {
    every_journal(async |journal| {
        let event = event(1, 189);
        let operations = vec![operation(&event, hss()), operation(&event, oms())];
        let first =
            journal.accept(event.clone(), Work::Operations(operations.clone())).await.expect("stored");
        let second =
            journal.accept(event.clone(), Work::Operations(operations.clone())).await.expect("stored");
        assert_eq!((first, second), (Acceptance::New, Acceptance::Repeated));
        for operation in operations {
            let group = operation.lane.group.clone();
            let leased = lease_in(journal, group.clone(), at(0)).await.lanes;
            let heads: Vec<_> = leased.into_iter().map(|(_, held)| held.operation).collect();
            assert_eq!(heads, [operation]);
            assert!(lease_in(journal, group, at(0)).await.lanes.is_empty(), "once");
        }
        let counts = overview(journal).await;
        assert_eq!((counts.events, counts.last_event), (1, Some((event.identity, at(0)))));
    })
    .await;
}

#[tokio::test]
async fn a_repeated_identity_changes_nothing() {
    every_journal(async |journal| {
        let kept = accept(journal, 1, 189).await;
        let again = Event { received_at: at(9), ..event(1, 189) };
        let operations = vec![operation(&again, oms()), operation(&again, Group("iptv".to_owned()))];
        let accepted = journal.accept(again, Work::Operations(operations)).await.expect("stored");
        assert_eq!(accepted, Acceptance::Repeated);
        let (_, held) = lease_one(journal, at(9)).await;
        assert_eq!(held.operation, kept);
        assert!(held.behind.is_none());
        assert!(lease_in(journal, oms(), at(9)).await.lanes.is_empty());
        assert_eq!(overview(journal).await.operations.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_event_that_nobody_wants_is_known_all_the_same() {
    every_journal(async |journal| {
        let event = Event { i_account: None, ..event(1, 189) };
        for accepted in [Acceptance::New, Acceptance::Repeated] {
            assert_eq!(
                journal.accept(event.clone(), Work::Operations(Vec::new())).await.expect("stored"),
                accepted
            );
        }
        assert_eq!(overview(journal).await.events, 1);
    })
    .await;
}

#[tokio::test]
async fn what_was_accepted_outlives_a_stop() {
    every_backend(async |backend| {
        let kept = accept(&*backend.open().await, 1, 189).await;
        let journal = backend.open().await;
        let accepted = journal.accept(event(1, 189), Work::Operations(Vec::new())).await.expect("stored");
        assert_eq!(accepted, Acceptance::Repeated);
        assert_eq!(lease_one(&*journal, at(0)).await.1.operation, kept);
    })
    .await;
}

#[tokio::test]
async fn dead_letters_are_counted() {
    every_journal(async |journal| {
        for id in ["1", "2", "1"] {
            let why = "the body is not JSON".to_owned();
            let letter = DeadLetter { id: id.to_owned(), at: at(0), why, body: b"<event/>".to_vec() };
            journal.keep_dead_letter(letter).await.expect("stored");
        }
        let counts = overview(journal).await;
        assert_eq!((counts.dead_letters, counts.events), (2, 0), "one that is known changes nothing");
    })
    .await;
}

/// As after PortaBilling was restored from a copy: the number is old, the event is not.
#[tokio::test]
async fn a_number_that_comes_again_for_another_event_is_a_new_event() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        let other = Event { name: "Account/Blocked".to_owned(), ..event(1, 189) };
        let another_account = event(1, 190);
        for unlike in [other, another_account] {
            let id = OperationId(format!("02-{}-{}", unlike.name, unlike.i_account.expect("one")));
            let operation = Operation { id, ..operation(&unlike, hss()) };
            let taken = journal
                .accept(unlike.clone(), Work::Operations(vec![operation.clone()]))
                .await
                .expect("stored");
            assert_eq!(taken, Acceptance::New);
            let again = journal.accept(unlike, Work::Operations(vec![operation])).await.expect("stored");
            assert_eq!(again, Acceptance::Repeated, "its own repetition is known");
        }
        assert_eq!(overview(journal).await.events, 3);
    })
    .await;
}
