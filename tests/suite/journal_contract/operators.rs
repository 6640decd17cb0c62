//! What persons see, take into their hands, and did.

use std::collections::BTreeSet;

use punchdown::domain::{Person, State};
use punchdown::ports::{Audit, AuditsSought, Sought};

use super::stages::request;
use super::*;

fn sought(most: usize) -> Sought {
    Sought { most, ..Sought::default() }
}

async fn accounts(journal: &dyn Journal, sought: Sought) -> Vec<u64> {
    let lines = journal.operations(sought).await.expect("reads");
    lines.iter().map(|line| line.i_account.0).collect()
}

#[tokio::test]
async fn operations_are_listed_the_newest_first_by_what_is_wanted() {
    every_journal(async |journal| {
        let stages = [
            Stage::Finished,
            Stage::Parked { trouble: trouble(), in_doubt: false },
            Stage::Parked { trouble: trouble(), in_doubt: true },
        ];
        for (number, stage) in (1..).zip(stages) {
            accept(journal, number, number.into()).await;
            step(journal, at(0), |operation| in_stage(operation, stage)).await;
        }
        accept(journal, 4, 4).await;
        let event = event(5, 4);
        let other = operation(&event, oms());
        journal.accept(event, Work::Operations(vec![other])).await.expect("stored");

        assert_eq!(accounts(journal, sought(100)).await, [4, 4, 3, 2, 1]);
        assert_eq!(accounts(journal, Sought { group: Some(oms()), ..sought(100) }).await, [4]);
        assert_eq!(accounts(journal, Sought { i_account: Some(IAccount(2)), ..sought(100) }).await, [2]);
        assert_eq!(accounts(journal, Sought { problems: true, ..sought(100) }).await, [3, 2]);
        let parked = Sought { state: Some(State::Parked), ..sought(100) };
        assert_eq!(accounts(journal, parked).await, [2]);
        // Page by page.
        let first = journal.operations(sought(2)).await.expect("reads");
        let next = Sought { before: first.last().map(|line| line.seq), ..sought(2) };
        assert_eq!(accounts(journal, next).await, [3, 2]);
    })
    .await;
}

#[tokio::test]
async fn those_of_a_state_are_those_that_are_seen_in_it() {
    every_journal(async |journal| {
        let by = || Digest::of(b"adapter");
        let ready = |attempts| Stage::Ready { request: request(), by: by(), attempts };
        for (number, stage) in (1..).zip([ready(0), ready(1), Stage::Asking]) {
            accept(journal, number, number.into()).await;
            let later = |operation| unchanged(Operation { due: at(9), stage, ..operation });
            step(journal, at(0), later).await;
        }
        accept(journal, 4, 4).await;
        step(journal, at(0), |operation| waits(operation, 9, &[])).await;
        accept(journal, 5, 5).await;
        // Somebody reads it; what comes after it in its lane is not read yet.
        let _read = lease_one(journal, at(0)).await;
        accept(journal, 6, 5).await;
        for held in [BTreeSet::new(), BTreeSet::from([hss()]), BTreeSet::from([oms()])] {
            let all = Sought { held: held.clone(), ..sought(100) };
            let lines = journal.operations(all.clone()).await.expect("reads");
            for state in State::ALL {
                let of_state = Sought { state: Some(state), ..all.clone() };
                let seen = lines.iter().filter(|line| line.state == state).map(|line| line.seq);
                let found = journal.operations(of_state).await.expect("reads");
                let found: Vec<u64> = found.iter().map(|line| line.seq).collect();
                assert_eq!(found, seen.collect::<Vec<_>>(), "{state:?} while {held:?} are held");
            }
            let states: Vec<_> = lines.iter().rev().map(|line| line.state).collect();
            let sending = match held.contains(&hss()) {
                true => [State::Held; 3],
                false => [State::Sending, State::Retrying, State::Sending],
            };
            let others = [State::AwaitingNotification, State::Querying, State::Received];
            assert_eq!(states, [sending, others].concat());
        }
    })
    .await;
}

#[tokio::test]
async fn one_is_shown_with_its_timeline_and_with_whom_it_stands_behind() {
    every_journal(async |journal| {
        let [first, second] = [accept(journal, 1, 189).await, accept(journal, 2, 189).await];
        step(journal, at(0), |operation| waits(operation, 5, &["k"])).await;
        let told = async |id: &OperationId| journal.operation(id).await.expect("reads").expect("it is there");
        let head = told(&first.id).await;
        assert_eq!((head.operation.stage.word(), head.stands_behind), ("waiting", None));
        assert!(matches!(&head.timeline[..], [(when, Note::Decided { .. })] if *when == at(0)));
        assert_eq!(told(&second.id).await.stands_behind, Some(first.id));
        assert!(journal.operation(&OperationId("01NONE".to_owned())).await.expect("reads").is_none());
    })
    .await;
}

#[tokio::test]
async fn a_person_gets_the_head_of_a_lane_that_nobody_moves() {
    every_journal(async |journal| {
        let [first, second] = [accept(journal, 1, 189).await, accept(journal, 2, 189).await];
        let take = async |id: &OperationId, second| {
            journal.take(id, claim("a person", at(second))).await.expect("written")
        };
        assert!(take(&second.id, 0).await.is_none(), "it stands behind another one");
        let (worker, _) = lease_one(journal, at(0)).await;
        assert!(take(&first.id, 0).await.is_none(), "somebody moves it");
        journal.release(&worker, at(0)).await.expect("the lease holds");
        let (lease, held) = take(&first.id, 0).await.expect("it is free");
        assert_eq!(held.operation.id, first.id);
        assert!(super::lease(journal, at(0)).await.is_empty(), "nobody else moves it meanwhile");
        save(journal, &lease, in_stage(held.operation, Stage::Finished), at(0)).await;
        journal.release(&lease, at(0)).await.expect("the lease holds");
        assert_eq!(lease_one(journal, at(0)).await.1.operation.id, second.id);
    })
    .await;
}

#[tokio::test]
async fn what_persons_did_is_kept_over_a_stop() {
    every_backend(async |backend| {
        let entry = |second, what: &str| Audit {
            at: at(second),
            person: Person { who: "ann".to_owned(), why: "mended".to_owned() },
            what: what.to_owned(),
            about: "HSS".to_owned(),
        };
        let journal = backend.open().await;
        for audit in [entry(1, "pause"), entry(2, "resume")] {
            journal.audit(audit).await.expect("written");
        }
        drop(journal);
        let journal = backend.open().await;
        assert_eq!(audits(&*journal, of(100)).await, [entry(2, "resume"), entry(1, "pause")]);
    })
    .await;
}

fn of(most: usize) -> AuditsSought {
    AuditsSought { most, ..AuditsSought::default() }
}

async fn audits(journal: &dyn Journal, sought: AuditsSought) -> Vec<Audit> {
    journal.audits(sought).await.expect("reads").into_iter().map(|(_, audit)| audit).collect()
}

#[tokio::test]
async fn what_persons_did_is_found_by_the_operation_or_its_group_page_by_page() {
    every_journal(async |journal| {
        let ours = accept(journal, 1, 189).await.id;
        let id = ours.0.as_str();
        for (second, about) in (1..).zip(["hss", id, "oms", "01-GONE"]) {
            let person = Person { who: "ann".to_owned(), why: "mended".to_owned() };
            let (what, about) = ("retry".to_owned(), about.to_owned());
            journal.audit(Audit { at: at(second), person, what, about }).await.expect("written");
        }
        let about = async |sought| -> Vec<String> {
            audits(journal, sought).await.into_iter().map(|audit| audit.about).collect()
        };
        assert_eq!(about(of(100)).await, ["01-GONE", "oms", id, "hss"]);
        assert_eq!(about(AuditsSought { group: Some(hss()), ..of(100) }).await, [id, "hss"]);
        assert_eq!(about(AuditsSought { group: Some(oms()), ..of(100) }).await, ["oms"]);
        assert_eq!(about(AuditsSought { operation: Some(ours.clone()), ..of(100) }).await, [id]);
        let first = journal.audits(of(2)).await.expect("reads");
        let before = first.last().map(|(place, _)| *place);
        assert_eq!(about(AuditsSought { before, ..of(2) }).await, [id, "hss"]);
    })
    .await;
}

#[tokio::test]
async fn the_oldest_open_one_of_each_group_is_known_whatever_stands_before_it() {
    every_journal(async |journal| {
        assert!(journal.oldest_open().await.expect("reads").is_empty());
        // The first has ended, and the second came before the third though it was written later.
        accept(journal, 1, 1).await;
        step(journal, at(0), |operation| in_stage(operation, Stage::Finished)).await;
        for (number, group, second) in [(3, hss(), 30), (2, hss(), 20), (4, oms(), 40)] {
            let event = Event { received_at: at(second), ..event(number, number.into()) };
            let operation = operation(&event, group);
            journal.accept(event, Work::Operations(vec![operation])).await.expect("stored");
        }
        let mut oldest: Vec<_> = journal
            .oldest_open()
            .await
            .expect("reads")
            .into_iter()
            .map(|it| (it.lane.group, it.event.received_at))
            .collect();
        oldest.sort();
        assert_eq!(oldest, [(hss(), at(20)), (oms(), at(40))]);
        let newest = BTreeMap::from([(hss(), at(30)), (oms(), at(40))]);
        assert_eq!(overview(journal).await.newest, newest);
    })
    .await;
}

/// Whoever took it may be killed at any moment: between what he did and the giving back, too.
#[tokio::test]
async fn a_lane_whose_holder_vanished_is_due_whatever_he_had_changed() {
    every_backend(async |backend| {
        let journal = backend.open().await;
        let head = accept(&*journal, 1, 189).await;
        let stuck = Stage::Parked { trouble: trouble(), in_doubt: true };
        step(&*journal, at(0), |operation| in_stage(operation, stuck)).await;
        let next = accept(&*journal, 2, 189).await;
        assert!(lease(&*journal, at(0)).await.is_empty(), "what is in doubt makes no room");
        let taken = journal.take(&head.id, claim("a person", at(1))).await.expect("written");
        let (held, by) = taken.map(|(lease, held)| (held, lease)).expect("it is free");
        let skipped = Stage::Skipped { by: "ann".to_owned() };
        save(&*journal, &by, in_stage(held.operation, skipped), at(1)).await;
        accept(&*journal, 3, 189).await;
        assert!(lease(&*journal, at(2)).await.is_empty(), "he may yet come back");
        drop(journal);
        let journal = backend.open().await;
        assert_eq!(lease_one(&*journal, at(3)).await.1.operation.id, next.id);
    })
    .await;
}
