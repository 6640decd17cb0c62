//! Serves a router with limits that are really on: axum's own `serve` installs no timer, so
//! that a caller who sends half a header holds a connection for ever.
//!
//! Nothing here asks who a caller is. Whoever comes has a place or has none, is quick enough or
//! is cut off; only then is the router asked.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::peer::{Peer, TrustedProxies};
use super::places::{Place, Places};
use super::rewording::{OURS, Reworded};
use crate::telemetry::{Limit, ListenerName, Metrics, Open};

/// Where a listener stands, and what it bears.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    pub address: SocketAddr,
    pub limits: Limits,
    pub proxies: TrustedProxies,
}

impl ListenerSettings {
    /// Whether what is said here can be heard on the way.
    pub fn is_in_the_clear(&self) -> bool {
        !self.address.ip().is_loopback() && self.proxies.is_empty()
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the headers of a request to be there, also of the next one on a kept connection.
    pub header_timeout: Duration,
    /// Of one request.
    pub headers: usize,
    /// Of all headers of a request, its first line included.
    pub header_bytes: usize,
    pub connections: usize,
    pub connections_per_address: usize,
    /// Requests under way; what is above is told to come again before anybody looks at it.
    pub concurrency: usize,
}

/// hyper wants as much at least.
const BUFFER_BYTES_MIN: usize = 8 << 10;
/// Answers under way at the end are given so long.
const FINISH_WITHIN: Duration = Duration::from_secs(10);

/// A listener that is bound, and has not begun.
pub struct Listener {
    pub name: ListenerName,
    pub socket: TcpListener,
    pub settings: ListenerSettings,
    pub router: Router,
    pub metrics: Arc<Metrics>,
}

/// What all connections of a listener share.
struct Hall {
    name: ListenerName,
    server: Builder,
    router: TowerToHyperService<Router>,
    metrics: Arc<Metrics>,
    connections: Arc<Semaphore>,
    addresses: Places,
    proxies: TrustedProxies,
    requests: Semaphore,
}

/// What a connection holds while it is open.
struct Seat {
    _slot: OwnedSemaphorePermit,
    _place: Option<Place>,
    _open: Open,
}

impl Listener {
    /// Serves until `stop`, then finishes what is under way.
    pub async fn serve(self, stop: CancellationToken) {
        let under_way = GracefulShutdown::new();
        let hall = Arc::new(Hall::new(self.name, self.settings, self.router, self.metrics));
        while let Some((stream, from)) = accept(&self.socket, &stop).await {
            if let Some(seat) = hall.seat(from) {
                tokio::spawn(Arc::clone(&hall).attend(stream, from, seat, under_way.watcher()));
            }
        }
        drop(self.socket);
        if tokio::time::timeout(FINISH_WITHIN, under_way.shutdown()).await.is_err() {
            tracing::warn!("some connections were cut at the end");
        }
    }
}

impl Hall {
    fn new(name: ListenerName, settings: ListenerSettings, router: Router, metrics: Arc<Metrics>) -> Self {
        let limits = settings.limits;
        // HTTP/1.1 alone: its timer runs from the first moment, while one that guesses the version
        // first waits for ever for a caller who says nothing.
        let mut server = Builder::new();
        server
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_headers(limits.headers)
            .max_header_size(limits.header_bytes)
            .max_buf_size(limits.header_bytes.max(BUFFER_BYTES_MIN));
        metrics.listeners.expect(name);
        Self {
            name,
            server,
            router: TowerToHyperService::new(router),
            metrics,
            connections: Arc::new(Semaphore::new(limits.connections)),
            proxies: settings.proxies,
            addresses: Places::new(limits.connections_per_address),
            requests: Semaphore::new(limits.concurrency),
        }
    }

    fn limited(&self, limit: Limit) {
        self.metrics.listeners.limited(self.name, limit);
    }

    /// What is refused here is closed without a word: it shall cost nothing.
    fn seat(&self, from: IpAddr) -> Option<Seat> {
        let Ok(slot) = Arc::clone(&self.connections).try_acquire_owned() else {
            self.limited(Limit::Connections);
            return None;
        };
        let place = self.addresses.take(from);
        // A trusted proxy speaks for many; those are counted by the request.
        if place.is_none() && !self.proxies.trust(from) {
            self.limited(Limit::PerAddress);
            return None;
        }
        Some(Seat { _slot: slot, _place: place, _open: self.metrics.listeners.opened(self.name) })
    }

    async fn attend(self: Arc<Self>, stream: TcpStream, from: IpAddr, seat: Seat, watcher: Watcher) {
        self.converse(stream, from, watcher).await;
        drop(seat);
    }

    async fn converse<S>(&self, stream: S, from: IpAddr, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let stream = TokioIo::new(Reworded::new(stream, self.name == ListenerName::Events));
        let service = service_fn(|request| self.answer(request, from));
        // A connection that ends badly is its caller's affair.
        let Err(error) = watcher.watch(self.server.serve_connection(stream, service)).await else { return };
        if error.is_timeout() {
            self.limited(Limit::HeaderTime);
        } else if error.is_parse_too_large() {
            self.limited(Limit::HeaderSize);
        } else if error.is_parse() {
            self.limited(Limit::Malformed);
        }
    }

    async fn answer(&self, mut request: Request<Incoming>, from: IpAddr) -> Result<Response, Infallible> {
        let Ok(_under_way) = self.requests.try_acquire() else {
            return Ok(self.shed(Limit::Concurrency));
        };
        let origin = self.proxies.origin(from, request.headers());
        let place = (origin != from).then(|| self.addresses.take(origin));
        if let Some(None) = place {
            return Ok(self.shed(Limit::PerAddress));
        }
        request.extensions_mut().insert(Peer(origin));
        let mut answer = self.router.call(request).await?;
        mark_as_ours(&mut answer);
        Ok(answer)
    }

    fn shed(&self, limit: Limit) -> Response {
        self.limited(limit);
        let words = (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], "too much at once\n");
        let mut answer = words.into_response();
        mark_as_ours(&mut answer);
        answer
    }
}

fn mark_as_ours(answer: &mut Response) {
    let (name, value) = (HeaderName::from_static(OURS.0), HeaderValue::from_static(OURS.1));
    answer.headers_mut().insert(name, value);
}

/// The next connection; `None` at the end.
async fn accept(socket: &TcpListener, stop: &CancellationToken) -> Option<(TcpStream, IpAddr)> {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return None,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, from)) => {
                let _ = stream.set_nodelay(true);
                return Some((stream, from.ip().to_canonical()));
            }
            // Out of file descriptors, most likely: a pause lets others give some back.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
