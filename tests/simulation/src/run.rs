//! One run: a plan carried out from its seed, life after life of the process, until all is quiet.

use std::sync::Arc;
use std::time::Duration;

use punchdown::engine::{Engine, Intake, Operators};
use punchdown::secret::Vault;
use punchdown::telemetry::Metrics;
use tokio_util::sync::CancellationToken;

use crate::chance::Dice;
use crate::deeds;
use crate::hands;
use crate::journal::MemoryJournal;
use crate::outside::Outside;
use crate::plan::{Deed, Manner, Plan};
use crate::promise::{Broken, Promise};
use crate::sabotage::Sabotage;
use crate::universe::{Host, Universe};
use crate::verdict;
use crate::weather::Weather;

/// How a run went.
pub struct Outcome {
    pub seed: u64,
    pub broken: Option<Broken>,
    pub trace: Vec<String>,
    pub counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub operations: u64,
    pub requests: u64,
    pub lives: u64,
    pub seconds: u64,
}

/// Rounds of the driver in which a run must have become quiet.
const ROUNDS_MAX: u32 = 6000;
/// Whatever is under way comes to its end in that time.
const STOPS_WITHIN: Duration = Duration::from_secs(180);
/// A look at what happens, while time goes by.
const LOOK: u64 = 500;

pub fn run(seed: u64, sabotage: Option<Sabotage>) -> Outcome {
    let mut dice = Dice::new(seed);
    let mut plan = Plan::of(&mut dice);
    let weather = Weather::of(&mut dice);
    let flaw = match sabotage {
        Some(Sabotage::Journal(flaw)) => Some(flaw),
        _ => None,
    };
    for group in &mut plan.groups {
        group.repeats_blindly = sabotage == Some(Sabotage::BlindRepeats);
        if sabotage == Some(Sabotage::EverythingCloses) {
            group.settings.policy.closing = group.settings.events.clone();
        }
    }
    let outside = Outside {
        never_done: sabotage == Some(Sabotage::NeverDone),
        reads_stale: sabotage == Some(Sabotage::StaleReadings),
        ..Outside::default()
    };
    let universe = Universe::new(dice, weather, MemoryJournal::with(flaw), plan.groups.clone(), outside);
    begin(&universe, &plan);
    let mut run = Run { universe: Arc::clone(&universe), plan, rounds: 0, lives: 0, settled: 0 };
    run.live();
    verdict::at_the_end(&universe);
    let state = universe.state();
    let tables = universe.journal.tables();
    let counts = Counts {
        operations: u64::try_from(state.ledger.made.len()).unwrap_or_default(),
        requests: u64::try_from(state.trace.iter().filter(|line| line.contains(" takes ")).count())
            .unwrap_or_default(),
        lives: run.lives,
        seconds: state.moment() / 1000,
    };
    drop(tables);
    Outcome { seed, broken: state.broken.clone(), trace: state.trace.clone(), counts }
}

fn begin(universe: &Universe, plan: &Plan) {
    let mut state = universe.state();
    for group in &plan.groups {
        let manner: Manner = group.manner;
        let settings = &group.settings;
        let (deadline, service) = (settings.policy.deadline, &settings.policy.service);
        state.note(format!("group {} {manner:?} {service} deadline {deadline:?}", group.group));
    }
    let weather = format!("{:?}", state.weather);
    state.note(weather);
    for (at, deed) in &plan.deeds {
        state.plan(*at, *deed);
    }
    for (account, customer) in &plan.accounts {
        state.note(format!("account {account} of customer {customer}"));
    }
}

struct Run {
    universe: Arc<Universe>,
    plan: Plan,
    rounds: u32,
    lives: u64,
    /// Starts after which all was quiet.
    settled: u32,
}

/// Why a life ended.
enum End {
    /// The process was killed, or stopped, and begins again after so many seconds.
    For(u64),
    Quiet,
}

/// A process: its hosts, of which the last one is spoken to.
pub struct Process {
    pub intake: Intake,
    pub operators: Operators,
    stops: Vec<CancellationToken>,
    engines: Vec<tokio::task::JoinHandle<()>>,
    number: u32,
}

impl Process {
    async fn begin(universe: &Arc<Universe>, plan: &Plan) -> Self {
        let (host, engine) = Self::engine(universe, plan, 1).await;
        let (intake, operators) = (engine.intake(), engine.operators());
        let mut process =
            Self { intake, operators, stops: Vec::new(), engines: Vec::new(), number: host.number };
        process.run(engine);
        process
    }

    async fn engine(universe: &Arc<Universe>, plan: &Plan, number: u32) -> (Host, Engine) {
        let host = Host { universe: Arc::clone(universe), number };
        let settings = plan.groups.iter().map(|group| group.settings.clone()).collect();
        let metrics = Arc::new(Metrics::new());
        let engine = Engine::begin(settings, plan.retention, Vault::default(), hands::ports(&host), metrics);
        (host, engine.await.expect("here no process dies of a question"))
    }

    fn run(&mut self, engine: Engine) {
        let stop = CancellationToken::new();
        self.stops.push(stop.clone());
        self.engines.push(tokio::spawn(engine.run(stop)));
    }

    /// The host stands still, and another one begins beside it.
    pub async fn stand_still(&mut self, universe: &Arc<Universe>, plan: &Plan) {
        {
            let mut state = universe.state();
            state.note(format!("host {} stands still", self.number));
            state.still.insert(self.number);
            state.stood_still.insert(self.number);
        }
        self.number += 1;
        let (_, engine) = Self::engine(universe, plan, self.number).await;
        (self.intake, self.operators) = (engine.intake(), engine.operators());
        self.run(engine);
    }

    async fn stop(self) {
        self.stops.iter().for_each(CancellationToken::cancel);
        for engine in self.engines {
            let _ = engine.await;
        }
    }
}

impl Run {
    fn live(&mut self) {
        loop {
            self.lives += 1;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .expect("a runtime");
            let end = runtime.block_on(self.one_life());
            // All that the process had under way goes with it.
            drop(runtime);
            let broken = self.universe.state().broken.is_some();
            match end {
                End::For(seconds) if !broken => self.universe.state().skip(seconds * 1000),
                _ => return,
            }
        }
    }

    async fn one_life(&mut self) -> End {
        {
            let mut state = self.universe.state();
            state.begin_life();
            state.outside.logged_in = false;
            state.note("the process begins");
        }
        let _ = self.universe.journal.open_again();
        let universe = Arc::clone(&self.universe);
        let end = tokio::select! {
            biased;
            () = universe.killed.notified() => End::For(universe.state().dice.within(0..20)),
            end = self.lives_to_its_end() => end,
        };
        self.universe.state().end_life();
        end
    }

    async fn lives_to_its_end(&mut self) -> End {
        let mut process = Process::begin(&self.universe, &self.plan).await;
        deeds::bring_again(&self.universe);
        let end = loop {
            if let Some(end) = self.round(&mut process).await {
                break end;
            }
        };
        if matches!(end, End::For(_)) && !self.universe.state().dead {
            self.stop(process).await;
        }
        end
    }

    /// In good order, unless it is killed meanwhile.
    async fn stop(&self, process: Process) {
        let universe = &self.universe;
        tokio::select! {
            // In this order, or a seed would not be the same life each time.
            biased;
            () = self.wakes_whoever_stands_still() => {
                let what = "the process does not stop".to_owned();
                universe.state().break_promise(Promise::EverythingEnds, what);
            }
            () = process.stop() => universe.state().note("the process has stopped"),
        }
    }

    /// A host may stand still while it stops, too, and then goes on.
    async fn wakes_whoever_stands_still(&self) {
        for _ in 0..STOPS_WITHIN.as_secs() {
            self.universe.state().still.clear();
            self.universe.woken.notify_waiters();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn round(&mut self, process: &mut Process) -> Option<End> {
        self.rounds += 1;
        if self.universe.state().broken.is_some() {
            return Some(End::Quiet);
        }
        if self.rounds > ROUNDS_MAX {
            verdict::never_quiet(&self.universe);
            return Some(End::Quiet);
        }
        if let Some(end) = self.due(process).await {
            return Some(end);
        }
        match self.pause() {
            Pause::Quiet(end) => Some(end),
            Pause::For(millis) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                None
            }
        }
    }

    /// Does what is due.
    async fn due(&mut self, process: &mut Process) -> Option<End> {
        loop {
            let deed = {
                let mut state = self.universe.state();
                let moment = state.moment();
                let first = state.agenda.first_entry().filter(|first| first.key().0 <= moment)?;
                first.remove()
            };
            match deed {
                Deed::Kill(seconds) => {
                    let mut state = self.universe.state();
                    if !state.calm || state.journal_stopped {
                        state.note("killed at a moment of its own");
                        state.dead = true;
                        return Some(End::For(seconds));
                    }
                }
                Deed::Stop(seconds) => {
                    self.universe.state().note("the process is told to stop");
                    return Some(End::For(seconds));
                }
                Deed::StandStill(seconds) => {
                    if process.number == 1 {
                        process.stand_still(&self.universe, &self.plan).await;
                        self.universe.state().plan(seconds * 1000, Deed::GoOn);
                    }
                }
                Deed::GoOn => {
                    let mut state = self.universe.state();
                    if !state.still.is_empty() {
                        state.note("the host that stood still goes on");
                        state.still.clear();
                        self.universe.woken.notify_waiters();
                        // Two hosts know nothing of each other's pauses, and end together.
                        state.plan(10_000, Deed::Stop(1));
                    }
                }
                other => deeds::doing(other, &self.universe, process),
            }
        }
    }

    /// How long to wait, once it is known that nothing is left to be done.
    fn pause(&mut self) -> Pause {
        let quiet = {
            let mut state = self.universe.state();
            let tables = self.universe.journal.tables();
            let next = verdict::next_moment(&tables, &state);
            let moment = state.moment();
            match next {
                verdict::NextMoment::Busy => return Pause::For(LOOK),
                verdict::NextMoment::At(at) if at <= moment + 2 * LOOK => {
                    return Pause::For(at.saturating_sub(moment).clamp(1, LOOK));
                }
                verdict::NextMoment::At(at) => {
                    drop(tables);
                    let skipped = at - moment - LOOK;
                    state.skip(skipped);
                    let now = state.now();
                    // It would have written that it runs.
                    if let Some(alive) = &mut self.universe.journal.tables().alive {
                        *alive = now;
                    }
                    return Pause::For(LOOK);
                }
                verdict::NextMoment::Never => !state.calm,
            }
        };
        if quiet {
            deeds::calm_down(&self.universe);
            return Pause::For(1);
        }
        self.settled += 1;
        // What no adapter could read is read after another start.
        if self.settled < 2 {
            return Pause::Quiet(End::For(1));
        }
        Pause::Quiet(End::Quiet)
    }
}

enum Pause {
    For(u64),
    Quiet(End),
}

impl Outcome {
    /// What a person needs to see it again.
    pub fn report(&self, lines: usize) -> String {
        let tail = self.trace.len().saturating_sub(lines);
        let broken =
            self.broken.as_ref().map_or_else(|| "every promise held".to_owned(), ToString::to_string);
        format!("seed {}: {broken}\n{}", self.seed, self.trace[tail..].join("\n"))
    }
}
