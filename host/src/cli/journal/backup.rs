//! `journal backup` and `journal restore`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use bytesize::ByteSize;
use serde_json::json;

use super::{Done, settings, tell};
use crate::cli::ConfigFile;
use crate::cli::output::Format;
use crate::ports::World as _;
use crate::store::{self, Contents};
use crate::world::SystemWorld;

#[derive(clap::Args)]
pub struct Backup {
    /// The file to be made, or a folder in which it is named by the time.
    #[arg(value_name = "FILE|DIR")]
    to: PathBuf,
    /// Also copy the key beside it, as FILE with the ending `.key`. Whoever has both can read all of it.
    #[arg(long)]
    with_key: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(clap::Args)]
pub struct Restore {
    /// What `journal backup` has made.
    from: PathBuf,
    /// The copy's key, when it lies neither beside it nor in the journal's directory.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Put the journal that stands there into the folder `replaced` beside it.
    #[arg(long)]
    move_aside: bool,
    /// Take a copy of which some values cannot be read.
    #[arg(long)]
    accept_damage: bool,
    #[command(flatten)]
    file: ConfigFile,
}

const INSTEAD_OF_BACKUP: &str =
    "`pg_dump --format=custom` copies it while a host runs; keep the key (`journal.postgres.key`) elsewhere";
const INSTEAD_OF_RESTORE: &str = "with the host stopped, `pg_restore` brings a dump back into an empty database; the same key must be configured";

pub fn backup(arguments: &Backup) -> Done {
    let settings = settings(&arguments.file.config, INSTEAD_OF_BACKUP)?;
    let to = match arguments.to.is_dir() {
        true => free_name(&arguments.to),
        false => arguments.to.clone(),
    };
    let began = Instant::now();
    let made = store::backup(&settings, &to, arguments.with_key).map_err(|error| tell(&error))?;
    let took = began.elapsed();
    let key = made.contents.key.as_deref().unwrap_or("unknown");
    if arguments.format.is_json() {
        println!(
            "{:#}",
            json!({
                "file": made.file, "bytes": made.bytes, "milliseconds": u64::try_from(took.as_millis()).ok(),
                "events": made.contents.events, "open_operations": made.contents.open,
                "newest_event": made.contents.newest_event, "key": key, "key_file": made.key_file,
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    let bytes = ByteSize(made.bytes);
    println!("{}: {} bytes ({bytes}) in {:.1} s", made.file.display(), made.bytes, took.as_secs_f64());
    println!("It holds {}.", held(&made.contents));
    match &made.key_file {
        Some(key_file) => {
            println!("Its key {key} is in {}: whoever has both can read all of it.", key_file.display());
        }
        None => {
            let file = settings.key();
            println!("Its key {key} is in {} alone: keep a copy of that in another place.", file.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub fn restore(arguments: &Restore) -> Done {
    let settings = settings(&arguments.file.config, INSTEAD_OF_RESTORE)?;
    let wish = store::Wish {
        from: arguments.from.clone(),
        key: arguments.key.clone(),
        move_aside: arguments.move_aside,
        accept_damage: arguments.accept_damage,
    };
    let restored = store::restore(&settings, &wish, None).map_err(|error| tell(&error))?;
    let Some(restored) = restored else { return Err(ExitCode::FAILURE) };
    super::verify::tell_damage(&restored.report);
    println!("{} holds {}.", settings.database().display(), held(&restored.contents));
    println!("{} values were read in it.", restored.report.opened);
    if let Some(aside) = restored.aside {
        println!("What stood there before is in {}.", aside.display());
    }
    println!(
        "What was answered after its newest event is not in it: see docs/operating.md, \"After a restore\"."
    );
    Ok(ExitCode::SUCCESS)
}

fn held(contents: &Contents) -> String {
    let Contents { events, open, newest_event, .. } = contents;
    let newest = newest_event.map_or_else(|| "none of them".to_owned(), |at| format!("the newest of {at}"));
    format!("{events} events, {newest}, and {open} operations that stand open")
}

/// By the second; a second one of it has a number.
fn free_name(directory: &Path) -> PathBuf {
    let stamp = stamp();
    let names = (2..).map(|number| format!("journal-{stamp}-{number}.db"));
    let mut names = std::iter::once(format!("journal-{stamp}.db")).chain(names);
    let free = names.find(|name| !directory.join(name).exists());
    directory.join(free.unwrap_or_default())
}

/// `20261125T163326Z`
fn stamp() -> String {
    let now = SystemWorld.now().to_string();
    let seconds = now.split('.').next().unwrap_or_default();
    seconds.replace(['-', ':'], "") + "Z"
}
