//! What is the end of the process is found, parked, and named; nobody else is harmed, and no kill from outside
//! is held against anybody. The host here dies for real: it aborts inside a question to an adapter.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use punchdown::cli::stage::Stage;
use punchdown_kit::espf::Espf;
use punchdown_kit::oms::{Manners, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guests::guest;
use crate::harness::{DIES, counted, folder, log, oms_adapter, rewrite, stage_of, told, until};
use crate::operators::{asked, operations, said};
use crate::sessions;

const SOON: Duration = Duration::from_secs(60);
const SIGNED: [&str; 4] = ["--who", "ann", "--why", "the adapter is mended"];
const HELD: &str = "punchdown_held{group=\"HSS\",by=\"quarantine\"}";

async fn set(accounts: u64, oms: Settings, adapter_config: &str) -> Option<(TempDir, Stage)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let stage = stage_of(DIES, folder.path(), &adapter, oms, "", adapter_config).await;
    stage.open_accounts(accounts);
    Some((folder, stage))
}

/// What the host dies of from now on.
fn deadly(stage: &Stage, what: &[&str]) {
    let (new, path) = (stage.directory.join("deadly.new"), stage.directory.join("deadly"));
    std::fs::write(&new, what.join("\n")).expect("written");
    std::fs::rename(new, path).expect("renamed");
}

/// What it has died of, up to now.
fn deaths(stage: &Stage) -> Vec<String> {
    let deaths = std::fs::read_to_string(stage.directory.join("deaths")).unwrap_or_default();
    deaths.lines().map(str::to_owned).collect()
}

/// Starts the host again whenever it has died, until it is so.
async fn supervised(what: &str, stage: &mut Stage, mut is_so: impl AsyncFnMut(&Stage) -> bool) {
    let began = Instant::now();
    while !is_so(stage).await {
        assert!(began.elapsed() < SOON, "in vain: {what}; it died of {:?}\n{}", deaths(stage), log(stage));
        if stage.host_has_ended().expect("known") {
            // It may die before it is ready.
            let _ = stage.start_host().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn is_told(stage: &Stage, i_account: u64, word: &str) -> bool {
    told(stage, i_account).last().is_some_and(|last| last == word)
}

/// How the host says that its group stands; nothing while it is dead.
async fn status(stage: &Stage) -> Value {
    stage.status().await.map(|status| status["groups"]["HSS"].clone()).unwrap_or_default()
}

async fn retry(stage: &Stage, i_account: u64) -> std::process::Output {
    let parked = operations(stage, &["--problems", "--account", &i_account.to_string()]).await;
    let id = parked[0]["id"].as_str().expect("an id").to_owned();
    said(stage, &[&["operation", "retry", &id][..], &SIGNED].concat()).await
}

/// It is parked a moment before its lane is let go of; until then it is said to try again.
async fn retried(stage: &Stage, i_account: u64) {
    until("it is asked again", SOON, async || retry(stage, i_account).await.status.success()).await;
}

/// To pin it would let in by another door what a person has to release.
#[tokio::test(flavor = "multi_thread")]
async fn no_group_is_pinned_to_what_a_process_died_of() {
    let Some((_folder, mut stage)) = set(2, Settings::default(), "").await else { return };
    deadly(&stage, &["account 1"]);
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    supervised("it is parked", &mut stage, async |stage| is_told(stage, 1, "FAILED")).await;
    let output = said(&stage, &["adapter", "pin", "--group", "HSS"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("a process died while adapter sha256:"),
        "{output:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_that_three_processes_died_of_is_parked_and_nobody_else() {
    let Some((_folder, mut stage)) = set(40, Settings::default(), "poll-seconds = 1").await else { return };
    deadly(&stage, &["account 7"]);
    let espf = stage.espf(0.0);
    for i_account in 1..=40 {
        espf.emit("Account/New", json!({ "i_account": i_account }));
    }
    supervised("all have their last word", &mut stage, async |stage| {
        is_told(stage, 7, "FAILED") && (1..=40).all(|one| one == 7 || is_told(stage, one, "OK"))
    })
    .await;
    assert_eq!(deaths(&stage), ["account 7"; 3], "and not once more");
    assert!(!stage.host_has_ended().expect("known"));
    let message = stage.billing.final_status(7, "HSS").and_then(|seen| seen.message).expect("a message");
    assert!(message.starts_with("adapter-fatal: the process died 3 times while adapter "), "{message}");
    let [stuck] = &operations(&stage, &["--problems"]).await[..] else { panic!("one is stuck") };
    assert_eq!((&stuck["i_account"], &stuck["state"]), (&json!(7), &json!("parked")));
    assert_eq!(stage.oms.ledger().orders.len(), 39, "one order each, and none for the one");
    assert_eq!(counted(&stage, HELD).await, 0, "one account is no matter of the group");

    // What is newer of the same account is not tried either.
    espf.emit("Account/Updated", json!({ "i_account": 7 }));
    until("the newer one is parked", SOON, async || {
        let of_account = operations(&stage, &["--account", "7"]).await;
        of_account.len() == 2 && of_account[0]["state"] == "parked"
    })
    .await;
    assert_eq!(deaths(&stage).len(), 3);

    deadly(&stage, &[]);
    retried(&stage, 7).await;
    until("OK", SOON, async || is_told(&stage, 7, "OK")).await;
    assert!(operations(&stage, &["--problems"]).await.is_empty(), "nothing is stuck");
    // It was acquitted: three more may come.
    deadly(&stage, &["account 7"]);
    espf.emit("Account/Updated", json!({ "i_account": 7 }));
    supervised("it is parked again", &mut stage, async |stage| is_told(stage, 7, "FAILED")).await;
    assert_eq!(deaths(&stage).len(), 6);
}

/// The same adapter by another digest: what stands in a custom section means nothing.
fn rebuilt(stage: &Stage, component: &Path) -> PathBuf {
    let mut bytes = std::fs::read(component).expect("a component");
    bytes.extend(b"\x00\x06\x05built");
    let path = stage.directory.join("rebuilt.wasm");
    std::fs::write(&path, bytes).expect("written");
    path
}

async fn restarted_with(stage: &mut Stage, old: &Path, new: &Path) {
    stage.stop_host().await.expect("it stops");
    rewrite(stage, &old.display().to_string(), &new.display().to_string());
    stage.start_host().await.expect("the host starts again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_that_is_the_end_for_several_accounts_is_shut_out_until_another_one_serves() {
    let Some((_folder, mut stage)) = set(20, Settings::default(), "poll-seconds = 1").await else { return };
    let deadly_one = oms_adapter().expect("it was built");
    deadly(&stage, &["account 7", "account 9"]);
    let espf = stage.espf(0.0);
    for i_account in 5..=9 {
        espf.emit("Account/New", json!({ "i_account": i_account }));
    }
    supervised("quarantine", &mut stage, async |stage| !status(stage).await["quarantine"].is_null()).await;
    // The first death may have been held against both.
    assert!((4..=6).contains(&deaths(&stage).len()), "{:?}", deaths(&stage));
    assert_eq!(counted(&stage, HELD).await, 1);
    for i_account in [7, 9] {
        until("FAILED", SOON, async || is_told(&stage, i_account, "FAILED")).await;
    }
    let because_of = status(&stage).await["quarantine"]["because_of"].to_string();
    assert!(because_of.contains("\"account 7\"") && because_of.contains("\"account 9\""), "{because_of}");
    let problems = said(&stage, &["status", "--problems"]).await;
    let problems = String::from_utf8_lossy(&problems.stdout).into_owned();
    assert!(problems.contains("group HSS: its adapter is in quarantine: since "), "{problems}");
    assert!(log(&stage).contains("the adapter is in quarantine"));

    // Events are taken, and nothing is asked: nobody fails.
    let before = stage.oms.ledger().requests;
    for i_account in 10..=12 {
        espf.emit("Account/New", json!({ "i_account": i_account }));
    }
    assert!(espf.drained(SOON).await, "events are taken");
    let refused = retry(&stage, 7).await;
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("punchdown adapter release HSS"),
        "{refused:?}"
    );
    assert_eq!(stage.oms.ledger().requests, before, "nothing is sent");
    let waiting = operations(&stage, &["--state", "received"]).await;
    assert!(waiting.len() >= 3, "{waiting:?}");

    deadly(&stage, &[]);
    let mended = rebuilt(&stage, &deadly_one);
    restarted_with(&mut stage, &deadly_one, &mended).await;
    assert!(status(&stage).await["quarantine"].is_null());
    until("all others are OK", SOON, async || {
        (5..=12).all(|one| [7, 9].contains(&one) || is_told(&stage, one, "OK"))
    })
    .await;
    for i_account in [7, 9] {
        retried(&stage, i_account).await;
        until("OK", SOON, async || is_told(&stage, i_account, "OK")).await;
    }
    assert!(operations(&stage, &["--problems"]).await.is_empty(), "nothing is stuck");

    // The old one has not become better by that; a person may say otherwise.
    restarted_with(&mut stage, &mended, &deadly_one).await;
    assert!(!status(&stage).await["quarantine"].is_null());
    espf.emit("Account/New", json!({ "i_account": 13 }));
    assert!(espf.drained(SOON).await, "events are taken");
    let release = [&["adapter", "release", "HSS"][..], &SIGNED].concat();
    let released = said(&stage, &release).await;
    assert!(released.status.success(), "{released:?}");
    until("OK", SOON, async || is_told(&stage, 13, "OK")).await;
    assert_eq!(counted(&stage, HELD).await, 0);
    let again = said(&stage, &release).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing is held against"), "{again:?}");
    let audits = asked_for(&stage, "audit").await;
    assert_eq!(audits["audit"][0]["what"], "release");
}

async fn asked_for(stage: &Stage, path: &str) -> Value {
    let token = std::fs::read_to_string(stage.directory.join("secrets/admin")).expect("a token");
    let url = format!("http://{}/admin/v1/{path}", stage.admin);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    client.get(url).bearer_auth(token).send().await.expect("an answer").json().await.expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_three_processes_died_of_is_set_aside() {
    let manners = Manners { loses_notice: 1.0, ..Manners::default() };
    let oms = Settings { manners, ..Settings::default() };
    let Some((_folder, mut stage)) = set(1, oms, "poll-seconds = 3600").await else { return };
    let standard = "standard-webhooks = { secret = { file = \"secrets/oms-hook\" } }";
    rewrite(&stage, standard, "bearer = { file = \"secrets/oms-hook\" }");
    stage.oms.hold_completion(true);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    until("IN_PROGRESS", SOON, async || is_told(&stage, 1, "IN_PROGRESS")).await;
    let order = stage.oms.ledger().orders.remove(0);
    let notice = |event: &str| {
        let item = json!([{ "id": "1", "action": "add", "state": "completed" }]);
        let of_order = json!({ "id": order.id, "externalId": order.external_id, "state": "completed", "serviceOrderItem": item });
        json!({ "eventId": event, "eventType": "ServiceOrderStateChangeEvent", "event": { "serviceOrder": of_order } })
    };
    let secret = std::fs::read_to_string(stage.directory.join("secrets/oms-hook")).expect("a secret");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let post = |stage: &Stage, notice: Value| {
        let url = format!("http://{}/notify/HSS/tmf", stage.public);
        client.post(url).bearer_auth(&secret).body(notice.to_string()).send()
    };

    deadly(&stage, &["notification n-1"]);
    assert!(post(&stage, notice("n-1")).await.is_err(), "its end came before the answer");
    supervised("it is set aside", &mut stage, async |stage| {
        log(stage).contains("a notification is set aside")
    })
    .await;
    assert_eq!(deaths(&stage), ["notification n-1"; 3]);
    let unread = asked(&stage, &["notification", "list", "--unread"]).await;
    assert_eq!(unread["notifications"].as_array().map(Vec::len), Some(1));
    // Over a restart, too.
    stage.stop_host().await.expect("it stops");
    stage.start_host().await.expect("the host starts again");
    until("it is set aside again", SOON, async || {
        log(&stage).matches("a notification is set aside").count() == 2
    })
    .await;
    assert_eq!(deaths(&stage).len(), 3);
    assert!(is_told(&stage, 1, "IN_PROGRESS"));

    // A person has it read after all.
    deadly(&stage, &[]);
    let released = said(&stage, &[&["adapter", "release", "HSS"][..], &SIGNED].concat()).await;
    assert!(released.status.success(), "{released:?}");
    until("OK", SOON, async || is_told(&stage, 1, "OK")).await;
    let unread = asked(&stage, &["notification", "list", "--unread"]).await;
    assert_eq!(unread["notifications"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_that_three_processes_died_of_shuts_its_adapter_out() {
    let Some(adapter) = sessions::hlr_adapter() else { return };
    let folder = folder();
    let mut stage = stage_of(DIES, folder.path(), &adapter, Settings::default(), "", "").await;
    let _hlr = sessions::register(&stage, sessions::settings()).await;
    stage.open_accounts(2);
    // Both have begun before anybody logs in: what has not stays received.
    deadly(&stage, &["slow 1", "slow 2"]);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    for i_account in [1, 2] {
        espf.emit("Account/New", json!({ "i_account": i_account }));
    }
    until("both are asked", SOON, async || slowed(&stage) == 2).await;
    deadly(&stage, &["log-in"]);
    supervised("quarantine", &mut stage, async |stage| !status(stage).await["quarantine"].is_null()).await;
    assert_eq!(deaths(&stage), ["log-in"; 3]);
    assert_eq!(status(&stage).await["quarantine"]["because_of"], json!(["the errand log-in"]));
    until("what has begun is held", SOON, async || status(&stage).await["operations"]["held"] == 2).await;
    assert!([1, 2].iter().all(|one| told(&stage, *one).is_empty()), "none failed");

    deadly(&stage, &[]);
    let released = said(&stage, &[&["adapter", "release", "HSS"][..], &SIGNED].concat()).await;
    assert!(released.status.success(), "{released:?}");
    until("both are OK", SOON, async || [1, 2].iter().all(|one| is_told(&stage, *one, "OK"))).await;
}

/// Those that an adapter is asked about and gives no answer before it may. Of what is merely [`marked`] the answer may
/// come before a kill does.
fn slowed(stage: &Stage) -> usize {
    std::fs::read_dir(stage.directory.join("slowed")).map_or(0, Iterator::count)
}

/// Those that an adapter is asked about at this moment.
fn marked(stage: &Stage) -> usize {
    let marks = std::fs::read_to_string(stage.directory.join("data/journal.asked")).unwrap_or_default();
    marks.matches("{\"subject\"").count()
}

/// So many questions of a group are computed at the same moment; who waits for a slot has no part in a death.
const AT_A_TIME: u64 = 4;

/// Whoever is killed from outside is innocent. All who were asked at the first kill are suspects; from then
/// on a kill is held against one of them at most, and an answer clears it.
#[tokio::test(flavor = "multi_thread")]
async fn kills_from_outside_are_held_against_nobody_who_answers_in_between() {
    let Some((_folder, mut stage)) = set(AT_A_TIME, Settings::default(), "poll-seconds = 1").await else {
        return;
    };
    let espf = stage.espf(0.0);
    stage.start_host().await.expect("the host starts");
    all_slow(&stage, &espf, "Account/New").await;
    stage.kill_host().await.expect("killed");
    one_alone(&mut stage).await;
    stage.kill_host().await.expect("killed");
    one_alone(&mut stage).await;
    deadly(&stage, &[]);
    until("all are OK", SOON, async || (1..=AT_A_TIME).all(|one| is_told(&stage, one, "OK"))).await;
    assert!(log(&stage).matches("acquitted: ").count() >= 4);

    all_slow(&stage, &espf, "Account/Updated").await;
    stage.kill_host().await.expect("killed");
    deadly(&stage, &[]);
    stage.start_host().await.expect("the host starts again");
    until("all have answered", SOON, async || status(&stage).await["operations"]["done"] == 2 * AT_A_TIME)
        .await;
    assert!(operations(&stage, &["--problems"]).await.is_empty(), "nobody was parked by three kills");

    // The bound: three in a row, and no answer in between.
    all_slow(&stage, &espf, "Account/Updated").await;
    stage.kill_host().await.expect("killed");
    for _ in 0..2 {
        one_alone(&mut stage).await;
        stage.kill_host().await.expect("killed");
    }
    deadly(&stage, &[]);
    stage.start_host().await.expect("the host starts again");
    until("all others have answered", SOON, async || {
        let of_group = status(&stage).await;
        let count = |state: &str| of_group["operations"][state].as_u64().unwrap_or_default();
        count("done") + count("parked") == 3 * AT_A_TIME
    })
    .await;
    assert!(operations(&stage, &["--problems"]).await.len() <= 1, "one of them at most");
}

/// One kill in the middle of a question calls no person: what began an operation goes on with it, asked alone. Of what
/// processes died three times in a row it is asked no more, as one that serves is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_a_question_keeps_no_older_adapter_from_what_it_began() {
    let Some((folder, mut stage)) = set(2, Settings::default(), "poll-seconds = 1").await else { return };
    let (old, new) = (oms_adapter().expect("it was built"), guest(folder.path(), "ignores"));
    let mut serving = old.clone();
    let espf = stage.espf(0.0);
    for (account, kills) in [(1, 1), (2, 3)] {
        rewrite(&stage, &serving.display().to_string(), &old.display().to_string());
        stage.oms.hold_completion(true);
        stage.start_host().await.expect("the host starts");
        espf.emit("Account/New", json!({ "i_account": account }));
        until("it is under way", SOON, async || is_told(&stage, account, "IN_PROGRESS")).await;
        deadly(&stage, &[&format!("slow {account}")]);
        for kill in 1..=kills {
            until("it is asked", SOON, async || slowed(&stage) == 1).await;
            stage.kill_host().await.expect("killed");
            if kill < kills {
                stage.start_host().await.expect("the host starts again");
            }
        }
        deadly(&stage, &[]);
        rewrite(&stage, &old.display().to_string(), &new.display().to_string());
        serving.clone_from(&new);
        stage.start_host().await.expect("the host starts with another one");
        stage.oms.hold_completion(false);
        if kills == 1 {
            until("it is done", SOON, async || is_told(&stage, account, "OK")).await;
            assert!(log(&stage).contains("acquitted: "), "{}", log(&stage));
        } else {
            until("it waits for a person", SOON, async || is_told(&stage, account, "FAILED")).await;
        }
        assert_eq!(stage.oms.ledger().orders.len() as u64, account, "nothing was sent again");
        stage.stop_host().await.expect("it stops");
    }
}

/// So that the adapter is asked about all at the same moment, and answers nobody.
async fn all_slow(stage: &Stage, espf: &Espf, event: &str) {
    let all: Vec<String> = (1..=AT_A_TIME).map(|i_account| format!("slow {i_account}")).collect();
    deadly(stage, &all.iter().map(String::as_str).collect::<Vec<_>>());
    for i_account in 1..=AT_A_TIME {
        espf.emit(event, json!({ "i_account": i_account }));
    }
    until("all are asked", SOON, async || slowed(stage) as u64 == AT_A_TIME).await;
}

/// Starts the host again, and sees that one suspect is asked and no other.
async fn one_alone(stage: &mut Stage) {
    stage.start_host().await.expect("the host starts again");
    until("one is asked", SOON, async || slowed(stage) > 0).await;
    for _ in 0..20 {
        assert_eq!(marked(stage), 1, "a suspect is asked alone");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
