//! For how long a certificate is good.

use std::time::Duration;

use reqwest::tls::TlsInfo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::parse_x509_certificate;

use crate::domain::Timestamp;

const DAY: Duration = Duration::from_secs(86_400);
/// One that ends within this time is warned of.
const SOON: Duration = Duration::from_secs(30 * 86_400);

/// When all certificates of a chain are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub from: Timestamp,
    pub until: Timestamp,
}

impl Validity {
    /// `None` when one of them cannot be read, or there is none.
    pub fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let at = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1000));
        let mut whole: Option<Self> = None;
        for certificate in chain {
            let (_, certificate) = parse_x509_certificate(certificate).ok()?;
            let validity = certificate.validity();
            let (from, until) = (at(validity.not_before.timestamp()), at(validity.not_after.timestamp()));
            whole = Some(match whole {
                Some(whole) => Self { from: whole.from.max(from), until: whole.until.min(until) },
                None => Self { from, until },
            });
        }
        whole
    }

    /// Of the certificates in a text of PEM, whatever else stands there.
    pub fn of_pem(pem: &str) -> Option<Self> {
        let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
        Self::of(&chain.ok()?)
    }

    /// Of the one that whoever was connected to has shown.
    pub fn seen(connection: &TlsInfo) -> Option<Self> {
        Self::of(&[CertificateDer::from(connection.peer_certificate()?)])
    }

    pub fn is_now(self, now: Timestamp) -> bool {
        self.from <= now && now <= self.until
    }

    /// Whole days until its end.
    pub fn days_left(self, now: Timestamp) -> u64 {
        self.until.since(now).as_secs() / DAY.as_secs()
    }

    /// What `who` looks at it will say to it, now or soon.
    pub fn warning(self, now: Timestamp, who: &str) -> Option<String> {
        let Self { from, until } = self;
        if until < now {
            return Some(format!("the certificate ended at {until}: {who} will refuse it"));
        }
        if from > now {
            return Some(format!("the certificate is valid only from {from}: {who} will refuse it"));
        }
        (until < now + SOON).then(|| format!("the certificate ends soon, at {until}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_warned_of_before_it_ends() {
        let day = |day: i64| Timestamp::from_millis(day * 86_400_000);
        let validity = Validity { from: day(10), until: day(100) };
        for (now, left, warned) in [
            (9, 91, Some("only from")),
            (10, 90, None),
            (70, 30, None),
            (71, 29, Some("ends soon")),
            (100, 0, Some("ends soon")),
            (101, 0, Some("ended at")),
        ] {
            let warning = validity.warning(day(now), "callers");
            match warned {
                Some(words) => assert!(warning.is_some_and(|said| said.contains(words)), "{now}"),
                None => assert_eq!(warning, None, "{now}"),
            }
            assert_eq!(validity.days_left(day(now)), left, "{now}");
            assert_eq!(validity.is_now(day(now)), (10..=100).contains(&now), "{now}");
        }
    }
}
