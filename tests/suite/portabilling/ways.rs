//! The way to PortaBilling: an authority of its own, a proxy, and neither unless configured.

use std::sync::Arc;

use punchdown::billing::PortaBilling;
use punchdown::domain::{IAccount, Timestamp};
use punchdown::ports::{Account, Billing as _};
use punchdown_kit::portabilling::{self, Settings};
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::documents::reader;
use crate::harness::folder;

async fn sim() -> portabilling::PortaBilling {
    let sim = portabilling::PortaBilling::start(Settings::default()).await.expect("it starts");
    sim.put_account(portabilling::Account::mobile(1));
    sim
}

async fn is_read(billing: &PortaBilling) -> bool {
    let read = billing.read(IAccount(1), &[], Timestamp::default()).await;
    matches!(read, Ok(Account::Found { .. }))
}

/// An authority: its certificate as PEM, and what a server that it vouches for needs.
fn authority() -> (String, ServerConfig) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = || KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key()).expect("a certificate");
    let (host, key) = (CertificateParams::new(["localhost".to_owned()]).expect("a name"), key());
    let certificate = host.signed_by(&key, &authority).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let server = ServerConfig::builder().with_no_client_auth();
    let server = server.with_single_cert(vec![certificate.der().clone()], key).expect("a pair");
    (authority.pem(), server)
}

/// Speaks TLS in front of what is at `behind`; gives its port.
async fn tls_front(server: ServerConfig, behind: &str) -> u16 {
    let behind = behind.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
    let port = listener.local_addr().expect("an address").port();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let mut inward = acceptor.accept(stream).await?;
                let mut outward = TcpStream::connect(behind).await?;
                tokio::io::copy_bidirectional(&mut inward, &mut outward).await
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn its_own_authority_takes_the_place_of_all_others() {
    let folder = folder();
    let sim = sim().await;
    let (pem, server) = authority();
    let url = format!("https://localhost:{}", tls_front(server, &sim.url()).await);
    std::fs::write(folder.path().join("ours.pem"), pem).expect("written");
    std::fs::write(folder.path().join("others.pem"), authority().0).expect("written");
    assert!(is_read(&reader(folder.path(), &url, r#"ca = "ours.pem""#)).await);
    let logins = sim.ledger().logins;
    assert!(!is_read(&reader(folder.path(), &url, r#"ca = "others.pem""#)).await);
    assert_eq!(sim.ledger().logins, logins, "nothing was said to whom nobody vouches for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_used_when_it_is_configured() {
    let folder = folder();
    let sim = sim().await;
    // Nobody listens there, so only a proxy can have passed the call on: the simulator itself
    // takes what is addressed as to a proxy.
    let url = "http://127.0.0.2:1";
    let proxy = format!("proxy = \"{}\"", sim.url());
    assert!(is_read(&reader(folder.path(), url, &proxy)).await);
    assert!(!is_read(&reader(folder.path(), url, "")).await);
}
