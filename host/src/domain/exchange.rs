use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::{Json, OperationId, Timestamp, adapter::hex};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub name: String,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    #[default]
    Empty,
    Text(String),
    Bytes(Vec<u8>),
}

impl Body {
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_same_as(&self, other: &Self) -> bool {
        let json = |body: &Self| serde_json::from_slice::<serde_json::Value>(body.bytes()).ok();
        self.bytes() == other.bytes() || json(self).is_some_and(|ours| json(other) == Some(ours))
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Empty => &[],
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// What the host may do when it cannot know whether a request arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Twice does what once does.
    Repeatable,
    /// Never twice of the host's own accord.
    AtMostOnce,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Escape {
    Verbatim,
    Json,
    Xml,
    Url,
}

/// A value that only the host knows, put in place of a mark as the request leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    pub mark: String,
    pub source: String,
    pub escape: Escape,
}

/// A request to a group's target, as its adapter wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub label: String,
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub headers: Vec<Header>,
    #[serde(default)]
    pub body: Body,
    pub delivery: Delivery,
    #[serde(default)]
    pub fills: Vec<Fill>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extras: Option<Json>,
}

impl Request {
    /// The same for every attempt at this request, and for no other: made of the operation's
    /// id, the label and the content. Marks count, what fills them does not.
    pub fn idempotency_key(&self, operation: &OperationId) -> String {
        let mut content = sha2::Sha256::new();
        for part in [self.method.as_bytes(), self.path.as_bytes(), self.body.bytes()] {
            content.update(part.len().to_be_bytes());
            content.update(part);
        }
        for header in &self.headers {
            content.update(header.name.to_ascii_lowercase());
            content.update([0]);
            content.update(&header.value);
            content.update([0]);
        }
        format!("{operation}.{}.{}", self.label, hex(&content.finalize()[..8]))
    }
}

impl Request {
    /// Whether a log-in has to come before it.
    pub fn needs_session(&self) -> bool {
        self.fills.iter().any(|fill| fill.source.starts_with("session."))
    }

    /// Whether its path can only lead to something below the target's base URL, whoever reads it:
    /// a URL takes `%2e` for a dot and leaves tabs and line ends out, servers behind it may take
    /// `%2f` and `%5c` for separators, and some cut a part off at its first `;`.
    pub fn stays_below_target(&self) -> bool {
        let path = self.path.split('?').next().unwrap_or_default().to_ascii_lowercase();
        let path = path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
        let leads_up = |part: &str| part.split(';').next() == Some("..");
        self.path.starts_with('/')
            && !path.starts_with("//")
            && !self.path.contains(['\\', '#'])
            && !self.path.contains(char::is_control)
            && !path.split('/').any(leads_up)
    }

    /// Whether it asks the target for the same: method, path, headers by name, JSON by value,
    /// other bodies byte for byte.
    pub fn asks_the_same_as(&self, other: &Self) -> bool {
        self.method == other.method
            && self.path == other.path
            && self.headers_by_name() == other.headers_by_name()
            && self.body.is_same_as(&other.body)
    }

    fn headers_by_name(&self) -> Vec<(String, &str)> {
        let named = |header: &'_ Header| header.name.to_ascii_lowercase();
        let mut headers: Vec<_> =
            self.headers.iter().map(|header| (named(header), header.value.as_str())).collect();
        headers.sort();
        headers
    }
}

/// What a target answered, or a notification is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    pub status: u16,
    #[serde(default)]
    pub headers: Vec<Header>,
    #[serde(default)]
    pub body: Body,
}

impl Response {
    /// It was taken, and nothing more is said.
    pub const ACCEPTED: Self = Self { status: 202, headers: Vec::new(), body: Body::Empty };

    /// `Retry-After`, in seconds or as a date. What is neither is no reason to distrust our own pause.
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        retry_after(self.header("retry-after")?, now)
    }

    /// The first header of that name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
    }
}

/// What a `Retry-After` says: seconds, or a date.
pub fn retry_after(asked: &str, now: Timestamp) -> Option<Duration> {
    let asked = asked.trim();
    let seconds = asked.parse().ok().map(Duration::from_secs);
    seconds.or_else(|| Timestamp::from_http_date(asked).map(|at| at.since(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_follows_the_content_and_nothing_else() {
        let operation = OperationId("01J".to_owned());
        let request = |body: &str| Request {
            label: "order".to_owned(),
            method: "POST".to_owned(),
            path: "/serviceOrder".to_owned(),
            headers: vec![],
            body: Body::Text(body.to_owned()),
            delivery: Delivery::AtMostOnce,
            fills: vec![],
            extras: None,
        };
        let key = request("{}").idempotency_key(&operation);
        assert_eq!(key, request("{}").idempotency_key(&operation));
        assert_ne!(key, request("{ }").idempotency_key(&operation));
        assert!(key.starts_with("01J.order."));
    }

    #[test]
    fn a_path_stays_below_its_target() {
        let request = |path: &str| Request {
            label: "look".to_owned(),
            method: "GET".to_owned(),
            path: path.to_owned(),
            headers: vec![],
            body: Body::Empty,
            delivery: Delivery::Repeatable,
            fills: vec![],
            extras: None,
        };
        for path in [
            "/",
            "/serviceOrder?externalId=01J",
            "/account/a%40b.example",
            "/a",
            "/x?back=../../y",
            "/x?at=http://other.example",
            "/user@host/x",
            "/..hidden/x",
            "/a..b",
            "/a;v=1/b",
            "/a//b",
        ] {
            assert!(request(path).stays_below_target(), "{path}");
        }
        for path in [
            "",
            "serviceOrder",
            "@evil.example/",
            ":8080/",
            ".evil.example/",
            "http://evil.example/",
            "//evil.example/",
            "/%2fevil.example/",
            "/\\evil.example",
            "\\\\evil.example",
            "/..",
            "/../x",
            "/a/../../x",
            "/a/%2e%2E/x",
            "/a/.%2e/x",
            "/a%2f..%2fx",
            "/a%2F%2e%2e%2Fx",
            "/a%5c..%5cx",
            "/a/..;/x",
            "/a/..;v=1/x",
            "/x#y",
            "/x\r\nHost: evil.example",
            "/a/.\t./x",
        ] {
            assert!(!request(path).stays_below_target(), "{path}");
        }
    }

    #[test]
    fn requests_are_compared_by_what_they_ask_for() {
        let request = |path: &str, body: &str, headers: &[(&str, &str)]| Request {
            label: "order".to_owned(),
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| Header { name: (*name).to_owned(), value: (*value).to_owned() })
                .collect(),
            body: Body::Text(body.to_owned()),
            delivery: Delivery::AtMostOnce,
            fills: vec![],
            extras: None,
        };
        let asked = request("/a", r#"{"b": 1, "c": [2]}"#, &[("Accept", "x"), ("B", "y")]);
        for (other, same) in [
            (request("/a", r#"{"c":[2],"b":1}"#, &[("b", "y"), ("accept", "x")]), true),
            (request("/a", r#"{"c":[2],"b":2}"#, &[("b", "y"), ("accept", "x")]), false),
            (request("/b", r#"{"c":[2],"b":1}"#, &[("b", "y"), ("accept", "x")]), false),
            (request("/a", r#"{"c":[2],"b":1}"#, &[("accept", "x")]), false),
        ] {
            assert_eq!(asked.asks_the_same_as(&other), same, "{other:?}");
        }
        assert!(request("/", "<a/>", &[]).asks_the_same_as(&request("/", "<a/>", &[])));
        assert!(!request("/", "<a/>", &[]).asks_the_same_as(&request("/", "<a />", &[])));
    }
}
