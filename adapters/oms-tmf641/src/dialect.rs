//! What the dialects of an order API call things, and how each wants an order written.
//!
//! Only what we write is a matter of dialect. What we read is told apart by itself: see `order`.

use punchdown_adapter::{Request, Value, json};

use crate::config::{Config, Item};
use crate::standing::{Service, ServiceState};

/// Marks our own among the external ids of a product order.
pub const OWNER: &str = "punchdown";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// TMF641 v4.1.
    V4,
    /// TMF641 R18.5, which is v3.
    V3,
    /// TMF622 v5: the order is for a product.
    Tmf622,
}

/// What an order does to a service.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Add,
    Modify,
    Delete,
}

impl Dialect {
    pub const WORDS: [(&str, Self); 3] = [("v4", Self::V4), ("v3", Self::V3), ("tmf622", Self::Tmf622)];

    /// The resource that holds the orders.
    pub fn orders(self) -> &'static str {
        match self {
            Self::V4 | Self::V3 => "serviceOrder",
            Self::Tmf622 => "productOrder",
        }
    }

    /// The query parameter that searches orders by our own id.
    pub fn search(self) -> &'static str {
        match self {
            Self::V4 | Self::V3 => "externalId",
            Self::Tmf622 => "externalId.id",
        }
    }

    /// Asks for an order to be cancelled. R18.5 has no such task, and writes down any state that it is
    /// given: an order that a `PATCH` has set to cancelled may be done all the same.
    pub fn cancel(self, base: &str, order: &str) -> Option<Request> {
        let (resource, task) = match self {
            Self::V4 => ("cancelServiceOrder", json!({"serviceOrder": {"id": order}})),
            Self::V3 => return None,
            Self::Tmf622 => {
                let order = json!({"@type": "ProductOrderRef", "id": order});
                ("cancelProductOrder", json!({"@type": "CancelProductOrder", "productOrder": order}))
            }
        };
        Some(Request::post(format!("{base}/{resource}")).json(&task))
    }
}

/// An order as it is posted: every item does the same to the same service, in a part of its own.
pub fn order(config: &Config, external_id: &str, action: Action, service: &Service) -> Value {
    let items = config.items.iter().map(|item| match config.dialect {
        Dialect::V4 => service_item(config, item, action, service),
        Dialect::V3 => with_links(service_item(config, item, action, service)),
        Dialect::Tmf622 => product_item(config, item, action, service),
    });
    let items: Vec<Value> = items.collect();
    let mut order = match config.dialect {
        Dialect::V4 => json!({"externalId": external_id, "serviceOrderItem": items}),
        Dialect::V3 => json!({"externalId": external_id, "orderItem": items}),
        Dialect::Tmf622 => json!({
            "@type": "ProductOrder",
            "externalId": [{
                "@type": "ExternalIdentifier", "owner": OWNER, "externalIdentifierType": "operation",
                "id": external_id,
            }],
            "productOrderItem": items,
        }),
    };
    if let Some(category) = &config.category {
        order["category"] = json!(category);
    }
    order
}

fn service_item(config: &Config, item: &Item, action: Action, service: &Service) -> Value {
    let characteristics = service.characteristics.iter();
    let characteristics = characteristics.map(|(name, value)| json!({"name": name, "value": value}));
    let mut described = json!({
        "serviceSpecification": {"id": config.specification_of(item)},
        "serviceCharacteristic": characteristics.collect::<Vec<_>>(),
    });
    if let Some(id) = service.ids.get(&item.id) {
        described["id"] = json!(id);
    }
    if action != Action::Delete {
        described["state"] = json!(match service.state {
            ServiceState::Active => "active",
            ServiceState::Inactive => "inactive",
        });
    }
    json!({"id": item.id, "action": action.word(), "service": described})
}

/// R18.5 requires links of the service and its specification, and puts values into objects.
fn with_links(mut item: Value) -> Value {
    let service = &mut item["service"];
    // What does not exist yet has none.
    let href = service["id"].as_str().map(|id| format!("service/{id}")).unwrap_or_default();
    service["href"] = json!(href);
    let specification = &mut service["serviceSpecification"];
    let href = specification["id"].as_str().map(|id| format!("serviceSpecification/{id}"));
    specification["href"] = json!(href);
    for characteristic in service["serviceCharacteristic"].as_array_mut().into_iter().flatten() {
        characteristic["value"] = json!({"value": characteristic["value"].take()});
    }
    item
}

fn product_item(config: &Config, item: &Item, action: Action, service: &Service) -> Value {
    let characteristics = service.characteristics.iter().map(|(name, value)| {
        let kind = match value {
            Value::Bool(_) => "BooleanCharacteristic",
            Value::Number(_) => "NumberCharacteristic",
            _ => "StringCharacteristic",
        };
        json!({"@type": kind, "name": name, "value": value})
    });
    let mut product = json!({
        "@type": "Product",
        "productSpecification": {"@type": "ProductSpecificationRef", "id": config.specification_of(item)},
        "productCharacteristic": characteristics.collect::<Vec<_>>(),
    });
    if let Some(id) = service.ids.get(&item.id) {
        product["id"] = json!(id);
    }
    if action != Action::Delete {
        product["status"] = json!(match service.state {
            ServiceState::Active => "active",
            ServiceState::Inactive => "suspended",
        });
    }
    json!({"@type": "ProductOrderItem", "id": item.id, "action": action.word(), "product": product})
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Modify => "modify",
            Self::Delete => "delete",
        }
    }
}
