//! A group's configuration: what its schema promises, what is checked, what the flow works with.

use std::collections::{BTreeMap, BTreeSet};

use punchdown_adapter::settings::{Settings, document, flag, number, text, texts, word};
use punchdown_adapter::{Problem, Subscriber, Value, json};

/// The queries of PortaBilling whose documents are at hand.
pub const QUERIES: [&str; 2] = ["account_info", "sim_card"];

/// The profile of whoever has none of his own.
const EVERYBODY_ELSE: &str = "*";
const PRODUCT: &str = "/account_info/product_name";
/// `Unsigned32` of Diameter, in which bit rates travel.
const BIT_RATE_MAX: u64 = u32::MAX as u64;

/// A configuration that was found good, complete.
pub struct Config {
    /// Where a subscriber's profile is named.
    profile_from: String,
    profiles: BTreeMap<String, Profile>,
    /// Where the keys of a SIM are; without them the HSS must have its AuC already.
    pub keys: Option<Keys>,
    pub ims: Option<Ims>,
    /// The group that hears of policy; without one no rule is pushed.
    pub policy_group: Option<String>,
    pub on_notice: OnNotice,
}

/// What a subscriber is entitled to.
pub struct Profile {
    pub apns: Vec<String>,
    pub default_apn: String,
    ambr_dl: Option<u64>,
    ambr_ul: Option<u64>,
    nam: Option<u64>,
    roaming: Option<bool>,
    /// Names of charging rules for a live session, by APN.
    pub rules: BTreeMap<String, Vec<String>>,
}

/// JSON pointers to the keys of a SIM.
pub struct Keys {
    pub ki: String,
    pub opc: String,
    pub amf: String,
}

pub struct Ims {
    pub ifc_path: String,
    pub sh_template_path: Option<String>,
}

/// What becomes of a notification that nobody waits for, and nobody ever does.
#[derive(Clone, Copy)]
pub enum OnNotice {
    /// The account is compared with what stands, and put right.
    Look,
    Record,
}

/// The JSON Schema of what [`Config::read`] takes.
pub fn schema() -> Value {
    let pointer = |about: &str| json!({"type": "string", "pattern": "^/.+", "description": about});
    let rate = json!({"type": "integer", "minimum": 0, "maximum": BIT_RATE_MAX});
    let texts = json!({"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}});
    json!({
        "type": "object", "additionalProperties": false, "required": ["profiles"],
        "properties": {
            "profile-from": {
                "type": "string", "pattern": "^(product|/.+)$", "default": "product",
                "description": "Where an account's profile is named: its product's name, or a JSON pointer into the documents.",
            },
            "profiles": {
                "type": "object", "minProperties": 1,
                "description": "Profiles by that name; `*` is for all others.",
                "additionalProperties": {
                    "type": "object", "additionalProperties": false, "required": ["apns"],
                    "properties": {
                        "apns": texts,
                        "default-apn": {"type": "string", "description": "One of them; the first unless set."},
                        "ambr-dl": rate, "ambr-ul": rate,
                        "nam": {"type": "integer", "enum": [0, 2]},
                        "roaming": {"type": "boolean"},
                        "rules": {
                            "type": "object", "additionalProperties": texts,
                            "description": "Names of charging rules that are pushed to a live session, by APN.",
                        },
                    },
                },
            },
            "keys": {
                "type": "object", "additionalProperties": false, "required": ["ki", "opc"],
                "description": "The keys of a SIM; without them the HSS must have its AuC already.",
                "properties": {
                    "ki": pointer("To a member `ki`."), "opc": pointer("To a member `opc`."),
                    "amf": {"type": "string", "pattern": "^[0-9A-Fa-f]{4}$", "default": "8000"},
                },
            },
            "ims": {
                "type": "object", "additionalProperties": false, "required": ["ifc-path"],
                "description": "Makes an IMS subscriber beside the EPS one.",
                "properties": {
                    "ifc-path": {"type": "string", "minLength": 1},
                    "sh-template-path": {"type": "string", "minLength": 1},
                },
            },
            "policy": {
                "type": "object", "additionalProperties": false, "required": ["group"],
                "description": "Pushes the profiles' rules to live sessions.",
                "properties": {"group": {"type": "string", "minLength": 1, "description": "The service group that hears of it."}},
            },
            "on-notice": {
                "enum": ["look", "record"], "default": "look",
                "description": "Whether a notification makes the account be looked at, or is recorded only.",
            },
        },
    })
}

impl Config {
    /// Reads a configuration, or says all that is wrong with it.
    pub fn read(config: &Value) -> Result<Self, Vec<Problem>> {
        Settings::read(config, |settings| {
            let read = Self {
                profile_from: settings.or("profile-from", PRODUCT.to_owned(), source),
                profiles: settings.tables("profiles", profile),
                keys: settings.table("keys", keys),
                ims: settings.table("ims", |ims| Ims {
                    ifc_path: ims.required("ifc-path", "where are the initial filter criteria?", text),
                    sh_template_path: ims.optional("sh-template-path", text),
                }),
                policy_group: settings.table("policy", |policy| {
                    policy.required("group", "which service group hears of it?", text)
                }),
                on_notice: settings.or("on-notice", OnNotice::Look, on_notice),
            };
            if read.profiles.is_empty() {
                settings.note("profiles", "is empty: name at least one, `*` for every account");
            }
            let has_rules = read.profiles.values().any(|profile| !profile.rules.is_empty());
            if has_rules && read.policy_group.is_none() {
                settings.note("policy", "is missing: which service group hears of the profiles' rules?");
            }
            read
        })
    }

    /// The profile of a subscriber, and what he is called there when there is none.
    pub fn profile_of(&self, subscriber: &Subscriber) -> Result<&Profile, String> {
        let name = match subscriber.document(&self.profile_from) {
            Some(Value::String(name)) => name.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let own = self.profiles.get(&name).filter(|_| !name.is_empty());
        own.or_else(|| self.profiles.get(EVERYBODY_ELSE)).ok_or(name)
    }
}

impl Profile {
    /// What a subscriber record says of it, beside its APNs. What is not set is the system's own business.
    pub fn members(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let numbers = [("ue_ambr_dl", self.ambr_dl), ("ue_ambr_ul", self.ambr_ul), ("nam", self.nam)];
        let numbers = numbers.into_iter().filter_map(|(name, value)| Some((name, value?.into())));
        numbers.chain(self.roaming.map(|roaming| ("roaming_enabled", roaming.into())))
    }
}

fn profile(settings: &mut Settings<'_>) -> Profile {
    let apns = settings.required("apns", "which APNs may it use?", texts);
    let first = apns.first().cloned().unwrap_or_default();
    let rules = settings.optional("rules", rules).unwrap_or_default();
    let read = Profile {
        default_apn: settings.or("default-apn", first, text),
        ambr_dl: settings.optional("ambr-dl", number(0..=BIT_RATE_MAX)),
        ambr_ul: settings.optional("ambr-ul", number(0..=BIT_RATE_MAX)),
        nam: settings.optional("nam", nam),
        roaming: settings.optional("roaming", flag),
        rules,
        apns,
    };
    if !read.apns.is_empty() && !read.apns.contains(&read.default_apn) {
        settings.note("default-apn", "must be one of `apns`");
    }
    let named: BTreeSet<&String> = read.apns.iter().collect();
    if let Some(other) = read.rules.keys().find(|apn| !named.contains(apn)) {
        settings.note("rules", format!("`{other}` is none of `apns`"));
    }
    read
}

fn rules(value: &Value) -> Result<BTreeMap<String, Vec<String>>, String> {
    let members = value.as_object().ok_or("must be an object of APNs and lists of rules")?;
    members.iter().map(|(apn, rules)| Ok((apn.clone(), texts(rules)?))).collect()
}

fn keys(settings: &mut Settings<'_>) -> Keys {
    Keys {
        ki: settings.required("ki", "where is the Ki?", |value| key(value, "ki")),
        opc: settings.required("opc", "where is the OPc?", |value| key(value, "opc")),
        amf: settings.or("amf", "8000".to_owned(), amf),
    }
}

/// A key stands under its own name alone: by that name it is hidden from whoever looks at documents.
fn key(value: &Value, name: &str) -> Result<String, String> {
    let pointer = document(&QUERIES)(value)?;
    let is_named = pointer.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(name));
    is_named.then_some(pointer).ok_or_else(|| format!("must end in /{name}: by that name it is never shown"))
}

fn source(value: &Value) -> Result<String, String> {
    match value.as_str() {
        Some("product") => Ok(PRODUCT.to_owned()),
        Some(pointer) if pointer.starts_with('/') => document(&QUERIES)(value),
        _ => Err("must be product or a JSON pointer".to_owned()),
    }
}

fn amf(value: &Value) -> Result<String, String> {
    let digits = |text: &String| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    text(value).ok().filter(digits).ok_or_else(|| "must be four hexadecimal digits".to_owned())
}

fn nam(value: &Value) -> Result<u64, String> {
    let known = value.as_u64().filter(|nam| [0, 2].contains(nam));
    known.ok_or_else(|| "must be 0 (packets and circuits) or 2 (packets only)".to_owned())
}

fn on_notice(value: &Value) -> Result<OnNotice, String> {
    word(&[("look", OnNotice::Look), ("record", OnNotice::Record)])(value)
}
