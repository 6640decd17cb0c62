//! What a person can ask for.

mod adapter;
mod check;
mod columns;
mod config;
#[cfg(feature = "simulators")]
mod demo;
mod door;
mod explain;
mod init;
mod journal;
#[cfg(feature = "simulators")]
pub mod judge;
mod looks;
mod operation;
mod output;
mod reload;
mod resync;
#[cfg(feature = "simulators")]
mod sim;
#[cfg(feature = "simulators")]
pub mod stage;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::explain::Code;
use crate::wasm::{COMPILES, compile_as_told};
use crate::{crash, lifecycle};

/// Connects PortaBilling to the systems that switch a subscriber's service on.
#[derive(Parser)]
#[command(name = "punchdown", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a configuration to be filled in.
    Init(init::Arguments),
    /// Run the host.
    Serve(ConfigFile),
    /// Say all that is wrong with a configuration and its adapters; change nothing.
    Check(check::Arguments),
    /// See what is in effect, where it comes from, and what of it a running host does not run by yet.
    #[command(subcommand)]
    Config(config::Command),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Say what a code, a reason for parking or a state means, and how to mend it.
    Explain(explain::Arguments),
    /// Show what a running host has to do.
    Status(status::Arguments),
    /// See operations one by one, and release those that are stuck.
    #[command(subcommand)]
    Operation(operation::Command),
    /// See what PortaBilling sent.
    #[command(subcommand)]
    Event(looks::EventCommand),
    /// See what external systems sent.
    #[command(subcommand)]
    Notification(looks::NotificationCommand),
    /// See what is known of an account.
    #[command(subcommand)]
    Account(looks::AccountCommand),
    /// See what persons did, and why.
    Audit(looks::Audit),
    /// Let a group rest, or work again.
    #[command(subcommand)]
    Target(operation::TargetCommand),
    /// See what a component is, ask it its golden cases; let one that serves be asked again.
    #[command(subcommand)]
    Adapter(adapter::Command),
    /// Have a running host take over adapters and their configuration as they lie on disk, and say what came of it.
    Reload(reload::Arguments),
    /// Hold PortaBilling's accounts against what was last done for them, and drive what differs.
    Resync(resync::Arguments),
    /// Copy the journal, bring a copy back, move it, look it through, ask it, change its key.
    #[command(subcommand)]
    Journal(journal::Command),
    /// The other side of `wasm/compiler.rs`; nothing for a person.
    #[command(name = COMPILES, hide = true)]
    CompileComponent { bytes: usize, memory: u64, computing: u64 },
    /// Watch accounts being provisioned, by real servers on this machine alone.
    #[cfg(feature = "simulators")]
    Demo(demo::Arguments),
    /// Run the neighbours: a PortaBilling, an ESPF and an OMS, for a host of your own.
    #[cfg(feature = "simulators")]
    Sim(sim::Arguments),
}

#[derive(clap::Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "punchdown.toml")]
    config: PathBuf,
}

/// Runs the command that the arguments ask for.
pub fn main() -> ExitCode {
    if let Err(error) = crash::leave_nothing() {
        let why = format!("cannot keep the memory of this process from being written to a disk: {error}");
        eprint!("{}", Code::Machine.tell(why, &[]));
        return ExitCode::FAILURE;
    }
    // Whoever uses TLS in this process uses this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    // Threads, and what they reserve, would be of what it is allowed.
    if let Command::CompileComponent { bytes, memory, computing } = arguments.command {
        return compile_as_told(bytes, memory, computing);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprint!("{}", Code::Machine.tell(format!("cannot start: {error}"), &[]));
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(run(arguments.command))
}

async fn run(command: Command) -> ExitCode {
    match command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Serve(file) => lifecycle::serve(&file.config).await,
        Command::Check(arguments) => check::run(&arguments).await,
        Command::Config(command) => config::run(&command).await,
        Command::Schema => {
            print!("{}", init::schema());
            ExitCode::SUCCESS
        }
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Status(arguments) => status::run(&arguments).await,
        Command::Operation(command) => operation::run(&command).await,
        Command::Target(command) => operation::target(&command).await,
        Command::Adapter(command) => adapter::run(&command).await,
        Command::Reload(arguments) => reload::run(&arguments).await,
        Command::Resync(arguments) => resync::run(&arguments).await,
        Command::Event(command) => looks::event(&command).await,
        Command::Notification(command) => looks::notification(&command).await,
        Command::Account(command) => looks::account(&command).await,
        Command::Audit(audit) => looks::audit(&audit).await,
        Command::Journal(command) => journal::run(&command).await,
        Command::CompileComponent { .. } => unreachable!("it needs no runtime"),
        #[cfg(feature = "simulators")]
        Command::Demo(arguments) => demo::run(&arguments).await,
        #[cfg(feature = "simulators")]
        Command::Sim(arguments) => sim::run(&arguments).await,
    }
}
