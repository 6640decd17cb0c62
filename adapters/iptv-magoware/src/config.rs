//! A group's configuration: what its schema promises, what is checked, what the flow works with.

use std::collections::BTreeMap;

use punchdown_adapter::settings::{Settings, document, number, text, texts};
use punchdown_adapter::{Problem, Subscriber, Value, json};

/// The queries of PortaBilling whose documents are at hand.
pub const QUERIES: [&str; 2] = ["account_info", "addons"];

/// Names by which a password is hidden from whoever looks at documents.
const PASSWORDS: [&str; 3] = ["h323_password", "password", "pin"];
/// What Magoware keeps of a customer beside his e-mail address.
const CUSTOMER: [&str; 6] = ["address", "city", "country", "firstname", "lastname", "telephone"];
/// The last second of it is far away, and every database that Magoware runs on can write it.
const UNTIL: &str = "2037-12-31 23:59:59";

/// A configuration that was found good, complete.
pub struct Config {
    username_from: Source,
    password_from: String,
    /// Every account has an address of its own there: Magoware wants one, and takes none twice.
    pub email_domain: String,
    pub group_id: Option<u64>,
    /// JSON pointers, by what Magoware calls it.
    customer: BTreeMap<String, String>,
    /// Magoware's products by PortaBilling's.
    pub products: BTreeMap<String, Vec<String>>,
    /// The same by the names of add-ons.
    pub addons: BTreeMap<String, Vec<String>>,
    /// When a subscription ends that PortaBilling gives no end.
    pub until: String,
    /// Who logs in for the calls that want it.
    pub admin: String,
}

/// Where the name of a login comes from.
enum Source {
    /// The account ID without its realm.
    AccountId,
    IAccount,
    Msisdn,
    Document(String),
}

/// The JSON Schema of what [`Config::read`] takes.
pub fn schema() -> Value {
    let text = json!({"type": "string", "minLength": 1});
    let pointer = json!({"type": "string", "pattern": "^/(account_info|addons)/.+"});
    let sold = |about: &str| {
        let list = json!({"type": "array", "minItems": 1, "items": text});
        json!({"type": "object", "additionalProperties": list, "description": about})
    };
    let of_customer: BTreeMap<_, _> = CUSTOMER.iter().map(|name| (*name, &pointer)).collect();
    json!({
        "type": "object", "additionalProperties": false,
        "required": ["admin", "email-domain", "password-from", "products"],
        "properties": {
            "admin": {"type": "string", "minLength": 1, "description": "The back office user who locks and removes logins; his password is the secret `password`."},
            "username-from": {"type": "string", "pattern": "^(account-id|i-account|msisdn|/.+)$", "default": "account-id"},
            "password-from": {"type": "string", "pattern": "/(h323_password|password|pin)$", "description": "JSON pointer to a new login's password."},
            "email-domain": {"type": "string", "pattern": "^[^@\\s]+$", "description": "Every login has an address of its own there."},
            "group-id": {"type": "integer", "minimum": 1},
            "customer": {"type": "object", "additionalProperties": false, "properties": of_customer},
            "products": sold("Magoware's product ids by the names of PortaBilling's products."),
            "addons": sold("The same by the names of add-on products."),
            "until": {"type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d$", "default": UNTIL},
        },
    })
}

impl Config {
    /// Reads a configuration, or says all that is wrong with it.
    pub fn read(config: &Value) -> Result<Self, Vec<Problem>> {
        Settings::read(config, |settings| Self {
            username_from: settings.or("username-from", Source::AccountId, source),
            password_from: settings.required("password-from", "which password has a new login?", password),
            email_domain: settings.required("email-domain", "in which domain are their addresses?", domain),
            group_id: settings.optional("group-id", number(1..=u64::from(u32::MAX))),
            customer: settings.optional("customer", customer).unwrap_or_default(),
            products: settings.required("products", "what is sold for which product?", sold),
            addons: settings.optional("addons", sold).unwrap_or_default(),
            until: settings.or("until", UNTIL.to_owned(), instant),
            admin: settings.required("admin", "who locks and removes logins?", text),
        })
    }

    /// The name of an account's login, as Magoware writes it.
    pub fn username(&self, i_account: &str, subscriber: &Subscriber) -> Option<String> {
        let name = match &self.username_from {
            Source::AccountId => subscriber.account_id.split('@').next().map(str::to_owned),
            Source::IAccount => Some(i_account.to_owned()),
            Source::Msisdn => subscriber.msisdn.clone(),
            Source::Document(pointer) => subscriber.document(pointer).and_then(plain),
        };
        name.map(|name| name.trim().to_lowercase()).filter(|name| !name.is_empty())
    }

    pub fn password(&self, subscriber: &Subscriber) -> Option<String> {
        subscriber.document(&self.password_from).and_then(plain)
    }

    /// What is known of the customer, in Magoware's names.
    pub fn customer(&self, subscriber: &Subscriber) -> impl Iterator<Item = (String, Value)> {
        let known = |(name, pointer): (&String, &String)| {
            Some((name.clone(), json!(subscriber.document(pointer).and_then(plain)?)))
        };
        self.customer.iter().filter_map(known)
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn source(value: &Value) -> Result<Source, String> {
    match value.as_str() {
        Some("account-id") => Ok(Source::AccountId),
        Some("i-account") => Ok(Source::IAccount),
        Some("msisdn") => Ok(Source::Msisdn),
        Some(pointer) if pointer.starts_with('/') => document(&QUERIES)(value).map(Source::Document),
        _ => Err("must be account-id, i-account, msisdn or a JSON pointer".to_owned()),
    }
}

fn password(value: &Value) -> Result<String, String> {
    let pointer = document(&QUERIES)(value)?;
    let is_hidden = pointer.rsplit('/').next().is_some_and(|last| PASSWORDS.contains(&last));
    is_hidden.then_some(pointer).ok_or_else(|| {
        format!("must end in one of {}: by those names it is never shown", PASSWORDS.join(", "))
    })
}

fn domain(value: &Value) -> Result<String, String> {
    let plain = |domain: &String| !domain.contains(|c: char| c == '@' || c.is_whitespace());
    text(value).ok().filter(plain).ok_or_else(|| "must be a domain, as of an e-mail address".to_owned())
}

fn customer(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let members = value.as_object().ok_or("must be an object of names and JSON pointers")?;
    let pointer = |(name, value): (&String, &Value)| match CUSTOMER.contains(&name.as_str()) {
        true => document(&QUERIES)(value)
            .map(|pointer| (name.clone(), pointer))
            .map_err(|why| format!("`{name}` {why}")),
        false => Err(format!("`{name}` is none of {}", CUSTOMER.join(", "))),
    };
    members.iter().map(pointer).collect()
}

fn sold(value: &Value) -> Result<BTreeMap<String, Vec<String>>, String> {
    let members = value.as_object().filter(|members| !members.is_empty());
    let members = members.ok_or("must be an object of names and lists of product ids, and not empty")?;
    members
        .iter()
        .map(|(name, ids)| Ok((name.clone(), texts(ids).map_err(|why| format!("`{name}` {why}"))?)))
        .collect()
}

/// A time as Magoware's database writes it. Such texts are in order when their times are.
fn instant(value: &Value) -> Result<String, String> {
    let pattern = |text: &String| {
        text.len() == UNTIL.len()
            && text
                .bytes()
                .zip(UNTIL.bytes())
                .all(|(byte, like)| if like.is_ascii_digit() { byte.is_ascii_digit() } else { byte == like })
    };
    text(value).ok().filter(pattern).ok_or_else(|| format!("must be a time like {UNTIL}"))
}
