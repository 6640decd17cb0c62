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
    "accesstoken",
    "adm",
    "adm1",
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
    "pin1",
    "pin2",
    "proxyauthorization",
    "puk",
    "puk1",
    "puk2",
    "pwd",
    "secret",
    "session",
    "setcookie",
    "sharedsecret",
    "sqn",
    "token",
    "xapikey",
];

/// Among them those that often name something else: only what is as long as a key is one there.
const OFTEN_PLAIN: [&str; 3] = ["k", "key", "op"];
/// What is shorter would be found where it is none.
const SECRET_CHARS_MIN: usize = 6;
/// A key of a SIM card, `Ki` or `OPc`, has so many hexadecimal digits.
const KEY_DIGITS: usize = 32;
/// So many times JSON is looked for in a sentence.
const DOCUMENTS_MAX: usize = 16;

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

/// What else says who somebody is and where he lives: whoever is to take over a case needs none of it.
const PLACES_AND_NUMBERS: [&str; 20] = [
    "address", "baddr1", "baddr2", "baddr3", "baddr4", "baddr5", "bcc", "birthday", "city", "cont1", "cont2",
    "faxnum", "iccid", "imsi", "login", "midinit", "msisdn", "phone1", "phone2", "zip",
];

/// What must not be shown of one group's data.
#[derive(Clone, Debug, Default)]
pub struct Veil(BTreeSet<String>);

impl Veil {
    /// With the names that an adapter adds to our own.
    pub fn new(secret_fields: &[String]) -> Self {
        Self(secret_fields.iter().map(|name| plain(name)).collect())
    }

    /// Whether what stands under that name says who somebody is.
    pub fn names_somebody(name: &str) -> bool {
        let name = plain(name);
        PEOPLE.contains(&name.as_str()) || PLACES_AND_NUMBERS.contains(&name.as_str())
    }

    pub fn hides(&self, name: &str) -> bool {
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

    /// A line of a log.
    pub fn line(&self, text: &str) -> String {
        let text = self.masked(text, DEPTH_MAX, TEXTS_MAX);
        shortened(&text).unwrap_or(text)
    }

    /// What whoever administers the account reads of it in PortaBilling. He sees its numbers anyway.
    pub fn message(&self, text: &str) -> String {
        let text = self.masked(text, DEPTH_MAX, TEXTS_MAX);
        without_sql(&text).unwrap_or(text)
    }

    /// A text that is no document without what it calls a secret, and all else in it whole.
    pub fn without_secrets(&self, text: &str) -> String {
        self.masked(text, DEPTH_MAX, TEXTS_MAX)
    }

    /// The values that stand in a document under the names of secrets: whoever says one says a secret,
    /// whatever he calls it.
    pub fn secrets_in(&self, document: &Value) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        self.collect(document, None, &mut found);
        found
    }

    /// `under` is the name of the secret that the value is a part of.
    fn collect(&self, value: &Value, under: Option<&str>, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let under = under.or_else(|| self.hides(name).then_some(name.as_str()));
                    self.collect(value, under, found);
                }
            }
            Value::Array(elements) => elements.iter().for_each(|value| self.collect(value, under, found)),
            Value::String(_) | Value::Number(_) => {
                let Some(name) = under else { return };
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let least = if OFTEN_PLAIN.contains(&plain(name).as_str()) { 16 } else { SECRET_CHARS_MIN };
                if value.chars().count() >= least {
                    found.insert(value);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Text may be JSON, a form, a path with a query, or XML.
    fn text(&self, text: &str, depth: usize, texts: usize) -> Value {
        if let Some(texts) = texts.checked_sub(1)
            && text.trim_start().starts_with(['{', '['])
            && let Ok(inside) = serde_json::from_str::<Value>(text)
        {
            return self.within(inside, depth, texts);
        }
        let text = self.masked(text, depth, texts);
        shortened(&text).unwrap_or(text).into()
    }

    fn masked(&self, text: &str, depth: usize, texts: usize) -> String {
        let text = match texts.checked_sub(1) {
            Some(texts) => self.without_documents(text, depth, texts),
            None => text.to_owned(),
        };
        let text = self.without_pairs(&text);
        let text = self.without_elements(&text);
        without_keys(&text)
    }

    /// JSON in the middle of a sentence.
    fn without_documents(&self, text: &str, depth: usize, texts: usize) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        for _ in 0..DOCUMENTS_MAX {
            let Some(begin) = rest.find(['{', '[']) else { break };
            shown.push_str(&rest[..begin]);
            rest = &rest[begin..];
            let mut documents = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
            match documents.next() {
                Some(Ok(document)) => {
                    shown.push_str(&self.within(document, depth, texts).to_string());
                    rest = &rest[documents.byte_offset()..];
                }
                Some(Err(_)) | None => {
                    shown.push_str(&rest[..1]);
                    rest = &rest[1..];
                }
            }
        }
        shown.push_str(rest);
        shown
    }

    /// `…?key=…&x=1`, forms, `"ki": "…"`, `Authorization: Bearer …`.
    fn without_pairs(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['=', ':']) {
            let (before, after) = (&rest[..at], &rest[at + 1..]);
            let quoted = before.trim_end().trim_end_matches(['"', '\'', '\\', '`']);
            let begin = quoted
                .rfind(|char: char| !is_of_a_name(char))
                .map_or(0, |at| at + quoted[at..].chars().next().map_or(1, char::len_utf8));
            shown.push_str(&rest[..=at]);
            rest = after;
            if !self.hides(&quoted[begin..]) {
                continue;
            }
            let value = after.trim_start();
            let (value, quote) = match value.trim_start_matches('\\') {
                inside if inside.starts_with(['"', '\'']) => (&inside[1..], &inside[..1]),
                _ => (value, ""),
            };
            let end = match quote {
                "" => end_of_plain(value),
                quote => value.find(quote).unwrap_or(value.len()),
            };
            if end > 0 {
                shown.push_str(&after[..after.len() - value.len()]);
                shown.push_str(HIDDEN);
                rest = &value[end..];
            }
        }
        shown.push_str(rest);
        shown
    }

    /// `<ki>…</ki>`, whatever stands before the name.
    fn without_elements(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        // Whoever wrote it may mean no good: no part of it is looked at twice.
        let last_end = text.rfind("</").unwrap_or_default();
        while let Some((before, after)) = rest.split_once('<') {
            shown.push_str(before);
            shown.push('<');
            rest = after;
            let Some(end_of_tag) = after.find(['<', '>']) else { break };
            let (tag, inside) = after.split_at(end_of_tag);
            let Some(inside) = inside.strip_prefix('>') else { continue };
            let name = tag.split([' ', '/', '\t', '\n']).next().unwrap_or_default();
            let local = name.rsplit(':').next().unwrap_or_default();
            let is_closed = text.len() - inside.len() <= last_end && !tag.ends_with('/');
            if is_closed
                && self.hides(local)
                && let Some(end) = inside.find("</")
            {
                shown.push_str(&format!("{tag}>{HIDDEN}"));
                rest = &inside[end..];
            }
        }
        shown.push_str(rest);
        shown
    }
}

fn is_byte(value: &Value) -> bool {
    value.as_u64().is_some_and(|byte| byte <= 255)
}

fn is_of_a_name(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '-' | '_')
}

/// Of a value without quotes; the word before a credential belongs to it.
fn end_of_plain(value: &str) -> usize {
    let end_of_word = |from: usize| {
        let stops = |char: char| char.is_whitespace() || "&;,<>\"'`)}]".contains(char);
        value[from..].find(stops).map_or(value.len(), |end| from + end)
    };
    let end = end_of_word(0);
    let scheme = ["basic", "bearer", "digest"].contains(&value[..end].to_ascii_lowercase().as_str());
    if scheme && value[end..].starts_with(' ') { end_of_word(end + 1) } else { end }
}

/// A key that stands alone, with no name beside it.
fn without_keys(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(|char: char| char.is_ascii_alphanumeric()) {
        let length = rest[begin..].find(|char: char| !char.is_ascii_alphanumeric());
        let (word, after) = rest[begin..].split_at(length.unwrap_or(rest.len() - begin));
        let is_key = word.len() == KEY_DIGITS && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        shown.push_str(&rest[..begin]);
        shown.push_str(if is_key { HIDDEN } else { word });
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// A database that is quoted in an error tells of its tables, and of the values that were written.
fn without_sql(text: &str) -> Option<String> {
    let begins = [("SELECT ", " FROM "), ("INSERT ", "INTO "), ("UPDATE ", " SET "), ("DELETE ", "FROM ")];
    let upper = begins.iter().filter_map(|(first, then)| {
        let at = text.find(first)?;
        text[at + first.len() - 1..].contains(then.trim_end()).then_some(at)
    });
    let lower = ["select * from ", "insert into "].iter().filter_map(|words| text.find(words));
    let at = upper.chain(lower).min()?;
    Some(format!("{}(SQL)", &text[..at]))
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
mod tests;
