//! One engine a process, and the thread that counts its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::apart::Apart;
use super::bindings::Adapter as World;
use super::guest::{Guest, STACK_BYTES_MAX, TABLE_ELEMENTS_MAX, TICK};
use super::{Compiled, Compiler};
use crate::secret::Vault;

/// Instances that live at a time, in all groups: as many as have a place ready. Sixty-four groups have room for all
/// that each may ask; of more, questions wait for each other.
const INSTANCES_MAX: u32 = 256;
/// Of one component. Those of scripting languages are put together from some twenty modules.
const PARTS_MAX: u32 = 64;
const MEMORIES_MAX: u32 = 4;
const TABLES_MAX: u32 = 16;
/// Of an instance, what the host keeps of it: globals, and where its functions and tables are.
const INSTANCE_BYTES_MAX: usize = 4 << 20;
/// Of a place that was used so much stays in memory, for the next one.
const KEPT_BYTES: usize = 1 << 20;

/// Where adapters run.
#[derive(Clone)]
pub struct Sandbox {
    /// One for each place.
    pub(super) places: Arc<Semaphore>,
    pub(super) engine: Engine,
    pub(super) linker: Arc<Linker<Guest>>,
    /// What adapters must not be heard saying.
    pub(super) vault: Vault,
    pub(super) measured: Arc<Measured>,
    /// Who compiles, when it is not this process.
    pub(super) apart: Option<Arc<Apart>>,
    _ticker: Arc<Ticker>,
}

/// What adapters have cost so far.
#[derive(Default)]
pub(super) struct Measured {
    compiling_us: AtomicU64,
    memory_peak: AtomicU64,
}

impl Measured {
    pub fn compiled(&self, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.compiling_us.fetch_add(took_us, Ordering::Relaxed);
    }

    pub fn used(&self, memory: usize) {
        self.memory_peak.fetch_max(memory as u64, Ordering::Relaxed);
    }
}

impl Sandbox {
    /// # Errors
    /// When this machine cannot run compiled components.
    pub fn new() -> wasmtime::Result<Self> {
        let config = config();
        let engine = with_places(&config).or_else(|error| {
            let error = format!("{error:#}");
            tracing::warn!(
                error,
                "no address space for instances to reuse; adapters are asked as well, and slower"
            );
            Engine::new(&config)
        })?;
        let mut linker = Linker::new(&engine);
        // Scripting runtimes import WASI; all of it is there, and all of it is denied.
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        World::add_to_linker::<_, wasmtime::component::HasSelf<_>>(&mut linker, |guest| guest)?;
        let ticker = Arc::new(Ticker::start(&engine)?);
        let places = Arc::new(Semaphore::new(INSTANCES_MAX as usize));
        Ok(Self {
            places,
            engine,
            linker: Arc::new(linker),
            vault: Vault::default(),
            measured: Arc::default(),
            apart: None,
            _ticker: ticker,
        })
    }

    /// Compiles in a process of its own, and keeps there, where that is said, what came of it. A sandbox that is not told
    /// compiles in this process: only a program that knows the compiler's word can be asked for it.
    #[must_use]
    pub fn compiling_by(self, compiler: Compiler, kept: Option<Compiled>) -> Self {
        Self { apart: Some(Arc::new(Apart::new(compiler, kept))), ..self }
    }

    /// What waited for the journal's folder lies in it from now on.
    pub async fn settle_compiled(&self) {
        if let Some(apart) = self.apart.clone() {
            let _ = tokio::task::spawn_blocking(move || apart.settle()).await;
        }
    }

    /// Strikes these secrets from whatever an adapter says on the side.
    #[must_use]
    pub fn striking(self, vault: Vault) -> Self {
        Self { vault, ..self }
    }

    /// How long components were compiled here.
    pub fn compiling(&self) -> Duration {
        Duration::from_micros(self.measured.compiling_us.load(Ordering::Relaxed))
    }

    /// The most memory that an instance has had, in bytes.
    pub fn memory_peak(&self) -> u64 {
        self.measured.memory_peak.load(Ordering::Relaxed)
    }
}

/// What code depends on: whoever compiles, and whoever runs it, has the same.
pub(super) fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.max_wasm_stack(STACK_BYTES_MAX);
    // The contract has no async functions; with them one question could take any number of stacks.
    config.concurrency_support(false);
    // The same question has the same answer on every machine.
    config.cranelift_nan_canonicalization(true);
    config
}

/// An engine whose instances take turns in places that are laid out once, and are swept after each.
fn with_places(config: &Config) -> wasmtime::Result<Engine> {
    let mut places = PoolingAllocationConfig::new();
    places
        .total_component_instances(INSTANCES_MAX)
        // Those of other cores are looked through one after the other, and one that is given back meanwhile is
        // missed: so there are more than are ever taken.
        .total_stacks(2 * INSTANCES_MAX)
        .total_core_instances(INSTANCES_MAX * PARTS_MAX)
        // One more for what is collected as garbage.
        .total_memories(INSTANCES_MAX * (MEMORIES_MAX + 1))
        .total_tables(INSTANCES_MAX * TABLES_MAX)
        .max_core_instances_per_component(PARTS_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memories_per_module(MEMORIES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .linear_memory_keep_resident(KEPT_BYTES);
    let mut config = config.clone();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(places));
    Engine::new(&config)
}

/// Ticks from a thread of its own: a guest that spins may hold the thread that drives timers.
struct Ticker {
    stop: Arc<AtomicBool>,
}

impl Ticker {
    fn start(engine: &Engine) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (engine, stopped) = (engine.weak(), Arc::clone(&stop));
        std::thread::Builder::new().name("adapter-ticks".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
        Ok(Self { stop })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
