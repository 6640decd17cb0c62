//! The blank adapter, with a system that speaks SOAP: a log-in first, faults in a `200`, answers that get lost.

use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms;
use punchdown_kit::portabilling::Account;
use punchdown_kit::soap::{Odd, Service, Settings, Soap};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{component, folder, log, rewrite, told, until, with_settings};

const SOON: Duration = Duration::from_secs(20);
/// As XML wants it, it looks otherwise.
const PASSWORD: &str = "s0ap<&\"word>";

/// A host that runs, whose target speaks SOAP. The simulated accounts are of the product that `config` names.
async fn running(config: &str) -> Option<(TempDir, Stage, Soap)> {
    let adapter = component("adapters/blank")?;
    let folder = folder();
    let mut stage = crate::harness::stage(folder.path(), &adapter, oms::Settings::default()).await;
    let settings = Settings { user: "punchdown".to_owned(), password: PASSWORD.to_owned() };
    let soap = Soap::start(settings).await.expect("a system");
    rewrite(&stage, &stage.oms.url(), &soap.url());
    rewrite(&stage, "auth = { bearer = { file = \"secrets/oms\" } }", "");
    rewrite(&stage, "specification = \"mobile-line\"", config);
    let secrets =
        "secrets = { user = { file = \"secrets/user\" }, password = { file = \"secrets/password\" } }";
    with_settings(&stage, "groups.HSS", secrets);
    std::fs::write(folder.path().join("secrets/user"), "punchdown").expect("written");
    std::fs::write(folder.path().join("secrets/password"), PASSWORD).expect("written");
    stage.open_accounts(1);
    stage.start_host().await.expect("the host starts");
    Some((folder, stage, soap))
}

async fn ends(stage: &Stage, i_account: u64, times: usize, word: &str) {
    until(&format!("account {i_account} is {word} for the {times}. time"), SOON, async || {
        let words = told(stage, i_account);
        words.last().is_some_and(|last| last == word)
            && words.iter().filter(|said| *said == word).count() == times
    })
    .await;
}

fn service(number: &str, state: &str) -> Service {
    Service { number: number.to_owned(), profile: "gold".to_owned(), state: state.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_made_changed_and_removed_with_one_log_in() {
    let Some((_folder, stage, soap)) = running("default-profile = \"gold\"").await else { return };
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    ends(&stage, 1, 1, "OK").await;
    let number = Account::mobile(1).msisdn().to_owned();
    let kept = || soap.ledger().services.into_values().collect::<Vec<_>>();
    assert_eq!(kept(), [service(&number, "active")]);

    // It ends the session in the middle, and says so in a 200.
    soap.answer_next("ChangeService", Odd::SessionEnded);
    soap.answer_next("ChangeService", Odd::Busy);
    soap.answer_next("ChangeService", Odd::Html);
    stage.billing.put_account(Account { blocked: true, ..Account::mobile(1) });
    espf.emit("Account/Blocked", json!({ "i_account": 1 }));
    until("it is suspended", SOON, async || kept() == [service(&number, "suspended")]).await;

    stage.billing.remove_account(1);
    espf.emit("Account/Status/Closed", json!({ "i_account": 1 }));
    until("it is removed", SOON, async || kept().is_empty()).await;
    let calls = soap.ledger().calls;
    assert_eq!((calls["Login"], calls["AddService"], calls["RemoveService"]), (2, 1, 1), "{calls:?}");
    assert!(!log(&stage).contains("s0ap"), "nobody is shown the password");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_and_never_answered_is_found_and_what_was_there_is_taken_over() {
    let Some((_folder, stage, soap)) = running("default-profile = \"gold\"").await else { return };
    let espf = stage.espf(0.0);
    soap.answer_next("AddService", Odd::Lost);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    ends(&stage, 1, 1, "OK").await;
    assert_eq!((soap.ledger().services.len(), soap.ledger().doubled), (1, 0));

    let number = Account::mobile(2).msisdn().to_owned();
    soap.put("by-hand", Service { profile: "silver".to_owned(), ..service(&number, "active") });
    stage.billing.put_account(Account::mobile(2));
    espf.emit("Account/New", json!({ "i_account": 2 }));
    ends(&stage, 2, 1, "OK").await;
    assert_eq!(soap.ledger().services["by-hand"], service(&number, "active"));
    assert_eq!((soap.ledger().services.len(), soap.ledger().doubled), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_in_a_success_is_told_as_the_system_says_it() {
    let Some((_folder, stage, _soap)) = running("default-profile = \"bronze\"").await else { return };
    let espf = stage.espf(0.0);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    ends(&stage, 1, 1, "FAILED").await;
    let message = stage.billing.final_status(1, "HSS").and_then(|seen| seen.message).expect("a message");
    assert!(message.contains("profile \"bronze\" & its like are unknown"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_before_the_answer_makes_nothing_twice() {
    let Some((_folder, mut stage, soap)) = running("default-profile = \"gold\"").await else { return };
    let espf = stage.espf(0.0);
    stage.open_accounts(5);
    espf.emit("Account/New", json!({ "i_account": 1 }));
    ends(&stage, 1, 1, "OK").await;
    soap.hold(Some("AddService"));
    for i_account in 2..=5 {
        espf.emit("Account/New", json!({ "i_account": i_account }));
    }
    until("services are made and not answered", SOON, async || soap.ledger().services.len() == 5).await;
    stage.kill_host().await.expect("killed");
    soap.hold(None);
    stage.start_host().await.expect("the host starts again");
    for i_account in 2..=5 {
        ends(&stage, i_account, 1, "OK").await;
    }
    assert_eq!((soap.ledger().services.len(), soap.ledger().doubled), (5, 0));
}
