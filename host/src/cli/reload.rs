//! `reload`: has a running host take over what lies on disk, and says what came of it.

use std::fmt::Write as _;
use std::process::ExitCode;

use reqwest::Method;
use serde_json::Value;

use super::door::{Door, word};
use crate::ports::group_of;

#[derive(clap::Args)]
pub struct Arguments {
    /// Only say what came of the last time.
    #[arg(long)]
    last: bool,
    #[command(flatten)]
    door: Door,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let answer = match arguments.last {
        true => arguments.door.ask(Method::GET, "reload", None).await,
        false => arguments.door.take_over("reload", None).await,
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(code) => return code,
    };
    let is_well = answer["problems"].as_array().is_none_or(Vec::is_empty);
    arguments.door.print(Ok(answer), text);
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn text(told: &Value) -> String {
    let mut text =
        format!("generation {}, {}, by {}\n", told["generation"], word(&told["at"]), word(&told["because"]));
    for group in told["groups"].as_array().into_iter().flatten() {
        let digest: String = word(&group["digest"]).chars().take(19).collect();
        let [name, outcome, adapter, version] =
            ["group", "outcome", "adapter", "version"].map(|it| word(&group[it]));
        let _ = writeln!(text, "{name:<12} {outcome:<10} {adapter} {version} {digest}");
        if let Some(other) = group["pin"]["passes_over"].as_str() {
            let _ =
                writeln!(text, "  it is pinned to that: {other} lies in its place, and is not taken over");
        }
        if let Some(other) = group["passes_over"].as_str() {
            let _ = writeln!(text, "  all instances serve it by that: {other} lies in its place here");
        }
    }
    let serves =
        |group: &str| told["groups"].as_array().is_some_and(|all| all.iter().any(|it| it["group"] == group));
    text += &problems(told, serves);
    if told["under_way"] == true {
        text += "another one is under way: this is what came of the one before\n";
    }
    for key in told["waits_for_restart"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "{} changed on disk, and waits for a restart", word(key));
    }
    text
}

/// What was not taken over, and why. Of a group that nothing serves nothing goes on.
pub fn problems(told: &Value, serves: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    for problem in told["problems"].as_array().into_iter().flatten() {
        let [code, message, file, line, key] =
            ["code", "message", "file", "line", "key"].map(|it| word(&problem[it]));
        let goes_on = if group_of(&key).is_none_or(&serves) {
            "what served goes on"
        } else {
            "no adapter serves its group"
        };
        let _ = writeln!(text, "error[{code}]: {message}\n  --> {file}:{line} {key}\n  = {goes_on}");
    }
    text
}
