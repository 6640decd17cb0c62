//! Orders a service for each account from an order management system that speaks REST, and waits until the
//! order is done: by a notification, or by looking from time to time.
//!
//! Begin at `flow`, the life of an operation. Change the paths and the members to those of your system.

mod flow;

use std::collections::BTreeMap;

use punchdown_adapter::settings::{Settings, number};
use punchdown_adapter::{
    Adapter, Correlation, Description, Flow, Notification, Operation, Otherwise, Problem, Reading, Response,
    Signal, Stop, Trouble, Value, export_adapter, json,
};
use serde::Deserialize;

/// The adapter.
pub struct Oms;

/// A group's configuration.
struct Config {
    /// The system's profiles, by the names of PortaBilling's products.
    profiles: BTreeMap<String, String>,
    /// How often an order is looked at while no notification comes.
    poll_seconds: u32,
}

impl Config {
    /// Reads a configuration, or says all that is wrong with it.
    fn read(config: &Value) -> Result<Self, Vec<Problem>> {
        Settings::read(config, |settings| Self {
            profiles: settings.required("profiles", "which profile has which product?", profiles),
            poll_seconds: settings.or("poll_seconds", 60, number(1..=86_400)) as u32,
        })
    }
}

fn profiles(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let profiles = BTreeMap::deserialize(value).ok().filter(|profiles| !profiles.is_empty());
    profiles.ok_or_else(|| "must be an object of texts, and not empty".to_owned())
}

impl Adapter for Oms {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Orders a service for each account by REST.".to_owned(),
            queries: vec!["account_info".to_owned()],
            config_schema: json!({
                "type": "object", "additionalProperties": false, "required": ["profiles"],
                "properties": {
                    "profiles": {
                        "type": "object", "minProperties": 1, "additionalProperties": {"type": "string"},
                        "description": "The system's profiles, by the names of PortaBilling's products.",
                    },
                    "poll_seconds": {
                        "type": "integer", "minimum": 1, "maximum": 86_400, "default": 60,
                        "description": "How often an order is looked at while no notification comes.",
                    },
                },
            }),
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
        let notice = notification.body.json().unwrap_or_default();
        let Some(order) = notice["orderId"].as_str() else {
            let message = "no notice of an order".to_owned();
            let unread = Some(Trouble { code: "not-understood".to_owned(), message });
            return Reading { reply: Response::empty(202), signals: Vec::new(), unread };
        };
        let signal = Signal {
            id: None,
            correlation: Correlation::Key(order.to_owned()),
            payload: notice.clone(),
            // It may come before the answer that names the order.
            otherwise: Otherwise::Keep,
        };
        Reading { reply: Response::empty(204), signals: vec![signal], unread: None }
    }
}

export_adapter!(Oms);

#[cfg(test)]
mod tests {
    #[test]
    fn the_golden_cases_hold() {
        punchdown_adapter::run_cases::<super::Oms>("cases");
    }
}
