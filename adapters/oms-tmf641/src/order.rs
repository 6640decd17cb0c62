//! An order as the system shows it, in whatever dialect.
//!
//! It is read leniently, because systems differ more than their dialects do: what we do not know is
//! skipped, what is not as it should be is as good as absent, and a state is a word whatever its case.
//! What was read can be printed, and is the payload of a notification.

use punchdown_adapter::Value;
use serde::Serialize;

use crate::config::{Config, Item};
use crate::dialect::OWNER;

const ITEMS: [&str; 3] = ["serviceOrderItem", "orderItem", "productOrderItem"];
const SUBJECTS: [&str; 2] = ["service", "product"];
const ERRORS: [&str; 3] = ["errorMessage", "productOrderErrorMessage", "serviceOrderErrorMessage"];
/// What a reference to an item may call the item.
const ITEM_IDS: [&str; 4] = ["itemId", "orderItemId", "productOrderItemId", "id"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: String,
    /// Ours alone, where it says which is ours.
    #[serde(rename = "externalId", skip_serializing_if = "Vec::is_empty")]
    pub external_ids: Vec<String>,
    pub state: String,
    #[serde(rename = "serviceOrderItem", skip_serializing_if = "Vec::is_empty")]
    items: Vec<Part>,
    #[serde(rename = "errorMessage", skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ErrorMessage>,
}

/// An item of an order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    id: String,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Subject>,
    #[serde(rename = "errorMessage", skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ErrorMessage>,
}

/// The service that an item is about.
#[derive(Serialize)]
struct Subject {
    id: String,
}

/// Why something was not done: of an order, of an item, or the body of a refusal.
#[derive(Serialize)]
pub struct ErrorMessage {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The items that it is about; empty: all of them.
    #[serde(rename = "serviceOrderItem", skip_serializing_if = "Vec::is_empty")]
    items: Vec<String>,
}

/// What a state says of an order or of one of its items.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    OnItsWay,
    Ended(End),
    /// It is not said, or the word is not known. Never a success.
    Unclear,
}

/// How an order or one of its items ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Completed,
    Partial,
    Failed,
}

impl Order {
    pub fn read(shown: &Value) -> Option<Self> {
        Some(Self {
            id: text(&shown["id"])?,
            external_ids: external_ids(&shown["externalId"]),
            state: text(&shown["state"]).unwrap_or_default(),
            items: list(any(shown, &ITEMS), Part::read),
            errors: list(any(shown, &ERRORS), ErrorMessage::read),
        })
    }

    /// How it ended; `None` while it, or an item that we ordered, is on its way.
    pub fn end(&self, config: &Config) -> Option<End> {
        let Phase::Ended(end) = phase(&self.state) else {
            return None;
        };
        let open = |item: &Item| {
            let state = self.part(item).map(|part| part.state.as_str()).filter(|state| !state.is_empty());
            state.is_some_and(|state| !matches!(phase(state), Phase::Ended(_)))
        };
        (end == End::Failed || !config.items.iter().any(open)).then_some(end)
    }

    /// Whether it says of all that we ordered how it ended: then there is nothing left to look for.
    pub fn tells_all(&self, config: &Config) -> bool {
        let ended = |state: &str| matches!(phase(state), Phase::Ended(_));
        let told = |item| self.part(item).is_some_and(|part| ended(&part.state));
        ended(&self.state) && config.items.iter().all(told)
    }

    /// Whether it is known to be on its way.
    pub fn is_on_its_way(&self) -> bool {
        phase(&self.state) == Phase::OnItsWay
    }

    /// Whether its state is a word that we have never heard.
    pub fn is_strange(&self) -> bool {
        !self.state.is_empty() && phase(&self.state) == Phase::Unclear
    }

    /// Whether an item was done, or why not. What an item says of itself counts; what it does not say,
    /// the order says.
    pub fn done(&self, item: &Item) -> Result<(), String> {
        let part = self.part(item).filter(|part| !part.state.is_empty());
        let state = part.map_or(&self.state, |part| &part.state);
        if phase(state) == Phase::Ended(End::Completed) {
            return Ok(());
        }
        let own = self.part(item).into_iter().flat_map(|part| &part.errors);
        let about = self.errors.iter().filter(|error| error.items.contains(&item.id));
        let of_all = self.errors.iter().filter(|error| error.items.is_empty());
        let reason = own.chain(about).chain(of_all).find_map(ErrorMessage::text);
        Err(reason.unwrap_or_else(|| match part {
            Some(part) => format!("item {} of order {} is {}", part.id, self.id, part.state),
            None => format!("order {} is {}", self.id, self.state),
        }))
    }

    /// The ids that the system gave to the services of its items, by item.
    pub fn service_ids(&self) -> impl Iterator<Item = (String, String)> {
        self.items.iter().filter_map(|part| Some((part.id.clone(), part.service.as_ref()?.id.clone())))
    }

    fn part(&self, item: &Item) -> Option<&Part> {
        self.items.iter().find(|part| part.id == item.id)
    }
}

impl Part {
    fn read(shown: &Value) -> Option<Self> {
        Some(Self {
            id: text(&shown["id"])?,
            state: text(&shown["state"]).unwrap_or_default(),
            service: text(&any(shown, &SUBJECTS)["id"]).map(|id| Subject { id }),
            errors: list(any(shown, &ERRORS), ErrorMessage::read),
        })
    }
}

impl ErrorMessage {
    pub fn read(shown: &Value) -> Option<Self> {
        let item = |item: &Value| text(item).or_else(|| text(any(item, &ITEM_IDS)));
        let read = Self {
            code: text(&shown["code"]),
            reason: text(&shown["reason"]),
            message: text(&shown["message"]),
            items: list(any(shown, &ITEMS), item),
        };
        read.text().is_some().then_some(read)
    }

    /// Whether it has what TM Forum requires of an error, so that it is not taken for one by chance.
    pub fn is_whole(&self) -> bool {
        self.code.is_some() && self.reason.is_some()
    }

    /// What a person would want to read of it.
    pub fn text(&self) -> Option<String> {
        [&self.reason, &self.message, &self.code].into_iter().find_map(Clone::clone)
    }
}

fn phase(state: &str) -> Phase {
    let letters = state.chars().filter(char::is_ascii_alphabetic);
    match letters.map(|letter| letter.to_ascii_lowercase()).collect::<String>().as_str() {
        "completed" => Phase::Ended(End::Completed),
        "partial" => Phase::Ended(End::Partial),
        "failed" | "rejected" | "cancelled" => Phase::Ended(End::Failed),
        "draft"
        | "acknowledged"
        | "pending"
        | "held"
        | "inprogress"
        | "inprogressaccepted"
        | "assessingcancellation"
        | "pendingcancellation" => Phase::OnItsWay,
        _ => Phase::Unclear,
    }
}

/// Text, or a list of identifiers with owners.
fn external_ids(shown: &Value) -> Vec<String> {
    if let Some(id) = text(shown) {
        return vec![id];
    }
    let all = shown.as_array().map(Vec::as_slice).unwrap_or_default();
    let ours = |one: &&Value| one["owner"] == OWNER;
    let id = |one: &Value| text(one).or_else(|| text(&one["id"]));
    let own: Vec<String> = all.iter().filter(ours).filter_map(id).collect();
    if own.is_empty() { all.iter().filter_map(id).collect() } else { own }
}

/// The first of these members that is there.
fn any<'a>(shown: &'a Value, names: &[&str]) -> &'a Value {
    names.iter().map(|name| &shown[*name]).find(|value| !value.is_null()).unwrap_or(&Value::Null)
}

fn list<T>(shown: &Value, read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
    shown.as_array().into_iter().flatten().filter_map(read).collect()
}

/// Some systems number what others name.
fn text(shown: &Value) -> Option<String> {
    match shown {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
