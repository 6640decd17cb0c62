//! `journal verify`: counts, and a line for each damage.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use bytesize::ByteSize;
use serde_json::{Value, json};

use super::{Done, settings};
use crate::cli::ConfigFile;
use crate::cli::output::Format;
use crate::explain::Code;
use crate::lifecycle::refuse;
use crate::store::{self, Damage, Report};

/// It was looked through, and is damaged.
const EXIT_DAMAGED: u8 = 65;

#[derive(clap::Args)]
pub struct Arguments {
    /// A copy to be looked through in place of the journal.
    #[arg(value_name = "BACKUP")]
    backup: Option<PathBuf>,
    /// The key, when it lies neither beside the copy nor in the journal's directory.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    file: ConfigFile,
}

const INSTEAD: &str = "`pg_amcheck` looks its tables through, and a host sets aside what it cannot open";

pub fn run(arguments: &Arguments) -> Done {
    let beside = arguments.backup.as_deref().map(store::key_beside).filter(|key| key.exists());
    // A copy with its key can be looked through where there is no configuration.
    let (database, key) = match (&arguments.backup, arguments.key.clone().or(beside)) {
        (Some(backup), Some(key)) => (backup.clone(), key),
        (backup, key) => {
            let settings = settings(&arguments.file.config, INSTEAD)?;
            let database = backup.clone().unwrap_or_else(|| settings.database());
            (database, key.unwrap_or_else(|| settings.key()))
        }
    };
    let report = store::verify(&database, &key).map_err(|error| refuse(&error.into()))?;
    if arguments.format.is_json() {
        println!("{:#}", document(&report));
    } else {
        print!("{}", counts(&report));
        tell_damage(&report);
    }
    match report.is_sound() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(ExitCode::from(EXIT_DAMAGED)),
    }
}

fn counts(report: &Report) -> String {
    let rows = report.rows.iter().filter(|(_, rows)| *rows > 0);
    let rows: Vec<String> = rows.map(|(table, rows)| format!("{rows} {table}")).collect();
    format!(
        "{}: {}, version {}, key {}\nrows    {}\nvalues  {} could be read\n{}",
        report.database.display(),
        ByteSize(report.bytes),
        report.version,
        report.key.as_deref().unwrap_or("unknown"),
        rows.join(", "),
        report.opened,
        if report.is_sound() { "It is sound.\n" } else { "" }
    )
}

/// A line for each damage, and for each kind of them what to do.
pub fn tell_damage(report: &Report) {
    if report.is_sound() {
        return;
    }
    for Damage { kind, place, why } in &report.damage {
        println!("damage  {}  {place}: {why}", kind.word());
    }
    if report.unnamed > 0 {
        println!("and {} more", report.unnamed);
    }
    let kinds: BTreeSet<_> = report.damage.iter().map(|damage| damage.kind).collect();
    let help: Vec<String> =
        kinds.iter().map(|kind| format!("= help: {}: {}", kind.word(), kind.help())).collect();
    let what = format!("{} is damaged in {} places", report.database.display(), report.damages());
    eprint!("{}", Code::JournalDamaged.tell(what, &help));
}

fn document(report: &Report) -> Value {
    let damage: Vec<Value> = report
        .damage
        .iter()
        .map(|Damage { kind, place, why }| json!({ "kind": kind.word(), "place": place, "why": why }))
        .collect();
    let rows: serde_json::Map<String, Value> =
        report.rows.iter().map(|(table, rows)| (table.clone(), json!(rows))).collect();
    json!({
        "database": report.database, "bytes": report.bytes, "version": report.version, "key": report.key,
        "rows": rows, "values_read": report.opened, "sound": report.is_sound(), "damages": report.damages(),
        "damage": damage,
    })
}
