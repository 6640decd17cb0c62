//! Who may come in. Everything is compared whole and in constant time; what was wrong is not
//! told to the caller.

use std::time::Duration;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::header;
use crate::domain::Timestamp;
use crate::secret::Secret;

/// How the ESPF says who it is.
#[derive(Clone, Debug)]
pub enum EventAuth {
    Basic {
        user: String,
        password: Secret,
    },
    /// `<Type> <credential>`; a bearer token is just one whose type is `Bearer`.
    Custom {
        kind: String,
        credential: Secret,
    },
}

impl EventAuth {
    pub fn admits(&self, offered: &str) -> bool {
        let Some((kind, credential)) = offered.trim().split_once(' ') else { return false };
        let credential = credential.trim();
        match self {
            Self::Basic { user, password } => {
                let Ok(decoded) = STANDARD.decode(credential) else { return false };
                let expected = Secret::new(format!("{user}:{}", password.expose()));
                kind.eq_ignore_ascii_case("Basic") && expected.is(&decoded)
            }
            Self::Custom { kind: ours, credential: secret } => {
                kind.eq_ignore_ascii_case(ours) && secret.is(credential.as_bytes())
            }
        }
    }
}

/// How an external system says who it is. Any one of the secrets is enough.
#[derive(Clone, Debug)]
pub enum NotifyAuth {
    None,
    Bearer(Vec<Secret>),
    /// HMAC-SHA256 over id, timestamp and raw body, as Standard Webhooks lays down.
    StandardWebhooks(Vec<Secret>),
}

/// How far a signed timestamp may be from our clock, either way.
const CLOCK_WINDOW: Duration = Duration::from_secs(300);

impl NotifyAuth {
    pub fn admits(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> bool {
        match self {
            Self::None => true,
            Self::Bearer(tokens) => {
                let offered = header(headers, "authorization").and_then(|value| value.trim().split_once(' '));
                offered.is_some_and(|(kind, token)| {
                    let token = token.trim().as_bytes();
                    kind.eq_ignore_ascii_case("Bearer") && tokens.iter().any(|ours| ours.is(token))
                })
            }
            Self::StandardWebhooks(secrets) => is_signed(secrets, headers, body, now),
        }
    }
}

fn is_signed(secrets: &[Secret], headers: &HeaderMap, body: &[u8], now: Timestamp) -> bool {
    let (Some(id), Some(timestamp), Some(signatures)) = (
        header(headers, "webhook-id"),
        header(headers, "webhook-timestamp"),
        header(headers, "webhook-signature"),
    ) else {
        return false;
    };
    let Some(sent) = timestamp.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1000)) else {
        return false;
    };
    if now.millis().abs_diff(sent) > u64::try_from(CLOCK_WINDOW.as_millis()).unwrap_or(u64::MAX) {
        return false;
    }
    let offered: Vec<Vec<u8>> = signatures
        .split_ascii_whitespace()
        .filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok())
        .collect();
    secrets.iter().any(|secret| {
        let Some(mut mac) = webhook_key(secret).and_then(|key| Hmac::<Sha256>::new_from_slice(&key).ok())
        else {
            return false;
        };
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        offered.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    })
}

/// `whsec_` and base64 of the key's bytes.
pub fn webhook_key(secret: &Secret) -> Option<Vec<u8>> {
    STANDARD.decode(secret.expose().strip_prefix("whsec_")?).ok().filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_espf_comes_in_by_basic_or_by_a_word_of_its_own() {
        let basic = EventAuth::Basic { user: "username".to_owned(), password: Secret::new("secret") };
        let custom = EventAuth::Custom { kind: "Plain".to_owned(), credential: Secret::new("open") };
        for (auth, offered, admitted) in [
            (&basic, "Basic dXNlcm5hbWU6c2VjcmV0", true),
            (&basic, "basic  dXNlcm5hbWU6c2VjcmV0", true),
            (&basic, "Basic dXNlcm5hbWU6c2VjcmV1", false),
            (&basic, "Basic ???", false),
            (&basic, "Bearer dXNlcm5hbWU6c2VjcmV0", false),
            (&basic, "", false),
            (&custom, "Plain open", true),
            (&custom, "Plain opem", false),
            (&custom, "Basic open", false),
        ] {
            assert_eq!(auth.admits(offered), admitted, "{offered}");
        }
    }

    fn signed(id: &str, seconds: i64, body: &[u8], key: &[u8]) -> HeaderMap {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key will do");
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        let signature = format!("v1,AAAA v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let pairs = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signature),
        ];
        pairs
            .into_iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect()
    }

    #[test]
    fn a_signature_holds_for_its_body_its_secret_and_its_time() {
        let secret = |text: &str| Secret::new(format!("whsec_{}", STANDARD.encode(text)));
        let auth = NotifyAuth::StandardWebhooks(vec![secret("the old key"), secret("the new key")]);
        let now = Timestamp::from_millis(1_000_000_000);
        let good = signed("m1", 1_000_000, b"{}", b"the new key");
        assert!(auth.admits(&good, b"{}", now));
        assert!(!auth.admits(&good, b"{ }", now), "another body");
        assert!(!auth.admits(&signed("m1", 1_000_000, b"{}", b"another key"), b"{}", now), "another key");
        assert!(!auth.admits(&signed("m1", 999_000, b"{}", b"the new key"), b"{}", now), "too old");
        assert!(!auth.admits(&signed("m1", 1_001_000, b"{}", b"the new key"), b"{}", now), "from the future");
        assert!(!auth.admits(&HeaderMap::new(), b"{}", now), "not signed");
    }
}
