//! Certificates for the stories.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType, date_time_ymd,
};

const DAY: Duration = Duration::from_secs(86_400);

/// Whoever signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Pair {
    pub cert: String,
    pub key: String,
    pub der: Vec<u8>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// One for this machine.
    pub fn host(&self) -> Pair {
        self.sign(&host())
    }

    /// One for this machine that began and ends so many days from now.
    pub fn host_within(&self, from: i64, until: i64) -> Pair {
        let today = i64::try_from(UNIX_EPOCH.elapsed().expect("after 1970").as_secs() / DAY.as_secs());
        let today = today.expect("a day");
        let day = |day: i64| date_time_ymd(1970, 1, 1) + DAY * u32::try_from(today + day).expect("a day");
        let mut params = host();
        (params.not_before, params.not_after) = (day(from), day(until));
        self.sign(&params)
    }

    /// One of a caller.
    pub fn caller(&self, common_name: &str, dns: &str, uri: &str) -> Pair {
        let mut params = CertificateParams::new([dns.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.subject_alt_names.push(SanType::URI(uri.try_into().expect("ASCII")));
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.0).expect("a certificate");
        Pair { cert: cert.pem(), key: key.serialize_pem(), der: cert.der().to_vec() }
    }
}

fn host() -> CertificateParams {
    CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("names")
}

impl Pair {
    /// Puts the files where [`super::TLS`] looks for them.
    pub fn put(&self, folder: &Path) {
        put(folder, "host.pem", &self.cert);
        put(folder, "host.key", &self.key);
    }

    pub fn identity(&self) -> reqwest::Identity {
        reqwest::Identity::from_pem(self.both().as_bytes()).expect("a certificate and its key")
    }

    pub fn both(&self) -> String {
        format!("{}{}", self.cert, self.key)
    }
}

/// A file that only we may read.
pub fn put(folder: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
}
