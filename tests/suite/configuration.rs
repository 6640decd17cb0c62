//! A bad configuration names every problem with its place, at start and in `check` alike.

use std::path::Path;
use std::process::{Command, Output};

use punchdown::config;
use punchdown_kit::oms::Settings;

use crate::harness::{
    PROGRAM, complaints, folder, oms_adapter, refusal, rewrite, stage, unserved, workspace,
};

fn run(command: &str, config: &Path) -> Output {
    Command::new(PROGRAM).args([command, "--config"]).arg(config).output().expect("it runs")
}

const BAD: &str = r#"[portabilling]
url = "ftp://billing.example.net"
login = "punchdown"
token = "written in place"

[events]
lisen = "127.0.0.1:0"
auth = []

[groups.HSS]
adapter = "adapter.wasm"
events = ["Account/["]
deadline = "soon"
target = { url = "https://oms.example.net", timeout = "5m", retry = [] }
notify = { auth = "none" }

[groups.PCRF]
adapter = "adapter.wasm"
events = ["Account/**"]
reports = ["HSS"]
target = {}
pb-data = "perhaps"

[nsps]
auth = []
"#;

#[test]
fn every_problem_is_named_with_its_place_and_nothing_starts() {
    let folder = folder();
    let config = folder.path().join("punchdown.toml");
    std::fs::write(&config, BAD).expect("written");
    let said = refusal(&config);
    for (place, words) in [
        (":2:", "must begin with https:// or http://"),
        (":4:", "a secret must not stand in the configuration itself"),
        (":7:", "did you mean `listen`?"),
        (":8:", "anybody could send events"),
        (":12:", "a pattern is malformed"),
        (":13:", "is not a time"),
        (":14:", "outlive the lease"),
        (":14:", "there must be one pause at least"),
        (":15:", "could report any outcome"),
        (":21:", "`url` is missing"),
        (":22:", "`perhaps` is not one of beside, instead"),
        (":25:", "anybody could send events"),
    ] {
        assert!(said.contains(words), "no `{words}` in\n{said}");
        assert!(said.contains(place), "no place `{place}` in\n{said}");
    }
}

#[test]
fn a_notification_door_is_as_shown_and_one_that_would_prove_nothing_is_refused() {
    let folder = folder();
    let file = folder.path().join("punchdown.toml");
    for name in ["hook", "espf"] {
        std::fs::write(folder.path().join(name), "s3cret").expect("written");
    }
    let with = |notify: &str| {
        format!(
            "[portabilling]\nurl = \"https://billing.example.net\"\nlogin = \"punchdown\"\ntoken = {{ file = \"espf\" }}\n\
             [events]\nauth = [{{ custom = {{ type = \"Bearer\", credential = {{ file = \"espf\" }} }} }}]\n\
             [groups.HSS]\nadapter = \"a.wasm\"\nevents = [\"**\"]\ntarget = {{ url = \"https://oms.example.net\" }}\n\
             [groups.HSS.notify]\n{notify}\n"
        )
    };
    let page = std::fs::read_to_string(workspace().join("docs/operating.md")).expect("docs/operating.md");
    let shown: Vec<&str> = page.lines().filter(|line| line.starts_with("auth = {")).collect();
    assert!(shown.len() >= 5, "{shown:?}");
    for notify in shown {
        std::fs::write(&file, with(&notify.replace("secrets/", ""))).expect("written");
        if let Err(problems) = config::load(&file) {
            panic!("{notify}: {problems}");
        }
    }
    for (notify, words) in [
        ("auth = {}", "it must name at least one of standard-webhooks, hmac"),
        ("auth = \"open\"", "`open` is no way to authenticate"),
        ("auth = { bearer = [] }", "without a secret nobody is let in"),
        ("auth = { addresses = [] }", "nobody calls from nowhere"),
        ("auth = { addresses = [\"10.0.0.0/33\"] }", "is not an address or a range"),
        ("auth = { standard-webhooks = { secret = HOOK } }", "`whsec_` and the base64"),
        (
            "auth = { path-secret = HOOK }\nat = \"https://door.example.net/HSS/s3cret\"",
            "handed to the adapter",
        ),
        ("auth = { hmac = { secret = HOOK } }", "`header` is missing"),
        (
            "auth = { hmac = { secret = HOOK, header = \"X-S\", signed = \"{header:X-Id}\" } }",
            "must hold {body}",
        ),
        ("auth = { hmac = { secret = HOOK, header = \"X-S\", signed = \"{bodi}\" } }", "`{bodi}` is none of"),
        (
            "auth = { hmac = { secret = HOOK, header = \"X-S\", signed = \"{timestamp}.{body}\" } }",
            "nothing says where that stands",
        ),
        (
            "auth = { hmac = { secret = HOOK, header = \"X-S\", timestamp = { field = \"t\" } } }",
            "anybody could write another",
        ),
        (
            "auth = { hmac = { secret = HOOK, header = \"X-S\", timestamp = {}, signed = \"{timestamp}{body}\" } }",
            "either in a `header` or in a `field`",
        ),
    ] {
        let notify = notify.replace("HOOK", "{ file = \"hook\" }");
        std::fs::write(&file, with(&notify)).expect("written");
        let check = run("check", &file);
        assert_eq!(check.status.code(), Some(78), "{notify}");
        let said = complaints(&check);
        assert!(said.starts_with("1 problem in") && said.contains(words), "no `{words}` alone in\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_credential_in_the_clear_is_warned_of_off_loopback() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let text = std::fs::read_to_string(&stage.config).expect("a configuration");
    let bearer = "bearer = { file = \"secrets/oms-hook\" }";
    let text = text.replace("standard-webhooks = { secret = { file = \"secrets/oms-hook\" } }", bearer);
    std::fs::write(&stage.config, &text).expect("written");
    let near = run("check", &stage.config);
    assert!(near.status.success() && !String::from_utf8_lossy(&near.stderr).contains("warning"));

    let far = text.replace(
        &format!("listen = \"{}\"", stage.public),
        &format!("listen = \"0.0.0.0:{}\"", stage.public.port()),
    );
    std::fs::write(&stage.config, &far).expect("written");
    let check = run("check", &stage.config);
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(check.status.success(), "a warning is no error: {said}");
    assert!(
        said.contains("warning[W0101]: `events.listen` speaks no TLS")
            && said.contains("warning[W0101]: this door speaks no TLS")
            && said.contains("groups.HSS.notify.auth.bearer")
            && said.contains("  events.auth\n"),
        "{said}"
    );
    let proxied = far.replacen("[events]\n", "[events]\ntrusted-proxies = [\"10.0.0.1\"]\n", 1);
    std::fs::write(&stage.config, &proxied).expect("written");
    assert!(!String::from_utf8_lossy(&run("check", &stage.config).stderr).contains("warning"));
    std::fs::write(&stage.config, &far).expect("written");
    assert!(String::from_utf8_lossy(&check.stdout).contains("The configuration is good."));
    stage.start_host().await.expect("the host starts");
    let log = std::fs::read_to_string(stage.log()).expect("a log");
    assert!(
        log.contains("a setting is not as it should be") && log.contains("groups.HSS.notify.auth.bearer"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_asks_nobody_is_on_loopback_unless_that_is_said_aloud() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let auth = "auth = { standard-webhooks = { secret = { file = \"secrets/oms-hook\" } } }";
    rewrite(&stage, auth, "auth = \"none\"");
    let near = run("check", &stage.config);
    assert!(near.status.success(), "{}", String::from_utf8_lossy(&near.stderr));

    let unguarded = |said: &str| {
        said.contains("error[E0108]: without a credential anybody") && said.contains("\"none-off-loopback\"")
    };
    // Behind a proxy the caller is somebody else, wherever the listener is.
    rewrite(&stage, "[events]\n", "[events]\ntrusted-proxies = [\"127.0.0.1\"]\n");
    let proxied = unserved(&stage.config);
    assert!(unguarded(&proxied), "{proxied}");
    rewrite(&stage, "trusted-proxies = [\"127.0.0.1\"]\n", "");
    let listen = format!("listen = \"{}\"", stage.public);
    rewrite(&stage, &listen, &format!("listen = \"0.0.0.0:{}\"", stage.public.port()));
    let far = unserved(&stage.config);
    assert!(unguarded(&far), "{far}");

    rewrite(&stage, "auth = \"none\"", "auth = \"none-off-loopback\"");
    let check = run("check", &stage.config);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    stage.start_host().await.expect("the host starts");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let door = client.post(format!("http://{}/notify/HSS", stage.public)).body("{}");
    assert_eq!(door.send().await.expect("an answer").status(), 202, "whoever comes is heard");
}

#[test]
fn for_programs_every_problem_has_its_code_and_place() {
    let folder = folder();
    let config = folder.path().join("punchdown.toml");
    std::fs::write(&config, BAD).expect("written");
    let told = run("check", &config);
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    let output = Command::new(PROGRAM).args(["check", "-o", "json", "--config"]).arg(&config).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(78));
    assert!(output.stderr.is_empty(), "all of it is in the answer");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&answer["good"], &answer["runs"]), (&false.into(), &serde_json::Value::Null));
    let problems = answer["problems"].as_array().expect("a list");
    assert_eq!(problems.len(), told.matches("  --> ").count(), "as many as a person is told of");
    for problem in problems {
        let of = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        let place = format!("--> {}:{}:{}  {}", of("file"), problem["line"], problem["column"], of("key"));
        assert!(told.contains(place.trim_end()), "{problem} in {told}");
        assert!(told.contains(&format!("{}[{}]: {}", of("kind"), of("code"), of("message"))), "{problem}");
    }
    let nowhere = ["check", "-o", "json", "--config", "/nonexistent/punchdown.toml"];
    let nowhere = Command::new(PROGRAM).args(nowhere).output().expect("it runs");
    let answer: serde_json::Value = serde_json::from_slice(&nowhere.stdout).expect("JSON");
    assert_eq!((nowhere.status.code(), &answer["problems"][0]["code"]), (Some(78), &"E0101".into()));
    assert_eq!(answer["problems"][0]["line"], serde_json::Value::Null, "there is no such place");
}

#[test]
fn a_file_that_is_not_there_or_not_toml_is_said_so() {
    let folder = folder();
    assert!(refusal(&folder.path().join("nowhere.toml")).contains("cannot read it"));
    let config = folder.path().join("punchdown.toml");
    std::fs::write(&config, "[portabilling\nurl = 5\n").expect("written");
    assert!(refusal(&config).contains("punchdown.toml:1:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_has_its_say_and_a_good_configuration_is_called_good() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    let good = run("check", &stage.config);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    assert!(String::from_utf8_lossy(&good.stdout).contains("The configuration is good."));

    let text = std::fs::read_to_string(&stage.config).expect("a configuration");
    let bad = text.replace("specification = \"mobile-line\"", "specfication = \"mobile-line\"");
    std::fs::write(&stage.config, bad).expect("written");
    let said = unserved(&stage.config);
    assert!(said.contains("adapter oms-tmf641 says") && said.contains("specfication"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_do_not_share_a_journal() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.start_host().await.expect("the host starts");
    let second = run("serve", &stage.config);
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another Punchdown runs"), "{said}");
}
