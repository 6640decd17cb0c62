//! What an order says of a subscriber: the characteristics of the service, and where each comes from.

use std::collections::BTreeMap;

use punchdown_adapter::{Operation, Value, json};

/// The queries of PortaBilling whose documents an order may draw on.
pub const QUERIES: [&str; 2] = ["account_info", "sim_card"];

/// Members of PortaBilling's documents that an order never carries.
const KEYS_OF_A_SIM: [&str; 3] = ["ki", "opc", "op"];

pub struct Characteristics(BTreeMap<String, Source>);

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

/// The JSON Schema of what [`Characteristics::add`] takes, name by name.
pub fn schema() -> Value {
    json!({
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
    })
}

impl Default for Characteristics {
    fn default() -> Self {
        let sources = [
            ("msisdn", Source::Msisdn),
            ("imsi", Source::Imsi),
            ("iccid", Source::Iccid),
            ("accountId", Source::AccountId),
            ("i_account", Source::IAccount),
        ];
        Self(sources.map(|(name, source)| (name.to_owned(), source)).into())
    }
}

impl Characteristics {
    pub fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// Whether there is one of that name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Takes one more, or says what is wrong with its source.
    pub fn add(&mut self, name: &str, written: &Value) -> Result<(), &'static str> {
        self.0.insert(name.to_owned(), source(written)?);
        Ok(())
    }

    /// What the operation's subscriber is, as far as it is known, in the system's names.
    pub fn of(&self, operation: &Operation) -> BTreeMap<String, Value> {
        let known = |(name, source): (&String, &Source)| Some((name.clone(), source.value(operation)?));
        self.0.iter().filter_map(known).collect()
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
