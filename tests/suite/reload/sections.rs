//! All of a group's section is taken over, a group that is new, and credentials, too.

use std::path::Path;
use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown::domain::Timestamp;
use punchdown_kit::espf;
use punchdown_kit::oms::{Oms, Settings};
use serde_json::{Value, json};

use super::{SOON, provisioned, put, reloaded, running};
use crate::harness::{folder, rewrite, told, until, with_settings};
use crate::operators::{asked, operations, said};

async fn reload(stage: &Stage) -> Value {
    let output = said(stage, &["reload"]).await;
    assert!(output.status.success(), "{output:?}");
    let told = reloaded(stage).await;
    assert_eq!(told["waits_for_restart"], json!([]), "{told}");
    told
}

async fn shown(stage: &Stage, account: &str) -> Value {
    let of = operations(stage, &["--account", account]).await;
    let id = of[0]["id"].as_str().unwrap_or_else(|| panic!("no operation of {account}: {of:?}"));
    asked(stage, &["operation", "show", id]).await
}

fn at(told: &Value) -> Timestamp {
    serde_json::from_value(told.clone()).unwrap_or_else(|_| panic!("{told} is no date"))
}

async fn paused(stage: &Stage) -> bool {
    stage.status().await.expect("the host answers")["groups"]["HSS"]["paused"] == true
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_group_moves_is_taken_over() {
    let folder = folder();
    let Some((stage, _)) = running(folder.path(), "poll-seconds = 1").await else { return };
    let espf = stage.espf(0.0);

    // In one go, or the one half may be taken over before the other one is there.
    let text = std::fs::read_to_string(&stage.config).expect("a configuration");
    let text = text.replace("[groups.HSS]\n", "[groups.HSS]\ndeadline = \"47m\"\npaused = true\n");
    put(&stage.config, text.replace("concurrency = 32", "concurrency = 1").as_bytes());
    let after = reload(&stage).await;
    assert_eq!(
        (&after["generation"], &after["groups"][0]["outcome"]),
        (&2.into(), &"swapped".into()),
        "{after}"
    );
    assert!(paused(&stage).await);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    assert!(espf.drained(SOON).await, "its events are taken");
    until("it is stored", SOON, async || !operations(&stage, &["--account", "1"]).await.is_empty()).await;
    assert_eq!(shown(&stage, "1").await["state"], "received", "and nothing moves");

    stage.oms.hold_completion(true);
    rewrite(&stage, "paused = true", "paused = false");
    reload(&stage).await;
    assert!(!paused(&stage).await);
    until("IN_PROGRESS", SOON, async || told(&stage, 1).last().is_some_and(|word| word == "IN_PROGRESS"))
        .await;
    let ends = async || at(&shown(&stage, "1").await["deadline"]);
    let before = ends().await;
    let received = at(&shown(&stage, "1").await["event"]["received_at"]);
    assert_eq!(before.since(received).as_secs() / 60, 47);

    // The time that it rests is given back.
    rewrite(&stage, "paused = false", "paused = true");
    reload(&stage).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    rewrite(&stage, "paused = true", "paused = false");
    reload(&stage).await;
    until("its deadline moves", SOON, async || ends().await.since(before) >= Duration::from_secs(2)).await;
    stage.oms.hold_completion(false);
    provisioned(&stage, 1).await;

    // Another pattern: what is not wanted any more begins nothing.
    rewrite(&stage, "events = [\"Account/**\"]", "events = [\"Account/New\", \"SIM/*\"]");
    reload(&stage).await;
    espf.emit("Account/Status/Changed", json!({ "i_account": 2 }));
    espf.emit("SIM/Updated", json!({ "i_account": 3 }));
    provisioned(&stage, 3).await;
    assert_eq!(operations(&stage, &["--account", "2"]).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_new_is_provisioned_and_one_that_is_gone_goes_on() {
    let folder = folder();
    let Some((stage, adapter)) = running(folder.path(), "").await else { return };
    let espf = stage.espf(0.0);
    let other = Oms::start(Settings::default()).await.expect("another system");
    let good = std::fs::read_to_string(&stage.config).expect("a configuration");
    let section = format!(
        "{good}\n[groups.PCRF]\nadapter = \"{}\"\nevents = [\"Account/**\"]\ntarget = {{ url = \"{}\" }}\n\
         notify = {{ auth = \"none\" }}\nconfig = {{ specification = \"mobile-line\", poll-seconds = 1 }}\n",
        adapter.display(),
        other.url()
    );
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let door = async || {
        let notice = client.post(format!("http://{}/notify/PCRF", stage.public)).body("{}");
        notice.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(door().await, 404);

    put(
        &stage.config,
        section.replace("specification = \"mobile-line\", poll", "specification = 7, poll").as_bytes(),
    );
    assert_eq!(said(&stage, &["reload"]).await.status.code(), Some(1), "its adapter refuses that");
    espf.emit("Account/New", json!({ "i_account": 3 }));
    provisioned(&stage, 3).await;
    let waits = operations(&stage, &["--account", "3", "--group", "PCRF"]).await;
    assert_eq!(waits[0]["state"], "received", "as at a start, its events are taken and wait");

    put(&stage.config, section.as_bytes());
    reload(&stage).await;
    assert_ne!(door().await, 404);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    provisioned(&stage, 1).await;
    let is_ok = |account| stage.billing.final_status(account, "PCRF").is_some_and(|seen| seen.status == "OK");
    until("both are provisioned", SOON, async || is_ok(1) && is_ok(3)).await;
    assert_eq!(other.ledger().orders.len(), 2);
    let metrics = reqwest::get(format!("http://{}/metrics", stage.admin)).await.expect("an answer");
    assert!(metrics.text().await.expect("text").contains("punchdown_held{group=\"PCRF\",by=\"paused\"} 0"));

    // A file that is cut at the wrong place looks like that: nobody's events are given up for it.
    put(&stage.config, good.as_bytes());
    assert!(said(&stage, &["reload"]).await.status.success());
    assert_eq!(reloaded(&stage).await["waits_for_restart"], json!(["groups.PCRF"]));
    espf.emit("Account/New", json!({ "i_account": 2 }));
    until("both are provisioned", SOON, async || is_ok(2)).await;
}

/// The same adapter, that needs another document in place of that of the card.
fn needing(adapter: &Path, query: &[u8; 8]) -> Vec<u8> {
    let mut component = std::fs::read(adapter).expect("a component");
    let places: Vec<usize> =
        component.windows(8).enumerate().filter(|(_, it)| it == b"sim_card").map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "it needs the card");
    places.into_iter().for_each(|at| component[at..at + 8].copy_from_slice(query));
    component
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_new_is_taken_over_with_the_adapter_that_needs_it() {
    let folder = folder();
    let Some((stage, adapter)) = running(folder.path(), "poll-seconds = 1").await else { return };
    let espf = stage.espf(0.0);
    let (first, before) = (needing(&adapter, b"sim_kard"), reloaded(&stage).await);
    let second = needing(&adapter, b"sim_cart");
    let refused = async |part: &str| {
        let output = said(&stage, &["reload"]).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("error[E0313]") && text.contains(part), "`{part}` is not in {text}");
        assert_eq!(reloaded(&stage).await["groups"][0]["digest"], before["groups"][0]["digest"]);
    };
    put(&adapter, &first);
    refused("the query `sim_kard`").await;
    let check = said(&stage, &["check"]).await;
    let check = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(check.contains("E0313") && check.contains("[portabilling.queries.sim_kard]"), "{check}");

    // Nobody is promised what waits for a restart, or stands beside something that is no good.
    let query = |name: &str| {
        format!(
            "queries.{name} = {{ method = \"Account/get_alias_list\", answer = \"alias_list\", list = \"all\" }}"
        )
    };
    let good = std::fs::read(&stage.config).expect("a configuration");
    for waits in ["proxy = \"http://127.0.0.1:9\"", "concurrency = 0"] {
        with_settings(&stage, "portabilling", &format!("{}\n{waits}", query("sim_kard")));
        refused("the query `sim_kard`").await;
        put(&stage.config, &good);
    }
    with_settings(&stage, "portabilling", &query("sim_kard"));
    let told = reload(&stage).await;
    assert_eq!(
        (&told["generation"], &told["groups"][0]["outcome"]),
        (&2.into(), &"swapped".into()),
        "{told}"
    );
    espf.emit("Account/New", json!({ "i_account": 1 }));
    provisioned(&stage, 1).await;
    let asked_for = stage.billing.ledger().calls_of;
    assert!(asked_for.contains_key(&("Account/get_alias_list".to_owned(), 1)), "{asked_for:?}");

    // One that is gone stays as long as somebody may need it.
    put(&stage.config, &good);
    let output = said(&stage, &["reload"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("E0313") && text.contains("portabilling.queries.sim_kard changed on disk"),
        "{text}"
    );
    espf.emit("Account/New", json!({ "i_account": 2 }));
    provisioned(&stage, 2).await;
    with_settings(&stage, "portabilling", &query("sim_cart"));
    put(&adapter, &second);
    assert!(said(&stage, &["reload"]).await.status.success());
    espf.emit("Account/New", json!({ "i_account": 3 }));
    provisioned(&stage, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_the_doors_and_of_portabilling_are_taken_over() {
    let folder = folder();
    let Some((mut stage, _)) = running(folder.path(), "").await else { return };
    let secret = |name: &str| folder.path().join("secrets").join(name);
    let espf_of = |password: &str| {
        espf::Espf::start(espf::Settings {
            url: format!("http://{}/espf/events", stage.public),
            auth: espf::Auth::Basic { user: "espf".to_owned(), password: password.to_owned() },
            ..espf::Settings::default()
        })
    };
    let (before, after) = (stage.espf(0.0), espf_of("an0ther-password"));
    put(&secret("espf"), b"an0ther-password");
    reload(&stage).await;
    before.emit("Account/New", json!({ "i_account": 1 }));
    after.emit("Account/New", json!({ "i_account": 2 }));
    provisioned(&stage, 2).await;
    until("the old one is refused", SOON, async || before.ledger().events[0].answers == ["401"]).await;
    assert_eq!(told(&stage, 1), Vec::<String>::new());

    // A log-in that is refused rests for a minute: another token is tried at once.
    stage.stop_host().await.expect("it stops");
    let good = std::fs::read(secret("portabilling")).expect("a token");
    put(&secret("portabilling"), b"a-wr0ng-token");
    stage.start_host().await.expect("the host starts");
    after.emit("Account/New", json!({ "i_account": 3 }));
    let logins = stage.billing.ledger().logins;
    until("it is refused", SOON, async || {
        crate::harness::log(&stage).contains("PortaBilling refuses the log-in")
    })
    .await;
    put(&secret("portabilling"), &good);
    reload(&stage).await;
    after.emit("Account/New", json!({ "i_account": 4 }));
    provisioned(&stage, 4).await;
    assert_eq!(stage.billing.ledger().logins, logins + 1);

    // A door that was not there cannot be opened while nobody listens for it.
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    put(
        &stage.config,
        format!("{config}\n[nsps]\nauth = [{{ bearer = {{ file = \"secrets/espf\" }} }}]\n").as_bytes(),
    );
    assert!(said(&stage, &["reload"]).await.status.success());
    assert_eq!(reloaded(&stage).await["waits_for_restart"], json!(["nsps"]));
}

/// What it was judged by is not what runs: it might let in anybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_door_and_a_credential_wait_with_what_they_are_for() {
    let folder = folder();
    let Some((stage, _)) = running(folder.path(), "").await else { return };
    let good = std::fs::read_to_string(&stage.config).expect("a configuration");
    let other = good
        .replace("auth = { standard-webhooks", "auth = { addresses = [\"127.0.0.0/8\"], standard-webhooks");
    assert_ne!(good, other);
    put(
        &stage.config,
        other.replacen("[events]", "[events]\ntrusted-proxies = [\"10.0.0.0/8\"]", 1).as_bytes(),
    );
    let output = said(&stage, &["reload"]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("error[E0107]") && text.contains("groups.HSS.notify"), "{text}");
    assert!(text.contains("events.trusted-proxies"), "{text}");

    // A misspelt word there may have been meant for what every group goes by.
    put(&stage.config, other.replacen("[events]", "[events]\nclosng = []", 1).as_bytes());
    assert_eq!(said(&stage, &["reload"]).await.status.code(), Some(1));
    let told = reloaded(&stage).await;
    assert_eq!(
        (&told["generation"], &told["groups"][0]["outcome"]),
        (&1.into(), &"unchanged".into()),
        "{told}"
    );

    put(&stage.config, other.as_bytes());
    assert_eq!(reload(&stage).await["groups"][0]["outcome"], "swapped");

    // The new token is for where PortaBilling will be, and for nobody else.
    let token = folder.path().join("secrets/portabilling");
    put(&stage.config, other.replace(&stage.billing.url(), "http://127.0.0.1:9").as_bytes());
    put(&token, b"a-token-for-another");
    assert!(said(&stage, &["reload"]).await.status.success());
    let waits = json!(["portabilling.token", "portabilling.url"]);
    assert_eq!(reloaded(&stage).await["waits_for_restart"], waits);
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    provisioned(&stage, 1).await;
}
