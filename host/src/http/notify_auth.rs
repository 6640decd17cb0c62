//! Who may notify. All that a group's door names must hold; of several secrets of one kind any one
//! is enough, so that a secret can be changed without a gap.

use std::net::IpAddr;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;

use super::header;
use super::signature::Signature;
use super::tls::{CertificateName, ClientCertificate};
use crate::domain::Timestamp;
use crate::secret::Secret;

/// What must hold of whoever notifies. Nothing named: anybody.
#[derive(Clone, Debug, Default)]
pub struct NotifyAuth {
    /// Known before the body is read, so that a stranger's body costs nothing.
    pub caller: Vec<CallerRule>,
    /// Over the body as it came.
    pub signatures: Vec<Signature>,
    pub at_registration: AtRegistration,
}

/// Whether it must be sent to the address of a registration that stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtRegistration {
    /// The group has none.
    #[default]
    Never,
    May,
    Must,
}

#[derive(Clone, Debug)]
pub enum CallerRule {
    /// Each is `user:password`.
    Basic(Vec<Secret>),
    Bearer(Vec<Secret>),
    /// The first part of the path below the group.
    PathSecret(Vec<Secret>),
    Addresses(Vec<IpNet>),
    /// Any one of these names, of a certificate that the listener has verified.
    ClientCertificate(Vec<CertificateName>),
}

/// Who calls, as far as it is known before the body.
pub struct Caller<'a> {
    pub address: Option<IpAddr>,
    pub headers: &'a HeaderMap,
    pub path_secret: Option<&'a [u8]>,
    pub certificate: Option<&'a ClientCertificate>,
}

impl NotifyAuth {
    pub fn admits(&self, caller: &Caller<'_>) -> bool {
        self.caller.iter().fold(true, |admits, rule| rule.admits(caller) & admits)
    }

    /// Whether a body is worth being read: what its head says of the signature could be so.
    pub fn may_be_signed(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        self.signatures.iter().all(|signature| signature.could_hold(headers, now))
    }

    pub fn is_signed(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> bool {
        self.signatures.iter().all(|signature| signature.holds(headers, body, now))
    }

    /// The sender's own id of a message that [is signed](Self::is_signed), where that covers one.
    pub fn message_id<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        self.signatures.iter().find_map(|signature| signature.message_id(headers))
    }

    /// The secrets of the path; none where the path holds none.
    pub fn path_secrets(&self) -> &[Secret] {
        fn secrets(rule: &CallerRule) -> Option<&[Secret]> {
            match rule {
                CallerRule::PathSecret(secrets) => Some(secrets),
                CallerRule::Basic(_)
                | CallerRule::Bearer(_)
                | CallerRule::Addresses(_)
                | CallerRule::ClientCertificate(_) => None,
            }
        }
        self.caller.iter().find_map(secrets).unwrap_or_default()
    }
}

impl CallerRule {
    fn admits(&self, caller: &Caller<'_>) -> bool {
        match self {
            Self::Basic(logins) => {
                let offered = credential(caller.headers, "Basic").and_then(|text| STANDARD.decode(text).ok());
                is_one_of(logins, offered.as_deref())
            }
            Self::Bearer(tokens) => {
                is_one_of(tokens, credential(caller.headers, "Bearer").map(str::as_bytes))
            }
            Self::PathSecret(secrets) => is_one_of(secrets, caller.path_secret),
            Self::Addresses(ranges) => caller.address.is_some_and(|address| {
                // An IPv4 caller of an IPv6 socket is still an IPv4 caller.
                ranges.iter().any(|range| range.contains(&address.to_canonical()))
            }),
            Self::ClientCertificate(names) => caller.certificate.is_some_and(|shown| shown.is_one_of(names)),
        }
    }
}

/// All are compared, so that the time does not tell which one was near.
fn is_one_of(secrets: &[Secret], offered: Option<&[u8]>) -> bool {
    let is = |offered| secrets.iter().fold(false, |found, secret| secret.is(offered) | found);
    offered.is_some_and(is)
}

/// What `Authorization` holds behind that word.
fn credential<'a>(headers: &'a HeaderMap, kind: &str) -> Option<&'a str> {
    let (found, credential) = header(headers, "authorization")?.trim().split_once(' ')?;
    found.eq_ignore_ascii_case(kind).then(|| credential.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(words: &[&str]) -> Vec<Secret> {
        words.iter().map(|word| Secret::new(*word)).collect()
    }

    fn rules(caller: Vec<CallerRule>) -> NotifyAuth {
        NotifyAuth { caller, ..NotifyAuth::default() }
    }

    #[test]
    fn a_caller_is_known_by_a_word_or_by_where_he_calls_from() {
        let basic = rules(vec![CallerRule::Basic(secrets(&["oms:old", "oms:new"]))]);
        let bearer = rules(vec![CallerRule::Bearer(secrets(&["old", "new"]))]);
        let path = rules(vec![CallerRule::PathSecret(secrets(&["old", "new"]))]);
        let ranges = ["10.0.0.0/8", "2001:db8::/32"].map(|range| range.parse().expect("a range"));
        let near = rules(vec![CallerRule::Addresses(ranges.to_vec())]);
        let both = rules(vec![near.caller[0].clone(), bearer.caller[0].clone()]);
        for (auth, address, authorization, path_secret, admitted) in [
            (&basic, "192.0.2.1", "Basic b21zOm9sZA==", "", true),
            (&basic, "192.0.2.1", "basic  b21zOm5ldw==", "", true),
            (&basic, "192.0.2.1", "Basic b21zOm5l", "", false),
            (&basic, "192.0.2.1", "Basic ???", "", false),
            (&basic, "192.0.2.1", "", "", false),
            (&bearer, "192.0.2.1", "Bearer old", "", true),
            (&bearer, "192.0.2.1", "bearer new", "", true),
            (&bearer, "192.0.2.1", "Basic new", "", false),
            (&path, "192.0.2.1", "", "new", true),
            (&path, "192.0.2.1", "Bearer new", "ne", false),
            (&path, "192.0.2.1", "", "", false),
            (&near, "10.250.0.1", "", "", true),
            (&near, "::ffff:10.250.0.1", "", "", true),
            (&near, "2001:db8:1::1", "", "", true),
            (&near, "11.0.0.1", "", "", false),
            (&near, "2001:db9::1", "", "", false),
            (&both, "10.250.0.1", "Bearer new", "", true),
            (&both, "10.250.0.1", "Bearer other", "", false),
            (&both, "11.0.0.1", "Bearer new", "", false),
        ] {
            let headers = HeaderMap::from_iter([(
                axum::http::header::AUTHORIZATION,
                authorization.parse().expect("a value"),
            )]);
            let caller = Caller {
                address: Some(address.parse().expect("an address")),
                headers: &headers,
                path_secret: Some(path_secret.as_bytes()),
                certificate: None,
            };
            assert_eq!(auth.admits(&caller), admitted, "{auth:?} {address} {authorization} {path_secret}");
        }
        let headers = HeaderMap::new();
        assert!(!near.admits(&Caller {
            address: None,
            headers: &headers,
            path_secret: None,
            certificate: None
        }));
    }
}
