//! A kill at any moment, and a power cut at any moment, lose nothing that was answered, and order nothing twice. That
//! these rounds would notice is shown by hosts that break one promise each, and by a disk that lies.

mod broken;
mod points;
mod power;

use std::path::Path;
use std::time::Duration;

use punchdown_tests::rounds::{End, Round};

use crate::harness::{PROGRAM, folder, oms_adapter};

fn round(folder: &Path, adapter: &Path, end: End, cycles: u32) -> Round {
    Round {
        program: PROGRAM.into(),
        bent: None,
        adapter: adapter.to_owned(),
        folder: folder.to_owned(),
        end,
        disk_lies: false,
        database: None,
        cycles,
        seed: 189,
        patience: Duration::from_secs(90),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_under_load_lose_nothing_and_double_nothing() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let tally = round(folder.path(), &adapter, End::Kill, 50).play().await.expect("it starts again");
    println!("| kill -9 | {tally}");
    assert!(tally.is_clean(), "{tally}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_power_cuts_under_load_lose_nothing_and_double_nothing() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let tally = round(folder.path(), &adapter, End::PowerCut, 20).play().await.expect("it starts again");
    println!("| power cut | {tally}");
    assert!(tally.is_clean(), "{tally}");
}
