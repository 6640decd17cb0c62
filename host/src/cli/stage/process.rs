//! A host that runs as a process of its own: the real program, over a configuration in a file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// One that is not ready, or has not ended, by then never will.
const SOON: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// It is killed when this is dropped.
pub struct Process {
    pub program: PathBuf,
    pub config: PathBuf,
    pub admin: SocketAddr,
    /// All that it says.
    pub log: PathBuf,
    /// What it finds in its environment, beside what is in ours.
    pub environment: BTreeMap<String, OsString>,
    running: Option<Child>,
}

impl Process {
    /// One that does not run yet.
    pub fn new(program: PathBuf, config: PathBuf, admin: SocketAddr, log: PathBuf) -> Self {
        Self { program, config, admin, log, environment: BTreeMap::new(), running: None }
    }

    /// Starts it and waits for nothing.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(&mut self) -> io::Result<()> {
        let log = std::fs::File::options().create(true).append(true).open(&self.log)?;
        let mut serve = Command::new(&self.program);
        serve.args(["serve", "--config"]).arg(&self.config).envs(&self.environment);
        serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.end();
        self.running = Some(serve.spawn()?);
        Ok(())
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// When it ends instead; the end of its log is in the error.
    pub async fn ready(&mut self) -> io::Result<()> {
        let client = crate::web::client(Duration::from_secs(2)).map_err(io::Error::other)?;
        let (began, url) = (Instant::now(), format!("http://{}/readyz", self.admin));
        loop {
            if client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if let Some(status) = self.running()?.try_wait()? {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(20).collect();
                let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
                return Err(io::Error::other(format!("the host ended ({status}):\n{tail}")));
            }
            if began.elapsed() > SOON {
                return Err(io::Error::other(format!("the host is not ready after {SOON:?}")));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not run, or does not end in time.
    pub async fn ended(&mut self, within: Duration) -> io::Result<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.running()?.try_wait()? {
                self.running = None;
                return Ok(status);
            }
            if began.elapsed() > within {
                return Err(io::Error::other(format!("the host did not end within {within:?}")));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// SIGKILL: nothing is finished, nothing is said.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> io::Result<()> {
        self.running()?;
        self.end();
        Ok(())
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// When it does not run, or does not end.
    pub async fn stop(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.ended(SOON).await
    }

    /// # Errors
    /// When it does not run.
    pub fn signal(&mut self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(self.running()?), signal)?)
    }

    /// Whether it ended of itself. One that never ran has.
    ///
    /// # Errors
    /// When nobody can tell.
    pub fn has_ended(&mut self) -> io::Result<bool> {
        match &mut self.running {
            Some(running) => Ok(running.try_wait()?.is_some()),
            None => Ok(true),
        }
    }

    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Child::id)
    }

    fn running(&mut self) -> io::Result<&mut Child> {
        self.running.as_mut().ok_or_else(|| io::Error::other("no host runs"))
    }

    fn end(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.kill();
            let _ = running.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
