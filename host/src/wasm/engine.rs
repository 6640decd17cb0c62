//! One engine a process, and the thread that counts its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime::component::Linker;
use wasmtime::{Config, Engine};

use super::bindings::Adapter as World;
use super::guest::{Guest, STACK_BYTES_MAX, TICK};
use crate::secret::Vault;

/// Where adapters run.
#[derive(Clone)]
pub struct Sandbox {
    pub(super) engine: Engine,
    pub(super) linker: Arc<Linker<Guest>>,
    /// What adapters must not be heard saying.
    pub(super) vault: Vault,
    _ticker: Arc<Ticker>,
}

impl Sandbox {
    /// # Errors
    /// When this machine cannot run compiled components.
    pub fn new() -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        config.max_wasm_stack(STACK_BYTES_MAX);
        // The same question has the same answer on every machine.
        config.cranelift_nan_canonicalization(true);
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        // Scripting runtimes import WASI; all of it is there, and all of it is denied.
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        World::add_to_linker::<_, wasmtime::component::HasSelf<_>>(&mut linker, |guest| guest)?;
        let ticker = Arc::new(Ticker::start(&engine)?);
        Ok(Self { engine, linker: Arc::new(linker), vault: Vault::default(), _ticker: ticker })
    }

    /// Strikes these secrets from whatever an adapter says on the side.
    #[must_use]
    pub fn striking(self, vault: Vault) -> Self {
        Self { vault, ..self }
    }
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
