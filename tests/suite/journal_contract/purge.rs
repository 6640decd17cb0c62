//! What ended long ago goes, a few rows at a time; what stands, what is open and what somebody waits for stays.

use super::*;

const HOUR: u32 = 3600;
const DAY: u32 = 24 * HOUR;

async fn purge_some(journal: &dyn Journal, finished: u32, bodies: u32, most: usize) -> Purged {
    let old = Purge { finished_before: at(finished), bodies_before: at(bodies), most };
    journal.purge(old).await.expect("purges")
}

/// All that ended by that second, and bodies as old.
async fn purge(journal: &dyn Journal, second: u32) -> Purged {
    let purged = purge_some(journal, second, second, 10_000).await;
    assert!(!purged.more);
    purged
}

/// All that ended by that second, in batches of at most so many rows; and how many it took.
async fn purge_in_batches(journal: &dyn Journal, second: u32, most: usize) -> (Purged, usize) {
    let mut went = Purged::default();
    for batches in 1..100 {
        let batch = purge_some(journal, second, second, most).await;
        for (what, rows) in batch.counts {
            assert!(rows <= most, "{what:?}");
            went.add(what, rows);
        }
        if !batch.more {
            return (went, batches);
        }
    }
    panic!("it does not come to an end");
}

fn counts(purged: &Purged) -> Vec<(&'static str, usize)> {
    purged.counts.iter().map(|(what, rows)| (what.word(), *rows)).collect()
}

/// An operation that ended at that second, after it had named a key.
async fn ended(journal: &dyn Journal, number: u32, account: u64, second: u32, key: &str) -> Operation {
    let operation = accept(journal, number, account).await;
    step(journal, at(0), |operation| waits(operation, 0, &[key])).await;
    step(journal, at(second), |operation| in_stage(operation, Stage::Finished)).await;
    operation
}

async fn shown(journal: &dyn Journal, operation: &Operation) -> bool {
    journal.operation(&operation.id).await.expect("looks").is_some()
}

async fn listed(journal: &dyn Journal) -> usize {
    journal.operations(Sought { most: 100, ..Sought::default() }).await.expect("lists").len()
}

fn news(key: &str) -> Signal {
    let correlation = Correlation::Key(key.to_owned());
    Signal { id: None, correlation, payload: json("1"), otherwise: Otherwise::Keep }
}

fn raw(second: u32) -> Notification {
    Notification { received_at: at(second), ..notice(Body::Text("<news/>".to_owned())) }
}

#[tokio::test]
async fn what_ended_goes_with_all_that_hangs_on_it_once_it_is_old_enough() {
    every_backend(async |backend| {
        let journal = backend.open().await;
        let old = ended(&*journal, 1, 189, DAY, "o-1").await;
        let young = ended(&*journal, 2, 200, DAY + 1, "o-2").await;
        hear_signal(&*journal, "n-1", DAY, news("o-1")).await;
        assert_eq!(counts(&purge(&*journal, DAY - 1).await), [], "their time is not up");
        let purged = purge(&*journal, DAY).await;
        assert_eq!(counts(&purged), [("operations", 1), ("events", 1), ("notifications", 1), ("bodies", 1)]);
        assert_eq!(counts(&purge(&*journal, DAY).await), [], "once is enough");
        drop(journal);
        let journal = backend.open().await;
        assert!(!shown(&*journal, &old).await);
        assert!(shown(&*journal, &young).await);
        let overview = overview(&*journal).await;
        assert_eq!((overview.events, listed(&*journal).await), (1, 1));
        hear_signal(&*journal, "n-2", 2 * DAY, news("o-1")).await;
        assert_eq!(self::overview(&*journal).await.signals_kept, 1, "nobody has that key any more");
    })
    .await;
}

#[tokio::test]
async fn whose_event_comes_again_after_that_time_begins_anew_in_a_lane_that_went() {
    every_journal(async |journal| {
        ended(journal, 1, 189, 0, "o-1").await;
        purge(journal, DAY).await;
        accept(journal, 1, 189).await;
        step(journal, at(DAY), |operation| in_stage(operation, Stage::Finished)).await;
        assert_eq!(listed(journal).await, 1);
    })
    .await;
}

#[tokio::test]
async fn until_then_a_repeated_event_is_recognised() {
    every_journal(async |journal| {
        ended(journal, 1, 189, DAY, "o-1").await;
        purge(journal, DAY - 1).await;
        let repeated = event(1, 189);
        let work = Work::Operations(vec![operation(&repeated, hss())]);
        assert_eq!(journal.accept(repeated, work).await.expect("stored"), Acceptance::Repeated);
    })
    .await;
}

#[tokio::test]
async fn what_is_open_is_never_purged_however_old_it_is() {
    every_journal(async |journal| {
        let waiting = accept(journal, 1, 189).await;
        step(journal, at(0), |operation| waits(operation, 60 * DAY, &["o-1"])).await;
        let parked = accept(journal, 2, 200).await;
        let stuck = Stage::Parked { trouble: trouble(), in_doubt: false };
        step(journal, at(0), |operation| in_stage(operation, stuck)).await;
        let received = accept(journal, 3, 201).await;
        hear_signal(journal, "n-1", 0, news("o-1")).await;
        hear_signal(journal, "n-2", 0, news("parked")).await;
        journal.park_unclaimed(at(0), 10).await.expect("parks");
        hear_signal(journal, "n-3", 0, news("nobody's")).await;
        keep(journal, &hss(), "n-4", raw(0)).await;
        let person = Person { who: "ann".to_owned(), why: "it is well".to_owned() };
        let entry = Audit { at: at(0), person, what: "skip".to_owned(), about: waiting.id.0.clone() };
        journal.audit(entry).await.expect("stored");
        let before = overview(journal).await;
        assert_eq!(counts(&purge(journal, 50 * DAY).await), [("bodies", 3)], "of what was read");
        for operation in [waiting, parked, received] {
            assert!(shown(journal, &operation).await, "{}", operation.id);
        }
        let after = overview(journal).await;
        assert_eq!(format!("{before:?}"), format!("{after:?}"));
        assert_eq!(journal.unread(&hss(), 10).await.expect("reads").len(), 1, "nobody has read it yet");
        assert_eq!(
            journal.audits(AuditsSought { most: 10, ..AuditsSought::default() }).await.expect("reads").len(),
            1
        );
        let woken = lease(journal, at(DAY)).await;
        let signals: Vec<_> = woken.iter().filter_map(|(_, held)| held.signal.clone()).collect();
        assert_eq!(signals, [json("1")], "and its news are still there");
    })
    .await;
}

#[tokio::test]
async fn while_something_stands_its_keys_stay_and_nothing_else_of_what_was_done() {
    every_journal(async |journal| {
        let first = accept(journal, 1, 189).await;
        step(journal, at(0), |operation| waits(operation, 0, &["o-1"])).await;
        step(journal, at(1), |operation| Change {
            applied: Some(json("{\"imsi\":1}")),
            ..in_stage(operation, Stage::Finished)
        })
        .await;
        assert_eq!(counts(&purge(journal, DAY).await), [("operations", 1), ("events", 1)]);
        assert_eq!(counts(&purge(journal, DAY).await), []);
        assert!(!shown(journal, &first).await);
        assert_eq!((listed(journal).await, overview(journal).await.events), (0, 0));
        assert!(overview(journal).await.last_event.is_none());
        assert!(journal.events(None, 10).await.expect("reads").is_empty());
        let none = journal.event(&EventIdentity("purged".to_owned())).await.expect("reads");
        assert!(none.is_none(), "what the empty row belongs to is no event");
        let change = Signal { otherwise: Otherwise::Begin, ..news("o-1") };
        hear_signal(journal, "n-1", 2 * DAY, change).await;
        let begun = journal.changes_to_begin(&hss(), 10).await.expect("reads");
        assert_eq!(begun.iter().map(|change| change.i_account).collect::<Vec<_>>(), [IAccount(189)]);
        journal.change_begun(begun[0].signal).await.expect("stored");

        accept(journal, 2, 189).await;
        let (lease, held) = lease_one(journal, at(3 * DAY)).await;
        assert_eq!(held.applied, Some(json("{\"imsi\":1}")));
        let nothing = Change { applied: Some(json("null")), ..in_stage(held.operation, Stage::Finished) };
        save(journal, &lease, nothing, at(3 * DAY)).await;
        journal.release(&lease, at(3 * DAY)).await.expect("the lease holds");
        let purged = purge(journal, 4 * DAY).await;
        assert_eq!(purged.of(Purgeable::Operation), 1, "and with it the empty row");
        hear_signal(journal, "n-2", 4 * DAY, news("o-1")).await;
        assert_eq!(overview(journal).await.signals_kept, 1, "nobody has that key any more");
    })
    .await;
}

#[tokio::test]
async fn no_batch_takes_more_rows_than_it_may_and_all_batches_take_all() {
    every_journal(async |journal| {
        for number in 1..=10 {
            ended(journal, number, number.into(), 0, &format!("o-{number}")).await;
            hear_signal(journal, &format!("n-{number}"), 0, news(&format!("o-{number}"))).await;
        }
        let (went, batches) = purge_in_batches(journal, DAY, 5).await;
        assert!(batches > 10, "{batches}");
        let expected = [("operations", 10), ("events", 10), ("notifications", 10), ("bodies", 10)];
        assert_eq!(counts(&went), expected);
    })
    .await;
}

#[tokio::test]
async fn a_lane_with_more_empty_rows_than_a_batch_may_take_goes_all_the_same() {
    every_journal(async |journal| {
        for number in 1..=10 {
            let key = format!("o-{number}");
            accept(journal, number, 189).await;
            step(journal, at(0), |operation| waits(operation, 0, &[key.as_str()])).await;
            step(journal, at(0), |operation| Change {
                applied: Some(json("{\"imsi\":1}")),
                ..in_stage(operation, Stage::Finished)
            })
            .await;
        }
        let (went, _) = purge_in_batches(journal, DAY, 5).await;
        assert_eq!(counts(&went), [("operations", 10), ("events", 10)]);
        accept(journal, 11, 189).await;
        step(journal, at(DAY), |operation| Change {
            applied: Some(json("null")),
            ..in_stage(operation, Stage::Finished)
        })
        .await;
        assert!(journal.account(IAccount(189)).await.expect("reads").is_some());
        let (went, _) = purge_in_batches(journal, 2 * DAY, 5).await;
        assert_eq!(counts(&went), [("operations", 1), ("events", 1)]);
        assert!(journal.account(IAccount(189)).await.expect("reads").is_none(), "its lane went");
        for number in 1..=10 {
            hear_signal(journal, &format!("n-{number}"), 3 * DAY, news(&format!("o-{number}"))).await;
        }
        assert_eq!(overview(journal).await.signals_kept, 10, "nobody has those keys any more");
    })
    .await;
}

#[tokio::test]
async fn a_good_word_goes_with_its_lane_and_a_bad_one_stays() {
    every_journal(async |journal| {
        for (number, status) in [(1, Status::Ok), (2, Status::Failed)] {
            accept(journal, number, number.into()).await;
            step(journal, at(0), |operation| {
                says(Operation { stage: Stage::Finished, ..operation }, "HSS", said(status, "it ended"))
            })
            .await;
        }
        assert_eq!(counts(&purge(journal, DAY).await), [("operations", 2), ("events", 2)]);
        let due = journal.statuses_due(at(DAY), 10).await.expect("reads");
        assert_eq!(due.len(), 2, "what is not told yet will be");
        for update in &due {
            journal.status_settled(update, true).await.expect("stored");
        }
        // The other group says that all is well: it is, of the first account.
        for (number, told) in [(3_u32, None), (4, Some(said(Status::Failed, "it ended")))] {
            let account = u64::from(number) - 2;
            let event = event(number, account);
            let work = Work::Operations(vec![operation(&event, oms())]);
            journal.accept(event, work).await.expect("stored");
            let (lease, held) = lease_in(journal, oms(), at(DAY)).await.lanes.remove(0);
            let ok =
                says(Operation { stage: Stage::Finished, ..held.operation }, "HSS", said(Status::Ok, "well"));
            save(journal, &lease, ok, at(DAY)).await;
            journal.release(&lease, at(DAY)).await.expect("the lease holds");
            let update = journal.statuses_due(at(DAY), 10).await.expect("reads").remove(0);
            let worst = told.clone().unwrap_or_else(|| said(Status::Ok, "well"));
            assert_eq!(update.said, worst, "account {account}");
            journal.status_settled(&update, true).await.expect("stored");
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_go_before_the_rest_and_what_came_twice_is_still_known() {
    every_journal(async |journal| {
        let delivered = |id: &str| Delivered {
            id: id.to_owned(),
            group: hss(),
            sender_id: Some("w-1".to_owned()),
            raw: raw(1),
        };
        assert_eq!(journal.keep_notification(delivered("n-1")).await.expect("stored"), Kept::New);
        let reading = Reading { reply: Response::ACCEPTED, signals: Vec::new(), unread: None };
        journal.record_reading("n-1", reading, at(0)).await.expect("stored");
        let letter =
            DeadLetter { id: "d-1".to_owned(), at: at(1), why: "no id".to_owned(), body: b"{}".to_vec() };
        journal.keep_dead_letter(letter.clone()).await.expect("stored");
        assert_eq!(counts(&purge_some(journal, 0, 7 * DAY, 100).await), [("bodies", 2)]);
        assert_eq!(journal.keep_notification(delivered("n-2")).await.expect("stored"), Kept::Repeated(None));
        journal.keep_dead_letter(letter).await.expect("stored");
        assert_eq!(overview(journal).await.dead_letters, 1);
        assert_eq!(counts(&purge(journal, 30 * DAY).await), [("notifications", 1), ("dead-letters", 1)]);
        assert_eq!(journal.keep_notification(delivered("n-3")).await.expect("stored"), Kept::New);
    })
    .await;
}

#[tokio::test]
async fn what_lost_its_body_is_still_shown_with_all_the_rest() {
    every_journal(async |journal| {
        hear_signal(journal, "n-1", 1, news("nobody's")).await;
        let letter =
            DeadLetter { id: "d-1".to_owned(), at: at(1), why: "no id".to_owned(), body: b"{}".to_vec() };
        journal.keep_dead_letter(letter).await.expect("stored");
        let told = async || {
            let notification = journal.notification("n-1").await.expect("reads").expect("it is there");
            (notification, journal.letter("d-1").await.expect("reads").expect("it is there"))
        };
        let (notification, letter) = told().await;
        assert!(notification.raw.is_some());
        assert_eq!(letter.body.as_deref(), Some(&b"{}"[..]));
        assert_eq!(counts(&purge_some(journal, 0, 7 * DAY, 100).await), [("bodies", 2)]);
        let (notification, letter) = told().await;
        assert!(notification.raw.is_none() && notification.line.is_read);
        assert_eq!(notification.signals, [("kept".to_owned(), None)]);
        assert_eq!((letter.why.as_str(), letter.body), ("no id", None));
    })
    .await;
}
