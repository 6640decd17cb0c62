//! What no event told of is found: PortaBilling's accounts are held against what was last done for them. On a
//! system that has not changed nothing differs; a crash takes nobody along; a dry run changes nothing anywhere.

use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::hlr::Hlr;
use punchdown_kit::oms::Settings;
use punchdown_kit::portabilling::Account;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{PROGRAM, component, counted, folder, oms_adapter, stage_of, told, until};
use crate::operators::{asked, operations, said};
use crate::sessions;

const SOON: Duration = Duration::from_secs(60);
const SIGNED: [&str; 4] = ["--who", "ann", "--why", "events were refused for a day"];

/// A host that runs, and resyncs at that rate.
async fn running(accounts: u64, rate: &str) -> Option<(TempDir, Stage)> {
    let adapter = oms_adapter()?;
    let folder = folder();
    let mut stage =
        stage_of(PROGRAM, folder.path(), &adapter, Settings::default(), "", "poll-seconds = 1").await;
    resyncs_at(&stage, rate);
    stage.open_accounts(accounts);
    stage.start_host().await.expect("the host starts");
    Some((folder, stage))
}

fn resyncs_at(stage: &Stage, rate: &str) {
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    std::fs::write(&stage.config, format!("{config}\n[resync]\nrate = \"{rate}\"\n")).expect("written");
}

/// Runs one to its end; what came of it.
async fn resync(stage: &Stage, arguments: &[&str]) -> Value {
    asked(stage, &[&["resync"], arguments, &SIGNED].concat()).await
}

fn counts(shown: &Value) -> [u64; 5] {
    ["accounts", "same", "differ", "driven", "open"].map(|name| shown["resync"][name].as_u64().expect(name))
}

/// What differs, by account and how.
fn differing(shown: &Value) -> Vec<(u64, String)> {
    let lines = shown["differing"].as_array().expect("a list");
    let mut found: Vec<(u64, String)> = lines
        .iter()
        .map(|line| (line["i_account"].as_u64().expect("one"), line["how"].as_str().expect("how").to_owned()))
        .collect();
    found.sort();
    found
}

fn is_told(stage: &Stage, i_account: u64, word: &str) -> bool {
    told(stage, i_account).last().is_some_and(|last| last == word)
}

async fn provisioned(stage: &Stage, accounts: std::ops::RangeInclusive<u64>) {
    let espf = stage.espf(0.0);
    for i_account in accounts.clone() {
        espf.emit("Account/New", json!({ "i_account": i_account }));
    }
    until("all are OK", SOON, async || accounts.clone().all(|one| is_told(stage, one, "OK"))).await;
    let done = "punchdown_operations{group=\"HSS\",state=\"done\"} ";
    let count = accounts.count() as u64;
    until("all are done", SOON, async || counted(stage, done).await == count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_event_told_of_is_found_and_driven_and_nothing_else_is() {
    let Some((_folder, stage)) = running(31, "1000/s").await else { return };
    // Of the last one nothing is done, and that is as it should be.
    stage.billing.change_account(31, |account| account.bill_status = 'S');
    provisioned(&stage, 1..=31).await;
    let ordered = stage.oms.ledger().orders.len();
    assert_eq!(ordered, 30);
    let dry = resync(&stage, &["--all", "--dry-run"]).await;
    assert_eq!((counts(&dry), dry["resync"]["state"].as_str()), ([31, 31, 0, 0, 0], Some("done")));

    // The events of a day are lost.
    for i_account in 1..=3 {
        stage.billing.change_account(i_account, |account| account.i_product += 100);
    }
    for i_account in 4..=5 {
        stage.billing.change_account(i_account, |account| account.bill_status = 'C');
    }
    stage.billing.remove_account(6);
    for i_account in 7..=30 {
        // Of money nothing follows.
        stage.billing.change_account(i_account, |account| {
            account.extra.insert("balance".to_owned(), json!(i_account));
        });
    }
    for i_account in 32..=33 {
        stage.billing.put_account(Account::mobile(i_account));
    }
    // Closed years ago, and never heard of; and suspended before anything was done.
    stage.billing.put_account(Account { bill_status: 'C', ..Account::mobile(34) });
    stage.billing.put_account(Account { bill_status: 'S', ..Account::mobile(35) });
    let requests = stage.oms.ledger().requests;
    let dry = resync(&stage, &["--group", "HSS", "--dry-run"]).await;
    let expected: Vec<(u64, String)> = [
        (1, "changed"),
        (2, "changed"),
        (3, "changed"),
        (4, "changed"),
        (5, "changed"),
        (6, "absent"),
        (32, "unknown"),
        (33, "unknown"),
    ]
    .map(|(i_account, how)| (i_account, how.to_owned()))
    .into();
    assert_eq!(differing(&dry), expected);
    assert_eq!(counts(&dry)[2..], [8, 0, 0]);
    assert_eq!(stage.oms.ledger().requests, requests, "nothing was sent");
    assert!(told(&stage, 32).is_empty() && operations(&stage, &["--account", "32"]).await.is_empty());

    let driven = resync(&stage, &["--all"]).await;
    assert_eq!(counts(&driven)[2..], [8, 8, 0]);
    until("all are driven", SOON, async || {
        is_told(&stage, 32, "OK") && is_told(&stage, 33, "OK") && {
            let parked = operations(&stage, &["--state", "parked"]).await;
            stage.oms.ledger().orders.len() == ordered + 7 && parked.len() == 1
        }
    })
    .await;
    // Who is merely absent is not taken away: a person looks first.
    let [parked] = &operations(&stage, &["--state", "parked"]).await[..] else { panic!("one is parked") };
    assert_eq!((&parked["i_account"], &parked["event"]), (&json!(6), &json!("Resync/Account")));
    let done = "punchdown_operations{group=\"HSS\",state=\"done\"} ";
    until("all others are done", SOON, async || counted(&stage, done).await == 31 + 7).await;

    let dry = resync(&stage, &["--all", "--dry-run"]).await;
    assert_eq!((differing(&dry), counts(&dry)[4]), (Vec::new(), 1), "nothing is left but the one: {dry}");
    let status = said(&stage, &["resync", "--status"]).await;
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("mode           dry-run") && status.contains("state          done"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_and_one_customer_are_compared_alone() {
    let Some((_folder, stage)) = running(12, "1000/s").await else { return };
    for i_account in 1..=12 {
        let i_customer = 1 + i_account % 2;
        stage.billing.change_account(i_account, |account| account.i_customer = i_customer);
    }
    let of_one = resync(&stage, &["--account", "3", "--dry-run"]).await;
    assert_eq!((counts(&of_one), differing(&of_one)), ([1, 0, 1, 0, 0], vec![(3, "unknown".to_owned())]));
    let of_customer = resync(&stage, &["--customer", "1"]).await;
    assert_eq!(counts(&of_customer), [6, 0, 6, 6, 0]);
    until("those are OK", SOON, async || (2..=12).step_by(2).all(|one| is_told(&stage, one, "OK"))).await;
    assert!((1..=11).step_by(2).all(|one| told(&stage, one).is_empty()), "nobody else");
    assert_eq!(stage.oms.ledger().orders.len(), 6);
    for (arguments, words) in [
        (&["--account", "3", "--group", "PCRF"][..], "there is no group PCRF"),
        (&["--account", "3", "--who", ""], "`who` is a line"),
    ] {
        let arguments = [&["resync"], arguments, &["--why", "x"]].concat();
        let arguments = if arguments.contains(&"--who") {
            arguments
        } else {
            [&arguments[..], &["--who", "ann"]].concat()
        };
        let refused = said(&stage, &arguments).await;
        assert!(String::from_utf8_lossy(&refused.stderr).contains(words), "{refused:?}");
    }
    for arguments in [&["resync"][..], &["resync", "--dry-run"], &["resync", "--all", "--account", "1"]] {
        let refused = said(&stage, &[arguments, &SIGNED].concat()).await;
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: nobody means all by saying nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_takes_nobody_along_and_doubles_nobody() {
    let Some((_folder, mut stage)) = running(60, "20/s").await else { return };
    let begun = resync(&stage, &["--all", "--detach"]).await;
    assert_eq!(begun["resync"]["state"], "under-way");
    let second = said(&stage, &[&["resync", "--all"][..], &SIGNED].concat()).await;
    assert!(String::from_utf8_lossy(&second.stderr).contains("a resync is under way"), "{second:?}");
    for at in [10, 30] {
        until("it is under way", SOON, async || stage.oms.ledger().orders.len() >= at).await;
        stage.kill_host().await.expect("killed");
        stage.start_host().await.expect("the host starts again");
    }
    until("its end", SOON, async || {
        asked(&stage, &["resync", "--status"]).await["resync"]["state"] == "done"
    })
    .await;
    let shown = asked(&stage, &["resync", "--status"]).await;
    assert_eq!(shown["resync"]["id"], begun["resync"]["id"]);
    until("all are OK", SOON, async || (1..=60).all(|one| is_told(&stage, one, "OK"))).await;
    assert_eq!(stage.oms.ledger().orders.len(), 60, "one order each");
    assert_eq!(operations(&stage, &[]).await.len(), 60, "one operation each");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ended_by_a_person_or_by_a_refusal_and_waits_for_portabilling() {
    use punchdown_kit::portabilling::{Fault, When};
    const LIST: &str = "Customer/get_customer_list";
    let Some((_folder, stage)) = running(40, "5/s").await else { return };
    stage.billing.faults().strike_on(LIST, Fault::Busy, When::Next(1));
    resync(&stage, &["--all", "--detach"]).await;
    until("some are driven", SOON, async || !stage.oms.ledger().orders.is_empty()).await;
    let stopped = resync(&stage, &["--stop"]).await;
    assert_eq!(stopped["resync"]["state"], "stopped");
    let again = said(&stage, &[&["resync", "--stop"][..], &SIGNED].concat()).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("no resync is under way"), "{again:?}");
    let called = stage.billing.ledger().calls;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.billing.ledger().calls.get(LIST), called.get(LIST), "it has ended");

    let fault = Fault::FaultCode("Client.General.permission_denied".to_owned());
    stage.billing.faults().strike_on(LIST, fault, When::Share(1.0));
    let failed = resync(&stage, &["--all", "--dry-run"]).await;
    assert_eq!(failed["resync"]["state"], "failed");
    assert!(failed["resync"]["failed_because"].as_str().is_some_and(|why| why.contains(LIST)), "{failed}");
}

/// A register in which lines stood before; its adapter looks before it switches.
async fn with_lines(accounts: u64) -> Option<(TempDir, Stage, Hlr)> {
    let adapter = component("tests/guests/looks")?;
    let folder = folder();
    let mut stage = stage_of(PROGRAM, folder.path(), &adapter, Settings::default(), "", "").await;
    resyncs_at(&stage, "1000/s");
    let hlr = sessions::register(&stage, sessions::settings()).await;
    stage.open_accounts(accounts);
    stage.start_host().await.expect("the host starts");
    Some((folder, stage, hlr))
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_that_were_there_before_are_adopted_and_nothing_is_changed() {
    let Some((_folder, stage, hlr)) = with_lines(5).await else { return };
    // One is as it is wanted, one is not, one is off as it should be; of one nothing stands.
    stage.billing.change_account(3, |account| account.bill_status = 'S');
    stage.billing.put_account(Account { bill_status: 'C', ..Account::mobile(6) });
    for (line, on) in [("1", true), ("2", false), ("3", false), ("5", true)] {
        hlr.put_line(line, on);
    }
    let lines = hlr.ledger().lines;
    let adopted = resync(&stage, &["--all", "--adopt"]).await;
    assert_eq!(adopted["resync"]["adopted"], 3, "{adopted}");
    let not = |i_account: u64| (i_account, "not-as-wanted".to_owned());
    assert_eq!(differing(&adopted), [not(2), not(4)]);
    assert_eq!(hlr.ledger().lines, lines, "nothing was changed");
    assert!((1..=6).all(|one| told(&stage, one).is_empty()), "no status was told");
    assert_eq!((hlr.ledger().log_ins, hlr.ledger().refused), (0, 0));

    let shown = asked(&stage, &["account", "show", "1"]).await;
    assert!(shown["stands"].to_string().contains("\"on\":true"), "{shown}");
    let shown = asked(&stage, &["account", "show", "2"]).await;
    assert!(shown["stands"].to_string().contains("\"on\":false"), "what it saw stands: {shown}");
    assert!(asked(&stage, &["operation", "list"]).await.to_string().contains("Resync/Account"));
    // Whoever is adopted is as wanted, and the others are still to be driven.
    let dry = resync(&stage, &["--all", "--dry-run"]).await;
    assert_eq!(differing(&dry).iter().map(|(one, _)| *one).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(counts(&dry)[1], 3);
    let again = resync(&stage, &["--all", "--adopt"]).await;
    assert_eq!((&again["resync"]["adopted"], differing(&again)), (&json!(0), vec![not(4)]), "{again}");
}
