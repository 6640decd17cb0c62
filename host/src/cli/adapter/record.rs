//! `adapter record`: what happened to an operation of a running host, as a golden case.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::door::{Door, encoded};
use super::update::as_written;
use super::{load, refused};
use crate::cases::{Case, Failure};
use crate::explain::Code;
use crate::wasm::Adapter;

#[derive(clap::Args)]
pub struct Arguments {
    /// The operation, by its id.
    #[arg(value_name = "OPERATION")]
    operation: String,
    /// The component that is to answer it from now on: what it answers is what the case expects.
    #[arg(value_name = "ADAPTER")]
    adapter: PathBuf,
    /// The case to write.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    door: Door,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    if arguments.to.exists() {
        return refused(Code::ThereAlready, format!("{} is there already", arguments.to.display()));
    }
    let adapter = match load(&arguments.adapter).await {
        Ok(adapter) => adapter,
        Err(code) => return code,
    };
    let path = format!("operations/{}/case", encoded(&arguments.operation));
    let recorded = match arguments.door.ask(Method::GET, &path, None).await {
        Ok(recorded) => recorded,
        Err(code) => return code,
    };
    let case = match answered(recorded, &arguments.to, &adapter).await {
        Ok(case) => case,
        Err(why) => return refused(Code::CaseFails, format!("{}: {why}", arguments.operation)),
    };
    if let Err(error) = write_new(&arguments.to, &format!("{case:#}\n")) {
        return refused(Code::FileOfCommand, format!("cannot write {}: {error}", arguments.to.display()));
    }
    let steps = case["steps"].as_array().map_or(0, Vec::len);
    let told = json!({ "written": arguments.to, "steps": steps });
    arguments.door.print(Ok(told), |_| {
        let file = arguments.to.display();
        format!(
            "wrote {file}, {steps} steps; names and numbers are replaced: read it before you hand it on\n"
        )
    })
}

/// Over nothing, whatever has come there meanwhile.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::File::create_new(path)?.write_all(text.as_bytes())
}

/// The case with what the adapter answers at each step.
async fn answered(recorded: Value, file: &Path, adapter: &Adapter) -> Result<Value, Failure> {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let case = Case { name, case: recorded };
    let mut answers = Vec::new();
    case.each(adapter, &mut |asked| {
        answers.push(as_written(&asked));
        Ok(())
    })
    .await?;
    let mut case = case.case;
    for (place, answer) in answers.into_iter().enumerate() {
        case["steps"][place]["expect"] = answer;
    }
    Ok(case)
}
