//! `journal`: the care of what is durable.

mod backup;
mod export;
mod rotate;
mod shell;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use crate::config;
use crate::explain::Code;
use crate::lifecycle::refuse;
use crate::store::{self, CareError};

#[derive(Subcommand)]
pub enum Command {
    /// Copy it into a new file, while a host runs or not. The key is not in it.
    Backup(backup::Backup),
    /// Bring a copy back, with the host stopped.
    Restore(backup::Restore),
    /// Write all that it holds into one file, with the host stopped: to go on in another place, or on another engine.
    Export(export::Export),
    /// Read such a file into a database, or a directory, where no journal is.
    Import(export::Import),
    /// Look it through, or a copy, and say all that is wrong with it; change nothing.
    Verify(verify::Arguments),
    /// Ask it, or a copy, in SQL. Nothing is changed by that.
    Shell(shell::Arguments),
    /// Seal all that it holds with a new key, and remove the old one. Stop the host first.
    RotateKey(rotate::Arguments),
}

pub async fn run(command: &Command) -> ExitCode {
    let done = match command {
        Command::Backup(arguments) => backup::backup(arguments),
        Command::Restore(arguments) => backup::restore(arguments),
        Command::Export(arguments) => export::export(arguments).await,
        Command::Import(arguments) => export::import(arguments).await,
        Command::Verify(arguments) => verify::run(arguments),
        Command::Shell(arguments) => shell::run(arguments),
        Command::RotateKey(arguments) => rotate::run(arguments).await,
    };
    done.unwrap_or_else(|told| told)
}

/// What went wrong is said already when this is an error.
type Done = Result<ExitCode, ExitCode>;

/// Those of a journal in a directory. Of any other one it is said what there is `instead`.
fn settings(file: &Path, instead: &str) -> Result<store::Settings, ExitCode> {
    let settings = config::journal(file).map_err(|problems| refuse(&problems.into()))?;
    let Some(postgres) = &settings.postgres else { return Ok(settings) };
    let why = format!("this command is for a journal in a directory, and this one is on {}", postgres.name);
    eprint!("{}", Code::JournalElsewhere.advise(why, Some(instead)));
    Err(ExitCode::FAILURE)
}

fn tell(error: &CareError) -> ExitCode {
    eprint!("{}", error.code().advise(error, error.help().as_deref()));
    ExitCode::FAILURE
}

fn refused(code: Code, why: impl std::fmt::Display) -> ExitCode {
    eprint!("{}", code.tell(why, &[]));
    ExitCode::FAILURE
}
