//! Values that are never printed, wherever they came from; and those that are struck from what others say.

use std::collections::VecDeque;
use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError, RwLock};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use crate::domain::Escape;

mod screen;

pub use screen::Screen;

/// A shorter secret would be found where it is none.
const STRUCK_CHARS_MIN: usize = 4;
/// Of values that have ended (sessions, tokens) so many are remembered: an answer may quote one late.
const ENDED_MAX: usize = 64;
/// What most of the world leaves as it is in a URL; we write these by numbers, too.
const BY_NUMBERS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Of what a changed configuration names so many are remembered, whatever it names now.
const LEARNED_MAX: usize = 256;
/// What stands for a secret that was said.
const STRUCK: &str = "(secret)";

/// A password, token or key. Its debug output says nothing, and comparing it takes the same
/// time wherever it differs.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `offered` is this secret. Digests are compared, so that the length tells nothing.
    pub fn is(&self, offered: &[u8]) -> bool {
        use sha2::Digest as _;
        let (ours, theirs) = (sha2::Sha256::digest(self.0.as_bytes()), sha2::Sha256::digest(offered));
        ours.ct_eq(&theirs).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A value as it is written in its place.
pub fn escaped(value: &str, how: Escape) -> String {
    match how {
        Escape::Verbatim => value.to_owned(),
        Escape::Url => utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(),
        Escape::Json => {
            let quoted = Value::from(value).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
        Escape::Xml => value.chars().fold(String::with_capacity(value.len()), |mut text, char| {
            let _ = match char {
                '&' => text.write_str("&amp;"),
                '<' => text.write_str("&lt;"),
                '>' => text.write_str("&gt;"),
                '"' => text.write_str("&quot;"),
                '\'' => text.write_str("&apos;"),
                other => text.write_char(other),
            };
            text
        }),
    }
}

/// The text with `instead` where the value stands in it, however it is written; `None`: it stands nowhere.
pub fn strike(text: &str, value: &str, instead: &str) -> Option<String> {
    if value.len() < STRUCK_CHARS_MIN {
        return None;
    }
    let mut struck = None;
    for spelling in spellings(value) {
        let said = struck.as_deref().unwrap_or(text);
        if said.contains(&spelling) {
            struck = Some(said.replace(&spelling, instead));
        }
    }
    struck
}

/// How we write a value, and how others do.
fn spellings(value: &str) -> Vec<String> {
    if value.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return vec![value.to_owned()];
    }
    let [json, xml, ours] = [Escape::Json, Escape::Xml, Escape::Url].map(|how| escaped(value, how));
    let theirs = utf8_percent_encode(value, BY_NUMBERS).to_string();
    let (slashed, lower) = (json.replace('/', "\\/"), [&ours, &theirs].map(|in_url| lower_numbers(in_url)));
    [value.to_owned(), json, xml, ours, slashed, theirs].into_iter().chain(lower).collect()
}

/// `%2F` as `%2f`.
fn lower_numbers(in_url: &str) -> String {
    let mut parts = in_url.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (number, rest) = part.split_at(2.min(part.len()));
        format!("{text}%{}{rest}", number.to_ascii_lowercase())
    })
}

/// The text without any of these values, with what stands for each. The longest goes first: where one begins with
/// another, nothing of it is to stay.
fn strike_all<'a>(text: &str, values: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut values: Vec<(&str, &str)> = values.collect();
    values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    let without = |text: String, (value, instead)| strike(&text, value, instead).unwrap_or(text);
    values.into_iter().fold(text.to_owned(), without)
}

/// All secrets that a host knows. Adapters and external systems may say one by mistake, or say back what they
/// were told; whatever a person is to see goes through here.
#[derive(Clone, Debug, Default)]
pub struct Vault {
    /// Of the configuration.
    standing: Arc<[Secret]>,
    granted: Arc<RwLock<Granted>>,
}

/// What was given to us: sessions and tokens.
#[derive(Debug, Default)]
struct Granted {
    good: Vec<Secret>,
    /// Of the configuration as it was read since, the last one read last.
    learned: VecDeque<Secret>,
    ended: VecDeque<Secret>,
}

/// A value that was given to us, as long as it is good. Dropping it says that it has ended.
#[derive(Debug)]
pub struct Kept {
    secret: Secret,
    vault: Vault,
}

impl Kept {
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.vault.end(&self.secret);
    }
}

impl Vault {
    pub fn new(standing: Vec<Secret>) -> Self {
        Self { standing: standing.into(), granted: Arc::default() }
    }

    /// One that was given to us. It is struck as long as it is good, however many there are, and for a
    /// while after its end.
    pub fn keep(&self, secret: Secret) -> Kept {
        self.granted.write().unwrap_or_else(PoisonError::into_inner).good.push(secret.clone());
        Kept { secret, vault: self.clone() }
    }

    fn end(&self, secret: &Secret) {
        let mut granted = self.granted.write().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = granted.good.iter().position(|good| good.is(secret.expose().as_bytes())) else {
            return;
        };
        let ended = granted.good.swap_remove(at);
        // Somebody else may hold the same.
        if granted.good.iter().any(|good| good.is(ended.expose().as_bytes())) {
            return;
        }
        if granted.ended.len() == ENDED_MAX {
            granted.ended.pop_front();
        }
        granted.ended.push_back(ended);
    }

    /// The configuration names these now, too. What it named before may still be in use, and is not forgotten soon.
    pub fn learn(&self, other: &Self) {
        let mut granted = self.granted.write().unwrap_or_else(PoisonError::into_inner);
        for secret in other.standing.iter() {
            let is_it = |known: &Secret| known.is(secret.expose().as_bytes());
            if self.standing.iter().any(is_it) {
                continue;
            }
            granted.learned.retain(|known| !is_it(known));
            if granted.learned.len() == LEARNED_MAX {
                granted.learned.pop_front();
            }
            granted.learned.push_back(secret.clone());
        }
    }

    /// A document without them.
    pub fn over(&self, document: Value) -> Value {
        match document {
            Value::String(text) => self.strike(&text).into(),
            Value::Array(elements) => elements.into_iter().map(|element| self.over(element)).collect(),
            Value::Object(members) => {
                Value::Object(members.into_iter().map(|(name, value)| (name, self.over(value))).collect())
            }
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
        }
    }

    pub fn strike(&self, text: &str) -> String {
        self.strike_with(text, &[])
    }

    /// The same, and without other values, with what stands for each.
    fn strike_with(&self, text: &str, others: &[(&str, &str)]) -> String {
        let granted = self.granted.read().unwrap_or_else(PoisonError::into_inner);
        let known = self.standing.iter().chain(&granted.learned).chain(&granted.good).chain(&granted.ended);
        let ours = known.map(|secret| (secret.expose(), STRUCK));
        strike_all(text, ours.chain(others.iter().copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_secret_is_struck_however_it_is_written() {
        let vault = Vault::new(["S3cr&t", "abc", "s3cret", "s3cret2026", "a-b/c"].map(Secret::new).into());
        let kept = vault.keep(Secret::new("session/1"));
        for (said, struck) in [
            ("no good: S3cr&t, S3cr&t", "no good: (secret), (secret)"),
            ("<e>S3cr&amp;t</e>", "<e>(secret)</e>"),
            ("?key=S3cr%26t", "?key=(secret)"),
            ("s3cret2026, and s3cret before it", "(secret), and (secret) before it"),
            ("a%2Db%2Fc, a-b%2Fc, a-b%2fc, a-b\\/c", "(secret), (secret), (secret), (secret)"),
            ("session%2F1 has ended, session/1", "(secret) has ended, (secret)"),
            ("abc is too short to be found", "abc is too short to be found"),
        ] {
            assert_eq!(vault.strike(said), struck);
        }
        let end_others = || {
            for number in 0..ENDED_MAX {
                drop(vault.keep(Secret::new(format!("newer-{number}"))));
            }
        };
        end_others();
        assert_eq!(vault.strike("session/1, newer-0"), "(secret), (secret)", "what is good never goes");
        drop(kept);
        assert_eq!(vault.strike("session/1"), "(secret)", "somebody may quote it late");
        end_others();
        assert_eq!(vault.strike("session/1, newer-0"), "session/1, (secret)");
    }

    #[test]
    fn what_a_changed_configuration_names_is_struck_and_what_it_named_is_remembered() {
        let vault = Vault::new(["standing"].map(Secret::new).into());
        let of = |names: &[&str]| Vault::new(names.iter().map(|name| Secret::new(*name)).collect());
        vault.learn(&of(&["standing", "second"]));
        assert_eq!(vault.strike("standing second third"), "(secret) (secret) third");
        vault.learn(&of(&["third"]));
        assert_eq!(vault.strike("standing second third"), "(secret) (secret) (secret)");
        for number in 0..LEARNED_MAX {
            vault.learn(&of(&[&format!("newer-{number}")]));
        }
        assert_eq!(vault.strike("second third"), "second third", "not for ever");
    }

    #[test]
    fn a_secret_prints_nothing_and_compares_whole() {
        let secret = Secret::new("S3cret");
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert!(secret.is(b"S3cret"));
        assert!(!secret.is(b"S3cre"));
        assert!(!secret.is(b""));
    }
}
