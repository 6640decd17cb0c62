//! What every HTTP client of the host has in common: no redirects, no proxy unless one is
//! configured, answers bounded in bytes and time, bodies as text where they are text.

mod pace;
mod validity;

use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Proxy, Url};

use crate::domain::{self, Body, Header, Timestamp};

pub use pace::Pace;
pub use validity::Validity;

/// How long a connection may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// # Errors
/// When TLS cannot be set up.
pub fn client(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    builder(timeout).build()
}

/// Certificates of authorities.
#[derive(Clone, Debug)]
pub struct Roots {
    /// As they stand in their file.
    pub pem: String,
    pub certificates: Vec<Certificate>,
}

/// So many calls in so long a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub requests: NonZeroU32,
    pub per: Duration,
}

impl Rate {
    /// Evenly, but for so many at once. `None` when the rate is so high that it is none.
    pub fn quota(self, burst: NonZeroU32) -> Option<Quota> {
        Some(Quota::with_period(self.per / self.requests.get())?.allow_burst(burst))
    }

    /// What a tenth of a second is worth, one at least.
    pub fn in_a_tenth(self) -> NonZeroU32 {
        let worth = u128::from(self.requests.get()) * 100 / self.per.as_millis().max(1);
        NonZeroU32::new(u32::try_from(worth).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
    }
}

/// By which way another system is reached.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// In place of the system's roots.
    pub roots: Option<Roots>,
    pub proxy: Option<Url>,
}

/// A client for what is below `url`.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client_by(way: &Way, url: &str, timeout: Duration) -> reqwest::Result<reqwest::Client> {
    let mut client = builder(timeout);
    if let Some(roots) = &way.roots {
        client = client.tls_certs_only(roots.certificates.clone());
    } else if url.starts_with("http:") {
        // Nobody will ask for the system's roots, so they may be missing.
        client = client.tls_certs_only([]);
    }
    if let Some(proxy) = &way.proxy {
        client = client.proxy(Proxy::all(proxy.clone())?);
    }
    // Whose certificate was seen is known to whoever wants to look at its days.
    client.tls_info(true).build()
}

/// A client to which something is still to be added.
pub fn builder(timeout: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        // Clearly shorter than the whole: what found no connection surely was not sent, and whoever runs
        // out of both at once could not say so.
        .connect_timeout(CONNECT_TIMEOUT.min(timeout / 2))
        // Of the whole exchange, the body included.
        .timeout(timeout)
        // Servers close idle connections, often after five seconds; a request on one that is just
        // being closed would be in doubt for nothing.
        .pool_idle_timeout(Duration::from_secs(4))
        .user_agent(concat!("punchdown/", env!("CARGO_PKG_VERSION")))
}

/// Why an answer was not read to its end.
pub enum Unread {
    TooLarge { bytes_max: usize },
    Broken(String),
}

/// Reads a body, but not more than `bytes_max`.
pub async fn read_bounded(mut response: reqwest::Response, bytes_max: usize) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() > bytes_max => {
                return Err(Unread::TooLarge { bytes_max });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => return Err(Unread::Broken(reason(&error))),
        }
    }
}

/// The pause that an answer asks for.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    domain::retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, now)
}

/// What went wrong, without the address: an address can hold a key.
pub fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() { "no connection in time" } else { "no answer in time" }.to_owned();
    }
    // Its own words name the address.
    let Some(mut cause) = std::error::Error::source(error) else { return "the request failed".to_owned() };
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Names in lower case, duplicates kept; a value that is not UTF-8 is read as Latin-1.
pub fn headers(map: &HeaderMap) -> Vec<Header> {
    let value = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    map.iter()
        .map(|(name, bytes)| Header { name: name.as_str().to_owned(), value: value(bytes.as_bytes()) })
        .collect()
}

/// Text when the declared charset, or else UTF-8, decodes it; bytes otherwise.
pub fn body(headers: &HeaderMap, bytes: Vec<u8>) -> Body {
    if bytes.is_empty() {
        return Body::Empty;
    }
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(charset);
    match declared.and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes())) {
        Some(encoding) => match encoding.decode_without_bom_handling_and_without_replacement(&bytes) {
            Some(text) => Body::Text(text.into_owned()),
            None => Body::Bytes(bytes),
        },
        None => String::from_utf8(bytes).map_or_else(|error| Body::Bytes(error.into_bytes()), Body::Text),
    }
}

fn charset(content_type: &str) -> Option<&str> {
    let parameters = content_type.split(';').skip(1);
    parameters
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .map(|(_, label)| label.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_text_where_they_can_be_read() {
        for (content_type, bytes, read) in [
            ("application/json", &b"{}"[..], Body::Text("{}".to_owned())),
            ("text/html; charset=ISO-8859-1", b"caf\xe9", Body::Text("café".to_owned())),
            ("text/plain; charset=\"windows-1251\"", b"\xcf", Body::Text("П".to_owned())),
            ("application/json", b"\xff\xfe\xfd", Body::Bytes(vec![0xff, 0xfe, 0xfd])),
            ("text/plain; charset=utf-8", b"\xff", Body::Bytes(vec![0xff])),
            ("text/plain", b"", Body::Empty),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().expect("a header"))]);
            assert_eq!(body(&headers, bytes.to_vec()), read, "{content_type}");
        }
    }
}
