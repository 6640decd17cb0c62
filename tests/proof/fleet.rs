//! Several hosts that work on one database, behind one address: that of a stage.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use punchdown::cli::stage::{Stage, free_address};
use punchdown_kit::postgres::Database;
use punchdown_kit::spread::Spread;

use crate::rounds::on;

/// One that does not begin or end by then never will.
const SOON: Duration = Duration::from_secs(60);

pub struct Fleet {
    program: PathBuf,
    database: Database,
    hosts: Vec<Host>,
    /// Where callers find them.
    door: Spread,
}

struct Host {
    config: PathBuf,
    public: SocketAddr,
    admin: SocketAddr,
    environment: Vec<(&'static str, PathBuf)>,
    log: PathBuf,
    process: Option<Child>,
}

impl Fleet {
    /// So many hosts of a stage. None runs yet. The first one has the stage's own configuration.
    ///
    /// # Errors
    /// When an address or a file cannot be had.
    pub async fn of(stage: &Stage, program: &Path, database: Database, hosts: usize) -> io::Result<Self> {
        on(stage, &database)?;
        let text = std::fs::read_to_string(&stage.config)?;
        let text = text.replace("[journal.postgres]\n", "[journal.postgres]\nseveral = true\n");
        let (mut made, mut doors) = (Vec::new(), Vec::new());
        for number in 0..hosts {
            let public = free_address()?;
            let admin = if number == 0 { stage.admin } else { free_address()? };
            let config = match number {
                0 => stage.config.clone(),
                _ => stage.directory.join(format!("host-{number}.toml")),
            };
            let own = text
                .replace(&format!("listen = \"{}\"", stage.public), &format!("listen = \"{public}\""))
                .replace(&format!("listen = \"{}\"", stage.admin), &format!("listen = \"{admin}\""))
                .replace(
                    "[journal.postgres]",
                    &format!("[journal]\ndirectory = \"data-{number}\"\n\n[journal.postgres]"),
                );
            std::fs::write(&config, own)?;
            let log = stage.directory.join(format!("host-{number}.log"));
            made.push(Host { config, public, admin, environment: Vec::new(), log, process: None });
            doors.push(public);
        }
        let door = Spread::start(stage.public, &doors).await?;
        Ok(Self { program: program.to_owned(), database, hosts: made, door })
    }

    pub fn config(&self, host: usize) -> &Path {
        &self.hosts[host].config
    }

    pub fn admin(&self, host: usize) -> SocketAddr {
        self.hosts[host].admin
    }

    /// Where it takes events and notifications itself.
    pub fn public(&self, host: usize) -> SocketAddr {
        self.hosts[host].public
    }

    /// What it finds in its environment, from its next start on.
    pub fn set_environment(&mut self, host: usize, environment: &[(&'static str, PathBuf)]) {
        self.hosts[host].environment.extend_from_slice(environment);
    }

    /// It has the database at these addresses, from its next start on.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn set_addresses(&self, host: usize, addresses: &[SocketAddr]) -> io::Result<()> {
        let config = &self.hosts[host].config;
        let text = std::fs::read_to_string(config)?;
        std::fs::write(config, text.replace(&self.database.url(), &self.database.url_at(addresses)))
    }

    /// Another server has it now.
    pub fn moved_to(&mut self, database: Database) {
        self.database = database;
    }

    /// # Errors
    /// When a host ends instead.
    pub async fn start_all(&mut self) -> io::Result<()> {
        for host in 0..self.hosts.len() {
            self.launch(host)?;
        }
        for host in 0..self.hosts.len() {
            self.ready(host).await?;
        }
        Ok(())
    }

    /// # Errors
    /// When it ends instead; the end of its log is in the error.
    pub async fn start(&mut self, host: usize) -> io::Result<()> {
        self.launch(host)?;
        self.ready(host).await
    }

    fn launch(&mut self, host: usize) -> io::Result<()> {
        let one = &mut self.hosts[host];
        let log = File::options().create(true).append(true).open(&one.log)?;
        let mut serve = Command::new(&self.program);
        serve.args(["serve", "--config"]).arg(&one.config).stdin(Stdio::null()).stdout(Stdio::null());
        serve.envs(one.environment.iter().map(|(name, value)| (name, value)));
        one.process = Some(serve.stderr(log).spawn()?);
        Ok(())
    }

    async fn ready(&mut self, host: usize) -> io::Result<()> {
        let one = &mut self.hosts[host];
        let (began, url) = (Instant::now(), format!("http://{}/readyz", one.admin));
        loop {
            if reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if let Some(status) = one.running()?.try_wait()? {
                let log = std::fs::read_to_string(&one.log).unwrap_or_default();
                return Err(io::Error::other(format!("host {host} ended ({status}):\n{log}")));
            }
            if began.elapsed() > SOON {
                return Err(io::Error::other(format!("host {host} is not ready")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, host: usize) -> io::Result<()> {
        let mut process =
            self.hosts[host].process.take().ok_or_else(|| io::Error::other("it does not run"))?;
        process.kill()?;
        process.wait().map(drop)
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&mut self, host: usize) -> io::Result<ExitStatus> {
        self.signal(host, "TERM")?;
        let began = Instant::now();
        loop {
            if let Some(status) = self.hosts[host].running()?.try_wait()? {
                self.hosts[host].process = None;
                return Ok(status);
            }
            if began.elapsed() > SOON {
                return Err(io::Error::other(format!("host {host} does not stop")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// It stands still, and callers are led to the others.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn freeze(&mut self, host: usize) -> io::Result<()> {
        self.signal(host, "STOP")?;
        self.door.leave_out(host);
        Ok(())
    }

    /// # Errors
    /// When it cannot be told.
    pub fn thaw(&mut self, host: usize) -> io::Result<()> {
        self.door.take_in(host);
        self.signal(host, "CONT")
    }

    fn signal(&mut self, host: usize, name: &str) -> io::Result<()> {
        let id = self.hosts[host].running()?.id().to_string();
        match Command::new("kill").args([format!("-{name}"), id]).status()?.success() {
            true => Ok(()),
            false => Err(io::Error::other(format!("host {host} cannot be told {name}"))),
        }
    }

    /// Whether a host ended of itself.
    ///
    /// # Errors
    /// When nobody can tell.
    pub fn has_ended(&mut self, host: usize) -> io::Result<bool> {
        Ok(self.hosts[host].running()?.try_wait()?.is_some())
    }

    /// All that it has said.
    pub fn log(&self, host: usize) -> String {
        std::fs::read_to_string(&self.hosts[host].log).unwrap_or_default()
    }

    /// Which host leads now, and in which term. `None`: the lead is nobody's.
    ///
    /// # Errors
    /// What PostgreSQL said.
    pub fn leader(&self) -> io::Result<Option<(usize, u64)>> {
        let led = self.database.ask(
            "SELECT instance || ' ' || term FROM lead WHERE until > extract(epoch FROM clock_timestamp()) * 1000",
        )?;
        let Some((instance, term)) = led.split_once(' ') else { return Ok(None) };
        let host = (0..self.hosts.len()).find(|host| self.log(*host).contains(instance));
        Ok(host.zip(term.parse().ok()))
    }
}

impl Host {
    fn running(&mut self) -> io::Result<&mut Child> {
        self.process.as_mut().ok_or_else(|| io::Error::other("it does not run"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
