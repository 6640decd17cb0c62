//! A host among its neighbours: the simulators, a configuration, and the real program as a
//! process of its own. The demo and the tests stand on the same stage.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use punchdown_kit::espf::{self, Espf};
use punchdown_kit::free_address;
use punchdown_kit::oms::{self, Notify, NotifyAuth, Oms};
use punchdown_kit::portabilling::{self, Account, PortaBilling};

use super::adapter::build::built;

mod fleet;
mod operator;
mod process;
mod systems;

pub use fleet::Fleet;
pub use operator::{Operator, Stuck};
use process::Process;
pub use systems::{MAGOWARE_KEY, MAGOWARE_PASSWORD, MAGOWARE_SECRETS, PATH_SECRET, PYHSS_KEY, System};

const BILLING_TOKEN: &str = "stage-billing-token";
const ESPF_PASSWORD: &str = "stage-espf-password";
pub const OMS_TOKEN: &str = "stage-oms-token";
const ADMIN_TOKEN: &str = "stage-admin-token";
pub const HOOK_SECRET: &str = "whsec_c3RhZ2Utd2ViaG9vay1zZWNyZXQtb2YtcHVuY2hkb3du";

/// How the stage is set.
pub struct Setting<'a> {
    /// Everything is written here, and stays.
    pub directory: PathBuf,
    /// The program that is started as the host.
    pub program: PathBuf,
    /// The component that serves the group `HSS`.
    pub adapter: PathBuf,
    /// The adapter's configuration, as TOML.
    pub adapter_config: &'a str,
    /// What else stands in the group's section, as TOML.
    pub group_settings: &'a str,
    /// What else stands in the target's table, as TOML.
    pub target_settings: &'a str,
    pub oms: oms::Settings,
    /// The system that the adapter speaks to, when it is not the OMS.
    pub system: Option<System>,
}

/// A database of PostgreSQL for a journal.
#[derive(Clone, Copy, Debug)]
pub struct Database<'a> {
    /// Without the password.
    pub url: &'a str,
    pub password: Option<&'a str>,
    /// What seals, in base64.
    pub key: &'a str,
    pub tls: bool,
}

/// The component that is given, or the one of that name that is built from this checkout.
///
/// # Errors
/// When there is none, and none can be built.
pub async fn adapter(given: Option<&Path>, name: &str) -> io::Result<PathBuf> {
    if let Some(given) = given {
        return given.canonicalize();
    }
    let directory = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../adapters")).join(name);
    built(&directory).await.map_err(io::Error::other)
}

/// Neighbours that run in this process, and a host that runs in its own.
pub struct Stage {
    pub billing: PortaBilling,
    pub oms: Oms,
    pub directory: PathBuf,
    pub config: PathBuf,
    pub public: SocketAddr,
    pub admin: SocketAddr,
    host: Process,
}

impl Stage {
    /// Starts the neighbours and writes the configuration. The host does not run yet.
    ///
    /// # Errors
    /// When an address or a file cannot be had.
    pub async fn set(setting: Setting<'_>) -> io::Result<Self> {
        let billing_settings =
            portabilling::Settings { token: BILLING_TOKEN.to_owned(), ..portabilling::Settings::default() };
        let billing = PortaBilling::start(billing_settings).await?;
        let (public, admin) = (free_address()?, free_address()?);
        let notify = Notify {
            url: format!("http://{public}/notify/HSS"),
            auth: NotifyAuth::StandardWebhooks(HOOK_SECRET.to_owned()),
            attempts: 1,
            attempt_pause: Duration::from_millis(200),
        };
        let oms_settings =
            oms::Settings { bearer: Some(OMS_TOKEN.to_owned()), notify: Some(notify), ..setting.oms.clone() };
        let oms = Oms::start(oms_settings).await?;
        let system = setting.system.clone().unwrap_or_else(|| System::oms(&oms));
        let config = setting.directory.join("punchdown.toml");
        let log = setting.directory.join("host.log");
        let host = Process::new(setting.program.clone(), config.clone(), admin, log);
        let stage = Self { config, directory: setting.directory.clone(), billing, oms, public, admin, host };
        stage.write(&setting, &system)?;
        Ok(stage)
    }

    fn write(&self, setting: &Setting<'_>, system: &System) -> io::Result<()> {
        let secrets = self.directory.join("secrets");
        std::fs::create_dir_all(&secrets)?;
        let ours = [("portabilling", BILLING_TOKEN), ("espf", ESPF_PASSWORD), ("admin", ADMIN_TOKEN)];
        for (name, value) in ours.into_iter().chain(system.secrets.iter().copied()) {
            write_private(&secrets.join(name), value)?;
        }
        std::fs::write(&self.config, self.configuration(setting, system))
    }

    fn configuration(&self, setting: &Setting<'_>, system: &System) -> String {
        let Self { public, admin, .. } = self;
        let billing = self.billing.url();
        let System { url, auth, notify_auth, .. } = system;
        let adapter = setting.adapter.display();
        let Setting { adapter_config, group_settings, target_settings, .. } = setting;
        format!(
            r#"[portabilling]
url = "{billing}"
login = "punchdown"
token = {{ file = "secrets/portabilling" }}
# The one on this stage need not be spared.
rate = "1000/s"
lock-out-pause = "60s"

[events]
listen = "{public}"
auth = [{{ basic = {{ user = "espf", password = {{ file = "secrets/espf" }} }} }}]

[admin]
listen = "{admin}"
tokens = [{{ file = "secrets/admin" }}]

[groups.HSS]
adapter = "{adapter}"
events = ["Account/**"]
{group_settings}

[groups.HSS.target]
url = "{url}"
auth = {auth}
{target_settings}

[groups.HSS.notify]
at = "http://{public}/notify/HSS"
auth = {notify_auth}

[groups.HSS.config]
{adapter_config}
"#
        )
    }

    /// The host keeps its journal there, from its next start on.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn keep_journal_in(&self, database: &Database<'_>) -> io::Result<()> {
        let Database { url, password, key, tls } = database;
        let secrets = self.directory.join("secrets");
        write_private(&secrets.join("journal"), key)?;
        write_private(&secrets.join("postgres"), password.unwrap_or_default())?;
        let password = password.map_or("", |_| "password = { file = \"secrets/postgres\" }\n");
        let section = format!(
            "\n[journal.postgres]\nurl = \"{url}\"\n{password}key = {{ file = \"secrets/journal\" }}\ntls = {tls}\n"
        );
        let config = std::fs::read_to_string(&self.config)? + &section;
        std::fs::write(&self.config, config)
    }

    /// Accounts `1..=count` in PortaBilling.
    pub fn open_accounts(&self, count: u64) {
        (1..=count).for_each(|i_account| self.billing.put_account(Account::mobile(i_account)));
    }

    /// An ESPF that sends to this host, `rate` events a second.
    pub fn espf(&self, rate: f64) -> Espf {
        self.espf_of(rate, espf::Settings::default().concurrency)
    }

    /// The same with so many deliveries under way at once.
    pub fn espf_of(&self, rate: f64, concurrency: usize) -> Espf {
        Espf::start(espf::Settings {
            concurrency,
            url: format!("http://{}/espf/events", self.public),
            auth: espf::Auth::Basic { user: "espf".to_owned(), password: ESPF_PASSWORD.to_owned() },
            rate,
            timeout: Duration::from_secs(30),
            repeat_after: Duration::from_millis(100),
            ..espf::Settings::default()
        })
    }

    /// What a host that is started from now on finds in its environment, beside what is in ours.
    pub fn set_environment(&mut self, name: &str, value: impl Into<OsString>) {
        self.host.environment.insert(name.to_owned(), value.into());
    }

    /// Starts the host and waits for nothing.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch_host(&mut self) -> io::Result<()> {
        self.host.launch()
    }

    /// Starts the host and waits until it is ready.
    ///
    /// # Errors
    /// When it ends instead; the end of its log is in the error.
    pub async fn start_host(&mut self) -> io::Result<()> {
        self.host.launch()?;
        self.host.ready().await
    }

    /// What the host says of itself at its operators' door.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn status(&self) -> io::Result<serde_json::Value> {
        Operator::at(self.admin)?.status().await
    }

    /// How the host ended of itself.
    ///
    /// # Errors
    /// When there is no host, or it does not end in time.
    pub async fn host_ended(&mut self, within: Duration) -> io::Result<ExitStatus> {
        self.host.ended(within).await
    }

    /// SIGKILL: nothing is finished, nothing is said.
    ///
    /// # Errors
    /// When there is no host to be killed.
    pub async fn kill_host(&mut self) -> io::Result<()> {
        self.host.kill()
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// When there is no host, or it does not end.
    pub async fn stop_host(&mut self) -> io::Result<ExitStatus> {
        self.host.stop().await
    }

    /// Whether the host died of itself. One that never ran has.
    ///
    /// # Errors
    /// When nobody can tell.
    pub fn host_has_ended(&mut self) -> io::Result<bool> {
        self.host.has_ended()
    }

    /// The process of the host that runs.
    pub fn host_pid(&self) -> Option<u32> {
        self.host.pid()
    }

    pub fn log(&self) -> PathBuf {
        self.host.log.clone()
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
