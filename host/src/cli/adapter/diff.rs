//! `adapter diff`: what differs between two components, or between one and the contract, by the types and not by their names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::door::word;
use super::super::output::Format;
use super::{sandbox, unusable};
use crate::explain::Code;
use crate::wasm::{Adapter, Difference, LoadError, Surface, contract_spoken, surface};

#[derive(clap::Args)]
pub struct Arguments {
    /// A component, a file of WebAssembly.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Another one. Without it: the contract that this program serves.
    #[arg(value_name = "B")]
    b: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// Fails when imports or exports differ. What the components say of themselves is shown beside, and may differ.
pub async fn run(arguments: &Arguments) -> ExitCode {
    match compared(&arguments.a, arguments.b.as_deref()).await {
        Ok(told) => {
            arguments.format.print(&told, text);
            if told["same"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(code) => code,
    }
}

async fn compared(a: &Path, b: Option<&Path>) -> Result<Value, ExitCode> {
    let unreadable = |error: LoadError| unusable(error.code(), error.to_string());
    let ours = surface(a).await.map_err(unreadable)?;
    let (found, said) = match b {
        Some(b) => (ours.compare(surface(b).await.map_err(unreadable)?), said(a, b).await?),
        None => {
            let contract = Surface::of_contract_spoken();
            let contract = contract.map_err(|why| unusable(Code::OtherContract, why))?;
            (ours.compare_with_contract(contract), Said::default())
        }
    };
    let b = b.map_or_else(|| json!(contract_spoken()), |b| json!(b.display().to_string()));
    Ok(json!({
        "a": a.display().to_string(),
        "b": b,
        "same": found.is_empty(),
        "differences": found.iter().map(shown).collect::<Vec<_>>(),
        "described": said.differing,
        "not_loaded": said.not_loaded,
    }))
}

fn shown(found: &Difference) -> Value {
    json!({
        "side": found.side,
        "interface": found.interface,
        "part": found.part,
        "place": found.place,
        "a": found.a,
        "b": found.b,
    })
}

/// What two components say of themselves.
#[derive(Default)]
struct Said {
    differing: Vec<Value>,
    /// Why one of them says nothing.
    not_loaded: Vec<String>,
}

async fn said(a: &Path, b: &Path) -> Result<Said, ExitCode> {
    let sandbox = sandbox()?;
    let (a, b) = (sandbox.load(a).await, sandbox.load(b).await);
    let (Ok(ours), Ok(theirs)) = (&a, &b) else {
        let refused = [a.err(), b.err()].into_iter().flatten();
        return Ok(Said { not_loaded: refused.map(|why| why.to_string()).collect(), ..Said::default() });
    };
    let (ours, theirs) = (described(ours), described(theirs));
    let fields: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let differing = fields.into_iter().filter(|field| ours.get(*field) != theirs.get(*field));
    let differing =
        differing.map(|field| json!({ "field": field, "a": ours.get(field), "b": theirs.get(field) }));
    Ok(Said { differing: differing.collect(), ..Said::default() })
}

/// By field; of the schema each setting is one, or nobody would find what changed in it.
fn described(adapter: &Adapter) -> BTreeMap<String, Value> {
    let said = adapter.description();
    let mut schema = said.config_schema.value();
    let settings = schema.as_object_mut().and_then(|schema| schema.remove("properties"));
    let mut fields: BTreeMap<String, Value> = [
        ("name", json!(said.name)),
        ("version", json!(said.version)),
        ("summary", json!(said.summary)),
        ("queries", json!(said.queries)),
        ("secrets", json!(said.secrets)),
        ("secret_fields", json!(said.secret_fields)),
        ("config_schema", schema),
    ]
    .map(|(field, value)| (field.to_owned(), value))
    .into();
    for (name, setting) in settings.iter().filter_map(Value::as_object).flatten() {
        fields.insert(format!("config_schema.properties.{name}"), setting.clone());
    }
    fields
}

fn text(told: &Value) -> String {
    let mut text = format!("A: {}\nB: {}\n\n", word(&told["a"]), word(&told["b"]));
    let list = |name: &str| told[name].as_array().into_iter().flatten();
    if told["same"] == true {
        text.push_str("imports and exports do not differ\n");
    }
    for found in list("differences") {
        let place = [&found["side"], &found["interface"]].map(word).join(" ");
        let way = std::iter::once(&found["part"]).chain(found["place"].as_array().into_iter().flatten());
        let way = way.filter(|part| !part.is_null()).map(|part| format!(", {}", word(part)));
        note(&mut text, &format!("{place}{}", way.collect::<String>()), found, word);
    }
    for field in list("described") {
        note(&mut text, &format!("says of itself: {}", word(&field["field"])), field, Value::to_string);
    }
    for why in list("not_loaded") {
        let _ = writeln!(text, "not asked who they are: {}", word(why));
    }
    text
}

fn note(text: &mut String, what: &str, both: &Value, show: impl Fn(&Value) -> String) {
    match (both["a"].is_null(), both["b"].is_null()) {
        (false, true) => drop(writeln!(text, "{what}: only in A")),
        (true, false) => drop(writeln!(text, "{what}: only in B")),
        _ => drop(writeln!(text, "{what}\n  A: {}\n  B: {}", show(&both["a"]), show(&both["b"]))),
    }
}
