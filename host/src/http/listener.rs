//! Serves a router with limits that are really on: axum's own `serve` installs no timer, so
//! that a caller who sends half a header holds a connection for ever.

use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::peer::Peer;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the headers of a request to be there, also of the next one on a kept connection.
    pub header_timeout: Duration,
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { header_timeout: Duration::from_secs(10), connections: 1024 }
    }
}

/// Answers under way at the end are given so long.
const FINISH_WITHIN: Duration = Duration::from_secs(10);

/// Serves until `stop`, then finishes what is under way.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    // HTTP/1.1 alone: its timer runs from the first moment, while one that guesses the version
    // first waits for ever for a caller who says nothing.
    let mut server = Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    let under_way = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(limits.connections));
    while let Some((stream, peer, slot)) = accept(&listener, &slots, &stop).await {
        let service = TowerToHyperService::new(router.clone().layer(Extension(peer)));
        let connection = server.serve_connection(TokioIo::new(stream), service);
        let watcher = under_way.watcher();
        tokio::spawn(async move {
            // A connection that ends badly is its caller's affair.
            let _ = watcher.watch(connection).await;
            drop(slot);
        });
    }
    drop(listener);
    if tokio::time::timeout(FINISH_WITHIN, under_way.shutdown()).await.is_err() {
        tracing::warn!("some connections were cut at the end");
    }
}

/// The next connection, when there is room for it; `None` at the end.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, Peer, OwnedSemaphorePermit)> {
    loop {
        let next = async {
            let slot = Arc::clone(slots).acquire_owned().await.expect("it is never closed");
            (listener.accept().await, slot)
        };
        let (accepted, slot) = tokio::select! {
            () = stop.cancelled() => return None,
            next = next => next,
        };
        match accepted {
            Ok((stream, from)) => {
                let _ = stream.set_nodelay(true);
                return Some((stream, Peer(from.ip().to_canonical()), slot));
            }
            // Out of file descriptors, most likely: a pause lets others give some back.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
