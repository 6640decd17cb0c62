//! All that there is in a run beside the host: the clock, chance, the systems outside, what is yet to
//! happen. One lock, which nobody holds while he waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use punchdown::domain::{Group, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::chance::Dice;
use crate::journal::MemoryJournal;
use crate::ledger::Ledger;
use crate::outside::Outside;
use crate::plan::{Deed, GroupPlan};
use crate::promise::{Broken, Promise};
use crate::weather::Weather;

/// The second 0 of every run.
const BEGINNING: i64 = 1_769_846_400_000;

/// A moment of a run: milliseconds that have really gone by, whatever any clock says.
pub type Moment = u64;

pub struct Universe {
    state: Mutex<State>,
    pub journal: MemoryJournal,
    pub groups: Vec<GroupPlan>,
    /// The process was killed.
    pub killed: Notify,
    /// A host that stood still goes on.
    pub woken: Notify,
}

pub struct State {
    pub dice: Dice,
    pub weather: Weather,
    /// Nothing goes wrong any more.
    pub calm: bool,
    began: Option<Instant>,
    gone_by: Moment,
    /// By so much the host's clock is wrong.
    pub skew: i64,
    pub ids: u64,
    /// The process is no more: nothing that it does has an effect.
    pub dead: bool,
    /// A commit failed: nothing is written any more until the next start.
    pub journal_stopped: bool,
    /// Hosts that stand still, and those that did once.
    pub still: BTreeSet<u32>,
    pub stood_still: BTreeSet<u32>,
    /// Calls under way, during which time does not jump.
    pub under_way: u32,
    pub agenda: BTreeMap<(Moment, u64), Deed>,
    pub outside: Outside,
    pub ledger: Ledger,
    /// Groups whose adapter is not there, or is another version by now.
    pub adapters_gone: BTreeSet<Group>,
    pub versions: BTreeMap<Group, u32>,
    pub trace: Vec<String>,
    pub broken: Option<Broken>,
}

impl Universe {
    pub fn new(
        dice: Dice,
        weather: Weather,
        journal: MemoryJournal,
        groups: Vec<GroupPlan>,
        outside: Outside,
    ) -> Arc<Self> {
        let state = State {
            dice,
            weather,
            calm: false,
            began: None,
            gone_by: 0,
            skew: 0,
            ids: 0,
            dead: false,
            journal_stopped: false,
            still: BTreeSet::new(),
            stood_still: BTreeSet::new(),
            under_way: 0,
            agenda: BTreeMap::new(),
            outside,
            ledger: Ledger::default(),
            adapters_gone: BTreeSet::new(),
            versions: BTreeMap::new(),
            trace: Vec::new(),
            broken: None,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            journal,
            groups,
            killed: Notify::new(),
            woken: Notify::new(),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn group(&self, group: &Group) -> &GroupPlan {
        self.groups.iter().find(|plan| plan.group == *group).expect("a group of the run")
    }
}

impl State {
    /// A process begins.
    pub fn begin_life(&mut self) {
        self.began = Some(Instant::now());
        self.dead = false;
        self.journal_stopped = false;
        self.under_way = 0;
        self.still.clear();
        self.stood_still.clear();
    }

    /// It has ended.
    pub fn end_life(&mut self) {
        self.gone_by = self.moment();
        self.began = None;
        self.ledger.host_died();
    }

    pub fn moment(&self) -> Moment {
        let since = self.began.map_or(Duration::ZERO, |began| began.elapsed());
        self.gone_by + u64::try_from(since.as_millis()).unwrap_or_default()
    }

    /// Time goes by in which nothing would have happened.
    pub fn skip(&mut self, millis: u64) {
        self.gone_by += millis;
    }

    /// What the host's clock shows.
    pub fn now(&self) -> Timestamp {
        let gone_by = i64::try_from(self.moment()).unwrap_or_default();
        Timestamp::from_millis(BEGINNING + gone_by + self.skew)
    }

    /// The moment at which the host's clock will show that.
    pub fn moment_of(&self, at: Timestamp) -> Moment {
        u64::try_from(at.millis() - BEGINNING - self.skew).unwrap_or_default()
    }

    pub fn plan(&mut self, in_millis: u64, deed: Deed) {
        self.ids += 1;
        let at = self.moment() + in_millis;
        self.agenda.insert((at, self.ids), deed);
    }

    pub fn new_id(&mut self) -> String {
        self.ids += 1;
        // As real ones do they sort by the time at which they were made, as the clock shows it.
        format!("{:013}-{:06}", self.now().millis(), self.ids)
    }

    /// Whether that goes wrong now.
    pub fn fails(&mut self, of: impl Fn(&Weather) -> u32) -> bool {
        let permille = of(&self.weather);
        !self.calm && permille > 0 && self.dice.permille(permille)
    }

    pub fn kill(&mut self, universe: &Universe, how: &str) {
        if !self.dead {
            self.note(format!("killed {how}"));
            self.dead = true;
            universe.killed.notify_one();
        }
    }

    pub fn note(&mut self, line: impl AsRef<str>) {
        let moment = self.moment();
        self.trace.push(format!("{:>9}.{:03} {}", moment / 1000, moment % 1000, line.as_ref()));
    }

    /// The first promise that does not hold is told.
    pub fn break_promise(&mut self, promise: Promise, what: String) {
        if self.broken.is_none() {
            self.note(format!("BROKEN {}: {what}", promise.word()));
            self.broken = Some(Broken { promise, what });
        }
    }

    pub fn hold(&mut self, promise: Promise, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.break_promise(promise, what());
        }
    }
}

/// One host's hands: everything that it does passes through here.
#[derive(Clone)]
pub struct Host {
    pub universe: Arc<Universe>,
    pub number: u32,
}

impl Host {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.universe.state()
    }

    /// Waits while this host stands still; whoever is dead waits for ever.
    pub async fn gate(&self) {
        loop {
            let woken = self.universe.woken.notified();
            {
                let state = self.state();
                if !state.dead && !state.still.contains(&self.number) {
                    return;
                }
            }
            woken.await;
        }
    }

    /// The process may be killed at this very moment.
    pub async fn may_die(&self, at: &str) {
        {
            let mut state = self.state();
            if !state.dead && state.fails(|weather| weather.crash_in_call) {
                state.kill(&self.universe, at);
            }
        }
        self.gate().await;
    }

    /// The host may stand still at this very moment. Another one takes its place, once in a life.
    pub async fn may_stand_still(&self) {
        {
            let mut state = self.state();
            let may = self.number == 1 && state.stood_still.is_empty();
            if may && state.fails(|weather| weather.stands_still) {
                state.still.insert(self.number);
                state.stood_still.insert(self.number);
                let seconds = state.dice.within(30..200);
                state.plan(0, Deed::StandStill(seconds));
            }
        }
        self.gate().await;
    }

    /// A call takes its time.
    pub async fn takes(&self, most_millis: u64) {
        let millis = self.state().dice.within(0..most_millis.max(1));
        self.takes_exactly(millis).await;
    }

    pub async fn takes_exactly(&self, millis: u64) {
        let under_way = UnderWay::begin(&self.universe);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        drop(under_way);
        self.gate().await;
    }
}

/// While one of these is held, time goes by as it does.
pub struct UnderWay(Arc<Universe>);

impl UnderWay {
    pub fn begin(universe: &Arc<Universe>) -> Self {
        universe.state().under_way += 1;
        Self(Arc::clone(universe))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way = state.under_way.saturating_sub(1);
    }
}
