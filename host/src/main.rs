use std::process::ExitCode;

fn main() -> ExitCode {
    punchdown::cli::main()
}
