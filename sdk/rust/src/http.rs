//! Requests and responses: the contract's records, and what makes them pleasant to write and read.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One header of a request, a response or a notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Header {
    /// Lower case in what the host hands over; a name may come more than once.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The body of a request, a response or a notification.
///
/// A golden case may write `{"json": …}` for a text that holds JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", from = "WrittenBody")]
pub enum Body {
    /// There is none.
    Empty,
    /// Sent as UTF-8. Received: what its declared charset, or else UTF-8, could decode.
    Text(String),
    /// All the rest.
    Bytes(Vec<u8>),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenBody {
    Empty,
    Text(String),
    Bytes(Vec<u8>),
    Json(Value),
}

impl From<WrittenBody> for Body {
    fn from(written: WrittenBody) -> Self {
        match written {
            WrittenBody::Empty => Self::Empty,
            WrittenBody::Text(text) => Self::Text(text),
            WrittenBody::Bytes(bytes) => Self::Bytes(bytes),
            WrittenBody::Json(value) => Self::Text(value.to_string()),
        }
    }
}

/// What the host may do when it cannot know whether a request arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Twice does what once does: the host sends it again until it is answered.
    Repeatable,
    /// Never twice of the host's own accord: the adapter is told `unknown`.
    AtMostOnce,
}

/// How a filled-in value is written in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Escape {
    /// As it is.
    Verbatim,
    /// As the inside of a JSON string.
    Json,
    /// As XML text.
    Xml,
    /// Percent-encoded.
    Url,
}

/// A value that only the host knows, put into a request as it leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Fill {
    /// The text that stands for the value, in the path, a header or a text body.
    pub mark: String,
    /// `secret.<name>`: a secret of the group; `session.<name>`: a value of the running session.
    pub source: String,
    /// How the value is written there.
    pub escape: Escape,
}

/// A request to the group's target. Begin one with [`Request::get`] and its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Request {
    /// The adapter's own name for it. [`Flow::ask`](crate::Flow::ask) and `act` set it.
    pub label: String,
    /// The HTTP method.
    pub method: String,
    /// Path and query below the target's base URL.
    pub path: String,
    /// What the host does not set itself.
    #[serde(default)]
    pub headers: Vec<Header>,
    /// What is sent.
    pub body: Body,
    /// Whether it may be sent twice. [`Flow::ask`](crate::Flow::ask) and `act` set it.
    pub delivery: Delivery,
    /// The marks in it, and what stands in their place as it leaves.
    #[serde(default)]
    pub fills: Vec<Fill>,
    /// For what later hosts can do. A host refuses a word that it does not know.
    pub extras: Option<Value>,
}

/// What the target answered, or what a notification is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// In order, names in lower case.
    #[serde(default)]
    pub headers: Vec<Header>,
    /// What came, or what is sent back.
    pub body: Body,
}

impl Request {
    /// A `GET`. `path` is what follows the target's base URL: `/subscriber/7`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// A `POST`.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path)
    }

    /// A `PUT`.
    pub fn put(path: impl Into<String>) -> Self {
        Self::new("PUT", path)
    }

    /// A `PATCH`.
    pub fn patch(path: impl Into<String>) -> Self {
        Self::new("PATCH", path)
    }

    /// A `DELETE`.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new("DELETE", path)
    }

    /// A request with any method.
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            label: String::new(),
            method: method.into(),
            path: path.into(),
            headers: Vec::new(),
            body: Body::Empty,
            delivery: Delivery::Repeatable,
            fills: Vec::new(),
            extras: None,
        }
    }

    /// Adds one segment to the path, percent-encoded: `Request::get("/order").segment("a/b")` asks
    /// for `/order/a%2Fb`. Before any `query`.
    #[must_use]
    pub fn segment(mut self, segment: &str) -> Self {
        self.path.push('/');
        percent_encode(segment, &mut self.path);
        self
    }

    /// Adds one parameter to the query, percent-encoded.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        percent_encode(name, &mut self.path);
        self.path.push('=');
        percent_encode(value, &mut self.path);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Header { name: name.into(), value: value.into() });
        self
    }

    /// Sends `value` as JSON, and says so in `content-type`.
    #[must_use]
    pub fn json(self, value: &Value) -> Self {
        self.text("application/json", value.to_string())
    }

    /// Sends `text` under the content type given.
    #[must_use]
    pub fn text(mut self, content_type: &str, text: impl Into<String>) -> Self {
        self.body = Body::Text(text.into());
        self.header("content-type", content_type)
    }

    /// Puts the value of `source` in the place of `mark`, wherever that stands in the request.
    #[must_use]
    pub fn fill(mut self, mark: impl Into<String>, source: impl Into<String>, escape: Escape) -> Self {
        self.fills.push(Fill { mark: mark.into(), source: source.into(), escape });
        self
    }
}

impl Response {
    /// A response without headers and body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty }
    }

    /// Whether the status code is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The value of the first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |header: &&Header| header.name.eq_ignore_ascii_case(name);
        self.headers.iter().find(named).map(|header| header.value.as_str())
    }

    /// The body as JSON; `None` when it is not JSON.
    pub fn json(&self) -> Option<Value> {
        self.body.json()
    }
}

impl Body {
    /// The body as text; `None` when there is none, or when it is not UTF-8 text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Empty => None,
            Self::Text(text) => Some(text),
            Self::Bytes(bytes) => str::from_utf8(bytes).ok(),
        }
    }

    /// The body as JSON; `None` when it is not JSON.
    pub fn json(&self) -> Option<Value> {
        match self {
            Self::Empty => None,
            Self::Text(text) => serde_json::from_str(text).ok(),
            Self::Bytes(bytes) => serde_json::from_slice(bytes).ok(),
        }
    }
}

/// Keeps the unreserved characters of RFC 3986 alone, which is right in a path and in a query.
fn percent_encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                into.push(char::from(byte));
            }
            _ => into.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_encoded() {
        let request = Request::get("/order").segment("a/b").query("externalId", "1&2 ü").query("x", "");
        assert_eq!(request.path, "/order/a%2Fb?externalId=1%262%20%C3%BC&x=");
    }

    #[test]
    fn a_case_may_write_a_json_body_as_json() {
        let body: Body = serde_json::from_str(r#"{"json": {"id": 7}}"#).expect("a body");
        assert_eq!(body, Body::Text(r#"{"id":7}"#.to_owned()));
        assert_eq!(serde_json::to_string(&body).expect("JSON"), r#"{"text":"{\"id\":7}"}"#);
    }

    #[test]
    fn header_names_have_no_case() {
        let mut response = Response::empty(204);
        response.headers.push(Header { name: "etag".to_owned(), value: "7".to_owned() });
        assert_eq!(response.header("ETag"), Some("7"));
        assert!(response.is_success() && response.json().is_none());
    }
}
