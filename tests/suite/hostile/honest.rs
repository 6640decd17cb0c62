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
/// However much the machine withholds.
const WAITS_AT_MOST: Duration = Duration::from_secs(5);
const LOOKS_EVERY: Duration = Duration::from_millis(10);
/// How long the witness looks before anybody does anything.
const IDLE: Duration = Duration::from_secs(2);

pub struct Sender {
    shared: Arc<Shared>,
    waits: JoinHandle<Vec<Span>>,
    looks: JoinHandle<Vec<Span>>,
    /// What a look takes on the idle machine.
    baseline: Duration,
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

    /// What is left of it behind its first part.
    fn after(self, part: Duration) -> Self {
        Self { from: self.from + part, ..self }
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
        let mut file = File::create(folder.join("witness")).expect("a file");
        let baseline = baseline(&mut file);
        let waits = std::thread::spawn(move || runtime.block_on(sends.send_all(door)));
        let looks = std::thread::spawn(move || looks.witness(&mut file));
        Self { shared, waits, looks, baseline }
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
        let (waits, looks) = (ended(self.waits), ended(self.looks));
        let slowest = waits.iter().map(|wait| the_hosts(*wait, &looks, self.baseline)).max();
        let slowest = slowest.unwrap_or_default();
        assert!(slowest <= ANSWERED_WITHIN, "an honest event was answered after {slowest:?}");
        let longest = waits.iter().map(|wait| wait.length()).max().unwrap_or_default();
        assert!(longest <= WAITS_AT_MOST, "an honest event waited {longest:?}, whoever is to blame");
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

    fn witness(&self, file: &mut File) -> Vec<Span> {
        let mut looks = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            looks.push(look(file));
        }
        looks
    }
}

/// Does little: waits for a moment, and for the disk. What it takes beside the moment.
fn look(file: &mut File) -> Span {
    let due = Instant::now() + LOOKS_EVERY;
    std::thread::sleep(LOOKS_EVERY);
    file.write_all(b".").and_then(|()| file.sync_data()).expect("written");
    Span::since(due)
}

/// What a look takes as a rule, while nothing happens.
fn baseline(file: &mut File) -> Duration {
    let began = Instant::now();
    let mut looks = Vec::new();
    while began.elapsed() < IDLE {
        looks.push(look(file).length());
    }
    looks.sort_unstable();
    looks[looks.len() / 2]
}

/// What of a wait is not the machine's: all but what looks took longer than they do on an idle one.
fn the_hosts(wait: Span, looks: &[Span], baseline: Duration) -> Duration {
    let withheld = looks.iter().filter(|look| look.length() > baseline).map(|look| look.after(baseline));
    let machines: Duration = withheld.map(|span| span.within(wait)).sum();
    wait.length().saturating_sub(machines)
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

#[test]
fn what_a_look_takes_anyway_excuses_no_host() {
    let began = Instant::now();
    let at = |from: u64, to: u64| Span {
        from: began + Duration::from_millis(from),
        to: began + Duration::from_millis(to),
    };
    let usual: Vec<Span> = (0..300).map(|number| at(number * 10, number * 10 + 4)).collect();
    let hosts = |wait, looks: &[Span]| the_hosts(wait, looks, Duration::from_millis(4)).as_millis();
    assert_eq!(hosts(at(0, 1500), &usual), 1500, "a slow host is not forgiven");
    assert_eq!(hosts(at(100, 400), &[at(150, 354)]), 100, "a machine that stood still is");
    assert_eq!(hosts(at(100, 400), &[at(0, 200)]), 200, "as far as it was meanwhile");
    assert_eq!(hosts(at(100, 400), &[]), 300);
}
