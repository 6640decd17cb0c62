//! `adapter build`: a component of an adapter's project.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::super::output::Format;
use super::{inspect, load, refused};
use crate::explain::Code;
use crate::telemetry::chain;
use crate::toolchain::{self, ToolchainError};

#[derive(clap::Args)]
pub struct Arguments {
    /// The folder of the adapter: the one with its Cargo.toml, pyproject.toml or package.json.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Put the component there, too.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let built = match built(&arguments.folder).await {
        Ok(built) => built,
        Err(error) => return unbuilt(&error),
    };
    // What cannot be loaded is not handed over.
    let adapter = match load(&built).await {
        Ok(adapter) => adapter,
        Err(code) => return code,
    };
    if let Some(to) = &arguments.to
        && let Err(error) = std::fs::copy(&built, to)
    {
        return refused(Code::FileOfCommand, format!("cannot write {}: {error}", to.display()));
    }
    inspect::show(&adapter, arguments.to.as_ref().unwrap_or(&built), arguments.format)
}

/// Says why there is no component.
pub fn unbuilt(error: &ToolchainError) -> ExitCode {
    match error {
        ToolchainError::Missing(_) => refused(Code::ToolMissing, chain(error)),
        _ => refused(Code::BuildFails, chain(error)),
    }
}

/// Builds on a thread for blocking work, and says on standard error which way is taken.
pub async fn built(folder: &Path) -> Result<PathBuf, ToolchainError> {
    let folder = folder.to_owned();
    let build = move || toolchain::build_adapter(&folder, &mut |line| eprintln!("{line}"));
    tokio::task::spawn_blocking(build)
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
