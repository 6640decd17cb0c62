//! `status`: what a running host has to do, from its operators' door.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Certificate, Identity};
use serde_json::Value;

use crate::config::{self, Settings};
use crate::http::AdminToken;
use crate::lifecycle::refuse;
use crate::secret::Secret;
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
    /// A file with the token, where the configuration does not name one: it may know only digests.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Where the operators' listener is reached, when that is not where it listens: by the name in
    /// its certificate, or through a proxy.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Certificates in PEM, one of which must stand behind that of the host. Without it those of
    /// the system are believed.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Our own certificate and its key, in PEM, where the listener asks for one.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
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
    let token = match token(arguments, &settings) {
        Ok(token) => token,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(EXIT_NOT_PERMITTED);
        }
    };
    let base = arguments.url.clone().unwrap_or_else(|| settings.admin.url());
    let url = format!("{}/admin/v1/status", base.trim_end_matches('/'));
    let client = match client(arguments) {
        Ok(client) => client,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let asked = async {
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
            let whose = arguments.token_file.as_ref().unwrap_or(&arguments.config);
            eprintln!("{url} does not take the token of {}", whose.display());
            ExitCode::from(EXIT_NOT_PERMITTED)
        }
        Err(error) => {
            let tls = if url.starts_with("https:") {
                " Does --ca name who stands behind its certificate?"
            } else {
                ""
            };
            eprintln!("cannot ask {url}: {}; is the host running?{tls}", web::reason(&error));
            ExitCode::from(EXIT_UNREACHABLE)
        }
    }
}

fn client(arguments: &Arguments) -> Result<reqwest::Client, String> {
    let mut client = web::builder(Duration::from_secs(10));
    if let Some(file) = &arguments.ca {
        client = client.tls_certs_only(from_pem(file, Certificate::from_pem_bundle)?);
    }
    if let Some(file) = &arguments.identity {
        client = client.identity(from_pem(file, Identity::from_pem)?);
    }
    client.build().map_err(|error| format!("cannot set up TLS: {}", web::reason(&error)))
}

fn from_pem<T>(file: &Path, read: fn(&[u8]) -> reqwest::Result<T>) -> Result<T, String> {
    let pem = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    read(&pem).map_err(|error| format!("cannot use {}: {}", file.display(), web::reason(&error)))
}

/// The token to show: the one that was given, or else the first whose text the configuration knows.
fn token(arguments: &Arguments, settings: &Settings) -> Result<Secret, String> {
    if let Some(file) = &arguments.token_file {
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| format!("cannot read the token {}: {error}", file.display()))?;
        return Ok(Secret::new(text.trim_end_matches(['\r', '\n'])));
    }
    let known = settings.admin_tokens.iter().find_map(AdminToken::known);
    known.cloned().ok_or_else(|| {
        "the configuration names no token that could be shown: say --token-file FILE, \
         or add `{ file = \"secrets/admin\" }` to admin.tokens"
            .to_owned()
    })
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
        ("fan_outs", "customers under way"),
        ("dead_letters", "dead letters"),
        ("notifications_unread", "notifications unread"),
        ("signals_unmatched", "signals unmatched"),
        ("signals_parked", "signals parked"),
        ("statuses_waiting", "statuses waiting"),
        ("statuses_given_up", "statuses given up"),
    ] {
        let _ = writeln!(text, "{label:<20} {}", word(name));
    }
    for (group, of_group) in status["groups"].as_object().into_iter().flatten() {
        let paused = if of_group["paused"] == true { " (paused)" } else { "" };
        let _ = writeln!(text, "\ngroup {group}{paused}");
        if let Some(breaker) = of_group["breaker"].as_object() {
            let word = |name: &str| breaker[name].as_str().unwrap_or_default();
            let (since, code, why) = (word("open_since"), word("code"), word("why"));
            let _ = writeln!(text, "  breaker open       since {since}, next probe {}", word("probe_at"));
            let _ = writeln!(text, "                     {code}: {why}");
        }
        for (stage, count) in of_group["operations"].as_object().into_iter().flatten() {
            let _ = writeln!(text, "  {stage:<18} {count}");
        }
        if let Some(oldest) = of_group["oldest_open_at"].as_str() {
            let _ = writeln!(text, "  the oldest open    since {oldest}");
        }
    }
    text
}
