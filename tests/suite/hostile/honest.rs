//! A sender of honest events, who measures how long he waits and does nothing else: on a thread
//! and a runtime of his own. Beside him a witness measures what the machine withholds from
//! anybody, for the promise is the host's, and not that of a machine on which others build.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::attacks::BASIC;
use crate::listeners::caller;

/// More than he can send in the longest run.
pub const ACCOUNTS: u64 = 2000;
const ADDRESS: u8 = 7;
const EVERY: Duration = Duration::from_millis(200);
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);
const LOOKS_EVERY: Duration = Duration::from_millis(10);

pub struct Sender {
    shared: Arc<Shared>,
    waits: JoinHandle<Vec<Span>>,
    withheld: JoinHandle<Vec<Span>>,
}

#[derive(Default)]
struct Shared {
    sent: AtomicU64,
    stop: AtomicBool,
}

#[derive(Clone, Copy)]
struct Span {
    from: Instant,
    to: Instant,
}

impl Span {
    fn since(from: Instant) -> Self {
        Self { from, to: Instant::now() }
    }

    fn length(self) -> Duration {
        self.to - self.from
    }

    fn within(self, other: Self) -> Duration {
        self.to.min(other.to).saturating_duration_since(self.from.max(other.from))
    }
}

impl Sender {
    /// The witness writes into that folder, on the disk of the journal.
    pub fn start(door: SocketAddr, folder: &Path) -> Self {
        let shared = Arc::new(Shared::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (sends, looks) = (Arc::clone(&shared), Arc::clone(&shared));
        let file = folder.join("witness");
        let waits = std::thread::spawn(move || runtime.block_on(sends.send_all(door)));
        let withheld = std::thread::spawn(move || looks.witness(&file));
        Self { shared, waits, withheld }
    }

    pub fn sent(&self) -> u64 {
        assert!(!self.waits.is_finished(), "the honest sender gave up");
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// How many events were sent, and the longest time that one waited for the host.
    pub fn stop(self) -> (u64, Duration) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let ended =
            |thread: JoinHandle<_>| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (waits, withheld) = (ended(self.waits), ended(self.withheld));
        let the_hosts = |wait: &Span| {
            let machines: Duration = withheld.iter().map(|span| span.within(*wait)).sum();
            wait.length().saturating_sub(machines)
        };
        let slowest = waits.iter().map(the_hosts).max().unwrap_or_default();
        assert!(slowest <= ANSWERED_WITHIN, "an honest event was answered after {slowest:?}");
        (waits.len() as u64, slowest)
    }
}

impl Shared {
    async fn send_all(&self, door: SocketAddr) -> Vec<Span> {
        let mut waits = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let i_account = waits.len() as u64 + 1;
            let began = Instant::now();
            let answer = send(door, i_account).await;
            let wait = Span::since(began);
            assert!(answer.starts_with("HTTP/1.1 200 "), "honest event {i_account}: {answer:?}");
            waits.push(wait);
            self.sent.store(i_account, Ordering::Relaxed);
            tokio::time::sleep(EVERY.saturating_sub(wait.length())).await;
        }
        waits
    }

    /// Does little, again and again: waits for a moment, and for the disk. What takes longer than the
    /// moment was withheld.
    fn witness(&self, file: &Path) -> Vec<Span> {
        let mut file = File::create(file).expect("a file");
        let mut withheld = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let due = Instant::now() + LOOKS_EVERY;
            std::thread::sleep(LOOKS_EVERY);
            file.write_all(b".").and_then(|()| file.sync_data()).expect("written");
            withheld.push(Span::since(due));
        }
        withheld
    }
}

async fn send(door: SocketAddr, i_account: u64) -> String {
    let body = format!(
        "{{\"event_type\":\"Account/New\",\"variables\":{{\"i_account\":{i_account},\"i_event\":{i_account}}}}}"
    );
    let mut caller = caller(ADDRESS, door).await;
    let head = format!("POST /espf/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{BASIC}");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    caller.write_all(request.as_bytes()).await.expect("sent");
    let mut heard = Vec::new();
    let _ = caller.read_to_end(&mut heard).await;
    String::from_utf8_lossy(&heard).into_owned()
}
