//! Somebody else's names, numbers and secrets, the same ones wherever the same stood. The form stays: so many digits, an
//! address with an `@`; and the first third of a number, which says whose network it is.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use crate::domain::Veil;

/// What is shorter stands for too much else.
const CHARS_MIN: usize = 4;
/// Of a number that is nobody's name.
const DIGITS_MIN: usize = 7;

/// Members whose texts say who somebody is or where he lives, as PortaBilling names them and other systems do.
const NAMES: [&str; 26] = [
    "address",
    "baddr1",
    "baddr2",
    "baddr3",
    "baddr4",
    "baddr5",
    "bcc",
    "birthday",
    "city",
    "companyname",
    "cont1",
    "cont2",
    "email",
    "faxnum",
    "firstname",
    "h323_password",
    "iccid",
    "imsi",
    "lastname",
    "login",
    "midinit",
    "msisdn",
    "name_on_card",
    "password",
    "phone1",
    "phone2",
];

/// What is replaced, by what.
pub struct Persons<'a> {
    others: BTreeMap<String, String>,
    veil: &'a Veil,
}

impl<'a> Persons<'a> {
    /// Whoever a case speaks of.
    pub fn of(case: &Value, veil: &'a Veil) -> Self {
        let mut persons = Self { others: BTreeMap::new(), veil };
        persons.look_for_secrets(case);
        let operation = &case["operation"];
        let subscriber = &operation["subscriber"];
        for name in ["msisdn", "imsi", "iccid"] {
            persons.know(subscriber[name].as_str().unwrap_or_default());
        }
        let account_id = subscriber["account-id"].as_str().unwrap_or_default();
        persons.know(account_id.split('@').next().unwrap_or_default());
        for part in
            [&subscriber["documents"], &operation["event"]["variables"], &operation["event"]["enclosed"]]
        {
            persons.look(part, false);
        }
        persons.look(&operation["applied"], false);
        persons
    }

    /// Those that stand under the name of one: in documents, in texts that hold one, in headers.
    fn look_for_secrets(&mut self, value: &Value) {
        for secret in self.veil.secrets_in(value) {
            self.know_secret(&secret);
        }
        match value {
            Value::Object(members) => {
                let name = members.get("name").and_then(Value::as_str).unwrap_or_default();
                if let Some(value) =
                    members.get("value").and_then(Value::as_str).filter(|_| self.veil.hides(name))
                {
                    self.know_secret(value);
                }
                members.values().for_each(|member| self.look_for_secrets(member));
            }
            Value::Array(values) => values.iter().for_each(|value| self.look_for_secrets(value)),
            Value::String(text) => {
                if let Some(inside) = document_of(text) {
                    self.look_for_secrets(&inside);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// As long as it was: a key of a card has its length.
    fn know_secret(&mut self, secret: &str) {
        let (number, length) = (self.others.len() + 1, secret.chars().count());
        self.others.entry(secret.to_owned()).or_insert_with(|| format!("{number:0length$}"));
    }

    fn look(&mut self, value: &Value, is_named: bool) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let is_named = NAMES.binary_search(&name.to_ascii_lowercase().as_str()).is_ok();
                    self.look(member, is_named);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.look(value, is_named)),
            Value::String(text) if is_named || is_number(text) || text.contains('@') => self.know(text),
            Value::Number(number) if is_named || number.to_string().len() > DIGITS_MIN => {
                self.know(&number.to_string());
            }
            Value::String(_) | Value::Number(_) | Value::Null | Value::Bool(_) => {}
        }
    }

    fn know(&mut self, text: &str) {
        if text.chars().count() < CHARS_MIN || self.others.contains_key(text) {
            return;
        }
        let number = self.others.len() + 1;
        let other = if is_number(text) {
            let kept = text.len() / 3;
            let rest = text.len() - kept;
            format!("{}{number:0rest$}", &text[..kept])
        } else if text.contains('@') {
            format!("person-{number}@example.com")
        } else {
            format!("person-{number}")
        };
        self.others.insert(text.to_owned(), other);
    }

    /// All of a document in other words. The longest go first: one may stand in another.
    pub fn replaced(&self, document: Value) -> Value {
        let mut words: Vec<_> = self.others.iter().collect();
        words.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        self.replaced_by(document, &words)
    }

    fn replaced_by(&self, document: Value, words: &[(&String, &String)]) -> Value {
        match document {
            Value::String(text) => {
                let text = in_other_words(&text, words);
                // A text that is no document may call something a secret all the same.
                if document_of(&text).is_some() {
                    text.into()
                } else {
                    self.veil.without_secrets(&text).into()
                }
            }
            Value::Number(number) => {
                let other = words.iter().find(|(text, _)| **text == number.to_string());
                let other = other.and_then(|(_, other)| other.trim_start_matches('0').parse::<Number>().ok());
                other.unwrap_or(number).into()
            }
            Value::Array(values) => values.into_iter().map(|value| self.replaced_by(value, words)).collect(),
            Value::Object(members) => {
                let members = members.into_iter();
                members
                    .map(|(name, value)| (in_other_words(&name, words), self.replaced_by(value, words)))
                    .collect()
            }
            plain @ (Value::Null | Value::Bool(_)) => plain,
        }
    }
}

/// The document that a text is.
fn document_of(text: &str) -> Option<Value> {
    let is_one = text.trim_start().starts_with(['{', '[']);
    serde_json::from_str(text).ok().filter(|_| is_one)
}

/// Where it stands as it is, and as an address writes it.
fn in_other_words(text: &str, words: &[(&String, &String)]) -> String {
    words.iter().fold(text.to_owned(), |text, (word, other)| {
        let text = text.replace(word.as_str(), other);
        let encoded = word.replace('@', "%40");
        if encoded == **word { text } else { text.replace(&encoded, &other.replace('@', "%40")) }
    })
}

/// As a number is written that somebody is known by: a telephone's, a card's.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    digits.len() >= DIGITS_MIN && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_names_are_in_order() {
        assert!(NAMES.is_sorted(), "they are searched");
    }

    #[test]
    fn the_same_person_has_the_same_other_name_everywhere() {
        let case = json!({
            "operation": {
                "subscriber": {
                    "account-id": "15550001111@msisdn",
                    "msisdn": "15550001111",
                    "imsi": "001010000000001",
                    "documents": { "account_info": {
                        "firstname": "Ada", "lastname": "Lovelace", "email": "ada@example.net",
                        "product_name": "Mobile Gold", "i_account": 189, "phone1": 15550002222_u64,
                    } },
                },
                "event": { "variables": {}, "enclosed": {} },
            },
            "steps": [{ "then": {
                "body": "<name>Lovelace</name> 15550001111 ada%40example.net",
                "number": 15550002222_u64,
                "headers": [{ "name": "session-key", "value": "k-4711-k-4711" }],
                "text": "{\"session_key\":\"k-4711-k-4711\",\"password\":\"open sesame, please\"}",
            } }],
        });
        let veil = Veil::new(&["session-key".to_owned()]);
        let other = Persons::of(&case, &veil).replaced(case);
        let text = other.to_string();
        for gone in
            ["Lovelace", "15550001111", "001010000000001", "ada@", "ada%40", "15550002222", "4711", "sesame"]
        {
            assert!(!text.contains(gone), "{gone} stands in {text}");
        }
        for kept in ["Mobile Gold", "189", "@msisdn", "00101"] {
            assert!(text.contains(kept), "{kept} is missing in {text}");
        }
        let msisdn = other["operation"]["subscriber"]["msisdn"].as_str().expect("a text");
        let body = other["steps"][0]["then"]["body"].as_str().expect("a text");
        assert!(msisdn.len() == 11 && body.contains(msisdn) && body.contains("%40example.com"), "{text}");
    }
}
