//! SIGKILL at any moment loses nothing that was answered, and orders nothing twice. That the
//! cycles would notice is shown by a host that answers before it has committed.

use std::time::Duration;

use punchdown::cli::judge::{judge, unrest};
use punchdown::cli::stage::Stage;
use punchdown_kit::oms::{Manners, Settings};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::harness::{ANSWERS_EARLY, PROGRAM, folder, new_accounts, oms_adapter, stage_of, until};

const CYCLES: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(120);

fn load() -> Settings {
    Settings {
        seed: 20,
        answer_after: Duration::from_millis(10),
        completes_after: Duration::from_millis(200)..Duration::from_millis(1500),
        fail_share: 0.05,
        manners: Manners {
            repeats_notice: 0.1,
            early_notice: 0.05,
            loses_answer: 0.05,
            ..Manners::default()
        },
        ..Settings::default()
    }
}

/// Kills the host at random moments, so many times, while events come in.
async fn kill_under_load(stage: &mut Stage, cycles: u32, seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    for _ in 0..cycles {
        let running = chance.random_range(20..1200);
        tokio::time::sleep(Duration::from_millis(running)).await;
        stage.kill_host().await.expect("there is a host");
        stage.start_host().await.expect("it starts again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_under_load_lose_nothing_and_double_nothing() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let accounts = 1200;
    let mut stage = stage_of(PROGRAM, folder.path(), &adapter, load(), "", "poll-seconds = 1").await;
    stage.open_accounts(accounts);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(100.0);
    espf.emit_duplicates(0.05);
    new_accounts(&espf, accounts);

    kill_under_load(&mut stage, CYCLES, 189).await;

    assert!(espf.drained(PATIENCE).await, "every event is acknowledged at last");
    until("every account has its last word", PATIENCE, async || judge(&stage, &espf, accounts).is_settled())
        .await;
    let mut verdict = judge(&stage, &espf, accounts);
    let mut at_rest = Vec::new();
    // What PortaBilling has already may have to be written down yet.
    for _ in 0..100 {
        at_rest = unrest(&stage.status().await.expect("the host answers"), accounts);
        if at_rest.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    verdict.hear(&at_rest);
    assert!(verdict.agrees(), "{verdict}");
    println!("{CYCLES} kills, {accounts} acknowledged, 0 lost, 0 doubled{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_answers_before_the_commit_is_caught() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let accounts = 400;
    let mut stage = stage_of(ANSWERS_EARLY, folder.path(), &adapter, load(), "", "poll-seconds = 1").await;
    stage.open_accounts(accounts);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(200.0);
    new_accounts(&espf, accounts);

    kill_under_load(&mut stage, 3, 7).await;

    assert!(espf.drained(PATIENCE).await, "every event was acknowledged");
    // What was not lost has been ordered by now.
    let ordered = |stage: &Stage| stage.oms.ledger().orders.len();
    let mut before = usize::MAX;
    until("nothing more is ordered", PATIENCE, async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = ordered(&stage);
        std::mem::replace(&mut before, now) == now
    })
    .await;
    let lost = judge(&stage, &espf, accounts).without_order();
    assert!(lost > 0, "a broken promise went unnoticed: the crash cycles prove nothing");
}
