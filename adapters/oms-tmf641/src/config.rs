//! A group's configuration: what its schema promises, what is checked, what the flow works with.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use punchdown_adapter::{Operation, Problem, Value, json};
use serde::Deserialize;
use serde_json::Map;

/// The queries of PortaBilling whose documents an order may draw on.
pub const QUERIES: [&str; 2] = ["account_info", "sim_card"];

const POLL_SECONDS: RangeInclusive<u32> = 1..=86_400;
const POLL_SECONDS_DEFAULT: u32 = 30;
/// Members of PortaBilling's documents that an order never carries.
const KEYS_OF_A_SIM: [&str; 3] = ["ki", "opc", "op"];

/// A configuration that was found good, complete.
pub struct Config {
    pub base: String,
    pub specification: String,
    pub category: Option<String>,
    pub poll_seconds: u32,
    pub items: Vec<Item>,
    characteristics: BTreeMap<String, Source>,
}

/// One item of an order, and the group that it reports for; `None`: the operation's own.
pub struct Item {
    pub id: String,
    pub group: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenItem {
    id: Option<String>,
    group: String,
}

/// Where the value of a characteristic comes from.
enum Source {
    Msisdn,
    Imsi,
    Iccid,
    AccountId,
    IAccount,
    /// A JSON pointer into the documents.
    Document(String),
}

/// The JSON Schema of what [`Config::read`] takes.
pub fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["specification"],
        "properties": {
            "base": {
                "type": "string", "default": "", "pattern": "^(/[^/?#\\s]+)*$",
                "description": "Path of the TMF641 API below the target's base URL.",
            },
            "specification": {
                "type": "string", "minLength": 1,
                "description": "Id of the serviceSpecification that is ordered.",
            },
            "category": {"type": "string", "description": "The order's category."},
            "poll-seconds": {
                "type": "integer", "minimum": POLL_SECONDS.start(), "maximum": POLL_SECONDS.end(),
                "default": POLL_SECONDS_DEFAULT,
                "description": "How soon an order is looked at for which no notification came.",
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
                    },
                },
            },
            "characteristics": {
                "type": "object",
                "description": "Characteristic to source: msisdn, imsi, iccid, account-id, \
                                i-account, product, or a JSON pointer into the documents.",
                "additionalProperties": {
                    "type": "string",
                    "pattern": "^(msisdn|imsi|iccid|account-id|i-account|product|/.+)$",
                },
                "default": {
                    "msisdn": "msisdn", "imsi": "imsi", "iccid": "iccid",
                    "accountId": "account-id", "i_account": "i-account",
                },
            },
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
        if problems.0.is_empty() { Ok(read) } else { Err(problems.0) }
    }

    /// Path of the service orders below the target's base URL.
    pub fn orders(&self) -> String {
        format!("{}/serviceOrder", self.base)
    }

    /// What the operation's subscriber is, as far as it is known, in the system's names.
    pub fn characteristics_of(&self, operation: &Operation) -> BTreeMap<String, Value> {
        let known = |(name, source): (&String, &Source)| Some((name.clone(), source.value(operation)?));
        self.characteristics.iter().filter_map(known).collect()
    }

    fn unset() -> Self {
        let characteristics = [
            ("msisdn", Source::Msisdn),
            ("imsi", Source::Imsi),
            ("iccid", Source::Iccid),
            ("accountId", Source::AccountId),
            ("i_account", Source::IAccount),
        ];
        Self {
            base: String::new(),
            specification: String::new(),
            category: None,
            poll_seconds: POLL_SECONDS_DEFAULT,
            items: vec![Item { id: "1".to_owned(), group: None }],
            characteristics: characteristics.map(|(name, from)| (name.to_owned(), from)).into(),
        }
    }

    fn set(&mut self, members: &Map<String, Value>, problems: &mut Problems) {
        if !members.contains_key("specification") {
            problems.note("/specification", "is missing: what is to be ordered?");
        }
        for (name, value) in members {
            let at = within("", name);
            match name.as_str() {
                "base" => problems.or_set(&at, &mut self.base, base(value)),
                "specification" => problems.or_set(&at, &mut self.specification, text(value)),
                "category" => problems.or_set(&at, &mut self.category, text(value).map(Some)),
                "poll-seconds" => problems.or_set(&at, &mut self.poll_seconds, seconds(value)),
                "items" => self.items = items(&at, value, problems),
                "characteristics" => self.characteristics = characteristics(&at, value, problems),
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

impl Source {
    fn value(&self, operation: &Operation) -> Option<Value> {
        let subscriber = operation.subscriber.as_ref();
        match self {
            Self::Msisdn => subscriber?.msisdn.clone().map(Value::from),
            Self::Imsi => subscriber?.imsi.clone().map(Value::from),
            Self::Iccid => subscriber?.iccid.clone().map(Value::from),
            Self::AccountId => Some(subscriber?.account_id.clone().into()),
            Self::IAccount => Some(operation.i_account.clone().into()),
            Self::Document(pointer) => {
                let value = subscriber?.documents.pointer(pointer)?;
                // A whole object could hold what is never sent.
                let plain = value.is_string() || value.is_number() || value.is_boolean();
                plain.then(|| value.clone())
            }
        }
    }
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
    let seconds = value.as_u64().and_then(|seconds| u32::try_from(seconds).ok());
    let seconds = seconds.filter(|seconds| POLL_SECONDS.contains(seconds));
    seconds.ok_or("must be a number of seconds from 1 to 86400")
}

fn items(at: &str, value: &Value, problems: &mut Problems) -> Vec<Item> {
    let mut items = Vec::new();
    let (mut ids, mut groups) = (BTreeSet::new(), BTreeSet::new());
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        problems.note(at, "must be a list of at least one item");
    }
    for (place, item) in list.iter().enumerate() {
        let at = format!("{at}/{place}");
        match WrittenItem::deserialize(item) {
            Err(error) => problems.note(&at, &error.to_string()),
            Ok(WrittenItem { id, group }) => {
                let id = id.unwrap_or_else(|| (place + 1).to_string());
                if !ids.insert(id.clone()) || !groups.insert(group.clone()) {
                    problems.note(&at, "has the id or the group of an earlier item");
                }
                let group = Some(group);
                items.push(Item { id, group });
            }
        }
    }
    items
}

fn characteristics(at: &str, value: &Value, problems: &mut Problems) -> BTreeMap<String, Source> {
    let mut sources = BTreeMap::new();
    match value.as_object() {
        None => problems.note(at, "must be an object of names and sources"),
        Some(members) => {
            for (name, value) in members {
                match source(value) {
                    Ok(source) => drop(sources.insert(name.clone(), source)),
                    Err(message) => problems.note(&within(at, name), message),
                }
            }
        }
    }
    sources
}

fn source(value: &Value) -> Result<Source, &'static str> {
    match value.as_str() {
        Some("msisdn") => Ok(Source::Msisdn),
        Some("imsi") => Ok(Source::Imsi),
        Some("iccid") => Ok(Source::Iccid),
        Some("account-id") => Ok(Source::AccountId),
        Some("i-account") => Ok(Source::IAccount),
        Some("product") => Ok(Source::Document("/account_info/product_name".to_owned())),
        Some(pointer) if pointer.starts_with('/') => document(pointer),
        _ => Err("must be msisdn, imsi, iccid, account-id, i-account, product or a JSON pointer"),
    }
}

fn document(pointer: &str) -> Result<Source, &'static str> {
    let segments: Vec<_> = pointer.split('/').skip(1).map(str::to_ascii_lowercase).collect();
    if !QUERIES.contains(&segments[0].as_str()) {
        return Err("must begin with /account_info or /sim_card: there are no other documents");
    }
    if segments.iter().any(|name| KEYS_OF_A_SIM.contains(&name.as_str())) {
        return Err("is a key of the SIM, which is never sent");
    }
    Ok(Source::Document(pointer.to_owned()))
}

/// The JSON pointer to a member of what is at `at`.
fn within(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}
