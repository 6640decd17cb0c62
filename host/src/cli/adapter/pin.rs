//! `adapter pin`: a component that is kept serves a group, whatever lies in its place.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::door::{Door, encoded};
use super::super::reload::problems;

#[derive(clap::Args)]
pub struct Arguments {
    /// The component, by its digest or how that begins; without it the one that serves now.
    #[arg(value_name = "DIGEST", conflicts_with = "off")]
    digest: Option<String>,
    /// The group.
    #[arg(long)]
    group: String,
    /// Let what lies in its place serve again.
    #[arg(long)]
    off: bool,
    /// Who you are.
    #[arg(long, default_value = "an operator")]
    who: String,
    /// Why you do it.
    #[arg(long, default_value = "not said")]
    why: String,
    #[command(flatten)]
    door: Door,
}

pub async fn run(Arguments { digest, group, off, who, why, door }: &Arguments) -> ExitCode {
    let (wish, body) = match off {
        true => ("unpin", json!({ "who": who, "why": why })),
        false => ("pin", json!({ "who": who, "why": why, "digest": digest })),
    };
    let told = match door.take_over(&format!("groups/{}/{wish}", encoded(group)), Some(&body)).await {
        Ok(told) => told,
        Err(code) => return code,
    };
    // What lies in its place is no good, and what served goes on.
    let is_refused = *off && told["problems"].as_array().is_some_and(|found| !found.is_empty());
    door.print(Ok(told), |told| text(group, told));
    if is_refused { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn text(group: &str, told: &Value) -> String {
    let serves = match (told["pinned_to"].as_str(), told["serves"].as_str()) {
        (Some(to), _) => format!("{group} is pinned to {to}, and that serves it\n"),
        (None, Some(serves)) => format!("{group} is pinned no more: {serves} serves it\n"),
        (None, None) => format!("{group} is pinned no more, and nothing serves it\n"),
    };
    serves + &problems(told, |_| told["serves"].is_string())
}
