//! `adapter run`: what an adapter decides in a case, step by step, with each request as a line for `curl`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::door::word;
use super::super::output::Format;
use super::curl::curl;
use super::{load, refused};
use crate::cases::{Asked, Case};
use crate::explain::Code;

#[derive(clap::Args)]
pub struct Arguments {
    /// The component, a file of WebAssembly.
    #[arg(value_name = "ADAPTER")]
    adapter: PathBuf,
    /// A golden case; what it expects is not looked at.
    #[arg(value_name = "CASE")]
    case: PathBuf,
    /// Where the external system is, for the lines of `curl`.
    #[arg(long, value_name = "URL", default_value = "https://target.example")]
    target: String,
    #[command(flatten)]
    format: Format,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let adapter = match load(&arguments.adapter).await {
        Ok(adapter) => adapter,
        Err(code) => return code,
    };
    let case = match Case::read(&arguments.case) {
        Ok(case) => case,
        Err(why) => return refused(Code::FileOfCommand, format!("{}: {why}", arguments.case.display())),
    };
    let mut steps = Vec::new();
    let held = case
        .each(&adapter, &mut |asked| {
            steps.push(shown(asked, &arguments.target));
            Ok(())
        })
        .await;
    arguments.format.print(&json!({ "case": case.name, "about": case.about(), "steps": steps }), text);
    match held {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => refused(Code::CaseFails, format!("{}: {why}", case.name)),
    }
}

fn shown(asked: Asked, target: &str) -> Value {
    let curl = asked.request.as_ref().map(|request| curl(request, target));
    let then = asked.then.map(|then| then["what"].clone());
    json!({ "step": asked.step, "answer": asked.answer, "curl": curl, "then": then })
}

fn text(shown: &Value) -> String {
    let mut text = format!("{}: {}\n", word(&shown["case"]), word(&shown["about"]));
    for step in shown["steps"].as_array().into_iter().flatten() {
        let answer = &step["answer"];
        let _ = match answer.get("decision") {
            Some(decision) => writeln!(text, "\n{}  {}", word(&step["step"]), decided(decision)),
            None => writeln!(text, "\n{answer:#}"),
        };
        for line in step["curl"].as_str().into_iter().flat_map(str::lines) {
            let _ = writeln!(text, "   {line}");
        }
        for name in ["reports", "applied", "keys"] {
            let said = answer.get(name).filter(|said| !said.is_null() && **said != json!([]));
            if let Some(said) = said {
                let _ = writeln!(text, "   {name:<8} {said}");
            }
        }
        if !step["then"].is_null() {
            let _ = writeln!(text, "   then     {}", step["then"]);
        }
    }
    text
}

/// A decision in one line; a request stands below it.
fn decided(decision: &Value) -> String {
    let Value::Object(members) = decision else { return word(decision) };
    let Some((name, content)) = members.iter().next() else { return String::new() };
    match name.as_str() {
        "send" => format!("send {}, {}", word(&content["label"]), word(&content["delivery"])),
        _ => format!("{name} {content}"),
    }
}
