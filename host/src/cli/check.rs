//! `check`: the very code that `serve` runs, up to the point where something would change.

mod online;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};

use self::online::Line;
use super::output::{self, Format};
use crate::app::{Outside, StartError, load_groups, with_adapters};
use crate::config::{self, Settings};
use crate::lifecycle::{EXIT_CONFIGURATION, exit_code, refuse};
use crate::outbound::Targets;
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
    #[command(flatten)]
    format: Format,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { config: file, online, format } = arguments;
    let world: Arc<dyn World> = Arc::new(SystemWorld);
    let (settings, outside, targets) = match offline(file, &world).await {
        Ok(good) => good,
        Err(error) if format.is_json() => {
            println!("{:#}", answer(file, &output::problems(&error), None, None));
            return exit_code(&error);
        }
        Err(error) => return refuse(&error),
    };
    if !format.is_json() {
        for warning in &settings.warnings {
            eprint!("{}", warning.tell(file));
        }
        print!("{}", summary(&settings));
    }
    // A person sees each line when it is found.
    let tell = if format.is_json() { |_: &Line| {} } else { Line::print };
    let lines = match online {
        true => Some(online::check(&settings, &outside, &targets, &world, tell).await),
        false => None,
    };
    if format.is_json() {
        let warnings: Vec<Value> =
            settings.warnings.iter().map(|warning| output::problem(warning, file)).collect();
        println!("{:#}", answer(file, &warnings, Some(&settings), lines.as_deref()));
    }
    match lines.iter().flatten().any(Line::is_error) {
        true => ExitCode::from(EXIT_CONFIGURATION),
        false => ExitCode::SUCCESS,
    }
}

async fn offline(file: &Path, world: &Arc<dyn World>) -> Result<(Settings, Outside, Targets), StartError> {
    let settings = match config::load(file) {
        Ok(settings) => settings,
        Err(problems) => return Err(with_adapters(problems).await),
    };
    let loaded = load_groups(&settings.groups, &settings.secrets, file).await?.all_good()?;
    let outside = Outside::of(&settings, world)?;
    Ok((settings, outside, loaded.targets))
}

fn summary(settings: &Settings) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "events        {}/espf/events\noperators     {}\nPortaBilling  {}\njournal       {}\n",
        settings.public.url(),
        settings.admin.url(),
        settings.billing.url,
        settings.store.place()
    );
    for group in &settings.groups {
        let events = group.engine.events.written().join(", ");
        let _ = writeln!(text, "group         {}: {} -> {}", group.group(), events, group.target.url);
    }
    text.push_str("The configuration is good.\n");
    text
}

/// All of it, for programs. Without settings there is nothing that could run.
fn answer(file: &Path, problems: &[Value], settings: Option<&Settings>, online: Option<&[Line]>) -> Value {
    let is_well = !online.into_iter().flatten().any(Line::is_error);
    json!({
        "config": file,
        "good": settings.is_some() && is_well,
        "problems": problems,
        "runs": settings.map(runs),
        "online": online.map(|lines| lines.iter().map(Line::answer).collect::<Vec<_>>()),
    })
}

/// What would run.
fn runs(settings: &Settings) -> Value {
    let group = |group: &config::GroupSettings| {
        json!({
            "group": group.group().0,
            "events": group.engine.events.written(),
            "adapter": group.adapter,
            "target": group.target.url,
        })
    };
    json!({
        "events": format!("{}/espf/events", settings.public.url()),
        "operators": settings.admin.url(),
        "portabilling": settings.billing.url,
        "journal": settings.store.place(),
        "groups": settings.groups.iter().map(group).collect::<Vec<_>>(),
    })
}
