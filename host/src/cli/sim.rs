//! `sim`: the neighbours alone, for a host that you start yourself.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use punchdown_kit::espf::State;
use punchdown_kit::oms;

use super::stage::{Setting, Stage, oms_adapter};
use crate::explain::Code;

#[derive(clap::Args)]
pub struct Arguments {
    /// Where the configuration for your host is written.
    #[arg(long, value_name = "FOLDER", default_value = "punchdown-sim")]
    directory: PathBuf,
    /// The adapter that the configuration names, instead of the one in this checkout.
    #[arg(long, value_name = "FILE")]
    adapter: Option<PathBuf>,
    /// Accounts in PortaBilling.
    #[arg(long, default_value_t = 200)]
    accounts: u64,
    /// Events a second, account after account, until you stop it.
    #[arg(long, default_value_t = 1.0)]
    rate: f64,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    match play(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("{}", Code::Play.tell(format!("the simulators cannot go on: {error}"), &[]));
            ExitCode::FAILURE
        }
    }
}

async fn play(arguments: &Arguments) -> io::Result<()> {
    std::fs::create_dir_all(&arguments.directory)?;
    let stage = Stage::set(Setting {
        directory: arguments.directory.clone(),
        program: std::env::current_exe()?,
        adapter: oms_adapter(arguments.adapter.as_deref()).await?,
        adapter_config: "specification = \"mobile-line\"\npoll-seconds = 30",
        group_settings: "",
        target_settings: "",
        oms: oms::Settings {
            completes_after: Duration::from_secs(5)..Duration::from_secs(30),
            fail_share: 0.05,
            ..oms::Settings::default()
        },
    })
    .await?;
    stage.open_accounts(arguments.accounts);
    println!("PortaBilling  {}\nOMS           {}", stage.billing.url(), stage.oms.url());
    println!("now run       punchdown serve --config {}", stage.config.display());
    let espf = stage.espf(arguments.rate);
    let mut accounts = (1..=arguments.accounts).cycle();
    loop {
        let under_way = espf.ledger().events.iter().filter(|event| event.state == State::Queued).count();
        // No more is queued than is sent within a look, so that the ledger stays readable.
        if under_way < 10
            && let Some(i_account) = accounts.next()
        {
            espf.emit("Account/New", serde_json::json!({ "i_account": i_account }));
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            () = tokio::time::sleep(Duration::from_secs_f64(1.0 / arguments.rate.clamp(0.01, 1000.0))) => {}
        }
    }
}
