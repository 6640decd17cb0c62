//! The listener under each neighbour: bind, serve, stop.
//!
//! It is made of hyper rather than of `axum::serve`, because a neighbour must be
//! able to hang up without an answer, and because its connections must end with it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// How long the listener rests when the machine has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What a neighbour has running. All of it ends at `stop`, wherever it stands.
#[derive(Clone, Default)]
pub(crate) struct Tasks {
    stop: CancellationToken,
    running: TaskTracker,
}

impl Tasks {
    pub(crate) fn spawn<F>(&self, work: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.running.spawn(async move {
            stop.run_until_cancelled(work).await;
        })
    }

    /// Everything ends when the guard is dropped.
    pub(crate) fn guard(&self) -> DropGuard {
        self.stop.clone().drop_guard()
    }

    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.running.close();
        self.running.wait().await;
    }
}

/// A listening neighbour. It stops when this is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    tasks: Tasks,
    _running: DropGuard,
}

impl Server {
    pub(crate) async fn start(listen: SocketAddr, routes: Router, tasks: Tasks) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        tasks.spawn(accept(listener, routes, tasks.clone()));
        Ok(Self { address, _running: tasks.guard(), tasks })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops, and returns when the port is free and every connection is closed.
    pub(crate) async fn stop(&self) {
        self.tasks.stop().await;
    }
}

async fn accept(listener: TcpListener, routes: Router, tasks: Tasks) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tasks.spawn(serve(stream, routes.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, routes: Router) {
    // Without it small answers wait for more to say; a failure costs only time.
    stream.set_nodelay(true).ok();
    let routes = TowerToHyperService::new(routes);
    let service = hyper::service::service_fn(move |request| {
        let answer = routes.call(request);
        async move {
            let Ok(answer) = answer.await;
            match answer.extensions().get::<HangUp>() {
                Some(HangUp) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
                None => Ok(answer),
            }
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Marks the answer that is never given.
#[derive(Clone, Copy)]
struct HangUp;

/// Instead of an answer: the connection closes and the caller reads no status line.
pub(crate) fn hang_up() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(HangUp);
    response
}
