//! What of other people's data a person is shown: no secret, and of what names a subscriber only so much
//! that two of them can be told apart.

use std::collections::BTreeSet;

use serde_json::Value;

/// What stands for a secret.
const HIDDEN: &str = "(hidden)";
/// What stands for all that is nested deeper than anybody's data.
const TOO_DEEP: &str = "(too deep)";
const DEPTH_MAX: usize = 100;
/// Documents are written as text in documents, and hardly ever once more.
const TEXTS_MAX: usize = 2;
/// A list of so many small numbers is a body of bytes.
const BYTES_MIN: usize = 16;

/// So many digits in a row are an IMSI, an ICCID or a number of a telephone.
const DIGITS_MIN: usize = 10;

/// Names whose values are never shown, without `-`, `_` and case: of members, headers, parameters of a
/// query or a form, elements and attributes.
const SECRETS: [&str; 31] = [
    "adm",
    "adm1",
    "pin1",
    "pin2",
    "puk1",
    "puk2",
    "sharedsecret",
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
        self.within(value, DEPTH_MAX, TEXTS_MAX)
    }

    /// `depth` levels more, and as many texts in texts: whoever wrote it may mean no good.
    fn within(&self, value: Value, depth: usize, texts: usize) -> Value {
        let Some(depth) = depth.checked_sub(1) else { return TOO_DEEP.into() };
        match value {
            Value::Object(members) => self.object(members, depth, texts),
            Value::Array(bytes) if bytes.len() > BYTES_MIN && bytes.iter().all(is_byte) => {
                format!("({} bytes)", bytes.len()).into()
            }
            Value::Array(elements) => {
                elements.into_iter().map(|element| self.within(element, depth, texts)).collect()
            }
            Value::String(text) => self.text(&text, depth, texts),
            Value::Number(number) => match shortened(&number.to_string()) {
                Some(short) => short.into(),
                None => Value::Number(number),
            },
            plain @ (Value::Null | Value::Bool(_)) => plain,
        }
    }

    fn object(&self, members: serde_json::Map<String, Value>, depth: usize, texts: usize) -> Value {
        // A header is a name and a value: what hides a member hides the value beside such a name.
        let is_named =
            |name: &str| members.get(name).and_then(Value::as_str).is_some_and(|it| self.hides(it));
        let hides_value = ["name", "key", "id", "field"].into_iter().any(is_named);
        let shown = |(name, value): (String, Value)| {
            let value = match (hides_value && name == "value") || self.hides(&name) {
                true => HIDDEN.into(),
                false if PEOPLE.contains(&plain(&name).as_str()) => initial(&value),
                false => self.within(value, depth, texts),
            };
            (name, value)
        };
        Value::Object(members.into_iter().map(shown).collect())
    }

    /// Text may be JSON, or what was meant to be JSON, a form, a path with a query, a header, or XML.
    fn text(&self, text: &str, depth: usize, texts: usize) -> Value {
        if let Some(texts) = texts.checked_sub(1)
            && text.trim_start().starts_with(['{', '['])
            && let Ok(inside) = serde_json::from_str::<Value>(text)
        {
            return self.within(inside, depth, texts);
        }
        let text = self.without_members(text);
        let text = self.without_parameters(&text);
        let text = self.without_elements(&text);
        shortened(&text).unwrap_or(text).into()
    }

    /// `"ki": "…"` in what is no JSON as a whole, and `Authorization: …` in a line.
    fn without_members(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(':') {
            let name = before.trim_end().trim_end_matches(['"', '\\']);
            let name = name.rsplit(|char: char| !is_of_name(char)).next().unwrap_or_default();
            shown.push_str(before);
            shown.push(':');
            rest = after;
            if !name.is_empty() && self.hides(name) {
                let value = after.trim_start_matches([' ', '\t', '\\']);
                let space = after.len() - value.len();
                shown.push_str(&after[..space]);
                shown.push_str(HIDDEN);
                rest = &value[end_of(value)..];
            }
        }
        shown.push_str(rest);
        shown
    }

    /// `…?key=…&x=1`, forms, and attributes.
    fn without_parameters(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('=') {
            let name = before.rsplit(|char: char| !is_of_name(char)).next().unwrap_or_default();
            shown.push_str(before);
            shown.push('=');
            rest = after;
            if !name.is_empty() && self.hides(name) {
                shown.push_str(HIDDEN);
                rest = &after[end_of(after)..];
            }
        }
        shown.push_str(rest);
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

fn is_of_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '_')
}

fn is_byte(value: &Value) -> bool {
    value.as_u64().is_some_and(|byte| byte <= 255)
}

/// Where a value ends that begins here: at its closing quote, or before what can be no part of one.
fn end_of(value: &str) -> usize {
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inside = &value[1..];
            inside.find(quote).map_or(value.len(), |end| end + 2)
        }
        _ => value.find(['&', ';', ',', '\n', '\r', '}', ']', '<', '>', '"']).unwrap_or(value.len()),
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
            (json!("a=1&pwd='my s3cret'&b=2"), json!("a=1&pwd=(hidden)&b=2")),
            (json!({ "key": "ki", "value": "0011" }), json!({ "key": HIDDEN, "value": HIDDEN })),
            // Cut off, or never JSON.
            (
                json!("{\"h323_password\": \"s3cret\", \"x\": 1, \"y\": \""),
                json!("{\"h323_password\": (hidden), \"x\": 1, \"y\": \""),
            ),
            (json!("error: {\"Ki\":\"00 11\"}"), json!("error: {\"Ki\":(hidden)}")),
            (json!("Authorization: Bearer s3cret\nx: 1"), json!("Authorization: (hidden)\nx: 1")),
            (json!(vec![1; 20]), json!("(20 bytes)")),
            (json!([1, 2, 3]), json!([1, 2, 3])),
            (json!("<a><x:Ki>00</x:Ki><b>1</b></a>"), json!("<a><x:Ki>(hidden)</x:Ki><b>1</b></a>")),
            (json!("<user password=\"my p\"\tid=\"1\"/>"), json!("<user password=(hidden)\tid=\"1\"/>")),
            (json!("<broken <ki>"), json!("<broken <ki>")),
        ] {
            assert_eq!(veil.over(given.clone()), shown, "{given}");
        }
    }

    /// Whoever armed it had a megabyte: it must not take the stack of whoever looks.
    #[test]
    fn what_is_nested_without_end_is_cut() {
        let mut text = "1".to_owned();
        for _ in 0..12 {
            text = format!("{}{}{}", "[".repeat(120), Value::String(text), "]".repeat(120));
        }
        let looks =
            std::thread::Builder::new().stack_size(1 << 20).spawn(move || Veil::default().over(text.into()));
        let shown = looks.expect("a thread").join().expect("it does not overflow").to_string();
        assert!(shown.contains(TOO_DEEP), "{shown}");
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
