//! The dialects that it speaks, each below a path of its own.

use serde_json::{Value, json};

/// An order belongs to the dialect that it was posted in: so it is shown, and so it is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// TMF641 v4.1.
    V4,
    /// TMF641 R18.5, which is v3: no state at first, links required, no cancellation.
    V3,
    /// TMF622 v5: orders of products.
    Tmf622,
}

impl Dialect {
    pub(super) const ALL: [Self; 3] = [Self::V4, Self::V3, Self::Tmf622];

    pub(super) fn base_path(self) -> &'static str {
        match self {
            Self::V4 => "/tmf-api/serviceOrdering/v4",
            Self::V3 => "/tmf-api/serviceOrdering/v3",
            Self::Tmf622 => "/tmf-api/productOrderingManagement/v5",
        }
    }

    /// The resource of the orders, and the member of an event that holds one.
    pub(super) fn order(self) -> &'static str {
        match self {
            Self::V4 | Self::V3 => "serviceOrder",
            Self::Tmf622 => "productOrder",
        }
    }

    pub(super) fn cancel(self) -> Option<&'static str> {
        match self {
            Self::V4 => Some("cancelServiceOrder"),
            Self::V3 => None,
            Self::Tmf622 => Some("cancelProductOrder"),
        }
    }

    pub(super) fn items(self) -> &'static str {
        match self {
            Self::V4 => "serviceOrderItem",
            Self::V3 => "orderItem",
            Self::Tmf622 => "productOrderItem",
        }
    }

    pub(super) fn errors(self) -> &'static str {
        match self {
            Self::V4 | Self::V3 => "errorMessage",
            Self::Tmf622 => "productOrderErrorMessage",
        }
    }

    /// `StateChange` to the type of such an event.
    pub(super) fn event_type(self, kind: &str) -> String {
        match self {
            Self::V4 => format!("ServiceOrder{kind}Event"),
            Self::V3 => format!("ServiceOrder{kind}Notification"),
            Self::Tmf622 => format!("ProductOrder{kind}Event"),
        }
    }

    pub(super) fn type_name(self) -> &'static str {
        match self {
            Self::V4 | Self::V3 => "ServiceOrder",
            Self::Tmf622 => "ProductOrder",
        }
    }

    /// Whether an order that was just made says in what state it is.
    pub(super) fn answers_with_state(self) -> bool {
        self == Self::V4
    }

    pub(super) fn patched(self) -> u16 {
        if self == Self::V3 { 201 } else { 200 }
    }

    pub(super) fn external_id(self, order: &Value) -> Option<String> {
        let id = match self {
            Self::V4 | Self::V3 => &order["externalId"],
            Self::Tmf622 => &order["externalId"][0]["id"],
        };
        id.as_str().map(str::to_owned)
    }

    /// The service or product of an item.
    pub(super) fn subject(self, item: &Value) -> &Value {
        match self {
            Self::V4 | Self::V3 => &item["service"],
            Self::Tmf622 => &item["product"],
        }
    }

    /// The value of a characteristic of an item.
    pub(super) fn characteristic<'a>(self, item: &'a Value, name: &str) -> &'a Value {
        let subject = self.subject(item);
        let all = match self {
            Self::V4 | Self::V3 => &subject["serviceCharacteristic"],
            Self::Tmf622 => &subject["productCharacteristic"],
        };
        let found = all.as_array().into_iter().flatten().find(|one| one["name"] == name);
        match (self, found) {
            (Self::V3, Some(found)) => &found["value"]["value"],
            (_, Some(found)) => &found["value"],
            (_, None) => &Value::Null,
        }
    }

    /// What an item lacks.
    pub(super) fn lacks(self, item: &Value) -> Option<&'static str> {
        let has = |of: &Value, name: &str| of.get(name).is_some_and(|value| !value.is_null());
        let subject = self.subject(item);
        if !has(item, "id") || !has(item, "action") || !subject.is_object() {
            return Some("every item needs id, action and service");
        }
        let linked = has(subject, "href") && has(&subject["serviceSpecification"], "href");
        if self == Self::V3 && !linked {
            return Some("service and serviceSpecification need href");
        }
        let typed = |one: &Value| has(one, "@type");
        let characteristics = subject["productCharacteristic"].as_array();
        if self == Self::Tmf622 && !characteristics.into_iter().flatten().all(typed) {
            return Some("every characteristic needs @type");
        }
        None
    }

    /// How an error says which item it is about.
    pub(super) fn item_reference(self, id: &Value) -> (&'static str, Value) {
        match self {
            Self::V4 | Self::V3 => (self.items(), json!([{"itemId": id}])),
            Self::Tmf622 => (self.items(), json!([{"productOrderItemId": id}])),
        }
    }
}
