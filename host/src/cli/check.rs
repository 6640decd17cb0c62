//! `check`: the very code that `serve` runs, up to the point where something would change.

mod online;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::app::{Outside, StartError, load_adapters, with_adapters};
use crate::config::{self, Settings};
use crate::lifecycle::{EXIT_CONFIGURATION, refuse};
use crate::ports::World;
use crate::world::SystemWorld;

#[derive(clap::Args)]
pub struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "punchdown.toml")]
    config: PathBuf,
    /// Also log in to PortaBilling, and connect to every target. Nothing is changed there.
    #[arg(long)]
    online: bool,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let file = &arguments.config;
    let world: Arc<dyn World> = Arc::new(SystemWorld);
    let (settings, outside) = match offline(file, &world).await {
        Ok(good) => good,
        Err(error) => return refuse(&error),
    };
    for warning in &settings.warnings {
        eprint!("{}", warning.tell(file));
    }
    print!("{}", summary(&settings));
    if arguments.online && !online::check(&settings, &outside, &world).await {
        return ExitCode::from(EXIT_CONFIGURATION);
    }
    ExitCode::SUCCESS
}

async fn offline(file: &Path, world: &Arc<dyn World>) -> Result<(Settings, Outside), StartError> {
    let settings = match config::load(file) {
        Ok(settings) => settings,
        Err(problems) => return Err(with_adapters(problems).await),
    };
    load_adapters(&settings.groups, &settings.secrets, file).await?;
    let outside = Outside::of(&settings, world)?;
    Ok((settings, outside))
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
