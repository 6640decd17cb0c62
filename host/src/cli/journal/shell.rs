//! `journal shell`: what a person asks of a journal in SQL.

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Done, refused, settings};
use crate::cli::ConfigFile;
use crate::cli::columns::columns;
use crate::cli::output::Format;
use crate::explain::Code;
use crate::lifecycle::refuse;
use crate::store::shell::{Cell, Limits, ShellError, Table, ask};

#[derive(clap::Args)]
pub struct Arguments {
    /// One statement or several; without any they are read from the standard input.
    sql: Vec<String>,
    /// A copy to be asked in place of the journal.
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,
    /// Rows of a statement that are shown.
    #[arg(long, default_value_t = 1000)]
    rows: usize,
    /// How long a statement may take, in seconds: while it runs, the host's log grows.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    time: u64,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    file: ConfigFile,
}

const INSTEAD: &str = "`psql` asks it, best as a user that may only read";

pub fn run(arguments: &Arguments) -> Done {
    let database = match &arguments.backup {
        Some(backup) => backup.clone(),
        None => settings(&arguments.file.config, INSTEAD)?.database(),
    };
    let text = statements(arguments)?;
    let limits = Limits { rows: arguments.rows, time: Duration::from_secs(arguments.time) };
    let show = |table: Table| match arguments.format.is_json() {
        true => println!("{}", document(&table)),
        false => print!("{}", lines(&table)),
    };
    match ask(&database, &text, limits, show) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(ShellError::Open(error)) => Err(refuse(&error.into())),
        Err(error) => Err(refused(Code::NoAnswer, error)),
    }
}

fn statements(arguments: &Arguments) -> Result<String, ExitCode> {
    if !arguments.sql.is_empty() {
        return Ok(arguments.sql.join(" "));
    }
    let mut input = std::io::stdin();
    if input.is_terminal() {
        eprintln!("Write SQL, and end it with Ctrl-D.");
    }
    let mut text = String::new();
    let read = input.read_to_string(&mut text);
    read.map_err(|error| refused(Code::FileOfCommand, format!("cannot read the standard input: {error}")))?;
    Ok(text)
}

fn lines(table: &Table) -> String {
    let rows = table.rows.iter().map(|row| row.iter().map(text).collect());
    let all: Vec<Vec<String>> = std::iter::once(table.columns.clone()).chain(rows).collect();
    let more = if table.more { "there are more: --rows\n" } else { "" };
    columns(&all) + more
}

/// As one line, whatever others have sent.
fn text(cell: &Cell) -> String {
    match cell {
        Cell::Null => "-".to_owned(),
        Cell::Integer(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
        Cell::Text(text) => {
            text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
        }
        Cell::Sealed(bytes) => format!("sealed, {bytes} bytes"),
    }
}

/// Each statement is a line: its rows as objects.
fn document(table: &Table) -> Value {
    let value = |cell: &Cell| match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => json!(number),
        Cell::Real(number) => json!(number),
        Cell::Text(text) => json!(text),
        Cell::Sealed(_) => json!(text(cell)),
    };
    let row = |row: &Vec<Cell>| {
        let members = table.columns.iter().cloned().zip(row.iter().map(value));
        Value::Object(members.collect())
    };
    json!({ "rows": table.rows.iter().map(row).collect::<Vec<_>>(), "more": table.more })
}
