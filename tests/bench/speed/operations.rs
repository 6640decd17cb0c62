//! Whole operations, from the event to the status that PortaBilling took, beside the same exchanges by bare HTTP
//! libraries (`floor.rs`): no journal, no adapter, nothing that would survive anything.

use std::path::Path;

use punchdown::cli::stage::Stage;

use super::measure::{Failed, Times, Told, Used, megabytes};
use super::scene::{HOST, burst, exchanges, set};

pub const FLOOR: &str = env!("CARGO_BIN_EXE_punchdown-floor");
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
    stage.start_host().await?;
    let mut whole = whole(&stage, &[stage.host_pid().ok_or("no host")?], accounts).await?;
    let (each, which) = exchanges(&stage, whole.done);
    println!(
        "{name:<6} {:>6.0} operations/s, {:>7.0} requests/s; at half of that, to OK: {}",
        whole.per_second,
        whole.per_second * each,
        whole.times.told()
    );
    println!(
        "       each {:.2} ms of a core, {} KB written, memory {}; {which}",
        whole.core_ms_each,
        whole.kilobytes_each,
        megabytes(whole.memory_peak)
    );
    stage.kill_host().await?;
    Ok(whole.per_second)
}

/// What hosts did with new accounts.
pub struct Whole {
    /// When all came at once.
    pub per_second: f64,
    /// At half that pace, from the event that was accepted to its `OK`.
    pub times: Times,
    pub core_ms_each: f64,
    pub kilobytes_each: u64,
    pub memory_peak: u64,
    /// Accounts, with those that are not measured.
    pub done: usize,
}

/// So many accounts at once, and half as many at half the pace that was seen then, by hosts that run in these processes.
pub async fn whole(stage: &Stage, pids: &[u32], accounts: u64) -> Result<Whole, Failed> {
    stage.open_accounts(WARM_UP + 2 * accounts);
    let espf = stage.espf(0.0);
    burst(stage, &espf, 1..WARM_UP + 1, 0.0).await?;
    let before = Used::by_all(pids)?;
    let first = WARM_UP + 1;
    let at_once = burst(stage, &espf, first..first + accounts, 0.0).await?;
    let used = Used::by_all(pids)?.since(before);
    let first = first + accounts;
    let paced = burst(stage, &espf, first..first + accounts / 2, at_once.per_second * PACED).await?;
    let count = u32::try_from(at_once.accounts)?;
    Ok(Whole {
        per_second: at_once.per_second,
        core_ms_each: used.cpu.as_secs_f64() * 1e3 / f64::from(count),
        kilobytes_each: used.written / 1000 / u64::from(count),
        memory_peak: used.memory_peak,
        done: usize::try_from(WARM_UP)? + at_once.accounts + paced.accounts,
        times: paced.times,
    })
}
