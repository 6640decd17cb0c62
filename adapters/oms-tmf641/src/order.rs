//! The words of TMF641: what we order, and what comes back.
//!
//! Orders are read leniently, because dialects differ: what we do not know is skipped, `null` is as
//! good as absent, an unknown state is taken for one on the way. What was read can be printed, and
//! is the payload of a notification.

use punchdown_adapter::{Value, json};
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::Config;
use crate::standing::{Service, ServiceState};

/// What an order does to a service.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Add,
    Modify,
    Delete,
}

/// An order as it is posted: every item does the same to the same service, in a part of its own.
pub fn body(config: &Config, external_id: &str, action: Action, service: &Service) -> Value {
    let items = config.items.iter().map(|item| {
        let known_as = service.ids.get(&item.id);
        json!({
            "id": item.id,
            "action": match action {
                Action::Add => "add",
                Action::Modify => "modify",
                Action::Delete => "delete",
            },
            "service": described(config, action, service, known_as),
        })
    });
    let mut order = json!({
        "externalId": external_id,
        "serviceOrderItem": items.collect::<Vec<_>>(),
    });
    if let Some(category) = &config.category {
        order["category"] = json!(category);
    }
    order
}

fn described(config: &Config, action: Action, service: &Service, known_as: Option<&String>) -> Value {
    let characteristics = service.characteristics.iter();
    let characteristics = characteristics.map(|(name, value)| json!({"name": name, "value": value}));
    let mut described = json!({
        "serviceSpecification": {"id": config.specification},
        "serviceCharacteristic": characteristics.collect::<Vec<_>>(),
    });
    if let Some(id) = known_as {
        described["id"] = json!(id);
    }
    if action != Action::Delete {
        described["state"] = json!(match service.state {
            ServiceState::Active => "active",
            ServiceState::Inactive => "inactive",
        });
    }
    described
}

/// An order as the system shows it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    state: String,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    service_order_item: Vec<Item>,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    error_message: Vec<ErrorMessage>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<ServiceRef>,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    error_message: Vec<ErrorMessage>,
}

#[derive(Serialize, Deserialize)]
struct ServiceRef {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// Why something was not done: of an order, of an item, or the body of a refusal.
#[derive(Serialize, Deserialize)]
pub struct ErrorMessage {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// How an order or one of its items ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Completed,
    Partial,
    Failed,
}

impl Order {
    /// How it ended; `None` while it is on its way.
    pub fn end(&self) -> Option<End> {
        end(&self.state)
    }

    /// Whether an item was done, or why not. The order may be completed and an item not: then the
    /// item is right.
    pub fn item_done(&self, id: &str) -> Result<(), String> {
        let item = self.service_order_item.iter().find(|item| item.id == id);
        let item_end = item.and_then(|item| end(&item.state));
        let done = match self.end() {
            Some(End::Completed) => item_end.is_none_or(|end| end == End::Completed),
            Some(End::Partial) => item_end == Some(End::Completed),
            Some(End::Failed) | None => false,
        };
        if done {
            return Ok(());
        }
        let reasons = item.into_iter().flat_map(|item| &item.error_message);
        let reason = reasons.chain(&self.error_message).find_map(ErrorMessage::text);
        Err(reason.unwrap_or_else(|| format!("order {} is {}", self.id, self.state)))
    }

    /// The ids that the system gave to the services of its items, by item.
    pub fn service_ids(&self) -> impl Iterator<Item = (String, String)> {
        self.service_order_item.iter().filter_map(|item| {
            let id = item.service.as_ref()?.id.clone()?;
            Some((item.id.clone(), id))
        })
    }
}

impl ErrorMessage {
    /// What a person would want to read of it.
    pub fn text(&self) -> Option<String> {
        [&self.reason, &self.message, &self.code].into_iter().find_map(Clone::clone)
    }
}

fn end(state: &str) -> Option<End> {
    match state {
        "completed" => Some(End::Completed),
        "partial" => Some(End::Partial),
        "failed" | "rejected" | "cancelled" => Some(End::Failed),
        _ => None,
    }
}

fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
