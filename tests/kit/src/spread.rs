//! Stands in front of several servers that are one to their callers: each connection goes to the next of them that takes
//! it, and stays there.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::lock::lock;
use crate::server::Tasks;

/// It stops when this is dropped.
pub struct Spread {
    behind: Arc<Behind>,
    _running: DropGuard,
}

struct Behind {
    /// Each with what ends its connections, while it has any.
    servers: Vec<(SocketAddr, Mutex<Option<CancellationToken>>)>,
    next: AtomicUsize,
}

impl Spread {
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(at: SocketAddr, servers: &[SocketAddr]) -> io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let servers = servers.iter().map(|server| (*server, Mutex::new(Some(CancellationToken::new()))));
        let behind = Arc::new(Behind { servers: servers.collect(), next: AtomicUsize::new(0) });
        let tasks = Tasks::default();
        let running = tasks.guard();
        tasks.spawn(accept(listener, Arc::clone(&behind), tasks.clone()));
        Ok(Self { behind, _running: running })
    }

    /// Nothing goes to that one any more, and its connections are closed.
    pub fn leave_out(&self, server: usize) {
        if let Some(ends) = lock(&self.behind.servers[server].1).take() {
            ends.cancel();
        }
    }

    pub fn take_in(&self, server: usize) {
        lock(&self.behind.servers[server].1).get_or_insert_default();
    }
}

async fn accept(listener: TcpListener, behind: Arc<Behind>, tasks: Tasks) {
    loop {
        let Ok((caller, _)) = listener.accept().await else { continue };
        let behind = Arc::clone(&behind);
        tasks.spawn(async move { behind.hand_on(caller).await });
    }
}

impl Behind {
    async fn hand_on(&self, mut caller: TcpStream) {
        for _ in &self.servers {
            let at = self.next.fetch_add(1, Ordering::Relaxed) % self.servers.len();
            let (address, ends) = &self.servers[at];
            let Some(ends) = lock(ends).clone() else { continue };
            let Ok(mut server) = TcpStream::connect(address).await else { continue };
            // Without it small answers wait for more to say.
            let _ = (caller.set_nodelay(true), server.set_nodelay(true));
            ends.run_until_cancelled(copy_bidirectional(&mut caller, &mut server)).await;
            return;
        }
    }
}
