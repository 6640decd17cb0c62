//! What others call things, whatever that is: a NUL in it, or some thousand bytes of it, which not every database could
//! store.

use super::*;

/// Nothing in it comes again, so that nobody makes it shorter.
fn long(which: &str) -> String {
    (0..128).map(|part| Digest::of(format!("{which} {part}").as_bytes()).to_string()).collect()
}

fn strange() -> [String; 5] {
    ["a\0b".to_owned(), "a\0c".to_owned(), "a\0".to_owned(), long("one"), long("another")]
}

fn raw() -> Notification {
    notice(Body::Text("\0".to_owned()))
}

#[tokio::test]
async fn a_message_is_known_by_whatever_its_sender_calls_it() {
    every_journal(async |journal| {
        for (number, id) in strange().into_iter().enumerate() {
            let delivered = |name: &str| Delivered {
                id: format!("{name}-{number}"),
                group: hss(),
                sender_id: Some(id.clone()),
                raw: raw(),
            };
            let first = journal.keep_notification(delivered("first")).await.expect("stored");
            let again = journal.keep_notification(delivered("again")).await.expect("known");
            assert_eq!((first, again), (Kept::New, Kept::Repeated(None)), "{number}");
        }
        assert_eq!(overview(journal).await.notifications_unread, 5);
    })
    .await;
}

#[tokio::test]
async fn a_signal_is_known_by_whatever_its_sender_calls_it_and_reaches_whom_it_speaks_of() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        let keys = strange();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        step(journal, at(0), |operation| waits(operation, 600, &keys)).await;
        for (number, id) in strange().into_iter().enumerate() {
            let signal = || Signal {
                id: Some(id.clone()),
                correlation: Correlation::Key(id.clone()),
                payload: json(&number.to_string()),
                otherwise: Otherwise::Drop,
            };
            hear_signal(journal, &format!("first-{number}"), 0, signal()).await;
            hear_signal(journal, &format!("again-{number}"), 0, signal()).await;
        }
        let (lease, mut held) = lease_one(journal, at(1)).await;
        for number in 0..5 {
            assert_eq!(held.signal, Some(json(&number.to_string())));
            held =
                save(journal, &lease, Change { took_signal: true, ..unchanged(held.operation) }, at(1)).await;
        }
        assert_eq!(held.signal, None, "each once");
        let nobodys = Signal {
            id: None,
            correlation: Correlation::Key("nobody\0".to_owned()),
            payload: json("6"),
            otherwise: Otherwise::Keep,
        };
        hear_signal(journal, "n-6", 0, nobodys).await;
        assert_eq!(overview(journal).await.signals_kept, 1);
    })
    .await;
}

#[tokio::test]
async fn an_event_may_be_called_whatever_it_is_called() {
    on_the_disk(async |backend| {
        let journal = backend.open().await;
        let event = Event { name: "Account/\0New".to_owned(), ..event(1, 189) };
        for accepted in [Acceptance::New, Acceptance::Repeated] {
            let work = Work::Operations(vec![operation(&event, hss())]);
            assert_eq!(journal.accept(event.clone(), work).await.expect("stored"), accepted);
        }
        let (_, held) = lease_one(&*journal, at(0)).await;
        assert_eq!(held.operation.event, event, "to the letter");
        let listed = journal.events(None, 10).await.expect("reads");
        assert_eq!(listed[0].name, "Account/\u{2400}New", "as a person can see it");
    })
    .await;
}

#[tokio::test]
async fn what_a_person_says_of_an_act_is_kept() {
    on_the_disk(async |backend| {
        let journal = backend.open().await;
        let person = Person { who: "m\0".to_owned(), why: "\0because".to_owned() };
        let entry = Audit { at: at(0), person, what: "skip".to_owned(), about: "01-1".to_owned() };
        journal.audit(entry).await.expect("stored");
        let sought = AuditsSought { most: 10, ..AuditsSought::default() };
        let audits = journal.audits(sought).await.expect("reads");
        let person = &audits[0].1.person;
        assert_eq!((person.who.as_str(), person.why.as_str()), ("m\u{2400}", "\u{2400}because"));
    })
    .await;
}

#[tokio::test]
async fn who_asks_for_what_nothing_can_be_called_finds_nothing() {
    every_journal(async |journal| {
        accept(journal, 1, 189).await;
        let none = || "\0".to_owned();
        let id = OperationId(none());
        assert!(journal.operation(&id).await.expect("reads").is_none());
        assert!(journal.take(&id, claim("a person", at(0))).await.expect("reads").is_none());
        assert!(journal.event(&EventIdentity(none())).await.expect("reads").is_none());
        assert!(journal.letter(&none()).await.expect("reads").is_none());
        assert!(journal.notification(&none()).await.expect("reads").is_none());
        let sought = Sought { group: Some(Group(none())), most: 10, ..Sought::default() };
        assert!(journal.operations(sought).await.expect("reads").is_empty());
        let place = Place { at: Timestamp::from_millis(0), id: none() };
        assert!(journal.events(Some(place), 10).await.expect("reads").is_empty());
        let audits = AuditsSought {
            operation: Some(id),
            group: Some(Group(none())),
            most: 10,
            ..AuditsSought::default()
        };
        assert!(journal.audits(audits).await.expect("reads").is_empty());
    })
    .await;
}
