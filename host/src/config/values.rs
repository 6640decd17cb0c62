//! Kinds of values that several sections have.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

use super::reader::{Section, Value};
use super::secrets::secret;
use crate::domain::Patterns;
use crate::secret::Secret;

pub const SECOND: Duration = Duration::from_secs(1);

pub fn address(value: &Value<'_>) -> Option<SocketAddr> {
    value.parsed("an address and a port, such as \"0.0.0.0:8700\"", |text| text.parse().ok())
}

/// A range of addresses, or one address.
pub fn range(value: &Value<'_>) -> Option<IpNet> {
    let range = |text: &str| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    value.parsed("an address or a range, such as \"10.0.0.0/8\"", range)
}

/// A base URL, without the slash at its end.
pub fn base_url(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let problem = match reqwest::Url::parse(&text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "it must begin with https:// or http://",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "a URL is no place for a credential"
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            "a base URL has no query and no fragment"
        }
        Ok(_) => return Some(text.trim_end_matches('/').to_owned()),
        Err(_) => "it is not a URL",
    };
    value.complain(format!("`{text}`: {problem}"), None);
    None
}

pub fn patterns(value: &Value<'_>) -> Option<Patterns> {
    let written = value.list(|value| value.text())?;
    match Patterns::new(written) {
        Ok(patterns) => Some(patterns),
        Err(error) => {
            value.complain(
                format!("a pattern is malformed: {error}"),
                Some("* stands for one part of a name, ** for the rest"),
            );
            None
        }
    }
}

/// The name of a header, as it may be sent.
pub fn header_name(value: &Value<'_>) -> Option<String> {
    value.parsed("the name of a header", |text| {
        axum::http::HeaderName::try_from(text).ok().map(|_| text.to_owned())
    })
}

pub fn user_and_password(section: &mut Section<'_>, directory: &Path) -> (Option<String>, Option<Secret>) {
    let user = section.required("user", "\"espf\"").and_then(|value| value.text());
    let password = section.required("password", "{ file = \"secrets/espf\" }");
    (user, password.and_then(|value| secret(&value, directory)))
}
