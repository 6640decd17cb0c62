//! `demo`: accounts being provisioned, as the manual tells it. The neighbours are simulators;
//! the host is the real program on a real journal. At the end the neighbours' own ledgers are
//! compared, account by account.

mod faults;
mod progress;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use punchdown_kit::espf::Espf;
use punchdown_kit::oms;

use self::progress::Progress;
use super::judge;
use super::stage::{Setting, Stage, oms_adapter};

/// In flight, or waiting, at the moments of the crashes.
const CRASH_AMONG: usize = 20;
/// The whole demo; something is stuck if it takes longer.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(clap::Args)]
pub struct Arguments {
    /// Accounts to be provisioned.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    accounts: u64,
    /// Events a second.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Kill the host twice on the way, with SIGKILL.
    #[arg(long)]
    crash: bool,
    /// Let the neighbours do wrong whatever they know: it takes a minute longer.
    #[arg(long)]
    faults: bool,
    /// Keep the folder with configuration, journal and log.
    #[arg(long)]
    keep: bool,
    /// An adapter that is ready, instead of building the one in this checkout.
    #[arg(long, value_name = "FILE")]
    adapter: Option<PathBuf>,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    if arguments.crash && (arguments.accounts < CRASH_AMONG as u64 || arguments.rate < 1.0) {
        eprintln!(
            "--crash wants {CRASH_AMONG} operations under way: ask for as many --accounts, and a --rate of 1 or more"
        );
        return ExitCode::from(2);
    }
    match play(arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the demo cannot go on: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn play(arguments: &Arguments) -> io::Result<bool> {
    let adapter = oms_adapter(arguments.adapter.as_deref()).await?;
    let directory = tempfile::Builder::new().prefix("punchdown-demo-").tempdir()?;
    let mut stage = Stage::set(setting(directory.path().to_owned(), adapter, arguments.faults)?).await?;
    stage.open_accounts(arguments.accounts);
    stage.start_host().await?;
    if arguments.crash {
        hold(&stage);
    }
    let espf = stage.espf(arguments.rate);
    for i_account in 1..=arguments.accounts {
        espf.emit("Account/New", serde_json::json!({ "i_account": i_account }));
    }
    let progress = Progress::start(&stage, &espf, arguments.accounts);
    if arguments.faults {
        faults::begin(&stage, &espf, &progress);
    }
    if arguments.crash {
        crash_twice(&mut stage, &progress, manners(arguments.faults)).await?;
    }
    if arguments.faults {
        faults::a_bad_minute(&stage, &progress).await;
    }
    let settled = settle(&stage, &espf, arguments.accounts).await;
    progress.finish();
    let stopped = stage.stop_host().await?;
    let verdict = judge::judge(&stage, &espf, arguments.accounts);
    print!("{verdict}");
    if arguments.keep || !verdict.agrees() || !stopped.success() {
        println!("kept: {}", directory.keep().display());
    }
    Ok(settled && verdict.agrees() && stopped.success())
}

const WITHOUT: &str = "concurrency = 32\ntimeout = \"30s\"\nretry = [\"500ms\", \"1s\", \"2s\"]";
/// Silence is to be found out before the demo is over.
const WITH_FAULTS: &str = "concurrency = 32\ntimeout = \"2s\"\nretry = [\"500ms\", \"1s\", \"2s\"]";

/// Not the best ones.
const MANNERS: oms::Manners = oms::Manners {
    repeats_notice: 0.1,
    early_notice: 0.05,
    loses_answer: 0.05,
    loses_notice: 0.05,
    busy: 0.05,
    late_notice: 0.05,
};

const fn manners(faults: bool) -> oms::Manners {
    if faults { faults::MANNERS } else { MANNERS }
}

fn setting(directory: PathBuf, adapter: PathBuf, faults: bool) -> io::Result<Setting<'static>> {
    Ok(Setting {
        directory,
        program: std::env::current_exe()?,
        adapter,
        adapter_config: "specification = \"mobile-line\"\npoll-seconds = 2",
        group_settings: "deadline = \"1h\"",
        target_settings: if faults { WITH_FAULTS } else { WITHOUT },
        oms: oms::Settings {
            seed: 189,
            answer_after: Duration::from_millis(20),
            completes_after: Duration::from_secs(1)..Duration::from_secs(4),
            fail_share: 0.05,
            manners: manners(faults),
            ..oms::Settings::default()
        },
    })
}

/// Requests stay unanswered, and orders open, until the host was killed among them.
fn hold(stage: &Stage) {
    // A request that is refused or cut off at once would not be out and unanswered.
    stage.oms.set_manners(oms::Manners::default());
    stage.oms.hold_answers(true);
    stage.oms.hold_completion(true);
}

/// Once while requests are out and unanswered, once while operations wait for their notice.
async fn crash_twice(stage: &mut Stage, progress: &Progress, after: oms::Manners) -> io::Result<()> {
    let oms = stage.oms.clone();
    let unanswered = until(|| oms.unanswered()).await?;
    stage.kill_host().await?;
    progress.say(&format!("SIGKILL while {unanswered} requests were sent and unanswered"));
    stage.oms.hold_answers(false);
    stage.start_host().await?;
    let waiting = until(|| oms.waiting()).await?;
    stage.kill_host().await?;
    progress.say(&format!("SIGKILL while {waiting} operations waited for their notice"));
    stage.oms.hold_completion(false);
    stage.oms.set_manners(after);
    stage.start_host().await
}

async fn until(count: impl Fn() -> usize) -> io::Result<usize> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let reached = count();
        if reached >= CRASH_AMONG {
            return Ok(reached);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(io::Error::other(format!("there were never {CRASH_AMONG} at a time")))
}

/// Until every account has its last word; `false` when patience runs out.
async fn settle(stage: &Stage, espf: &Espf, accounts: u64) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if espf.drained(Duration::from_millis(1)).await && judge::judge(stage, espf, accounts).is_settled() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eprintln!("not every account has its last word after {} s", PATIENCE.as_secs());
    false
}
