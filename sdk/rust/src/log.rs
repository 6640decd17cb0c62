//! Log lines, and the last words of an adapter that panics.

use std::fmt;

#[cfg(target_arch = "wasm32")]
use crate::bindings::punchdown::adapter::log as host;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For whoever writes the adapter.
    Debug,
    /// For whoever wonders how it went.
    Info,
    /// Something is odd.
    Warn,
    /// Something is wrong.
    Error,
}

/// Writes a line to the host's log; natively, in tests, to standard error.
///
/// Every re-run writes it again, so it says what a question found, not what happened.
pub fn log(level: Level, message: impl fmt::Display) {
    #[cfg(target_arch = "wasm32")]
    {
        let level = match level {
            Level::Debug => host::Level::Debug,
            Level::Info => host::Level::Info,
            Level::Warn => host::Level::Warn,
            Level::Error => host::Level::Error,
        };
        host::write(level, &message.to_string());
    }
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {message}");
}

/// Makes a panic say where and why through the log: without WASI there is no standard error, and
/// the trap itself says neither.
#[cfg(target_arch = "wasm32")]
pub(crate) fn leave_last_words() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("a panic without words");
        match panic.location() {
            Some(at) => log(Level::Error, format_args!("{message} ({}:{})", at.file(), at.line())),
            None => log(Level::Error, message),
        }
    }));
}
