//! Kinds of values that several sections have.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Certificate;

use super::reader::{Section, Value};
use super::secrets::{read_file, secret};
use crate::domain::Patterns;
use crate::explain::Code;
use crate::secret::Secret;
use crate::web::{Rate, Roots};

pub const SECOND: Duration = Duration::from_secs(1);
pub const DAY: Duration = Duration::from_secs(86_400);

/// Text as it would be in the file.
pub fn written(text: &str) -> String {
    toml::Value::from(text).to_string()
}

pub fn address(value: &Value<'_>) -> Option<SocketAddr> {
    value.parsed("an address and a port, such as \"0.0.0.0:8700\"", |text| text.parse().ok())
}

/// A range of addresses, or one address.
pub fn range(value: &Value<'_>) -> Option<IpNet> {
    let range = |text: &str| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    value.parsed("an address or a range, such as \"10.0.0.0/8\"", range)
}

/// An https or http URL, without a credential.
pub fn url(value: &Value<'_>) -> Option<reqwest::Url> {
    let text = value.text()?;
    let problem = match reqwest::Url::parse(&text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "it must begin with https:// or http://",
        Ok(url) if has_credential(&url) => {
            // It is not said again.
            value.complain(Code::WrongValue, "a URL is no place for a credential", None);
            return None;
        }
        Ok(url) if url.fragment().is_some() => "it has a fragment, which is never sent",
        Ok(url) => return Some(url),
        Err(_) => "it is not a URL",
    };
    // What stands there is not quoted: it may hold a credential.
    value.complain(Code::WrongValue, problem, None);
    None
}

pub fn has_credential(url: &reqwest::Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

const RATE_MAX: u32 = 1_000_000;

/// `50/s`, `100/m`, `1000/h`.
pub fn rate(value: &Value<'_>) -> Option<Rate> {
    value.parsed("a rate, such as \"50/s\", \"100/m\" or \"1000/h\"", parse_rate)
}

fn parse_rate(text: &str) -> Option<Rate> {
    let (requests, unit) = text.split_once('/')?;
    let per = match unit.trim() {
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3600 * SECOND,
        _ => return None,
    };
    let requests: NonZeroU32 = requests.trim().parse().ok()?;
    (requests.get() <= RATE_MAX).then_some(Rate { requests, per })
}

/// Certificates of authorities, from a file.
pub fn roots(value: &Value<'_>, directory: &Path) -> Option<Roots> {
    let pem = file(value, directory)?;
    let certificates = Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
    if certificates.is_empty() {
        value.complain(
            Code::CertificateFile,
            "there is no certificate in it",
            Some("name a file with certificates as PEM"),
        );
        return None;
    }
    Some(Roots { pem, certificates })
}

/// The text of a file that the configuration names.
pub fn file(value: &Value<'_>, directory: &Path) -> Option<String> {
    let path = directory.join(value.text()?);
    value.reads(&path);
    match read_file(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            value.complain(Code::CertificateFile, format!("cannot read {}: {error}", path.display()), None);
            None
        }
    }
}

/// A base URL, without the slash at its end.
pub fn base_url(value: &Value<'_>) -> Option<String> {
    let (url, text) = (url(value)?, value.text()?);
    if url.query().is_some() {
        value.complain(Code::WrongValue, "a base URL has no query", None);
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}

pub fn patterns(value: &Value<'_>) -> Option<Patterns> {
    let written = value.list(|value| value.text())?;
    match Patterns::new(written) {
        Ok(patterns) => Some(patterns),
        Err(error) => {
            value.complain(
                Code::WrongValue,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_in_a_time() {
        for (text, pause_ms, burst) in
            [("50/s", 20, 5), ("1/s", 1000, 1), ("1000/s", 1, 100), ("60 / m", 1000, 1), ("3600/h", 1000, 1)]
        {
            let rate = parse_rate(text).expect(text);
            let quota = rate.quota(rate.in_a_tenth()).expect(text);
            let read = (quota.replenish_interval().as_millis(), quota.burst_size().get());
            assert_eq!(read, (pause_ms, burst), "{text}");
        }
        for text in ["", "50", "0/s", "-1/s", "1.5/s", "50/d", "1000001/s"] {
            assert!(parse_rate(text).is_none(), "{text}");
        }
    }
}
