//! The integrator's bench: an adapter is begun, built, tried and measured in each language, with nothing but the
//! program and the language's own tools.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::{PROGRAM, folder, workspace};

mod bad_input;
mod journeys;
mod last_words;
mod sdks;
mod tools;

const LANGUAGES: [&str; 3] = ["rust", "python", "typescript"];
/// Each with fewer cases than it has: an empty folder proves nothing.
const KINDS: [(&str, u64); 4] = [("hss", 12), ("iptv", 12), ("oms", 12), ("blank", 18)];

/// What adapters share is built once, below the folder of the program under test.
fn target_dir() -> PathBuf {
    Path::new(PROGRAM).ancestors().nth(2).expect("target/<profile>/<program>").to_owned()
}

pub fn adapter(arguments: &[&dyn AsRef<OsStr>]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("adapter").args(arguments.iter().map(|argument| argument.as_ref()));
    command.env("CARGO_TARGET_DIR", target_dir()).output().expect("it runs")
}

fn json(output: &Output) -> Value {
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output:?}\n{error}"))
}

/// All that a command said.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Whether a missing tool is a failure.
fn all_of_it() -> bool {
    std::env::var("PUNCHDOWN_TESTS").is_ok_and(|which| which == "all")
}

/// Whether a tool is on this machine; a line that says so where it is not. Under `PUNCHDOWN_TESTS=all` that is a failure.
fn is_there(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(found || !all_of_it(), "no {tool} on this machine");
    if !found {
        eprintln!("skipped: {tool}");
    }
    found
}

/// A new project; the folder goes away with the test.
pub fn begun(home: &Path, name: &str, kind: &str, language: &str) -> PathBuf {
    let project = home.join(name);
    let output = adapter(&[&"new", &project, &"--kind", &kind, &"--lang", &language]);
    assert!(output.status.success(), "{}", said(&output));
    project
}

/// Its component. `None`, and a line that says so, where the language's tools are missing; under
/// `PUNCHDOWN_TESTS=all` that is a failure.
pub fn built(project: &Path) -> Option<PathBuf> {
    let to = project.with_extension("wasm");
    let output = adapter(&[&"build", &project, &"--to", &to]);
    let said = said(&output);
    if said.contains("E0309") && !all_of_it() {
        eprintln!("skipped: {said}");
        return None;
    }
    assert!(output.status.success(), "{}: {said}", project.display());
    Some(to)
}

/// One and the same cases, whatever the language.
#[test]
fn every_kind_in_every_language_answers_the_same_cases() {
    for (language, (kind, cases_min)) in
        LANGUAGES.iter().flat_map(|language| KINDS.map(|kind| (language, kind)))
    {
        let home = folder();
        let project = begun(home.path(), &format!("{kind}-acme"), kind, language);
        let Some(component) = built(&project) else { continue };
        let told = json(&adapter(&[&"test", &component, &project.join("cases"), &"-o", &"json"]));
        let differ =
            told["cases"].as_array().expect("cases").iter().filter(|case| !case["differs"].is_null());
        assert_eq!(differ.collect::<Vec<_>>(), Vec::<&Value>::new(), "{kind} in {language}");
        let held = told["held"].as_u64().expect("a number");
        assert!(held >= cases_min, "{kind} in {language}: {held} cases are too few");
        assert_eq!(told["name"], format!("{kind}-acme"), "{language}");
    }
}

/// No SDK, no TypeScript: one file against the bare contract, by the tool that a project in TypeScript brings along.
#[test]
fn plain_javascript_without_any_sdk_keeps_the_contract() {
    let home = folder();
    let project = begun(home.path(), "brings-the-tool", "hss", "typescript");
    if built(&project).is_none() {
        return;
    }
    let (guest, component) = (workspace().join("tests/guests/plain"), home.path().join("plain.wasm"));
    let mut make = Command::new("npx");
    make.arg("componentize-qjs").arg("--wit").arg(workspace().join("wit/adapter.wit"));
    make.arg("--js")
        .arg(guest.join("adapter.js"))
        .args(["--world", "adapter", "--sync", "-o"])
        .arg(&component);
    let made = make.current_dir(&project).output().expect("it runs");
    assert!(made.status.success(), "{}", said(&made));
    let told = json(&adapter(&[&"test", &component, &guest.join("cases"), &"-o", &"json"]));
    assert_eq!((&told["held"], &told["failed"]), (&3.into(), &0.into()), "{told}");
}

/// What is built already is not built again, though its own component lies beside it; a changed line is.
#[test]
fn what_is_unchanged_is_not_built_again() {
    for (language, source) in
        [("rust", "src/lib.rs"), ("python", "adapter.py"), ("typescript", "src/adapter.ts")]
    {
        let home = folder();
        let project = begun(home.path(), "twice", "hss", language);
        if built(&project).is_none() {
            continue;
        }
        let to = project.join("twice.wasm");
        for _ in 0..2 {
            let again = said(&adapter(&[&"build", &project, &"--to", &to]));
            assert!(again.contains("twice is unchanged"), "{language}: {again}");
        }
        let source = project.join(source);
        let text = std::fs::read_to_string(&source).expect("a source");
        std::fs::write(&source, text + "\n").expect("written");
        let changed = said(&adapter(&[&"build", &project]));
        assert!(changed.contains("building twice with"), "{language}: {changed}");
    }
}
