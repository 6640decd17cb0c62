//! Serves a router with limits that are really on: axum's own `serve` installs no timer, so
//! that a caller who sends half a header holds a connection for ever.
//!
//! Nothing here asks who a caller is. Whoever comes has a place or has none, is quick enough or
//! is cut off; only then is the router asked.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONNECTION;
use axum::http::{HeaderName, HeaderValue, Method, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::patience::{self, Patient};
use super::peer::{Peer, TrustedProxies};
use super::places::{Place, Places};
use super::rewording::{OURS, Reworded};
use super::tls::{ClientCertificate, Keeper, Tls};
use super::too_much;
use crate::ports::World;
use crate::telemetry::{Limit, ListenerName, Metrics, Open};

/// Where a listener stands, and what it bears.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    pub address: SocketAddr,
    pub limits: Limits,
    pub proxies: TrustedProxies,
    pub tls: Option<Tls>,
}

impl ListenerSettings {
    /// Whether what is said here can be heard on the way.
    pub fn is_in_the_clear(&self) -> bool {
        !self.address.ip().is_loopback() && self.proxies.is_empty() && self.tls.is_none()
    }

    /// Where it stands, without a path.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the headers of a request to be there, also of the next one on a kept connection; and
    /// before the first one for the handshake of TLS.
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
    pub world: Arc<dyn World>,
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
    handshake_timeout: Duration,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    stop: CancellationToken,
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
        let hall = Arc::new(Hall::new(&self, &stop));
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

    /// What new connections are shown: kept equal to its files until `stop`.
    fn shown(&self, stop: &CancellationToken) -> Option<watch::Receiver<Arc<ServerConfig>>> {
        let tls = self.settings.tls.clone()?;
        let keeper = Keeper::new(self.name, tls, Arc::clone(&self.metrics), Arc::clone(&self.world));
        let shown = keeper.shown();
        tokio::spawn(stop.clone().run_until_cancelled_owned(keeper.keep()));
        Some(shown)
    }
}

impl Hall {
    fn new(listener: &Listener, stop: &CancellationToken) -> Self {
        let Listener { name, settings, router, metrics, .. } = listener;
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
        metrics.listeners.expect(*name);
        Self {
            name: *name,
            server,
            router: TowerToHyperService::new(router.clone()),
            metrics: Arc::clone(metrics),
            connections: Arc::new(Semaphore::new(limits.connections)),
            proxies: settings.proxies.clone(),
            addresses: Places::new(limits.connections_per_address),
            requests: Semaphore::new(limits.concurrency),
            handshake_timeout: limits.header_timeout,
            tls: listener.shown(stop),
            stop: stop.clone(),
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
        match self.tls.as_ref().map(|shown| Arc::clone(&shown.borrow())) {
            None => self.converse(stream, from, None, watcher).await,
            Some(config) => {
                let greeted = self.stop.run_until_cancelled(self.greet(config, stream, from)).await;
                if let Some(stream) = greeted.flatten() {
                    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                    let certificate = shown.map(ClientCertificate::new);
                    self.converse(stream, from, certificate, watcher).await;
                }
            }
        }
        drop(seat);
    }

    /// The handshake, for as long as a head may take.
    async fn greet(
        &self,
        config: Arc<ServerConfig>,
        stream: TcpStream,
        from: IpAddr,
    ) -> Option<TlsStream<TcpStream>> {
        let handshake = TlsAcceptor::from(config).accept(stream);
        let why = match tokio::time::timeout(self.handshake_timeout, handshake).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => {
                // Who only hangs up has run into nothing: so it is asked whether we are there.
                if error.get_ref().is_some_and(|cause| cause.is::<rustls::Error>()) {
                    self.limited(Limit::Handshake);
                }
                error.to_string()
            }
            Err(_) => {
                self.limited(Limit::HandshakeTime);
                "it took too long".to_owned()
            }
        };
        tracing::debug!(listener = self.name.word(), %from, why, "a handshake came to nothing");
        None
    }

    async fn converse<S>(
        &self,
        stream: S,
        from: IpAddr,
        certificate: Option<ClientCertificate>,
        watcher: Watcher,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let stream = TokioIo::new(Reworded::new(Patient::new(stream), self.name == ListenerName::Events));
        let service = service_fn(|request| self.answer(request, from, certificate.clone()));
        // A connection that ends badly is its caller's affair.
        let Err(error) = watcher.watch(self.server.serve_connection(stream, service)).await else { return };
        if error.is_timeout() {
            self.limited(Limit::HeaderTime);
        } else if error.is_parse_too_large() {
            self.limited(Limit::HeaderSize);
        } else if error.is_parse() {
            self.limited(Limit::Malformed);
        } else if patience::ran_out(&error) {
            self.limited(Limit::AnswerTime);
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        from: IpAddr,
        certificate: Option<ClientCertificate>,
    ) -> Result<Response, Infallible> {
        let to_head = request.method() == Method::HEAD;
        let mut answer = self.admit(request, from, certificate).await?;
        let (name, value) = (HeaderName::from_static(OURS.0), HeaderValue::from_static(OURS.1));
        answer.headers_mut().insert(name, value);
        if to_head {
            // Its length is that of a body that does not come, so nothing may follow.
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(answer)
    }

    async fn admit(
        &self,
        mut request: Request<Incoming>,
        from: IpAddr,
        certificate: Option<ClientCertificate>,
    ) -> Result<Response, Infallible> {
        let Ok(_under_way) = self.requests.try_acquire() else {
            return Ok(self.shed(Limit::Concurrency));
        };
        let origin = self.proxies.origin(from, request.headers());
        let place = origin.filter(|origin| *origin != from).map(|origin| self.addresses.take(origin));
        if let Some(None) = place {
            return Ok(self.shed(Limit::PerAddress));
        }
        if let Some(origin) = origin {
            request.extensions_mut().insert(Peer(origin));
        }
        certificate.map(|certificate| request.extensions_mut().insert(certificate));
        self.router.call(request).await
    }

    fn shed(&self, limit: Limit) -> Response {
        self.limited(limit);
        too_much()
    }
}

/// What went wrong with one connection alone says nothing of the next, so that nobody waits for it.
fn is_of_one_caller(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable,
    };
    const PROTOCOL: i32 = 71;
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
    ) || error.raw_os_error() == Some(PROTOCOL)
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
            Err(error) if is_of_one_caller(&error) => {
                tracing::debug!(%error, "a caller went before he was in");
            }
            // Out of file descriptors, most likely: a pause lets others give some back.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ails_the_host_itself_holds_up_the_next_caller() {
        for (number, name, of_one) in [
            (103, "ECONNABORTED", true),
            (104, "ECONNRESET", true),
            (4, "EINTR", true),
            (71, "EPROTO", true),
            (113, "EHOSTUNREACH", true),
            (24, "EMFILE", false),
            (23, "ENFILE", false),
            (105, "ENOBUFS", false),
            (12, "ENOMEM", false),
        ] {
            assert_eq!(is_of_one_caller(&io::Error::from_raw_os_error(number)), of_one, "{name}");
        }
    }
}
