//! Keeps the house as it was meant: floors, sizes, the way in, and documents that say what the
//! code does. Each rule is a function from a tree to its violations; each is tried on a planted
//! violation first.

mod engines;
mod rules;

use punchdown::config;
use punchdown::domain::{Group, Reason, State, Timestamp};
use punchdown::explain::{Code, explain};
use punchdown::ports::Overview;
use punchdown::telemetry::Metrics;

use crate::harness::{folder, workspace, write_secrets};
use rules::{files_of, floors, lines_of, long_files, long_functions, names_apart};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 60;
const WAY_IN_LINES_MAX: usize = 700;
const WAY_IN: [&str; 5] = [
    "host/src/lib.rs",
    "host/src/domain/mod.rs",
    "host/src/domain/step.rs",
    "host/src/ports.rs",
    "host/src/engine/worker.rs",
];
const SOURCES: [&str; 8] = [
    "host/src",
    "sdk/rust/src",
    "adapters/blank/src",
    "adapters/hss-pyhss/src",
    "adapters/iptv-magoware/src",
    "adapters/oms-tmf641/src",
    "tests/kit/src",
    "tests/simulation/src",
];

fn none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn every_module_looks_down() {
    none(&floors(&workspace().join("host/src")));
}

#[test]
fn files_and_functions_fit_on_a_screen() {
    for tree in SOURCES {
        let files = files_of(&workspace().join(tree), "rs");
        assert!(!files.is_empty(), "{tree} is empty");
        none(&long_files(&files, FILE_LINES_MAX));
        none(&long_functions(&files, FUNCTION_LINES_MAX));
    }
}

#[test]
fn the_way_in_is_short() {
    let lines: usize = WAY_IN.iter().map(|file| lines_of(&workspace().join(file))).sum();
    assert!(
        lines < WAY_IN_LINES_MAX,
        "the way in has {lines} lines, it must have fewer than {WAY_IN_LINES_MAX}"
    );
}

#[test]
fn each_library_has_its_room() {
    let src = workspace().join("host/src");
    none(&names_apart(&src, "wasmtime", &["wasm"]));
    none(&names_apart(&src, "rusqlite", &["store"]));
    none(&names_apart(&src, "tokio_postgres", &["store", "config"]));
    none(&names_apart(&src, "axum", &["http", "config", "app.rs"]));
    for outside in ["tokio", "reqwest", "wasmtime", "rusqlite", "tokio_postgres", "axum"] {
        let domain = files_of(&src.join("domain"), "rs");
        let named = domain.iter().filter(|file| rules::names(file, outside));
        none(&named.map(|file| format!("{} names {outside}", file.display())).collect::<Vec<_>>());
    }
}

#[test]
fn the_example_configuration_is_equal_to_the_defaults() {
    let folder = folder();
    let example = std::fs::read_to_string(workspace().join("host/config.example.toml")).expect("the example");
    let config = folder.path().join("config.example.toml");
    std::fs::write(&config, &example).expect("written");
    write_secrets(folder.path(), &example);
    if let Err(problems) = config::load(&config) {
        panic!("{problems}");
    }
    let known = config::known_keys(&config);
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    let mut violations = Vec::new();
    for key in known {
        match (&key.default, &key.written) {
            (Some(default), Some(written)) if squeezed(default) != squeezed(written) => {
                violations.push(format!("{}: the default is {default}, the example says {written}", key.key));
            }
            (_, None) if !shown_as_comment(&example, &key.key) => {
                violations.push(format!("{} is not in the example", key.key));
            }
            _ => {}
        }
    }
    none(&violations);
}

/// An alternative that cannot stand beside what the example uses is shown as a comment.
fn shown_as_comment(example: &str, key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    example.lines().filter_map(|line| line.trim().split_once('#')).any(|(_, comment)| comment.contains(name))
}

#[test]
fn every_metric_is_documented() {
    let metrics = Metrics::new();
    metrics.expect_groups([Group("HSS".to_owned())]);
    let text = metrics.render(&Overview::default(), Timestamp::default());
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let names: Vec<String> = types
        .map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.to_owned() })
        .collect();
    assert!(names.len() > 15, "{names:?}");
    none(&undocumented(&operating(), names.iter().map(String::as_str)));
}

#[test]
fn every_reason_for_parking_and_every_state_is_documented() {
    none(&undocumented(&operating(), Reason::ALL.into_iter().map(Reason::code)));
    none(&undocumented(&operating(), State::ALL.into_iter().map(State::word)));
}

#[test]
fn every_code_and_every_word_is_explained() {
    none(&undocumented_codes(&std::fs::read_to_string(workspace().join("docs/errors.md")).expect("a page")));
    let words = Reason::ALL.into_iter().map(Reason::code).chain(State::ALL.into_iter().map(State::word));
    let silent = words.filter(|word| explain(word).is_none());
    none(&silent.map(|word| format!("`punchdown explain {word}` says nothing")).collect::<Vec<_>>());
}

fn undocumented_codes(page: &str) -> Vec<String> {
    let codes = Code::ALL.iter().filter(|code| !page.contains(&format!("\n## {code} ")));
    codes.map(|code| format!("docs/errors.md does not explain {code}")).collect()
}

fn operating() -> String {
    std::fs::read_to_string(workspace().join("docs/operating.md")).expect("docs/operating.md")
}

fn undocumented<'a>(page: &str, words: impl Iterator<Item = &'a str>) -> Vec<String> {
    words
        .filter(|word| !page.contains(&format!("`{word}`")))
        .map(|word| format!("docs/operating.md does not explain `{word}`"))
        .collect()
}

#[test]
fn a_planted_violation_of_each_rule_is_found() {
    let folder = folder();
    let plant = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("written");
    };
    plant("domain/mod.rs", "use crate::{ports::Journal, secret};\n");
    plant("billing/mod.rs", "use crate::espf::Espf;\nfn ask() { wasmtime::Engine::default(); }\n");
    plant("engine/mod.rs", &format!("fn long() {{\n{}}}\n", "    step();\n".repeat(FUNCTION_LINES_MAX)));
    plant("store/mod.rs", &"// a line\n".repeat(FILE_LINES_MAX + 1));

    let floors = floors(folder.path());
    assert_eq!(floors.len(), 3, "{floors:?}");
    let files = files_of(folder.path(), "rs");
    assert_eq!(long_functions(&files, FUNCTION_LINES_MAX).len(), 1);
    assert_eq!(long_files(&files, FILE_LINES_MAX).len(), 1);
    assert_eq!(names_apart(folder.path(), "wasmtime", &["wasm"]).len(), 1);
    assert_eq!(undocumented("`known`", ["known", "unknown"].into_iter()).len(), 1);
    assert_eq!(undocumented_codes("").len(), Code::ALL.len());
    assert!(!shown_as_comment("# a comment\nkey = 1\n", "groups.HSS.key"));
}

#[test]
fn no_guest_is_without_a_test() {
    let tests = [
        include_str!("guests.rs"),
        include_str!("guests/refusals.rs"),
        include_str!("changes.rs"),
        include_str!("contract.rs"),
        include_str!("crash/points.rs"),
        include_str!("doubt.rs"),
        include_str!("resync.rs"),
        include_str!("sessions.rs"),
        include_str!("workbench.rs"),
    ]
    .concat();
    let mut guests = 0;
    for entry in std::fs::read_dir(workspace().join("tests/guests")).expect("the guests") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        let is_named =
            [format!("\"{name}\""), format!("/guests/{name}\"")].iter().any(|it| tests.contains(it));
        assert!(is_named, "{name} has no test");
        guests += 1;
    }
    assert!(guests > 10, "{guests} guests are too few");
}
