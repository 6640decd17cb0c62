//! What of other people's data a person is shown: no secret, and of what names a subscriber only so much
//! that two of them can be told apart.

use std::collections::BTreeSet;

use serde_json::Value;

/// What stands for a secret.
const HIDDEN: &str = "(hidden)";
/// So many digits in a row are an IMSI, an ICCID or a number of a telephone.
const DIGITS_MIN: usize = 10;

/// Names whose values are never shown, without `-`, `_` and case: of members, headers, parameters of a
/// query or a form, elements and attributes.
const SECRETS: [&str; 24] = [
    "accesstoken",
    "apikey",
    "authorization",
    "clientsecret",
    "cookie",
    "credential",
    "h323password",
    "k",
    "key",
    "ki",
    "op",
    "opc",
    "passwd",
    "password",
    "pin",
    "proxyauthorization",
    "puk",
    "pwd",
    "secret",
    "session",
    "setcookie",
    "sqn",
    "token",
    "xapikey",
];

/// Names of people: a letter of them is enough.
const PEOPLE: [&str; 9] = [
    "companyname",
    "contname1",
    "email",
    "familyname",
    "firstname",
    "fullname",
    "givenname",
    "lastname",
    "surname",
];

/// What must not be shown of one group's data.
#[derive(Clone, Debug, Default)]
pub struct Veil(BTreeSet<String>);

impl Veil {
    /// With the names that an adapter adds to our own.
    pub fn new(secret_fields: &[String]) -> Self {
        Self(secret_fields.iter().map(|name| plain(name)).collect())
    }

    fn hides(&self, name: &str) -> bool {
        let name = plain(name);
        SECRETS.contains(&name.as_str()) || self.0.contains(&name)
    }

    /// A document as a person may see it.
    pub fn over(&self, value: Value) -> Value {
        match value {
            Value::Object(members) => {
                // A header is a name and a value; what hides a member hides the value beside its name.
                let header = members.get("name").and_then(Value::as_str).is_some_and(|name| self.hides(name));
                let shown = |(name, value): (String, Value)| {
                    let value = match (header && name == "value") || self.hides(&name) {
                        true => HIDDEN.into(),
                        false if PEOPLE.contains(&plain(&name).as_str()) => initial(&value),
                        false => self.over(value),
                    };
                    (name, value)
                };
                Value::Object(members.into_iter().map(shown).collect())
            }
            Value::Array(elements) => elements.into_iter().map(|element| self.over(element)).collect(),
            Value::String(text) => self.text(&text),
            Value::Number(number) => match shortened(&number.to_string()) {
                Some(short) => short.into(),
                None => Value::Number(number),
            },
            plain @ (Value::Null | Value::Bool(_)) => plain,
        }
    }

    /// Text may be JSON, a form, a path with a query, or XML.
    fn text(&self, text: &str) -> Value {
        if text.trim_start().starts_with(['{', '['])
            && let Ok(inside) = serde_json::from_str::<Value>(text)
        {
            return self.over(inside);
        }
        let text = self.without_parameters(text);
        let text = self.without_elements(&text);
        shortened(&text).unwrap_or(text).into()
    }

    /// `…?key=…&x=1`, and forms.
    fn without_parameters(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        for part in text.split_inclusive(['?', '&', ';', ' ', '\n']) {
            let end = part.trim_end_matches(['?', '&', ';', ' ', '\n']).len();
            match part[..end].split_once('=') {
                Some((name, value)) if self.hides(name) => {
                    let quote = if value.starts_with('"') { "\"" } else { "" };
                    shown.push_str(&format!("{name}={quote}{HIDDEN}{quote}{}", &part[end..]));
                }
                _ => shown.push_str(part),
            }
        }
        shown
    }

    /// `<ki>…</ki>`, whatever stands before the name.
    fn without_elements(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('<') {
            shown.push_str(before);
            shown.push('<');
            rest = after;
            let Some((tag, inside)) = after.split_once('>') else { break };
            let name = tag.split([' ', '/', '\t', '\n']).next().unwrap_or_default();
            let local = name.rsplit(':').next().unwrap_or_default();
            if let Some(end) = inside.find("</").filter(|_| !tag.ends_with('/') && self.hides(local)) {
                shown.push_str(&format!("{tag}>{HIDDEN}"));
                rest = &inside[end..];
            }
        }
        shown.push_str(rest);
        shown
    }
}

/// `X-Api-Key` and `apiKey` are one name.
fn plain(name: &str) -> String {
    name.chars().filter(|char| !matches!(char, '-' | '_')).flat_map(char::to_lowercase).collect()
}

fn initial(value: &Value) -> Value {
    match value.as_str().and_then(|name| name.chars().next()) {
        Some(first) => format!("{first}…").into(),
        None => Value::Null,
    }
}

/// With the middle of every long number left out; `None` when there is none.
pub fn shortened(text: &str) -> Option<String> {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(|char: char| char.is_ascii_digit()) {
        let length = rest[begin..].find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len() - begin);
        let (before, digits) = (&rest[..begin], &rest[begin..begin + length]);
        shown.push_str(before);
        if length < DIGITS_MIN {
            shown.push_str(digits);
        } else {
            shown.push_str(&digits[..length / 3]);
            shown.push('…');
            shown.push_str(&digits[length - 2..]);
        }
        rest = &rest[begin + length..];
    }
    shown.push_str(rest);
    (shown != text).then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_secret_is_hidden_wherever_it_stands() {
        let veil = Veil::new(&["subscriber-pin".to_owned()]);
        for (given, shown) in [
            (
                json!({ "Ki": "0011", "OPc": null, "amf": "8000" }),
                json!({ "Ki": HIDDEN, "OPc": HIDDEN, "amf": "8000" }),
            ),
            (json!({ "a": [{ "apiKey": 7 }] }), json!({ "a": [{ "apiKey": HIDDEN }] })),
            (json!({ "subscriberPin": "1" }), json!({ "subscriberPin": HIDDEN })),
            (
                json!({ "name": "X-Api-Key", "value": "s3cret" }),
                json!({ "name": "X-Api-Key", "value": HIDDEN }),
            ),
            (json!({ "name": "accept", "value": "x" }), json!({ "name": "accept", "value": "x" })),
            (json!("{\"password\":\"p\",\"x\":1}"), json!({ "password": HIDDEN, "x": 1 })),
            (json!("/a?key=s3cret&x=1"), json!("/a?key=(hidden)&x=1")),
            (json!("token=s3cret"), json!("token=(hidden)")),
            (json!("<a><x:Ki>00</x:Ki><b>1</b></a>"), json!("<a><x:Ki>(hidden)</x:Ki><b>1</b></a>")),
            (json!("<user password=\"p\" id=\"1\"/>"), json!("<user password=\"(hidden)\" id=\"1\"/>")),
            (json!("<broken <ki>"), json!("<broken <ki>")),
        ] {
            assert_eq!(veil.over(given.clone()), shown, "{given}");
        }
    }

    #[test]
    fn of_what_names_a_subscriber_the_ends_are_shown() {
        let veil = Veil::default();
        for (given, shown) in [
            (json!("001010123456789"), json!("00101…89")),
            (json!("15550001111@msisdn"), json!("155…11@msisdn")),
            (json!({ "msisdn": 15_550_001_111_u64 }), json!({ "msisdn": "155…11" })),
            (json!({ "firstname": "Ada", "email": "" }), json!({ "firstname": "A…", "email": null })),
            (json!("2026-01-31T08:00:00.000Z"), json!("2026-01-31T08:00:00.000Z")),
            (json!(189), json!(189)),
        ] {
            assert_eq!(veil.over(given.clone()), shown, "{given}");
        }
    }
}
