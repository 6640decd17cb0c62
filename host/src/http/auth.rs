//! Who may come in. Everything is compared whole and in constant time; what was wrong is not
//! told to the caller.

use std::time::Duration;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
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
    /// HMAC-SHA1 over the value of the `Date` header alone; neither path nor body is signed.
    Signature {
        key_id: String,
        key: Secret,
    },
}

/// What a caller of the events door offers.
pub struct Offered<'a> {
    /// The value of the header that carries the credential.
    pub credential: &'a str,
    pub date: Option<&'a str>,
    pub now: Timestamp,
}

impl EventAuth {
    pub fn admits(&self, offered: &Offered<'_>) -> bool {
        let Some((kind, credential)) = offered.credential.trim().split_once(' ') else { return false };
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
            Self::Signature { key_id, key } => {
                kind.eq_ignore_ascii_case("Signature") && is_signed_date(key_id, key, credential, offered)
            }
        }
    }
}

/// `keyId="…",algorithm="hmac-sha1",signature="…"`, with or without blanks after the commas.
fn is_signed_date(key_id: &str, key: &Secret, parameters: &str, offered: &Offered<'_>) -> bool {
    let parameter = |name: &str| {
        let pairs = parameters.split(',').filter_map(|pair| pair.trim().split_once('='));
        let mut named = pairs.filter(|(found, _)| found.trim().eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim().trim_matches('"'))
    };
    let (Some(named), Some(signature), Some(date)) =
        (parameter("keyId"), parameter("signature"), offered.date)
    else {
        return false;
    };
    let known = parameter("algorithm").is_none_or(|name| name.eq_ignore_ascii_case("hmac-sha1"));
    let Ok(signature) = STANDARD.decode(signature) else { return false };
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key.expose().as_bytes()) else { return false };
    mac.update(date.as_bytes());
    let signed = mac.verify_slice(&signature).is_ok();
    known && signed && named == key_id && is_now(date, offered.now)
}

/// A signature holds for its `Date` alone, so that one is not taken much later.
fn is_now(date: &str, now: Timestamp) -> bool {
    let Ok(date) = httpdate::parse_http_date(date.trim()) else { return false };
    let since = date.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let sent = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    u128::from(now.millis().abs_diff(sent)) <= CLOCK_WINDOW.as_millis()
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
            let offered = Offered { credential: offered, date: None, now: Timestamp::default() };
            assert_eq!(auth.admits(&offered), admitted, "{}", offered.credential);
        }
    }

    /// Both published samples, with the key that they verify with.
    #[test]
    fn the_espf_comes_in_by_a_signature_of_its_date() {
        let auth = EventAuth::Signature { key_id: "test".to_owned(), key: Secret::new("signature_key") };
        let thursday = ("Thu, 12 Apr 2018 15:24:00 GMT", 1_523_546_640, "+IkiEg9UkyA+gh+pcI64itisKhs=");
        let friday = ("Fri, 11 May 2018 13:28:08 GMT", 1_526_045_288, "b+Y3I1ymQTsuq0h3HNiIl3P3SdE=");
        let admits = |credential: &str, date: Option<&str>, seconds: i64| {
            let now = Timestamp::from_millis(seconds * 1000);
            auth.admits(&Offered { credential, date, now })
        };
        for (date, seconds, signature) in [thursday, friday] {
            let credential = |id: &str, gap: &str| {
                format!(
                    "Signature keyId=\"{id}\",{gap}algorithm=\"hmac-sha1\",{gap}signature=\"{signature}\""
                )
            };
            assert!(admits(&credential("test", ""), Some(date), seconds));
            assert!(admits(&credential("test", " "), Some(date), seconds + 300));
            assert!(!admits(&credential("test", ""), Some(date), seconds + 301), "too old");
            assert!(!admits(&credential("test", ""), Some(date), seconds - 301), "from the future");
            assert!(!admits(&credential("other", ""), Some(date), seconds), "another key");
            assert!(!admits(&credential("test", ""), None, seconds), "nothing is signed");
        }
        let swapped = format!("Signature keyId=\"test\",signature=\"{}\"", friday.2);
        assert!(!admits(&swapped, Some(thursday.0), thursday.1), "another date");
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
