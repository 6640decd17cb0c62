//! Programs of this machine, and what they say.

use std::env;
use std::path::Path;
use std::process::Command;

use super::{ToolchainError, cannot};

/// As much of a failed command's output as an error shows.
const TAIL_LINES: usize = 40;

/// A command that does not know what a cargo around us told us.
pub fn command(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let of_cargo = text.starts_with("CARGO_") && text != "CARGO_HOME";
        let of_rustc = text.starts_with("RUSTC") || text == "RUSTFLAGS" || text == "RUSTDOCFLAGS";
        if of_cargo || of_rustc {
            command.env_remove(&name);
        }
    }
    command
}

/// What a command writes to its standard output.
pub fn output(command: &mut Command) -> Result<String, ToolchainError> {
    let program = Path::new(command.get_program()).to_owned();
    let output = command.output().map_err(cannot("run", &program))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(said.into_owned());
    }
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let command: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let said = said + String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
    Err(ToolchainError::Failed { command: command.join(" "), tail })
}
