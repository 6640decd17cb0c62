//! Who may send events. Everything is compared whole and in constant time; what was wrong is not
//! told to the caller.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;

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

/// How far a signed date may be from our clock, either way.
const CLOCK_WINDOW: Duration = Duration::from_secs(300);

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
}
