//! The outbox: the latest value of each account and service, until it is told.

use super::*;

async fn due(journal: &dyn Journal, now: Timestamp) -> Vec<StatusUpdate> {
    journal.statuses_due(now, 100).await.expect("reads")
}

async fn due_one(journal: &dyn Journal, now: Timestamp) -> StatusUpdate {
    let mut updates = due(journal, now).await;
    assert_eq!(updates.len(), 1, "one status is due");
    updates.remove(0)
}

/// The account's operation says that at second 0; it stays where it is.
async fn say(journal: &dyn Journal, word: Said) {
    step(journal, at(0), |operation| says(operation, "HSS", word)).await;
}

#[tokio::test]
async fn the_latest_status_takes_the_place_of_what_was_not_told_yet() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        say(journal, said(Status::InProgress, "ordered")).await;
        let first = due_one(journal, at(0)).await;
        assert_eq!((first.i_account, &first.service), (IAccount(189), &service("HSS")));
        assert_eq!((first.said, first.told, first.attempts), (said(Status::InProgress, "ordered"), None, 0));
        say(journal, said(Status::Ok, "done")).await;
        let second = due_one(journal, at(0)).await;
        assert_eq!((second.said.clone(), second.told.clone()), (said(Status::Ok, "done"), None));
        assert!(second.version > first.version);
        assert_eq!(overview(journal).await.statuses_waiting, 1);
        journal.status_settled(&second, true).await.expect("written");
        assert!(due(journal, at(9999)).await.is_empty());
        assert_eq!(overview(journal).await.statuses_waiting, 0);
        say(journal, said(Status::Failed, "gone")).await;
        let third = due_one(journal, at(0)).await;
        assert_eq!(third.told, Some(said(Status::Ok, "done")), "what PortaBilling was last told");
    })
    .await;
}

#[tokio::test]
async fn a_status_that_will_never_be_taken_is_given_up_and_was_not_told() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        for (word, taken, told) in [
            (said(Status::InProgress, "ordered"), true, None),
            (said(Status::Failed, "no"), false, Some(said(Status::InProgress, "ordered"))),
            (said(Status::Ok, "done"), true, Some(said(Status::InProgress, "ordered"))),
        ] {
            say(journal, word).await;
            let update = due_one(journal, at(0)).await;
            assert_eq!(update.told, told);
            journal.status_settled(&update, taken).await.expect("written");
            assert!(due(journal, at(9999)).await.is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn settling_or_putting_off_an_old_version_does_nothing() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        say(journal, said(Status::InProgress, "ordered")).await;
        let old = due_one(journal, at(0)).await;
        say(journal, said(Status::Ok, "done")).await;
        journal.status_settled(&old, true).await.expect("written");
        journal.status_later(&old, at(100)).await.expect("written");
        let new = due_one(journal, at(0)).await;
        assert_eq!((new.said, new.told, new.attempts), (said(Status::Ok, "done"), None, 0));
    })
    .await;
}

#[tokio::test]
async fn a_status_that_was_not_taken_has_a_later_date_and_counts_its_attempts() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        say(journal, said(Status::Ok, "done")).await;
        for (attempts, date) in [(0, 0), (1, 10), (2, 20)] {
            if date > 0 {
                assert!(due(journal, at(date - 1)).await.is_empty(), "not before {date}");
            }
            let update = due_one(journal, at(date)).await;
            assert_eq!(update.attempts, attempts);
            journal.status_later(&update, at(date + 10)).await.expect("written");
        }
        say(journal, said(Status::Failed, "gone")).await;
        assert_eq!(due_one(journal, at(0)).await.attempts, 0, "news do not wait for what was before");
    })
    .await;
}

#[tokio::test]
async fn each_account_and_service_has_a_status_of_its_own() {
    every_journal(async |journal| {
        let (ok, failed) = (said(Status::Ok, "done"), said(Status::Failed, "no"));
        for account in [189, 200] {
            accept(journal, account, account.into()).await;
            step(journal, at(account), |operation| {
                let statuses =
                    BTreeMap::from([(service("HSS"), ok.clone()), (service("PCRF"), failed.clone())]);
                Change { statuses, ..in_stage(operation, Stage::Finished) }
            })
            .await;
        }
        assert_eq!(due(journal, at(199)).await.len(), 2);
        assert_eq!(due(journal, at(200)).await.len(), 4);
        let oldest = journal.statuses_due(at(200), 2).await.expect("reads");
        assert!(oldest.iter().all(|update| update.i_account == IAccount(189)), "the oldest first");
        for update in oldest {
            journal.status_settled(&update, true).await.expect("written");
        }
        assert!(due(journal, at(200)).await.iter().all(|update| update.i_account == IAccount(200)));
    })
    .await;
}

#[tokio::test]
async fn a_status_that_was_not_told_outlives_a_stop() {
    every_backend(async |backend| {
        let journal = backend.open().await;
        accept(&*journal, 1, 189).await;
        say(&*journal, said(Status::InProgress, "ordered")).await;
        journal.status_settled(&due_one(&*journal, at(0)).await, true).await.expect("written");
        say(&*journal, said(Status::Ok, "done")).await;
        drop(journal);
        let journal = backend.open().await;
        let update = due_one(&*journal, at(0)).await;
        assert_eq!(update.said, said(Status::Ok, "done"));
        assert_eq!(update.told, Some(said(Status::InProgress, "ordered")));
    })
    .await;
}

/// Several targets may stand behind one service: it is well when all of them are.
#[tokio::test]
async fn of_several_groups_the_worst_word_is_told_until_it_is_better() {
    every_journal(async |journal| {
        let event = event(1, 189);
        let operations = [hss(), oms()].map(|group| operation(&event, group));
        journal.accept(event, Work::Operations(operations.into())).await.expect("stored");
        let say = async |group: Group, status| {
            let (lease, held) = lease_in(journal, group, at(0)).await.lanes.remove(0);
            save(journal, &lease, says(held.operation, "HSS", said(status, "so it is")), at(0)).await;
            journal.release(&lease, at(0)).await.expect("the lease holds");
            due_one(journal, at(0)).await.said.status
        };
        for (group, status, told) in [
            (hss(), Status::Ok, Status::Ok),
            (oms(), Status::InProgress, Status::InProgress),
            (hss(), Status::Ok, Status::InProgress),
            (oms(), Status::Retry, Status::Retry),
            (hss(), Status::Failed, Status::Failed),
            (oms(), Status::Ok, Status::Failed),
            (hss(), Status::Ok, Status::Ok),
            (oms(), Status::Failed, Status::Failed),
        ] {
            assert_eq!(say(group.clone(), status).await, told, "{group} says {status:?}");
        }
        assert_eq!(journal.hear_only(&[hss(), oms()]).await.expect("written"), 0);
        assert_eq!(journal.hear_only(&[hss()]).await.expect("written"), 1, "a group that is no more");
        assert_eq!(say(hss(), Status::Ok).await, Status::Ok);
    })
    .await;
}

/// The post of the word in the middle may have arrived, though nobody wrote down that it did.
#[tokio::test]
async fn what_was_told_is_not_known_while_a_word_is_on_its_way() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        say(journal, said(Status::Ok, "done")).await;
        journal.status_settled(&due_one(journal, at(0)).await, true).await.expect("written");
        say(journal, said(Status::InProgress, "changed")).await;
        let on_its_way = due_one(journal, at(0)).await;
        say(journal, said(Status::Ok, "done")).await;
        journal.status_settled(&on_its_way, true).await.expect("written");
        let last = due_one(journal, at(0)).await;
        assert_eq!(last.said, said(Status::Ok, "done"), "it is told, though it was told before");
        assert_eq!(last.told, None);
    })
    .await;
}
