//! `adapter pin`: a component that is kept serves a group, whatever lies in its place.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::door::{Door, encoded, word};

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
    let text = |told: &Value| match told["pinned_to"].as_str() {
        Some(to) => format!("{group} is pinned to {to}, and that serves it\n"),
        None => format!("{group} is pinned no more: {} serves it\n", word(&told["serves"])),
    };
    door.act(&format!("groups/{}/{wish}", encoded(group)), &body, text).await
}
