//! `check`: the very code that `serve` runs, up to the point where something would change.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crate::app::{StartError, load_adapters, targets};
use crate::config::{self, Settings};
use crate::lifecycle::refuse;
use crate::ports::World;
use crate::world::SystemWorld;

pub async fn run(file: &Path) -> ExitCode {
    let settings = match config::load(file) {
        Ok(settings) => settings,
        Err(problems) => return refuse(&problems.into()),
    };
    let world: Arc<dyn World> = Arc::new(SystemWorld);
    let adapters = load_adapters(&settings, file).await;
    match adapters.and_then(|_| targets(&settings.groups, &world).map_err(StartError::from)) {
        Ok(_) => {
            for warning in &settings.warnings {
                eprint!("{}", warning.tell(file));
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
        "events        {}/espf/events\noperators     {}\nPortaBilling  {}\njournal       {}\n",
        settings.public.url(),
        settings.admin.url(),
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
