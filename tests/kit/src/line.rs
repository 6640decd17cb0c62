//! A line to a server. It can be slow, swallow what is said on it, forget the connections that it has, be cut, and be cut
//! at the very moment of a commit of PostgreSQL (in the clear).

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::lock::lock;
use crate::server::Tasks;

/// What is carried at a time.
const CHUNK: usize = 16 * 1024;
/// A simple query, as it stands on the wire.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// What a line does with what is said on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Passes,
    /// Each piece comes later by that, in either direction.
    Slow(Duration),
    /// Connections are taken, and nothing passes, not even that somebody has hung up. What was said meanwhile comes
    /// when the line passes again.
    Swallows,
}

/// When a commit loses its line.
#[derive(Clone, Copy, Debug)]
pub enum AtCommit {
    /// The server does not hear it.
    Unheard,
    /// The server has done it, and its answer does not come.
    Unanswered,
}

/// It ends when this is dropped.
pub struct Line {
    address: SocketAddr,
    carried: Arc<Carried>,
    _running: DropGuard,
}

struct Carried {
    server: Mutex<SocketAddr>,
    how: watch::Sender<How>,
    /// Ends the connections that there are.
    cut: Mutex<CancellationToken>,
    made: AtomicU64,
    /// So many of those that were made, the oldest, are forgotten.
    forgotten: AtomicU64,
    at_commit: Mutex<Option<AtCommit>>,
}

/// One of its connections.
struct Call {
    number: u64,
    /// The server's next word does not come.
    unanswered: AtomicBool,
}

impl Line {
    /// # Errors
    /// When there is no address for it.
    pub async fn to(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let carried = Arc::new(Carried {
            server: Mutex::new(server),
            how: watch::Sender::new(How::Passes),
            cut: Mutex::default(),
            made: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
            at_commit: Mutex::default(),
        });
        let tasks = Tasks::default();
        let running = tasks.guard();
        tasks.spawn(accept(listener, Arc::clone(&carried), tasks.clone()));
        Ok(Self { address, carried, _running: running })
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// New connections go to that server.
    pub fn lead_to(&self, server: SocketAddr) {
        *lock(&self.carried.server) = server;
    }

    pub fn set(&self, how: How) {
        self.carried.how.send_replace(how);
    }

    /// All connections end, and new ones can be made.
    pub fn cut(&self) {
        std::mem::take(&mut *lock(&self.carried.cut)).cancel();
    }

    /// Nothing passes any more over the connections that there are, for ever, and neither side is told; new ones pass.
    pub fn forget(&self) {
        self.carried.forgotten.store(self.carried.made.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The next commit that comes along has its connection cut.
    pub fn cut_at_commit(&self, when: AtCommit) {
        *lock(&self.carried.at_commit) = Some(when);
    }

    /// Whether that commit has come.
    pub fn has_cut(&self) -> bool {
        lock(&self.carried.at_commit).is_none()
    }
}

async fn accept(listener: TcpListener, carried: Arc<Carried>, tasks: Tasks) {
    loop {
        let Ok((caller, _)) = listener.accept().await else { continue };
        let carried = Arc::clone(&carried);
        let call =
            Call { number: carried.made.fetch_add(1, Ordering::Relaxed), unanswered: AtomicBool::new(false) };
        tasks.spawn(async move { carried.connect(caller, &call).await });
    }
}

impl Carried {
    async fn connect(&self, caller: TcpStream, call: &Call) {
        let cut = lock(&self.cut).clone();
        let carries = async {
            self.passes(call).await;
            let server = *lock(&self.server);
            let Ok(server) = TcpStream::connect(server).await else { return };
            // Without it small answers wait for more to say.
            let _ = (caller.set_nodelay(true), server.set_nodelay(true));
            let (from_caller, to_caller) = caller.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                _ = self.ask(from_caller, to_server, call) => {}
                _ = self.answer(from_server, to_caller, call) => {}
            }
        };
        cut.run_until_cancelled(carries).await;
    }

    async fn ask(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        call: &Call,
    ) -> io::Result<()> {
        let mut piece = vec![0; CHUNK];
        loop {
            let count = self.next(&mut from, &mut piece, call).await?;
            let commits = piece[..count].windows(COMMIT.len()).any(|some| some == COMMIT);
            match lock(&self.at_commit).take_if(|_| commits) {
                Some(AtCommit::Unheard) => return Ok(()),
                Some(AtCommit::Unanswered) => call.unanswered.store(true, Ordering::Release),
                None => {}
            }
            to.write_all(&piece[..count]).await?;
        }
    }

    async fn answer(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        call: &Call,
    ) -> io::Result<()> {
        let mut piece = vec![0; CHUNK];
        loop {
            let count = self.next(&mut from, &mut piece, call).await?;
            if call.unanswered.load(Ordering::Acquire) {
                return Ok(());
            }
            to.write_all(&piece[..count]).await?;
        }
    }

    /// What is said next, when it gets here. That somebody has hung up is said on the line, too.
    async fn next(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        piece: &mut [u8],
        call: &Call,
    ) -> io::Result<usize> {
        let said = from.read(piece).await;
        self.passes(call).await;
        match said? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }

    /// Waits as long as the line lets one wait.
    async fn passes(&self, call: &Call) {
        if self.forgotten.load(Ordering::Relaxed) > call.number {
            std::future::pending::<()>().await;
        }
        // The senders are borrowed for as long as this waits, so the wait cannot fail.
        let how =
            self.how.subscribe().wait_for(|how| *how != How::Swallows).await.map_or(How::Passes, |how| *how);
        if let How::Slow(by) = how {
            tokio::time::sleep(by).await;
        }
    }
}
