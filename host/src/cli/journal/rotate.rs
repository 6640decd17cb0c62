//! `journal rotate-key`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::{Done, refused};
use crate::cli::ConfigFile;
use crate::cli::output::Format;
use crate::config;
use crate::explain::Code;
use crate::lifecycle::refuse;
use crate::store::postgres;
use crate::store::{self, Rotated};
use crate::world::SystemWorld;

#[derive(clap::Args)]
pub struct Arguments {
    /// Of a journal on PostgreSQL: the file of the new key, in base64. A journal in a directory makes its own.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    format: Format,
}

pub async fn run(arguments: &Arguments) -> Done {
    let settings = config::journal(&arguments.file.config).map_err(|problems| refuse(&problems.into()))?;
    match (&settings.postgres, &arguments.to) {
        (None, None) => in_directory(&settings, arguments.format),
        (Some(postgres), Some(to)) => there(&settings, postgres, to, arguments.format).await,
        (None, Some(_)) => {
            let why = "a journal in a directory makes its new key itself: leave out --to";
            Err(refused(Code::FileOfCommand, why))
        }
        (Some(postgres), None) => {
            let why = format!("the journal is on {}, and no file in a directory is its key", postgres.name);
            let help = "make the new key with `openssl rand -base64 32`, and name its file: --to FILE";
            eprint!("{}", Code::JournalElsewhere.advise(why, Some(help)));
            Err(ExitCode::FAILURE)
        }
    }
}

fn in_directory(settings: &store::Settings, format: Format) -> Done {
    let rotated = store::rotate_key(settings, None).map_err(|error| refuse(&error.into()))?;
    let key = settings.key();
    tell(&rotated, &key, format, || format!("The old one is gone, so back up {} now.\n", key.display()));
    Ok(ExitCode::SUCCESS)
}

async fn there(settings: &store::Settings, postgres: &postgres::Settings, to: &Path, format: Format) -> Done {
    let rotated = store::rotate_key_there(settings, postgres, Arc::new(SystemWorld), to).await;
    let rotated = rotated.map_err(|error| refuse(&error.into()))?;
    tell(&rotated, to, format, || {
        format!(
            "No host begins until its `journal.postgres.key` is that of {}. Keep a copy of it in another place, now.\n\
             Dumps, and what PostgreSQL archived before, are read with the old key alone.\n",
            to.display()
        )
    });
    Ok(ExitCode::SUCCESS)
}

fn tell(rotated: &Rotated, key: &Path, format: Format, next: impl Fn() -> String) {
    let answer = json!({ "sealed": rotated.sealed, "unreadable": rotated.unreadable, "key": key });
    format.print(&answer, |_| said(rotated) + &next());
}

fn said(rotated: &Rotated) -> String {
    let mut text = format!("{} values are sealed with the new key.\n", rotated.sealed);
    if rotated.unreadable > 0 {
        text += &format!("{} values could not be read before, and cannot now.\n", rotated.unreadable);
    }
    text
}
