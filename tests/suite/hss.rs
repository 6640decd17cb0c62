//! HSS and PCRF: what stands in the HSS is what PortaBilling says, whatever the HSS answers, whoever dies on the way,
//! and nothing stands there twice.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use punchdown::cli::stage::{PATH_SECRET, PYHSS_KEY, Setting, Stage, System};
use punchdown_kit::espf::Espf;
use punchdown_kit::oms;
use punchdown_kit::pyhss::{Manners, Odd, Pyhss, Row, Settings, Table};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::either::{change, everything};
use crate::harness::{
    PROGRAM, check_example, component, folder, happens, log, rewrite, set, told, until, workspace,
};
use crate::operators::{asked, operations};

mod odd;
mod webhooks;

const SOON: Duration = Duration::from_secs(30);
const TARGET: &str = "concurrency = 16\ntimeout = \"5s\"\nretry = [\"100ms\", \"300ms\"]\n\
                      breaker = { failures = 1000, pause = \"100ms\", pause-max = \"200ms\" }";
/// Accounts have one of three products, by their numbers; account 1 has the second.
const CONFIG: &str = r#"keys = { ki = "/sim_card/ki", opc = "/sim_card/opc" }
ims = { ifc-path = "default_ifc.xml" }
policy = { group = "PCRF" }

[groups.HSS.config.profiles."Mobile Medium"]
apns = ["internet", "ims"]
ambr-dl = 50000000
rules = { internet = ["medium"] }

[groups.HSS.config.profiles."*"]
apns = ["business", "ims"]
ambr-dl = 300000000"#;

fn adapter() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| component("adapters/hss-pyhss")).clone()
}

struct Story {
    _folder: TempDir,
    stage: Stage,
    hss: Pyhss,
    espf: Espf,
}

impl Story {
    /// A host that runs, an HSS that has its APNs, and so many accounts.
    async fn begin(accounts: u64, manners: Manners) -> Option<Self> {
        Self::with(accounts, manners, CONFIG).await
    }

    async fn with(accounts: u64, manners: Manners, config: &str) -> Option<Self> {
        let adapter = adapter()?;
        let folder = folder();
        let settings = Settings { key: Some(PYHSS_KEY.to_owned()), manners, ..Settings::default() };
        let hss = Pyhss::start(settings).await.expect("an HSS");
        for apn in ["internet", "ims", "business"] {
            hss.put_apn(apn);
        }
        hss.put_rule("medium");
        let mut stage = set(Setting {
            directory: folder.path().to_owned(),
            program: PathBuf::from(PROGRAM),
            adapter,
            adapter_config: config,
            group_settings: "reports = [\"HSS\", \"PCRF\"]",
            target_settings: TARGET,
            oms: oms::Settings::default(),
            system: Some(System::pyhss(&hss)),
        })
        .await;
        rewrite(&stage, "[\"Account/**\"]", "[\"Account/**\", \"SIM/**\"]");
        stage.open_accounts(accounts);
        stage.start_host().await.expect("the host starts");
        let espf = stage.espf(0.0);
        Some(Self { _folder: folder, stage, hss, espf })
    }

    async fn happens(&self, event: &str, accounts: RangeInclusive<u64>, word: &str) {
        happens(&self.stage, &self.espf, event, accounts, word).await;
    }

    fn words(&self, i_account: u64) -> Vec<String> {
        told(&self.stage, i_account)
    }

    fn policy_word(&self, i_account: u64) -> Option<String> {
        self.stage.billing.final_status(i_account, "PCRF").map(|seen| seen.status)
    }

    /// The one record of a table.
    fn only(&self, table: Table) -> Row {
        let rows = self.hss.rows(table);
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.into_iter().next().expect("one")
    }

    fn counts(&self) -> [usize; 3] {
        [Table::Auc, Table::Subscriber, Table::ImsSubscriber].map(|table| self.hss.rows(table).len())
    }

    fn message(&self, i_account: u64) -> String {
        let last = self.stage.billing.final_status(i_account, "HSS");
        last.and_then(|seen| seen.message).unwrap_or_default()
    }
}

/// Every account has its records, they belong together, and there are no others.
fn all_stand(story: &Story, accounts: u64) {
    let count = usize::try_from(accounts).expect("few");
    assert_eq!(story.counts(), [count; 3]);
    let aucs = story.hss.rows(Table::Auc);
    for subscriber in story.hss.rows(Table::Subscriber) {
        let auc = aucs.iter().find(|auc| auc["auc_id"] == subscriber["auc_id"]).expect("its AuC");
        assert_eq!(auc["imsi"], subscriber["imsi"]);
        assert_eq!(subscriber["enabled"], true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_lives_as_portabilling_says() {
    let Some(story) = Story::begin(1, Manners::default()).await else { return };
    let Story { stage, hss, .. } = &story;
    story.happens("Account/New", 1..=1, "OK").await;
    all_stand(&story, 1);
    let (auc, subscriber, ims) =
        (story.only(Table::Auc), story.only(Table::Subscriber), story.only(Table::ImsSubscriber));
    assert_eq!(auc["ki"], format!("{:032x}", 0x5eed_0000_0001_u64));
    assert_eq!((&auc["imsi"], &auc["sqn"]), (&json!("001010000000001"), &json!(0)));
    assert_eq!(subscriber["msisdn"], "15550000001");
    assert_eq!((&subscriber["apn_list"], &subscriber["default_apn"]), (&json!("1,2"), &json!(1)));
    assert_eq!((&ims["msisdn"], &ims["imsi"]), (&json!("15550000001"), &json!("001010000000001")));

    stage.billing.change_account(1, |account| account.blocked = true);
    story.happens("Account/Blocked", 1..=1, "OK").await;
    assert_eq!(story.only(Table::Subscriber)["enabled"], false);
    assert_eq!(story.counts(), [1; 3], "the records are kept");
    stage.billing.change_account(1, |account| {
        account.blocked = false;
        account.id = "15550000777@msisdn".to_owned();
        account.product_name = "Mobile Large".to_owned();
    });
    story.happens("Account/Unblocked", 1..=1, "OK").await;
    let subscriber = story.only(Table::Subscriber);
    assert_eq!((&subscriber["enabled"], &subscriber["msisdn"]), (&json!(true), &json!("15550000777")));
    assert_eq!((&subscriber["apn_list"], &subscriber["ue_ambr_dl"]), (&json!("3,2"), &json!(300_000_000)));
    assert_eq!(story.only(Table::ImsSubscriber)["msisdn"], "15550000777");

    stage.billing.change_account(1, |account| {
        account.imsi = Some("001010000000999".to_owned());
        account.iccid = Some("8900101000000000999".to_owned());
        account.ki = "aa".repeat(16);
    });
    story.happens("SIM/Updated", 1..=1, "OK").await;
    all_stand(&story, 1);
    let (auc, new) = (story.only(Table::Auc), story.only(Table::Subscriber));
    assert_eq!((&auc["imsi"], &auc["ki"]), (&json!("001010000000999"), &json!("aa".repeat(16))));
    assert_eq!((&new["imsi"], &new["subscriber_id"]), (&auc["imsi"], &subscriber["subscriber_id"]));
    assert_eq!(story.only(Table::ImsSubscriber)["imsi"], auc["imsi"]);

    stage.billing.change_account(1, |account| account.bill_status = 'C');
    story.happens("Account/Status/Closed", 1..=1, "OK").await;
    assert_eq!(story.counts(), [0; 3], "all that was made is gone");
    assert_eq!(hss.rows(Table::Apn).len(), 3, "the network's own stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_and_databases_that_are_locked_make_nothing_twice() {
    let manners = Manners { loses_answer: 0.3, locked: 0.2 };
    let Some(story) = Story::begin(20, manners).await else { return };
    story.happens("Account/New", 1..=20, "OK").await;
    all_stand(&story, 20);
    for i_account in 1..=20 {
        story.stage.billing.change_account(i_account, |account| {
            account.imsi = account.imsi.take().map(|imsi| imsi.replacen("00101", "00177", 1));
            account.iccid = account.iccid.take().map(|iccid| iccid.replacen("8900101", "8900177", 1));
        });
    }
    story.happens("SIM/Updated", 1..=20, "OK").await;
    all_stand(&story, 20);
    assert!(
        story
            .hss
            .rows(Table::Auc)
            .iter()
            .all(|auc| { auc["imsi"].as_str().is_some_and(|imsi| imsi.starts_with("00177")) })
    );
    (1..=20).for_each(|i_account| {
        story.stage.billing.change_account(i_account, |account| account.bill_status = 'C');
    });
    story.happens("Account/Status/Closed", 1..=20, "OK").await;
    assert_eq!(story.counts(), [0; 3]);
    let odd = story.hss.ledger().odd;
    assert!(odd[&Odd::Lost] > 10 && odd[&Odd::Locked] > 10, "{odd:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_send_and_answer_makes_nothing_twice_and_leaves_nothing_behind() {
    let Some(mut story) = Story::begin(12, Manners::default()).await else { return };
    // Each life is killed among creations, then among removals.
    for event in ["Account/New", "Account/Status/Closed"] {
        story.hss.hold_answers(true);
        (1..=12).for_each(|i_account| {
            story.espf.emit(event, json!({ "i_account": i_account }));
        });
        for _ in 0..3 {
            until("writes are done and not answered", SOON, async || story.hss.unanswered() >= 8).await;
            story.stage.kill_host().await.expect("it runs");
            until("nobody waits for an answer", SOON, async || story.hss.unanswered() == 0).await;
            story.stage.start_host().await.expect("it starts again");
        }
        story.hss.hold_answers(false);
        let closed = event.ends_with("Closed");
        until("every account has what it should", SOON, async || {
            let words = (1..=12).map(|i_account| story.words(i_account));
            words.into_iter().all(|words| words.last().is_some_and(|word| word == "OK"))
                && story.counts() == if closed { [0; 3] } else { [12; 3] }
        })
        .await;
        if !closed {
            all_stand(&story, 12);
            (1..=12).for_each(|i_account| {
                story.stage.billing.change_account(i_account, |account| account.bill_status = 'C');
            });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_already_is_taken_over_and_not_made_again() {
    let Some(story) = Story::begin(2, Manners::default()).await else { return };
    let keys = json!({ "imsi": "001010000000001", "ki": "00", "opc": "00", "amf": "8000" });
    let auc_id = story.hss.put(Table::Auc, &keys);
    let by_card = json!({ "imsi": "001010000000001", "auc_id": auc_id, "default_apn": 3, "apn_list": "3", "enabled": false });
    let by_card = story.hss.put(Table::Subscriber, &by_card);
    // The other one stands under its number, with a card of long ago.
    let by_number = json!({ "imsi": "001019999999999", "msisdn": "15550000002", "auc_id": 77, "default_apn": 1, "apn_list": "1" });
    let by_number = story.hss.put(Table::Subscriber, &by_number);
    story.happens("Account/New", 1..=2, "OK").await;
    all_stand(&story, 2);
    let ids: Vec<Value> =
        story.hss.rows(Table::Subscriber).into_iter().map(|row| row["subscriber_id"].clone()).collect();
    assert_eq!(ids, [json!(by_card), json!(by_number)]);
    assert_eq!(story.hss.rows(Table::Auc)[0]["ki"], format!("{:032x}", 0x5eed_0000_0001_u64));
    (1..=2).for_each(|i_account| {
        story.stage.billing.change_account(i_account, |account| account.bill_status = 'C');
    });
    story.happens("Account/Status/Closed", 1..=2, "OK").await;
    assert_eq!(story.counts(), [0; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_goes_to_another_account_is_not_taken_from_it() {
    let Some(story) = Story::begin(2, Manners::default()).await else { return };
    story.happens("Account/New", 1..=1, "OK").await;
    // Account 1 is closed, and its card is account 2's; the events come in the wrong order.
    story.stage.billing.change_account(1, |account| {
        (account.bill_status, account.imsi, account.iccid) = ('C', None, None);
    });
    story.stage.billing.change_account(2, |account| {
        account.imsi = Some("001010000000001".to_owned());
        account.iccid = Some("8900101000000000001".to_owned());
    });
    story.happens("Account/New", 2..=2, "OK").await;
    story.happens("Account/Status/Closed", 1..=1, "OK").await;
    let (auc, subscriber) = (story.only(Table::Auc), story.only(Table::Subscriber));
    assert_eq!((&auc["imsi"], &subscriber["msisdn"]), (&json!("001010000000001"), &json!("15550000002")));
    assert_eq!((&subscriber["auc_id"], &subscriber["enabled"]), (&auc["auc_id"], &json!(true)));
    assert_eq!(story.only(Table::ImsSubscriber)["msisdn"], "15550000002");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_cards_are_written_where_they_belong_and_nowhere_else() {
    let Some(mut story) = Story::begin(1, Manners::default()).await else { return };
    story.hss.answer_next("PUT /auc", Odd::Locked);
    story.happens("Account/New", 1..=1, "OK").await;
    let all = operations(&story.stage, &[]).await;
    let id = all[0]["id"].as_str().expect("an id");
    let shown = asked(&story.stage, &["operation", "show", id]).await.to_string();
    let account = asked(&story.stage, &["account", "show", "1"]).await.to_string();
    assert!(shown.contains("create-auc") && account.contains("auc"), "{shown} {account}");
    story.stage.stop_host().await.expect("it stops");
    let said = shown + &account + &log(&story.stage);
    let everything = [said.into_bytes(), everything(&story.stage)].concat();
    assert!(everything.len() > 10_000);
    let auc = story.only(Table::Auc);
    for key in ["ki", "opc"] {
        let key = auc[key].as_str().expect("a key").as_bytes();
        assert_eq!(key.len(), 32);
        assert!(!everything.windows(key.len()).any(|part| part == key), "a key was written down");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_the_hss_has_the_cards_itself() {
    let config = CONFIG.replace("keys = { ki = \"/sim_card/ki\", opc = \"/sim_card/opc\" }\n", "");
    let Some(story) = Story::with(1, Manners::default(), &config).await else { return };
    story.happens("Account/New", 1..=1, "FAILED").await;
    assert!(story.message(1).starts_with("auc-unknown"), "{}", story.message(1));
    let card = json!({ "imsi": "001010000000001", "ki": "the HSS's own", "opc": "too", "amf": "b9b9" });
    story.hss.put(Table::Auc, &card);
    story.happens("SIM/Updated", 1..=1, "OK").await;
    assert_eq!(story.only(Table::Auc)["ki"], "the HSS's own");
    story.stage.billing.change_account(1, |account| account.bill_status = 'C');
    story.happens("Account/Status/Closed", 1..=1, "OK").await;
    assert_eq!(story.counts(), [1, 0, 0], "what was there before us stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_go_to_who_is_online_and_the_pcrf_has_a_status_of_its_own() {
    let Some(story) = Story::begin(4, Manners::default()).await else { return };
    let pushed = || story.hss.ledger().pushed;
    // Account 1 has the profile with a rule; it is offline, and nothing is wrong with that.
    story.happens("Account/New", 1..=1, "OK").await;
    until("the PCRF's word", SOON, async || story.policy_word(1).as_deref() == Some("OK")).await;
    assert!(pushed().is_empty());
    story.hss.attach("001010000000004", 1);
    story.happens("Account/New", 4..=4, "OK").await;
    until("the PCRF's word", SOON, async || story.policy_word(4).as_deref() == Some("OK")).await;
    assert_eq!(pushed(), [("001010000000004".to_owned(), 1, 1)]);
    story.happens("Account/Changed", 4..=4, "OK").await;
    assert_eq!(pushed().len(), 1, "once is enough");

    // A push that breaks is the PCRF's failure alone.
    story.stage.billing.put_account(punchdown_kit::portabilling::Account::mobile(7));
    story.hss.attach("001010000000007", 1);
    story.hss.break_pushes(true);
    story.espf.emit("Account/New", json!({ "i_account": 7 }));
    until("the PCRF's word", SOON, async || story.policy_word(7).as_deref() == Some("FAILED")).await;
    let why = story.stage.billing.final_status(7, "PCRF").and_then(|seen| seen.message).unwrap_or_default();
    assert!(why.contains("rule `medium` was not pushed at `internet`"), "{why}");
    assert_eq!(story.words(7), ["OK"]);
    story.hss.break_pushes(false);
    story.happens("Account/Changed", 7..=7, "OK").await;
    until("the PCRF's word", SOON, async || story.policy_word(7).as_deref() == Some("OK")).await;
    assert_eq!(pushed().len(), 2);
}

/// The page's example is a configuration that this program takes.
#[tokio::test]
async fn the_example_of_the_page_is_good() {
    let Some(component) = adapter() else { return };
    check_example(&workspace().join("docs/adapters/hss-pyhss.md"), &component).await;
}
