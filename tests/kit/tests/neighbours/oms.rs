use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use punchdown_kit::oms::{Dialect, Manners, Notify, NotifyAuth, Odd, Oms, Settings};
use reqwest::Response;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::receiver::{Received, Receiver};
use crate::until;

const KEY: &[u8] = b"twenty-four random bytes";

fn quick() -> Settings {
    Settings { completes_after: Duration::from_millis(10)..Duration::from_millis(20), ..Settings::default() }
}

async fn start(settings: Settings) -> Oms {
    Oms::start(settings).await.expect("a free port")
}

fn order(external_id: &str) -> Value {
    let account = json!({ "name": "i_account", "value": 189 });
    let service = json!({ "serviceCharacteristic": [account] });
    let item = json!({ "id": "1", "action": "add", "service": service });
    json!({ "externalId": external_id, "serviceOrderItem": [item] })
}

async fn post(oms: &Oms, resource: &str, body: &Value) -> Result<Response, reqwest::Error> {
    let url = format!("{}/{resource}", oms.url());
    let request = crate::client().post(url).header("idempotency-key", "key-1");
    request.json(body).send().await
}

async fn get(oms: &Oms, resource: &str) -> Value {
    let url = format!("{}/{resource}", oms.url());
    let response = crate::client().get(url).send().await.expect("it answers");
    response.json().await.expect("it answers with JSON")
}

fn told_state(notice: &Received) -> String {
    let notice = notice.json();
    let state = notice["event"]["serviceOrder"]["state"].as_str();
    state.expect("every order has a state").to_owned()
}

#[tokio::test]
async fn an_order_is_acknowledged_and_its_end_is_told_under_a_signature() {
    let door = Receiver::start([]).await;
    let secret = format!("whsec_{}", BASE64_STANDARD.encode(KEY));
    let auth = NotifyAuth::StandardWebhooks(secret);
    let notify = Some(Notify { auth, ..Notify::plain(door.url()) });
    let oms = start(Settings { notify, ..quick() }).await;

    let answer = post(&oms, "serviceOrder", &order("op-1")).await.expect("it answers");
    assert_eq!(answer.status(), 201);
    let made: Value = answer.json().await.expect("the order");
    assert_eq!(made["state"], "acknowledged");
    until("both notices are accepted", || oms.orders_of("op-1")[0].notices_accepted == 2).await;

    let notices = door.received();
    let states: Vec<String> = notices.iter().map(told_state).collect();
    assert_eq!(states, ["inProgress", "completed"]);
    let notice = notices[1].json();
    assert_eq!(notice["eventId"], notices[1].header("webhook-id"));
    assert_eq!(notice["event"]["serviceOrder"]["id"], made["id"]);
    assert_eq!(notice["event"]["serviceOrder"]["externalId"], "op-1");
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("any length will do");
    for part in ["webhook-id", "webhook-timestamp"] {
        mac.update(notices[1].header(part).as_bytes());
        mac.update(b".");
    }
    mac.update(notices[1].body.as_bytes());
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(notices[1].header("webhook-signature"), format!("v1,{signature}"));
}

#[tokio::test]
async fn a_second_request_is_a_second_order() {
    let oms = start(quick()).await;

    for _ in 0..2 {
        post(&oms, "serviceOrder", &order("op-1")).await.expect("it answers");
    }

    let ledger = oms.ledger();
    assert_eq!(oms.orders_of("op-1").len(), 2);
    assert_eq!(ledger.idempotency_keys["key-1"], 2);
    assert_eq!(ledger.requests["POST /serviceOrder"], 2);
    assert_eq!(ledger.orders[0].account.as_deref(), Some("189"));
    assert_eq!(ledger.orders[0].action.as_deref(), Some("add"));
    let page = get(&oms, "serviceOrder?externalId=op-1&offset=1").await;
    assert_eq!(page[0]["id"], ledger.orders[1].id.as_str());
    assert_eq!(get(&oms, "serviceOrder?externalId=op-2").await, json!([]));
}

#[tokio::test]
async fn a_lost_answer_leaves_an_order_and_a_lost_notice_leaves_polling() {
    let door = Receiver::start([]).await;
    let manners = Manners { loses_answer: 1.0, loses_notice: 1.0, ..Manners::default() };
    let notify = Some(Notify::plain(door.url()));
    let oms = start(Settings { manners, notify, fail_share: 1.0, ..quick() }).await;

    let lost = post(&oms, "serviceOrder", &order("op-1")).await;

    assert!(!lost.expect_err("the connection closes").is_connect());
    until("the order has ended", || oms.orders_of("op-1")[0].ended_at.is_some()).await;
    let found = get(&oms, "serviceOrder?externalId=op-1").await;
    assert_eq!(found[0]["state"], "failed");
    assert_eq!(found[0]["serviceOrderItem"][0]["state"], "failed");
    let seen = oms.orders_of("op-1").remove(0);
    assert_eq!(found[0]["errorMessage"][0]["reason"].as_str(), seen.error.as_deref());
    assert_eq!((seen.notices_sent, door.received().len()), (0, 0));
}

#[tokio::test]
async fn an_early_notice_comes_before_the_answer_and_a_repeated_one_keeps_its_id() {
    let door = Receiver::start([503]).await;
    let manners = Manners { early_notice: 1.0, repeats_notice: 1.0, ..Manners::default() };
    let notify = Some(Notify { attempts: 2, ..Notify::plain(door.url()) });
    let oms = start(Settings { manners, notify, ..quick() }).await;

    let answer = post(&oms, "serviceOrder", &order("op-1")).await.expect("it answers");

    let notices = door.received();
    let made: Value = answer.json().await.expect("the order");
    assert_eq!(made["state"], "acknowledged");
    assert_eq!(notices.len(), 5);
    assert_eq!(told_state(&notices[4]), "completed");
    assert_eq!(notices[3].json()["eventId"], notices[4].json()["eventId"]);
    let seen = oms.orders_of("op-1").remove(0);
    assert_eq!((seen.notices_sent, seen.notices_accepted), (5, 4));
}

#[tokio::test]
async fn a_held_answer_counts_until_it_is_given_or_the_client_goes() {
    let oms = start(quick()).await;
    oms.hold_answers(true);
    oms.hold_completion(true);

    let ask = |external_id: &'static str| {
        let oms = oms.clone();
        tokio::spawn(async move { post(&oms, "serviceOrder", &order(external_id)).await })
    };
    let (gone, patient) = (ask("op-1"), ask("op-2"));
    until("both wait", || oms.unanswered() == 2).await;
    gone.abort();
    until("one has gone", || oms.unanswered() == 1).await;
    assert_eq!((oms.ledger().orders.len(), oms.waiting()), (2, 0));

    oms.hold_answers(false);
    let answer = patient.await.expect("it was not aborted").expect("it answers");
    assert_eq!(answer.status(), 201);
    assert_eq!((oms.unanswered(), oms.waiting()), (0, 1));

    oms.hold_completion(false);
    until("the order has ended", || oms.waiting() == 0).await;
}

#[tokio::test]
async fn an_order_that_has_not_ended_can_be_cancelled_and_the_hub_hears_of_it() {
    let door = Receiver::start([]).await;
    let oms = start(quick()).await;
    oms.hold_completion(true);
    let callback = json!({ "callback": door.url() });
    let hub = post(&oms, "hub", &callback).await.expect("it answers");
    assert_eq!(hub.status(), 201);

    post(&oms, "serviceOrder", &order("op-1")).await.expect("it answers");
    until("work has begun", || door.received().len() == 1).await;
    let id = oms.orders_of("op-1").remove(0).id;
    let task = json!({ "serviceOrder": { "id": id } });
    let cancelled: Value =
        post(&oms, "cancelServiceOrder", &task).await.expect("it answers").json().await.expect("the task");
    let again: Value =
        post(&oms, "cancelServiceOrder", &task).await.expect("it answers").json().await.expect("the task");

    assert_eq!((&cancelled["state"], &again["state"]), (&json!("done"), &json!("terminatedWithError")));
    until("the hub has heard", || door.received().len() == 2).await;
    assert_eq!(told_state(&door.received()[1]), "cancelled");
    let read = get(&oms, &format!("serviceOrder/{id}")).await;
    assert_eq!(read["state"], "cancelled");
}

#[tokio::test]
async fn it_refuses_what_is_no_order_who_is_not_known_and_whoever_comes_when_busy() {
    let oms = start(quick()).await;
    let empty = json!({ "serviceOrderItem": [{ "id": "1", "action": "add" }] });
    let refused = post(&oms, "serviceOrder", &empty).await.expect("it answers");
    assert_eq!(refused.status(), 400);
    let refused: Value = refused.json().await.expect("a reason");
    assert_eq!(refused["code"], "400");

    oms.set_manners(Manners { busy: 1.0, ..Manners::default() });
    let busy = post(&oms, "serviceOrder", &order("op-1")).await.expect("it answers");
    assert_eq!((busy.status().as_u16(), oms.ledger().orders.len()), (503, 0));

    let bearer = Some("secret".to_owned());
    let guarded = start(Settings { bearer, ..quick() }).await;
    let unknown = post(&guarded, "serviceOrder", &order("op-1")).await.expect("it answers");
    assert_eq!((unknown.status().as_u16(), guarded.ledger().orders.len()), (401, 0));
}

#[tokio::test]
async fn every_dialect_has_a_path_and_words_of_its_own() {
    let door = Receiver::start([]).await;
    let notify = Some(Notify::plain(door.url()));
    let oms = start(Settings { notify, partial_share: 1.0, ..quick() }).await;
    let links = json!({ "href": "", "serviceSpecification": { "href": "" } });
    let service = |id: &str| json!({ "id": id, "action": "add", "service": links });
    let product = |id: &str| json!({ "id": id, "action": "add", "product": {} });
    let v3 = json!({ "externalId": "op-1", "orderItem": [service("1"), service("2")] });
    let ids = json!([{ "owner": "punchdown", "id": "op-2" }]);
    let tmf622 = json!({ "externalId": ids, "productOrderItem": [product("1"), product("2")] });

    for (dialect, resource, order) in
        [(Dialect::V3, "serviceOrder", v3), (Dialect::Tmf622, "productOrder", tmf622)]
    {
        let url = format!("{}/{resource}", oms.url_of(dialect));
        let answer = crate::client().post(url).json(&order).send().await.expect("it answers");
        assert_eq!(answer.status(), 201);
        let made: Value = answer.json().await.expect("the order");
        assert_eq!((made["id"].is_string(), &made["state"]), (true, &Value::Null));
    }
    until("both have ended", || oms.waiting() == 0 && door.received().len() == 4).await;
    let last = |kind: &str| {
        let notices = door.received().into_iter().map(|notice| notice.json());
        notices.filter(|notice| notice["eventType"] == kind).last().expect("a notice")
    };
    let v3 = &last("ServiceOrderStateChangeNotification")["event"]["serviceOrder"];
    assert_eq!((&v3["state"], &v3["orderItem"][0]["state"]), (&json!("partial"), &json!("completed")));
    let tmf622 = &last("ProductOrderStateChangeEvent")["event"]["productOrder"];
    assert_eq!(tmf622["productOrderItem"][1]["state"], "failed");
    let about = &tmf622["productOrderErrorMessage"][0]["productOrderItem"];
    assert_eq!(about[0]["productOrderItemId"], "2");
    let url = format!("{}/serviceOrder", oms.url_of(Dialect::V3));
    let bare = crate::client().post(url).json(&json!({ "orderItem": [{ "id": "1", "action": "add" }] }));
    assert_eq!(bare.send().await.expect("it answers").status(), 400, "R18.5 wants links");
}

#[tokio::test]
async fn an_odd_answer_is_given_once() {
    let oms = start(quick()).await;
    oms.answer_next(Odd::Located);
    oms.answer_next(Odd::Page);
    let located = post(&oms, "serviceOrder", &order("op-1")).await.expect("it answers");
    let id = oms.orders_of("op-1").remove(0).id;
    assert!(located.headers()["location"].to_str().is_ok_and(|place| place.ends_with(&id)));
    assert_eq!(located.text().await.expect("text"), "");
    let page = post(&oms, "serviceOrder", &order("op-2")).await.expect("it answers");
    assert_eq!((page.status().as_u16(), oms.orders_of("op-2").len()), (502, 0));
    let plain = post(&oms, "serviceOrder", &order("op-2")).await.expect("it answers");
    assert_eq!((plain.status().as_u16(), oms.orders_of("op-2").len()), (201, 1));
}

#[tokio::test]
async fn the_same_seed_gives_the_same_fates() {
    let run = || async {
        let oms = start(Settings { seed: 7, fail_share: 0.5, ..quick() }).await;
        for _ in 0..8 {
            post(&oms, "serviceOrder", &order("op-1")).await.expect("it answers");
        }
        until("all have ended", || oms.waiting() == 0).await;
        let orders = oms.ledger().orders.into_iter();
        orders.map(|seen| (seen.id, seen.state)).collect::<Vec<_>>()
    };

    assert_eq!(run().await, run().await);
}
