//! `sim`: the neighbours alone, for a host that you start yourself.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use punchdown_kit::espf::State;
use punchdown_kit::magoware::{self, Magoware};
use punchdown_kit::oms;
use punchdown_kit::pyhss::{self, Pyhss};

use super::stage::{
    self, MAGOWARE_KEY, MAGOWARE_PASSWORD, MAGOWARE_SECRETS, PATH_SECRET, PYHSS_KEY, Setting, Stage, System,
};
use crate::explain::Code;

#[derive(clap::Args)]
pub struct Arguments {
    /// Where the configuration for your host is written.
    #[arg(long, value_name = "FOLDER", default_value = "punchdown-sim")]
    directory: PathBuf,
    /// The external system.
    #[arg(long, value_enum, default_value_t = Which::Oms)]
    system: Which,
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

#[derive(Clone, Copy, clap::ValueEnum)]
enum Which {
    /// Order management by TMF641.
    Oms,
    /// HSS and PCRF, as PyHSS is.
    Hss,
    /// IPTV, as Magoware is.
    Iptv,
}

/// A system that runs beside the host, with what the configuration says of it. It stops with this.
struct Played {
    running: Running,
    system: Option<System>,
    adapter: &'static str,
    adapter_config: &'static str,
    group_settings: &'static str,
}

enum Running {
    /// The stage has it.
    Oms,
    Hss(Pyhss),
    Iptv(#[expect(dead_code, reason = "it runs as long as it is held")] Magoware),
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
    let played = Played::start(arguments.system).await?;
    let stage = Stage::set(Setting {
        directory: arguments.directory.clone(),
        program: std::env::current_exe()?,
        adapter: stage::adapter(arguments.adapter.as_deref(), played.adapter).await?,
        adapter_config: played.adapter_config,
        group_settings: played.group_settings,
        target_settings: "",
        oms: oms::Settings {
            completes_after: Duration::from_secs(5)..Duration::from_secs(30),
            fail_share: 0.05,
            ..oms::Settings::default()
        },
        system: played.system.clone(),
    })
    .await?;
    if let Running::Hss(pyhss) = &played.running {
        pyhss.set_webhook(Some(&format!("http://{}/notify/HSS/{PATH_SECRET}", stage.public)));
    }
    stage.open_accounts(arguments.accounts);
    let system = played.system.map_or_else(|| stage.oms.url(), |system| system.url);
    println!("PortaBilling  {}\nthe system    {system}", stage.billing.url());
    println!("now run       punchdown serve --config {}", stage.config.display());
    emit(&stage, arguments).await
}

impl Played {
    async fn start(which: Which) -> io::Result<Self> {
        match which {
            Which::Oms => Ok(Self {
                running: Running::Oms,
                system: None,
                adapter: "oms-tmf641",
                adapter_config: "specification = \"mobile-line\"\npoll-seconds = 30",
                group_settings: "",
            }),
            Which::Hss => Self::hss().await,
            Which::Iptv => Self::iptv().await,
        }
    }

    async fn hss() -> io::Result<Self> {
        let manners = pyhss::Manners { locked: 0.02, loses_answer: 0.02 };
        let key = Some(PYHSS_KEY.to_owned());
        let pyhss = Pyhss::start(pyhss::Settings { key, manners, ..Default::default() }).await?;
        for apn in ["internet", "ims"] {
            pyhss.put_apn(apn);
        }
        Ok(Self {
            system: Some(System::pyhss(&pyhss)),
            running: Running::Hss(pyhss),
            adapter: "hss-pyhss",
            adapter_config: HSS_CONFIG,
            group_settings: "",
        })
    }

    async fn iptv() -> io::Result<Self> {
        let magoware = Magoware::start(magoware::Settings {
            key: MAGOWARE_KEY.to_owned(),
            admin: "punchdown".to_owned(),
            password: MAGOWARE_PASSWORD.to_owned(),
            loses_answer: 0.02,
            ..Default::default()
        })
        .await?;
        magoware.put_product("basic", &[1]);
        magoware.put_product("movies", &[1, 2]);
        Ok(Self {
            system: Some(System::magoware(&magoware)),
            running: Running::Iptv(magoware),
            adapter: "iptv-magoware",
            adapter_config: IPTV_CONFIG,
            group_settings: MAGOWARE_SECRETS,
        })
    }
}

const IPTV_CONFIG: &str = r#"admin = "punchdown"
password-from = "/account_info/h323_password"
email-domain = "iptv.example.net"
products = { "Mobile Medium" = ["basic"], "Mobile Large" = ["movies"] }"#;

const HSS_CONFIG: &str = r#"keys = { ki = "/sim_card/ki", opc = "/sim_card/opc" }
ims = { ifc-path = "default_ifc.xml" }

[groups.HSS.config.profiles."*"]
apns = ["internet", "ims"]"#;

/// Event after event, until somebody stops it.
async fn emit(stage: &Stage, arguments: &Arguments) -> io::Result<()> {
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
