//! A system that notifies only who has registered: the host registers once for the group, at an address of
//! its own, keeps what stands, and takes nothing at addresses that came to nothing.

use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{PROGRAM, folder, log, new_accounts, oms_adapter, rewrite, stage_of, told, until};
use crate::operators::{asked, said};

const SOON: Duration = Duration::from_secs(20);
const SIGNED: &str = "auth = { standard-webhooks = { secret = { file = \"secrets/oms-hook\" } } }";
/// The OMS cannot sign: the address of the registration is all that it has.
const REGISTERED: &str = "register = true\nauth = \"registered\"";

/// A host that is not yet running, whose OMS notifies only who is registered. Polling would hide a lost
/// notice.
async fn set(accounts: u64) -> Option<(TempDir, Stage)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let stage =
        stage_of(PROGRAM, folder.path(), &adapter, Settings::default(), "", "poll-seconds = 3600").await;
    rewrite(&stage, SIGNED, REGISTERED);
    stage.oms.set_notify(None);
    stage.open_accounts(accounts);
    Some((folder, stage))
}

async fn all_ok(stage: &Stage, accounts: std::ops::RangeInclusive<u64>) {
    until("every account is OK", SOON, async || {
        accounts.clone().all(|i_account| told(stage, i_account).last().is_some_and(|word| word == "OK"))
    })
    .await;
}

async fn registered(stage: &Stage, count: usize) -> Vec<String> {
    until("it is registered", SOON, async || stage.oms.registrations().len() == count).await;
    stage.oms.registrations()
}

/// What a notice is answered there.
async fn answer_at(address: &str) -> u16 {
    let notice = json!({
        "eventId": "e-1", "eventType": "ServiceOrderStateChangeEvent",
        "event": { "serviceOrder": { "id": "nobodys", "state": "completed" } },
    });
    let client = reqwest::Client::new();
    client.post(address).json(&notice).send().await.expect("an answer").status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_registered_once_and_its_notices_come_to_its_own_address() {
    let Some((_folder, mut stage)) = set(10).await else { return };
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 10);
    all_ok(&stage, 1..=10).await;
    let [address] = &registered(&stage, 1).await[..] else { panic!("one registration") };
    let door = format!("http://{}/notify/HSS", stage.public);
    assert!(address.starts_with(&format!("{door}/~")), "{address}");

    for (elsewhere, status) in
        [(door.clone(), 401), (format!("{door}/~0123"), 410), (format!("{door}/~"), 410)]
    {
        assert_eq!(answer_at(&elsewhere).await, status, "{elsewhere}");
    }
    assert_eq!(answer_at(&format!("{address}/listener")).await, 204, "a path below it is the adapter's");

    stage.kill_host().await.expect("killed");
    stage.start_host().await.expect("the host starts again");
    stage.open_accounts(11);
    espf.emit("Account/New", json!({ "i_account": 11 }));
    all_ok(&stage, 11..=11).await;
    assert_eq!(
        stage.oms.registrations(),
        std::slice::from_ref(address),
        "what stands is not asked for again"
    );
    let token = address.rsplit_once('~').expect("a token").1;
    assert!(!log(&stage).contains(token), "whoever knows the address can report any outcome");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_of_which_nobody_knows_is_left_to_a_closed_address() {
    let Some((_folder, mut stage)) = set(1).await else { return };
    stage.oms.hold_answers(true);
    stage.start_host().await.expect("the host starts");
    let [lost] = &registered(&stage, 1).await[..] else { panic!("one registration") };
    assert_eq!(answer_at(lost).await, 204, "it may notify before it has answered");
    stage.kill_host().await.expect("killed");
    stage.oms.hold_answers(false);

    stage.start_host().await.expect("the host starts again");
    let addresses = registered(&stage, 2).await;
    until("the lost one is closed", SOON, async || answer_at(lost).await == 410).await;
    assert_eq!(answer_at(&addresses[1]).await, 204);
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    all_ok(&stage, 1..=1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_registration_nothing_leaves_and_nothing_fails() {
    let Some((_folder, mut stage)) = set(3).await else { return };
    stage.oms.refuse_registrations(true);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 3);
    until("status says why", SOON, async || {
        let group = &asked(&stage, &["status"]).await["groups"]["HSS"];
        group["registration"]["good"] == false && group["registration"]["code"] == "registration-unavailable"
    })
    .await;
    let shown = said(&stage, &["status", "--problems"]).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("group HSS is not registered for notifications"), "{shown}");
    // Its system quotes the address, by which anybody could notify.
    for said in [shown, asked(&stage, &["status"]).await.to_string(), log(&stage)] {
        assert!(said.contains("/~(secret) now") && !said.contains("/~01"), "{said}");
    }
    assert!(stage.oms.ledger().orders.is_empty(), "whose end would never be heard of");
    assert!((1..=3).all(|i_account| told(&stage, i_account).is_empty()));

    stage.oms.refuse_registrations(false);
    all_ok(&stage, 1..=3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_registration_is_made_when_the_section_says_something_else_and_the_one_before_goes() {
    let Some((_folder, mut stage)) = set(1).await else { return };
    stage.start_host().await.expect("the host starts");
    let [first] = &registered(&stage, 1).await[..] else { panic!("one registration") };
    stage.stop_host().await.expect("stopped");
    rewrite(&stage, "poll-seconds = 3600", "poll-seconds = 3600\nhub-query = \"eventType=X\"");
    stage.start_host().await.expect("the host starts again");
    until("another one", SOON, async || {
        let stands = stage.oms.registrations();
        stands.len() == 1 && stands[0] != *first
    })
    .await;
    assert_eq!(answer_at(first).await, 204, "what was sent there is on its way");
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    all_ok(&stage, 1..=1).await;

    // Addresses as some clients write them, and where somebody sends by mistake.
    let second = stage.oms.registrations().remove(0);
    assert_eq!(answer_at(&second.replace('~', "%7E")).await, 204);
    let wrong = second.replace("/notify/HSS", "/punchdown/notify/HSS");
    assert_eq!(answer_at(&wrong).await, 503);
    assert!(!log(&stage).contains("/~01"), "the address is as good as a secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_ends_a_registration_and_has_it_made_again() {
    let Some((_folder, mut stage)) = set(2).await else { return };
    rewrite(&stage, "poll-seconds = 3600", "poll-seconds = 1");
    stage.start_host().await.expect("the host starts");
    let [first] = &registered(&stage, 1).await[..] else { panic!("one registration") };
    let signed = ["--who", "ann", "--why", "the hub is rebuilt"];
    let done = said(&stage, &[&["target", "unregister", "HSS"][..], &signed].concat()).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    registered(&stage, 0).await;
    until("its address is closed", SOON, async || answer_at(first).await == 410).await;

    // Its requests leave all the same, and their ends are looked for.
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    all_ok(&stage, 1..=1).await;

    stage.kill_host().await.expect("killed");
    stage.start_host().await.expect("the host starts again");
    espf.emit("Account/New", json!({ "i_account": 2 }));
    all_ok(&stage, 2..=2).await;
    assert!(stage.oms.registrations().is_empty(), "what a person ended stays ended");
    let done = said(&stage, &[&["target", "register", "HSS"][..], &signed].concat()).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let [second] = &registered(&stage, 1).await[..] else { panic!("one registration") };
    assert_ne!(first, second);
}

/// As for a target: `check` says all that is wrong with it.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_registered_is_refused_at_the_start() {
    let Some((_folder, stage)) = set(1).await else { return };
    let refused = async |from: &str, to: &str, parts: &[&str]| {
        let before = std::fs::read_to_string(&stage.config).expect("a configuration");
        rewrite(&stage, from, to);
        let checked = said(&stage, &["check"]).await;
        std::fs::write(&stage.config, before).expect("written");
        let text =
            String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout);
        assert_eq!(checked.status.code(), Some(78), "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} in\n{text}");
    };
    let door = format!("at = \"http://{}/notify/HSS\"\n", stage.public);
    refused(&door, "", &["groups.HSS.notify.register", "there is no `at`"]).await;
    refused("register = true", "register = false", &["groups.HSS.notify.auth", "`register` is not true"])
        .await;
    let secret = "auth = { path-secret = { file = \"secrets/oms-hook\" } }";
    refused("auth = \"registered\"", secret, &["groups.HSS.notify.auth", "addresses of its own"]).await;
}
