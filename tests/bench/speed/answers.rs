//! Answers that are durable: how many events a second are committed, synced and answered, over so many kept
//! connections of which each sends its next event when the last one is answered. Beside it the same rows through a
//! plain group commit: whoever waits is written together, and nothing else is done.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use punchdown::cli::stage::Stage;
use punchdown::store;
use rusqlite::{Connection, params};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::measure::{Failed, Times, Told, per_second};
use super::scene::{HOST, set};

const CONNECTIONS: [usize; 4] = [1, 8, 64, 256];
/// As the host's writer has it.
const TOGETHER_MAX: usize = 256;

pub async fn run(folder: &Path, seconds: f64, _: Told) -> Result<(), Failed> {
    let time = Duration::from_secs_f64(seconds);
    // Events are stored with their operations, and nothing else of them moves.
    let mut stage = set(folder, HOST, "paused = true").await?;
    stage.start_host().await?;
    let number = Arc::new(AtomicU64::new(1));
    let (doors, head) = (&[stage.public], &head(&stage)?);
    post_events(doors, head, 8, Duration::from_secs(1), &number).await?;
    println!("connections   durable answers/s                                    bare group commit/s");
    let mut hosts = Vec::new();
    for connections in CONNECTIONS {
        hosts.push(post_events(doors, head, connections, time, &number).await?);
    }
    stage.stop_host().await?;
    let sizes = sizes(&stage.directory.join("data/journal.db"))?;
    for (connections, mut host) in CONNECTIONS.into_iter().zip(hosts) {
        let mut bare = commit(folder, connections, time, sizes).await?;
        let of = |times: &Times| per_second(times.count(), time);
        let (host_rate, bare_rate) = (of(&host), of(&bare));
        println!(
            "{connections:>11}  {host_rate:>7.0}  {}   {bare_rate:>7.0}  {}   {:.0} %",
            host.told(),
            bare.told(),
            100.0 * host_rate / bare_rate
        );
    }
    Ok(())
}

/// Events of an account each, over so many connections, to these doors in turn.
pub async fn post_events(
    doors: &[SocketAddr],
    head: &str,
    connections: usize,
    time: Duration,
    number: &Arc<AtomicU64>,
) -> Result<Times, Failed> {
    let mut callers = JoinSet::new();
    for address in doors.iter().copied().cycle().take(connections) {
        let (head, number) = (head.to_owned(), Arc::clone(number));
        callers.spawn(async move { call(TcpStream::connect(address).await?, &head, time, &number).await });
    }
    let mut all = Times::default();
    while let Some(times) = callers.join_next().await {
        all.append(times??);
    }
    Ok(all)
}

/// Of each event that is posted.
pub fn head(stage: &Stage) -> std::io::Result<String> {
    let password = std::fs::read_to_string(stage.directory.join("secrets/espf"))?;
    let credential = BASE64_STANDARD.encode(format!("espf:{password}"));
    Ok(format!(
        "POST /espf/events HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {credential}\r\nContent-Type: application/json\r\n",
        stage.public
    ))
}

/// By hand, for a client library would use more of the cores than what is measured.
async fn call(
    mut connection: TcpStream,
    head: &str,
    time: Duration,
    number: &AtomicU64,
) -> std::io::Result<Times> {
    connection.set_nodelay(true)?;
    let mut times = Times::default();
    let began = Instant::now();
    while began.elapsed() < time {
        let id = number.fetch_add(1, Ordering::Relaxed);
        let sent = Instant::now();
        post(&mut connection, head, id).await?;
        times.add(sent.elapsed());
    }
    Ok(times)
}

/// The event of a new account, until it is answered.
pub async fn post(connection: &mut TcpStream, head: &str, id: u64) -> std::io::Result<()> {
    let mut answer = [0; 1024];
    let body = format!(
        "{{\"event_type\":\"Account/New\",\"variables\":{{\"i_event\":{id},\"i_env\":1,\"i_account\":{id}}}}}"
    );
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    connection.write_all(request.as_bytes()).await?;
    let read = connection.read(&mut answer).await?;
    if !answer[..read].starts_with(b"HTTP/1.1 200") {
        let said = String::from_utf8_lossy(&answer[..read]).into_owned();
        return Err(std::io::Error::other(format!("not taken: {said}")));
    }
    Ok(())
}

/// What the host has sealed of an event and of an operation.
fn sizes(database: &Path) -> Result<(usize, usize), Failed> {
    let journal = Connection::open(database)?;
    let of = |text: &str| journal.query_row(text, [], |row| row.get::<_, i64>(0));
    let body = of("SELECT CAST(AVG(LENGTH(body)) AS INTEGER) FROM event")?;
    let state = of("SELECT CAST(AVG(LENGTH(state)) AS INTEGER) FROM operation")?;
    Ok((usize::try_from(body)?, usize::try_from(state)?))
}

type Waiter = (i64, oneshot::Sender<()>);

async fn commit(
    folder: &Path,
    connections: usize,
    time: Duration,
    sizes: (usize, usize),
) -> Result<Times, Failed> {
    let directory: PathBuf = folder.join(format!("bare-{connections}"));
    // The host's own tables, with all their indexes.
    drop(store::open(&store::Settings::in_directory(&directory))?);
    let connection = Connection::open(directory.join("journal.db"))?;
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON")?;
    let (queue, waiters) = sync_channel(4096);
    let writer = std::thread::spawn(move || write(&connection, &waiters, sizes));
    let number = Arc::new(AtomicI64::new(1));
    let mut callers = JoinSet::new();
    for _ in 0..connections {
        let (queue, number) = (queue.clone(), Arc::clone(&number));
        callers.spawn(async move { wait(&queue, time, &number).await });
    }
    drop(queue);
    let mut all = Times::default();
    while let Some(times) = callers.join_next().await {
        all.append(times?);
    }
    writer.join().map_err(|_| "the writer stopped")??;
    Ok(all)
}

async fn wait(queue: &SyncSender<Waiter>, time: Duration, number: &AtomicI64) -> Times {
    let mut times = Times::default();
    let began = Instant::now();
    while began.elapsed() < time {
        let (answer, answered) = oneshot::channel();
        let asked = Instant::now();
        // There is always a place: no more wait than there are connections.
        if queue.try_send((number.fetch_add(1, Ordering::Relaxed), answer)).is_err()
            || answered.await.is_err()
        {
            break;
        }
        times.add(asked.elapsed());
    }
    times
}

fn write(connection: &Connection, waiters: &Receiver<Waiter>, sizes: (usize, usize)) -> rusqlite::Result<()> {
    let (body, state) = (vec![7_u8; sizes.0], vec![7_u8; sizes.1]);
    while let Ok(first) = waiters.recv() {
        let together: Vec<Waiter> =
            std::iter::once(first).chain(waiters.try_iter().take(TOGETHER_MAX - 1)).collect();
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for (number, _) in &together {
            let id = format!("1-{number}");
            connection
                .prepare_cached("INSERT INTO event (identity, name, i_account, received_at, body) VALUES (?1, 'Account/New', ?2, ?2, ?3)")?
                .execute(params![id, number, body])?;
            connection
                .prepare_cached("INSERT INTO lane (grp, i_account, due) VALUES ('HSS', ?1, ?1)")?
                .execute([number])?;
            connection
                .prepare_cached(
                    "INSERT INTO operation (id, lane, event, stage, open, gives_way, compare_at, due, received_at, changed_at, state)
                     VALUES (?1, ?2, ?1, 'received', 1, 0, 0, ?3, ?3, ?3, ?4)",
                )?
                .execute(params![id, connection.last_insert_rowid(), number, state])?;
        }
        connection.execute_batch("COMMIT")?;
        for (_, waiter) in together {
            let _ = waiter.send(());
        }
    }
    Ok(())
}
