//! A journal of long ago is purged while its host serves: what was done goes, what stands stays known.

use std::ops::RangeInclusive;
use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown::config;
use punchdown_kit::oms::Settings;
use serde_json::json;

use crate::either::{change, count, over_postgres};
use crate::harness::{counted, folder, log, new_accounts, oms_adapter, stage, told, until};

const SOON: Duration = Duration::from_secs(30);
const ACCOUNTS: u64 = 40;
const FORTY_DAYS_MS: i64 = 40 * 86_400_000;

/// Makes all that stands in the journal that much older.
fn age(stage: &Stage) {
    for (table, columns) in [
        ("event", &["received_at"][..]),
        ("operation", &["received_at", "changed_at"]),
        ("timeline", &["at"]),
        ("notification", &["received_at"]),
        ("signal", &["at"]),
        ("status_part", &["at"]),
    ] {
        // By that date one engine finds what ended, and keeps it out of its index until then.
        let ended = (table == "operation" && over_postgres()).then_some(&"ended_at");
        for column in columns.iter().chain(ended) {
            let update = format!("UPDATE {table} SET {column} = {column} - {FORTY_DAYS_MS}");
            assert!(change(stage, &update) > 0, "{table}");
        }
    }
}

async fn all_ok(stage: &Stage, accounts: RangeInclusive<u64>) {
    until("all are OK", SOON, async || {
        accounts.clone().all(|account| told(stage, account).last().is_some_and(|word| word == "OK"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_journal_is_purged_while_the_host_serves() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.open_accounts(2 * ACCOUNTS);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, ACCOUNTS);
    all_ok(&stage, 1..=ACCOUNTS).await;
    stage.stop_host().await.expect("it stops");
    age(&stage);
    stage.start_host().await.expect("the host starts");
    for account in ACCOUNTS + 1..=2 * ACCOUNTS {
        espf.emit("Account/New", json!({ "i_account": account }));
    }
    let purged = "punchdown_purged_total{what=\"operations\"}";
    until("all of it is purged", SOON, async || counted(&stage, purged).await == ACCOUNTS).await;
    until("the events, too", SOON, async || {
        counted(&stage, "punchdown_purged_total{what=\"events\"}").await == ACCOUNTS
    })
    .await;
    all_ok(&stage, ACCOUNTS + 1..=2 * ACCOUNTS).await;
    assert!(log(&stage).contains("what ended long ago was purged"));

    // What stands outside is still known: it is changed, and not ordered again.
    let orders = stage.oms.ledger().orders.len();
    stage.billing.change_account(1, |account| account.blocked = true);
    espf.emit("Account/Blocked", json!({ "i_account": 1 }));
    until("it is changed", SOON, async || stage.oms.ledger().orders.len() > orders).await;
    stage.stop_host().await.expect("it stops");
    assert_eq!(count(&stage, "operation WHERE word = 'purged'"), ACCOUNTS);
    let moments = "timeline t JOIN operation o ON o.seq = t.operation WHERE o.word = 'purged'";
    assert_eq!(count(&stage, moments), 0);
    assert_eq!(count(&stage, "lane WHERE applied IS NOT NULL"), 2 * ACCOUNTS);
}

#[test]
fn how_long_the_journal_keeps_has_limits() {
    let folder = folder();
    let file = folder.path().join("punchdown.toml");
    std::fs::write(folder.path().join("espf"), "s3cret").expect("written");
    let with = |retention: &str| {
        format!(
            "[portabilling]\nurl = \"https://billing.example.net\"\nlogin = \"punchdown\"\ntoken = {{ file = \"espf\" }}\n\
             [events]\nauth = [{{ custom = {{ type = \"Bearer\", credential = {{ file = \"espf\" }} }} }}]\n\
             [groups.HSS]\nadapter = \"a.wasm\"\nevents = [\"**\"]\ntarget = {{ url = \"https://oms.example.net\" }}\n\
             [retention]\n{retention}\n"
        )
    };
    for (retention, said) in [
        ("", None),
        ("finished = \"45d\"\nbodies = \"36h\"", None),
        ("finished = \"29d\"", Some("it must be from 30d to 3650d")),
        ("finished = \"0\"", Some("is not a time")),
        ("finished = \"0d\"", Some("it must be from 30d to 3650d")),
        ("bodies = \"23h\"", Some("it must be from 1d to 3650d")),
        ("bodies = \"0s\"", Some("it must be from 1d to 3650d")),
        ("bodies = \"4000d\"", Some("it must be from 1d to 3650d")),
    ] {
        std::fs::write(&file, with(retention)).expect("written");
        match (config::load(&file), said) {
            (Ok(_), None) => {}
            (Err(problems), Some(said)) => assert!(problems.to_string().contains(said), "{problems}"),
            (loaded, _) => panic!("{retention}: {:?}", loaded.err().map(|problems| problems.to_string())),
        }
    }
}
