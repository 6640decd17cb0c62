//! What a listener shows to whoever connects over TLS, and whose certificates it believes: from
//! files in PEM, at the start and again when they have changed ([`Keeper`]).

mod certificate;
mod keeper;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};

use crate::web::Validity;

pub use certificate::{CertificateName, ClientCertificate};
pub use keeper::Keeper;

/// Where a listener's certificate and key stand.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The host's own certificate, and behind it its issuers.
    pub cert: PathBuf,
    pub key: PathBuf,
    pub clients: Option<Clients>,
}

/// Whose certificates callers show.
#[derive(Clone, Debug)]
pub struct Clients {
    pub ca: PathBuf,
    /// Who shows none is not let in, whatever he wants.
    pub required: bool,
}

/// The files, and what was found in them.
#[derive(Clone, Debug)]
pub struct Tls {
    files: TlsFiles,
    config: Arc<ServerConfig>,
    validity: Validity,
    digest: ContentDigest,
}

type ContentDigest = [u8; 32];

/// One of the files, by the setting that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFile {
    Cert,
    Key,
    ClientCa,
}

/// Why a file does not serve.
#[derive(Clone, Debug)]
pub struct Unfit {
    pub file: TlsFile,
    pub why: String,
    pub help: Option<&'static str>,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

const IN_PEM: &str = "PEM is text, and begins with a line such as -----BEGIN CERTIFICATE-----";

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// All of them that do not serve.
    pub fn load(files: TlsFiles) -> Result<Self, Vec<Unfit>> {
        let contents = Contents::of(&files);
        Self::understand(files, &contents)
    }

    fn understand(files: TlsFiles, contents: &Contents) -> Result<Self, Vec<Unfit>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = chain(&files.cert, &contents.cert);
        let key = key(&files.key, &contents.key);
        let verifier = match (&files.clients, &contents.client_ca) {
            (Some(clients), Some(ca)) => verifier(clients, ca, &provider),
            _ => Ok(WebPkiClientVerifier::no_client_auth()),
        };
        let ((chain, validity), key, verifier) = match (chain, key, verifier) {
            (Ok(chain), Ok(key), Ok(verifier)) => (chain, key, verifier),
            (chain, key, verifier) => {
                return Err([chain.err(), key.err(), verifier.err()].into_iter().flatten().collect());
            }
        };
        let shown = pair(&files, chain, key, &provider).map_err(|unfit| vec![unfit])?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if files.clients.is_some() {
            // Whoever takes up an old session is not looked at again, though his certificate has ended.
            config.session_storage = Arc::new(NoServerSessionStorage {});
        }
        Ok(Self { files, config: Arc::new(config), validity, digest: contents.digest() })
    }

    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Whether callers can show a certificate.
    pub fn knows_clients(&self) -> bool {
        self.files.clients.is_some()
    }
}

/// The files as they are now; of one that cannot be read, why.
struct Contents {
    cert: Result<Vec<u8>, String>,
    key: Result<Vec<u8>, String>,
    client_ca: Option<Result<Vec<u8>, String>>,
}

impl Contents {
    fn of(files: &TlsFiles) -> Self {
        let read = |path: &Path| std::fs::read(path).map_err(|error| error.to_string());
        let client_ca = files.clients.as_ref().map(|clients| read(&clients.ca));
        Self { cert: read(&files.cert), key: read(&files.key), client_ca }
    }

    fn digest(&self) -> ContentDigest {
        let mut digest = Sha256::new();
        for content in [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()].into_iter().flatten() {
            digest.update(match content {
                Ok(bytes) => Sha256::digest(bytes),
                Err(why) => Sha256::digest(format!("unread: {why}")),
            });
        }
        digest.finalize().into()
    }
}

fn unfit(file: TlsFile, why: String) -> Unfit {
    Unfit { file, why, help: None }
}

fn readable<'a>(file: TlsFile, path: &Path, content: &'a Result<Vec<u8>, String>) -> Result<&'a [u8], Unfit> {
    content.as_deref().map_err(|why| unfit(file, format!("cannot read {}: {why}", path.display())))
}

fn certificates(
    file: TlsFile,
    path: &Path,
    content: &Result<Vec<u8>, String>,
) -> Result<Vec<CertificateDer<'static>>, Unfit> {
    let pem = readable(file, path, content)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| unfit(file, format!("{} is broken: {error}", path.display())))?;
    if found.is_empty() {
        let why = format!("there is no certificate in {}", path.display());
        return Err(Unfit { file, why, help: Some(IN_PEM) });
    }
    Ok(found)
}

fn chain(
    path: &Path,
    content: &Result<Vec<u8>, String>,
) -> Result<(Vec<CertificateDer<'static>>, Validity), Unfit> {
    let chain = certificates(TlsFile::Cert, path, content)?;
    let validity = Validity::of(&chain)
        .ok_or_else(|| unfit(TlsFile::Cert, format!("a certificate in {} is broken", path.display())))?;
    Ok((chain, validity))
}

/// PKCS#8, SEC1 or PKCS#1.
fn key(path: &Path, content: &Result<Vec<u8>, String>) -> Result<PrivateKeyDer<'static>, Unfit> {
    let pem = readable(TlsFile::Key, path, content)?;
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        let locked = pem.windows(9).any(|words| words == b"ENCRYPTED");
        let (what, help) = match locked {
            true => ("is locked by a passphrase", "write it without one: openssl pkey -in … -out …"),
            false => ("is not there, or is broken", IN_PEM),
        };
        Unfit { file: TlsFile::Key, why: format!("the key in {} {what}", path.display()), help: Some(help) }
    })
}

fn pair(
    files: &TlsFiles,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Unfit> {
    let (cert, key_file) = (files.cert.display(), files.key.display());
    let key = provider.key_provider.load_private_key(key).map_err(|_| Unfit {
        file: TlsFile::Key,
        why: format!("the key in {key_file} is of a kind that cannot be used"),
        help: Some("RSA of 2048 bits or more, ECDSA over P-256 or P-384, or Ed25519"),
    })?;
    let shown = CertifiedKey::new(chain, key);
    match shown.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(shown),
        Err(rustls::Error::InconsistentKeys(_)) => Err(Unfit {
            file: TlsFile::Key,
            why: format!("the key in {key_file} does not belong to the certificate in {cert}"),
            help: Some("the host's own certificate stands first in `cert`, its issuers behind it"),
        }),
        Err(error) => Err(unfit(TlsFile::Cert, format!("the certificate in {cert} cannot be used: {error}"))),
    }
}

fn verifier(
    clients: &Clients,
    content: &Result<Vec<u8>, String>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Unfit> {
    let path = clients.ca.display();
    let broken = |error: &dyn fmt::Display| {
        unfit(TlsFile::ClientCa, format!("a certificate in {path} cannot be used: {error}"))
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(TlsFile::ClientCa, &clients.ca, content)? {
        roots.add(certificate).map_err(|error| broken(&error))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let verifier = if clients.required { verifier } else { verifier.allow_unauthenticated() };
    verifier.build().map(|verifier| verifier as Arc<dyn ClientCertVerifier>).map_err(|error| broken(&error))
}
