//! Whatever is wrong has a code, a place and a page: all of it at once, in `check` and at the start
//! of `serve` alike. The fixtures say behind each line which codes it must have.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use punchdown::explain::Code;
use punchdown_kit::oms::Settings;

use crate::harness::{
    PROGRAM, complaints, component, folder, oms_adapter, refusal, rewrite, stage, unserved, workspace,
};
use crate::tls::authority::Authority;

fn command(arguments: &[&str], config: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).arg("--config").arg(config);
    command
}

fn run(arguments: &[&str], config: &Path) -> Output {
    command(arguments, config).output().expect("it runs")
}

/// Codes with their lines, in the order of lines.
type Found = Vec<(usize, String)>;

fn found(told: &str) -> Found {
    let lines: Vec<&str> = told.lines().collect();
    let mut found: Found = lines
        .windows(2)
        .filter_map(|pair| {
            let code = pair[0].split_once('[')?.1.split_once("]: ")?.0;
            let place = pair[1].strip_prefix("  --> ")?.split("  ").next()?;
            Some((place.rsplit(':').nth(1)?.parse().ok()?, code.to_owned()))
        })
        .collect();
    found.sort();
    found
}

fn expected(fixture: &str) -> Found {
    let is_code = |word: &&str| Code::ALL.iter().any(|code| code.number() == *word);
    let mut expected: Found = Vec::new();
    for (at, line) in fixture.lines().enumerate() {
        let Some((_, comment)) = line.split_once(" # ") else { continue };
        expected.extend(comment.split(' ').filter(is_code).map(|code| (at + 1, code.to_owned())));
    }
    expected.sort();
    expected
}

/// A folder with what the fixtures name; `None` where no component can be built.
fn scene() -> Option<tempfile::TempDir> {
    let (oms, hlr) = (oms_adapter()?, component("tests/guests/hlr")?);
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("secrets")).expect("a folder");
    std::fs::copy(oms, at("oms.wasm")).expect("copied");
    std::fs::copy(hlr, at("hlr.wasm")).expect("copied");
    for (name, text) in [("secrets/good", "s3cret\n"), ("secrets/empty", "\n"), ("core.wasm", "no PEM")] {
        std::fs::write(at(name), text).expect("written");
    }
    std::fs::write(at("other.wasm"), wat::parse_str("(component)").expect("a component")).expect("written");
    Some(folder)
}

const GROUPS: &str = "adapters.toml";
const FIXTURES: [&str; 5] = ["text.toml", "syntax.toml", "tables.toml", "both.toml", GROUPS];

fn place(folder: &Path, name: &str) -> PathBuf {
    let config = folder.join("punchdown.toml");
    std::fs::copy(workspace().join("tests/suite/faults").join(name), &config).expect("copied");
    config
}

#[test]
fn every_fault_of_every_fixture_is_told_with_its_place_by_check_and_at_the_start_alike() {
    let Some(folder) = scene() else { return };
    for name in FIXTURES {
        let config = place(folder.path(), name);
        let fixture = std::fs::read_to_string(&config).expect("a fixture");
        // Of what concerns groups alone, the others are none the worse.
        let said = if name == GROUPS { unserved(&config) } else { refusal(&config) };
        assert_eq!(found(&said), expected(&fixture), "{name}\n{said}");
        let mores = said.matches("  = more: punchdown explain E").count();
        assert_eq!(mores, expected(&fixture).len(), "each says where more is said");
    }
}

#[test]
fn every_fixture_is_tried() {
    let folder = std::fs::read_dir(workspace().join("tests/suite/faults")).expect("a folder");
    let there: BTreeSet<_> = folder.map(|file| file.expect("a file").file_name()).collect();
    assert_eq!(there, FIXTURES.map(Into::into).into());
}

/// The one code that heads what a command says, with its exit code.
fn only(output: &Output) -> (String, Option<i32>) {
    let said = complaints(output);
    let heads: Vec<&str> = said.lines().filter(|line| line.starts_with("error[")).collect();
    assert_eq!(heads.len(), 1, "{said}");
    let code = heads[0]["error[".len()..].split(']').next().expect("an end").to_owned();
    assert!(said.contains(&format!("= more: punchdown explain {code}\n")), "{said}");
    (code, output.status.code())
}

fn is(code: Code, exit: i32) -> (String, Option<i32>) {
    (code.number().to_owned(), Some(exit))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_host_from_starting_has_a_code() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let config = stage.config.clone();
    assert_eq!(only(&run(&["check"], &folder.path().join("nowhere.toml"))), is(Code::FileUnreadable, 78));

    let taken = TcpListener::bind(stage.public).expect("the address is free");
    assert_eq!(only(&run(&["serve"], &config)), is(Code::Listen, 1));
    drop(taken);

    stage.start_host().await.expect("the host starts");
    assert_eq!(only(&run(&["serve"], &config)), is(Code::JournalLocked, 1));
    assert_eq!(only(&run(&["operation", "show", "nobody"], &config)), is(Code::HostRefuses, 1));
    stage.stop_host().await.expect("it stops");
    assert_eq!(only(&run(&["status"], &config)), is(Code::Unreachable, 69));

    let (database, key) = (folder.path().join("data/journal.db"), folder.path().join("data/journal.key"));
    let kept = std::fs::read(&key).expect("a key");
    std::fs::remove_file(&key).expect("removed");
    assert_eq!(only(&run(&["serve"], &config)), is(Code::JournalKey, 1));
    std::fs::write(&key, kept).expect("written");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("chmod");
    let journal = rusqlite::Connection::open(&database).expect("a database");
    journal.pragma_update(None, "user_version", 9999).expect("written");
    drop(journal);
    assert_eq!(only(&run(&["serve"], &config)), is(Code::JournalNewer, 1));
    rewrite(&stage, "[admin]", "[journal]\ndirectory = \"punchdown.toml\"\n\n[admin]");
    assert_eq!(only(&run(&["serve"], &config)), is(Code::JournalUnusable, 1));

    rewrite(&stage, "tokens = [{ file = \"secrets/admin\" }]", "");
    assert_eq!(only(&run(&["status"], &config)), is(Code::NotAdmitted, 77));

    let no_roots = |arguments: &[&str]| {
        let mut command = command(arguments, &config);
        let nowhere = folder.path().join("nowhere");
        command.env("SSL_CERT_FILE", &nowhere).env("SSL_CERT_DIR", &nowhere).output().expect("it runs")
    };
    rewrite(&stage, "directory = \"punchdown.toml\"", "directory = \"another\"");
    rewrite(&stage, &stage.oms.url(), "https://oms.example.net");
    assert_eq!(only(&no_roots(&["check"])), is(Code::TargetUnusable, 78));
    assert!(!folder.path().join("another").exists(), "nothing was made");
    rewrite(&stage, "https://oms.example.net", &stage.oms.url());
    rewrite(&stage, &stage.billing.url(), "https://billing.example.net");
    for command in ["check", "serve"] {
        assert_eq!(only(&no_roots(&[command])), is(Code::Tls, 1), "{command}");
    }
}

#[test]
fn commands_that_cannot_do_what_they_are_asked_have_a_code() {
    let folder = folder();
    let run = |arguments: &[&str]| {
        Command::new(PROGRAM).args(arguments).current_dir(folder.path()).output().expect("it runs")
    };
    std::fs::write(folder.path().join("punchdown.toml"), "").expect("written");
    assert_eq!(only(&run(&["init"])), is(Code::FileOfCommand, 1));
    assert_eq!(only(&run(&["demo", "--adapter", "nowhere.wasm"])), is(Code::Play, 1));
    let slip = run(&["explain", "billing-refuse"]);
    assert_eq!(only(&slip), is(Code::NoPage, 1));
    assert!(complaints(&slip).contains("did you mean `billing-refused`?"), "{}", complaints(&slip));
}

#[test]
fn what_is_not_as_it_should_be_has_a_code_too() {
    let Some(folder) = scene() else { return };
    let config = place(folder.path(), "adapters.toml");
    let authority = Authority::new();
    let pair = authority.host_within(-10, -1);
    for (name, text) in [("host.pem", &pair.cert), ("host.key", &pair.key)] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("chmod");
    }
    let text = std::fs::read_to_string(&config).expect("a fixture");
    let (head, _) = text.split_once("[admin]").expect("listeners, and groups after them");
    let head = head.replace("listen = \"127.0.0.1:0\"\n", "");
    let good = format!(
        "{head}[admin]\ntls = {{ cert = \"host.pem\", key = \"host.key\" }}\n\n[groups.A]\nadapter = \"oms.wasm\"\n\
         events = [\"Account/**\"]\ntarget = {{ url = \"http://127.0.0.1:9\" }}\nconfig = {{ specification = \"m\" }}\n"
    );
    std::fs::write(&config, good).expect("written");
    let check = run(&["check"], &config);
    let said = complaints(&check);
    assert!(check.status.success(), "a warning is no error: {said}");
    let codes: BTreeSet<String> = found(&said).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), ["W0101", "W0102", "W0103"], "{said}");
}

/// What no story can bring about where all the others run: no threads, no sandbox.
const NOT_HERE: [Code; 1] = [Code::Machine];

/// Codes that stand in no fixture are named in this file: nobody adds one that nothing tells.
#[test]
fn every_code_is_told_in_some_story() {
    let suite = workspace().join("tests/suite");
    let read = |path: &str| std::fs::read_to_string(suite.join(path)).expect("a file");
    let fixtures = FIXTURES.map(|name| read(&format!("faults/{name}"))).join("\n");
    let stories = [
        "cases.rs",
        "compiling.rs",
        "faults.rs",
        "online.rs",
        "care.rs",
        "postgres.rs",
        "reload/sections.rs",
        "workbench/bad_input.rs",
        "workbench/tools.rs",
    ];
    let stories = stories.map(read).concat();
    for code in Code::ALL {
        let (number, name) = (code.number(), format!("Code::{code:?}"));
        let told = fixtures.contains(number) || stories.contains(number) || stories.contains(&name);
        assert!(told || NOT_HERE.contains(code), "no story tells {number} ({name})");
    }
}

#[test]
fn explain_says_what_a_code_or_a_word_means() {
    let explain = |words: &[&str]| {
        let said = Command::new(PROGRAM).arg("explain").args(words).output().expect("it runs");
        assert!(said.status.success(), "{}", complaints(&said));
        String::from_utf8_lossy(&said.stdout).into_owned()
    };
    assert!(explain(&["E0103"]).starts_with("E0103: There is no such setting\n\nThe name stands in"));
    assert_eq!(explain(&["e0103"]), explain(&["E0103"]));
    let refused = explain(&["billing-refused"]);
    assert!(refused.contains("PortaBilling refuses the query with a `Client.…` fault"), "{refused}");
    assert!(refused.contains("check the API user's rights"), "{refused}");
    let all = explain(&[]);
    for code in Code::ALL {
        assert!(all.contains(&format!("{code}  {}\n", code.title())), "{all}");
    }
    assert!(all.contains("\nbilling-refused\n") && all.contains("\nparked\n"), "{all}");
}
