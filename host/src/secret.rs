//! Values that are never printed, wherever they came from.

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing_and_compares_whole() {
        let secret = Secret::new("S3cret");
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert!(secret.is(b"S3cret"));
        assert!(!secret.is(b"S3cre"));
        assert!(!secret.is(b""));
    }
}
