//! The real program, so that the suite can start it: `cargo test` does not build the binary of
//! another package.

use std::process::ExitCode;

fn main() -> ExitCode {
    punchdown::cli::main()
}
