//! Who is connected to whom: the only file that names concrete parts together.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use futures_util::stream::{self, StreamExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::billing::PortaBilling;
use crate::config::{GroupSettings, Notify, Problem, Problems, Settings};
use crate::domain::Group;
use crate::engine::Engine;
use crate::espf::{Espf, Groups};
use crate::explain::Code;
use crate::http::{self, Doors, Listener, ListenerSettings, NotifySettings};
use crate::outbound::Targets;
use crate::ports::{Journal, JournalError, Library, Outbound as _, Ports, Reloads, World};
use crate::ready::{Workshop, shelf};
use crate::reload::{self, Begun, Parts, Reload};
use crate::secret::Vault;
use crate::store;
use crate::telemetry::{ListenerName, Metrics};
use crate::wasm::{Catalog, Compiled, Compiler, Sandbox, Serving, Shelf, Stock};
use crate::world::SystemWorld;

/// Each holds a component's bytes meanwhile.
const LOADED_AT_A_TIME: usize = 2;

/// What serves the groups of a configuration, where that was made ready, and the file that names it.
pub struct Loaded {
    pub workshop: Workshop,
    pub targets: Targets,
    pub catalog: Catalog,
    pub file: PathBuf,
    /// Why groups have none.
    pub problems: Vec<Problem>,
}

impl Loaded {
    /// # Errors
    /// When something is wrong with any of them.
    pub fn all_good(self) -> Result<Self, StartError> {
        match self.problems.is_empty() {
            true => Ok(self),
            false => Err(Problems::of(&self.file, self.problems).into()),
        }
    }
}

/// A host that has everything it needs, and has not begun.
pub struct App {
    engine: Engine,
    reload: Arc<Reload>,
    /// Others may work on the same journal.
    several: bool,
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
        })
    }
}

/// PortaBilling, as a host asks it. Nothing is sent yet.
pub struct Outside {
    pub billing: PortaBilling,
    pub services: Groups,
}

impl Outside {
    /// # Errors
    /// When it cannot be asked as it is configured.
    pub fn of(settings: &Settings, world: &Arc<dyn World>) -> Result<Self, StartError> {
        let billing = PortaBilling::new(settings.billing.clone(), Arc::clone(world))?;
        let reported = settings.every_group().flat_map(|group| group.policy.reports.clone());
        let services = Groups::new(&settings.espf, billing.session(), reported.collect())?;
        Ok(Self { billing, services })
    }
}

/// What serves the groups of a configuration: their targets, and their adapters, asked whether they accept it. Whatever
/// is wrong with one is its group's trouble alone.
///
/// # Errors
/// When no adapter can run here.
pub async fn load_groups(
    groups: &[GroupSettings],
    secrets: &Vault,
    file: &Path,
) -> Result<Loaded, StartError> {
    load_groups_in(sandbox(None)?, groups, secrets, file, None).await
}

/// As [`load_groups`], for a host: beside its journal it is kept who has served, and what components are compiled to.
///
/// # Errors
/// As [`load_groups`].
pub async fn load_groups_beside(
    journal: &store::Settings,
    groups: &[GroupSettings],
    secrets: &Vault,
    file: &Path,
) -> Result<Loaded, StartError> {
    let (sandbox, kept) = (sandbox(Some(Compiled::beside(&journal.directory)))?, shelf(journal));
    load_groups_in(sandbox, groups, secrets, file, Some(kept)).await
}

fn sandbox(kept: Option<Compiled>) -> Result<Sandbox, StartError> {
    let sandbox = Sandbox::new().map_err(|error| StartError::Sandbox(format!("{error:#}")))?;
    Ok(sandbox.compiling_by(Compiler::of_this_program(), kept))
}

async fn load_groups_in(
    sandbox: Sandbox,
    groups: &[GroupSettings],
    secrets: &Vault,
    file: &Path,
    kept: Option<Shelf>,
) -> Result<Loaded, StartError> {
    let sandbox = sandbox.striking(secrets.clone());
    let (world, asked_later) = (Arc::new(SystemWorld), Arc::default());
    let workshop = Workshop { sandbox, world, secrets: secrets.clone(), kept, asked_later };
    let (targets, catalog, mut problems) = (Targets::default(), Catalog::default(), Vec::new());
    // Side by side: what one has to be asked for long keeps no other one waiting.
    let asked = stream::iter(groups).map(|group| workshop.adapter(group)).buffered(LOADED_AT_A_TIME);
    for (group, adapter) in groups.iter().zip(asked.collect::<Vec<_>>().await) {
        match workshop.target(group) {
            Ok(target) => targets.replace([(group.group().clone(), target)]),
            Err(problem) => problems.push(problem),
        }
        match adapter {
            // Without a target nothing could be sent.
            Ok(serving) if targets.identity(group.group()).is_some() => {
                catalog.replace([(group.group().clone(), serving)]);
            }
            Ok(_) => {}
            Err(found) => problems.extend(found),
        }
    }
    problems.sort();
    Ok(Loaded { workshop, targets, catalog, file: file.to_owned(), problems })
}

/// What is wrong with a configuration, and with the adapters of those groups that are good in themselves.
pub async fn with_adapters(mut problems: Problems) -> StartError {
    if let Ok(asked) = load_groups(&problems.whole, &problems.secrets, &problems.file).await {
        problems.found.extend(asked.problems);
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
        Loaded { workshop, targets, catalog, file, problems }: Loaded,
        wrap: impl FnOnce(Ports) -> Ports,
    ) -> Result<Self, StartError> {
        let doors = doors(&settings);
        let notify = notify_settings(&settings, &doors);
        let metrics = Arc::new(metrics(&settings, &catalog));
        let world: Arc<dyn World> = Arc::new(SystemWorld);
        // What `check` would refuse makes no journal.
        let Outside { billing, services } = Outside::of(&settings, &world)?;
        let queries = billing.queries();
        let (session, whole) =
            (billing.session(), settings.groups.iter().map(|it| it.group().clone()).collect());
        let store::Opened { journal, instances, library, failed } =
            store::begin(&settings.store, Arc::clone(&world)).await?;
        session.know(Arc::clone(&instances));
        let several = instances.among().several;
        let stock = keep_components(&settings.store, library, &catalog, &workshop).await;
        let groups: Vec<_> = settings.every_group().cloned().collect();
        let ports = wrap(Ports {
            journal,
            instances,
            billing: Box::new(billing),
            adapters: Box::new(catalog.clone()),
            outbound: Box::new(targets.clone()),
            status_api: Box::new(Espf::new(settings.espf, Arc::clone(&session) as _)?),
            world: Box::new(SystemWorld),
        });
        let known: Vec<Group> = groups.iter().map(|group| group.group.clone()).collect();
        hear_only(ports.journal.as_ref(), &known).await.map_err(StartError::AtStart)?;
        let engine = Engine::begin(groups, settings.retention, settings.secrets, ports, Arc::clone(&metrics))
            .await
            .map_err(StartError::AtStart)?
            .resyncing_at(settings.resync);
        let intake = engine.intake();
        let events = http::events(&intake, &doors);
        let elsewhere = http::elsewhere(&doors);
        let notifications = http::notifications(&intake, notify);
        let (sections, checked) = (engine.sections(), services.clone());
        let parts =
            Parts { workshop, catalog, stock, targets, sections, doors, session, queries, services: checked };
        let begun = Begun { whole, problems, in_effect: settings.in_effect };
        let reload = Arc::new(Reload::new(&file, parts, begun, Arc::clone(&metrics)));
        reload.catch_up(&settings.groups).await;
        let reloads: Arc<dyn Reloads> = Arc::clone(&reload) as Arc<dyn Reloads>;
        let admin = http::admin(&intake, engine.operators(), settings.admin_tokens, reloads);
        let mut rooms = vec![(ListenerName::Admin, settings.admin, admin)];
        if let Some(own) = settings.notifications {
            rooms.push((ListenerName::Notifications, own, notifications));
            rooms.push((ListenerName::Events, settings.public, events.merge(elsewhere)));
        } else {
            rooms.push((ListenerName::Events, settings.public, events.merge(notifications)));
        }
        let listeners = listen(rooms, &metrics, &world).await?;
        Ok(Self { engine, reload, several, listeners, services, journal_failed: failed })
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
        tokio::spawn(reload::follow(Arc::clone(&self.reload), self.several, stop.clone()));
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

/// Beside the journal, which is there by now: whose operations they begin may need them again.
async fn keep_components(
    journal: &store::Settings,
    library: Option<Arc<dyn Library>>,
    catalog: &Catalog,
    workshop: &Workshop,
) -> Option<Stock> {
    workshop.sandbox.settle_compiled().await;
    let shelf = shelf(journal);
    let stock = library.map(|library| Stock::new(shelf.clone(), library, Arc::clone(&workshop.world)));
    catalog.keep_on(shelf, stock.clone(), workshop.sandbox.clone());
    stock
}

/// All series that this host can have are there from its start.
fn metrics(settings: &Settings, catalog: &Catalog) -> Metrics {
    let metrics = Metrics::new();
    metrics.expect_groups(settings.every_group().map(|group| group.group.clone()));
    for (group, Serving { adapter, .. }) in catalog.served() {
        let description = adapter.description();
        metrics.serves(&group, &description.name, &description.version, adapter.digest());
    }
    for group in &settings.groups {
        metrics.certificate_ends(group.group(), group.target.certificate().map(|it| it.until));
    }
    metrics
}

/// Nobody moves the operations of a group that the configuration does not name any more, and nobody speaks for it.
async fn hear_only(journal: &dyn Journal, known: &[Group]) -> Result<(), JournalError> {
    if let Ok(overview) = journal.overview().await {
        for group in overview.oldest_open.keys().filter(|group| !known.contains(group)) {
            tracing::warn!(%group, "operations stand open, and no section of the configuration names their group");
        }
    }
    journal.hear_only(known).await.map(drop)
}

fn notify_settings(settings: &Settings, doors: &Doors) -> NotifySettings {
    let own = settings.notifications.as_ref();
    NotifySettings {
        listener: own.map_or(ListenerName::Events, |_| ListenerName::Notifications),
        doors: doors.clone(),
        body_max: settings.events.body_max,
        body_timeout: settings.events.body_timeout,
        concurrency: own
            .map_or_else(|| NotifySettings::share(&settings.public.limits), |own| own.limits.concurrency),
    }
}

fn doors(settings: &Settings) -> Doors {
    let (events, nsps) = (settings.events.clone(), settings.nsps.clone());
    Doors::new(events, nsps, notify_doors(settings), settings.secrets.clone())
}

fn notify_doors(settings: &Settings) -> BTreeMap<Group, http::NotifyAuth> {
    let served = settings.groups.iter().map(|group| (group.group(), &group.notify));
    let unserved = settings.unserved.iter().map(|group| (&group.engine.group, &group.notify));
    let door =
        |(group, notify): (&Group, &Option<Notify>)| Some((group.clone(), notify.as_ref()?.auth.clone()));
    served.chain(unserved).filter_map(door).collect()
}

async fn listen(
    rooms: Vec<(ListenerName, ListenerSettings, Router)>,
    metrics: &Arc<Metrics>,
    world: &Arc<dyn World>,
) -> Result<Vec<Listener>, StartError> {
    let mut listeners = Vec::new();
    for (name, settings, router) in rooms {
        let socket = bind(name, &settings).await?;
        let (metrics, world) = (Arc::clone(metrics), Arc::clone(world));
        listeners.push(Listener { name, socket, settings, router, metrics, world });
    }
    Ok(listeners)
}

async fn bind(name: ListenerName, settings: &ListenerSettings) -> Result<TcpListener, StartError> {
    let (address, section) = (settings.address, name.word());
    let failed = |source| StartError::Listen { address, section, source };
    let socket = TcpListener::bind(address).await.map_err(failed)?;
    tracing::info!(%address, listener = section, "listening");
    Ok(socket)
}
