//! A front that speaks TLS for a neighbour who does not, and lets in only whom its authority knows.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const DAY: Duration = Duration::from_secs(86_400);

pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key, both as PEM.
    pub fn issue(&self, name: &str) -> (String, String) {
        self.sign(&CertificateParams::new(vec![name.to_owned()]).expect("a name"))
    }

    /// The same, of a certificate that began and ends so many days from now.
    pub fn issue_within(&self, name: &str, from: i64, until: i64) -> (String, String) {
        let today = UNIX_EPOCH.elapsed().expect("after 1970").as_secs() / DAY.as_secs();
        let today = i64::try_from(today).expect("a day");
        let day = |days| date_time_ymd(1970, 1, 1) + DAY * u32::try_from(today + days).expect("a day");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        (params.not_before, params.not_after) = (day(from), day(until));
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}

pub struct Front {
    pub address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    clients: AtomicUsize,
    known: AtomicUsize,
}

impl Front {
    pub async fn start(behind: SocketAddr, authority: &Authority) -> Self {
        Self::showing(behind, authority, &authority.issue("127.0.0.1")).await
    }

    /// One that shows that certificate, with that key.
    pub async fn showing(behind: SocketAddr, authority: &Authority, shown: &(String, String)) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        let acceptor = TlsAcceptor::from(Arc::new(config(authority, shown)));
        let counts = Arc::new(Counts::default());
        let counting = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), client, behind, Arc::clone(&counting)));
            }
        });
        Self { address, counts }
    }

    /// Connections whose handshake has ended, well or not.
    pub fn clients(&self) -> usize {
        self.counts.clients.load(Ordering::Relaxed)
    }

    pub fn known_clients(&self) -> usize {
        self.counts.known.load(Ordering::Relaxed)
    }
}

fn config(authority: &Authority, (certificate, key): &(String, String)) -> ServerConfig {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("a certificate");
    roots.add(root).expect("a root");
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier");
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let config = ServerConfig::builder().with_client_cert_verifier(verifier);
    config.with_single_cert(vec![certificate], key).expect("a certificate with its key")
}

async fn serve(acceptor: TlsAcceptor, client: TcpStream, behind: SocketAddr, counts: Arc<Counts>) {
    let accepted = acceptor.accept(client).await;
    if accepted.is_ok() {
        counts.known.fetch_add(1, Ordering::Relaxed);
    }
    counts.clients.fetch_add(1, Ordering::Relaxed);
    let (Ok(mut client), Ok(mut neighbour)) = (accepted, TcpStream::connect(behind).await) else { return };
    tokio::io::copy_bidirectional(&mut client, &mut neighbour).await.ok();
}
