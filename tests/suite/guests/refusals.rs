//! What is not loaded, and what is said about it.

use std::time::{Duration, Instant};

use punchdown::toolchain::embed_contract;
use punchdown::wasm::{Limits, Sandbox};

use super::{component, contract, file, folder, guest, guest_text, loaded, module};

/// Why a file is not loaded, in full.
async fn refusal(path: &std::path::Path) -> String {
    let sandbox = Sandbox::new().expect("a sandbox");
    let Err(error) = sandbox.load(path).await else { panic!("{} is loaded", path.display()) };
    let message = error.to_string();
    assert!(message.contains(&path.display().to_string()), "which file? {message}");
    message
}

async fn refused(name: &str, bytes: impl AsRef<[u8]>, parts: &[&str]) {
    let folder = folder();
    let message = refusal(&file(folder.path(), name, bytes)).await;
    for part in parts {
        assert!(message.contains(part), "{name}: `{part}` is not in `{message}`");
    }
}

/// A good guest, built with a contract in which `ours` reads `theirs`.
fn of_another_contract(ours: &str, theirs: &str) -> Vec<u8> {
    let contract = contract();
    assert!(contract.contains(ours), "the contract has no `{ours}`");
    component(&module("traps"), &contract.replace(ours, theirs))
}

#[tokio::test]
async fn what_is_no_component_is_told_what_it_is() {
    let text = module("traps");
    let core = wat::parse_str(&text).expect("a module");
    let with_contract = embed_contract(core.clone(), &contract()).expect("the contract goes in");
    let interface_alone = r#"(component
        (type (component (type (instance)) (export "made-up:thing/facts" (instance (type 0)))))
        (export "facts" (type 0)))"#;
    let interface_alone = wat::parse_str(interface_alone).expect("a package");
    let damaged = &component(&text, &contract())[..400];
    for (name, bytes, part) in [
        ("empty.wasm", &b""[..], "it is empty"),
        ("adapter.toml", b"name = \"oms\"\n", "it is text"),
        ("picture.png", b"\x89PNG\r\n\x1a\n", "it is another kind of file"),
        ("module.wasm", &core, "it is a core module; make a component of it"),
        ("with-contract.wasm", &with_contract, "it is a core module; make a component of it"),
        ("interface.wasm", &interface_alone, "it was made of WIT alone"),
        ("damaged.wasm", damaged, "unexpected end"),
    ] {
        refused(name, bytes, &["is no WebAssembly component", part]).await;
    }
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let folder = folder();
    let missing = refusal(&folder.path().join("adapter.wasm")).await;
    assert!(missing.contains("No such file"), "{missing}");
    let directory = refusal(folder.path()).await;
    assert!(directory.contains("it is no file"), "{directory}");
}

/// The file has a tebibyte, all of it a hole: whoever read it would not come back.
#[tokio::test]
async fn a_file_that_is_too_large_is_not_even_read() {
    let folder = folder();
    let path = file(folder.path(), "large.wasm", b"");
    let large = std::fs::File::options().write(true).open(&path).expect("the file");
    large.set_len(1 << 40).expect("a hole");
    let message = refusal(&path).await;
    assert!(message.contains("1099511627776") && message.contains("67108864"), "{message}");
    large.set_len((64 << 20) + 1).expect("a smaller hole");
    let message = refusal(&path).await;
    assert!(message.contains("67108865"), "{message}");
}

#[tokio::test]
async fn another_version_is_named_beside_ours() {
    let text = module("traps").replace("@0.9.0", "@0.8.0");
    let other = component(&text, &contract().replace("@0.9.0", "@0.8.0"));
    let parts =
        ["exports punchdown:adapter/external-system@0.8.0", "speaks punchdown:adapter/external-system@0.9.0"];
    refused("other-version.wasm", other, &parts).await;
}

#[tokio::test]
async fn one_that_needs_more_than_a_place_has_is_told_how_much_there_is() {
    let tables = module("traps") + &"(table 1 funcref)".repeat(17);
    let parts = ["the host cannot run it", "table", "16"];
    refused("tables.wasm", component(&tables, &contract()), &parts).await;
}

#[tokio::test]
async fn a_component_of_another_kind_is_told_what_an_adapter_exports() {
    let other = component("(module)", "package made-up:thing; world empty {}");
    let parts = ["exports no interface", "an adapter exports punchdown:adapter/external-system@0.9.0"];
    refused("empty-world.wasm", other, &parts).await;
}

#[tokio::test]
async fn a_type_that_differs_is_shown_on_both_sides() {
    for (ours, theirs, parts) in [
        ("gives-way: bool", "gives-back: bool", ["`provision`", "field `gives-way`", "field `gives-back`"]),
        ("seconds: option<u32>", "seconds: option<s32>", ["field `seconds`", "u32", "s32"]),
        ("        suspended,", "        paused,", ["enum `wanted`", "case `suspended`", "case `paused`"]),
        ("        gone,", "        gone, moved,", ["`provision`", "enum `wanted`", "case `moved`"]),
        ("at-most-once,", "", ["enum `delivery`", "case `at-most-once`", "component"]),
    ] {
        refused("other-type.wasm", of_another_contract(ours, theirs), &parts).await;
    }
}

/// Each type names the one before twice, by a long name: written down in full they would fill the memory.
#[tokio::test]
async fn types_that_are_too_large_are_not_looked_at() {
    use std::fmt::Write as _;
    let long = vec!["long"; 4000].join("-");
    let mut types = format!("(type $t0 (record (field \"{long}\" u8))) (export \"n0\" (type $e0 (eq $t0)))");
    for (at, before) in (1..15).zip(0..) {
        let fields = format!("(field \"{long}\" $e{before}) (field \"b\" $e{before})");
        let _ = write!(types, "(type $t{at} (record {fields})) (export \"n{at}\" (type $e{at} (eq $t{at})))");
    }
    let text = format!(
        "(component (import \"made-up:thing/facts\" (instance {types} (export \"f\" (func (param \"x\" $e14))))))"
    );
    refused("large.wasm", wat::parse_str(text).expect("a component"), &["its types are too large"]).await;
}

#[tokio::test]
async fn a_function_that_is_missing_is_named() {
    let read = "read-notification: func(config: json, notification: notification) -> reading;";
    let parts = ["external-system@0.9.0 has no function `read-notification`"];
    refused("without.wasm", of_another_contract(read, ""), &parts).await;
}

/// A guest with an optional interface beside the world, whose functions never return.
fn with_optional(interface: &str, functions: &[(&str, usize)], ours: &str, theirs: &str) -> Vec<u8> {
    let contract = contract();
    assert!(contract.contains(ours), "the contract has no `{ours}`");
    let export = format!("export external-system;\n    export {interface};");
    let contract = contract.replace(ours, theirs).replace("export external-system;", &export);
    let function = |(name, params): &(&str, usize)| {
        let params = "i32 ".repeat(*params);
        format!(
            "(func (export \"punchdown:adapter/{interface}@0.9.0#{name}\") (param {params}) (result i32) (unreachable))"
        )
    };
    component(&(module("traps") + &functions.iter().map(function).collect::<String>()), &contract)
}

#[tokio::test]
async fn an_optional_interface_must_fit_the_contract_too() {
    let log_in = "log-in: func(config: json, history: list<entry>) -> errand;";
    let other = "log-in: func(config: json, history: list<entry>, user: string) -> errand;";
    let parts = ["`log-in` differs", "parameter `user`"];
    refused("other-log-in.wasm", with_optional("session", &[("log-in", 6)], log_in, other), &parts).await;

    let folder = folder();
    let good = file(folder.path(), "log-in.wasm", with_optional("session", &[("log-in", 4)], log_in, log_in));
    loaded(&Sandbox::new().expect("a sandbox"), &good).await;

    let register = "unregister: func(config: json, standing: json, history: list<entry>) -> errand;";
    let other = "unregister: func(config: json, history: list<entry>) -> errand;";
    let functions = [("register-at", 9), ("unregister", 4)];
    let registers = with_optional("registration", &functions, register, other);
    refused("other-registration.wasm", registers, &["`unregister` differs", "parameter `standing`"]).await;
}

#[tokio::test]
async fn what_is_not_offered_cannot_be_imported() {
    let more = "package made-up:network@1.0.0 { interface sockets { connect: func(port: u32) -> u32; } }";
    let contract = contract().replace("import log;", "import log; import made-up:network/sockets@1.0.0;");
    let contract = format!("{contract}\n{more}");
    for (owner, says) in
        [("made-up", "and nothing else"), ("wasi", "the host does not offer what it imports")]
    {
        let ours = |text: &str| text.replace("made-up:", &format!("{owner}:"));
        let guest = component(&ours(&guest_text("forbidden-import")), &ours(&contract));
        refused("forbidden-import.wasm", guest, &[&format!("{owner}:network/sockets@1.0.0"), says]).await;
    }
}

#[tokio::test]
async fn one_that_spins_when_it_is_asked_who_it_is_is_not_loaded() {
    let folder = folder();
    let guest = component(&guest_text("spins-in-describe"), &contract());
    let path = file(folder.path(), "spins-in-describe.wasm", guest);
    let sandbox = Sandbox::new().expect("a sandbox");
    let limits = Limits { time: Duration::from_millis(100), ..Limits::default() };
    let began = Instant::now();
    let Err(error) = sandbox.load_within(&path, limits).await else { panic!("it is loaded") };
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    let message = error.to_string();
    assert!(message.contains("cannot describe itself"), "{message}");
    assert!(message.contains("100 ms (`limits.time`)"), "{message}");
}

#[tokio::test]
async fn a_decent_guest_is_loaded() {
    let folder = folder();
    let sandbox = Sandbox::new().expect("a sandbox");
    let adapter = loaded(&sandbox, &guest(folder.path(), "traps")).await;
    let description = adapter.description();
    assert_eq!((description.name.as_str(), description.version.as_str()), ("guest", "1.0.0"));

    // A `json` is a string: another name for a type is no other type.
    let renamed = of_another_contract("summary: string", "summary: json");
    loaded(&sandbox, &file(folder.path(), "renamed.wasm", renamed)).await;
}
