//! Signatures over the raw bytes of a notification, in the many ways in which systems write them.
//! Standard Webhooks is one of those ways.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;

use super::header;
use crate::domain::Timestamp;
use crate::secret::Secret;

/// How a system signs. A signature by any one of the keys will do.
#[derive(Clone, Debug)]
pub struct Signature {
    pub keys: Vec<Key>,
    pub algorithm: Algorithm,
    /// The header that carries it, or a list of them.
    pub header: String,
    /// What stands between two of that list.
    pub between: char,
    /// What stands right before the code: `sha256=`. What begins otherwise is passed over.
    pub prefix: String,
    pub encoding: Encoding,
    pub signed: Template,
    /// When it was signed; without it a message could be sent again at any time.
    pub time: Option<SignedTime>,
}

#[derive(Clone)]
pub struct Key(Arc<[u8]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Hex,
    Base64,
}

/// Seconds since 1970, and how far they may be from our clock, either way.
#[derive(Clone, Debug)]
pub struct SignedTime {
    pub from: TimeFrom,
    pub window: Duration,
}

#[derive(Clone, Debug)]
pub enum TimeFrom {
    Header(String),
    /// The `t` of `t=…,v1=…`, in the header of the signature.
    Field(String),
}

/// The text that is signed: `{timestamp}.{body}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Timestamp,
    Body,
    Header(String),
}

const WEBHOOK_ID: &str = "webhook-id";
const WEBHOOK_WINDOW: Duration = Duration::from_secs(300);

impl Signature {
    /// As Standard Webhooks lays it down.
    pub fn standard_webhooks(keys: Vec<Key>) -> Self {
        let dot = || Part::Text(".".to_owned());
        let id = Part::Header(WEBHOOK_ID.to_owned());
        Self {
            keys,
            algorithm: Algorithm::Sha256,
            header: "webhook-signature".to_owned(),
            between: ' ',
            prefix: "v1,".to_owned(),
            encoding: Encoding::Base64,
            signed: Template(vec![id, dot(), Part::Timestamp, dot(), Part::Body]),
            time: Some(SignedTime {
                from: TimeFrom::Header("webhook-timestamp".to_owned()),
                window: WEBHOOK_WINDOW,
            }),
        }
    }

    pub fn holds(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> bool {
        let Some(signed) = self.signed(headers, body, now) else { return false };
        let offered: Vec<Vec<u8>> = self.offered(headers).collect();
        // All are tried, so that the time does not tell which one was near.
        self.keys.iter().fold(false, |holds, key| {
            let ours = self.algorithm.code(key, &signed);
            offered.iter().fold(holds, |holds, theirs| bool::from(ours.ct_eq(theirs)) | holds)
        })
    }

    /// Whether a body could be found that makes it [hold](Self::holds): the head has a code, all that
    /// is signed beside the body, and a time that is near.
    pub fn could_hold(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        let length = self.algorithm.length();
        self.signed(headers, b"", now).is_some() && self.offered(headers).any(|code| code.len() == length)
    }

    /// What is signed of a message; `None` when a part is missing or its time is too far.
    fn signed<'a>(&'a self, headers: &'a HeaderMap, body: &'a [u8], now: Timestamp) -> Option<Vec<&'a [u8]>> {
        let time = match &self.time {
            None => "",
            Some(time) => self.time(time, headers, now)?,
        };
        self.signed.fill(headers, time, body)
    }

    /// The codes of the header's list.
    fn offered<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = Vec<u8>> + 'a {
        let code = |field: &str| self.encoding.decode(field.strip_prefix(self.prefix.as_str())?);
        self.fields(headers).filter_map(code)
    }

    /// The parts of the header's list.
    fn fields<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let values = headers.get_all(self.header.as_str()).into_iter();
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(self.between))
            .map(str::trim)
    }

    /// The time as it was signed, when it is near enough to ours.
    fn time<'a>(&'a self, time: &SignedTime, headers: &'a HeaderMap, now: Timestamp) -> Option<&'a str> {
        let text = match &time.from {
            TimeFrom::Header(name) => header(headers, name)?,
            TimeFrom::Field(name) => {
                self.fields(headers).find_map(|field| field.strip_prefix(name.as_str())?.strip_prefix('='))?
            }
        };
        let sent = text.parse::<i64>().ok()?.checked_mul(1000)?;
        let apart = Duration::from_millis(now.millis().abs_diff(sent));
        (apart <= time.window).then_some(text)
    }

    /// The sender's own id of a message, where the signature covers one.
    pub fn message_id<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let covers = |part: &Part| matches!(part, Part::Header(name) if name == WEBHOOK_ID);
        self.signed.0.iter().any(covers).then(|| header(headers, WEBHOOK_ID)).flatten()
    }
}

impl Key {
    pub fn of_text(secret: &Secret) -> Self {
        Self(secret.expose().as_bytes().into())
    }

    /// `whsec_` and base64 of the key's bytes.
    pub fn of_webhook(secret: &Secret) -> Option<Self> {
        let bytes = STANDARD.decode(secret.expose().strip_prefix("whsec_")?).ok()?;
        (!bytes.is_empty()).then(|| Self(bytes.into()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Algorithm {
    /// Of a code, in bytes.
    const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    pub fn code(self, key: &Key, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha1 => code::<Hmac<Sha1>>(key, parts),
            Self::Sha256 => code::<Hmac<Sha256>>(key, parts),
            Self::Sha512 => code::<Hmac<Sha512>>(key, parts),
        }
    }
}

fn code<M: Mac + KeyInit>(key: &Key, parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = <M as Mac>::new_from_slice(&key.0).expect("a key of an HMAC has any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

impl Encoding {
    fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Base64 => STANDARD.decode(text).ok(),
            Self::Hex => {
                let pairs = text.as_bytes().chunks(2);
                let byte = |pair: &[u8]| match pair {
                    [high, low] => Some((nibble(*high)? << 4) | nibble(*low)?),
                    _ => None,
                };
                pairs.map(byte).collect()
            }
        }
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl Template {
    /// # Errors
    /// The reason, for the person who wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a `{` has no `}`")?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(match name.split_once(':') {
                None if name == "body" => Part::Body,
                None if name == "timestamp" => Part::Timestamp,
                Some(("header", name)) if !name.is_empty() => Part::Header(name.to_ascii_lowercase()),
                _ => {
                    return Err(format!(
                        "`{{{name}}}` is none of {{body}}, {{timestamp}} and {{header:Name}}"
                    ));
                }
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    pub fn has_body(&self) -> bool {
        self.0.contains(&Part::Body)
    }

    pub fn has_timestamp(&self) -> bool {
        self.0.contains(&Part::Timestamp)
    }

    /// `None` when a header is not there.
    pub fn fill<'a>(
        &'a self,
        headers: &'a HeaderMap,
        time: &'a str,
        body: &'a [u8],
    ) -> Option<Vec<&'a [u8]>> {
        let fill = |part: &'a Part| match part {
            Part::Text(text) => Some(text.as_bytes()),
            Part::Timestamp => Some(time.as_bytes()),
            Part::Body => Some(body),
            Part::Header(name) => header(headers, name).map(str::as_bytes),
        };
        self.0.iter().map(fill).collect()
    }
}

#[cfg(test)]
mod tests;
