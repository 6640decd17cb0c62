//! Each neighbour keeps its promises, seen through a real client.

mod espf;
mod oms;
mod portabilling;
mod receiver;

use std::time::Duration;

/// A client of a neighbour, as a product would make one.
fn client() -> reqwest::Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a plain client can be made")
}

/// Waits until it is so, and fails the test when that takes too long.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to be: {what}");
}
