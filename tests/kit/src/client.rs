//! The HTTP client of the neighbours that call out.

use std::time::Duration;

/// A client that gives up after `timeout` and never asks a proxy: every call of
/// the kit stays on this machine unless its settings say otherwise.
pub(crate) fn http_client(timeout: Duration) -> reqwest::Client {
    client_believing(timeout, "")
        .expect("a client without files or certificates of its own can always be made")
}

/// The same, for servers behind whose certificates one of these stands, in PEM.
pub(crate) fn client_believing(timeout: Duration, ca: &str) -> reqwest::Result<reqwest::Client> {
    // It fails when one is installed already, and then there is nothing to do.
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder()
        .no_proxy()
        // The machine may have no certificates of its own, and none are needed here.
        .tls_certs_only(reqwest::Certificate::from_pem_bundle(ca.as_bytes())?)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(timeout)
        // A host closes what was idle for ten seconds, and what is said at that moment goes unheard.
        .pool_idle_timeout(Duration::from_secs(4))
        .build()
}
