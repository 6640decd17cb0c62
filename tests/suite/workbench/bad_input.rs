//! Whatever an integrator hands over wrongly is told by one error: a code, the place, the way out, and the guest's own
//! words where it left some.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::guests::{bent, file, guest};
use crate::harness::folder;

use super::{adapter, begun, said};

fn life() -> Value {
    json!({
        "about": "One question.",
        "ask": "provision",
        "operation": {
            "id": "01KG8E5S00BADINPUT00000001", "group": "HSS", "i-account": "189",
            "began": "2026-01-31T08:00:00.000Z",
            "event": { "id": "1", "name": "Account/New", "received-at": "2026-01-31T07:59:59.000Z", "variables": {}, "enclosed": {} },
            "wanted": "running", "config": {},
        },
        "steps": [{ "expect": { "decision": "finish", "reports": [], "keys": [] } }],
    })
}

/// What another contract and a forbidden import are told stands in `guests/refusals.rs`.
#[test]
fn what_cannot_describe_itself_says_why() {
    let home = folder();
    let load = |path: PathBuf, parts: &[&str]| {
        let output = adapter(&[&"inspect", &path]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(78), "{said}");
        for part in parts.iter().chain(&["E0304", "punchdown explain E0304"]) {
            assert!(said.contains(part), "`{part}` is not in\n{said}");
        }
    };
    let schema = |to: &'static str| {
        move |text: String| {
            assert!(text.contains("(data (i32.const 2080) \"{}\")"), "where its schema stands");
            text.replace("(data (i32.const 2080) \"{}\")", &format!("(data (i32.const 2080) \"{to}\")"))
        }
    };
    load(bent(home.path(), "ignores", "list.wasm", schema("[]")), &["`config-schema` is no JSON Schema"]);
    load(bent(home.path(), "ignores", "text.wasm", schema("{a")), &["`config-schema` is not JSON"]);
    let stops = |text: String| text.replace("(i32.const 1024))", "(unreachable))");
    load(bent(home.path(), "ignores", "stops.wasm", stops), &["cannot describe itself", "it left no words"]);
}

#[test]
fn what_cannot_be_asked_or_answers_wrongly_says_why() {
    let home = folder();
    let ask = |name: &str, guest: PathBuf, text: &str, parts: &[&str]| {
        let cases = home.path().join(name);
        std::fs::create_dir(&cases).expect("a folder");
        file(&cases, "case.json", text);
        let output = adapter(&[&"test", &guest, &cases]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        for part in parts.iter().chain(&["FAILED"]) {
            assert!(said.contains(part), "{name}: `{part}` is not in\n{said}");
        }
    };
    let ignores = guest(home.path(), "ignores");
    ask("no-json", ignores.clone(), "{\"ask\": ", &["case.json", "it is no JSON"]);
    ask("no-question", ignores.clone(), "[]", &["`ask` is null, and must be one of"]);
    let life = life().to_string();
    ask(
        "another-answer",
        ignores,
        &life,
        &["step 1: /decision: expected \"finish\", answered", "not of this group"],
    );
    ask(
        "stops",
        guest(home.path(), "diverges"),
        &life,
        &["step 1", "its last words: diverged: the history has"],
    );
    ask("too-much-memory", guest(home.path(), "hoards"), &life, &["step 1", "`limits.memory` allows"]);
    // The last member of its answer, a word that this host does not know.
    let extras = |text: String| {
        text + r#"(data (i32.const 4200) "{\22later\22:1}") (data (i32.const 4452) "\01")
                  (data (i32.const 4456) "\68\10\00\00" "\0b\00\00\00")"#
    };
    ask("extras", bent(home.path(), "ignores", "extras.wasm", extras), &life, &["step 1", "extras", "later"]);
}

#[test]
fn a_case_that_cannot_be_run_is_told_with_its_code() {
    let home = folder();
    let case = file(home.path(), "case.json", "{\"ask\": \"provision\"}");
    for command in ["run", "bench"] {
        let cases: &dyn AsRef<std::ffi::OsStr> = if command == "run" { &case } else { &home.path() };
        let output = adapter(&[&command, &guest(home.path(), "ignores"), cases]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("E0307") && said.contains("case"), "{said}");
    }
}

/// A stranger's project is only read.
#[test]
fn a_project_that_cannot_be_built_says_why_and_harms_nothing() {
    let home = folder();
    let project = begun(home.path(), "stranger", "hss", "python");
    let bystander = home.path().join("bystander");
    std::fs::create_dir(&bystander).expect("a folder");
    let manifest = std::fs::read_to_string(project.join("pyproject.toml")).expect("a manifest");
    for name in [bystander.display().to_string(), "..".to_owned(), String::new()] {
        let other = manifest.replace("name = \"stranger\"", &format!("name = \"{name}\""));
        file(&project, "pyproject.toml", other);
        let output = adapter(&[&"build", &project]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(said.contains("E0308") || said.contains("E0309"), "{name}: {said}");
        assert!(bystander.is_dir(), "{name}");
    }
    let mut bare = std::process::Command::new(crate::harness::PROGRAM);
    let bare =
        bare.args(["adapter", "build"]).arg(&project).env("PATH", "/nowhere").output().expect("it runs");
    assert!(said(&bare).contains("E0309") && said(&bare).contains("python3"), "{}", said(&bare));
}
