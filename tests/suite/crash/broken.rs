//! Each way to prove a promise, tried on a host that breaks it.

use std::path::PathBuf;
use std::time::Duration;

use punchdown_kit::oms::{Manners, Settings};
use punchdown_tests::broken::AsksForNoLease;
use punchdown_tests::journal::Over;
use punchdown_tests::rounds::{End, Round, Tally};
use serde_json::json;

use super::round;
use crate::harness::{BENT, PROGRAM, folder, oms_adapter, stage_of, until};
use crate::journal_contract;

/// A few cycles with a host that is bent, or on a disk that lies. One that does not even start again is caught, too.
async fn caught(cycles: u32, bend: impl FnOnce(Round) -> Round) -> Option<Tally> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let whole = round(folder.path(), &adapter, End::Kill, cycles);
    let patience = Duration::from_secs(4);
    let bent = bend(Round { program: PathBuf::from(BENT), patience, ..whole });
    let tally = bent.play().await;
    Some(tally.unwrap_or_else(|error| Tally { lost: 1, wrong: vec![error.to_string()], ..Tally::default() }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_answers_before_the_commit_is_caught_by_a_kill() {
    let Some(tally) = caught(4, |round| Round { bent: Some("answers-early"), ..round }).await else { return };
    assert!(tally.lost > 0, "a broken promise went unnoticed: {tally}");
}

/// All that a kill leaves is there, so a kill cannot find out that nothing is synced.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_does_not_sync_is_caught_by_a_power_cut() {
    let on_it = |round| Round { program: PROGRAM.into(), end: End::PowerCut, disk_lies: true, ..round };
    let Some(tally) = caught(3, on_it).await else { return };
    assert!(tally.lost > 0, "a broken promise went unnoticed: {tally}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_sends_again_what_may_have_arrived_is_caught_by_a_kill() {
    // A kill finds it only while a request is on its way, which of six kills sometimes none does.
    let mut seen = Vec::new();
    for seed in 189..194 {
        let bend = |round| Round { bent: Some("sends-again"), seed, ..round };
        let Some(tally) = caught(6, bend).await else { return };
        if tally.doubled > 0 {
            return;
        }
        seen.push(tally.to_string());
    }
    panic!("a broken promise went unnoticed: {seen:?}");
}

/// How many accounts were served more than once, when each of their events is delivered five times.
async fn doubled_by_a_storm(program: &str) -> Option<usize> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let (accounts, polite) = (60, Settings { manners: Manners::default(), ..Settings::default() });
    let mut stage = stage_of(program, folder.path(), &adapter, polite, "", "").await;
    stage.set_environment("PUNCHDOWN_BENT", "knows-no-repeats");
    stage.open_accounts(accounts);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    for turn in 0..5 {
        for place in 0..accounts {
            // In another order each time.
            let i_account = (place * 7 + turn * 11) % accounts + 1;
            espf.emit("Account/New", json!({ "i_account": i_account, "i_event": i_account }));
        }
    }
    assert!(espf.drained(Duration::from_secs(60)).await, "all are acknowledged");
    let orders = || {
        let mut of_account = std::collections::BTreeMap::<_, usize>::new();
        for order in stage.oms.ledger().orders {
            *of_account.entry(order.account).or_default() += 1;
        }
        of_account
    };
    until("all are served", Duration::from_secs(60), async || orders().len() as u64 == accounts).await;
    until("all are told", Duration::from_secs(60), async || {
        (1..=accounts)
            .all(|account| stage.billing.final_status(account, "HSS").is_some_and(|seen| seen.status == "OK"))
    })
    .await;
    Some(orders().values().filter(|orders| **orders > 1).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_repeats_doubles_nothing() {
    let Some(doubled) = doubled_by_a_storm(PROGRAM).await else { return };
    assert_eq!(doubled, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_knows_no_repeats_is_caught_by_a_storm_of_them() {
    let Some(doubled) = doubled_by_a_storm(BENT).await else { return };
    assert!(doubled > 0, "a broken promise went unnoticed");
}

#[tokio::test]
async fn a_journal_that_asks_for_no_lease_is_caught_by_its_contract() {
    let folder = folder();
    let journal = journal_contract::open(folder.path()).expect("the journal opens");
    let careless = Over(AsksForNoLease::new(Box::new(journal)));
    let held_to_it =
        tokio::spawn(async move { journal_contract::lanes::refuses_old_epochs(&careless).await });
    assert!(held_to_it.await.is_err(), "a broken promise went unnoticed");
}
