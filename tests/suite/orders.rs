//! An order system in all its dialects, with answers that are not what one would expect: each order
//! is made once, and each group hears how its part of it ended.

use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::{Dialect, Odd, Settings};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{PROGRAM, folder, oms_adapter, rewrite, root, stage_of, told, until};

const SOON: Duration = Duration::from_secs(20);
const DIALECTS: [(&str, Dialect); 3] =
    [("v4", Dialect::V4), ("v3", Dialect::V3), ("tmf622", Dialect::Tmf622)];

/// A host that runs and speaks a dialect to an OMS, and one account.
async fn speaking(
    (word, dialect): (&str, Dialect),
    oms: Settings,
    group: &str,
    adapter: &str,
) -> Option<(TempDir, Stage)> {
    let component = oms_adapter()?;
    let folder = folder();
    let adapter = format!("dialect = \"{word}\"\n{adapter}");
    let mut stage = stage_of(PROGRAM, folder.path(), &component, oms, group, &adapter).await;
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let config = config.replace(&stage.oms.url(), &stage.oms.url_of(dialect));
    std::fs::write(&stage.config, config).expect("written");
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");
    Some((folder, stage))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_made_switched_off_and_taken_away_in_every_dialect() {
    for spoken in DIALECTS {
        // Polling would hide a notice that was not understood.
        let Some((_folder, stage)) = speaking(spoken, Settings::default(), "", "poll-seconds = 3600").await
        else {
            return;
        };
        let espf = stage.espf(0.0);
        let ended = async |orders: usize| {
            until(&format!("{orders} orders in {}", spoken.0), SOON, async || {
                let words = told(&stage, 1);
                words.len() == 2 * orders && words.last().is_some_and(|word| word == "OK")
            })
            .await;
        };
        espf.emit("Account/New", json!({ "i_account": 1 }));
        ended(1).await;
        stage.billing.change_account(1, |account| account.blocked = true);
        espf.emit("Account/Blocked", json!({ "i_account": 1 }));
        ended(2).await;
        stage.billing.change_account(1, |account| account.bill_status = 'C');
        espf.emit("Account/Terminated", json!({ "i_account": 1 }));
        ended(3).await;

        let orders = stage.oms.ledger().orders;
        let actions: Vec<_> = orders.iter().filter_map(|order| order.action.as_deref()).collect();
        assert_eq!(actions, ["add", "modify", "delete"], "{}", spoken.0);
        for order in &orders {
            assert_eq!((order.dialect, order.state.as_str()), (spoken.1, "completed"));
            assert_eq!(order.account.as_deref(), Some("15550000001@msisdn"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_differ_are_told_to_their_groups() {
    for spoken in DIALECTS {
        let oms = Settings { partial_share: 1.0, ..Settings::default() };
        let items = "items = [{ group = \"HSS\" }, { id = \"policy\", group = \"PCRF\" }]";
        let Some((_folder, stage)) = speaking(spoken, oms, "reports = [\"HSS\", \"PCRF\"]", items).await
        else {
            return;
        };
        let espf = stage.espf(0.0);
        espf.emit("Account/New", json!({ "i_account": 1 }));
        let last = |group: &str| stage.billing.final_status(1, group);
        until("both have heard of the end", SOON, async || {
            let words = ["HSS", "PCRF"].map(|group| last(group).map(|seen| seen.status));
            words == [Some("OK".to_owned()), Some("FAILED".to_owned())]
        })
        .await;
        let reason = stage.oms.ledger().orders[0].error.clone().expect("the OMS says why");
        assert_eq!(last("PCRF").and_then(|seen| seen.message), Some(reason), "{}", spoken.0);
    }
}

/// An account whose order is open when it is closed in PortaBilling.
async fn closed_while_open(spoken: (&str, Dialect)) -> Option<(TempDir, Stage)> {
    let (folder, stage) = speaking(spoken, Settings::default(), "", "poll-seconds = 3600").await?;
    stage.oms.hold_completion(true);
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("the order is open", SOON, async || stage.oms.waiting() == 1).await;
    stage.billing.change_account(1, |account| account.bill_status = 'C');
    espf.emit("Account/Terminated", json!({ "i_account": 1 }));
    assert!(espf.drained(SOON).await, "the events are stored");
    Some((folder, stage))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_ends_takes_its_open_order_with_it() {
    for spoken in [DIALECTS[0], DIALECTS[2]] {
        let Some((_folder, stage)) = closed_while_open(spoken).await else { return };
        until("OK", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;
        let orders = stage.oms.ledger().orders;
        let states: Vec<_> = orders.iter().map(|order| order.state.as_str()).collect();
        assert_eq!(states, ["cancelled"], "{}: nothing was made, so nothing is taken away", spoken.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_cancelled_is_taken_away_when_it_is_done() {
    let Some((_folder, stage)) = closed_while_open(DIALECTS[1]).await else { return };
    // By then it has looked at it, and news of it are its own.
    until("the newer operation looks for the open order", SOON, async || {
        stage.oms.ledger().requests.contains_key("GET /serviceOrder/{id}")
    })
    .await;
    assert_eq!(stage.oms.ledger().orders.len(), 1, "it is followed to its end first");
    // News of it carry the name that the older operation gave it.
    stage.oms.hold_completion(false);
    until("OK", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "OK")).await;
    let orders = stage.oms.ledger().orders;
    let actions: Vec<_> = orders.iter().filter_map(|order| order.action.as_deref()).collect();
    assert_eq!(actions, ["add", "delete"]);
    assert!(orders.iter().all(|order| order.state == "completed"), "{orders:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_odd_answer_to_an_order_leads_to_one_order() {
    let odd = [
        Odd::Empty,
        Odd::Located,
        Odd::Taken,
        Odd::Duplicate,
        Odd::BrokenLate,
        Odd::BrokenEarly,
        Odd::Page,
        Odd::ErrorInSuccess,
    ];
    let Some((_folder, stage)) = speaking(DIALECTS[0], Settings::default(), "", "poll-seconds = 1").await
    else {
        return;
    };
    stage.open_accounts(odd.len() as u64);
    let espf = stage.espf(0.0);
    for (i_account, odd) in (1..).zip(odd) {
        stage.oms.answer_next(odd);
        espf.emit("Account/New", json!({ "i_account": i_account }));
        let (word, made) = if odd == Odd::ErrorInSuccess { ("FAILED", 0) } else { ("OK", 1) };
        until(&format!("{word} after {odd:?}"), SOON, async || {
            told(&stage, i_account).last().is_some_and(|last| last == word)
        })
        .await;
        let account = format!("1555{i_account:07}@msisdn");
        let orders = stage.oms.ledger().orders.into_iter();
        let of_account = orders.filter(|order| order.account.as_ref() == Some(&account)).count();
        assert_eq!(of_account, made, "{odd:?}");
    }
    let refused = stage.billing.final_status(odd.len() as u64, "HSS").and_then(|seen| seen.message);
    assert!(refused.is_some_and(|why| why.contains("the profile is not known")), "in the system's own words");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_there_before_us_is_taken_over_and_not_ordered_again() {
    let adapter = "base = \"/tmf-api/serviceOrdering/v4\"\ninventory = { path = \"/tmf-api/serviceInventory/v4/service\" }";
    let Some(component) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage_of(PROGRAM, folder.path(), &component, Settings::default(), "", adapter).await;
    // Both APIs are below one root.
    rewrite(&stage, &stage.oms.url(), &root(&stage));
    stage.open_accounts(2);
    stage.start_host().await.expect("the host starts");
    stage.oms.put_service(json!({
        "id": "svc-by-hand", "state": "inactive", "serviceSpecification": { "id": "mobile-line" },
        "serviceCharacteristic": [{ "name": "msisdn", "value": "15550000002" }],
    }));
    let espf = stage.espf(0.0);
    for i_account in 1..=2 {
        espf.emit("Account/New", json!({ "i_account": i_account }));
        until("OK", SOON, async || told(&stage, i_account).last().is_some_and(|word| word == "OK")).await;
    }
    let orders = stage.oms.ledger().orders;
    let services: Vec<_> = orders
        .iter()
        .map(|order| (order.action.as_deref(), order.body["serviceOrderItem"][0]["service"]["id"].as_str()))
        .collect();
    assert_eq!(services, [(Some("add"), None), (Some("modify"), Some("svc-by-hand"))]);
}
