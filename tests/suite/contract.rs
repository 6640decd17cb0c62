//! The contract stays what it was laid down as: a golden copy is held against it, type by type. A component
//! that was built against a later copy, with one optional interface more, serves beside one of today's.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use punchdown::wasm::{Surface, contract_spoken};
use punchdown_kit::oms;
use serde_json::{Value, json};

use crate::guests::{component, contract, file, module};
use crate::harness::{PROGRAM, folder, log, oms_adapter, stage_of, told, until, workspace};

const SOON: Duration = Duration::from_secs(20);
/// An optional interface that no host knows yet, and a type of its own among the others.
const INTERFACE: &str =
    "interface inventory {\n    use types.{json, stock};\n    count: func(config: json) -> stock;\n}\n";
const TYPE: &str = "    record stock {\n        count: u32,\n    }\n";

/// A contract to which both were added.
fn later(text: &str) -> String {
    let text = changed(text, "    record header {", &format!("{TYPE}\n    record header {{"));
    changed(&text, "world adapter {", &format!("{INTERFACE}\nworld adapter {{"))
}

fn golden_folder() -> PathBuf {
    workspace().join("wit/golden")
}

/// The golden copy of the version that is spoken.
fn golden() -> String {
    let (_, version) = contract_spoken().split_once('@').expect("a version");
    let path = golden_folder().join(format!("adapter-{version}.wit"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; a new version of the contract has a golden copy of its own", path.display())
    })
}

fn surface(text: &str) -> Surface {
    Surface::of_contract(text).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

/// What is not the same any more.
fn broken(before: &str, after: &str) -> Vec<String> {
    surface(before).compare_with_later(surface(after)).iter().map(ToString::to_string).collect()
}

/// A text with one thing changed.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "there is no `{from}`");
    text.replace(from, to)
}

#[test]
fn the_contract_keeps_what_its_golden_copy_says() {
    let broken = broken(&golden(), &contract());
    assert!(broken.is_empty(), "{} is not what it was:\n{}", contract_spoken(), broken.join("\n"));
}

#[test]
fn a_golden_copy_is_of_the_version_in_its_name() {
    let mut copies = 0;
    for entry in std::fs::read_dir(golden_folder()).expect("the golden copies") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        let version = name.strip_prefix("adapter-").expect("adapter-VERSION.wit");
        let text = std::fs::read_to_string(&path).expect("a copy");
        assert!(text.starts_with(&format!("package punchdown:adapter@{version};\n")), "{}", path.display());
        surface(&text);
        copies += 1;
    }
    assert!(copies > 0);
}

#[test]
fn what_is_changed_in_a_contract_is_named() {
    let golden = golden();
    for (from, to, told) in [
        (
            "        suspended,",
            "        paused,",
            "import punchdown:adapter/types@0.9.0, type `wanted`: \
             enum `wanted` with case `suspended` became enum `wanted` with case `paused`",
        ),
        (
            "gives-way: bool,",
            "",
            "type `waiting`: record `waiting` with field `gives-way` became record `waiting` without field `gives-way`",
        ),
        ("gives-way: bool,", "gives-way: bool, until: u32,", "became record `waiting` with field `until`"),
        ("        gone,", "        gone, moved,", "became enum `wanted` with case `moved`"),
        ("park(trouble),", "park(string),", "type `decision`, case `park`: record `trouble` became string"),
        ("seconds: option<u32>,", "seconds: u32,", "type `waiting`, field `seconds`: option<u32> became u32"),
        ("status: u16,\n", "status: u32,\n", "type `response`, field `status`: u16 became u32"),
        (
            "status: u16,\n        headers: list<header>,",
            "headers: list<header>,\n        status: u16,",
            "record `response` with field `status`, field `headers`, field `body` became \
             record `response` with field `headers`, field `status`, field `body`",
        ),
        (
            "type instant = string;",
            "type instant = u64;",
            "type `instant`: string `instant` became u64 `instant`",
        ),
        ("instant", "moment", "type `instant`: string `instant` became nothing"),
        (
            "describe: func() -> description;",
            "",
            "export punchdown:adapter/external-system@0.9.0, function `describe`: function became nothing",
        ),
        (
            "describe: func() -> description;",
            "describe: func() -> description; stop: func();",
            "function `stop`: nothing became function",
        ),
        (
            "write: func(level: level, message: string);",
            "write: func(level: level, text: string);",
            "import punchdown:adapter/log@0.9.0, function `write`: \
             function with parameter `message` became function with parameter `text`",
        ),
        ("describe: func", "describe: async func", "function `describe`: function became async function"),
        (
            "log-in: func(config: json, history",
            "log-in: func(config: json, user: string, history",
            "optional punchdown:adapter/session@0.9.0, function `log-in`: function without parameter `user` became",
        ),
        (
            "interface session",
            "interface sessions",
            "optional punchdown:adapter/session@0.9.0: interface became nothing",
        ),
        ("    import log;\n", "", "import punchdown:adapter/log@0.9.0: interface became nothing"),
        (
            "    export external-system;",
            "    export external-system; export session;",
            "export punchdown:adapter/session@0.9.0: nothing became interface",
        ),
        (
            "adapter@0.9.0;",
            "adapter@0.10.0;",
            "export punchdown:adapter/external-system@0.9.0: interface became nothing",
        ),
    ] {
        let broken = broken(&golden, &changed(&golden, from, to));
        assert!(
            broken.iter().any(|line| line.contains(told)),
            "{from} -> {to}: {told}\n{}",
            broken.join("\n")
        );
    }
}

#[test]
fn what_may_be_added_within_a_version_changes_nothing() {
    let golden = golden();
    for (from, to) in [
        ("/// Why the operation exists.", "/// Whatever the reason."),
        ("summary: string,", "summary: json,"),
        ("world adapter {", "world another { export session; }\n\nworld adapter {"),
    ] {
        assert_eq!(broken(&golden, &changed(&golden, from, to)), Vec::<String>::new(), "{from} -> {to}");
    }
    assert_eq!(broken(&golden, &later(&golden)), Vec::<String>::new());
    // In a golden copy it would be held like all else.
    assert_eq!(
        broken(&later(&golden), &golden),
        [
            "import punchdown:adapter/types@0.9.0, type `stock`: record `stock` became nothing",
            "optional punchdown:adapter/inventory@0.9.0: interface became nothing"
        ]
    );
}

/// Without any one of its lines the copy is no contract, or another one.
#[test]
fn no_line_of_the_golden_copy_can_go_unnoticed() {
    let golden = golden();
    let lines: Vec<&str> = golden.lines().collect();
    let mut gone = 0;
    for (at, line) in lines.iter().enumerate() {
        if line.trim().is_empty() || line.trim_start().starts_with("///") {
            continue;
        }
        let without: Vec<_> =
            lines.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, line)| *line).collect();
        if let Ok(later) = Surface::of_contract(&without.join("\n")) {
            let broken = surface(&golden).compare_with_later(later);
            assert!(!broken.is_empty(), "nobody misses line {}: {line}", at + 1);
            gone += 1;
        }
    }
    assert!(gone > 100, "only {gone} lines were missed for what they say");
}

/// The contract uses few of them; components import the others.
#[test]
fn every_kind_of_type_is_told_apart() {
    const TEXT: &str = "package made-up:thing;\n\
        interface facts {\n\
            resource door { open: func(); }\n\
            flags colours { red, green }\n\
            shut: func(which: borrow<door>) -> result<u8, string>;\n\
            paint: func(where: tuple<u8, u16>) -> colours;\n\
            pour: func() -> stream<u8>;\n\
        }\n\
        world adapter { export facts; }";
    for (from, to, told) in [
        (
            "borrow<door>",
            "door",
            "parameter `which`: borrow<resource `made-up:thing/facts.door`> became own<resource",
        ),
        ("result<u8,", "result<u16,", "function `shut`, result, `ok`: u8 became u16"),
        ("string>", "u8>", "function `shut`, result, `err`: string became u8"),
        ("result<u8, string>", "result<_, string>", "`ok`: u8 became nothing"),
        ("u16>", "u32>", "function `paint`, parameter `where`, part 2: u16 became u32"),
        ("tuple<u8, u16>", "tuple<u8>", "tuple with part 2 became tuple without part 2"),
        (", green", ", green, blue", "became flags `colours` with flag `blue`"),
        ("stream<u8>", "future<u8>", "stream<u8> became future<u8>"),
        ("stream<u8>", "stream<u16>", "function `pour`, result: u8 became u16"),
        ("open: func();", "", "function `[method]door.open`: function became nothing"),
    ] {
        let broken = broken(TEXT, &changed(TEXT, from, to));
        assert!(
            broken.iter().any(|line| line.contains(told)),
            "{from} -> {to}: {told}\n{}",
            broken.join("\n")
        );
    }
}

/// A type that many carry is told of once, two that have the same name twice, and two functions each for itself.
#[test]
fn each_change_is_told_once() {
    const TEXT: &str = "package made-up:thing;\n\
        interface one { enum level { low } record pair { of: level } a: func(x: u8, l: level); b: func(x: u8) -> pair; }\n\
        interface two { enum level { low } c: func(l: level); }\n\
        world adapter { export one; export two; }";
    let told = broken(TEXT, &changed(&changed(TEXT, "u8", "u16"), "low", "low, high"));
    let levels = "enum `level` without case `high` became enum `level` with case `high`";
    assert_eq!(
        told,
        [
            format!("export made-up:thing/one, type `level`: {levels}"),
            "export made-up:thing/one, function `a`, parameter `x`: u8 became u16".to_owned(),
            "export made-up:thing/one, function `b`, parameter `x`: u8 became u16".to_owned(),
            format!("export made-up:thing/two, type `level`: {levels}"),
        ]
    );
}

/// A guest that finishes well, against this contract, with one optional interface more, and other words in its log.
pub fn of_a_later_contract(folder: &Path) -> PathBuf {
    let later = changed(
        &later(&contract()),
        "export external-system;",
        "export external-system;\n    export inventory;",
    );
    let more = "(func (export \"punchdown:adapter/inventory@0.9.0#count\") (param i32 i32) (result i32) (i32.const 7))";
    let module = changed(&module("chatters"), "and another thing", "from a newer copy");
    file(folder, "later.wasm", component(&(module + more), &later))
}

/// And one against an earlier contract, that had no `registration`.
fn of_an_earlier_contract(folder: &Path) -> PathBuf {
    let contract = contract();
    let (before, after) = contract.split_once("interface registration {").expect("an optional interface");
    let (_, after) = after.split_once("\n}\n").expect("its end");
    file(
        folder,
        "earlier.wasm",
        component(&module("chatters"), &format!("{before}interface none {{}}{after}")),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_of_contracts_that_differ_by_an_optional_interface_serve_side_by_side() {
    let folder = folder();
    let today = file(folder.path(), "today.wasm", component(&module("chatters"), &contract()));
    let others =
        [("IPTV", of_a_later_contract(folder.path())), ("VoIP", of_an_earlier_contract(folder.path()))];
    let limits = "limits = { log-lines = 3 }";
    let mut stage = stage_of(PROGRAM, folder.path(), &today, oms::Settings::default(), limits, "").await;
    let mut config = std::fs::read_to_string(&stage.config).expect("a configuration");
    for (group, adapter) in &others {
        config.push_str(&format!(
            "\n[groups.{group}]\nadapter = \"{}\"\nevents = [\"Account/**\"]\n{limits}\ntarget = {{ url = \"{}\" }}\n",
            adapter.display(),
            stage.oms.url()
        ));
    }
    std::fs::write(&stage.config, config).expect("written");
    stage.open_accounts(2);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    for i_account in [1, 2] {
        espf.emit("Account/New", json!({ "i_account": i_account }));
    }
    let is_ok = |i_account, group: &str| {
        stage.billing.final_status(i_account, group).is_some_and(|seen| seen.status == "OK")
    };
    for i_account in [1, 2] {
        until("OK of today's", SOON, async || told(&stage, i_account).last().is_some_and(|it| it == "OK"))
            .await;
        for (group, _) in &others {
            until(group, SOON, async || is_ok(i_account, group)).await;
        }
    }
    let log = log(&stage);
    assert_eq!(log.matches("from a newer copy").count(), 6, "three lines for each of its operations: {log}");
    assert_eq!(log.matches("and another thing").count(), 12, "{log}");
    let unknown = "this host does not know punchdown:adapter/inventory@0.9.0, and asks nothing there";
    assert_eq!(log.matches(unknown).count(), 1, "{log}");
}

/// Ready for a host that speaks another version, too: this one takes what it knows.
#[test]
fn a_component_may_export_two_versions() {
    let folder = folder();
    let today = file(folder.path(), "today.wasm", component(&module("chatters"), &contract()));
    let other = "punchdown:adapter/external-system@0.10.0";
    let both =
        changed(&contract(), "export external-system;", &format!("export external-system; export {other};"));
    let both = both + "\npackage punchdown:adapter@0.10.0 { interface external-system { stop: func(); } }\n";
    let both = component(&(module("chatters") + &format!("(func (export \"{other}#stop\"))")), &both);
    let both = file(folder.path(), "both.wasm", both);
    let told = diff_for_programs(&[&today, &both], 1);
    assert_eq!(
        (&told["differences"][0]["interface"], &told["not_loaded"]),
        (&json!(other), &json!([])),
        "{told}"
    );
}

fn diff(arguments: &[&Path]) -> Output {
    Command::new(PROGRAM).args(["adapter", "diff"]).args(arguments).output().expect("it runs")
}

fn diff_for_programs(arguments: &[&Path], code: i32) -> Value {
    let output = diff(&[arguments, &[Path::new("-o"), Path::new("json")]].concat());
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A guest of a contract in which something else stands.
pub fn bent_contract(folder: &Path, from: &str, to: &str) -> PathBuf {
    let name: String = to.chars().filter(char::is_ascii_alphanumeric).collect();
    file(folder, &format!("{name}.wasm"), component(&module("chatters"), &changed(&contract(), from, to)))
}

#[test]
fn components_are_compared_by_their_types() {
    let folder = folder();
    let today = file(folder.path(), "today.wasm", component(&module("chatters"), &contract()));
    let renamed = bent_contract(folder.path(), "summary: string", "summary: json");
    let same = diff(&[&today, &renamed]);
    assert_eq!(same.status.code(), Some(0), "another name for a type is no other type: {same:?}");
    assert!(text(&same).contains("imports and exports do not differ"), "{}", text(&same));

    // `trouble` stands in `provision` and in `read-notification`.
    let bent = bent_contract(folder.path(), "code: string,", "code: u32,");
    let told = diff_for_programs(&[&today, &bent], 1);
    assert_eq!(
        told["differences"],
        json!([{
            "side": "export",
            "interface": "punchdown:adapter/external-system@0.9.0",
            "part": "function `provision`",
            "place": ["result", "field `decision`", "case `again`", "field `code`"],
            "a": "string",
            "b": "u32",
        }])
    );
    assert!(told["not_loaded"][0].as_str().expect("a sentence").contains("`provision` differs"), "{told}");
    let shown = text(&diff(&[&today, &bent]));
    assert!(
        shown.contains(
            "function `provision`, result, field `decision`, case `again`, field `code`\n  A: string\n  B: u32\n"
        ),
        "{shown}"
    );
    let turned = diff_for_programs(&[&bent, &today], 1);
    assert_eq!(
        (&turned["differences"][0]["a"], &turned["differences"][0]["b"]),
        (&json!("u32"), &json!("string"))
    );
}

#[test]
fn what_only_one_component_has_is_told_and_what_they_say_of_themselves() {
    let folder = folder();
    let today = file(folder.path(), "today.wasm", component(&module("chatters"), &contract()));
    let later = of_a_later_contract(folder.path());
    let shown = diff(&[&today, &later]);
    assert_eq!(shown.status.code(), Some(1), "{shown:?}");
    let line = "export punchdown:adapter/inventory@0.9.0: only in B";
    assert!(text(&shown).contains(line), "{}", text(&shown));

    let other = changed(&module("chatters"), "\"misbehaves.\"", "\"talks a lot\"");
    let other = file(folder.path(), "other.wasm", component(&other, &contract()));
    let told = diff_for_programs(&[&today, &other], 0);
    assert_eq!(told["described"], json!([{ "field": "summary", "a": "misbehaves.", "b": "talks a lot" }]));
    assert_eq!(told["not_loaded"], json!([]));

    // Of a configuration each setting is told for itself.
    let Some(oms) = oms_adapter() else { return };
    let shown = text(&diff(&[&today, &oms]));
    assert!(shown.contains("says of itself: config_schema.properties.specification: only in B\n"), "{shown}");
}

#[test]
fn a_component_is_compared_with_the_contract() {
    let folder = folder();
    let today = file(folder.path(), "today.wasm", component(&module("chatters"), &contract()));
    assert_eq!(diff_for_programs(&[&today], 0)["b"], contract_spoken());
    // What it exports under a name of its own is nobody's business.
    let own = changed(
        &contract(),
        "export external-system;",
        "export external-system; export beside: interface { now: func(); }",
    );
    let own = component(&(module("chatters") + "(func (export \"beside#now\"))"), &own);
    let own = file(folder.path(), "own.wasm", own);
    diff_for_programs(&[&own], 0);
    assert_eq!(diff_for_programs(&[&own, &today], 1)["differences"][0]["interface"], "beside");
    // One that exports an optional interface.
    if let Some(oms) = oms_adapter() {
        diff_for_programs(&[&oms], 0);
    }
    for (adapter, told) in [
        (of_a_later_contract(folder.path()), "export punchdown:adapter/inventory@0.9.0: only in A\n"),
        (
            bent_contract(folder.path(), "        gone,", "        gone, moved,"),
            "field `wanted`\n  A: enum `wanted` with case `moved`\n  B: enum `wanted` without case `moved`\n",
        ),
        (
            bent_contract(folder.path(), "message: string);", "text: string);"),
            "import punchdown:adapter/log@0.9.0, function `write`\n  A: function with parameter `text`\n",
        ),
    ] {
        let shown = diff(&[&adapter]);
        assert_eq!(shown.status.code(), Some(1), "{shown:?}");
        assert!(text(&shown).contains(told), "`{told}` is not in\n{}", text(&shown));
    }
}

#[test]
fn what_cannot_be_compared_says_why() {
    let folder = folder();
    let good = file(folder.path(), "good.wasm", component(&module("chatters"), &contract()));
    let words = file(folder.path(), "words.txt", "a text");
    for (arguments, told) in [
        ([&folder.path().join("nowhere.wasm"), &good], "E0301"),
        ([&words, &good], "E0302"),
        ([&good, &words], "E0302"),
    ] {
        let refused = diff(&arguments.map(PathBuf::as_path));
        assert_eq!(refused.status.code(), Some(78), "{refused:?}");
        assert!(refused.stdout.is_empty() && text(&refused).contains(told), "{}", text(&refused));
    }
}
