//! The README's journeys of whoever writes an adapter, typed as they stand there.

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::harness::{PROGRAM, folder, workspace};

use super::{LANGUAGES, is_there, target_dir};

/// The commands of each language, in the order in which they stand.
fn journeys() -> Vec<String> {
    let page = std::fs::read_to_string(workspace().join("README.md")).expect("README.md");
    let mut sections = page.split("\n## ");
    let section = sections.find(|section| section.starts_with("An adapter of your own")).expect("a section");
    section
        .split("```sh\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .map(str::to_owned)
        .collect()
}

/// What each of them needs beside the program.
const TOOLS: [&[&str]; 3] = [&["cargo"], &["python3"], &["node", "npm"]];

fn type_it(language: usize) {
    let journey = &journeys()[language];
    let lang = LANGUAGES[language];
    assert!(journey.contains(&format!("--lang {lang}")), "the README's journey in {lang}: {journey}");
    if !TOOLS[language].iter().all(|tool| is_there(tool)) {
        return;
    }
    let home = folder();
    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).expect("a folder");
    symlink(PROGRAM, bin.join("punchdown")).expect("a link");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell
        .args(["-ec", journey])
        .current_dir(home.path())
        .env("PATH", path)
        .env("CARGO_TARGET_DIR", target_dir());
    let output = shell.stdin(Stdio::null()).output().expect("it runs");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{journey}\n{said}");
    for part in ["cases hold", "send order, at-most-once", "curl -X POST", "p95"] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}

#[test]
fn an_adapter_in_rust_is_written_as_the_readme_says() {
    type_it(0);
}

#[test]
fn an_adapter_in_python_is_written_as_the_readme_says() {
    type_it(1);
}

#[test]
fn an_adapter_in_typescript_is_written_as_the_readme_says() {
    type_it(2);
}
