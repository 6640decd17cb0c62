//! One question, one fresh instance with a budget.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::ResourceTable;
use wasmtime::{Engine, ResourceLimiter, Store, StoreContextMut, Trap, UpdateDeadline};
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};

use super::bindings::punchdown::adapter::{log, types};
use super::last_words::Tail;
use super::{Limits, Sandbox};
use crate::crash::how_it_ended;
use crate::domain::{Reason, Timestamp, Trouble};
use crate::secret::Screen;

/// How finely an adapter's time is counted.
pub const TICK: Duration = Duration::from_millis(10);
/// Of an adapter's calls; wasmtime's own default, said here because a message names it.
pub const STACK_BYTES_MAX: usize = 512 << 10;
/// A guest may be parked in a call of the host, where no tick counts: so much longer than its
/// time a question may take by the clock on the wall.
const PARKED_MAX: Duration = Duration::from_secs(1);
/// Of a log line so much is kept.
const LOG_LINE_BYTES_MAX: usize = 2048;
/// So much of it is looked at, so that no half of a secret is left at its end.
const HEARD_BYTES_MAX: usize = 4 * LOG_LINE_BYTES_MAX;
pub const TABLE_ELEMENTS_MAX: usize = 100_000;
const HANDLES_MAX: usize = 1_000;

/// What an instance has besides its own memory.
pub struct Guest {
    wasi: WasiCtx,
    table: ResourceTable,
    limits: Limits,
    name: String,
    memory_used: usize,
    memory_refused: Option<usize>,
    table_elements: usize,
    table_refused: Option<usize>,
    log_lines: u32,
    last_log_line: Option<String>,
    stderr: Tail,
    confidential: bool,
    screen: Screen,
}

/// What makes two askings the same: the guest's clock and its randomness.
pub struct Seed<'a> {
    pub began: Timestamp,
    pub name: &'a str,
}

/// Who asks: what a guest says on the side goes into the log under the name of its adapter.
pub struct Asking<'a> {
    pub adapter: &'a str,
    pub limits: Limits,
    pub seed: Seed<'a>,
    /// What it is given must be heard of by nobody, so nothing that it says on the side is kept.
    pub confidential: bool,
    pub screen: Screen,
}

impl Guest {
    fn new(asking: &Asking<'_>) -> Self {
        let Asking { adapter, limits, seed, confidential, screen } = asking;
        let stderr = Tail::default();
        let wasi = WasiCtx::builder()
            .stderr(stderr.clone())
            .wall_clock(Stopped(seed.began))
            .monotonic_clock(Stopped(seed.began))
            .secure_random(chance(seed.name, "secure"))
            .insecure_random(chance(seed.name, "insecure"))
            .insecure_random_seed(0)
            .max_random_size(64 << 10)
            .build();
        Self {
            wasi,
            table: ResourceTable::new(),
            limits: *limits,
            name: (*adapter).to_owned(),
            memory_used: 0,
            memory_refused: None,
            table_elements: 0,
            table_refused: None,
            log_lines: 0,
            last_log_line: None,
            stderr,
            confidential: *confidential,
            screen: screen.clone(),
        }
    }

    fn last_words(&self) -> Option<String> {
        Some(self.stderr.text()).filter(|text| !text.is_empty()).or_else(|| self.last_log_line.clone())
    }

    fn with_last_words(&self, what: &str) -> String {
        match self.last_words() {
            _ if self.confidential => format!("{what}; its last words are kept from everybody here"),
            Some(words) => format!("{what}; its last words: {}", self.screen.line(&words)),
            None => format!("{what}; it left no words"),
        }
    }

    fn tell_of_dropped_lines(&self) {
        if self.confidential {
            return;
        }
        let dropped = self.log_lines.saturating_sub(self.limits.log_lines);
        if dropped > 0 {
            let (adapter, kept) = (&self.name, self.limits.log_lines);
            tracing::warn!(adapter, "{dropped} log lines dropped, `limits.log-lines` keeps {kept}");
        }
    }
}

fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Bytes that depend on the operation alone.
fn chance(name: &str, purpose: &str) -> Deterministic {
    use sha2::Digest as _;
    let block = |number: u8| {
        sha2::Sha256::new().chain_update(purpose).chain_update(name).chain_update([number]).finalize()
    };
    Deterministic::new((0..32).flat_map(|number| block(number).to_vec()).collect())
}

/// A clock that stands at the operation's beginning.
struct Stopped(Timestamp);

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.millis()).unwrap_or_default())
    }
}

impl HostMonotonicClock for Stopped {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    /// Not zero: Go takes that for a clock that does not work.
    fn now(&self) -> u64 {
        1
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl types::Host for Guest {}

impl log::Host for Guest {
    fn write(&mut self, level: log::Level, message: String) {
        if self.confidential {
            return;
        }
        self.log_lines = self.log_lines.saturating_add(1);
        let line = cut(&message, HEARD_BYTES_MAX).to_owned();
        if self.log_lines <= self.limits.log_lines {
            let (adapter, heard) = (&self.name, self.screen.line(&line));
            let line = cut(&heard, LOG_LINE_BYTES_MAX);
            match level {
                log::Level::Error => tracing::error!(adapter, "{line}"),
                log::Level::Warn => tracing::warn!(adapter, "{line}"),
                log::Level::Info => tracing::info!(adapter, "{line}"),
                log::Level::Debug => tracing::debug!(adapter, "{line}"),
            }
        }
        self.last_log_line = Some(line);
    }
}

impl ResourceLimiter for Guest {
    /// Adds up all memories, and remembers that it refused: the trap that follows does not say so.
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.memory_used.saturating_add(desired.saturating_sub(current));
        if u64::try_from(wanted).unwrap_or(u64::MAX) > self.limits.memory {
            self.memory_refused = Some(wanted);
            return Ok(false);
        }
        self.memory_used = wanted;
        Ok(true)
    }

    /// Adds up, too: a component may have thousands of tables.
    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.table_elements.saturating_add(desired.saturating_sub(current));
        if wanted > TABLE_ELEMENTS_MAX {
            self.table_refused = Some(wanted);
            return Ok(false);
        }
        self.table_elements = wanted;
        Ok(true)
    }
}

/// Asks one question in a fresh instance.
///
/// It runs on a thread for blocking work: computing never holds up a door.
pub async fn ask<T, Q>(sandbox: &Sandbox, asking: &Asking<'_>, question: Q) -> Result<T, Trouble>
where
    T: Send + 'static,
    Q: AsyncFnOnce(&mut Store<Guest>) -> wasmtime::Result<T> + Send + 'static,
{
    let place = Arc::clone(&sandbox.places).acquire_owned().await;
    let (guest, limits) = (Guest::new(asking), asking.limits);
    let (engine, measured) = (sandbox.engine.clone(), Arc::clone(&sandbox.measured));
    let runtime = tokio::runtime::Handle::current();
    let asked = tokio::task::spawn_blocking(move || {
        // Whoever gives up waiting leaves the guest at work, and its place taken.
        let _place = place;
        runtime.block_on(async move {
            let mut store = store(&engine, guest);
            let answer = tokio::time::timeout(limits.time + PARKED_MAX, question(&mut store)).await;
            store.data().tell_of_dropped_lines();
            measured.used(store.data().memory_used);
            match answer {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(error)) => Err(fault(&error, store.data())),
                Err(_) => Err(Reason::AdapterLimit.trouble(store.data().with_last_words(&too_slow(limits)))),
            }
        })
    });
    asked.await.unwrap_or_else(|error| {
        Err(Reason::AdapterBroken.trouble(format!("the question was not answered: {}", how_it_ended(&error))))
    })
}

fn store(engine: &Engine, guest: Guest) -> Store<Guest> {
    let limits = guest.limits;
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| guest);
    store.set_hostcall_fuel(usize::try_from(limits.answer).unwrap_or(usize::MAX));
    store.set_max_component_handles(HANDLES_MAX);
    let mut ticks = limits.time.as_millis().div_ceil(TICK.as_millis());
    store.set_epoch_deadline(1);
    // Yields at every tick, so that the clock on the wall is looked at, too.
    store.epoch_deadline_callback(move |_: StoreContextMut<'_, Guest>| {
        ticks = ticks.saturating_sub(1);
        if ticks == 0 {
            return Err(Trap::Interrupt.into());
        }
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    store
}

/// Says which limit it was, or why it stopped; and what the guest said last.
fn fault(error: &wasmtime::Error, guest: &Guest) -> Trouble {
    let why = error.root_cause().to_string();
    if let Some(limit) = limit_met(error, &why, guest) {
        return Reason::AdapterLimit.trouble(guest.with_last_words(&limit));
    }
    let diverged = guest.last_words().is_some_and(|words| words.contains("diverged:"));
    let reason = if diverged { Reason::AdapterDiverged } else { Reason::AdapterBroken };
    reason.trouble(guest.with_last_words(&format!("the adapter stopped ({why})")))
}

fn limit_met(error: &wasmtime::Error, why: &str, guest: &Guest) -> Option<String> {
    let limits = guest.limits;
    match (error.downcast_ref::<Trap>(), guest.memory_refused) {
        (Some(Trap::Interrupt), _) => Some(too_slow(limits)),
        (Some(Trap::StackOverflow), _) => {
            Some(format!("the adapter's calls went too deep: its stack has {STACK_BYTES_MAX} bytes"))
        }
        // wasmtime keeps the type of this error to itself.
        _ if why.contains("fuel allocated for hostcalls") => Some(format!(
            "the adapter handed over more than `limits.answer` allows, {} bytes at once",
            limits.answer
        )),
        (_, Some(wanted)) => Some(format!(
            "the adapter wanted {wanted} bytes of memory, `limits.memory` allows {}",
            limits.memory
        )),
        (_, None) => guest.table_refused.map(|wanted| {
            format!("the adapter wanted {wanted} elements in its tables, an instance has {TABLE_ELEMENTS_MAX} at most")
        }),
    }
}

fn too_slow(limits: Limits) -> String {
    format!("the adapter did not answer within {} ms (`limits.time`)", limits.time.as_millis())
}
