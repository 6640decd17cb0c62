//! `adapter bench`: how long a component takes, and how much memory, to answer what its golden cases ask.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use serde_json::{Value, json};

use super::super::door::word;
use super::super::output::Format;
use super::test::cases;
use super::{load_in, refused, sandbox};
use crate::cases::{Asked, Case, Failure};
use crate::explain::Code;
use crate::wasm::Adapter;

#[derive(clap::Args)]
pub struct Arguments {
    /// The component, a file of WebAssembly.
    #[arg(value_name = "ADAPTER")]
    adapter: PathBuf,
    /// The folder of its cases, files of JSON.
    #[arg(value_name = "CASES")]
    cases: PathBuf,
    /// How often each case is asked.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    #[command(flatten)]
    format: Format,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let (sandbox, began) = match sandbox() {
        Ok(sandbox) => (sandbox, Instant::now()),
        Err(code) => return code,
    };
    let adapter = match load_in(&sandbox, &arguments.adapter).await {
        Ok(adapter) => adapter,
        Err(code) => return code,
    };
    let loaded = began.elapsed();
    let files = match cases(&arguments.cases) {
        Ok(files) => files,
        Err(code) => return code,
    };
    let mut took = Times::new();
    for file in files {
        if let Err(why) = asked(&adapter, &file, arguments.rounds, &mut took).await {
            return refused(Code::CaseFails, format!("{}: {why}", file.display()));
        }
    }
    let questions = took.into_iter().map(|(ask, times)| percentiles(&ask, times));
    let description = adapter.description();
    let told = json!({
        "name": description.name,
        "version": description.version,
        "bytes": std::fs::metadata(&arguments.adapter).map(|file| file.len()).ok(),
        "compile_ms": ms(sandbox.compiling()),
        "load_ms": ms(loaded),
        "memory_peak": sandbox.memory_peak(),
        "questions": questions.collect::<Vec<_>>(),
    });
    arguments.format.print(&told, text);
    ExitCode::SUCCESS
}

/// Of each kind of question.
type Times = BTreeMap<String, Vec<Duration>>;

async fn asked(adapter: &Adapter, file: &Path, rounds: u32, took: &mut Times) -> Result<(), Failure> {
    let case = Case::read(file)?;
    let times = took.entry(word(&case.case["ask"])).or_default();
    for _ in 0..rounds {
        let mut hear = |asked: Asked| {
            times.push(asked.took);
            Ok(())
        };
        case.each(adapter, &mut hear).await?;
    }
    Ok(())
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// The first of all is warm already: the adapter has described itself.
fn percentiles(ask: &str, mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at =
        |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied();
    let micros = |percent| at(percent).map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    json!({ "question": ask, "asked": times.len(), "p50_us": micros(50), "p95_us": micros(95), "max_us": micros(100) })
}

fn text(told: &Value) -> String {
    let size = |name: &str| told[name].as_u64().map(|bytes| ByteSize(bytes).to_string()).unwrap_or_default();
    let mut text = format!("{} {}, {}\n\n", word(&told["name"]), word(&told["version"]), size("bytes"));
    let _ = writeln!(text, "compile      {} ms", told["compile_ms"]);
    let _ = writeln!(text, "load         {} ms, compiling and `describe` included", told["load_ms"]);
    let _ = writeln!(text, "memory peak  {} of an instance", size("memory_peak"));
    let _ = writeln!(
        text,
        "\n{:<20} {:>8} {:>10} {:>10} {:>10}",
        "question", "asked", "p50 µs", "p95 µs", "max µs"
    );
    for times in told["questions"].as_array().into_iter().flatten() {
        let [ask, asked, p50, p95, max] =
            ["question", "asked", "p50_us", "p95_us", "max_us"].map(|name| word(&times[name]));
        let _ = writeln!(text, "{ask:<20} {asked:>8} {p50:>10} {p95:>10} {max:>10}");
    }
    text
}
