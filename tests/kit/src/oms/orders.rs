//! The orders, and the documents that show them.

use std::collections::HashMap;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::dialect::Dialect;
use crate::moment::rfc3339;

/// The words for a state, and whether it is a final one.
const STATES: [(&str, bool); 11] = [
    ("acknowledged", false),
    ("rejected", true),
    ("pending", false),
    ("held", false),
    ("inProgress", false),
    ("cancelled", true),
    ("completed", true),
    ("failed", true),
    ("partial", true),
    ("assessingCancellation", false),
    ("pendingCancellation", false),
];

pub(super) fn is_state(word: &str) -> bool {
    STATES.iter().any(|(state, _)| *state == word)
}

fn is_final(word: &str) -> bool {
    STATES.contains(&(word, true))
}

/// An order as the ledger shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderSeen {
    pub id: String,
    /// What it was posted in.
    pub dialect: Dialect,
    pub external_id: Option<String>,
    /// The characteristic `accountId` or `i_account` of the first item's service.
    pub account: Option<String>,
    /// The action of the first item.
    pub action: Option<String>,
    pub state: String,
    pub received_at: SystemTime,
    pub ended_at: Option<SystemTime>,
    /// Why it failed.
    pub error: Option<String>,
    /// Notices sent, tries and repeats included.
    pub notices_sent: u32,
    /// Notices that were answered with a 2xx.
    pub notices_accepted: u32,
    /// The order as it was posted.
    pub body: Value,
}

struct Order {
    seen: OrderSeen,
    /// Its client knows of it: by the 201, or by a look.
    told: bool,
    /// No notice of it is to be sent.
    silent: bool,
    /// Every notice of it is to be sent twice.
    repeats: bool,
    /// Notices so far, which number their ids.
    notices: u32,
}

/// How the notices of an order are to be sent.
pub(super) struct Telling {
    pub(super) event_id: String,
    pub(super) event_type: String,
    /// The member of the event that holds the order.
    pub(super) about: &'static str,
    pub(super) order: Value,
    pub(super) silent: bool,
    pub(super) repeats: bool,
    /// Its client knew of the order when this was written.
    pub(super) known: bool,
}

/// Why an order cannot change its state.
pub(super) enum Refused {
    Unknown,
    Final,
}

/// Which orders a list shows.
#[derive(Default)]
pub(super) struct Filter {
    pub(super) id: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) state: Option<String>,
}

#[derive(Default)]
pub(super) struct Orders {
    list: Vec<Order>,
    by_id: HashMap<String, usize>,
    by_external_id: HashMap<String, Vec<usize>>,
}

impl Orders {
    pub(super) fn add(&mut self, id: &str, dialect: Dialect, body: Value, silent: bool, repeats: bool) {
        let place = self.list.len();
        let order =
            Order { seen: OrderSeen::received(id, dialect, body), told: false, silent, repeats, notices: 0 };
        self.by_id.insert(id.to_owned(), place);
        if let Some(external_id) = &order.seen.external_id {
            let places = self.by_external_id.entry(external_id.clone());
            places.or_default().push(place);
        }
        self.list.push(order);
    }

    pub(super) fn seen(&self) -> impl Iterator<Item = &OrderSeen> {
        self.list.iter().map(|order| &order.seen)
    }

    pub(super) fn waiting(&self) -> usize {
        let waits = |order: &&Order| order.told && order.seen.ended_at.is_none();
        self.list.iter().filter(waits).count()
    }

    pub(super) fn document(&self, id: &str) -> Option<Value> {
        Some(self.get(id)?.seen.document())
    }

    /// As the answer to its request shows it.
    pub(super) fn new_document(&self, id: &str) -> Option<Value> {
        let seen = &self.get(id)?.seen;
        let mut document = seen.document();
        if !seen.dialect.answers_with_state() {
            document.as_object_mut().map(|order| order.remove("state"));
        }
        Some(document)
    }

    pub(super) fn has_several_items(&self, id: &str) -> bool {
        self.get(id).is_some_and(|order| order.seen.items().len() > 1)
    }

    /// The orders that carry this `externalId`, oldest first.
    pub(super) fn of(&self, external_id: &str) -> impl Iterator<Item = &OrderSeen> {
        let places = self.by_external_id.get(external_id);
        let places = places.map(Vec::as_slice).unwrap_or_default();
        places.iter().map(|place| &self.list[*place].seen)
    }

    /// The documents that pass the filter, oldest first.
    pub(super) fn documents(&self, filter: &Filter) -> Vec<Value> {
        // A look-up by externalId is the common one, so it does not read them all.
        let candidates: Box<dyn Iterator<Item = &OrderSeen>> = match &filter.external_id {
            Some(external_id) => Box::new(self.of(external_id)),
            None => Box::new(self.seen()),
        };
        candidates
            .filter(|seen| filter.id.as_ref().is_none_or(|id| *id == seen.id))
            .filter(|seen| filter.state.as_ref().is_none_or(|state| *state == seen.state))
            .map(OrderSeen::document)
            .collect()
    }

    pub(super) fn told(&mut self, id: &str) {
        if let Some(order) = self.get_mut(id) {
            order.told = true;
        }
    }

    /// Moves the order to another state, unless it has ended.
    pub(super) fn change(&mut self, id: &str, state: &str, error: Option<&str>) -> Result<(), Refused> {
        let seen = &mut self.get_mut(id).ok_or(Refused::Unknown)?.seen;
        if seen.ended_at.is_some() {
            return Err(Refused::Final);
        }
        state.clone_into(&mut seen.state);
        seen.error = error.map(str::to_owned);
        seen.ended_at = is_final(state).then(SystemTime::now);
        Ok(())
    }

    /// A notice of the order as it is now.
    pub(super) fn telling(&mut self, id: &str, kind: &str) -> Option<Telling> {
        let order = self.get_mut(id)?;
        order.notices += 1;
        Some(Telling {
            event_id: format!("{id}-{}", order.notices),
            event_type: order.seen.dialect.event_type(kind),
            about: order.seen.dialect.order(),
            order: order.seen.document(),
            silent: order.silent,
            repeats: order.repeats,
            known: order.told,
        })
    }

    pub(super) fn notice_sent(&mut self, id: &str) {
        if let Some(order) = self.get_mut(id) {
            order.seen.notices_sent += 1;
        }
    }

    pub(super) fn notice_accepted(&mut self, id: &str) {
        if let Some(order) = self.get_mut(id) {
            order.seen.notices_accepted += 1;
        }
    }

    fn get(&self, id: &str) -> Option<&Order> {
        self.list.get(*self.by_id.get(id)?)
    }

    fn get_mut(&mut self, id: &str) -> Option<&mut Order> {
        let place = self.by_id.get(id)?;
        self.list.get_mut(*place)
    }
}

impl OrderSeen {
    fn received(id: &str, dialect: Dialect, body: Value) -> Self {
        let item = &body[dialect.items()][0];
        Self {
            id: id.to_owned(),
            dialect,
            external_id: dialect.external_id(&body),
            account: account_of(dialect, item),
            action: item["action"].as_str().map(str::to_owned),
            state: "acknowledged".to_owned(),
            received_at: SystemTime::now(),
            ended_at: None,
            error: None,
            notices_sent: 0,
            notices_accepted: 0,
            body,
        }
    }

    fn items(&self) -> &[Value] {
        self.body[self.dialect.items()].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The whole order: what was posted, and what has become of it.
    fn document(&self) -> Value {
        let mut order = self.body.as_object().cloned().unwrap_or_default();
        set(&mut order, "id", self.id.as_str());
        set(&mut order, "state", self.state.as_str());
        set(&mut order, "orderDate", rfc3339(self.received_at));
        set(&mut order, "@type", self.dialect.type_name());
        if let Some(ended_at) = self.ended_at {
            set(&mut order, "completionDate", rfc3339(ended_at));
        }
        if let Some(error) = &self.error {
            set(&mut order, self.dialect.errors(), json!([self.error_message(error)]));
        }
        let mut items = self.items().to_vec();
        for item in &mut items {
            item["state"] = if self.state == "partial" { "completed" } else { &self.state }.into();
        }
        if let Some(last) = items.last_mut().filter(|_| self.state == "partial") {
            last["state"] = "failed".into();
        }
        set(&mut order, self.dialect.items(), items);
        order.into()
    }

    fn error_message(&self, error: &str) -> Value {
        let mut message = json!({
            "code": "ACTIVATION_FAILED",
            "reason": error,
            "message": format!("The order {} could not be carried out: {error}", self.id),
            "status": "500",
            "timestamp": rfc3339(self.ended_at.unwrap_or(self.received_at)),
        });
        if let Some(last) = self.items().last().filter(|_| self.state == "partial") {
            let (name, reference) = self.dialect.item_reference(&last["id"]);
            message[name] = reference;
        }
        message
    }
}

fn set(order: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    order.insert(name.to_owned(), value.into());
}

fn account_of(dialect: Dialect, item: &Value) -> Option<String> {
    let named = |name: &str| match dialect.characteristic(item, name) {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    named("accountId").or_else(|| named("i_account"))
}
