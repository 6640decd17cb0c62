//! What a certificate says: whose it is.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::domain::{digest_of_hex, hex};

/// What a certificate can be known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateName {
    Dns(String),
    Uri(String),
    CommonName(String),
    /// Of the whole certificate.
    Sha256([u8; 32]),
}

impl CertificateName {
    /// `dns:oms.example.net`, `uri:spiffe://example.net/oms`, `cn:oms`, or `sha256:` and the
    /// digits as openssl writes them, with or without colons.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':')?;
        let named = |kind: fn(String) -> Self| (!name.is_empty()).then(|| kind(name.to_owned()));
        match kind {
            "dns" => named(Self::Dns),
            "uri" => named(Self::Uri),
            "cn" => named(Self::CommonName),
            "sha256" => digest_of_hex(&name.replace(':', "")).map(Self::Sha256),
            _ => None,
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Uri(name) => write!(f, "uri:{name}"),
            Self::CommonName(name) => write!(f, "cn:{name}"),
            Self::Sha256(digest) => write!(f, "sha256:{}", hex(digest)),
        }
    }
}

/// The certificate that whoever connected has shown. It was verified: an extension of every
/// request of the connection, beside [`super::super::Peer`].
#[derive(Clone, Debug)]
pub struct ClientCertificate(Arc<BTreeSet<CertificateName>>);

impl ClientCertificate {
    pub fn new(certificate: &CertificateDer<'_>) -> Self {
        let mut names = BTreeSet::from([CertificateName::Sha256(Sha256::digest(certificate).into())]);
        if let Ok((_, certificate)) = parse_x509_certificate(certificate) {
            let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
            names.extend(common.map(|name| CertificateName::CommonName(name.to_owned())));
            let others = certificate.subject_alternative_name().ok().flatten();
            let others = others.iter().flat_map(|names| &names.value.general_names);
            names.extend(others.filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(CertificateName::Dns((*name).to_owned())),
                GeneralName::URI(name) => Some(CertificateName::Uri((*name).to_owned())),
                _ => None,
            }));
        }
        Self(Arc::new(names))
    }

    pub fn is_one_of(&self, names: &[CertificateName]) -> bool {
        names.iter().any(|name| self.0.contains(name))
    }
}

/// All its names, for the log.
impl fmt::Display for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_it_is_the_name_of() {
        let digits = "AB".repeat(32);
        let colons = vec!["ab"; 32].join(":");
        for (text, name) in [
            ("dns:oms.example.net", Some(CertificateName::Dns("oms.example.net".to_owned()))),
            ("uri:spiffe://a/b", Some(CertificateName::Uri("spiffe://a/b".to_owned()))),
            ("cn:the OMS", Some(CertificateName::CommonName("the OMS".to_owned()))),
            (&format!("sha256:{digits}"), Some(CertificateName::Sha256([0xab; 32]))),
            (&format!("sha256:{colons}"), Some(CertificateName::Sha256([0xab; 32]))),
            (&format!("sha256:{}", "é".repeat(32)), None),
            ("sha256:abcd", None),
            ("dns:", None),
            ("oms.example.net", None),
            ("https://oms.example.net", None),
        ] {
            assert_eq!(CertificateName::parse(text), name, "{text}");
        }
    }
}
