//! `adapter`: what an integrator asks of a component, and what an operator does with one that serves.

pub mod build;
mod case;
mod compare;
mod inspect;
mod test;

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use super::operation::Signed;
use crate::explain::Code;
use crate::lifecycle::EXIT_CONFIGURATION;
use crate::wasm::{Adapter, Sandbox};

#[derive(Subcommand)]
pub enum Command {
    /// Build the component of a crate in Rust, and see that it fits the contract.
    Build(build::Arguments),
    /// Say what a component is: who it says it is, what it needs, and whether it fits the contract.
    Inspect(inspect::Arguments),
    /// Ask a component all that its golden cases hold, and say what it answers otherwise.
    Test(test::Arguments),
    /// Let it be asked again about whatever processes died of, and out of its quarantine, wherever it serves.
    Release(Signed),
}

pub async fn run(command: &Command) -> ExitCode {
    match command {
        Command::Build(arguments) => build::run(arguments).await,
        Command::Inspect(arguments) => inspect::run(arguments).await,
        Command::Test(arguments) => test::run(arguments).await,
        Command::Release(signed) => signed.post("groups", "release").await,
    }
}

fn refused(code: Code, why: String) -> ExitCode {
    eprint!("{}", code.tell(why, &[]));
    ExitCode::FAILURE
}

/// Loads a component as `serve` does, or says why it cannot be.
async fn load(path: &Path) -> Result<Adapter, ExitCode> {
    let told = |code: Code, why: String| {
        eprint!("{}", code.tell(why, &[]));
        ExitCode::from(EXIT_CONFIGURATION)
    };
    let sandbox = Sandbox::new().map_err(|error| told(Code::Machine, format!("{error:#}")))?;
    sandbox.load(path).await.map_err(|error| told(error.code(), error.to_string()))
}
