//! `config`: what is in effect and where it comes from, and how what runs differs from what lies on disk.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::columns::columns;
use super::door::{Door, word};
use super::output::{self, Format};
use crate::app::{StartError, load_groups};
use crate::config::{self, GroupSettings, Problem, Problems, Sight};
use crate::domain::Group;
use crate::explain::Code;
use crate::http;
use crate::lifecycle::{EXIT_CONFIGURATION, refuse};
use crate::ports::Adapters as _;
use crate::secret::Vault;

#[derive(Subcommand)]
pub enum Command {
    /// Show every setting that is in effect by a file, and where it comes from.
    Show(Show),
    /// Show what a running host runs by otherwise than its file says now. 1: something differs.
    Diff(Diff),
}

#[derive(clap::Args)]
pub struct Show {
    /// Only a group, a section or a setting: `HSS`, `events`, `groups.HSS.target`.
    #[arg(value_name = "GROUP|KEY")]
    only: Option<String>,
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "punchdown.toml")]
    config: PathBuf,
    #[command(flatten)]
    format: Format,
}

#[derive(clap::Args)]
pub struct Diff {
    #[command(flatten)]
    door: Door,
}

pub async fn run(command: &Command) -> ExitCode {
    match command {
        Command::Show(arguments) => show(arguments).await,
        Command::Diff(arguments) => diff(&arguments.door).await,
    }
}

async fn show(Show { only, config: file, format }: &Show) -> ExitCode {
    let (loaded, in_effect) = config::load_in_effect(file);
    let (groups, secrets, mut found) = match loaded {
        Ok((settings, found)) => (settings.groups, settings.secrets, found),
        Err(problems) => (problems.whole, problems.secrets, problems.found),
    };
    let secret_fields = match ask_adapters(&groups, &secrets, file, &mut found).await {
        Ok(secret_fields) => secret_fields,
        Err(error) => return refuse(&error),
    };
    found.sort();
    let sight = Sight::of(&[&in_effect], secret_fields);
    let settings = sight.all(&in_effect).into_iter();
    let is_meant = |key: &str| only.as_ref().is_none_or(|only| is_of(key, only));
    let settings: Vec<Value> =
        settings.filter(|setting| is_meant(&setting.key)).map(|setting| http::setting(&setting)).collect();
    let problems = Problems::of(file, found);
    let is_good = problems.found.is_empty();
    if let Some(only) = only.as_ref().filter(|_| is_good && settings.is_empty()) {
        eprint!("{}", Code::UnknownKey.tell(format!("no setting `{only}` is in effect"), &[]));
        return ExitCode::FAILURE;
    }
    let told: Vec<Value> = problems.found.iter().map(|problem| output::problem(problem, file)).collect();
    let answer = json!({ "config": file.display().to_string(), "good": is_good, "problems": told, "settings": settings });
    format.print(&answer, |answer| table(&answer["settings"]));
    match is_good {
        true => ExitCode::SUCCESS,
        false if format.is_json() => ExitCode::from(EXIT_CONFIGURATION),
        false => refuse(&problems.into()),
    }
}

/// As `check` does: what is wrong with them is found, and which names each calls secret.
async fn ask_adapters(
    groups: &[GroupSettings],
    secrets: &Vault,
    file: &Path,
    found: &mut Vec<Problem>,
) -> Result<BTreeMap<Group, Vec<String>>, StartError> {
    let loaded = load_groups(groups, secrets, file).await?;
    found.extend(loaded.problems);
    let mut secret_fields = BTreeMap::new();
    for group in groups {
        let name = group.group();
        if loaded.catalog.serves(name) {
            secret_fields.insert(name.clone(), loaded.catalog.secret_fields(name));
        } else if let Ok(adapter) =
            // One that refuses its configuration says all the same what in it is secret.
            loaded.workshop.sandbox.load_within(&group.adapter, group.limits).await
        {
            secret_fields.insert(name.clone(), adapter.description().secret_fields.clone());
        }
    }
    Ok(secret_fields)
}

/// A group by its name, or whatever stands at a key or below it.
fn is_of(key: &str, only: &str) -> bool {
    config::is_within(key, only) || config::is_within(key, &format!("groups.{only}"))
}

fn table(settings: &Value) -> String {
    let row = |setting: &Value| vec![word(&setting["key"]), origin(setting), value(setting)];
    let head = ["KEY", "ORIGIN", "VALUE"].map(str::to_owned).to_vec();
    let rows: Vec<_> = settings.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() { String::new() } else { columns(&[vec![head], rows].concat()) }
}

fn origin(setting: &Value) -> String {
    match (&setting["line"], &setting["column"]) {
        (Value::Null, _) => word(&setting["origin"]),
        (line, column) => format!("{line}:{column}"),
    }
}

fn value(setting: &Value) -> String {
    let secret = &setting["secret"];
    match (&secret["from"], &secret["name"]) {
        (Value::Null, _) => setting["value"].to_string(),
        (from, Value::Null) => format!("(secret) {}", word(from)),
        (from, name) => format!("(secret) {} {}", word(from), word(name)),
    }
}

async fn diff(door: &Door) -> ExitCode {
    let mut answer = match door.ask(Method::GET, "config", None).await {
        Ok(answer) => answer,
        Err(code) => return code,
    };
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("settings");
    }
    let is_empty = |name: &str| answer[name].as_array().is_some_and(Vec::is_empty);
    let is_same = is_empty("differs") && is_empty("problems");
    door.print(Ok(answer), differences);
    if is_same { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn differences(told: &Value) -> String {
    let mut text = String::new();
    let file = word(&told["file"]);
    for difference in told["differs"].as_array().into_iter().flatten() {
        let then = match difference["waits_for_restart"].as_bool() {
            Some(false) => "is taken over",
            _ => "waits for a restart",
        };
        let (running, on_disk) = (&difference["running"], &difference["on_disk"]);
        let _ = writeln!(text, "{}  {then}", word(&difference["key"]));
        let _ = writeln!(text, "  runs     {}", side(running));
        let is_another = !running["secret"].is_null() && running["secret"] == on_disk["secret"];
        let another = if is_another { ", another one" } else { "" };
        let _ = writeln!(text, "  on disk  {}{another}", side(on_disk));
    }
    for problem in told["problems"].as_array().into_iter().flatten() {
        let [code, message, line, key] = ["code", "message", "line", "key"].map(|it| word(&problem[it]));
        let _ = writeln!(text, "error[{code}]: {message}\n  --> {file}:{line} {key}");
    }
    if text.is_empty() { format!("what runs is what {file} says\n") } else { text }
}

fn side(setting: &Value) -> String {
    if setting.is_null() { "-".to_owned() } else { format!("{}  ({})", value(setting), origin(setting)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_a_section_and_a_setting_are_found_by_whole_words() {
        for (key, only, is_found) in [
            ("groups.HSS.deadline", "HSS", true),
            ("groups.HSS2.deadline", "HSS", false),
            ("events.listen", "events", true),
            ("events.listen", "events.lis", false),
            ("events.auth[0].basic.user", "events.auth", true),
            ("groups.HSS.target.url", "groups.HSS.target.url", true),
            ("log.filter", "HSS", false),
        ] {
            assert_eq!(is_of(key, only), is_found, "{only} of {key}");
        }
    }
}
