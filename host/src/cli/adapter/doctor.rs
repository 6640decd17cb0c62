//! `adapter doctor`: what this machine has to build adapters with, and how to mend what it lacks.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::door::word;
use super::super::output::Format;
use crate::toolchain::{Language, examine};

#[derive(clap::Args)]
pub struct Arguments {
    /// Of this language alone.
    #[arg(long, value_enum)]
    lang: Option<Language>,
    #[command(flatten)]
    format: Format,
}

/// Fails when a language that was asked for, or every one, cannot be built.
pub fn run(arguments: &Arguments) -> ExitCode {
    let languages =
        Language::ALL.into_iter().filter(|language| arguments.lang.is_none_or(|only| only == *language));
    let found: Vec<Value> = languages
        .map(|language| {
            let tools = examine(language);
            let ready = tools.iter().all(|tool| tool.mend.is_none());
            let tools = tools
                .into_iter()
                .map(|tool| json!({ "tool": tool.name, "found": tool.found, "mend": tool.mend }));
            json!({ "language": language.word(), "ready": ready, "tools": tools.collect::<Vec<_>>() })
        })
        .collect();
    let is_well = found.iter().any(|language| language["ready"] == true);
    arguments.format.print(&json!({ "languages": found }), text);
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn text(told: &Value) -> String {
    let mut text = String::new();
    for language in told["languages"].as_array().into_iter().flatten() {
        let ready = if language["ready"] == true { "ready" } else { "not ready" };
        let _ = writeln!(text, "{}: {ready}", word(&language["language"]));
        for tool in language["tools"].as_array().into_iter().flatten() {
            let _ = writeln!(text, "  {:<24} {}", word(&tool["tool"]), word(&tool["found"]));
            if !tool["mend"].is_null() {
                let _ = writeln!(text, "  {:<24} mend: {}", "", word(&tool["mend"]));
            }
        }
    }
    text
}
