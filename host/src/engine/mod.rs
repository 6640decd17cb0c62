//! Moves operations: leases what is due, does one step, writes down what came of it.
//!
//! The loops keep no state. Everything that waits is a row with a date, so a lost wake-up costs
//! a look, a crash costs a step, and a million waiting operations cost nothing.

mod alive;
mod begin;
mod breakers;
mod clock;
mod errands;
mod fan_out;
mod groups;
mod hints;
mod intake;
mod lanes;
mod lead;
mod operators;
mod others;
mod perform;
mod purge;
mod registrations;
mod resync;
mod sessions;
mod statuses;
mod stops;
mod suspects;
mod takeover;
mod tell;
mod unclaimed;
mod unread;
mod unsaid;
mod worker;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::breakers::Breakers;
use self::clock::Clocks;
use self::groups::Groups;
use self::hints::Hints;
use self::lead::Lead;
use self::registrations::Registrations;
use self::resync::Resyncs;
use self::sessions::Sessions;
use self::stops::AllStops;
use self::suspects::Suspects;
use crate::domain::{BreakerPolicy, Group, Patterns, Policy, Response};
use crate::ports::{JournalError, Ports};
use crate::secret::Vault;
use crate::telemetry::Metrics;
use crate::web::Rate;

pub use breakers::GroupState;
pub use groups::Sections;
pub use intake::{Accepted, Intake, IntakeError};
pub use operators::{Operators, Refused, Wish};
pub use purge::Retention;
pub use registrations::{REGISTRATION_MARK, RegistrationState};

/// A lease outlives the longest step; each save prolongs it when it has lost some seconds.
pub const LEASE: Duration = Duration::from_secs(60);

/// The longest that a lane waits for a look when every hint was lost.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One turn in so many, those that only look for news come first.
const LOOKS_FIRST_EVERY: u32 = 4;

/// Accounts that a resync reads in a time, unless somebody says otherwise.
const RESYNC: Rate = Rate { requests: NonZeroU32::new(10).expect("ten"), per: Duration::from_secs(1) };

/// Where a group's subscribers come from when NSPS has sent along what it read of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PbData {
    /// PortaBilling is asked; what was sent along is for the adapter to see.
    Beside,
    /// From that, if it says enough and is of this very moment; else PortaBilling is asked.
    Instead,
}

/// What the engine must know of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    pub group: Group,
    pub events: Patterns,
    pub policy: Policy,
    pub pb_data: PbData,
    /// Operations that move at the same time.
    pub slots: usize,
    /// What a notification is answered while no adapter has read it.
    pub default_reply: Response,
    pub breaker: BreakerPolicy,
    /// Its events and notifications are taken, and nothing else moves.
    pub paused: bool,
    /// It is to be registered for notifications with its system.
    pub registers: bool,
}

pub struct Engine {
    core: Arc<Core>,
    retention: Retention,
    resync: Rate,
}

/// What all loops share. Nothing in it is the truth about an operation.
pub(crate) struct Core {
    ports: Ports,
    metrics: Arc<Metrics>,
    vault: Vault,
    groups: Groups,
    breakers: Breakers,
    stops: AllStops,
    sessions: Sessions,
    registrations: Registrations,
    suspects: Suspects,
    resyncs: Resyncs,
    clocks: Clocks,
    hints: Hints,
    /// Made at each start, so that nobody is mistaken for an earlier self.
    owner: String,
}

impl Engine {
    /// With its groups as they stood before the stop: who asks, or pauses one, finds them so; and with what the
    /// last process may have died of. Nothing moves yet, and no door is open.
    ///
    /// # Errors
    /// When the journal cannot say what that was.
    pub async fn begin(
        groups: Vec<GroupSettings>,
        retention: Retention,
        vault: Vault,
        ports: Ports,
        metrics: Arc<Metrics>,
    ) -> Result<Self, JournalError> {
        let owner = ports.world.new_id();
        let core = Core {
            ports,
            metrics,
            vault,
            groups: Groups::new(groups),
            breakers: Breakers::default(),
            stops: AllStops::default(),
            sessions: Sessions::default(),
            registrations: Registrations::default(),
            suspects: Suspects::default(),
            resyncs: Resyncs::default(),
            clocks: Clocks::default(),
            hints: Hints::default(),
            owner,
        };
        core.count_deaths().await?;
        core.begin().await;
        Ok(Self { core: Arc::new(core), retention, resync: RESYNC })
    }

    /// So many accounts in a time are read by a resync.
    #[must_use]
    pub fn resyncing_at(self, rate: Rate) -> Self {
        Self { resync: rate, ..self }
    }

    /// What the doors hand their callers' words to.
    pub fn intake(&self) -> Intake {
        Intake::new(Arc::clone(&self.core))
    }

    /// What persons see and do.
    pub fn operators(&self) -> Operators {
        Operators::new(Arc::clone(&self.core))
    }

    /// What a reload tells of the groups' sections.
    pub fn sections(&self) -> Sections {
        Sections { core: Arc::clone(&self.core) }
    }

    /// Runs until `stop`, then finishes the steps under way and returns.
    pub async fn run(self, stop: CancellationToken) {
        self.core.share();
        self.core.come_back().await;
        let loops = TaskTracker::new();
        let (core, stopping) = (Arc::clone(&self.core), stop.clone());
        loops.spawn(async move { core.move_groups(stopping).await });
        let (core, stopping) = (Arc::clone(&self.core), stop.clone());
        loops.spawn(async move { alive::tell(&core, stopping).await });
        let (core, stopping) = (Arc::clone(&self.core), stop.clone());
        loops.spawn(async move { others::hear(&core, stopping).await });
        let (lead, retention, rate) =
            (Lead { core: &self.core, loops: &loops, stop: &stop }, self.retention, self.resync);
        lead.does(|core, stop| async move { statuses::tell(&core, stop).await });
        lead.does(|core, stop| async move { fan_out::reach(&core, stop).await });
        lead.does(|core, stop| async move { begin::begin(&core, stop).await });
        lead.does(|core, stop| async move { unclaimed::park(&core, stop).await });
        lead.does(|core, stop| async move { unread::read_again(&core, stop).await });
        lead.does(move |core, stop| async move { purge::purge(&core, retention, stop).await });
        lead.does(move |core, stop| async move { resync::keep(&core, rate, stop).await });
        loops.close();
        loops.wait().await;
        self.core.ports.instances.leave().await;
    }
}

impl Core {
    /// The loops of all groups, of those that come later, too.
    async fn move_groups(self: Arc<Self>, stop: CancellationToken) {
        let (loops, mut moving, mut come) = (TaskTracker::new(), BTreeSet::new(), self.groups.come());
        while !stop.is_cancelled() {
            come.mark_unchanged();
            for group in self.groups.all().keys().filter(|group| moving.insert(Group::clone(group))) {
                let (core, of, stopping) = (Arc::clone(&self), group.clone(), stop.clone());
                loops.spawn(async move { core.move_lanes(of, stopping).await });
                let (core, of, stopping) = (Arc::clone(&self), group.clone(), stop.clone());
                loops.spawn(async move { registrations::keep(&core, &of, stopping).await });
            }
            tokio::select! {
                () = stop.cancelled() => {}
                _ = come.changed() => {}
            }
        }
        loops.close();
        loops.wait().await;
    }

    /// One group's loop: leases as many lanes as it has free slots. A group that is stuck holds
    /// its own slots and nobody else's.
    async fn move_lanes(self: Arc<Self>, group: Group, stop: CancellationToken) {
        // Whoever moves a lane has one of it: there may be more or fewer slots at the next turn.
        let slot = Arc::new(());
        let working = TaskTracker::new();
        let hint = self.hints.lanes.of(&group);
        let (mut turn, mut served) = (0_u32, None);
        while !stop.is_cancelled() {
            let Some(settings) = self.groups.of(&group) else { break };
            let now = Some((self.ports.adapters.serves(&group), self.quarantine(&group).is_some()));
            // At first, too: an adapter may have come since the host began.
            if served != now {
                served = now;
                self.rest(&group).await;
            }
            let slots = self.ports.instances.among().part_of(settings.slots);
            let free = slots.saturating_sub(Arc::strong_count(&slot) - 1);
            // Only who can take something has his turn.
            turn = turn.wrapping_add(u32::from(free > 0));
            let looks_first = turn.is_multiple_of(LOOKS_FIRST_EVERY);
            let (lanes, look_in) = self.lease(&settings, free, looks_first).await;
            self.hints.is_busy(&group, lanes.len() == free);
            for (lease, held) in lanes {
                let (core, settings, stop) = (Arc::clone(&self), Arc::clone(&settings), stop.clone());
                let slot = Arc::clone(&slot);
                working.spawn(async move {
                    let account = held.operation.lane.i_account;
                    worker::drive(&core, &settings.group, &lease, held, &stop).await;
                    lanes::give_back(&core, &lease, &stop).await;
                    core.came_to_rest(&settings.group, account);
                    drop(slot);
                    core.hints.lane(&settings.group);
                });
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = hint.notified() => {}
                () = tokio::time::sleep(look_in) => {}
            }
        }
        working.close();
        working.wait().await;
    }
}
