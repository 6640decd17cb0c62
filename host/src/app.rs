//! Who is connected to whom: the only file that names concrete parts together.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::billing::PortaBilling;
use crate::config::{GroupSettings, Problems, Settings};
use crate::domain::Group;
use crate::engine::Engine;
use crate::espf::{Espf, Groups};
use crate::explain::Code;
use crate::http::{self, Listener, ListenerSettings, NotifySettings};
use crate::outbound::{self, Targets};
use crate::ports::{Journal, JournalError, Ports, Reloads, World};
use crate::reload::{self, Reload, load_adapter};
use crate::secret::Vault;
use crate::store;
use crate::telemetry::{ListenerName, Metrics};
use crate::wasm::{Catalog, Sandbox, Serving};
use crate::world::SystemWorld;

/// The adapters of a configuration, where they run, and the file that names them.
pub struct Loaded {
    pub catalog: Catalog,
    pub sandbox: Sandbox,
    pub file: PathBuf,
}

/// A host that has everything it needs, and has not begun.
pub struct App {
    engine: Engine,
    reload: Arc<Reload>,
    listeners: Vec<Listener>,
    services: Groups,
    /// Cancelled when the journal cannot go on.
    journal_failed: CancellationToken,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Configuration(#[from] Problems),
    #[error(transparent)]
    Journal(#[from] store::OpenError),
    #[error("cannot listen on {address} (`{section}.listen`): {source}")]
    Listen { address: std::net::SocketAddr, section: &'static str, source: io::Error },
    #[error("cannot run adapters on this machine: {0}")]
    Sandbox(String),
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] reqwest::Error),
    #[error(transparent)]
    Target(#[from] outbound::Unusable),
    #[error("{0}")]
    AtStart(JournalError),
}

impl StartError {
    /// As a person reads it.
    pub fn tell(&self) -> String {
        match self.code() {
            Some(code) => code.advise(self, self.help().as_deref()),
            None => self.to_string(),
        }
    }

    /// How it is mended, where that can be said in a line.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Journal(error) => error.help(),
            _ => None,
        }
    }

    /// Those of a configuration have one each.
    pub fn code(&self) -> Option<Code> {
        Some(match self {
            Self::Configuration(_) => return None,
            Self::Journal(error) => error.code(),
            Self::AtStart(_) => Code::JournalUnusable,
            Self::Listen { .. } => Code::Listen,
            Self::Sandbox(_) => Code::Machine,
            Self::Tls(_) => Code::Tls,
            Self::Target(_) => Code::TargetUnusable,
        })
    }
}

/// The targets of a configuration. Nothing is sent yet.
///
/// # Errors
/// When one of them cannot be used as it is configured.
pub fn targets(settings: &Settings, world: &Arc<dyn World>) -> Result<Targets, outbound::Unusable> {
    let targets = settings.groups.iter().map(|group| (group.group().clone(), group.target.clone()));
    Targets::new(targets, world, &settings.secrets)
}

/// The systems outside, as a host asks them. Nothing is sent yet.
pub struct Outside {
    pub billing: PortaBilling,
    pub services: Groups,
    pub outbound: Targets,
}

impl Outside {
    /// # Errors
    /// When one of them cannot be asked as it is configured.
    pub fn of(settings: &Settings, world: &Arc<dyn World>) -> Result<Self, StartError> {
        let billing = PortaBilling::new(settings.billing.clone(), Arc::clone(world))?;
        let reported = settings.groups.iter().flat_map(|group| group.engine.policy.reports.clone());
        let services = Groups::new(&settings.espf, billing.session(), reported.collect())?;
        Ok(Self { billing, services, outbound: targets(settings, world)? })
    }
}

/// The adapters of a configuration, loaded and asked whether they accept it.
///
/// # Errors
/// All that is wrong with any of them, at once.
pub async fn load_adapters(
    groups: &[GroupSettings],
    secrets: &Vault,
    file: &Path,
) -> Result<Loaded, StartError> {
    let sandbox = Sandbox::new().map_err(|error| StartError::Sandbox(format!("{error:#}")))?;
    let sandbox = sandbox.striking(secrets.clone());
    let (mut serving, mut found) = (Vec::new(), Vec::new());
    for group in groups {
        match load_adapter(&sandbox, group, secrets).await {
            Ok(adapter) => serving.push((group.group().clone(), adapter)),
            Err(problems) => found.extend(problems),
        }
    }
    if found.is_empty() {
        return Ok(Loaded { catalog: Catalog::new(serving), sandbox, file: file.to_owned() });
    }
    found.sort();
    let (whole, secrets) = (Vec::new(), secrets.clone());
    Err(Problems { file: file.to_owned(), found, whole, secrets }.into())
}

/// What is wrong with a configuration, and with the adapters of those groups that are good in themselves.
pub async fn with_adapters(mut problems: Problems) -> StartError {
    let asked = load_adapters(&problems.whole, &problems.secrets, &problems.file).await;
    if let Err(StartError::Configuration(more)) = asked {
        problems.found.extend(more.found);
    }
    problems.found.sort();
    problems.into()
}

impl App {
    /// Opens the journal, connects the parts and binds the doors. Nothing runs yet.
    ///
    /// # Errors
    /// When any of it cannot be had.
    pub async fn build(settings: Settings, loaded: Loaded) -> Result<Self, StartError> {
        Self::build_with(settings, loaded, |ports| ports).await
    }

    /// As [`App::build`], over ports that `wrap` has in its hands: a test can break a promise
    /// on purpose, and see that it is noticed.
    ///
    /// # Errors
    /// As [`App::build`].
    pub async fn build_with(
        settings: Settings,
        Loaded { catalog, sandbox, file }: Loaded,
        wrap: impl FnOnce(Ports) -> Ports,
    ) -> Result<Self, StartError> {
        let notify = notify_settings(&settings);
        let metrics = Arc::new(metrics(&settings, &catalog));
        let world: Arc<dyn World> = Arc::new(SystemWorld);
        // What `check` would refuse makes no journal.
        let Outside { billing, services, outbound } = Outside::of(&settings, &world)?;
        let registers = registered_with(&settings.groups);
        let journal = store::open(&settings.store)?;
        let journal_failed = journal.failed();
        let status_api = Espf::new(settings.espf, billing.session())?;
        let ports = wrap(Ports {
            journal: Box::new(journal),
            billing: Box::new(billing),
            adapters: Box::new(catalog.clone()),
            outbound: Box::new(outbound),
            status_api: Box::new(status_api),
            world: Box::new(SystemWorld),
        });
        warn_of_strays(ports.journal.as_ref(), &settings.groups).await;
        let known: Vec<Group> = settings.groups.iter().map(|group| group.group().clone()).collect();
        ports.journal.hear_only(&known).await.map_err(StartError::AtStart)?;
        let engine = Engine::begin(
            settings.groups.into_iter().map(|group| group.engine).collect(),
            settings.retention,
            settings.secrets,
            ports,
            Arc::clone(&metrics),
        )
        .await
        .map_err(StartError::AtStart)?
        .resyncing_at(settings.resync);
        let intake = engine.intake();
        let events = http::events(&intake, settings.events, settings.nsps);
        let elsewhere = http::elsewhere(notify.clone());
        let notifications = http::notifications(&intake, notify);
        let reload =
            Reload::new(&file, sandbox, catalog, Arc::clone(&metrics), Arc::clone(&world), registers);
        let reload = Arc::new(reload);
        let reloads: Arc<dyn Reloads> = Arc::clone(&reload) as Arc<dyn Reloads>;
        let admin = http::admin(&intake, engine.operators(), settings.admin_tokens, reloads);
        let mut rooms = vec![(ListenerName::Admin, settings.admin, admin)];
        if let Some(own) = settings.notifications {
            rooms.push((ListenerName::Notifications, own, notifications));
            rooms.push((ListenerName::Events, settings.public, events.merge(elsewhere)));
        } else {
            rooms.push((ListenerName::Events, settings.public, events.merge(notifications)));
        }
        let mut listeners = Vec::new();
        for (name, settings, router) in rooms {
            let socket = bind(name, &settings).await?;
            let (metrics, world) = (Arc::clone(&metrics), Arc::clone(&world));
            listeners.push(Listener { name, socket, settings, router, metrics, world });
        }
        Ok(Self { engine, reload, listeners, services, journal_failed })
    }

    pub fn journal_failed(&self) -> CancellationToken {
        self.journal_failed.clone()
    }

    /// What takes over what lies on disk.
    pub fn reload(&self) -> Arc<Reload> {
        Arc::clone(&self.reload)
    }

    /// Runs until `stop`. The doors close first, so that nothing new comes while the rest finishes.
    pub async fn run(self, stop: CancellationToken) {
        let engine_stop = CancellationToken::new();
        let engine = tokio::spawn(self.engine.run(engine_stop.clone()));
        tokio::spawn(reload::watch(self.reload, stop.clone()));
        let (services, stopping) = (self.services, stop.clone());
        tokio::spawn(async move { stopping.run_until_cancelled(services.check()).await });
        let listeners = self.listeners.into_iter().map(|listener| tokio::spawn(listener.serve(stop.clone())));
        for listener in listeners.collect::<Vec<_>>() {
            let _ = listener.await;
        }
        engine_stop.cancel();
        let _ = engine.await;
    }
}

/// All series that this host can have are there from its start.
fn metrics(settings: &Settings, catalog: &Catalog) -> Metrics {
    let metrics = Metrics::new();
    metrics.expect_groups(settings.groups.iter().map(|group| group.group().clone()));
    for (group, Serving { adapter, .. }) in catalog.served() {
        let description = adapter.description();
        metrics.serves(&group, &description.name, &description.version, adapter.digest());
    }
    for group in &settings.groups {
        if let Some(validity) = group.target.certificate() {
            metrics.certificate_ends(group.group(), validity.until);
        }
    }
    metrics
}

/// Nobody moves the operations of a group that the configuration does not name any more.
async fn warn_of_strays(journal: &dyn Journal, groups: &[GroupSettings]) {
    let Ok(overview) = journal.overview().await else { return };
    for group in
        overview.oldest_open.keys().filter(|group| groups.iter().all(|known| known.group() != *group))
    {
        tracing::warn!(%group, "operations stand open, and no section of the configuration names their group");
    }
}

/// The system with which each group is to be registered, where it is to be.
fn registered_with(groups: &[GroupSettings]) -> BTreeMap<Group, Option<String>> {
    groups.iter().map(|group| (group.group().clone(), group.engine.registers_with.clone())).collect()
}

fn notify_settings(settings: &Settings) -> NotifySettings {
    let own = settings.notifications.as_ref();
    NotifySettings {
        listener: own.map_or(ListenerName::Events, |_| ListenerName::Notifications),
        groups: notify_doors(&settings.groups),
        body_max: settings.events.body_max,
        body_timeout: settings.events.body_timeout,
        concurrency: own
            .map_or_else(|| NotifySettings::share(&settings.public.limits), |own| own.limits.concurrency),
    }
}

fn notify_doors(groups: &[GroupSettings]) -> BTreeMap<Group, http::NotifyAuth> {
    let door = |group: &GroupSettings| Some((group.group().clone(), group.notify.as_ref()?.auth.clone()));
    groups.iter().filter_map(door).collect()
}

async fn bind(name: ListenerName, settings: &ListenerSettings) -> Result<TcpListener, StartError> {
    let (address, section) = (settings.address, name.word());
    let failed = |source| StartError::Listen { address, section, source };
    let socket = TcpListener::bind(address).await.map_err(failed)?;
    tracing::info!(%address, listener = section, "listening");
    Ok(socket)
}
