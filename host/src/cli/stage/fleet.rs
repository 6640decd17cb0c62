//! The hosts of a stage: its own one alone, or several that work on one database, behind the stage's address.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use punchdown_kit::free_address;
use punchdown_kit::spread::Spread;
use rustix::process::Signal;

use super::{Process, Stage};

const SECTION: &str = "[journal.postgres]\n";

pub struct Fleet {
    hosts: Vec<Process>,
    /// Where each is found by callers.
    doors: Vec<SocketAddr>,
    /// What leads them to any of several.
    door: Option<Spread>,
}

impl Fleet {
    /// The stage's own host alone. It does not run yet.
    pub fn alone(stage: &Stage, program: &Path) -> Self {
        let host = beside(stage, program, stage.config.clone(), stage.admin, "host.log");
        Self { hosts: vec![host], doors: vec![stage.public], door: None }
    }

    /// So many hosts, each with a directory and listeners of its own. None runs yet. The first one has the stage's own
    /// configuration.
    ///
    /// # Errors
    /// When an address or a file cannot be had, or the stage's journal is in no database.
    pub async fn several(stage: &Stage, program: &Path, hosts: usize) -> io::Result<Self> {
        let text = std::fs::read_to_string(&stage.config)?;
        if hosts > 1 && !text.contains(SECTION) {
            return Err(io::Error::other("several hosts need a journal in PostgreSQL"));
        }
        let (mut made, mut doors) = (Vec::new(), Vec::new());
        for number in 0..hosts {
            let public = free_address()?;
            let admin = if number == 0 { stage.admin } else { free_address()? };
            let config = match number {
                0 => stage.config.clone(),
                _ => stage.directory.join(format!("host-{number}.toml")),
            };
            std::fs::write(&config, of_one(&text, stage, number, public, admin))?;
            made.push(beside(stage, program, config, admin, &format!("host-{number}.log")));
            doors.push(public);
        }
        let door = Spread::start(stage.public, &doors).await?;
        Ok(Self { hosts: made, doors, door: Some(door) })
    }

    pub fn count(&self) -> usize {
        self.hosts.len()
    }

    /// Whether they may be more than one.
    pub fn is_several(&self) -> bool {
        self.door.is_some()
    }

    /// Where each takes events and notifications.
    pub fn doors(&self) -> &[SocketAddr] {
        &self.doors
    }

    pub fn config(&self, host: usize) -> &Path {
        &self.hosts[host].config
    }

    pub fn admin(&self, host: usize) -> SocketAddr {
        self.hosts[host].admin
    }

    /// Where it takes events and notifications itself.
    pub fn public(&self, host: usize) -> SocketAddr {
        self.doors[host]
    }

    /// What it finds in its environment, from its next start on.
    pub fn set_environment(&mut self, host: usize, environment: &[(&'static str, PathBuf)]) {
        let own = environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into()));
        self.hosts[host].environment.extend(own);
    }

    /// # Errors
    /// When a host ends instead.
    pub async fn start_all(&mut self) -> io::Result<()> {
        for host in &mut self.hosts {
            host.launch()?;
        }
        for host in &mut self.hosts {
            host.ready().await?;
        }
        Ok(())
    }

    /// # Errors
    /// When it ends instead; the end of its log is in the error.
    pub async fn start(&mut self, host: usize) -> io::Result<()> {
        self.hosts[host].launch()?;
        self.hosts[host].ready().await
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, host: usize) -> io::Result<()> {
        self.hosts[host].kill()
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// When it does not run, or does not end.
    pub async fn stop(&mut self, host: usize) -> io::Result<ExitStatus> {
        self.hosts[host].stop().await
    }

    /// It stands still, and callers are led to the others.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&mut self, host: usize) -> io::Result<()> {
        self.hosts[host].signal(Signal::STOP)?;
        self.door.iter().for_each(|door| door.leave_out(host));
        Ok(())
    }

    /// # Errors
    /// When it does not run.
    pub fn thaw(&mut self, host: usize) -> io::Result<()> {
        self.door.iter().for_each(|door| door.take_in(host));
        self.hosts[host].signal(Signal::CONT)
    }

    /// Whether a host ended of itself.
    ///
    /// # Errors
    /// When nobody can tell.
    pub fn has_ended(&mut self, host: usize) -> io::Result<bool> {
        self.hosts[host].has_ended()
    }

    /// The processes of those that run.
    pub fn pids(&self) -> Vec<u32> {
        self.hosts.iter().filter_map(Process::pid).collect()
    }

    /// All that it has said.
    pub fn log(&self, host: usize) -> String {
        std::fs::read_to_string(&self.hosts[host].log).unwrap_or_default()
    }
}

fn beside(stage: &Stage, program: &Path, config: PathBuf, admin: SocketAddr, log: &str) -> Process {
    let mut host = Process::new(program.to_owned(), config, admin, stage.directory.join(log));
    host.environment.clone_from(&stage.host.environment);
    host
}

/// The stage's configuration, as one of several has it.
fn of_one(text: &str, stage: &Stage, number: usize, public: SocketAddr, admin: SocketAddr) -> String {
    let section = format!("[journal]\ndirectory = \"data-{number}\"\n\n{SECTION}several = true\n");
    text.replace(SECTION, &section)
        .replace(&format!("listen = \"{}\"", stage.public), &format!("listen = \"{public}\""))
        .replace(&format!("listen = \"{}\"", stage.admin), &format!("listen = \"{admin}\""))
}
