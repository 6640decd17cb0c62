//! `adapter`: what an integrator asks of a component, and what an operator does with one that serves.

mod bench;
pub mod build;
mod carried;
mod curl;
mod dev;
mod diff;
mod doctor;
mod inspect;
mod installed;
mod listed;
mod new;
mod ordered;
mod pin;
mod record;
mod run;
mod template;
mod test;
mod update;

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use super::operation::Signed;
use crate::explain::Code;
use crate::lifecycle::EXIT_CONFIGURATION;
use crate::wasm::{Adapter, Compiler, Sandbox};

#[derive(Subcommand)]
pub enum Command {
    /// Begin an adapter: a project that builds and passes its cases as it is.
    New(new::Arguments),
    /// Build the component of an adapter in Rust, Python or TypeScript, and see that it fits the contract.
    Build(build::Arguments),
    /// Say what a component is: who it says it is, what it needs, and whether it fits the contract.
    Inspect(inspect::Arguments),
    /// Say what two components, or one and the contract, import, export and say of themselves otherwise.
    Diff(diff::Arguments),
    /// Ask a component all that its golden cases hold, and say what it answers otherwise.
    Test(test::Arguments),
    /// Show what a component decides in a golden case, each request as a line for curl.
    Run(run::Arguments),
    /// Measure how long a component takes to answer its golden cases, and how much memory.
    Bench(bench::Arguments),
    /// Write down what happened to an operation of a running host as a golden case, with other names and numbers.
    Record(record::Arguments),
    /// Build at every save, ask the cases again, and show what changed in the requests.
    Dev(dev::Arguments),
    /// Say what this machine lacks to build adapters, and how to mend that.
    Doctor(doctor::Arguments),
    /// Put a component in the place of the one that serves a group, and have the host take it over. What is no good
    /// changes nothing.
    Install(installed::Install),
    /// Go back to the component that served a group before.
    Rollback(installed::Rollback),
    /// Say which components of each group are kept, and how many open operations each decided last.
    List(listed::List),
    /// Have a component that is kept serve a group, whatever lies in its place, until that is taken off.
    Pin(pin::Arguments),
    /// Let it be asked again about whatever processes died of, and out of its quarantine, wherever it serves.
    Release(Signed),
}

pub async fn run(command: &Command) -> ExitCode {
    match command {
        Command::New(arguments) => new::run(arguments),
        Command::Build(arguments) => build::run(arguments).await,
        Command::Inspect(arguments) => inspect::run(arguments).await,
        Command::Diff(arguments) => diff::run(arguments).await,
        Command::Test(arguments) => test::run(arguments).await,
        Command::Run(arguments) => run::run(arguments).await,
        Command::Bench(arguments) => bench::run(arguments).await,
        Command::Record(arguments) => record::run(arguments).await,
        Command::Dev(arguments) => dev::run(arguments).await,
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Install(arguments) => installed::install(arguments).await,
        Command::Rollback(arguments) => installed::rollback(arguments).await,
        Command::List(arguments) => listed::list(arguments).await,
        Command::Pin(arguments) => pin::run(arguments).await,
        Command::Release(signed) => signed.post("groups", "release").await,
    }
}

fn refused(code: Code, why: String) -> ExitCode {
    eprint!("{}", code.tell(why, &[]));
    ExitCode::FAILURE
}

fn sandbox() -> Result<Sandbox, ExitCode> {
    let sandbox = Sandbox::new().map_err(|error| unusable(Code::Machine, format!("{error:#}")))?;
    Ok(sandbox.compiling_by(Compiler::of_this_program(), None))
}

/// Loads a component as `serve` does, or says why it cannot be.
async fn load(path: &Path) -> Result<Adapter, ExitCode> {
    load_in(&sandbox()?, path).await
}

async fn load_in(sandbox: &Sandbox, path: &Path) -> Result<Adapter, ExitCode> {
    sandbox.load(path).await.map_err(|error| unusable(error.code(), error.to_string()))
}

fn unusable(code: Code, why: String) -> ExitCode {
    eprint!("{}", code.tell(why, &[]));
    ExitCode::from(EXIT_CONFIGURATION)
}
