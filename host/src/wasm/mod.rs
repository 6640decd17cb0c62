//! Answers the port `Adapters`: the only folder that knows wasmtime.
//!
//! An adapter is a component that was loaded once ([`load`]), compiled in a process of its own ([`compiler`]) or taken as
//! it was compiled before ([`compiled`]), and is asked in a fresh instance every time ([`guest`]). It can open no connection, read no file, see no clock and no other
//! adapter's data: there is nothing to configure about that.

mod adapter;
mod apart;
mod bindings;
mod catalog;
mod compiled;
mod compiler;
mod contract;
mod convert;
mod engine;
mod guest;
mod last_words;
mod load;
mod shelf;
mod stock;

use std::time::Duration;

pub use adapter::Adapter;
pub use catalog::{Catalog, Serving};
pub use compiled::Compiled;
pub use compiler::{COMPILES, Compiler, CompilerLimits, NotCompiled, compile_as_told};
pub use contract::{Difference, Surface, contract_spoken};
pub use engine::Sandbox;
pub use load::{COMPONENT_BYTES_MAX, LoadError, surface};
pub use shelf::{Agreed, Edition, Shelf};
pub use stock::{Stock, StockError};

/// What one question to an adapter may cost. Each limit is met by a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, over all memories of the instance.
    pub memory: u64,
    /// Of computing, counted in ticks of ten milliseconds.
    pub time: Duration,
    /// Bytes that it may hand over at once: in its answer, or in a log line.
    pub answer: u64,
    /// Log lines that are kept; those beyond are counted only, and the count is logged.
    pub log_lines: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 64 << 20, time: Duration::from_secs(1), answer: 4 << 20, log_lines: 100 }
    }
}
