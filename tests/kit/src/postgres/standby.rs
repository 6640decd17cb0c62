//! A server that follows another one, and takes its place when that is gone.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Cluster, PASSWORD, USER, well};

/// By which a standby is known to the server that it follows.
const STANDBY: &str = "standby";
/// What is not so by then never will be.
const SOON: Duration = Duration::from_secs(60);

impl Cluster {
    /// Another server that follows this one. From now on a commit here is answered when both have it on their disks.
    ///
    /// # Errors
    /// What could not be done, as its program said it.
    pub fn standby(&self) -> io::Result<Arc<Self>> {
        let standby = Self::empty()?;
        let mut copy = standby.command("pg_basebackup");
        copy.arg("--pgdata").arg(standby.data()).args(["--host", "127.0.0.1", "--username", USER]);
        copy.arg("--port").arg(self.port.to_string()).env("PGPASSWORD", PASSWORD);
        copy.args(["--write-recovery-conf", "--checkpoint", "fast", "--wal-method", "stream", "--no-sync"]);
        well(&copy.output()?)?;
        standby.set(&[("cluster_name", STANDBY), ("wal_retrieve_retry_interval", "200ms")])?;
        standby.set_place()?;
        standby.begin()?;
        self.tell(&format!("ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'"))?;
        let follows = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        soon("a standby that follows", || Ok(self.ask("postgres", follows)? == "1"))?;
        Ok(Arc::new(standby))
    }

    /// From a standby it becomes one that may be written to.
    ///
    /// # Errors
    /// What its program said.
    pub fn promote(&self) -> io::Result<()> {
        let mut promote = self.command("pg_ctl");
        promote.args(["promote", "--wait", "--pgdata"]).arg(self.data());
        well(&promote.output()?)
    }

    /// `kill -9` of all its processes.
    ///
    /// # Errors
    /// When it does not run, or goes on.
    pub fn kill(&self) -> io::Result<()> {
        let running = self.data().join("postmaster.pid");
        let text = fs::read_to_string(&running)?;
        let server = text.lines().next().unwrap_or_default();
        let mut kill = Command::new("kill");
        kill.arg("-KILL").arg(server).args(children(server)?);
        // One of them may have ended by itself meanwhile, and then it says that it has failed.
        kill.output()?;
        // Its number may be another's soon.
        fs::remove_file(&running)?;
        soon("its end", || Ok(TcpStream::connect(self.address()).is_err()))
    }
}

/// The processes that one has begun.
fn children(of: &str) -> io::Result<Vec<String>> {
    let mut children = Vec::new();
    for process in fs::read_dir("/proc")? {
        let process = process?;
        let status = fs::read_to_string(process.path().join("status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        if parent.is_some_and(|parent| parent.trim() == of) {
            children.push(process.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(children)
}

fn soon(what: &str, mut is_so: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    let began = Instant::now();
    while !is_so()? {
        if began.elapsed() > SOON {
            return Err(io::Error::other(format!("in vain for {SOON:?}: {what}")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
