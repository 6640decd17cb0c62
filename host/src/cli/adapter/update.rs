//! `adapter test --update`: what is answered now becomes what the cases expect. What holds already stays to the letter.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::door::word;
use super::super::output::Format;
use super::ordered::Ordered;
use super::refused;
use crate::cases::{Asked, Case, Failure};
use crate::explain::Code;
use crate::wasm::Adapter;

/// What each level of a file is indented by.
const INDENT: usize = 2;

pub async fn run(adapter: &Adapter, files: &[PathBuf], format: Format) -> ExitCode {
    let (mut updated, mut same) = (Vec::new(), 0);
    for file in files {
        match case(adapter, file).await {
            Ok(true) => updated.push(file.display().to_string()),
            Ok(false) => same += 1,
            Err(why) => return refused(Code::CaseFails, format!("{}: {why}", file.display())),
        }
    }
    format.print(&json!({ "updated": updated, "unchanged": same }), |told| {
        let mut text = String::new();
        for file in told["updated"].as_array().into_iter().flatten() {
            let _ = writeln!(text, "updated {}", word(file));
        }
        let _ = writeln!(text, "{} cases updated, {} unchanged", updated.len(), told["unchanged"]);
        text
    });
    ExitCode::SUCCESS
}

/// Whether anything in the file had to be changed.
async fn case(adapter: &Adapter, file: &Path) -> Result<bool, Failure> {
    let case = Case::read(file)?;
    let mut changed = Vec::new();
    case.each(adapter, &mut |asked| {
        if !asked.same_twice {
            return Err("asked a second time, it answers otherwise: there is nothing to keep".into());
        }
        if asked.hold().is_err() {
            changed.push((asked.step, as_written(&asked)));
        }
        Ok(())
    })
    .await?;
    if changed.is_empty() {
        return Ok(false);
    }
    let text = std::fs::read_to_string(file)?;
    let unfinished = file.with_extension("unfinished");
    std::fs::write(&unfinished, rewritten(&text, changed)?)?;
    let held = Case::read(&unfinished)?.hold(adapter).await;
    if let Err(why) = held {
        std::fs::remove_file(&unfinished)?;
        return Err(format!("what is answered now cannot be what is expected: {why}").into());
    }
    std::fs::rename(&unfinished, file)?;
    Ok(true)
}

/// The text of a case with other expectations, and all else as it was.
fn rewritten(text: &str, changed: Vec<(Option<usize>, Value)>) -> Result<String, Failure> {
    let mut case: Ordered = serde_json::from_str(text)?;
    for (step, answer) in changed {
        match step {
            None => case.set("expect", raw(&answer, INDENT)?),
            Some(number) => {
                let steps = case.get("steps").ok_or("it has no steps")?;
                let mut steps: Vec<Box<RawValue>> = serde_json::from_str(steps.get())?;
                let place = steps.get_mut(number - 1).ok_or("it has no such step")?;
                let mut step: Ordered = serde_json::from_str(place.get())?;
                step.set("expect", raw(&answer, 3 * INDENT)?);
                *place = RawValue::from_string(step.text(2 * INDENT))?;
                let lines: Vec<_> = steps.iter().map(|step| format!("{:4}{}", "", step.get())).collect();
                case.set("steps", RawValue::from_string(format!("[\n{}\n{:2}]", lines.join(",\n"), ""))?);
            }
        }
    }
    Ok(case.text(0) + "\n")
}

/// Laid out for a member that stands so deep.
fn raw(value: &Value, indent: usize) -> Result<Box<RawValue>, Failure> {
    let text = format!("{value:#}").replace('\n', &format!("\n{:indent$}", ""));
    Ok(RawValue::from_string(text)?)
}

/// As authors write an answer: what is not said is left out, and a body that is JSON stands as such.
pub fn as_written(asked: &Asked) -> Value {
    let mut written = short(&asked.answer);
    if let Some(applied) = &asked.applied {
        written["applied"] = applied.value().clone();
    }
    written
}

fn short(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let alone = value.get("text").and_then(Value::as_str).filter(|_| members.len() == 1);
            let held = alone.and_then(|text| serde_json::from_str::<Value>(text).ok());
            match held.filter(|held| held.is_object() || held.is_array()) {
                Some(held) => json!({ "json": held }),
                None => {
                    let said = members.iter().filter(|(_, member)| !member.is_null());
                    said.map(|(name, member)| match (name.as_str(), member) {
                        // Text in the contract.
                        ("i-account", Value::Number(number)) => (name.clone(), number.to_string().into()),
                        // Somebody's own documents.
                        ("payload" | "value", _) => (name.clone(), member.clone()),
                        _ => (name.clone(), short(member)),
                    })
                    .collect()
                }
            }
        }
        Value::Array(values) => values.iter().map(short).collect(),
        plain => plain.clone(),
    }
}
