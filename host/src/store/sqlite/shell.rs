//! Answers what a person asks of a journal in SQL. It only reads, for a limited time, and one statement at a time,
//! so that a host which runs meanwhile can fold its log in.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, ErrorCode, Row, Statement};

use super::super::OpenError;
use super::copy::look;

/// What one statement may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub rows: usize,
    pub time: Duration,
}

/// What one statement gave.
#[derive(Debug, Default)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
    /// There were more rows than may be shown.
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    /// So many bytes that say nothing without the key.
    Sealed(usize),
}

#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("this would write, and the shell only reads: a journal is changed by its host alone")]
    Writes,
    #[error("a transaction would keep the host from folding its log in: each statement stands for itself")]
    Transaction,
    #[error("it took longer than {0:?}, and was stopped")]
    TooLong(Duration),
    #[error("{0}")]
    Sql(rusqlite::Error),
}

/// Runs statement after statement, and hands on what each gives.
///
/// # Errors
/// When one of them cannot be answered; those after it are not run.
pub fn ask(path: &Path, text: &str, limits: Limits, mut show: impl FnMut(Table)) -> Result<(), ShellError> {
    let unusable = |source| ShellError::Open(OpenError::Sqlite { path: path.to_owned(), source });
    if !path.exists() {
        return Err(OpenError::NoJournal(path.parent().unwrap_or(path).to_owned()).into());
    }
    let connection = look(path).map_err(unusable)?;
    let mut statements = Batch::new(&connection, text);
    while let Some(mut statement) = statements.next().map_err(ShellError::Sql)? {
        if !statement.readonly() {
            return Err(ShellError::Writes);
        }
        let table = in_time(&connection, limits.time, || read(&mut statement, limits.rows))?;
        drop(statement);
        if !connection.is_autocommit() {
            return Err(ShellError::Transaction);
        }
        // One that gives nothing at all, such as a pragma that is set, has no columns.
        if !table.columns.is_empty() {
            show(table);
        }
    }
    Ok(())
}

/// Interrupts the connection when its time is up.
fn in_time<T>(
    connection: &Connection,
    time: Duration,
    work: impl FnOnce() -> rusqlite::Result<T>,
) -> Result<T, ShellError> {
    let handle = connection.get_interrupt_handle();
    let (done, watched) = channel::<()>();
    let watch = std::thread::spawn(move || {
        if watched.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
            handle.interrupt();
        }
    });
    let result = work();
    drop(done);
    let _ = watch.join();
    result.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => ShellError::TooLong(time),
        _ => ShellError::Sql(error),
    })
}

fn read(statement: &mut Statement<'_>, most: usize) -> rusqlite::Result<Table> {
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut table = Table { columns, ..Table::default() };
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if table.rows.len() == most {
            table.more = true;
            break;
        }
        table.rows.push(cells(row, table.columns.len())?);
    }
    Ok(table)
}

fn cells(row: &Row<'_>, columns: usize) -> rusqlite::Result<Vec<Cell>> {
    let cell = |at| {
        Ok(match row.get_ref(at)? {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(number) => Cell::Integer(number),
            ValueRef::Real(number) => Cell::Real(number),
            ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Cell::Sealed(bytes.len()),
        })
    };
    (0..columns).map(cell).collect()
}
