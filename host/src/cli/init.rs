//! `init`: a folder with a configuration to be filled in. What is there already is left as it is.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config;
use crate::explain::Code;

const CONFIGURATION: (&str, &str) = ("punchdown.toml", include_str!("init/punchdown.toml"));
const SCHEMA: &str = "punchdown.schema.json";
const SECRETS: &str = "secrets";

#[derive(clap::Args)]
pub struct Arguments {
    /// The folder; made when it is not there.
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    match write(&arguments.directory) {
        Ok(said) => {
            print!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprint!("{}", Code::FileOfCommand.tell(why, &[]));
            ExitCode::FAILURE
        }
    }
}

/// What was written, and what comes next.
fn write(directory: &Path) -> Result<String, String> {
    let (name, text) = CONFIGURATION;
    let (file, secrets) = (directory.join(name), directory.join(SECRETS));
    let failed = |path: &Path, error: &io::Error| format!("cannot make {}: {error}", path.display());
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
    write_new(&file, text).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{} is there already, and is not written over; name another folder", file.display())
        }
        _ => failed(&file, &error),
    })?;
    // An older one may be there, and be somebody's: `punchdown schema` prints this one.
    match write_new(&directory.join(SCHEMA), &schema()) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed(&directory.join(SCHEMA), &error));
        }
        _ => {}
    }
    match DirBuilder::new().mode(0o700).create(&secrets) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(&secrets, &error)),
        _ => {}
    }
    let named: Vec<String> =
        secrets_of(text).iter().map(|name| directory.join(name).display().to_string()).collect();
    let file = file.display();
    Ok(format!(
        "{file} is written. Fill in what is empty there, and write the secrets that it names:\n  {}\n\
         Then:\n  punchdown check --config {file}\n  punchdown check --online --config {file}\n  punchdown serve --config {file}\n",
        named.join("\n  ")
    ))
}

/// The schema of the configuration, as text.
pub fn schema() -> String {
    format!("{:#}\n", config::schema())
}

/// The files of secrets that stand in the configuration and not in a comment.
fn secrets_of(text: &str) -> Vec<&str> {
    let settings = text.lines().filter(|line| !line.starts_with('#'));
    settings.filter_map(|line| line.split_once("file = \"")?.1.split('"').next()).collect()
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    File::options().create_new(true).write(true).open(path)?.write_all(text.as_bytes())
}
