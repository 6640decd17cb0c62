//! Whatever came and whatever is known can be looked at, page by page, and names no subscriber in full.

use std::time::Duration;

use punchdown::domain::Timestamp;
use punchdown_kit::oms::{Odd, Settings};
use serde_json::{Value, json};

use crate::harness::{PROGRAM, folder, oms_adapter, stage, stage_of, told, until};
use crate::operators::{asked, operations, said};

const SOON: Duration = Duration::from_secs(20);

fn elements<'a>(answer: &'a Value, of: &str) -> &'a [Value] {
    answer[of].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_and_what_is_known_can_be_looked_at() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.open_accounts(3);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    for i_account in 1..=3 {
        espf.emit("Account/New", json!({ "i_account": i_account, "password": "s3cret" }));
        until("OK", SOON, async || told(&stage, i_account).last().is_some_and(|word| word == "OK")).await;
    }
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let door = format!("http://{}/espf/events", stage.public);
    let letter = client.post(door).basic_auth("espf", Some("stage-espf-password")).body("no event at all");
    assert_eq!(letter.send().await.expect("an answer").status().as_u16(), 400);

    // Events, page by page.
    let first = asked(&stage, &["event", "list", "--limit", "2"]).await;
    let accounts =
        |page: &Value| elements(page, "events").iter().map(|it| it["i_account"].clone()).collect::<Vec<_>>();
    assert_eq!(accounts(&first), [3, 2]);
    let before = first["before"].as_str().expect("there are more");
    let second = asked(&stage, &["event", "list", "--limit", "2", "--before", before]).await;
    assert_eq!((accounts(&second), &second["before"]), (vec![json!(1)], &Value::Null));
    let id = second["events"][0]["id"].as_str().expect("an id");
    let event = asked(&stage, &["event", "show", id]).await;
    assert_eq!(event["variables"]["password"], "(hidden)");
    assert_eq!(elements(&event, "operations").len(), 1);

    let letters = asked(&stage, &["event", "list", "--dead-letters"]).await;
    let [letter] = elements(&letters, "dead_letters") else { panic!("one letter: {letters}") };
    let shown =
        asked(&stage, &["event", "show", letter["id"].as_str().expect("an id"), "--dead-letter"]).await;
    assert_eq!(shown["body"], "no event at all");

    // What the order system said, and to whom.
    let notices = asked(&stage, &["notification", "list"]).await;
    let notice = elements(&notices, "notifications").first().expect("some came");
    let shown = asked(&stage, &["notification", "show", notice["id"].as_str().expect("an id")]).await;
    let fates: Vec<_> = elements(&shown, "signals").iter().map(|it| it["fate"].clone()).collect();
    assert!(
        !fates.is_empty()
            && fates.iter().all(|fate| ["taken", "dropped"].contains(&fate.as_str().unwrap_or_default())),
        "{fates:?}"
    );
    assert!(
        elements(&asked(&stage, &["notification", "list", "--unread"]).await, "notifications").is_empty()
    );

    // An account: what stands, what was told, what was done.
    let account = asked(&stage, &["account", "show", "2"]).await;
    assert!(account["stands"]["HSS"]["service"].is_object(), "{account}");
    assert_eq!(account["statuses"][0]["status"], "OK");
    assert_eq!(elements(&account, "operations").len(), 1);
    for shown in [&event, &shown, &account, &first] {
        assert!(!shown.to_string().contains("1555000000"), "{shown}");
    }
    let nobody = said(&stage, &["account", "show", "77"]).await;
    assert_eq!(nobody.status.code(), Some(1));
    let words = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert!(words.contains("there is no account 77"), "{words}");
    let wrong = said(&stage, &["event", "list", "--before", "yesterday"]).await;
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("not `yesterday`"), "{wrong:?}");
    let text = said(&stage, &["account", "show", "2"]).await;
    assert!(String::from_utf8_lossy(&text.stdout).contains("done"), "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_are_said_in_sentences_and_nothing_else_is() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.open_accounts(2);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("OK", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;
    let text = async |arguments: &[&str]| {
        let output = said(&stage, arguments).await;
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    assert_eq!(text(&["status", "--problems"]).await, "nothing is held back, and nothing needs a person\n");
    let all = text(&["status"]).await;
    assert!(all.contains("done within") && all.contains("done               1"), "{all}");

    stage.oms.answer_next(Odd::ErrorInSuccess);
    espf.emit("Account/New", json!({ "i_account": 2 }));
    until("it is parked", SOON, async || operations(&stage, &["--problems"]).await.len() == 1).await;
    let words = text(&["status", "--problems"]).await;
    assert!(words.contains("group HSS: 1 parked") && words.contains("Account/New"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_open_operation_of_a_group_stands_against_its_deadline() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage =
        stage_of(PROGRAM, folder.path(), &adapter, Settings::default(), "deadline = \"1h\"", "").await;
    stage.oms.hold_completion(true);
    stage.open_accounts(2);
    stage.start_host().await.expect("the host starts");
    let group = async || asked(&stage, &["status"]).await["groups"]["HSS"].clone();
    assert_eq!(
        (&group().await["oldest_open"], &group().await["last_event_at"]),
        (&Value::Null, &Value::Null)
    );
    let espf = stage.espf(0.0);
    for i_account in [1, 2] {
        espf.emit("Account/New", json!({ "i_account": i_account }));
        let in_progress = async || told(&stage, i_account).last().is_some_and(|word| word == "IN_PROGRESS");
        until("it waits", SOON, in_progress).await;
    }
    let shown = group().await;
    let oldest = &shown["oldest_open"];
    let first = operations(&stage, &["--account", "1"]).await;
    assert_eq!((&oldest["id"], &oldest["i_account"]), (&first[0]["id"], &json!(1)), "{shown}");
    assert_eq!(oldest["state"], "awaiting-notification");
    let left = oldest["left_s"].as_i64().expect("its time runs");
    assert!((3000..=3600).contains(&left), "{shown}");
    let id = oldest["id"].as_str().expect("an id");
    let operation = asked(&stage, &["operation", "show", id]).await;
    assert_eq!(operation["deadline"], oldest["deadline"], "both say the same");
    let second = operations(&stage, &["--account", "2"]).await;
    assert_eq!(shown["last_event_at"], second[0]["received_at"]);
    assert_eq!(shown["breaker"], Value::Null);
    let text = String::from_utf8(said(&stage, &["status"]).await.stdout).expect("text");
    assert!(text.contains("breaker            closed") && text.contains("  last event         2"), "{text}");
    let line = text.lines().find(|line| line.contains("oldest open")).expect("a line");
    assert!(
        line.contains(id) && line.contains("awaiting-notification") && line.ends_with("s left"),
        "{line}"
    );

    // What is paused has as much time as it had.
    let sign = ["--who", "ann", "--why", "for the night"];
    assert!(said(&stage, &[&["target", "pause", "HSS"][..], &sign].concat()).await.status.success());
    let paused = group().await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let later = group().await;
    let at = |group: &Value| -> Timestamp {
        serde_json::from_value(group["oldest_open"]["deadline"].clone()).expect("a time")
    };
    assert!(at(&later).since(at(&paused)) >= Duration::from_secs(1), "its deadline moves");
}
