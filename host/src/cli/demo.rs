//! `demo`: accounts being provisioned, as the manual tells it. The neighbours are simulators;
//! the host is the real program on a real journal. At the end the neighbours' own ledgers are
//! compared, account by account.

mod crashes;
mod database;
mod faults;
mod progress;

use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use punchdown_kit::espf::Espf;
use punchdown_kit::oms;

use self::progress::Progress;
use super::judge;
use super::stage::{self, Fleet, Operator, Setting, Stage, Stuck};
use crate::explain::Code;

/// Something is stuck if nothing becomes different for longer. The longest pause before a status is
/// told again, which a few in ten thousand may come to, is 12 minutes.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How long the hosts may take to write down what PortaBilling has already.
const REST_WITHIN: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub struct Arguments {
    /// Accounts to be provisioned.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    accounts: u64,
    /// Events a second.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Kill each host twice on the way, with SIGKILL.
    #[arg(long)]
    crash: bool,
    /// Let the neighbours do wrong whatever they know: it takes two minutes longer.
    #[arg(long)]
    faults: bool,
    /// Have the host keep its journal in PostgreSQL: one that is started for it and goes with it, or an empty database
    /// whose password is in PGPASSWORD.
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true)]
    postgres: Option<Option<String>>,
    /// Have so many hosts work on that database at the same time, behind one address.
    #[arg(long, value_name = "N", requires = "postgres", value_parser = clap::value_parser!(u8).range(1..=9))]
    instances: Option<u8>,
    /// Keep the folder with configuration, journal and log.
    #[arg(long)]
    keep: bool,
    /// An adapter that is ready, instead of building the one in this checkout.
    #[arg(long, value_name = "FILE")]
    adapter: Option<PathBuf>,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    match play(arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprint!("{}", Code::Play.tell(format!("the demo cannot go on: {error}"), &[]));
            ExitCode::FAILURE
        }
    }
}

async fn play(arguments: &Arguments) -> io::Result<bool> {
    let Arguments { accounts, crash, faults, .. } = *arguments;
    let adapter = stage::adapter(arguments.adapter.as_deref(), "oms-tmf641").await?;
    let directory = tempfile::Builder::new().prefix("punchdown-demo-").tempdir()?;
    let stage = Stage::set(setting(directory.path().to_owned(), adapter, arguments)?).await?;
    let database = match &arguments.postgres {
        Some(url) => database::beneath(&stage, url.as_deref()).await?,
        None => None,
    };
    stage.open_accounts(accounts);
    let mut hosts = hosts(&stage, arguments).await?;
    hosts.start_all().await?;
    if crash {
        crashes::hold(&stage);
    }
    let espf = stage.espf(arguments.rate);
    let progress = Progress::start(&stage, &espf, accounts, arguments.instances);
    if faults {
        faults::begin(&stage, &espf, &progress);
    }
    // What goes wrong later must find something to go wrong with.
    let at_first = if faults { accounts.div_ceil(2) } else { accounts };
    emit(&espf, 1..=at_first);
    if crash {
        crashes::all_twice(&stage, &mut hosts, &progress, crashes::AMONG.min(at_first), arguments).await?;
    }
    if faults && let Some(database) = &database {
        faults::database_goes(database, &progress).await?;
    }
    if faults {
        faults::a_bad_minute(&stage, &espf, &progress, at_first + 1..=accounts).await;
    }
    let settled = settle(&stage, &espf, accounts).await;
    progress.finish();
    let at_rest = rest(&hosts, accounts).await?;
    let stopped = stop(&mut hosts).await?;
    let mut verdict = judge::judge(&stage, &espf, accounts);
    verdict.hear(&at_rest);
    if faults {
        faults::Strikes::count(&stage, &espf).tell(accounts, &mut verdict);
    }
    if let Some(instances) = arguments.instances {
        println!("\ninstances on one database: {instances}");
    }
    print!("{verdict}");
    if arguments.keep || !verdict.agrees() || !stopped {
        println!("kept: {}", directory.keep().display());
    }
    Ok(settled && verdict.agrees() && stopped)
}

async fn hosts(stage: &Stage, arguments: &Arguments) -> io::Result<Fleet> {
    let program = std::env::current_exe()?;
    match arguments.instances {
        Some(instances) => Fleet::several(stage, &program, instances.into()).await,
        None => Ok(Fleet::alone(stage, &program)),
    }
}

fn emit(espf: &Espf, accounts: RangeInclusive<u64>) {
    for i_account in accounts {
        espf.emit("Account/New", serde_json::json!({ "i_account": i_account }));
    }
}

const PATIENT: &str = "concurrency = 32\ntimeout = \"30s\"\nretry = [\"500ms\", \"1s\", \"2s\"]";
/// Silence is to be found out before the demo is over.
const IMPATIENT: &str = "concurrency = 32\ntimeout = \"2s\"\nretry = [\"500ms\", \"1s\", \"2s\"]";

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

fn setting(directory: PathBuf, adapter: PathBuf, arguments: &Arguments) -> io::Result<Setting<'static>> {
    let Arguments { faults, crash, .. } = *arguments;
    Ok(Setting {
        directory,
        program: std::env::current_exe()?,
        adapter,
        adapter_config: "specification = \"mobile-line\"\npoll-seconds = 2",
        group_settings: "deadline = \"1h\"",
        target_settings: if faults && !crash { IMPATIENT } else { PATIENT },
        oms: oms::Settings {
            seed: 189,
            answer_after: Duration::from_millis(20),
            completes_after: Duration::from_secs(1)..Duration::from_secs(4),
            fail_share: 0.05,
            manners: manners(faults),
            ..oms::Settings::default()
        },
        system: None,
    })
}

/// Until every account has its last word; `false` when patience runs out.
async fn settle(stage: &Stage, espf: &Espf, accounts: u64) -> bool {
    let (mut moved, mut before) = (Instant::now(), u64::MAX);
    while moved.elapsed() < PATIENCE {
        let unfinished = judge::judge(stage, espf, accounts).unfinished();
        if unfinished == 0 && espf.drained(Duration::from_millis(1)).await {
            return true;
        }
        if unfinished != before {
            (moved, before) = (Instant::now(), unfinished);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eprintln!("accounts without a last word: {before}, for {} minutes", PATIENCE.as_secs() / 60);
    false
}

/// What the hosts say of themselves, once they have nothing more to do, that the ledgers do not explain.
async fn rest(hosts: &Fleet, accounts: u64) -> io::Result<Vec<String>> {
    let began = Instant::now();
    loop {
        let mut unrest = unrest(hosts, accounts).await?;
        if unrest.is_empty() {
            return Ok(unrest);
        }
        if began.elapsed() > REST_WITHIN {
            unrest.extend(Operator::at(hosts.admin(0))?.stuck().await?.iter().map(Stuck::to_string));
            return Ok(unrest);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn unrest(hosts: &Fleet, accounts: u64) -> io::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for host in 0..hosts.count() {
        let status = Operator::at(hosts.admin(host))?.status().await?;
        wrong.extend(judge::unrest(&status, accounts));
        let live = &status["instances"]["live"];
        if hosts.is_several() && *live != hosts.count() {
            wrong.push(format!("instance {} says that {live} work on the journal", host + 1));
        }
    }
    Ok(wrong)
}

/// Whether all ended in order.
async fn stop(hosts: &mut Fleet) -> io::Result<bool> {
    let mut in_order = true;
    for host in 0..hosts.count() {
        in_order &= hosts.stop(host).await?.success();
    }
    Ok(in_order)
}
