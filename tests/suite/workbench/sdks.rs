//! The SDKs' own tests, by the test tool of each language.

use std::path::Path;
use std::process::Command;

use crate::harness::{folder, workspace};

use super::{is_there, said};

fn succeeds(command: &mut Command) {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}\n{}", said(&output));
}

#[test]
fn the_python_sdk_keeps_its_own_tests() {
    if !is_there("python3") {
        return;
    }
    let home = folder();
    let environment = home.path().join("venv");
    succeeds(Command::new("python3").args(["-m", "venv"]).arg(&environment));
    succeeds(Command::new(environment.join("bin/pip")).args(["install", "--quiet", "pytest"]));
    let mut tests = Command::new(environment.join("bin/python"));
    tests.args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider"]).env("PYTHONDONTWRITEBYTECODE", "1");
    succeeds(tests.current_dir(workspace().join("sdk/python")));
}

/// In a copy: what npm installs does not belong into a checkout.
#[test]
fn the_typescript_sdk_keeps_its_own_tests() {
    if !is_there("node") || !is_there("npm") {
        return;
    }
    let home = folder();
    let sdk = home.path().join("sdk/typescript");
    copy(&workspace().join("sdk/typescript"), &sdk);
    copy(&workspace().join("wit"), &home.path().join("wit"));
    succeeds(Command::new("npm").args(["install", "--no-audit", "--no-fund"]).current_dir(&sdk));
    succeeds(Command::new("npm").arg("test").current_dir(&sdk));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true if ["node_modules", "build"].iter().any(|made| entry.file_name() == *made) => {}
            true => copy(&path, &copied),
            false => drop(std::fs::copy(&path, &copied).expect("copied")),
        }
    }
}
