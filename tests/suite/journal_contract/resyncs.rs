//! What a resync compares with, and where it stands.

use punchdown::domain::resync::*;

use super::*;

fn lane(number: u64) -> Lane {
    Lane { i_account: IAccount(number), group: hss() }
}

fn laid_down(product: u32, wanted: Wanted) -> LaidDown {
    let subscriber = Subscriber {
        account_id: AccountId("1@msisdn".to_owned()),
        msisdn: None,
        imsi: None,
        iccid: None,
        documents: json(&format!("{{\"account_info\":{{\"i_product\":{product},\"balance\":1}}}}")),
    };
    let config = Json::empty_object();
    LaidDown { began: at(0), wanted, subscriber: Some(subscriber), applied: None, config, notify_at: None }
}

/// Lays an operation down and ends it so.
async fn ended(journal: &dyn Journal, number: u32, laid: &LaidDown, stage: Stage) {
    accept(journal, number, 7).await;
    let (lease, held) = lease_one(journal, at(0)).await;
    let operation = Operation { laid_down: Some(laid.clone()), stage: Stage::Asking, ..held.operation };
    let notes = vec![Note::LaidDown { wanted: laid.wanted }];
    let held = save(journal, &lease, Change { notes, ..unchanged(operation) }, at(0)).await;
    let compared = journal.compare(&lane(7), laid).await.expect("compared");
    assert!(compared.open && !compared.same, "nobody can say while it moves: {compared:?}");
    save(journal, &lease, in_stage(held.operation, stage), at(0)).await;
    journal.release(&lease, at(0)).await.expect("the lease holds");
}

#[tokio::test]
async fn a_lane_is_compared_with_what_the_last_one_that_was_done_was_laid_down_with() {
    on_the_disk(async |backend| {
        let journal = &*backend.open().await;
        let same = async |product, wanted| {
            let compared = journal.compare(&lane(7), &laid_down(product, wanted)).await.expect("compared");
            (compared.known, compared.same)
        };
        let (running, parked) = (Wanted::Running, Stage::Parked { trouble: trouble(), in_doubt: false });
        assert_eq!(same(1, running).await, (false, false), "nothing is known");
        ended(journal, 1, &laid_down(1, running), Stage::Finished).await;
        assert_eq!(same(1, running).await, (true, true));
        assert_eq!(same(2, running).await, (true, false));
        assert_eq!(same(1, Wanted::Suspended).await, (true, false));
        ended(journal, 2, &laid_down(1, running), Stage::Skipped { by: "ann".to_owned() }).await;
        assert_eq!(same(1, running).await, (false, false), "what was left by hand says nothing");
        ended(journal, 3, &laid_down(3, running), Stage::Finished).await;
        assert_eq!(same(3, running).await, (true, true));
        ended(journal, 4, &laid_down(3, Wanted::Gone), Stage::Finished).await;
        assert_eq!(same(3, Wanted::Gone).await, (false, false), "nothing is left to compare with");
        ended(journal, 5, &laid_down(5, running), parked).await;
        let compared = journal.stands(&lane(7)).await.expect("known");
        assert!(compared.open && !compared.known);
    })
    .await;
}

pub(super) fn resync(id: &str) -> Resync {
    Resync {
        id: id.to_owned(),
        whom: Whom::All,
        group: None,
        mode: Mode::DryRun,
        person: Person { who: "ann".to_owned(), why: "a day was lost".to_owned() },
        began_at: at(0),
        place: punchdown::domain::resync::Place::default(),
        counts: Counts::default(),
        end: None,
    }
}

#[tokio::test]
async fn one_resync_is_under_way_and_its_place_outlives_a_stop() {
    on_the_disk(async |backend| {
        let journal = backend.open().await;
        assert_eq!(journal.resync().await.expect("read"), None);
        assert!(journal.begin_resync(&resync("r1")).await.expect("begun"));
        assert!(!journal.begin_resync(&resync("r2")).await.expect("known"), "one at a time");
        let mut on = resync("r1");
        on.place.behind(ICustomer(9));
        on.counts.differ = 1;
        let found = vec![Differing { lane: lane(7), how: Difference::Absent }];
        assert!(journal.resync_on(&on, Vec::new(), found.clone()).await.expect("written"));
        drop(journal);
        let journal = backend.open().await;
        assert_eq!(journal.resync().await.expect("read"), Some(on.clone()));
        let listed = journal.differing(0, 9).await.expect("read");
        assert_eq!(listed.iter().map(|(_, it)| it.clone()).collect::<Vec<_>>(), found);
        assert!(journal.differing(listed[0].0, 9).await.expect("read").is_empty(), "behind it is nothing");

        on.end = Some(End { at: at(9), how: Ending::Stopped });
        assert!(journal.resync_on(&on, Vec::new(), Vec::new()).await.expect("ended"));
        assert!(!journal.resync_on(&resync("r1"), Vec::new(), found).await.expect("known"), "it has ended");
        assert_eq!(journal.resync().await.expect("read"), Some(on));
        assert!(journal.begin_resync(&resync("r2")).await.expect("begun"));
        assert!(journal.differing(0, 9).await.expect("read").is_empty(), "of the one before");
    })
    .await;
}

#[tokio::test]
async fn lanes_of_which_something_stands_are_known_until_they_are_seen() {
    on_the_disk(async |backend| {
        let journal = &*backend.open().await;
        for number in [1, 2, 3] {
            accept(journal, number, number.into()).await;
        }
        for (lease, held) in lease(journal, at(0)).await {
            let applied = (held.operation.lane.i_account.0 != 3).then(|| json("{\"on\":true}"));
            let change = Change { applied, ..in_stage(held.operation, Stage::Finished) };
            save(journal, &lease, change, at(0)).await;
        }
        let (run, groups) = (resync("r1"), [hss()]);
        let unseen = async |behind| -> Vec<Lane> {
            let lanes = journal.unseen(&run, &groups, behind, 9).await.expect("read");
            lanes.into_iter().map(|(_, lane)| lane).collect()
        };
        assert_eq!(unseen(0).await, [lane(1), lane(2)], "of the third nothing stands");
        assert!(journal.unseen(&run, &[oms()], 0, 9).await.expect("read").is_empty(), "another group");
        assert!(journal.begin_resync(&run).await.expect("begun"));
        assert!(journal.resync_on(&run, vec![lane(1)], Vec::new()).await.expect("written"));
        assert_eq!(unseen(0).await, [lane(2)]);
        assert_eq!(journal.unseen(&resync("r2"), &groups, 0, 9).await.expect("read").len(), 2, "another run");
    })
    .await;
}

#[tokio::test]
async fn what_was_there_before_is_stored_once_and_found_by_its_keys() {
    on_the_disk(async |backend| {
        let journal = &*backend.open().await;
        let event = Event { name: "Resync/Account".to_owned(), ..event(1, 7) };
        let laid = laid_down(1, Wanted::Running);
        let of_account = operation(&event, hss());
        let done = Operation {
            stage: Stage::Finished,
            laid_down: Some(laid.clone()),
            keys: vec!["line-7".to_owned()],
            ..of_account
        };
        let found = Adopted { operation: done, applied: Some(json("{\"on\":true}")), as_wanted: true };
        for _ in 0..2 {
            assert!(journal.adopt(&event, found.clone()).await.expect("stored"));
        }
        let compared = journal.compare(&lane(7), &laid).await.expect("compared");
        assert!(compared.same && !compared.open);
        assert_eq!(compared.applied, Some(json("{\"on\":true}")));
        assert!(lease(journal, at(9)).await.is_empty(), "nothing is to be moved");
        assert!(journal.statuses_due(at(9), 9).await.expect("reads").is_empty(), "nothing is told");
        let correlation = Correlation::Key("line-7".to_owned());
        let signal = Signal { id: None, correlation, payload: json("{}"), otherwise: Otherwise::Begin };
        hear_signal(journal, "n1", 99, signal).await;
        let begins = journal.changes_to_begin(&hss(), 9).await.expect("reads");
        assert_eq!(begins.iter().map(|change| change.i_account).collect::<Vec<_>>(), [IAccount(7)]);

        accept(journal, 2, 8).await;
        let event = Event {
            i_account: Some(IAccount(8)),
            ..Event { identity: EventIdentity("1-9".to_owned()), ..event }
        };
        let operation = Operation { stage: Stage::Finished, ..operation(&event, hss()) };
        let late = Adopted { operation, applied: None, as_wanted: true };
        assert!(!journal.adopt(&event, late).await.expect("known"), "somebody moves it");
    })
    .await;
}
