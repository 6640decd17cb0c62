//! `journal export` and `journal import`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bytesize::ByteSize;
use serde_json::json;

use super::{Done, tell};
use crate::cli::ConfigFile;
use crate::cli::output::Format;
use crate::config;
use crate::lifecycle::refuse;
use crate::store::{self, Counts};
use crate::world::SystemWorld;

#[derive(clap::Args)]
pub struct Export {
    /// The file to be made.
    to: PathBuf,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(clap::Args)]
pub struct Import {
    /// What `journal export` has made.
    from: PathBuf,
    /// The key of a journal that goes into a directory, when it does not lie there already.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    file: ConfigFile,
}

pub async fn export(arguments: &Export) -> Done {
    let settings = settings(&arguments.file)?;
    let made = store::export(&settings, Arc::new(SystemWorld), &arguments.to).await;
    let made = made.map_err(|error| tell(&error))?;
    let Counts { rows, events, open } = made.counts;
    let answer = json!({
        "file": made.file, "bytes": made.bytes, "rows": rows, "events": events, "open_operations": open,
        "key": made.key,
    });
    arguments.format.print(&answer, |_| {
        format!(
            "{}: {} bytes ({})\nIt holds {}.\nIts values stay sealed with the key {}, which is not in it.\n\
             Where it is imported the work goes on. Start no host on {} any more: what both did would be done twice.\n",
            made.file.display(),
            made.bytes,
            ByteSize(made.bytes),
            held(&made.counts),
            made.key,
            settings.place(),
        )
    });
    Ok(ExitCode::SUCCESS)
}

pub async fn import(arguments: &Import) -> Done {
    let settings = settings(&arguments.file)?;
    let read =
        store::import(&settings, Arc::new(SystemWorld), &arguments.from, arguments.key.as_deref()).await;
    let counts = read.map_err(|error| tell(&error))?;
    let Counts { rows, events, open } = counts;
    let answer =
        json!({ "journal": settings.place(), "rows": rows, "events": events, "open_operations": open });
    arguments.format.print(&answer, |_| format!("{} holds {}.\n", settings.place(), held(&counts)));
    Ok(ExitCode::SUCCESS)
}

fn settings(file: &ConfigFile) -> Result<store::Settings, ExitCode> {
    config::journal(&file.config).map_err(|problems| refuse(&problems.into()))
}

fn held(counts: &Counts) -> String {
    let Counts { rows, events, open } = counts;
    format!("{rows} rows: {events} events, {open} operations that stand open, and all that belongs to them")
}
