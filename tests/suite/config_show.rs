//! Every setting that is in effect is shown with its origin, and what a running host does not run by yet; a secret by
//! its name alone, wherever it was written.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use punchdown::cli::stage::{OMS_TOKEN, Stage};
use punchdown::config;
use punchdown_kit::oms::Settings;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{PROGRAM, folder, oms_adapter, rewrite, stage, with_settings};
use crate::operators::{asked, said};

fn one<'a>(list: &'a Value, key: &str) -> &'a Value {
    let settings = list.as_array().expect("a list");
    settings.iter().find(|it| it["key"] == key).unwrap_or_else(|| panic!("no {key} in {list:#}"))
}

fn keys(list: &Value) -> BTreeSet<String> {
    let settings = list.as_array().into_iter().flatten();
    settings.map(|setting| setting["key"].as_str().expect("a key").to_owned()).collect()
}

/// Line and column at which a text stands.
fn place(text: &str, of: &str) -> (usize, usize) {
    let at = text.find(of).unwrap_or_else(|| panic!("no {of}"));
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    (text[..at].matches('\n').count() + 1, at - line + 1)
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_in_effect_is_shown_with_its_value_and_its_origin() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    with_settings(&stage, "events", "trusted-proxies = [\n  \"10.0.0.0/8\",\n]");
    let file = std::fs::read_to_string(&stage.config).expect("a configuration");
    let shown = asked(&stage, &["config", "show"]).await;
    let settings = &shown["settings"];
    assert_eq!((&shown["good"], &shown["problems"]), (&true.into(), &json!([])));

    for (key, value, written) in [
        ("portabilling.rate", json!("1000/s"), "\"1000/s\""),
        ("events.trusted-proxies", json!(["10.0.0.0/8"]), "[\n  \"10.0.0.0/8\""),
        ("groups.HSS.target.breaker.pause", json!("200ms"), "\"200ms\", pause-max"),
        ("groups.HSS.config.specification", json!("mobile-line"), "\"mobile-line\""),
    ] {
        let (line, column) = place(&file, written);
        let told = json!({ "key": key, "value": value, "secret": null, "origin": "file", "line": line, "column": column });
        assert_eq!(*one(settings, key), told);
    }
    for (key, value) in [
        ("portabilling.timeout", json!("10s")),
        ("portabilling.queries.aliases.params", json!({ "i_master_account": "{i_account}" })),
        ("groups.HSS.service", json!("HSS")),
        ("admin.connections", json!(1024)),
    ] {
        let told = json!({ "key": key, "value": value, "secret": null, "origin": "default", "line": null, "column": null });
        assert_eq!(*one(settings, key), told);
    }
    let (line, column) = place(&file, "{ file = \"secrets/espf\" }");
    let password = json!({
        "key": "events.auth[0].basic.password", "value": null, "secret": { "from": "file", "name": "secrets/espf" },
        "origin": "file", "line": line, "column": column,
    });
    assert_eq!(*one(settings, "events.auth[0].basic.password"), password);

    // Whatever has a default is there; whatever is not there by default stands in the file.
    let known = config::known_keys(&stage.config);
    let shown_keys = keys(settings);
    for key in known.iter().filter(|known| known.default.is_some()) {
        let is_at = |shown: &String| *shown == key.key || shown.starts_with(&format!("{}[", key.key));
        assert!(shown_keys.iter().any(is_at), "{} is not shown", key.key);
        if let Some(setting) = settings.as_array().into_iter().flatten().find(|it| it["key"] == *key.key) {
            let origin = if key.written.is_some() { "file" } else { "default" };
            assert_eq!(setting["origin"], origin, "{}", key.key);
        }
    }
    assert!(shown_keys.len() > 100, "{}", shown_keys.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_a_section_or_a_setting_is_shown_by_itself() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    for (only, begins, count) in
        [("HSS", "groups.HSS.", 20), ("events.auth", "events.auth[0].", 2), ("log.filter", "log.filter", 1)]
    {
        let shown = keys(&asked(&stage, &["config", "show", only]).await["settings"]);
        assert!(shown.iter().all(|key| key.starts_with(begins)), "{only}: {shown:?}");
        assert!(shown.len() >= count, "{only}: {shown:?}");
    }
    let output = said(&stage, &["config", "show", "portabilling.token"]).await;
    let file = std::fs::read_to_string(&stage.config).expect("a configuration");
    let (line, column) = place(&file, "{ file = \"secrets/portabilling\" }");
    let row = format!("portabilling.token  {line}:{column}");
    assert!(
        text(&output).contains(&row) && text(&output).contains("(secret) file secrets/portabilling"),
        "{output:?}"
    );
    let nothing = said(&stage, &["config", "show", "lgo"]).await;
    assert_eq!((nothing.status.code(), text(&nothing).contains("`lgo`")), (Some(1), true), "{nothing:?}");
}

/// Each secret of which nothing is to be seen, wherever it is written.
const PLANTED: [&str; 22] = [
    "planted-in-a-file",
    "planted-in-the-environment",
    "planted-in-a-credential",
    "planted-in-place",
    "planted-in-a-list",
    "planted-where-a-table-belongs",
    "planted-under-an-unknown-name",
    "planted-beside-another",
    "planted-in-a-url",
    "planted-in-a-query",
    "planted-as-a-header",
    "planted-for-an-adapter",
    "planted-in-no-way-that-there-is",
    "planted-where-nobody-reads",
    "planted-in-another-scheme",
    "planted-as-a-digest",
    "planted-where-no-table-stands",
    "planted-under-a-dotted-name",
    "planted-under-a-bracket",
    "planted-deep-in-a-header",
    "planted-in-a-data-source",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
];

fn planted(folder: &Path) -> String {
    std::fs::write(folder.join("token"), "planted-in-a-file\n").expect("written");
    std::fs::write(folder.join("credential"), "planted-in-a-credential").expect("written");
    r#""log.filter" = "planted-under-a-dotted-name"
[portabilling]
url = "https://ann:planted-in-a-url@billing.example.net"
login = "punchdown"
token = { file = "token" }
[events]
auth = [{ basic = { user = "espf", password = "planted-in-place" } }, "planted-where-a-table-belongs"]
pasword = "planted-under-an-unknown-name"
[admin]
tokens = [{ env = "PLANTED" }, { credential = "credential" }, { sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }, { sha256 = "planted-as-a-digest" }]
[nsps]
auth = [{ bearer = { text = "planted-in-no-way-that-there-is" } }]
[groups.HSS]
adapter = "a.wasm"
events = ["**"]
[groups.HSS.target]
url = "https://oms.example.net"
auth = { bearer = "planted-beside-another", basic = { user = "ann", password = "planted-where-nobody-reads" } }
[groups.HSS.notify]
auth = { bearer = ["planted-in-a-list"] }
[groups.PCRF]
adapter = "ADAPTER"
events = ["**"]
target = { url = "https://pcrf.example.net", auth = { oauth2 = { token-url = "https://login.example.net/?key=planted-in-a-query", client-id = "p", client-secret = { file = "token" } } } }
[groups.PCRF.config]
specification = "before planted-in-a-file after"
apiKey = "planted-for-an-adapter"
headers = [{ name = "Authorization", value = "planted-as-a-header" }, { name = "X-Api-Key", value = [{ text = "planted-deep-in-a-header" }] }]
"api[key]" = "planted-under-a-bracket"
source = "jdbc:postgresql://ann:planted-in-a-data-source@h/x"
[groups.NONE]
adapter = "none.wasm"
events = ["**"]
target = { url = "https://none.example.net" }
config = { anything = "planted-for-an-adapter" }
[groups.LIST]
adapter = "none.wasm"
events = ["**"]
target = { url = "ftp://ann:planted-in-another-scheme@none.example.net" }
config = [{ anything = "planted-where-no-table-stands" }]
"#
    .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_shown_wherever_it_was_written() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let file = folder.path().join("punchdown.toml");
    let config = planted(folder.path()).replace("ADAPTER", &adapter.display().to_string());
    std::fs::write(&file, &config).expect("written");
    let run = async |command: &[&str]| {
        let mut program = Command::new(PROGRAM);
        program.args(command).arg("--config").arg(&file).env("PLANTED", "planted-in-the-environment");
        program.env("CREDENTIALS_DIRECTORY", folder.path()).output().await.expect("it runs")
    };
    let check = run(&["check"]).await;
    for command in [&["config", "show"][..], &["config", "show", "-o", "json"]] {
        let output = run(command).await;
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        let told = text(&output);
        for secret in PLANTED {
            assert!(config.contains(secret) || secret.starts_with("planted-in-"), "{secret} was planted");
            assert!(!told.contains(secret), "{command:?} tells {secret}:\n{told}");
        }
        if !command.contains(&"json") {
            assert_eq!(output.stderr, check.stderr, "what is wrong is told as `check` tells it");
            for named in [
                "(secret) file token",
                "(secret) env PLANTED",
                "(secret) credential credential",
                "(secret) sha256",
            ] {
                assert!(told.contains(named), "no `{named}` in\n{told}");
            }
            assert!(told.contains("\"before (secret) after\"") && told.contains("?key=(hidden)"), "{told}");
        }
    }
    let told: Value =
        serde_json::from_slice(&run(&["config", "show", "-o", "json"]).await.stdout).expect("JSON");
    let checked: Value = serde_json::from_slice(&run(&["check", "-o", "json"]).await.stdout).expect("JSON");
    assert_eq!((&told["problems"], &told["good"]), (&checked["problems"], &false.into()));
}

async fn diff(stage: &Stage, code: i32) -> Value {
    let output = said(stage, &["config", "diff", "-o", "json"]).await;
    assert_eq!(output.status.code(), Some(code), "{}", text(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

async fn running(stage: &Stage, token: &str) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.get(format!("http://{}/admin/v1/config", stage.admin)).bearer_auth(token);
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

fn values(differs: &Value) -> Vec<(String, Value, Value, bool)> {
    let one = |it: &Value| {
        let key = it["key"].as_str().expect("a key").to_owned();
        let waits = it["waits_for_restart"].as_bool().expect("it is said");
        (key, it["running"]["value"].clone(), it["on_disk"]["value"].clone(), waits)
    };
    differs["differs"].as_array().expect("a list").iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_told_until_it_is_taken_over_or_the_host_is_started_again() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let output = said(&stage, &["config", "diff"]).await;
    assert_eq!(output.status.code(), Some(69), "nobody runs: {output:?}");
    stage.start_host().await.expect("the host starts");
    assert_eq!(running(&stage, "no token").await.0, 401);
    assert_eq!(values(&diff(&stage, 0).await), []);
    let same = said(&stage, &["config", "diff"]).await;
    assert!(text(&same).starts_with("what runs is what "), "{same:?}");

    // The adapter refuses that, so it is not taken over at once.
    rewrite(&stage, "specification = \"mobile-line\"", "specification = 7");
    with_settings(&stage, "groups.HSS", "service = \"HSS\"");
    rewrite(&stage, "[admin]\n", "[retention]\nbodies = \"47h\"\n\n[admin]\n");
    let config = "groups.HSS.config.specification".to_owned();
    let bodies = ("retention.bodies".to_owned(), json!("7d"), json!("47h"), true);
    let told = diff(&stage, 1).await;
    assert_eq!(values(&told), [(config.clone(), json!("mobile-line"), json!(7), false), bodies.clone()]);
    let written = said(&stage, &["config", "diff"]).await;
    for words in ["specification  is taken over", "bodies  waits for a restart", "runs     \"7d\"  (default)"]
    {
        assert!(text(&written).contains(words), "no `{words}` in {written:?}");
    }

    rewrite(&stage, "specification = 7", "specification = \"mobile-line-2\"");
    assert!(said(&stage, &["reload"]).await.status.success());
    assert_eq!(values(&diff(&stage, 1).await), [bodies]);
    let (_, runs) = running(&stage, "stage-admin-token").await;
    let file = std::fs::read_to_string(&stage.config).expect("a configuration");
    let specification = one(&runs["settings"], &config);
    assert_eq!(specification["value"], "mobile-line-2");
    let at = (specification["line"].as_u64(), specification["column"].as_u64());
    let (line, column) = place(&file, "\"mobile-line-2\"");
    assert_eq!(at, (Some(line as u64), Some(column as u64)));
    assert_eq!(one(&runs["settings"], "retention.bodies")["value"], "7d");

    stage.stop_host().await.expect("it stops");
    stage.start_host().await.expect("it starts again");
    assert_eq!(values(&diff(&stage, 0).await), []);
    let (_, runs) = running(&stage, "stage-admin-token").await;
    assert_eq!(one(&runs["settings"], "retention.bodies")["value"], "47h");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_secret_another_group_and_a_broken_file_are_told() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    // One that waits: most are taken over as soon as they lie there.
    let secret = folder.path().join("secrets/another-admin");
    std::fs::write(&secret, "a-token").expect("written");
    rewrite(
        &stage,
        "tokens = [{ file = \"secrets/admin\" }]",
        "tokens = [{ file = \"secrets/admin\" }, { file = \"secrets/another-admin\" }]",
    );
    stage.start_host().await.expect("the host starts");
    std::fs::write(&secret, "another-token").expect("written");
    let token = json!({ "from": "file", "name": "secrets/another-admin" });
    let told = diff(&stage, 1).await;
    let [differs] = &told["differs"].as_array().expect("a list")[..] else { panic!("{told:#}") };
    assert_eq!((&differs["running"]["secret"], &differs["on_disk"]["secret"]), (&token, &token), "{told:#}");
    let written = text(&said(&stage, &["config", "diff"]).await);
    assert!(
        written.contains("(secret) file secrets/another-admin") && written.contains(", another one"),
        "{written}"
    );
    let (_, runs) = running(&stage, "stage-admin-token").await;
    for secret in ["another-token", OMS_TOKEN, "stage-admin-token", "stage-espf-password"] {
        for told in [&told.to_string(), &written, &runs.to_string()] {
            assert!(!told.contains(secret), "{secret} in {told}");
        }
    }

    // A group that is new is taken over, unless something of it is no good: here its adapter, which is not there.
    std::fs::write(&secret, "a-token").expect("written");
    let good = std::fs::read_to_string(&stage.config).expect("a configuration");
    let more = format!(
        "{good}\n[groups.MORE]\nadapter = \"none.wasm\"\nservice = \"PCRF\"\nevents = [\"**\"]\ntarget = {{ url = \"https://more.example.net\" }}\nconfig = {{ specification = \"more\" }}\n",
    );
    std::fs::write(&stage.config, more).expect("written");
    assert_eq!(said(&stage, &["reload"]).await.status.code(), Some(1));
    let told = values(&diff(&stage, 1).await);
    let is_new = |key: &str, running: &Value| key.starts_with("groups.MORE.") && running.is_null();
    assert!(told.iter().all(|(key, running, _, waits)| is_new(key, running) && !waits), "{told:?}");
    assert!(told.iter().any(|(key, ..)| key == "groups.MORE.adapter"), "{told:?}");

    std::fs::write(&stage.config, good + "\n[groups.HSS\n").expect("written");
    let (_, told) = running(&stage, "stage-admin-token").await;
    assert_eq!((&told["differs"], &told["problems"][0]["code"]), (&json!([]), &json!("E0102")), "{told:#}");
}
