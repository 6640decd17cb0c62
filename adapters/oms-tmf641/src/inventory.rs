//! What stands in the system's inventory, where the configuration says that it has one: services that were there
//! before us are taken over, and not ordered a second time.

use punchdown_adapter::{Flow, Operation, Request, Response, Stop, Value, json};
use serde::Deserialize;

use crate::config::{Config, Item};
use crate::dialect::Dialect;
use crate::standing::{Service, ServiceState};

/// Where the system shows what stands, and the characteristic by which an account is known there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    pub path: String,
    #[serde(default = "by_msisdn")]
    pub by: String,
}

fn by_msisdn() -> String {
    "msisdn".to_owned()
}

/// The JSON Schema of an [`Inventory`].
pub fn schema() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["path"],
        "description": "Where the system shows what stands (TMF638, or TMF637 of products); what is \
                        found there is taken over, and not ordered again.",
        "properties": {
            "path": {
                "type": "string", "pattern": "^(/[^/?#\\s]+)+$",
                "description": "Path of its services, or products, below the target's base URL.",
            },
            "by": {
                "type": "string", "default": "msisdn",
                "description": "The characteristic by which an account is known there.",
            },
        },
    })
}

/// What services and products are called in it.
struct Words {
    characteristics: &'static str,
    specification: &'static str,
    state: &'static str,
}

/// The service of the account that stands there; `None`: there is none, or nobody can look.
pub fn find(flow: &mut Flow, config: &Config, operation: &Operation) -> Result<Option<Service>, Stop> {
    let Some(inventory) = &config.inventory else { return Ok(None) };
    let characteristics = config.characteristics.of(operation);
    let Some(value) = characteristics.get(&inventory.by) else { return Ok(None) };
    let words = Words::of(config.dialect);
    let request = Request::get(&inventory.path)
        .query(&format!("{}.name", words.characteristics), &inventory.by)
        .query(&format!("{}.value", words.characteristics), &text(value));
    let response = flow.ask("look-in-inventory", request)?;
    let shown = seen(flow, &response)?;
    // Some systems know no filter and show all that they have.
    let ours: Vec<&Value> = shown
        .iter()
        .filter(|service| words.is_of(service, inventory, value) && words.stands(service))
        .collect();
    if ours.is_empty() {
        return Ok(None);
    }
    let found = config.items.iter().map(|item| (item, words.of_item(&ours, config.specification_of(item))));
    let found: Vec<_> = found.filter_map(|(item, service)| Some((item, service?))).collect();
    match found.len() {
        0 => return Ok(None),
        some if some < config.items.len() => {
            let why = "the inventory shows some items of the order and not the others";
            return Err(flow.park("inventory-partial", why));
        }
        _ => {}
    }
    let is_active = found.iter().any(|(_, service)| words.state_of(service) == "active");
    let state = if is_active { ServiceState::Active } else { ServiceState::Inactive };
    let id = |(item, service): &(&Item, &Value)| Some((item.id.clone(), service["id"].as_str()?.to_owned()));
    Ok(Some(Service { state, characteristics, ids: found.iter().filter_map(id).collect() }))
}

fn seen(flow: &mut Flow, response: &Response) -> Result<Vec<Value>, Stop> {
    let total = response.header("x-total-count").and_then(|total| total.trim().parse().ok());
    match response.json() {
        Some(Value::Array(services)) if response.is_success() => {
            // What stands on the next page is not taken for absent.
            if response.status == 206 || total.is_some_and(|total: usize| total > services.len()) {
                let why = format!("the inventory shows {} of {}", services.len(), total.unwrap_or_default());
                return Err(flow.park("inventory-in-pages", why));
            }
            Ok(services)
        }
        _ => Err(flow.again("inventory-unclear", format!("the inventory answered {}", response.status))),
    }
}

/// Some write a number where others write text.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Words {
    const fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::V4 | Dialect::V3 => Self {
                characteristics: "serviceCharacteristic",
                specification: "serviceSpecification",
                state: "state",
            },
            Dialect::Tmf622 => Self {
                characteristics: "productCharacteristic",
                specification: "productSpecification",
                state: "status",
            },
        }
    }

    /// R18.5 puts a value into an object.
    fn is_of(&self, service: &Value, inventory: &Inventory, value: &Value) -> bool {
        let all = service[self.characteristics].as_array();
        all.into_iter().flatten().any(|one| {
            let shown = if one["value"].is_object() { &one["value"]["value"] } else { &one["value"] };
            one["name"] == inventory.by.as_str() && text(shown) == text(value)
        })
    }

    /// One that is active goes before one that is not.
    fn of_item<'a>(&self, ours: &[&'a Value], specification: &str) -> Option<&'a Value> {
        let mut of_item = ours.to_vec();
        of_item.retain(|service| service[self.specification]["id"] == specification);
        of_item.sort_by_key(|service| self.state_of(service) != "active");
        of_item.first().copied()
    }

    fn stands(&self, service: &Value) -> bool {
        !matches!(self.state_of(service).as_str(), "terminated" | "cancelled" | "aborted")
    }

    fn state_of(&self, service: &Value) -> String {
        service[self.state].as_str().unwrap_or_default().to_ascii_lowercase()
    }
}
