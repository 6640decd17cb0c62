//! The one writer. Whatever waits goes into one transaction, and every waiter is answered
//! after its commit: on a disk that syncs in four milliseconds that is the difference between
//! 330 and 25,000 rows a second. There is no timer: a lone write does not wait for company.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::super::copied;
use super::copy;
use crate::ports::JournalError;

const BATCH_ITEMS_MAX: usize = 256;
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Waiting writes beyond which the doors refuse.
const WAITING_MAX: usize = 4096;
const LOOK_FOR_A_PLACE: Duration = Duration::from_millis(2);

/// Runs in the transaction, or learns that there is none; gives what is to be done once it is known
/// how that ended, and whether it found the disk full.
type Work = Box<dyn FnOnce(Option<&Connection>) -> (Answer, bool) + Send>;
type Answer = Box<dyn FnOnce(Option<&JournalError>)>;

struct Item {
    bytes: usize,
    work: Work,
}

pub struct Writer {
    queue: Option<SyncSender<Item>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// `failed` is cancelled when a commit fails: what is on the disk is not known then, and
    /// only a new start can find out.
    pub fn start(connection: Connection, failed: CancellationToken) -> std::io::Result<Self> {
        let (queue, items) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || run(&connection, &items, &failed))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// As [`Writer::write`], but waits for a place: what is under way is not thrown away because
    /// others are in a hurry.
    pub async fn write_patiently<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce(&Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (mut item, answered) = item(bytes, work);
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        loop {
            match queue.try_send(item) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return Err(stopped()),
                Err(TrySendError::Full(back)) => item = back,
            }
            tokio::time::sleep(LOOK_FOR_A_PLACE).await;
        }
        answered.await.map_err(|_| stopped())?
    }

    /// Runs `work` in the next transaction. `Ok` means committed and synced.
    ///
    /// # Errors
    /// [`JournalError::Busy`] when too much waits already.
    pub async fn write<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce(&Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (item, answered) = item(bytes, work);
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.try_send(item).map_err(|error| match error {
            TrySendError::Full(_) => JournalError::Busy,
            TrySendError::Disconnected(_) => stopped(),
        })?;
        answered.await.map_err(|_| stopped())?
    }
}

type Answered<T> = oneshot::Receiver<Result<T, JournalError>>;

fn item<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce(&Connection) -> Result<T, JournalError> + Send + 'static,
) -> (Item, Answered<T>) {
    let (answer, answered) = oneshot::channel();
    let work: Work = Box::new(move |connection| {
        let result = connection.map_or_else(|| Err(stopped()), |connection| in_savepoint(connection, work));
        let found_full = matches!(result, Err(JournalError::Full));
        let answer: Answer = Box::new(move |failure| {
            let _ = answer.send(match failure {
                None => result,
                Some(failure) => Err(copied(failure)),
            });
        });
        (answer, found_full)
    });
    (Item { bytes, work }, answered)
}

impl Drop for Writer {
    /// What waits is still written.
    fn drop(&mut self) {
        self.queue.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An error of SQLite in words of the port.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub fn sql(error: rusqlite::Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => JournalError::Full,
        _ if copy::is_damage(&error) => {
            JournalError::Failed(format!("{error}: see `punchdown journal verify`"))
        }
        _ => JournalError::Failed(error.to_string()),
    }
}

fn stopped() -> JournalError {
    JournalError::Failed("the journal has stopped".to_owned())
}

fn run(connection: &Connection, items: &Receiver<Item>, failed: &CancellationToken) {
    // A panic here is as good as a failed commit.
    let mut unless_it_ends_well = Some(failed.clone().drop_guard());
    let mut was_full = false;
    while let Ok(first) = items.recv() {
        let changes = connection.total_changes();
        let ending = write_batch(connection, drain(first, items));
        if let Ending::Unknown(error) = ending {
            tracing::error!(%error, "a commit failed; the journal stops");
            failed.cancel();
            return;
        }
        // Who has found nothing to change has not found out that there is room.
        let tells = !matches!(ending, Ending::Committed) || connection.total_changes() > changes;
        let is_full = if tells { matches!(ending, Ending::Full) } else { was_full };
        match (was_full, is_full) {
            (false, true) => tracing::error!("the disk is full; nothing is written until there is room"),
            (true, false) => tracing::warn!("there is room on the disk again"),
            (true, true) | (false, false) => {}
        }
        was_full = is_full;
    }
    if let Some(guard) = unless_it_ends_well.take() {
        guard.disarm();
    }
    // A soft stop leaves one file behind. Where that cannot be, the log beside it is as good.
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::warn!(%error, "the write-ahead log was not folded in");
    }
}

fn drain(first: Item, items: &Receiver<Item>) -> Vec<Item> {
    let mut bytes = first.bytes;
    let mut batch = vec![first];
    while batch.len() < BATCH_ITEMS_MAX && bytes < BATCH_BYTES_MAX {
        match items.try_recv() {
            Ok(item) => {
                bytes += item.bytes;
                batch.push(item);
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
        }
    }
    batch
}

/// How a batch ended. Of all but the last it is known what the disk holds.
enum Ending {
    Committed,
    /// Nothing was begun.
    Held,
    /// Nothing was committed.
    Full,
    Unknown(JournalError),
}

fn write_batch(connection: &Connection, batch: Vec<Item>) -> Ending {
    let begun = run_kept(connection, "BEGIN IMMEDIATE");
    let (mut answers, mut found_full) = (Vec::with_capacity(batch.len()), false);
    for item in batch {
        // Who finds the disk full may have rolled back what those before him did; nobody goes on in a
        // transaction of his own.
        let transaction = (!connection.is_autocommit()).then_some(connection);
        let (answer, full) = (item.work)(transaction);
        found_full |= full;
        answers.push(answer);
    }
    let ending = match begun {
        Ok(()) if connection.is_autocommit() && found_full => Ending::Full,
        Ok(()) => ending(connection, run_kept(connection, "COMMIT")),
        Err(error) if is_held_by_another(&error) => Ending::Held,
        Err(error) => Ending::Unknown(JournalError::Failed(error.to_string())),
    };
    let failure = match &ending {
        Ending::Committed => None,
        Ending::Held => {
            let why = "the database is held by another process; end what else has it open";
            tracing::error!(error = why, "nothing is written now");
            Some(JournalError::Failed(why.to_owned()))
        }
        Ending::Full => Some(JournalError::Full),
        Ending::Unknown(error) => Some(copied(error)),
    };
    for answer in answers {
        answer(failure.as_ref());
    }
    ending
}

/// A commit that finds no room for its log has written none of it that counts. After any other failure nobody knows.
fn ending(connection: &Connection, committed: rusqlite::Result<()>) -> Ending {
    let Err(error) = committed else { return Ending::Committed };
    let rolled_back = connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok();
    match sql(error) {
        JournalError::Full if rolled_back => Ending::Full,
        error => Ending::Unknown(error),
    }
}

fn is_held_by_another(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}

/// What runs with every item is not parsed with every item.
fn run_kept(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(drop)
}

/// A savepoint an item, so that one that fails does not take its neighbours with it.
fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, JournalError>,
) -> Result<T, JournalError> {
    run_kept(connection, "SAVEPOINT item").map_err(sql)?;
    match work(connection) {
        Ok(value) => run_kept(connection, "RELEASE item").map_err(sql).map(|()| value),
        // The whole transaction is gone, and its savepoints with it.
        Err(error) if connection.is_autocommit() => Err(error),
        Err(error) => {
            connection.execute_batch("ROLLBACK TO item; RELEASE item").map_err(sql)?;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(file: &std::path::Path) -> Connection {
        let connection = Connection::open(file).expect("a database");
        connection.busy_timeout(Duration::from_millis(50)).expect("set");
        connection
    }

    fn rows(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("a number")
    }

    async fn add(writer: &Writer, sql: &'static str) -> Result<(), JournalError> {
        writer.write(1, move |connection| run_sql(connection, sql)).await
    }

    fn run_sql(connection: &Connection, text: &str) -> Result<(), JournalError> {
        connection.execute_batch(text).map_err(sql)
    }

    /// A database with a table, its writer, and a connection of somebody else.
    fn set(folder: &std::path::Path) -> (Writer, CancellationToken, Connection) {
        let file = folder.join("t.db");
        let other = connection(&file);
        other
            .execute_batch("CREATE TABLE t (x PRIMARY KEY, y REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
            .expect("a table");
        let ours = connection(&file);
        ours.execute_batch("PRAGMA foreign_keys = ON").expect("set");
        let failed = CancellationToken::new();
        (Writer::start(ours, failed.clone()).expect("a writer"), failed, other)
    }

    #[tokio::test]
    async fn while_another_holds_the_database_writes_fail_and_the_writer_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let (writer, failed, other) = set(folder.path());
        other.execute_batch("BEGIN IMMEDIATE").expect("held");
        for _ in 0..2 {
            let refused = add(&writer, "INSERT INTO t VALUES (1, NULL)").await.expect_err("it is held");
            assert!(refused.to_string().contains("held by another process"), "{refused}");
        }
        other.execute_batch("ROLLBACK").expect("given back");
        assert!(!failed.is_cancelled(), "what the disk holds is known");
        add(&writer, "INSERT INTO t VALUES (1, NULL)").await.expect("written");
        assert_eq!(rows(&other), 1, "what was refused was not written");
    }

    /// SQLite then rolls back the whole transaction, and not the one statement alone.
    #[tokio::test]
    async fn where_there_is_no_room_nobody_is_told_that_he_was_written_and_the_writer_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let (writer, failed, other) = set(folder.path());
        drop(writer);
        let ours = connection(&folder.path().join("t.db"));
        ours.execute_batch("PRAGMA max_page_count = 8").expect("set");
        let texts = [
            "INSERT INTO t VALUES (1, NULL)",
            "INSERT INTO t VALUES (zeroblob(100000), NULL)",
            "INSERT INTO t VALUES (3, NULL)",
        ];
        let (items, told): (Vec<_>, Vec<_>) =
            texts.map(|text| item(1, move |connection| run_sql(connection, text))).into_iter().unzip();
        assert!(matches!(write_batch(&ours, items), Ending::Full));
        for told in told {
            assert!(matches!(told.await.expect("an answer"), Err(JournalError::Full)));
        }
        assert_eq!(rows(&other), 0);
        let writer = Writer::start(ours, failed.clone()).expect("a writer");
        add(&writer, texts[1]).await.expect_err("there is no room");
        add(&writer, texts[0]).await.expect("for this one there is");
        assert!(!failed.is_cancelled(), "what the disk holds is known");
        assert_eq!(rows(&other), 1);
    }

    #[tokio::test]
    async fn a_commit_that_fails_stops_the_writer() {
        let folder = tempfile::tempdir().expect("a folder");
        let (writer, failed, other) = set(folder.path());
        // Found out at the commit alone.
        add(&writer, "INSERT INTO t VALUES (1, 2)").await.expect_err("nobody is 2");
        failed.cancelled().await;
        add(&writer, "INSERT INTO t VALUES (3, NULL)").await.expect_err("it has stopped");
        drop(writer);
        assert_eq!(rows(&other), 0);
    }
}
