//! `adapter inspect`: what a component is.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytesize::ByteSize;
use serde_json::{Value, json};

use super::super::door::word;
use super::super::output::Format;
use super::load;
use crate::wasm::{Adapter, contract_spoken};

#[derive(clap::Args)]
pub struct Arguments {
    /// The component, a file of WebAssembly.
    #[arg(value_name = "ADAPTER")]
    adapter: PathBuf,
    #[command(flatten)]
    format: Format,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let adapter = match load(&arguments.adapter).await {
        Ok(adapter) => adapter,
        Err(code) => return code,
    };
    show(&adapter, &arguments.adapter, arguments.format)
}

pub fn show(adapter: &Adapter, file: &Path, format: Format) -> ExitCode {
    let optional = [("session", adapter.logs_in()), ("registration", adapter.registers())];
    let optional = optional.into_iter().filter_map(|(name, has_it)| has_it.then_some(name));
    let interfaces: Vec<_> = ["external-system"].into_iter().chain(optional).collect();
    let description = adapter.description();
    let shown = json!({
        "name": description.name,
        "version": description.version,
        "summary": description.summary,
        "file": file,
        "bytes": std::fs::metadata(file).map(|file| file.len()).ok(),
        "digest": adapter.digest().to_string(),
        "contract": contract_spoken(),
        "interfaces": interfaces,
        "not_asked": adapter.not_asked(),
        "queries": description.queries,
        "secrets": description.secrets,
        "secret_fields": description.secret_fields,
        "config_schema": description.config_schema.value(),
    });
    format.print(&shown, text);
    ExitCode::SUCCESS
}

fn text(shown: &Value) -> String {
    let names = |name: &str| {
        let names: Vec<String> = shown[name].as_array().into_iter().flatten().map(word).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let size = shown["bytes"].as_u64().map(|bytes| format!(", {}", ByteSize(bytes))).unwrap_or_default();
    let mut text =
        format!("{} {}\n{}\n\n", word(&shown["name"]), word(&shown["version"]), word(&shown["summary"]));
    for (label, value) in [
        ("file", format!("{}{size}", word(&shown["file"]))),
        ("digest", word(&shown["digest"])),
        ("contract", word(&shown["contract"])),
        ("interfaces", names("interfaces")),
        ("not asked", names("not_asked")),
        ("queries", names("queries")),
        ("secrets", names("secrets")),
        ("secret fields", names("secret_fields")),
    ] {
        let _ = writeln!(text, "{label:<14} {value}");
    }
    let settings = shown["config_schema"]["properties"].as_object();
    let _ = writeln!(text, "\nsettings under [groups.<group>.config]; all of their schema: -o json");
    for (name, schema) in settings.into_iter().flatten() {
        let is_required =
            shown["config_schema"]["required"].as_array().is_some_and(|all| all.iter().any(|it| it == name));
        let about = schema["description"].as_str().unwrap_or_default();
        let required = if is_required { "required. " } else { "" };
        let _ = writeln!(text, "  {name:<22} {required}{about}");
    }
    text
}
