//! Serves a router with limits that are really on: axum's own `serve` installs no timer, so
//! that a caller who sends half a header holds a connection for ever.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

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
    let mut server = Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.header_timeout)
        .keep_alive_timeout(limits.header_timeout);
    let server = Arc::new(server);
    let under_way = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(limits.connections));
    while let Some((stream, slot)) = accept(&listener, &slots, &stop).await {
        let (server, service) = (Arc::clone(&server), TowerToHyperService::new(router.clone()));
        let watcher = under_way.watcher();
        tokio::spawn(async move {
            let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
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
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
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
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                return Some((stream, slot));
            }
            // Out of file descriptors, most likely: a pause lets others give some back.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
