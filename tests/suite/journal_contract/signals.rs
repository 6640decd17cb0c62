//! News of an external system: whom they reach, and that they reach him once.

use super::*;

fn raw(second: u32) -> Notification {
    Notification {
        method: "POST".to_owned(),
        path: "/notify".to_owned(),
        headers: vec![Header { name: "x-id".to_owned(), value: "7".to_owned() }],
        body: Body::Text("{\"order\":\"o-1\"}".to_owned()),
        received_at: at(second),
    }
}

fn reading(signals: Vec<Signal>) -> Reading {
    Reading { reply: Response { status: 204, headers: Vec::new(), body: Body::Empty }, signals, unread: None }
}

fn signal(correlation: Correlation, payload: &str) -> Signal {
    Signal { id: None, correlation, payload: json(payload), otherwise: Otherwise::Keep }
}

fn key(key: &str) -> Correlation {
    Correlation::Key(key.to_owned())
}

/// Stores a notification of that group and what was read in it.
async fn hear_in(journal: &dyn Journal, group: &Group, id: &str, now: Timestamp, signals: Vec<Signal>) {
    keep(journal, group, id, raw(0)).await;
    journal.record_reading(id, reading(signals), now).await.expect("stored");
}

async fn hear(journal: &dyn Journal, id: &str, signals: Vec<Signal>) {
    hear_in(journal, &hss(), id, at(0), signals).await;
}

fn account_id() -> AccountId {
    AccountId("15550001111@msisdn".to_owned())
}

/// From then on the journal knows the account's name.
fn lays_down(operation: Operation) -> Change {
    let laid_down = LaidDown {
        began: at(0),
        wanted: Wanted::Running,
        subscriber: Some(Subscriber {
            account_id: account_id(),
            msisdn: None,
            imsi: None,
            iccid: None,
            documents: Json::empty_object(),
        }),
        applied: None,
        config: Json::empty_object(),
        notify_at: None,
    };
    let notes = vec![Note::LaidDown { wanted: Wanted::Running }];
    let operation = Operation { laid_down: Some(laid_down), ..operation };
    Change { notes, ..in_stage(operation, Stage::Asking) }
}

/// The payloads that reach the head of the one lane that is due, in order.
async fn taken(journal: &dyn Journal, now: Timestamp) -> Vec<String> {
    let (lease, mut held) = lease_one(journal, now).await;
    let mut payloads = Vec::new();
    while let Some(payload) = held.signal {
        payloads.push(payload.text().to_owned());
        let took = Change { took_signal: true, ..unchanged(held.operation) };
        held = save(journal, &lease, took, now).await;
    }
    journal.release(&lease, now).await.expect("the lease holds");
    payloads
}

#[tokio::test]
async fn a_signal_that_comes_before_its_key_is_kept_and_found_when_the_key_is_named() {
    every_backend(async |backend| {
        let journal = backend.open().await;
        hear(&*journal, "n-1", vec![signal(key("o-1"), "1"), signal(key("o-2"), "2")]).await;
        assert_eq!(overview(&*journal).await.signals_kept, 2);
        drop(journal);
        let journal = backend.open().await;
        accept(&*journal, 1, 189).await;
        let (lease, held) = lease_one(&*journal, at(0)).await;
        assert_eq!(held.signal, None, "nobody has named it yet");
        let held = save(&*journal, &lease, waits(held.operation, 600, &["o-1"]), at(0)).await;
        assert_eq!(held.signal, Some(json("1")));
        assert_eq!(overview(&*journal).await.signals_kept, 1, "the other is still nobody's");
    })
    .await;
}

#[tokio::test]
async fn a_signal_reaches_whom_it_speaks_of() {
    every_journal(async |journal| {
        let whom = [
            ("by a key", key("o-1")),
            ("by the operation's id", key("01-1-1-hss")),
            ("by the account's number", Correlation::IAccount(IAccount(189))),
            ("by the account's name", Correlation::AccountId(account_id())),
        ];
        accept(journal, 1, 189).await;
        step(journal, at(0), lays_down).await;
        step(journal, at(0), |operation| waits(operation, 600, &["o-1"])).await;
        for (how, correlation) in whom {
            hear(journal, how, vec![signal(correlation, "1")]).await;
            assert_eq!(taken(journal, at(1)).await, ["1"], "{how}");
        }
        hear(journal, "by what nobody named", vec![signal(key("o-9"), "1")]).await;
        assert!(lease(journal, at(1)).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_signal_for_an_account_reaches_whoever_stands_in_its_lane_now() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        step(journal, at(0), lays_down).await;
        step(journal, at(0), |operation| in_stage(operation, Stage::Finished)).await;
        accept(journal, 2, 189).await;
        step(journal, at(0), |operation| waits(operation, 600, &[])).await;
        for correlation in [Correlation::IAccount(IAccount(189)), Correlation::AccountId(account_id())] {
            let how = format!("{correlation:?}");
            hear(journal, &how, vec![signal(correlation, "1")]).await;
            assert_eq!(taken(journal, at(1)).await, ["1"], "{how}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_signal_for_an_account_without_an_operation_waits_for_one() {
    every_journal(async |journal| {
        hear(journal, "n-1", vec![signal(Correlation::IAccount(IAccount(189)), "1")]).await;
        accept(journal, 1, 200).await;
        assert_eq!(taken(journal, at(0)).await, [""; 0]);
        step(journal, at(0), |operation| in_stage(operation, Stage::Finished)).await;
        accept(journal, 2, 189).await;
        assert_eq!(taken(journal, at(0)).await, ["1"]);
    })
    .await;
}

#[tokio::test]
async fn a_signal_of_one_group_never_reaches_another() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        step(journal, at(0), |operation| waits(operation, 600, &["o-1"])).await;
        for correlation in [key("o-1"), key("01-1-1-hss"), Correlation::IAccount(IAccount(189))] {
            let id = format!("{correlation:?}");
            hear_in(journal, &oms(), &id, at(0), vec![signal(correlation, "1")]).await;
        }
        assert!(lease(journal, at(1)).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_is_not_to_be_kept_and_reaches_nobody_is_only_recorded() {
    every_journal(async |journal| {
        let drop = Signal { otherwise: Otherwise::Drop, ..signal(key("o-1"), "1") };
        hear(journal, "n-1", vec![drop]).await;
        assert_eq!(overview(journal).await.signals_kept, 0);
        accept(journal, 1, 189).await;
        step(journal, at(0), |operation| waits(operation, 600, &["o-1"])).await;
        assert!(lease(journal, at(1)).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_signal_for_a_closed_operation_is_only_recorded() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        let (lease, held) = lease_one(journal, at(0)).await;
        let waiting = save(journal, &lease, waits(held.operation, 600, &["o-1"]), at(0)).await;
        hear(journal, "n-1", vec![signal(key("o-1"), "1")]).await;
        let closed = in_stage(waiting.operation, Stage::Finished);
        let held = save(journal, &lease, closed, at(0)).await;
        assert_eq!(held.signal, None, "what came before the end is spent with it");
        journal.release(&lease, at(0)).await.expect("the lease holds");
        hear(journal, "n-2", vec![signal(key("o-1"), "2"), signal(key("01-1-1-hss"), "3")]).await;
        assert_eq!(overview(journal).await.signals_kept, 0);
        accept(journal, 2, 200).await;
        step(journal, at(0), |operation| waits(operation, 600, &["o-1"])).await;
        assert!(lease_in(journal, hss(), at(1)).await.lanes.is_empty(), "old news are not for a new one");
    })
    .await;
}

/// The signal that ends its wait makes it name another key, under which an older signal is kept.
#[tokio::test]
async fn a_signal_that_is_claimed_with_the_end_of_another_is_still_to_come() {
    every_journal(async |journal| {
        hear(journal, "n-1", vec![signal(key("o-2"), "1")]).await;
        accept(journal, 1, 189).await;
        step(journal, at(0), |operation| waits(operation, 600, &["o-1"])).await;
        hear(journal, "n-2", vec![signal(key("o-1"), "2")]).await;
        let (lease, held) = lease_one(journal, at(1)).await;
        assert_eq!(held.signal, Some(json("2")));
        let took = Change { took_signal: true, ..waits(held.operation, 600, &["o-1", "o-2"]) };
        let held = save(journal, &lease, took, at(1)).await;
        assert_eq!(held.signal, Some(json("1")), "and not once more the one that was taken");
        journal.release(&lease, at(1)).await.expect("the lease holds");
        assert_eq!(taken(journal, at(1)).await, ["1"]);
    })
    .await;
}

/// It has looked at what the older one left, found it open, and names it with its next decision.
#[tokio::test]
async fn news_of_what_is_over_are_kept_for_the_one_that_takes_it_over() {
    every_journal(async |journal| {
        let older = accept(journal, 1, 189).await;
        let newer = accept(journal, 2, 189).await;
        // One comes before the older one is over, and one after.
        let (lease, held) = lease_one(journal, at(0)).await;
        let waiting = save(journal, &lease, waits(held.operation, 600, &["o-1"]), at(0)).await;
        hear(journal, "n-1", vec![signal(key("o-1"), "1")]).await;
        save(journal, &lease, in_stage(waiting.operation, Stage::Superseded { by: newer.id }), at(0)).await;
        journal.release(&lease, at(0)).await.expect("the lease holds");
        hear(journal, "n-2", vec![signal(key(&older.id.0), "2")]).await;
        assert_eq!(overview(journal).await.signals_kept, 0, "they are not unmatched");
        step(journal, at(0), |operation| waits(operation, 600, &["o-1", &older.id.0])).await;
        assert_eq!(taken(journal, at(1)).await, ["1", "2"]);
    })
    .await;
}

#[tokio::test]
async fn news_that_nobody_took_over_end_with_the_lanes_last() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        step(journal, at(0), |operation| waits(operation, 600, &["o-1"])).await;
        let newer = accept(journal, 2, 189).await;
        let superseded = Stage::Superseded { by: newer.id.clone() };
        step(journal, at(600), |operation| in_stage(operation, superseded)).await;
        hear(journal, "n-1", vec![signal(key("o-1"), "1")]).await;
        // Another account's has nothing to take over.
        accept(journal, 3, 200).await;
        let claim = |owner: &str| claim(owner, at(600));
        for (lease, held) in journal.lease(claim("a")).await.expect("leases").lanes {
            let is_newer = held.operation.id == newer.id;
            let change = match is_newer {
                true => in_stage(held.operation, Stage::Finished),
                false => waits(held.operation, 9999, &["o-1"]),
            };
            save(journal, &lease, change, at(600)).await;
            journal.release(&lease, at(600)).await.expect("the lease holds");
        }
        accept(journal, 4, 189).await;
        step(journal, at(600), |operation| waits(operation, 9999, &["o-1"])).await;
        assert!(journal.lease(claim("b")).await.expect("leases").lanes.is_empty(), "old news are for nobody");
    })
    .await;
}

/// What was said of the account is for whoever was there; only a key that is named is taken over.
#[tokio::test]
async fn news_of_an_account_that_its_operation_did_not_take_are_not_for_a_later_one() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        let newer = accept(journal, 2, 189).await;
        let (lease, held) = lease_one(journal, at(0)).await;
        let waiting = save(journal, &lease, waits(held.operation, 600, &[]), at(0)).await;
        hear(journal, "n-1", vec![signal(Correlation::IAccount(IAccount(189)), "1")]).await;
        save(journal, &lease, in_stage(waiting.operation, Stage::Superseded { by: newer.id }), at(0)).await;
        journal.release(&lease, at(0)).await.expect("the lease holds");
        accept(journal, 3, 189).await;
        step(journal, at(0), |operation| in_stage(operation, Stage::Finished)).await;
        step(journal, at(0), |operation| waits(operation, 600, &[])).await;
        assert!(lease_in(journal, hss(), at(1)).await.lanes.is_empty(), "old news");
    })
    .await;
}

#[tokio::test]
async fn a_key_finds_the_operation_that_named_it_last() {
    every_journal(async |journal| {
        for (number, account) in [(1, 189), (2, 200)] {
            accept(journal, number, account).await;
            step(journal, at(0), |operation| waits(operation, 600, &["001010000000001"])).await;
        }
        hear(journal, "n-1", vec![signal(key("001010000000001"), "1")]).await;
        let (_, held) = lease_one(journal, at(1)).await;
        assert_eq!(held.operation.lane.i_account, IAccount(200));
    })
    .await;
}

#[tokio::test]
async fn news_of_a_closed_operation_reach_the_newer_one_that_named_its_id() {
    every_journal(async |journal| {
        let older = accept(journal, 1, 189).await;
        step(journal, at(0), |operation| in_stage(operation, Stage::Finished)).await;
        accept(journal, 2, 189).await;
        step(journal, at(0), |operation| waits(operation, 600, &[&older.id.0])).await;
        hear(journal, "n-1", vec![signal(key(&older.id.0), "1")]).await;
        assert_eq!(taken(journal, at(1)).await, ["1"]);
    })
    .await;
}

#[tokio::test]
async fn a_senders_id_that_was_seen_before_is_dropped() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        step(journal, at(0), |operation| waits(operation, 600, &["o-1"])).await;
        let news = |id: Option<&str>, payload: &str| Signal {
            id: id.map(str::to_owned),
            ..signal(key("o-1"), payload)
        };
        hear(journal, "n-1", vec![news(Some("e-1"), "1"), news(Some("e-1"), "2")]).await;
        hear(journal, "n-2", vec![news(Some("e-1"), "3"), news(Some("e-2"), "4")]).await;
        hear(journal, "n-3", vec![news(None, "5"), news(None, "6")]).await;
        assert_eq!(taken(journal, at(1)).await, ["1", "4", "5", "6"], "one without an id is always new");
        hear(journal, "n-4", vec![news(Some("e-1"), "7")]).await;
        assert!(lease(journal, at(1)).await.is_empty(), "even when the first one is spent");
        hear_in(journal, &oms(), "n-5", at(0), vec![news(Some("e-1"), "8")]).await;
        assert_eq!(overview(journal).await.signals_kept, 1, "each group has its own senders");
    })
    .await;
}

#[tokio::test]
async fn a_signal_wakes_a_waiting_lane_at_once() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        step(journal, at(0), |operation| waits(operation, 600, &["o-1"])).await;
        let leased = lease_in(journal, hss(), at(7)).await;
        assert_eq!((leased.lanes.len(), leased.next_due), (0, Some(at(600))));
        hear_in(journal, &hss(), "n-1", at(7), vec![signal(key("o-1"), "1")]).await;
        assert_eq!(taken(journal, at(7)).await, ["1"]);
        assert_eq!(lease_in(journal, hss(), at(7)).await.next_due, Some(at(600)), "spent is spent");
    })
    .await;
}

#[tokio::test]
async fn a_signal_that_comes_while_the_lane_is_leased_is_found_by_its_holder_or_the_next() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        let (first, held) = lease_one(journal, at(0)).await;
        let held = save(journal, &first, waits(held.operation, 600, &["o-1"]), at(0)).await;
        hear(journal, "n-1", vec![signal(key("o-1"), "1")]).await;
        assert!(lease(journal, at(1)).await.is_empty(), "it is still leased");
        let held = save(journal, &first, unchanged(held.operation), at(1)).await;
        assert_eq!(held.signal, Some(json("1")));
        hear(journal, "n-2", vec![signal(key("o-1"), "2")]).await;
        journal.release(&first, at(1)).await.expect("the lease holds");
        assert_eq!(taken(journal, at(1)).await, ["1", "2"]);
    })
    .await;
}

#[tokio::test]
async fn a_signal_does_not_hurry_an_operation_that_does_not_wait() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        step(journal, at(0), |operation| {
            unchanged(Operation { due: at(30), stage: Stage::Received { attempts: 1 }, ..operation })
        })
        .await;
        hear(journal, "n-1", vec![signal(key("01-1-1-hss"), "1")]).await;
        assert_eq!(lease_in(journal, hss(), at(1)).await.next_due, Some(at(30)));
        assert_eq!(taken(journal, at(30)).await, ["1"]);
    })
    .await;
}

#[tokio::test]
async fn a_reading_is_recorded_once() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        step(journal, at(0), |operation| waits(operation, 600, &["o-1"])).await;
        keep(journal, &hss(), "n-1", raw(0)).await;
        for payload in ["1", "2"] {
            let read = reading(vec![signal(key("o-1"), payload)]);
            journal.record_reading("n-1", read, at(0)).await.expect("stored");
        }
        assert_eq!(taken(journal, at(1)).await, ["1"]);
    })
    .await;
}

#[tokio::test]
async fn what_nobody_has_read_is_found_the_oldest_first() {
    every_backend(async |backend| {
        let journal = backend.open().await;
        for (id, group) in [("n-2", hss()), ("n-1", hss()), ("n-3", oms()), ("n-4", hss())] {
            keep(&*journal, &group, id, raw(5)).await;
        }
        drop(journal);
        let journal = backend.open().await;
        assert_eq!(overview(&*journal).await.notifications_unread, 4);
        let unread = journal.unread(&hss(), 2).await.expect("reads");
        assert_eq!(unread, [("n-1".to_owned(), raw(5)), ("n-2".to_owned(), raw(5))]);
        journal.record_reading("n-1", reading(Vec::new()), at(6)).await.expect("stored");
        let cannot = Reading { unread: Some(trouble()), ..reading(Vec::new()) };
        journal.record_reading("n-2", cannot, at(6)).await.expect("stored");
        let ids = async |journal: &dyn Journal| -> Vec<String> {
            journal.unread(&hss(), 9).await.expect("reads").into_iter().map(|(id, _)| id).collect()
        };
        assert_eq!(ids(&*journal).await, ["n-4"], "its adapter cannot read n-2: not again by this one");
        assert_eq!(overview(&*journal).await.notifications_unread, 3);
        drop(journal);
        let journal = backend.open().await;
        assert_eq!(ids(&*journal).await, ["n-2", "n-4"], "a newer one may be able to");
    })
    .await;
}

#[tokio::test]
async fn a_senders_repeat_is_known_and_gets_the_first_reply() {
    every_backend(async |backend| {
        let journal = backend.open().await;
        let keep = async |journal: &dyn Journal, id: &str, group: Group, sender_id: Option<&str>| {
            let sender_id = sender_id.map(str::to_owned);
            let delivered = Delivered { id: id.to_owned(), group, sender_id, raw: raw(0) };
            journal.keep_notification(delivered).await.expect("stored")
        };
        let with = |status| Reading {
            reply: Response { status, headers: raw(0).headers, body: raw(0).body },
            ..reading(Vec::new())
        };
        assert_eq!(keep(&*journal, "n-1", hss(), Some("m-1")).await, Kept::New);
        assert_eq!(
            keep(&*journal, "n-2", hss(), Some("m-1")).await,
            Kept::Repeated(None),
            "nobody has read it"
        );
        assert_eq!(overview(&*journal).await.notifications_unread, 1, "it is stored once");
        let cannot = Reading { unread: Some(trouble()), ..with(200) };
        journal.record_reading("n-1", cannot, at(1)).await.expect("stored");
        drop(journal);
        let journal = backend.open().await;
        journal.record_reading("n-1", with(500), at(2)).await.expect("stored");
        let again = keep(&*journal, "n-3", hss(), Some("m-1")).await;
        assert_eq!(again, Kept::Repeated(Some(with(200).reply)), "the first, although it was read anew");
        for (what, id, group, sender_id) in [
            ("another message", "n-4", hss(), Some("m-2")),
            ("another group's", "n-5", oms(), Some("m-1")),
            ("one without an id", "n-6", hss(), None),
            ("another one, and equal", "n-7", hss(), None),
        ] {
            assert_eq!(keep(&*journal, id, group, sender_id).await, Kept::New, "{what}");
        }
    })
    .await;
}

/// Its adapter stopped, and the sender was told the group's default; read later, it is told so still.
#[tokio::test]
async fn what_was_answered_before_anybody_could_read_is_answered_again() {
    every_journal(async |journal| {
        let delivered = |id: &str| Delivered {
            id: id.to_owned(),
            group: hss(),
            sender_id: Some("m-1".to_owned()),
            raw: raw(0),
        };
        assert_eq!(journal.keep_notification(delivered("n-1")).await.expect("stored"), Kept::New);
        journal.keep_reply("n-1", &Response::ACCEPTED).await.expect("stored");
        assert_eq!(overview(journal).await.notifications_unread, 1, "it is unread all the same");
        let reading =
            Reading { reply: Response { status: 409, ..Response::ACCEPTED }, ..reading(Vec::new()) };
        journal.record_reading("n-1", reading, at(1)).await.expect("stored");
        let again = journal.keep_notification(delivered("n-2")).await.expect("stored");
        assert_eq!(again, Kept::Repeated(Some(Response::ACCEPTED)));
    })
    .await;
}
