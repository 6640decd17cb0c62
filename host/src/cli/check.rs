//! `check`: the very code that `serve` runs, up to the point where something would change.

use std::path::Path;
use std::process::ExitCode;

use crate::app::load_adapters;
use crate::config::{self, Settings};
use crate::lifecycle::refuse;

pub async fn run(file: &Path) -> ExitCode {
    let settings = match config::load(file) {
        Ok(settings) => settings,
        Err(problems) => return refuse(&problems.into()),
    };
    match load_adapters(&settings, file).await {
        Ok(_) => {
            for warning in &settings.warnings {
                eprintln!("{}", warning.tell("warning", file));
            }
            print!("{}", summary(&settings));
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&error),
    }
}

fn summary(settings: &Settings) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "events        http://{}/espf/events\noperators     http://{}\nPortaBilling  {}\njournal       {}\n",
        settings.public.address,
        settings.admin.address,
        settings.billing.url,
        settings.store.directory.display()
    );
    for group in &settings.groups {
        let events = group.engine.events.written().join(", ");
        let _ = writeln!(text, "group         {}: {} -> {}", group.group(), events, group.target.url);
    }
    text.push_str("The configuration is good.\n");
    text
}
