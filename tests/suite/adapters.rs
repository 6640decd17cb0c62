//! Adapters as an integrator tries them: what a component says it is, and whether it answers what its golden cases
//! hold. What its author tried natively is what the sandbox answers.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::guests::{file, guest};
use crate::harness::{PROGRAM, component, folder, oms_adapter, workspace};

/// So many cases the adapter has at least: an empty folder proves nothing.
const CASES_MIN: usize = 30;

fn adapter(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("adapter").args(arguments.iter().map(|argument| argument.as_ref()));
    command.output().expect("it runs")
}

fn json(output: &Output) -> Value {
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output:?}\n{error}"))
}

#[test]
fn the_golden_cases_hold_for_the_component_too() {
    let Some(path) = oms_adapter() else { return };
    hold(&path, "adapters/oms-tmf641/cases", CASES_MIN);
    for (crate_of, cases_min) in [
        ("adapters/blank", 18),
        ("adapters/hss-pyhss", CASES_MIN),
        ("adapters/iptv-magoware", CASES_MIN),
        ("tests/guests/hlr", 4),
    ] {
        let Some(path) = component(crate_of) else { return };
        hold(&path, &format!("{crate_of}/cases"), cases_min);
    }
}

fn hold(component: &Path, cases: &str, cases_min: usize) {
    let output = adapter(&[&"test", &component, &workspace().join(cases), &"-o", &"json"]);
    let told = json(&output);
    let differ = told["cases"].as_array().expect("cases").iter().filter(|case| !case["differs"].is_null());
    assert_eq!(differ.collect::<Vec<_>>(), Vec::<&Value>::new(), "{cases}");
    assert!(output.status.success());
    let held = told["held"].as_u64().expect("a number");
    assert!(held >= cases_min as u64, "{held} cases are too few in {cases}");
}

/// A case as an author has it before the adapter does what it is to do.
#[test]
fn a_case_that_does_not_hold_says_what_differs_and_where() {
    let Some(path) = oms_adapter() else { return };
    let folder = folder();
    let good = std::fs::read_to_string(workspace().join("adapters/oms-tmf641/cases/answered-404-again.json"));
    let other = good.expect("a case").replace("/serviceOrder", "/serviceOrders");
    for (name, text) in
        [("other.json", other.as_str()), ("cut.json", "{\"ask\": "), ("unknown.json", "{\"ask\": \"sing\"}")]
    {
        file(folder.path(), name, text);
    }
    let junit = folder.path().join("junit.xml");
    let output = adapter(&[&"test", &path, &folder.path(), &"--junit", &junit]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    for part in [
        "3 of 3 cases do not hold",
        "FAILED other:",
        "step 1: /decision/send/path: expected",
        "cut.json",
        "it is no JSON: EOF while parsing a value at line 1",
        "`ask` is \"sing\", and must be one of: provision,",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    let junit = std::fs::read_to_string(junit).expect("it is written");
    for part in [
        "tests=\"3\" failures=\"3\"",
        "<testcase classname=\"oms-tmf641\" name=\"other\"",
        "expected &quot;/",
    ] {
        assert!(junit.contains(part), "`{part}` is not in\n{junit}");
    }
}

#[test]
fn a_component_says_who_it_is_and_what_it_needs() {
    let Some(path) = oms_adapter() else { return };
    let told = json(&adapter(&[&"inspect", &path, &"-o", &"json"]));
    assert_eq!((&told["name"], &told["contract"]), (&"oms-tmf641".into(), &"punchdown:adapter@0.9.0".into()));
    assert_eq!(told["interfaces"], serde_json::json!(["external-system", "registration"]));
    assert_eq!(told["bytes"].as_u64(), Some(std::fs::metadata(&path).expect("a file").len()));
    assert!(told["config_schema"]["properties"]["specification"].is_object(), "{told}");
    let text = adapter(&[&"inspect", &path]);
    let text = String::from_utf8_lossy(&text.stdout);
    for part in ["oms-tmf641 ", "external-system, registration", "specification", "required. "] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

/// Built by the same code as the components of this suite, so it is there already.
#[test]
fn a_crate_becomes_a_component_where_it_is_wanted() {
    let Some(built) = component("tests/guests/hlr") else { return };
    let folder = folder();
    let to = folder.path().join("hlr.wasm");
    let output = adapter(&[&"build", &workspace().join("tests/guests/hlr"), &"--to", &to, &"-o", &"json"]);
    let told = json(&output);
    assert_eq!(told["file"].as_str(), to.to_str());
    let same = |path: &Path| std::fs::read(path).expect("a component");
    assert!(same(&to) == same(&built));
    let none = adapter(&[&"build", &folder.path()]);
    assert_eq!(none.status.code(), Some(1), "{none:?}");
    let said = String::from_utf8_lossy(&none.stderr);
    assert!(said.contains("E0308") && said.contains("pyproject.toml"), "{said}");
}

#[test]
fn what_is_no_adapter_or_has_no_cases_is_told_so() {
    let folder = folder();
    let text = file(folder.path(), "adapter.toml", "name = \"oms\"\n");
    let good = guest(folder.path(), "traps");
    let nowhere = folder.path().join("nowhere");
    for (arguments, code, parts) in [
        (adapter(&[&"inspect", &text]), 78, ["E0302", "it is text"]),
        (adapter(&[&"test", &nowhere, &folder.path()]), 78, ["E0301", "No such file"]),
        (adapter(&[&"test", &good, &nowhere]), 1, ["E0704", "cannot read"]),
        (adapter(&[&"test", &good, &folder.path()]), 1, ["E0704", "has no case"]),
    ] {
        let said = String::from_utf8_lossy(&arguments.stderr);
        assert_eq!(arguments.status.code(), Some(code), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?} in\n{said}");
    }
}

/// A Rust adapter needs nothing but the contract; `std` must not have brought WASI with it.
#[test]
fn a_rust_adapter_does_without_wasi() {
    for adapter in ["adapters/oms-tmf641", "adapters/hss-pyhss", "adapters/iptv-magoware"] {
        let Some(path) = component(adapter) else { return };
        let component = std::fs::read(path).expect("the component");
        let names = |text: &str| component.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(names("punchdown:adapter/log@"), "imports are written as they are");
        assert!(!names("wasi:") && !names("wasi_snapshot"), "{adapter} imports WASI");
    }
}
