//! Values that are never printed, wherever they came from; and those that are struck from what others say.

use std::collections::VecDeque;
use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError, RwLock};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use subtle::ConstantTimeEq as _;

use crate::domain::Escape;

/// A shorter secret would be found where it is none.
const STRUCK_CHARS_MIN: usize = 4;
/// Of values that come and go (sessions) so many are remembered: who speaks of one speaks of a late one.
const PASSING_MAX: usize = 64;
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
            let quoted = serde_json::Value::from(value).to_string();
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
    for how in [Escape::Verbatim, Escape::Json, Escape::Xml, Escape::Url] {
        let value = escaped(value, how);
        let said = struck.as_deref().unwrap_or(text);
        if said.contains(&value) {
            struck = Some(said.replace(&value, instead));
        }
    }
    struck
}

/// All secrets that a host knows. Adapters and external systems may say one by mistake, or say back what they
/// were told; whatever a person is to see goes through here.
#[derive(Clone, Debug, Default)]
pub struct Vault {
    /// Of the configuration.
    standing: Arc<[Secret]>,
    passing: Arc<RwLock<VecDeque<Secret>>>,
}

impl Vault {
    pub fn new(standing: Vec<Secret>) -> Self {
        Self { standing: standing.into(), passing: Arc::default() }
    }

    /// One that was given to us: a session.
    pub fn keep(&self, secret: Secret) {
        let mut passing = self.passing.write().unwrap_or_else(PoisonError::into_inner);
        if passing.len() == PASSING_MAX {
            passing.pop_front();
        }
        passing.push_back(secret);
    }

    pub fn strike(&self, text: &str) -> String {
        let passing = self.passing.read().unwrap_or_else(PoisonError::into_inner);
        self.standing
            .iter()
            .chain(passing.iter())
            .fold(text.to_owned(), |text, secret| strike(&text, secret.expose(), STRUCK).unwrap_or(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_secret_is_struck_however_it_is_written() {
        let vault = Vault::new(vec![Secret::new("S3cr&t"), Secret::new("abc")]);
        vault.keep(Secret::new("session/1"));
        for (said, struck) in [
            ("no good: S3cr&t, S3cr&t", "no good: (secret), (secret)"),
            ("<e>S3cr&amp;t</e>", "<e>(secret)</e>"),
            ("?key=S3cr%26t", "?key=(secret)"),
            ("session%2F1 has ended, session/1", "(secret) has ended, (secret)"),
            ("abc is too short to be found", "abc is too short to be found"),
        ] {
            assert_eq!(vault.strike(said), struck);
        }
        for number in 0..PASSING_MAX {
            vault.keep(Secret::new(format!("newer-{number}")));
        }
        assert_eq!(vault.strike("session/1, newer-0"), "session/1, (secret)");
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
