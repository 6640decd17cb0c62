//! A group's configuration: what its schema promises, what is checked, what the flow works with.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use punchdown_adapter::{Problem, Value, json};
use serde::Deserialize;
use serde_json::Map;

use crate::characteristics::{self, Characteristics};
use crate::dialect::Dialect;
use crate::inventory::{self, Inventory};

const POLL_SECONDS: RangeInclusive<u32> = 1..=86_400;
const POLL_SECONDS_DEFAULT: u32 = 30;
const HUB_HOURS: RangeInclusive<u32> = 1..=8_760;

/// A configuration that was found good, complete.
pub struct Config {
    pub dialect: Dialect,
    pub base: String,
    specification: String,
    pub category: Option<String>,
    pub poll_seconds: u32,
    pub hub_query: Option<String>,
    pub hub_hours: Option<u32>,
    pub items: Vec<Item>,
    pub characteristics: Characteristics,
    pub inventory: Option<Inventory>,
}

/// One item of an order, and the group that it reports for; `None`: the operation's own.
pub struct Item {
    pub id: String,
    pub group: Option<String>,
    specification: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenItem {
    id: Option<String>,
    group: String,
    specification: Option<String>,
}

/// The JSON Schema of what [`Config::read`] takes.
pub fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["specification"],
        "properties": {
            "dialect": {
                "enum": Dialect::WORDS.map(|(word, _)| word), "default": "v4",
                "description": "TMF641 v4.1, TMF641 R18.5 (v3), or TMF622 v5.",
            },
            "base": {
                "type": "string", "default": "", "pattern": "^(/[^/?#\\s]+)*$",
                "description": "Path of the order API below the target's base URL.",
            },
            "specification": {
                "type": "string", "minLength": 1,
                "description": "Id of the specification of the service, or product, that is ordered.",
            },
            "category": {"type": "string", "description": "The order's category."},
            "poll-seconds": {
                "type": "integer", "minimum": POLL_SECONDS.start(), "maximum": POLL_SECONDS.end(),
                "default": POLL_SECONDS_DEFAULT,
                "description": "How soon an order is looked at for which no notification came.",
            },
            "hub-query": {
                "type": "string", "minLength": 1,
                "description": "What a registration at the hub asks for: its `query`.",
            },
            "hub-hours": {
                "type": "integer", "minimum": HUB_HOURS.start(), "maximum": HUB_HOURS.end(),
                "description": "For how long a registration at the hub is good; without end unless set.",
            },
            "items": {
                "type": "array", "minItems": 1,
                "description": "The order's items and the groups that they report for; \
                                one for the operation's own group unless set.",
                "items": {
                    "type": "object", "additionalProperties": false, "required": ["group"],
                    "properties": {
                        "id": {"type": "string", "minLength": 1},
                        "group": {"type": "string", "minLength": 1},
                        "specification": {"type": "string", "minLength": 1},
                    },
                },
            },
            "characteristics": characteristics::schema(),
            "inventory": inventory::schema(),
        },
    })
}

impl Config {
    /// Reads a configuration, or says all that is wrong with it.
    pub fn read(config: &Value) -> Result<Self, Vec<Problem>> {
        let mut read = Self::unset();
        let mut problems = Problems::default();
        match config.as_object() {
            Some(members) => read.set(members, &mut problems),
            None => problems.note("", "must be an object"),
        }
        if let Some(inventory) = &read.inventory
            && !read.characteristics.has(&inventory.by)
        {
            problems.note("/inventory/by", "must be one of the `characteristics`");
        }
        if problems.0.is_empty() { Ok(read) } else { Err(problems.0) }
    }

    /// Path of the orders below the target's base URL.
    pub fn orders(&self) -> String {
        format!("{}/{}", self.base, self.dialect.orders())
    }

    /// Id of the specification that an item orders.
    pub fn specification_of<'a>(&'a self, item: &'a Item) -> &'a str {
        item.specification.as_deref().unwrap_or(&self.specification)
    }

    fn unset() -> Self {
        Self {
            dialect: Dialect::V4,
            base: String::new(),
            specification: String::new(),
            category: None,
            poll_seconds: POLL_SECONDS_DEFAULT,
            hub_query: None,
            hub_hours: None,
            items: vec![Item { id: "1".to_owned(), group: None, specification: None }],
            characteristics: Characteristics::default(),
            inventory: None,
        }
    }

    fn set(&mut self, members: &Map<String, Value>, problems: &mut Problems) {
        if !members.contains_key("specification") {
            problems.note("/specification", "is missing: what is to be ordered?");
        }
        for (name, value) in members {
            let at = within("", name);
            match name.as_str() {
                "dialect" => problems.or_set(&at, &mut self.dialect, dialect(value)),
                "base" => problems.or_set(&at, &mut self.base, base(value)),
                "specification" => problems.or_set(&at, &mut self.specification, text(value)),
                "category" => problems.or_set(&at, &mut self.category, text(value).map(Some)),
                "poll-seconds" => problems.or_set(&at, &mut self.poll_seconds, seconds(value)),
                "hub-query" => problems.or_set(&at, &mut self.hub_query, text(value).map(Some)),
                "hub-hours" => problems.or_set(&at, &mut self.hub_hours, hours(value).map(Some)),
                "items" => self.items = items(&at, value, problems),
                "characteristics" => self.characteristics = characteristics(&at, value, problems),
                "inventory" => self.inventory = inventory(&at, value, problems),
                _ => problems.note(&at, "is no setting of this adapter"),
            }
        }
    }
}

/// All that is wrong.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn note(&mut self, at: &str, message: &str) {
        let (at, message) = (at.to_owned(), message.to_owned());
        self.0.push(Problem { at, message });
    }

    fn or_set<T>(&mut self, at: &str, place: &mut T, read: Result<T, &str>) {
        match read {
            Ok(value) => *place = value,
            Err(message) => self.note(at, message),
        }
    }
}

fn dialect(value: &Value) -> Result<Dialect, &'static str> {
    let known = Dialect::WORDS.iter().find(|(word, _)| value == word);
    known.map(|(_, dialect)| *dialect).ok_or("must be v4, v3 or tmf622")
}

fn base(value: &Value) -> Result<String, &'static str> {
    let is_path = |path: &&str| {
        path.split('/').skip(1).all(|segment| !segment.is_empty())
            && (path.is_empty() || path.starts_with('/'))
            && !path.contains(|c: char| matches!(c, '?' | '#') || c.is_whitespace())
    };
    let path = value.as_str().filter(is_path).map(str::to_owned);
    path.ok_or("must be a path that begins with / and does not end with it, or empty")
}

fn text(value: &Value) -> Result<String, &'static str> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or("must be text, and not empty")
}

fn seconds(value: &Value) -> Result<u32, &'static str> {
    number(value, POLL_SECONDS).ok_or("must be a number of seconds from 1 to 86400")
}

fn hours(value: &Value) -> Result<u32, &'static str> {
    number(value, HUB_HOURS).ok_or("must be a number of hours from 1 to 8760")
}

fn number(value: &Value, range: RangeInclusive<u32>) -> Option<u32> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| range.contains(number))
}

fn items(at: &str, value: &Value, problems: &mut Problems) -> Vec<Item> {
    let mut items = Vec::new();
    let mut ids = BTreeSet::new();
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        problems.note(at, "must be a list of at least one item");
    }
    for (place, item) in list.iter().enumerate() {
        let at = format!("{at}/{place}");
        match WrittenItem::deserialize(item) {
            Err(error) => problems.note(&at, &error.to_string()),
            Ok(WrittenItem { id, group, specification }) => {
                let id = id.unwrap_or_else(|| (place + 1).to_string());
                if !ids.insert(id.clone()) {
                    problems.note(&at, "has the id of an earlier item");
                }
                items.push(Item { id, group: Some(group), specification });
            }
        }
    }
    items
}

fn inventory(at: &str, value: &Value, problems: &mut Problems) -> Option<Inventory> {
    match Inventory::deserialize(value) {
        Ok(read) if !read.path.is_empty() && base(&json!(read.path)).is_ok() => return Some(read),
        Ok(_) => {
            problems.note(&within(at, "path"), "must be a path that begins with / and does not end with it");
        }
        Err(error) => problems.note(at, &error.to_string()),
    }
    None
}

fn characteristics(at: &str, value: &Value, problems: &mut Problems) -> Characteristics {
    let mut read = Characteristics::none();
    match value.as_object() {
        None => problems.note(at, "must be an object of names and sources"),
        Some(members) => {
            for (name, source) in members {
                if let Err(message) = read.add(name, source) {
                    problems.note(&within(at, name), message);
                }
            }
        }
    }
    read
}

/// The JSON pointer to a member of what is at `at`.
fn within(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}
