use std::time::Duration;

use punchdown_kit::espf::{Auth, Espf, Settings, State};
use serde_json::json;

use crate::receiver::Receiver;

const SOON: Duration = Duration::from_secs(5);

fn to(url: String) -> Settings {
    Settings { url, repeat_after: Duration::from_millis(10), ..Settings::default() }
}

#[tokio::test]
async fn an_event_is_sent_again_until_it_is_answered_with_200() {
    let door = Receiver::start([503, 202]).await;
    let espf = Espf::start(to(door.url()));

    let i_event = espf.emit("Account/New", json!({ "i_account": "189" }));

    assert!(espf.drained(SOON).await);
    let event = espf.ledger().events.remove(0);
    assert_eq!(event.answers, ["503", "202", "200"]);
    assert_eq!((event.state, event.deliveries), (State::Acknowledged, 3));
    assert_eq!((event.i_event, event.i_account), (i_event, Some(189)));
    let sent = door.received().remove(0);
    assert_eq!(
        sent.json(),
        json!({ "event_type": "Account/New", "variables": { "i_account": "189", "i_event": 1 } })
    );
    assert!(sent.header("date").ends_with(" GMT"));
}

#[tokio::test]
async fn an_event_answered_with_a_4xx_is_thrown_away() {
    let door = Receiver::start([400]).await;
    let espf = Espf::start(to(door.url()));

    espf.emit("Account/New", json!({ "i_account": 189 }));

    assert!(espf.drained(SOON).await);
    let event = espf.ledger().events.remove(0);
    assert_eq!((event.state, event.deliveries), (State::Discarded, 1));
}

#[tokio::test]
async fn nobody_listening_is_no_answer() {
    let espf = Espf::start(to("http://127.0.0.1:9/door".to_owned()));

    espf.emit("Account/New", json!({ "i_account": 189 }));

    assert!(!espf.drained(Duration::from_millis(100)).await);
    let event = espf.ledger().events.remove(0);
    assert_eq!(event.state, State::Queued);
    assert_eq!(event.answers[0], "connection refused");
}

#[tokio::test]
async fn a_paused_espf_sends_nothing_and_a_duplicate_is_the_same_event() {
    let door = Receiver::start([]).await;
    let auth = Auth::Basic { user: "username".to_owned(), password: "secret".to_owned() };
    let espf = Espf::start(Settings { auth, ..to(door.url()) });
    espf.emit_duplicates(1.0);

    espf.pause();
    espf.emit("Account/Blocked", json!({ "i_account": 189, "i_event": 77 }));
    assert!(!espf.drained(Duration::from_millis(50)).await);
    assert!(door.received().is_empty());

    espf.resume();
    assert!(espf.drained(SOON).await);
    let received = door.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(received[0].header("authorization"), "Basic dXNlcm5hbWU6c2VjcmV0");
    assert_eq!(espf.ledger().events[0].deliveries, 2);
}

#[tokio::test]
async fn the_rate_spaces_deliveries() {
    let door = Receiver::start([]).await;
    let espf = Espf::start(Settings { rate: 100.0, ..to(door.url()) });
    let began = std::time::Instant::now();

    for i_account in 0..21 {
        espf.emit("Account/New", json!({ "i_account": i_account }));
    }

    assert!(espf.drained(SOON).await);
    assert!(began.elapsed() >= Duration::from_millis(190));
}
