//! When the host starts and stops. Stopping softly is only polite: a SIGKILL at any moment
//! loses nothing that was answered.

use std::collections::BTreeSet;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::app::{App, Loaded, StartError, load_groups_beside, with_adapters};
use crate::config::{self, Problems, Settings};
use crate::ports::{Journal, Ports, Reloads as _};
use crate::reload::Reload;
use crate::telemetry;

/// The configuration, or something that it names, is not as it must be.
pub const EXIT_CONFIGURATION: u8 = 78;

/// The journal, the log, the targets.
const FILES_BESIDE_CONNECTIONS: u64 = 512;

/// Runs a host until it is told to stop.
pub async fn serve(file: &Path) -> ExitCode {
    serve_over(file, |ports| ports).await
}

/// As [`serve`], over a journal that `wrap` has in its hands.
pub async fn serve_with(file: &Path, wrap: impl FnOnce(Box<dyn Journal>) -> Box<dyn Journal>) -> ExitCode {
    serve_over(file, |ports| Ports { journal: wrap(ports.journal), ..ports }).await
}

/// The same over all ports.
pub async fn serve_over(file: &Path, wrap: impl FnOnce(Ports) -> Ports) -> ExitCode {
    let (settings, problems) = match config::load_what_is_good(file) {
        Ok(good) => good,
        Err(problems) => return refuse(&with_adapters(problems).await),
    };
    telemetry::start_logging(&settings.log_filter);
    settings.warnings.iter().for_each(config::Problem::log);
    raise_file_limit(&settings);
    let app = match load_groups_beside(&settings.store, &settings.groups, &settings.secrets, file).await {
        Ok(mut loaded) => {
            loaded.problems.extend(problems);
            loaded.problems.sort();
            tell_unserved(&loaded);
            App::build_with(settings, loaded, wrap).await
        }
        Err(error) => Err(error),
    };
    match app {
        Ok(app) => run(app).await,
        Err(error) => refuse(&error),
    }
}

/// A group with which something is wrong has no adapter. The others are none the worse, so the host runs.
fn tell_unserved(loaded: &Loaded) {
    if loaded.problems.is_empty() {
        return;
    }
    eprint!("{}", Problems::of(&loaded.file, loaded.problems.clone()));
    eprintln!("The host runs. The events and notifications of these groups are stored, and wait.");
}

/// A connection is a file, and most shells and services let a process begin with 1024 of them,
/// though it may have more: the journal would be the first to go without.
fn raise_file_limit(settings: &Settings) {
    let own = settings.notifications.as_ref();
    let listeners = [&settings.public, &settings.admin].into_iter().chain(own);
    let connections: usize = listeners.map(|listener| listener.limits.connections).sum();
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(FILES_BESIDE_CONNECTIONS);
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) if files < needed => {
            tracing::warn!(files, needed, "fewer files may be open than the listeners' connections need");
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
}

/// Says why there is nothing to run.
pub fn refuse(error: &StartError) -> ExitCode {
    eprint!("{}", error.tell());
    exit_code(error)
}

/// Whether a person must change something.
pub fn exit_code(error: &StartError) -> ExitCode {
    match error {
        StartError::Configuration(_) => ExitCode::from(EXIT_CONFIGURATION),
        StartError::Journal(_)
        | StartError::AtStart(_)
        | StartError::Listen { .. }
        | StartError::Sandbox(_)
        | StartError::Tls(_) => ExitCode::FAILURE,
    }
}

async fn run(app: App) -> ExitCode {
    let stop = CancellationToken::new();
    let journal_failed = app.journal_failed();
    // Before anybody is told that we are ready: he may have us stop at once.
    let mut signals = Signals::listen();
    tokio::spawn(reload_when_told(app.reload(), stop.clone()));
    let mut running = tokio::spawn(app.run(stop.clone()));
    // The doors are bound: whoever calls from now on is answered.
    tell_manager("READY=1");
    tokio::select! {
        _ = &mut running => {
            tracing::error!("a part of the host ended by itself; the process ends");
            return ExitCode::FAILURE;
        }
        () = signals.told_to_stop() => {
            tracing::info!("stopping: the steps under way are finished, the rest is kept");
        }
        () = journal_failed.cancelled() => {
            // What the disk holds is not known; the next start will find out.
            tracing::error!("the journal failed; the process ends");
            return ExitCode::FAILURE;
        }
    }
    tell_manager("STOPPING=1");
    stop.cancel();
    tokio::select! {
        _ = running => tracing::info!("stopped"),
        () = signals.told_to_stop() => tracing::warn!("stopped at once; what was under way is found again"),
    }
    ExitCode::SUCCESS
}

/// `SIGHUP` says that something on disk is another one.
async fn reload_when_told(reload: Arc<Reload>, stop: CancellationToken) {
    let Ok(mut told) = signal(SignalKind::hangup()) else { return };
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = told.recv() => drop(reload.reload("SIGHUP", &BTreeSet::new()).await),
        }
    }
}

/// Tells whoever manages this service how it is, if he wants to hear it: systemd's `Type=notify`. Nothing
/// depends on it.
#[expect(clippy::disallowed_methods, reason = "the manager says there where he listens")]
fn tell_manager(state: &str) {
    let Ok(socket) = std::env::var("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(%error, "the service manager cannot be told how it is");
    }
}

/// A name that begins with `@` stands in no file system.
fn send(socket: &str, state: &str) -> io::Result<()> {
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    sender.send_to_addr(state.as_bytes(), &address).map(drop)
}

/// By which a process is told to stop; where they cannot be heard, the system stops it in its own way.
struct Signals(Option<(Signal, Signal)>);

impl Signals {
    fn listen() -> Self {
        Self(signal(SignalKind::terminate()).and_then(|it| Ok((it, signal(SignalKind::interrupt())?))).ok())
    }

    async fn told_to_stop(&mut self) {
        let Some((terminate, interrupt)) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
