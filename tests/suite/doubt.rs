//! A request may have arrived, and nobody looked: the host never sends it again of its own accord, whatever
//! its adapter wants, and says that it is in doubt.

use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::front::Demand;
use punchdown_kit::oms::Settings;
use serde_json::json;

use crate::guests::guest;
use crate::harness::{PROGRAM, counted, folder, front, log, new_accounts, stage_of, told, until};

const SOON: Duration = Duration::from_secs(20);

fn in_state(state: &str) -> String {
    format!("punchdown_operations{{group=\"HSS\",state=\"{state}\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_arrived_is_not_sent_again_and_gives_way_to_nobody() {
    let folder = folder();
    let adapter = guest(folder.path(), "doubts");
    let mut stage = stage_of(PROGRAM, folder.path(), &adapter, Settings::default(), "", "").await;
    let front = front(&stage, Demand::Silence).await;
    stage.open_accounts(2);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    until("FAILED", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "FAILED")).await;
    let said = stage.billing.final_status(1, "HSS").and_then(|seen| seen.message).expect("a message");
    assert!(said.starts_with("in-doubt: in doubt, a request may have arrived"), "{said}");
    assert_eq!(front.ledger().unanswered, 1, "once");
    assert_eq!(counted(&stage, &in_state("in-doubt")).await, 1);
    assert!(log(&stage).contains("\"in_doubt\":true"));

    // A newer one does not take its place, and nobody else waits for it.
    espf.emit("Account/Blocked", json!({ "i_account": 1 }));
    espf.emit("Account/New", json!({ "i_account": 2 }));
    until("the other account is served", SOON, async || front.ledger().unanswered == 2).await;
    assert!(is_still(&stage, "in-doubt", 2).await);
    assert_eq!(counted(&stage, &in_state("received")).await, 1, "the newer one waits");

    // Nor does a stop settle it.
    stage.stop_host().await.expect("it stops");
    stage.start_host().await.expect("the host starts");
    assert!(is_still(&stage, "in-doubt", 2).await);
    assert_eq!(front.ledger().unanswered, 2, "nothing was sent again");
}

/// So many stand there, and a second later still do.
async fn is_still(stage: &Stage, word: &str, count: u64) -> bool {
    until("they stand there", SOON, async || counted(stage, &in_state(word)).await == count).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    counted(stage, &in_state(word)).await == count
}
