//! What is kept of a whole group outlives a stop; what holds its requests back leaves them where they are.

use super::stages::request;
use super::*;
use punchdown::domain::breaker::Sign;

#[tokio::test]
async fn a_breaker_is_as_it_was_last_kept() {
    every_backend(async |backend| {
        let policy = BreakerPolicy { failures: 1, pause: TERM, pause_max: TERM };
        let mut open = Breaker::default();
        open.heard(Sign::Fails(trouble()), &policy, at(0)).expect("it opens");
        {
            let journal = backend.open().await;
            assert!(journal.breakers().await.expect("read").is_empty());
            for (group, breaker) in
                [(hss(), &Breaker::default()), (hss(), &open), (oms(), &Breaker::default())]
            {
                journal.keep_breaker(&group, breaker).await.expect("kept");
            }
        }
        let kept = backend.open().await.breakers().await.expect("read");
        assert_eq!(kept, BTreeMap::from([(hss(), open.clone()), (oms(), Breaker::default())]));
    })
    .await;
}

#[tokio::test]
async fn a_registration_is_as_it_was_last_kept() {
    every_backend(async |backend| {
        let begun = Registration::default().begun(Token("a".to_owned()), Digest::of(b"system"));
        let standing = Standing { value: Json::empty_object(), life: Some(TERM) };
        let granted = begun.clone().granted(standing, at(0));
        {
            let journal = backend.open().await;
            assert!(journal.registrations().await.expect("read").is_empty());
            for registration in [&begun, &granted] {
                journal.keep_registration(&hss(), registration, FIRST_TERM).await.expect("kept");
            }
        }
        let kept = backend.open().await.registrations().await.expect("read");
        assert_eq!(kept, BTreeMap::from([(hss(), granted.clone())]));
    })
    .await;
}

#[tokio::test]
async fn lanes_that_only_send_are_left_where_they_are_while_nothing_may_leave() {
    every_journal(async |journal| {
        let ready = || Stage::Ready { request: request(), by: Digest::of(b"adapter"), attempts: 0 };
        for (number, stage) in [(1, ready()), (2, Stage::Asking)] {
            accept(journal, number, number.into()).await;
            step(journal, at(0), |operation| unchanged(Operation { due: at(4), stage, ..operation })).await;
        }
        let claim = |owner: &str, senders| Claim { senders, ..claim(owner, at(5)) };
        let accounts = |leased: Leased| -> Vec<u64> {
            leased.lanes.iter().map(|(_, held)| held.operation.lane.i_account.0).collect()
        };
        assert_eq!(accounts(journal.lease(claim("a", false)).await.expect("leases")), [2]);
        let none = journal.lease(claim("b", false)).await.expect("leases");
        assert_eq!((none.lanes.len(), none.next_due), (0, None), "it is not looked at again and again");
        assert_eq!(accounts(journal.lease(claim("c", true)).await.expect("leases")), [1]);
    })
    .await;
}
