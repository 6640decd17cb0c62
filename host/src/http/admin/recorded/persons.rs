//! Somebody else's names, numbers and secrets, the same ones wherever the same stood. The form stays: so many digits, an
//! address with an `@`; and the first third of a number, which says whose network it is. Bodies of bytes stay as they are.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use crate::domain::Veil;

/// A word of so many letters is found in other texts, too; a shorter one stands for too much else.
const LETTERS_MIN: usize = 4;
/// The same of a number.
const DIGITS_MIN: usize = 7;
/// What is longer has no length that anybody counts on.
const KEPT_LENGTH_MAX: usize = 64;
/// Members that say what happened when, and hold nobody's data.
const STRUCTURE: [&str; 8] = ["ask", "at", "began", "i-account", "label", "received-at", "status", "wanted"];

/// What is replaced, by what.
pub struct Persons<'a> {
    others: BTreeMap<String, String>,
    veil: &'a Veil,
}

/// What a member's name says of its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Under {
    Nothing,
    Somebody,
    Secret,
}

impl<'a> Persons<'a> {
    /// Whoever a case speaks of.
    pub fn of(case: &Value, veil: &'a Veil) -> Self {
        let mut persons = Self { others: BTreeMap::new(), veil };
        let subscriber = &case["operation"]["subscriber"];
        for name in ["account-id", "msisdn", "imsi", "iccid"] {
            persons.know(subscriber[name].as_str().unwrap_or_default());
        }
        persons.look(case, Under::Nothing);
        persons
    }

    fn under(&self, name: &str) -> Under {
        match () {
            () if self.veil.hides(name) => Under::Secret,
            () if Veil::names_somebody(name) => Under::Somebody,
            () => Under::Nothing,
        }
    }

    /// What a member is under: its own name, or for the value of a header or a field the name beside it.
    fn of_member(&self, members: &Map<String, Value>, name: &str) -> Under {
        let beside = ["name", "key", "id", "field"].iter().filter_map(|it| members.get(*it)?.as_str());
        let named = beside.map(|name| self.under(name)).find(|under| *under != Under::Nothing);
        match self.under(name) {
            Under::Nothing if name.ends_with("value") => named.unwrap_or(Under::Nothing),
            under => under,
        }
    }

    fn look(&mut self, value: &Value, under: Under) {
        match value {
            Value::Object(members) => {
                for (name, member) in members.iter().filter(|(name, _)| !STRUCTURE.contains(&name.as_str())) {
                    let of_member = self.of_member(members, name);
                    self.look(member, if of_member == Under::Nothing { under } else { of_member });
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.look(value, under)),
            Value::String(text) => match document_of(text) {
                Some(inside) => self.look(&inside, under),
                None if under != Under::Nothing || is_number(text) || is_address(text) => self.know(text),
                None => {}
            },
            Value::Number(number) => {
                let text = number.to_string();
                if under != Under::Nothing || is_number(&text) {
                    self.know(&text);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Of an account ID and its like the part before the `@` is the name, and what follows says of what kind it is.
    fn know(&mut self, text: &str) {
        let (name, realm) = text.split_once('@').unwrap_or((text, ""));
        if realm.contains('.') && !is_number(name) {
            let number = self.others.len() + 1;
            self.others.entry(text.to_owned()).or_insert_with(|| format!("person-{number}@example.com"));
        }
        if !name.is_empty() && !self.others.contains_key(name) {
            let other = another(name, self.others.len() + 1);
            self.others.insert(name.to_owned(), other);
        }
    }

    pub fn replaced(&self, case: Value) -> Value {
        let everywhere = |text: &&String| match is_digits(text) {
            true => text.len() >= DIGITS_MIN,
            false => text.chars().count() >= LETTERS_MIN,
        };
        // The longest go first: one may stand in another.
        let mut words: Vec<_> = self.others.iter().filter(|(text, _)| everywhere(text)).collect();
        words.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        self.within(case, Under::Nothing, &words)
    }

    fn within(&self, value: Value, under: Under, words: &[(&String, &String)]) -> Value {
        match value {
            Value::Object(members) => {
                let unders: Vec<_> = members.keys().map(|name| self.of_member(&members, name)).collect();
                let replaced = members.into_iter().zip(unders).map(|((name, value), of_member)| {
                    let under = if of_member == Under::Nothing { under } else { of_member };
                    let value = match STRUCTURE.contains(&name.as_str()) {
                        true => value,
                        false => self.within(value, under, words),
                    };
                    (name, value)
                });
                Value::Object(replaced.collect())
            }
            Value::Array(values) => {
                values.into_iter().map(|value| self.within(value, under, words)).collect()
            }
            Value::String(text) => self.text(&text, under, words),
            Value::Number(number) => match self.others.get(&number.to_string()) {
                Some(other) if under != Under::Nothing || other.len() >= DIGITS_MIN => as_number(other),
                _ => Value::Number(number),
            },
            plain @ (Value::Null | Value::Bool(_)) => plain,
        }
    }

    fn text(&self, text: &str, under: Under, words: &[(&String, &String)]) -> Value {
        if let Some(inside) = document_of(text) {
            return self.within(inside, under, words).to_string().into();
        }
        if under != Under::Nothing
            && let Some(other) = self.others.get(text)
        {
            return other.clone().into();
        }
        // What is no document may call something a secret all the same.
        self.veil.without_secrets(&in_other_words(text, words)).into()
    }
}

/// As long as it was, where somebody may count on that.
fn another(name: &str, number: usize) -> String {
    let length = name.chars().count();
    if length > KEPT_LENGTH_MAX {
        return format!("person-{number}");
    }
    match name.strip_prefix('+').unwrap_or(name) {
        digits if is_digits(digits) => {
            let kept = if length >= DIGITS_MIN { length / 3 } else { 0 };
            let rest = length - kept;
            format!("{}{number:0rest$}", &name[..kept])
        }
        // A key of a card stays one.
        key if key.bytes().all(|byte| byte.is_ascii_hexdigit()) => format!("{number:0length$}"),
        _ => format!("person-{number}"),
    }
}

fn as_number(text: &str) -> Value {
    let digits = text.trim_start_matches('0');
    digits.parse::<Number>().map_or_else(|_| text.into(), Value::Number)
}

/// The document that a text is.
fn document_of(text: &str) -> Option<Value> {
    let is_one = text.trim_start().starts_with(['{', '[']);
    serde_json::from_str(text).ok().filter(|_| is_one)
}

/// Where it stands as it is, and as an address writes it.
fn in_other_words(text: &str, words: &[(&String, &String)]) -> String {
    words.iter().fold(text.to_owned(), |text, (word, other)| {
        let text = replace_word(&text, word, other);
        [("%20", "%2B"), ("+", "%2B")].iter().fold(text, |text, (space, plus)| {
            let written = |word: &str| word.replace('+', plus).replace(' ', space).replace('@', "%40");
            let encoded = written(word);
            if encoded == **word { text } else { replace_word(&text, &encoded, &written(other)) }
        })
    })
}

/// A number wherever it stands; a name where no letter goes on.
fn replace_word(text: &str, word: &str, other: &str) -> String {
    if is_digits(word) {
        return text.replace(word, other);
    }
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let goes_on = before.ends_with(char::is_alphanumeric) || after.starts_with(char::is_alphanumeric);
        replaced.push_str(before);
        replaced.push_str(if goes_on { word } else { other });
        rest = after;
    }
    replaced + rest
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// As a number is written that somebody is known by: a telephone's, a card's.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    digits.len() >= DIGITS_MIN && is_digits(digits)
}

fn is_address(text: &str) -> bool {
    text.contains('@') && !text.contains("@@") && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn replaced(case: &Value) -> (Value, String) {
        let veil = Veil::new(&["session-key".to_owned()]);
        let other = Persons::of(case, &veil).replaced(case.clone());
        let text = other.to_string();
        (other, text)
    }

    fn case() -> Value {
        json!({
            "operation": {
                "began": "2026-01-31T08:00:00.000Z",
                "i-account": "189",
                "subscriber": {
                    "account-id": "15550001111@msisdn",
                    "msisdn": "15550001111",
                    "imsi": "001010000000001",
                    "documents": { "account_info": {
                        "id": "15550001111@msisdn", "firstname": "Ada", "last_name": "Lovelace",
                        "email": "ada@example.net", "product_name": "Mobile Gold", "i_account": 189,
                        "phone1": 15550002222_u64, "zip": 1010, "pin1": "4711", "h323_password": "2026",
                        "ki": "465B5CE8B199B49FAA5F0A2EE238A6BC",
                    }, "custom_fields": [{ "name": "PIN", "db_value": "" }, { "name": "password", "db_value": "geheim" }] },
                },
                "event": { "variables": {}, "enclosed": {} },
            },
            "steps": [{ "then": {
                "at": "2026-01-31T08:00:01.000Z",
                "path": "/people/ada%40example.net?number=15550001111&of=Mobile%20Gold",
                "text": "<name>Lovelace</name> Lovelaces 15550001111",
                "number": 15550002222_u64,
                "headers": [{ "name": "session-key", "value": "k-4711-k-4712" }, { "name": "set-cookie", "value": "" }],
                "body": "{\"session_key\":\"k-4711-k-4712\",\"pin\":4811,\"people\":[{\"surname\":\"Hopper\",\"phone\":\"15559998888\"}]}",
            } }],
        })
    }

    #[test]
    fn the_same_person_has_the_same_other_name_everywhere() {
        let (other, text) = replaced(&case());
        for gone in [
            "Ada",
            "Lovelace<",
            "ada@",
            "ada%40",
            "15550001111",
            "001010000000001",
            "15550002222",
            "4711",
            "4811",
            "geheim",
            "465B5CE8",
            "Hopper",
            "15559998888",
            "\"zip\":1010",
            "\"2026\"",
        ] {
            assert!(!text.contains(gone), "{gone} stands in {text}");
        }
        for kept in [
            "Mobile Gold",
            "Mobile%20Gold",
            "189",
            "@msisdn",
            "00101",
            "2026-01-31T08:00:01.000Z",
            "Lovelaces",
        ] {
            assert!(text.contains(kept), "{kept} is missing in {text}");
        }
        let subscriber = &other["operation"]["subscriber"];
        let msisdn = subscriber["msisdn"].as_str().expect("a text");
        assert_eq!(msisdn.len(), 11, "{text}");
        assert_eq!(subscriber["account-id"], format!("{msisdn}@msisdn"));
        assert_eq!(subscriber["documents"]["account_info"]["id"], format!("{msisdn}@msisdn"));
        assert!(other["steps"][0]["then"]["path"].as_str().expect("a text").contains(msisdn), "{text}");
        let ki = subscriber["documents"]["account_info"]["ki"].as_str().expect("a text");
        assert!(ki.len() == 32 && ki.bytes().all(|byte| byte.is_ascii_hexdigit()), "a key stays one: {ki}");
    }

    #[test]
    fn nothing_is_too_long_or_too_short() {
        let digits = "7".repeat(70_000);
        let (_, text) = replaced(&json!({ "password": digits, "pin": "", "token": "", "steps": [digits] }));
        assert!(!text.contains("7777"), "{} characters", text.len());
        assert!(text.contains("\"pin\":\"\""), "an empty one stays: {text}");
    }
}
