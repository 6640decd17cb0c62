//! HSS and PCRF on PyHSS 2.0's REST API: a card's AuC, the subscriber, the IMS subscriber, and charging rules for who
//! is online.
//!
//! Begin at `flow`, the life of an operation; `record` finds, makes, changes and removes records of any kind, and
//! `answer` says what an answer to that means: neither its status nor its body does so alone. `line` is an account
//! in the system's words, `policy` the PCRF's part, `standing` what we remember, `config` what a group says,
//! `notice` what the system says of itself.

mod answer;
mod config;
mod flow;
mod line;
mod notice;
mod policy;
mod record;
mod standing;

use punchdown_adapter::{
    Adapter, Description, Flow, Notification, Operation, Problem, Reading, Stop, Value, export_adapter,
};

use config::Config;

/// What an AuC holds and nobody is shown, beside the host's own list.
const SECRET_FIELDS: [&str; 5] = ["des", "kid", "psk", "lpa", "puk2"];

/// The adapter.
pub struct HssPyhss;

impl Adapter for HssPyhss {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Provisions HSS and PCRF by the REST API of PyHSS.".to_owned(),
            queries: config::QUERIES.map(str::to_owned).into(),
            config_schema: config::schema(),
            secrets: Vec::new(),
            secret_fields: SECRET_FIELDS.map(str::to_owned).into(),
        }
    }

    fn check_config(config: &Value) -> Vec<Problem> {
        Config::read(config).err().unwrap_or_default()
    }

    fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop> {
        flow::provision(flow, operation)
    }

    fn read_notification(config: &Value, notification: &Notification) -> Reading {
        notice::read(config, notification)
    }
}

export_adapter!(HssPyhss);

#[cfg(test)]
mod tests {
    #[test]
    fn the_golden_cases_hold() {
        punchdown_adapter::run_cases::<super::HssPyhss>("cases");
    }
}
