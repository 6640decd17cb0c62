//! An order management system that speaks TM Forum: TMF641 service ordering, v4.1 or R18.5, or TMF622
//! product ordering, v5.
//!
//! Begin at `flow`, the life of an operation; `following` finds out how an order ended. `dialect` is how
//! an order is written, `order` how one is read, `answer` what an answer to one means. `standing` is what
//! we remember, `inventory` what stood there before us, `config` and `characteristics` what a group says,
//! `notice` what the system says of itself, and `hub` how it is asked to.
//! The keys of a SIM (Ki, OPc) are never sent: an order system has no use for them.

mod answer;
mod characteristics;
mod config;
mod dialect;
mod flow;
mod following;
mod hub;
mod inventory;
mod notice;
mod order;
mod standing;

use punchdown_adapter::{
    Adapter, Description, Errand, Flow, Notification, Operation, Problem, Reading, Register, Standing, Stop,
    Value, export_adapter,
};

use config::Config;

/// The adapter.
pub struct OmsTmf641;

impl Adapter for OmsTmf641 {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Orders mobile service from an OMS by TMF641 or TMF622.".to_owned(),
            queries: characteristics::QUERIES.map(str::to_owned).into(),
            config_schema: config::schema(),
            secrets: Vec::new(),
            secret_fields: Vec::new(),
        }
    }

    fn check_config(config: &Value) -> Vec<Problem> {
        Config::read(config).err().unwrap_or_default()
    }

    fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop> {
        flow::provision(flow, operation)
    }

    fn read_notification(_config: &Value, notification: &Notification) -> Reading {
        notice::read(notification)
    }
}

impl Register for OmsTmf641 {
    fn register_at(
        errand: &mut Errand,
        config: &Value,
        address: &str,
        standing: Option<&Value>,
    ) -> Result<Standing, Stop> {
        match Config::read(config) {
            Ok(config) => hub::register(errand, &config, address, standing),
            Err(_) => Err(errand.fail("configuration", "the configuration is not as it was")),
        }
    }

    fn unregister(errand: &mut Errand, config: &Value, standing: &Value) -> Result<(), Stop> {
        match Config::read(config) {
            Ok(config) => hub::unregister(errand, &config, standing),
            Err(_) => Err(errand.fail("configuration", "the configuration is not as it was")),
        }
    }
}

export_adapter!(OmsTmf641, with register);

#[cfg(test)]
mod tests {
    #[test]
    fn the_golden_cases_hold() {
        punchdown_adapter::run_cases_with_register::<super::OmsTmf641>("cases");
    }
}
