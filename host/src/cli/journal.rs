//! `journal`: what is done to the journal while no host runs on it.

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use super::ConfigFile;
use crate::lifecycle::refuse;
use crate::{config, store};

#[derive(Subcommand)]
pub enum Command {
    /// Seal all that it holds with a new key, and remove the old one. Stop the host first.
    RotateKey(ConfigFile),
}

pub fn run(command: &Command) -> ExitCode {
    match command {
        Command::RotateKey(file) => rotate_key(&file.config),
    }
}

fn rotate_key(file: &Path) -> ExitCode {
    let settings = match config::journal(file) {
        Ok(settings) => settings,
        Err(problems) => return refuse(&problems.into()),
    };
    match store::rotate_key(&settings, None) {
        Ok(rotated) => {
            println!("{} values are sealed with the new key, and the old one is gone.", rotated.sealed);
            if rotated.unreadable > 0 {
                println!("{} values could not be read before, and cannot now.", rotated.unreadable);
            }
            println!("Back up {} now.", settings.directory.join("journal.key").display());
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&error.into()),
    }
}
