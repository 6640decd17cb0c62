//! `adapter test`: the golden cases of an adapter, asked of its component.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use quick_xml::escape::escape;
use serde_json::{Value, json};

use super::super::door::word;
use super::super::output::Format;
use super::{load, refused, update};
use crate::cases::{Case, Failure, files};
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
    /// Write what came of each case for a build server, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write into each case what is answered now, as what it expects. See what that changed before you keep it.
    #[arg(long, conflicts_with = "junit")]
    update: bool,
    #[command(flatten)]
    format: Format,
}

/// The cases in a folder; without any there is nothing to do.
pub fn cases(folder: &Path) -> Result<Vec<PathBuf>, ExitCode> {
    match files(folder) {
        Ok(files) if !files.is_empty() => Ok(files),
        Ok(_) => {
            let why = format!("{} has no case: no file ends in `.json`", folder.display());
            Err(refused(Code::FileOfCommand, why))
        }
        Err(error) => Err(refused(Code::FileOfCommand, format!("cannot read {}: {error}", folder.display()))),
    }
}

/// What came of a case.
struct Tried {
    name: String,
    about: String,
    failure: Option<String>,
    took: Duration,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let adapter = match load(&arguments.adapter).await {
        Ok(adapter) => adapter,
        Err(code) => return code,
    };
    let files = match cases(&arguments.cases) {
        Ok(files) => files,
        Err(code) => return code,
    };
    if arguments.update {
        return update::run(&adapter, &files, arguments.format).await;
    }
    let mut tried = Vec::with_capacity(files.len());
    for case in &files {
        tried.push(Tried::of(case, &adapter).await);
    }
    if let Some(file) = &arguments.junit
        && let Err(error) = std::fs::write(file, junit(&adapter.description().name, &tried))
    {
        return refused(Code::FileOfCommand, format!("cannot write {}: {error}", file.display()));
    }
    arguments.format.print(&told(&adapter, &tried), text);
    if failed(&tried) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn failed(tried: &[Tried]) -> usize {
    tried.iter().filter(|it| it.failure.is_some()).count()
}

impl Tried {
    async fn of(path: &Path, adapter: &Adapter) -> Self {
        let began = Instant::now();
        let (name, about, held) = match Case::read(path) {
            Ok(case) => (case.name.clone(), case.about().to_owned(), case.hold(adapter).await),
            Err(why) => (path.display().to_string(), String::new(), Err(why)),
        };
        let failure = held.err().map(|why: Failure| why.to_string());
        Self { name, about, failure, took: began.elapsed() }
    }
}

fn told(adapter: &Adapter, tried: &[Tried]) -> Value {
    let cases = tried.iter().map(|it| {
        let ms = u64::try_from(it.took.as_millis()).unwrap_or(u64::MAX);
        json!({ "name": it.name, "about": it.about, "differs": it.failure, "ms": ms })
    });
    let failed = failed(tried);
    let description = adapter.description();
    json!({
        "name": description.name,
        "version": description.version,
        "digest": adapter.digest().to_string(),
        "cases": cases.collect::<Vec<_>>(),
        "held": tried.len() - failed,
        "failed": failed,
    })
}

fn text(told: &Value) -> String {
    let mut text = format!("{} {}, {}\n", word(&told["name"]), word(&told["version"]), word(&told["digest"]));
    let cases = told["cases"].as_array().map(Vec::as_slice).unwrap_or_default();
    for case in cases.iter().filter(|case| !case["differs"].is_null()) {
        let _ = writeln!(text, "\nFAILED {}: {}", word(&case["name"]), word(&case["about"]));
        for line in word(&case["differs"]).lines() {
            let _ = writeln!(text, "    {}", line.trim_start());
        }
    }
    match told["failed"].as_u64() {
        Some(0) => {
            let _ = writeln!(text, "all {} cases hold", cases.len());
        }
        failed => {
            let _ = writeln!(text, "\n{} of {} cases do not hold", failed.unwrap_or_default(), cases.len());
        }
    }
    text
}

/// As build servers read it.
fn junit(suite: &str, tried: &[Tried]) -> String {
    let failed = failed(tried);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\">\n",
        escape(suite),
        tried.len()
    );
    for Tried { name, about, failure, took } in tried {
        let (name, seconds) = (escape(name.as_str()), took.as_secs_f64());
        let _ =
            write!(text, "  <testcase classname=\"{}\" name=\"{name}\" time=\"{seconds:.3}\"", escape(suite));
        let _ = match failure {
            None => writeln!(text, "/>"),
            Some(why) => writeln!(
                text,
                ">\n    <failure message=\"{}\">{}</failure>\n  </testcase>",
                escape(about.as_str()),
                escape(why.as_str())
            ),
        };
    }
    text + "</testsuite>\n"
}
