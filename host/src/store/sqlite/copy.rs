//! A copy of a journal page by page, as it stands at one moment, while whoever has it goes on writing.

use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::domain::Timestamp;

const PAGES_AT_A_TIME: i32 = 4096;

/// Opens a journal to look at it. Nothing is changed by that: not even its log is folded in.
pub fn look(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

/// Holds one moment until the connection is dropped: what is written meanwhile is not seen.
pub fn hold_still(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN")?;
    connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))
}

/// Copies a journal into an empty file that is there already. It is whole by itself then, and not synced yet.
pub fn copy(from: &Path, to: &Path) -> rusqlite::Result<()> {
    let source = look(from)?;
    // Without that, each write of the host would begin the copy anew.
    hold_still(&source)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(to, flags)?;
    // Nobody needs half a copy back.
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    Backup::new(&source, &mut copy)?.run_to_completion(PAGES_AT_A_TIME, Duration::ZERO, None)?;
    drop(copy);
    // It came with the word that a log belongs to it.
    let copy = Connection::open_with_flags(to, flags)?;
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
}

/// What a copy holds, in a few words.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    pub key: Option<String>,
    pub events: u64,
    /// Operations that stand open.
    pub open: u64,
    pub newest_event: Option<Timestamp>,
}

pub fn contents(path: &Path) -> rusqlite::Result<Contents> {
    let connection = look(path)?;
    let count = |text| connection.query_row(text, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    let newest = connection
        .query_row("SELECT received_at FROM event ORDER BY received_at DESC LIMIT 1", [], |row| row.get(0))
        .optional()?;
    Ok(Contents {
        key: connection
            .query_row("SELECT value FROM meta WHERE name = 'key'", [], |row| row.get(0))
            .optional()?,
        events: count("SELECT COUNT(*) FROM event WHERE identity <> 'purged'")?,
        open: count("SELECT COUNT(*) FROM operation WHERE open = 1")?,
        newest_event: newest.map(Timestamp::from_millis),
    })
}

/// Whether it is the file that is wrong, and not what was asked of it.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}
