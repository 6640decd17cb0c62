//! Several hosts on one database have their components in common: what is installed, pinned or put into its place at one
//! of them serves at all, and what one began any of them goes on with.

use std::path::PathBuf;
use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use punchdown_kit::postgres::Ending;
use punchdown_tests::fleet::Fleet;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::database::{own, shared};
use crate::guests::guest;
use crate::harness::{PROGRAM, folder, oms_adapter, stage_of, told, until};
use crate::reload::{edition, put};

const SOON: Duration = Duration::from_secs(30);

struct Scene {
    stage: Stage,
    fleet: Fleet,
    folder: TempDir,
    database: punchdown_kit::postgres::Database,
}

/// So many hosts, each with a place of its own for the component. None runs yet.
async fn set(cluster: &std::sync::Arc<punchdown_kit::postgres::Cluster>, hosts: usize) -> Option<Scene> {
    let (component, folder) = (oms_adapter()?, folder());
    let first = folder.path().join("oms-0.wasm");
    std::fs::copy(&component, &first).expect("copied");
    let stage = stage_of(PROGRAM, folder.path(), &first, Settings::default(), "", "poll-seconds = 1").await;
    stage.open_accounts(20);
    let database = cluster.database().expect("a database");
    let fleet = Fleet::of(&stage, PROGRAM.as_ref(), database.clone(), hosts).await.expect("a fleet");
    let scene = Scene { stage, fleet, folder, database };
    for host in 1..hosts {
        std::fs::copy(&component, scene.place(host)).expect("copied");
        let config = scene.fleet.config(host);
        let text = std::fs::read_to_string(config).expect("read");
        let own = format!("oms-{host}.wasm");
        assert!(text.contains("oms-0.wasm"), "{text}");
        std::fs::write(config, text.replace("oms-0.wasm", &own)).expect("written");
    }
    Some(scene)
}

impl Scene {
    fn place(&self, host: usize) -> PathBuf {
        self.folder.path().join(format!("oms-{host}.wasm"))
    }

    /// One that nobody has had, as a file beside the places.
    fn other(&self, number: u8) -> String {
        let file = self.folder.path().join(format!("edition-{number}.wasm"));
        let component = oms_adapter().expect("a component");
        std::fs::write(&file, edition(&component, number)).expect("written");
        file.display().to_string()
    }

    async fn says(&self, host: usize, arguments: &[&str]) -> std::process::Output {
        let mut command = tokio::process::Command::new(PROGRAM);
        command.args(arguments).arg("--config").arg(self.fleet.config(host));
        command.output().await.expect("it runs")
    }

    async fn told_by(&self, host: usize) -> Value {
        let output = self.says(host, &["reload", "--last", "-o", "json"]).await;
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    async fn serves(&self, host: usize) -> String {
        self.told_by(host).await["groups"][0]["digest"].as_str().unwrap_or_default().to_owned()
    }

    async fn all_serve(&self, hosts: &[usize], digest: &str) {
        for host in hosts {
            until("it serves", SOON, async || self.serves(*host).await == digest).await;
        }
    }

    async fn installs(&self, host: usize, file: &str) -> String {
        let output = self.says(host, &["adapter", "install", file, "--group", "HSS", "-o", "json"]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        told["digest"].as_str().expect("a digest").to_owned()
    }

    /// At the latest when the lease of one that was killed is over.
    async fn is_ok(&self, account: u64) {
        until("OK", 3 * SOON, async || told(&self.stage, account).last().is_some_and(|word| word == "OK"))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_installed_at_one_serves_at_all_and_at_those_that_come_later() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 3).await else { return };
    scene.fleet.start(0).await.expect("it starts");
    scene.fleet.start(1).await.expect("it starts");
    let first = scene.serves(0).await;
    assert_eq!(scene.serves(1).await, first);

    let second = scene.installs(1, &scene.other(2)).await;
    assert_eq!(scene.serves(1).await, second, "at once, where it was installed");
    scene.all_serve(&[0], &second).await;
    let last = scene.told_by(0).await;
    assert_eq!((&last["because"], &last["problems"]), (&"another instance".into(), &json!([])), "{last}");
    assert_eq!(last["groups"][0]["passes_over"], json!(first), "what lies in its place here: {last}");

    // One whose directory is new, with what the others served before in its place; and one that comes back.
    scene.fleet.start(2).await.expect("it starts");
    assert_eq!(scene.serves(2).await, second, "from its first question on");
    scene.fleet.kill(0).expect("killed");
    scene.fleet.start(0).await.expect("it starts again");
    assert_eq!(scene.serves(0).await, second, "nothing new lies in its place");

    // Back at a host in whose place the first one lies still.
    let output = scene.says(0, &["adapter", "rollback", "--group", "HSS"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    scene.all_serve(&[0, 1, 2], &first).await;

    // By hand, as whoever deploys files does it; and what all serve is what is done by.
    put(&scene.place(2), &edition(&oms_adapter().expect("a component"), 3));
    until("another one serves", SOON, async || scene.serves(2).await != first).await;
    let third = scene.serves(2).await;
    assert_ne!(third, second);
    scene.all_serve(&[0, 1], &third).await;
    let espf = scene.stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    scene.is_ok(1).await;
    // What was put into a place while its host was away is new, too.
    scene.fleet.stop(1).await.expect("it stops");
    std::fs::copy(scene.other(4), scene.place(1)).expect("copied");
    scene.fleet.start(1).await.expect("it starts again");
    let fourth = scene.serves(1).await;
    assert!(fourth != third, "it serves what lies there");
    scene.all_serve(&[0, 2], &fourth).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_everybodys_and_so_is_its_end() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 2).await else { return };
    scene.fleet.start_all().await.expect("they start");
    let first = scene.serves(0).await;
    let second = scene.installs(0, &scene.other(2)).await;
    scene.all_serve(&[1], &second).await;

    let output = scene.says(1, &["adapter", "pin", &first[7..19], "--group", "HSS"]).await;
    assert!(output.status.success(), "{output:?}");
    scene.all_serve(&[0, 1], &first).await;
    assert_eq!(scene.told_by(0).await["groups"][0]["pin"], json!({ "to": first, "passes_over": second }));
    // Nobody installs past it, wherever it was said.
    let output = scene.says(0, &["adapter", "install", &scene.other(3), "--group", "HSS"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--off"), "{output:?}");
    for host in [0, 1] {
        scene.fleet.kill(host).expect("killed");
    }
    scene.fleet.start_all().await.expect("they start");
    scene.all_serve(&[0, 1], &first).await;

    // What lies in the place of whoever takes it off serves then.
    let output = scene.says(0, &["adapter", "pin", "--off", "--group", "HSS"]).await;
    assert!(output.status.success(), "{output:?}");
    scene.all_serve(&[0, 1], &second).await;
    assert_eq!(scene.told_by(1).await["groups"][0]["pin"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_refuses_is_offered_to_nobody_and_what_cannot_be_told_serves_nowhere() {
    let Some(cluster) = own() else { return };
    let Some(mut scene) = set(&cluster, 2).await else { return };
    scene.fleet.start_all().await.expect("they start");
    let first = scene.serves(0).await;
    put(&scene.place(0), b"no component");
    until("it is refused", SOON, async || scene.told_by(0).await["problems"] != json!([])).await;
    assert_eq!(scene.serves(0).await, first);
    scene.fleet.kill(0).expect("killed");
    scene.fleet.start(0).await.expect("it starts again");
    assert_eq!(scene.serves(0).await, first, "all others serve it");
    assert_ne!(scene.told_by(0).await["problems"], json!([]), "what lies there is told of still");
    // What was refused here is older than what another one was given since.
    let zeroth = scene.installs(1, &scene.other(9)).await;
    scene.all_serve(&[0], &zeroth).await;
    assert_eq!(scene.told_by(0).await["problems"], json!([]));
    let first = zeroth;
    put(&scene.place(0), &std::fs::read(scene.place(1)).expect("read"));
    until("all is well", SOON, async || scene.told_by(0).await["problems"] == json!([])).await;

    cluster.end(Ending::Fast).expect("it ends");
    let second = scene.other(2);
    let output = scene.says(1, &["adapter", "install", &second, "--group", "HSS"]).await;
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(scene.serves(1).await, first);
    cluster.begin().expect("it comes back");
    let second = scene.installs(1, &second).await;
    scene.all_serve(&[0, 1], &second).await;
}

/// One may not go on with what another one began: that one is brought from the journal, where it is needed.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_host_began_another_one_goes_on_with_by_the_same_component() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 2).await else { return };
    scene.stage.oms.hold_completion(true);
    scene.fleet.start(0).await.expect("it starts");
    let by = scene.installs(0, &scene.other(2)).await;
    let espf = scene.stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    let waits = async || told(&scene.stage, 1).last().is_some_and(|word| word == "IN_PROGRESS");
    until("it waits", SOON, waits).await;
    let ignores = guest(scene.folder.path(), "ignores").display().to_string();
    let now = scene.installs(0, &ignores).await;
    scene.fleet.kill(0).expect("killed");
    scene.fleet.start(1).await.expect("it starts");
    scene.all_serve(&[1], &now).await;
    scene.stage.oms.hold_completion(false);
    scene.is_ok(1).await;
    let log = scene.fleet.log(1);
    assert!(log.contains("an adapter that served before goes on") && log.contains(&by), "{log}");
    assert_eq!(scene.stage.oms.ledger().orders.len(), 1, "nothing was sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_without_the_key_wrote_chooses_nothing() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 1).await else { return };
    scene.fleet.start_all().await.expect("they start");
    let first = scene.serves(0).await;
    let second = scene.installs(0, &scene.other(2)).await;
    let forged = format!("UPDATE served_by SET digest = '{first}', number = number + 1");
    scene.database.ask(&forged).expect("written");
    until("it is told", SOON, async || scene.fleet.log(0).contains("had not its key")).await;
    assert_eq!(scene.serves(0).await, second);
    let third = scene.installs(0, &scene.other(3)).await;
    assert_eq!(scene.serves(0).await, third, "what is said with the key counts");
}
