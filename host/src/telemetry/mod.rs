//! The instruments: logs and metrics. Neither ever shows subscriber data or secrets.

mod counts;
mod instances;
mod labels;
mod listeners;
mod metrics;
mod serving;
mod words;

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

pub use listeners::{Limit, ListenerName, Open};
pub use metrics::Metrics;
pub use words::{AdapterQuestion, HeldBy};

/// Starts logging to standard error: text on a terminal, JSON lines everywhere else.
///
/// `filter` is in the syntax of `tracing`: `info`, or `punchdown=debug,info`.
pub fn start_logging(filter: &str) {
    let filter = EnvFilter::builder().parse_lossy(filter);
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if std::io::stderr().is_terminal() {
        let _ = log.try_init();
    } else {
        let _ = log.json().flatten_event(true).with_span_list(false).try_init();
    }
}

/// An error with its causes, in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some errors already carry their cause in their own words.
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
