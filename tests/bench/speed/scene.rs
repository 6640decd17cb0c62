//! A host among quick neighbours, and what it does with a burst of accounts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use punchdown::cli::stage::{self, Setting, Stage};
use punchdown_kit::espf::Espf;
use punchdown_kit::oms;
use serde_json::json;

use super::measure::{Failed, Times, per_second};

pub const HOST: &str = env!("CARGO_BIN_EXE_punchdown-under-test");
/// A burst that is not through by then says nothing.
const PATIENCE: Duration = Duration::from_secs(300);

/// A stage whose neighbours answer at once, and whose host is not held back.
pub async fn set(folder: &Path, program: &str, group_settings: &str) -> Result<Stage, Failed> {
    let directory = folder.join(Path::new(program).file_name().ok_or("no name")?);
    std::fs::create_dir_all(&directory)?;
    let stage = Stage::set(Setting {
        directory,
        program: PathBuf::from(program),
        adapter: stage::adapter(None, "oms-tmf641").await?,
        adapter_config: "specification = \"mobile-line\"\npoll-seconds = 3600",
        group_settings,
        target_settings: "concurrency = 64\ntimeout = \"30s\"",
        oms: oms::Settings {
            completes_after: Duration::from_millis(10)..Duration::from_millis(11),
            ..oms::Settings::default()
        },
        system: None,
    })
    .await?;
    let config = std::fs::read_to_string(&stage.config)?;
    let config = config.replace("rate = \"1000/s\"", "rate = \"100000/s\"\nconcurrency = 64");
    std::fs::write(&stage.config, config.replace("[admin]\n", "[log]\nfilter = \"warn\"\n\n[admin]\n"))?;
    Ok(stage)
}

/// What became of a burst.
pub struct Burst {
    pub per_second: f64,
    /// From the event that was accepted to its `OK`.
    pub times: Times,
    pub accounts: usize,
}

/// Lets new accounts of these numbers come, so many a second (0: at once), and waits until all are `OK`.
pub async fn burst(
    stage: &Stage,
    espf: &Espf,
    accounts: std::ops::Range<u64>,
    rate: f64,
) -> Result<Burst, Failed> {
    let began = SystemTime::now();
    let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / if rate > 0.0 { rate } else { 1e6 }));
    for i_account in accounts.clone() {
        if rate > 0.0 {
            pace.tick().await;
        }
        espf.emit("Account/New", json!({ "i_account": i_account }));
    }
    let oks = oks(stage, &accounts).await?;
    let last = oks.values().max().copied().unwrap_or(began);
    let mut times = Times::default();
    for event in espf.ledger().events {
        let ok = event.i_account.filter(|account| accounts.contains(account)).and_then(|it| oks.get(&it));
        if let (Some(ok), Some(accepted)) = (ok, event.answered_at) {
            times.add(ok.duration_since(accepted).unwrap_or_default());
        }
    }
    Ok(Burst { per_second: per_second(oks.len(), last.duration_since(began)?), times, accounts: oks.len() })
}

async fn oks(stage: &Stage, accounts: &std::ops::Range<u64>) -> Result<BTreeMap<u64, SystemTime>, Failed> {
    let wanted = usize::try_from(accounts.end - accounts.start)?;
    let began = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let statuses = stage.billing.ledger().statuses.into_iter();
        let ok = statuses.filter(|seen| seen.status == "OK" && accounts.contains(&seen.i_account));
        let ok: BTreeMap<u64, SystemTime> = ok.map(|seen| (seen.i_account, seen.at)).collect();
        if ok.len() >= wanted {
            return Ok(ok);
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("{} of {wanted} accounts were OK after {PATIENCE:?}", ok.len()).into());
        }
    }
}

/// Requests that went to and fro for each account, by what they were.
pub fn exchanges(stage: &Stage, accounts: usize) -> (f64, String) {
    let (billing, oms) = (stage.billing.ledger(), stage.oms.ledger());
    let notices: u64 = oms.orders.iter().map(|order| u64::from(order.notices_sent)).sum();
    let mut all: BTreeMap<String, u64> = billing.calls;
    all.extend(oms.requests);
    all.insert("events".to_owned(), accounts as u64);
    all.insert("notifications".to_owned(), notices);
    #[expect(clippy::cast_precision_loss, reason = "a count that a person reads")]
    let each = |count: u64| count as f64 / accounts as f64;
    let told: Vec<String> = all.iter().map(|(what, count)| format!("{what} {:.2}", each(*count))).collect();
    (each(all.values().sum()), told.join(", "))
}
