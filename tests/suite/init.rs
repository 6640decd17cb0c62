//! `init` writes what only has to be filled in, and writes over nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::harness::{PROGRAM, folder, oms_adapter, refusal};

fn run(arguments: &[&str], directory: &Path) -> Output {
    Command::new(PROGRAM).args(arguments).current_dir(directory).output().expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// What a person writes where `init` left room.
fn fill_in(directory: &Path, blanks: &[(&str, &str)]) {
    let file = directory.join("punchdown.toml");
    let mut text = std::fs::read_to_string(&file).expect("a configuration");
    for (key, value) in blanks {
        let blank = format!("\n{key} = \"\"\n");
        assert!(text.contains(&blank), "no blank `{key}` in\n{text}");
        text = text.replacen(&blank, &format!("\n{key} = \"{value}\"\n"), 1);
    }
    std::fs::write(file, text).expect("written");
}

#[test]
fn what_init_writes_is_good_once_it_is_filled_in_and_check_names_what_is_not() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let init = run(&["init", "here"], folder.path());
    let init_said = said(&init);
    assert!(init.status.success(), "{init_said}");
    for next in ["check", "check --online", "serve"] {
        assert!(init_said.contains(&format!("punchdown {next} --config here/punchdown.toml")), "{init_said}");
    }
    let here = folder.path().join("here");
    let secrets = here.join("secrets");
    let mode = std::fs::metadata(&secrets).expect("a folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(std::fs::read_dir(&secrets).expect("a folder").count(), 0);

    let blank_said = refusal(&here.join("punchdown.toml"));
    for key in [
        "portabilling.url",
        "portabilling.login",
        "portabilling.token.file",
        "groups.HSS.adapter",
        "groups.HSS.target.url",
    ] {
        assert!(blank_said.contains(key), "no `{key}` in\n{blank_said}");
    }
    let named = ["portabilling", "espf", "admin", "oms"].map(|name| format!("secrets/{name}"));
    for name in named {
        assert!(init_said.contains(&format!("here/{name}\n")), "no `{name}` in\n{init_said}");
        std::fs::write(here.join(name), "s3cret\n").expect("written");
    }
    fill_in(
        &here,
        &[
            ("url", "https://billing.example.net"),
            ("login", "punchdown"),
            ("adapter", &adapter.display().to_string()),
            ("url", "https://oms.example.net/tmf-api/serviceOrdering/v4"),
        ],
    );
    let unspecified = said(&run(&["check"], &here));
    assert!(unspecified.contains("groups.HSS.config"), "{unspecified}");
    fill_in(&here, &[("specification", "mobile-line")]);
    let check = run(&["check"], &here);
    assert!(check.status.success(), "{}", said(&check));
    assert!(said(&check).contains("The configuration is good."));
}

#[test]
fn init_writes_over_nothing() {
    let folder = folder();
    std::fs::write(folder.path().join("punchdown.toml"), "mine").expect("written");
    let init = run(&["init"], folder.path());
    assert_eq!(init.status.code(), Some(1));
    assert!(said(&init).contains("punchdown.toml is there already"), "{}", said(&init));
    assert_eq!(std::fs::read_to_string(folder.path().join("punchdown.toml")).expect("there"), "mine");
    assert!(!folder.path().join("secrets").exists(), "nothing was made");
}
