//! `status`: what a running host has to do, from its operators' door.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use crate::config;
use crate::lifecycle::refuse;
use crate::web;

/// The host cannot be reached.
const EXIT_UNREACHABLE: u8 = 69;
/// The host does not admit us.
const EXIT_NOT_PERMITTED: u8 = 77;

#[derive(clap::Args)]
pub struct Arguments {
    /// The configuration file of the running host: it says where its door is, and the token.
    #[arg(long, value_name = "FILE", default_value = "punchdown.toml")]
    config: PathBuf,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let settings = match config::load(&arguments.config) {
        Ok(settings) => settings,
        Err(problems) => return refuse(&problems.into()),
    };
    let Some(token) = settings.admin_tokens.first() else {
        eprintln!(
            "the configuration names no token: add `tokens = [{{ file = \"secrets/admin\" }}]` to [admin]"
        );
        return ExitCode::from(EXIT_NOT_PERMITTED);
    };
    let url = format!("http://{}/admin/v1/status", settings.admin.address);
    let asked = async {
        let client = web::client(Duration::from_secs(10))?;
        let answer = client.get(&url).bearer_auth(token.expose()).send().await?.error_for_status()?;
        answer.json::<Value>().await
    };
    match asked.await {
        Ok(status) => {
            print!(
                "{}",
                match arguments.output {
                    Output::Text => text(&status),
                    Output::Json => format!("{status:#}\n"),
                }
            );
            ExitCode::SUCCESS
        }
        Err(error) if error.status() == Some(reqwest::StatusCode::UNAUTHORIZED) => {
            eprintln!("{url} does not take the token of {}", arguments.config.display());
            ExitCode::from(EXIT_NOT_PERMITTED)
        }
        Err(error) => {
            eprintln!("cannot ask {url}: {}; is the host running?", web::reason(&error));
            ExitCode::from(EXIT_UNREACHABLE)
        }
    }
}

fn text(status: &Value) -> String {
    use std::fmt::Write as _;
    let word = |name: &str| match &status[name] {
        Value::Null => "never".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut text =
        format!("events stored        {} (the last one: {})\n", word("events"), word("last_event_at"));
    for (name, label) in [
        ("dead_letters", "dead letters"),
        ("notifications_unread", "notifications unread"),
        ("signals_unmatched", "signals unmatched"),
        ("signals_parked", "signals parked"),
        ("statuses_waiting", "statuses waiting"),
    ] {
        let _ = writeln!(text, "{label:<20} {}", word(name));
    }
    for (group, of_group) in status["groups"].as_object().into_iter().flatten() {
        let _ = writeln!(text, "\ngroup {group}");
        for (stage, count) in of_group["operations"].as_object().into_iter().flatten() {
            let _ = writeln!(text, "  {stage:<18} {count}");
        }
        if let Some(oldest) = of_group["oldest_open_at"].as_str() {
            let _ = writeln!(text, "  the oldest open    since {oldest}");
        }
    }
    text
}
