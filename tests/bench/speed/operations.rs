//! Whole operations, from the event to the status that PortaBilling took, beside the same exchanges by bare HTTP
//! libraries (`floor.rs`): no journal, no adapter, nothing that would survive anything.

use std::path::Path;

use super::measure::{Failed, Told, megabytes};
use super::scene::{HOST, burst, exchanges, set};

const FLOOR: &str = env!("CARGO_BIN_EXE_punchdown-floor");
/// Before anything is measured.
const WARM_UP: u64 = 300;
/// Times are taken at so large a share of what a burst has shown, when nothing queues.
const PACED: f64 = 0.5;

pub async fn run(folder: &Path, accounts: u64, _: Told) -> Result<(), Failed> {
    let floor = of(folder, "floor", FLOOR, accounts).await?;
    let host = of(folder, "host", HOST, accounts).await?;
    println!("\nthe host does {:.0} % of the floor's operations", 100.0 * host / floor);
    Ok(())
}

async fn of(folder: &Path, name: &str, program: &str, accounts: u64) -> Result<f64, Failed> {
    let mut stage = set(folder, program, "").await?;
    stage.open_accounts(WARM_UP + 2 * accounts);
    stage.start_host().await?;
    let espf = stage.espf(0.0);
    burst(&stage, &espf, 1..WARM_UP + 1, 0.0).await?;
    let at_once = burst(&stage, &espf, WARM_UP + 1..WARM_UP + 1 + accounts, 0.0).await?;
    let first = WARM_UP + 1 + accounts;
    let mut paced = burst(&stage, &espf, first..first + accounts / 2, at_once.per_second * PACED).await?;
    let done = usize::try_from(WARM_UP)? + at_once.accounts + paced.accounts;
    let (each, which) = exchanges(&stage, done);
    let used = at_once.used;
    println!(
        "{name:<6} {:>6.0} operations/s, {:>7.0} requests/s; at half of that, to OK: {}",
        at_once.per_second,
        at_once.per_second * each,
        paced.times.told()
    );
    println!(
        "       each {:.2} ms of a core, {} KB written, memory {}; {which}",
        used.cpu.as_secs_f64() * 1e3 / f64::from(u32::try_from(at_once.accounts)?),
        used.written / 1000 / u64::try_from(at_once.accounts)?,
        megabytes(used.memory_peak)
    );
    stage.kill_host().await?;
    Ok(at_once.per_second)
}
