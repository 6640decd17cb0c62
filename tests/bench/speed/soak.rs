//! A long run at a steady pace, with neighbours that repeat, lose and fail: what the host's memory does, and
//! whether anything is lost.

use std::path::Path;
use std::time::{Duration, Instant};

use punchdown::cli::judge::judge;
use punchdown::cli::stage::Stage;
use punchdown_kit::espf::Espf;
use punchdown_kit::oms::Manners;
use serde_json::json;

use super::measure::{Failed, Told, Used, megabytes};
use super::scene::{HOST, set};

/// Caches, connections and pools are made in these minutes; drift is counted behind them.
const WARM_UP: usize = 5;
/// For what a fault has held up at the end.
const PATIENCE: Duration = Duration::from_secs(180);
const MINUTE: Duration = Duration::from_secs(60);

pub async fn run(folder: &Path, minutes: u32, rate: f64, _: Told) -> Result<(), Failed> {
    let mut stage = set(folder, HOST, "").await?;
    let config = std::fs::read_to_string(&stage.config)?;
    // A lost answer or notice is looked for soon, and what failed comes again.
    let config = config
        .replace("poll-seconds = 3600", "poll-seconds = 5")
        .replace("timeout = \"30s\"", "timeout = \"5s\"\nretry = [\"1s\", \"5s\"]");
    std::fs::write(&stage.config, config)?;
    stage.oms.set_manners(Manners {
        repeats_notice: 0.05,
        early_notice: 0.05,
        loses_answer: 0.02,
        loses_notice: 0.02,
        busy: 0.02,
        late_notice: 0.05,
    });
    stage.oms.set_fail_share(0.02);
    stage.start_host().await?;
    let espf = stage.espf(0.0);
    espf.emit_duplicates(0.05);
    println!("minute   events   memory      CPU   written");
    let pid = stage.host_pid().ok_or("no host")?;
    let (mut emitted, mut memory, mut before) = (0, Vec::new(), Used::by(pid)?);
    for minute in 1..=minutes {
        emit(&stage, &espf, rate, &mut emitted).await;
        let used = Used::by(pid)?;
        let since = used.since(before);
        before = used;
        println!(
            "{minute:>6} {emitted:>8} {:>8} {:>7.1} s {:>9}",
            megabytes(used.memory),
            since.cpu.as_secs_f64(),
            megabytes(since.written)
        );
        memory.push(used.memory);
    }
    let drained = espf.drained(PATIENCE).await;
    let began = Instant::now();
    while !judge(&stage, &espf, emitted).is_settled() && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let verdict = judge(&stage, &espf, emitted);
    println!("\nmemory drift {}\n{verdict}", drift(&memory));
    stage.stop_host().await?;
    match drained && verdict.agrees() {
        true => Ok(()),
        false => Err("something was lost, doubled or not done".into()),
    }
}

/// A minute of new accounts.
async fn emit(stage: &Stage, espf: &Espf, rate: f64, emitted: &mut u64) {
    let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    let began = Instant::now();
    while began.elapsed() < MINUTE {
        pace.tick().await;
        *emitted += 1;
        stage.billing.put_account(punchdown_kit::portabilling::Account::mobile(*emitted));
        espf.emit("Account/New", json!({ "i_account": *emitted }));
    }
}

/// The last minutes beside the first ones behind the warm-up.
fn drift(memory: &[u64]) -> String {
    let measured = memory.get(WARM_UP..).unwrap_or_default();
    let third = measured.len() / 3;
    if third == 0 {
        return "is not to be seen in so short a time".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "a mean that a person reads")]
    let mean = |of: &[u64]| of.iter().sum::<u64>() as f64 / of.len() as f64;
    let (first, last) = (mean(&measured[..third]), mean(&measured[measured.len() - third..]));
    format!(
        "{:+.1} % from the first third to the last, {WARM_UP} minutes left out",
        100.0 * (last / first - 1.0)
    )
}
