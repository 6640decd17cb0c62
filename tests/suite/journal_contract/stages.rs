//! An operation comes out of the journal as it went in, wherever it stands.

use super::*;

/// An operation with something in every field.
fn full(number: u32, stage: Stage) -> Operation {
    let mut event = event(number, u64::MAX - u64::from(number));
    event.enclosed = json("{\"pb_data\":{\"account_info\":{\"balance\":\"0.00000\"}}}");
    let entry = |second, what| Entry { at: at(second), what };
    let exchanged = |outcome| Happening::Exchanged(Exchange { label: "order".to_owned(), outcome });
    let done = |asked, entry| Move { asked, by: Digest::of(b"adapter"), entry };
    let sent = || Asked::Send { request: request(), attempts: 2 };
    let waited = || Asked::Wait(Waiting { seconds: Some(30), forget: true, gives_way: true });
    Operation {
        laid_down: Some(LaidDown {
            began: at(1),
            wanted: Wanted::Suspended,
            subscriber: Some(Subscriber {
                account_id: AccountId("15550001111@msisdn".to_owned()),
                msisdn: Some("15550001111".to_owned()),
                imsi: Some("001010000000001".to_owned()),
                iccid: None,
                documents: json("{\"account_info\": {\"z\": 1.10, \"a\": 12345678901234567890}}"),
            }),
            applied: Some(json("{\"order\":\"o-1\"}")),
            config: json("{\"realm\": \"épc\"}"),
            notify_at: Some("https://punchdown.example/n/hss".to_owned()),
        }),
        stage,
        due: at(2),
        deadline: at(600),
        moves: vec![
            done(sent(), entry(3, exchanged(Received::Unknown("no answer in time".to_owned())))),
            done(sent(), entry(4, exchanged(Received::Answered(response())))),
            done(waited(), entry(5, Happening::Notified(json("{\"n\": 1.0}")))),
            done(waited(), entry(6, Happening::Elapsed)),
        ],
        keys: vec!["o-1".to_owned(), "ключ".to_owned()],
        said: BTreeMap::from([
            (service("HSS"), said(Status::InProgress, "ordered")),
            (service("PCRF"), Said { status: Status::Ok, message: None }),
        ]),
        waited: true,
        spoken_for: true,
        overdue: Some(said(Status::Failed, "no end was heard of within 600 s")),
        trouble: Some(trouble()),
        ..operation(&event, hss())
    }
}

pub(super) fn request() -> Request {
    Request {
        label: "order".to_owned(),
        method: "POST".to_owned(),
        path: "/serviceOrder?x=1".to_owned(),
        headers: vec![Header { name: "accept".to_owned(), value: "application/json".to_owned() }],
        body: Body::Bytes(vec![0, 159, 255]),
        delivery: Delivery::AtMostOnce,
        fills: vec![Fill { mark: "@@pw@@".to_owned(), source: "secret.pw".to_owned(), escape: Escape::Xml }],
        extras: Some(Json::empty_object()),
    }
}

fn response() -> Response {
    let header = |value: &str| Header { name: "set-cookie".to_owned(), value: value.to_owned() };
    Response { status: 201, headers: vec![header("a"), header("b")], body: Body::Text("é\u{0}".to_owned()) }
}

fn open_stages() -> Vec<Stage> {
    let by = || Digest::of(b"adapter");
    let repeatable = Request { delivery: Delivery::Repeatable, body: Body::Empty, ..request() };
    let waiting = |seconds| Waiting { seconds, forget: false, gives_way: true };
    vec![
        Stage::Received { attempts: 3 },
        Stage::Asking,
        Stage::Ready { request: request(), by: by(), attempts: 4 },
        Stage::Ready { request: repeatable, by: by(), attempts: 0 },
        Stage::OnItsWay { request: request(), by: by(), attempts: 5, epoch: u64::MAX },
        Stage::Waiting { waiting: waiting(Some(30)), by: by(), since: at(1), until: at(2) },
        Stage::Waiting { waiting: waiting(None), by: by(), since: at(1), until: at(2) },
        Stage::Parked { trouble: trouble(), in_doubt: false },
    ]
}

#[tokio::test]
async fn an_operation_comes_back_as_it_was_in_every_stage() {
    every_backend(async |backend| {
        let journal = backend.open().await;
        let mut saved = Vec::new();
        for (number, stage) in (1..).zip(open_stages()) {
            let kept = full(number, stage);
            let received = operation(&kept.event, hss());
            journal.accept(kept.event.clone(), Work::Operations(vec![received])).await.expect("stored");
            let wanted = kept.laid_down.as_ref().expect("a full one").wanted;
            let notes = vec![Note::LaidDown { wanted }];
            step(&*journal, at(0), |_| Change { notes, ..unchanged(kept.clone()) }).await;
            saved.push(kept);
        }
        // One that is parked is looked at only because of something newer.
        for (number, kept) in (100..).zip(&saved) {
            let newer = event(number, kept.lane.i_account.0);
            journal
                .accept(newer.clone(), Work::Operations(vec![operation(&newer, hss())]))
                .await
                .expect("stored");
        }
        drop(journal);
        let journal = backend.open().await;
        let mut found: Vec<_> =
            lease(&*journal, at(9999)).await.into_iter().map(|(_, held)| held.operation).collect();
        found.sort_by(|one, other| one.id.cmp(&other.id));
        assert_eq!(found, saved);
        assert!(found[0].lane.i_account.0 > i64::MAX.unsigned_abs(), "a big account keeps its digits");
    })
    .await;
}

/// A closed one moves no more, and cannot be asked for: the counts must know it.
#[tokio::test]
async fn what_is_closed_stays_closed_and_is_counted_by_its_stage() {
    every_backend(async |backend| {
        let journal = backend.open().await;
        let stages = [
            Stage::Finished,
            Stage::Ignored { why: "not ours".to_owned() },
            Stage::Superseded { by: OperationId("01-NEWER".to_owned()) },
            Stage::Parked { trouble: trouble(), in_doubt: true },
        ];
        for (number, stage) in (1..).zip(stages) {
            accept(&*journal, number, number.into()).await;
            step(&*journal, at(0), |operation| in_stage(operation, stage)).await;
        }
        drop(journal);
        let journal = backend.open().await;
        let leased = lease_in(&*journal, hss(), at(9999)).await;
        assert!(leased.lanes.is_empty() && leased.next_due.is_none());
        let counts = overview(&*journal).await;
        let words: Vec<_> =
            counts.operations.iter().map(|((_, word), count)| (word.as_str(), *count)).collect();
        assert_eq!(words, [("done", 1), ("ignored", 1), ("in-doubt", 1), ("superseded", 1)]);
        assert_eq!(counts.oldest_open, BTreeMap::from([(hss(), at(0))]), "the one in doubt is open");
    })
    .await;
}
