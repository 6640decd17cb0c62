//! IPTV: who may watch what, and until when, is what PortaBilling says, whatever Magoware answers and whoever dies on
//! the way. No end moves twice, and nobody has two logins.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use punchdown::cli::stage::{MAGOWARE_KEY, MAGOWARE_PASSWORD, MAGOWARE_SECRETS, Setting, Stage, System};
use punchdown_kit::espf::Espf;
use punchdown_kit::magoware::{Login, Magoware, Odd, Settings};
use punchdown_kit::oms;
use serde_json::json;
use tempfile::TempDir;

use crate::either::everything;
use crate::harness::{PROGRAM, check_example, component, folder, happens, log, set, told, until, workspace};
use crate::operators::{asked, operations};

const SOON: Duration = Duration::from_secs(40);
const TARGET: &str = "concurrency = 16\ntimeout = \"5s\"\nretry = [\"100ms\", \"300ms\"]\n\
                      breaker = { failures = 1000, pause = \"100ms\", pause-max = \"200ms\" }";
/// Accounts have one of three products, by their numbers, and an add-on that is called after it.
const CONFIG: &str = r#"admin = "punchdown"
password-from = "/account_info/h323_password"
email-domain = "iptv.example.net"
products = { "Mobile Medium" = ["basic"], "Mobile Large" = ["basic", "movies"] }
addons = { "Mobile Medium data pack" = ["sports"] }"#;
const FOREVER: &str = "2037-12-31 23:59:59";

fn adapter() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| component("adapters/iptv-magoware")).clone()
}

struct Story {
    _folder: TempDir,
    stage: Stage,
    iptv: Magoware,
    espf: Espf,
}

impl Story {
    /// A host that runs, a Magoware with its products, and so many accounts.
    async fn begin(accounts: u64, settings: Settings) -> Option<Self> {
        let adapter = adapter()?;
        let folder = folder();
        let iptv = Magoware::start(Settings {
            key: MAGOWARE_KEY.to_owned(),
            admin: "punchdown".to_owned(),
            password: MAGOWARE_PASSWORD.to_owned(),
            ..settings
        })
        .await
        .expect("a back office");
        iptv.put_product("basic", &[1, 2]);
        iptv.put_product("movies", &[2, 3]);
        iptv.put_product("sports", &[4]);
        let mut stage = set(Setting {
            directory: folder.path().to_owned(),
            program: PathBuf::from(PROGRAM),
            adapter,
            adapter_config: CONFIG,
            group_settings: MAGOWARE_SECRETS,
            target_settings: TARGET,
            oms: oms::Settings::default(),
            system: Some(System::magoware(&iptv)),
        })
        .await;
        stage.open_accounts(accounts);
        stage.start_host().await.expect("the host starts");
        let espf = stage.espf(0.0);
        Some(Self { _folder: folder, stage, iptv, espf })
    }

    async fn happens(&self, event: &str, accounts: RangeInclusive<u64>, word: &str) {
        happens(&self.stage, &self.espf, event, accounts, word).await;
    }

    fn login(&self, i_account: u64) -> Login {
        let name = username(i_account);
        let mut logins = self.iptv.logins();
        logins.retain(|login| login.username == name);
        assert_eq!(logins.len(), 1, "{name}: {logins:?}");
        logins.remove(0)
    }

    /// Packages that are paid for by now.
    fn watches(&self, i_account: u64) -> Vec<u64> {
        let all = self.iptv.subscriptions(&username(i_account)).into_iter();
        all.filter(|it| it.end == FOREVER).map(|it| it.package).collect()
    }

    fn message(&self, i_account: u64) -> String {
        let last = self.stage.billing.final_status(i_account, "HSS");
        last.and_then(|seen| seen.message).unwrap_or_default()
    }

    fn close(&self, accounts: RangeInclusive<u64>) {
        for i_account in accounts {
            self.stage.billing.change_account(i_account, |account| account.bill_status = 'C');
        }
    }
}

fn username(i_account: u64) -> String {
    format!("1555{i_account:07}")
}

/// Whatever a product gives: a third of all accounts has none with television.
fn packages(i_account: u64) -> &'static [u64] {
    match i_account % 3 {
        0 => &[],
        1 => &[1, 2, 4],
        _ => &[1, 2, 3],
    }
}

fn all_watch(story: &Story, accounts: RangeInclusive<u64>) {
    for i_account in accounts {
        if !packages(i_account).is_empty() {
            assert!(!story.login(i_account).locked);
        }
        assert_eq!(story.watches(i_account), packages(i_account), "account {i_account}");
    }
    assert_eq!(story.iptv.ledger().extended, 0, "no sale is without an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_lives_as_portabilling_says() {
    let Some(story) = Story::begin(3, Settings::default()).await else { return };
    let Story { stage, iptv, .. } = &story;
    story.happens("Account/New", 1..=3, "OK").await;
    all_watch(&story, 1..=3);
    let login = story.login(1);
    assert_eq!((&*login.email, &*login.password), ("1@iptv.example.net", "service-password-1"));
    assert_eq!(iptv.logins().len(), 2, "a product without television makes no login");

    stage.billing.change_account(1, |account| account.blocked = true);
    story.happens("Account/Blocked", 1..=1, "OK").await;
    assert!(story.login(1).locked);
    assert_eq!(story.watches(1), [1, 2, 4], "the record is kept");
    stage.billing.change_account(1, |account| {
        account.blocked = false;
        account.product_name = "Mobile Large".to_owned();
        account.id = "15550000777@msisdn".to_owned();
    });
    story.happens("Account/Unblocked", 1..=1, "OK").await;
    let watches = iptv.subscriptions("15550000777");
    let paid: Vec<u64> = watches.iter().filter(|it| it.end == FOREVER).map(|it| it.package).collect();
    // The add-on is called after the product, so it went with it.
    assert_eq!(paid, [1, 2, 3], "{watches:?}");
    assert!(watches.iter().any(|it| it.package == 4 && it.end.as_str() < FOREVER), "{watches:?}");
    assert!(iptv.logins().iter().all(|login| !login.locked));
    let sales = iptv.ledger().requests["POST /api/upsertsubscription"];
    story.happens("Account/Changed", 1..=1, "OK").await;
    assert_eq!(iptv.ledger().requests["POST /api/upsertsubscription"], sales, "nothing is sold again");

    stage.billing.change_account(2, |account| account.product_name = "Mobile Small".to_owned());
    story.happens("Account/Product/Changed", 2..=2, "OK").await;
    assert!(story.login(2).locked, "a product without television is as good as a block");

    story.close(1..=3);
    story.happens("Account/Status/Closed", 1..=3, "OK").await;
    assert!(iptv.logins().is_empty() && iptv.customers() == 0, "all that was made is gone");
    assert_eq!(iptv.ledger().log_ins, 1, "one log-in served all");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_make_no_second_login_and_move_no_end() {
    let settings = Settings { loses_answer: 0.3, removes_logins: true, ..Settings::default() };
    let Some(story) = Story::begin(15, settings).await else { return };
    story.happens("Account/New", 1..=15, "OK").await;
    all_watch(&story, 1..=15);
    assert_eq!(story.iptv.logins().len(), 10);
    story.close(1..=15);
    story.happens("Account/Status/Closed", 1..=15, "OK").await;
    assert_eq!((story.iptv.logins().len(), story.iptv.customers()), (0, 0));
    assert!(story.iptv.ledger().odd[&Odd::Lost] > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_send_and_answer_makes_no_second_login_and_moves_no_end() {
    let Some(mut story) = Story::begin(12, Settings::default()).await else { return };
    for event in ["Account/New", "Account/Status/Closed"] {
        story.iptv.hold_answers(true);
        (1..=12).for_each(|i_account| {
            story.espf.emit(event, json!({ "i_account": i_account }));
        });
        for _ in 0..2 {
            until("writes are done and not answered", SOON, async || story.iptv.unanswered() >= 6).await;
            story.stage.kill_host().await.expect("it runs");
            until("nobody waits for an answer", SOON, async || story.iptv.unanswered() == 0).await;
            story.stage.start_host().await.expect("it starts again");
        }
        story.iptv.hold_answers(false);
        let ended = if event.ends_with("Closed") { 0 } else { 8 };
        until("every account has what it should", SOON, async || {
            story.iptv.logins().len() == ended
                && (1..=12)
                    .all(|i_account| told(&story.stage, i_account).last().is_some_and(|word| word == "OK"))
                && (ended == 0 || (1..=12).all(|i_account| story.watches(i_account) == packages(i_account)))
        })
        .await;
        if ended > 0 {
            all_watch(&story, 1..=12);
            story.close(1..=12);
        }
    }
    assert_eq!(story.iptv.customers(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_stands_already_is_taken_over_and_anothers_is_not() {
    let Some(story) = Story::begin(4, Settings { removes_logins: true, ..Settings::default() }).await else {
        return;
    };
    let before = story.iptv.put_login(&username(1), "someone@example.net");
    let strangers = ["15550000001x", "x15550000001"]
        .map(|name| story.iptv.put_login(name, &format!("{name}@example.net")));
    story.happens("Account/New", 1..=1, "OK").await;
    assert_eq!(story.login(1).id, before, "no second one was made");
    assert_eq!(story.watches(1), packages(1));

    // Account 4 gets the number of account 2, which is closed; the events come in the wrong order.
    story.happens("Account/New", 2..=2, "OK").await;
    story.stage.billing.change_account(4, |account| account.id = format!("{}@msisdn", username(2)));
    story.stage.billing.change_account(2, |account| {
        (account.bill_status, account.id) = ('C', format!("{}@msisdn-old001", username(2)));
    });
    story.espf.emit("Account/New", json!({ "i_account": 4 }));
    until("it waits for the name", SOON, async || {
        told(&story.stage, 4).last().is_some_and(|word| word == "RETRY")
    })
    .await;
    story.happens("Account/Status/Closed", 2..=2, "OK").await;
    until("OK", SOON, async || told(&story.stage, 4).last().is_some_and(|word| word == "OK")).await;
    assert_eq!(story.login(2).email, "4@iptv.example.net", "the name's new owner has a login of his own");
    assert_eq!(story.watches(2), packages(4));

    story.close(1..=1);
    story.happens("Account/Status/Closed", 1..=1, "OK").await;
    let left: Vec<u64> = story.iptv.logins().iter().map(|login| login.id).collect();
    assert!(!left.contains(&before) && strangers.iter().all(|id| left.contains(id)), "{left:?}");
}

/// What is answered to the next request of a kind, what PortaBilling hears at last, and why.
type Odds = (&'static str, Odd, &'static str, &'static str);

const TO_A_NEW_VIEWER: [Odds; 16] = [
    ("POST /api/createcustomerlogin", Odd::Lost, "OK", ""),
    ("POST /api/createcustomerlogin", Odd::ErrorPageLate, "OK", ""),
    ("POST /api/createcustomerlogin", Odd::QueryFailed, "OK", ""),
    ("POST /api/createcustomerlogin", Odd::Busy, "OK", ""),
    ("POST /api/createcustomerlogin", Odd::PrintedError, "OK", ""),
    ("POST /api/createcustomerlogin", Odd::StatusFalse, "FAILED", "there was an error creating username"),
    ("GET /api/logindata", Odd::PrintedError, "OK", ""),
    ("GET /api/logindata", Odd::Page, "OK", ""),
    ("GET /api/logindata", Odd::ErrorPage, "OK", ""),
    ("POST /api/upsertsubscription", Odd::Lost, "OK", ""),
    ("POST /api/upsertsubscription", Odd::ErrorPage, "OK", ""),
    ("POST /api/upsertsubscription", Odd::ErrorPageLate, "OK", ""),
    ("POST /api/upsertsubscription", Odd::Page, "OK", ""),
    ("POST /api/upsertsubscription", Odd::RolledBack, "OK", ""),
    ("POST /api/upsertsubscription", Odd::Busy, "OK", ""),
    ("POST /api/upsertsubscription", Odd::StatusFalse, "FAILED", "there was an error creating username"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_odd_answer_to_a_new_viewer_is_judged_rightly() {
    let Some(story) = Story::begin(60, Settings::default()).await else { return };
    for (number, (request, odd, word, why)) in (0..).zip(TO_A_NEW_VIEWER) {
        let i_account = 1 + 3 * number;
        story.iptv.answer_next(request, odd);
        story.happens("Account/New", i_account..=i_account, word).await;
        assert!(story.message(i_account).contains(why), "{request} {odd:?}: {}", story.message(i_account));
        if word != "OK" {
            story.happens("Account/Changed", i_account..=i_account, "OK").await;
        }
        assert_eq!(story.watches(i_account), packages(i_account), "{request} {odd:?}");
        assert!(!story.login(i_account).locked);
    }
    assert_eq!(story.iptv.logins().len(), TO_A_NEW_VIEWER.len());
    assert_eq!(story.iptv.ledger().extended, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_counts_as_locked_or_gone_only_when_he_is() {
    let Some(story) = Story::begin(10, Settings { cascades: false, ..Settings::default() }).await else {
        return;
    };
    story.happens("Account/New", 1..=10, "OK").await;
    let put = "PUT /api/logindata/{id}";
    for (i_account, odd, times, word) in [
        (1, Odd::Lost, 1, "OK"),
        (2, Odd::ErrorPage, 1, "OK"),
        (4, Odd::Unchanged, 2, "OK"),
        (5, Odd::Unchanged, 3, "FAILED"),
        (7, Odd::Page, 1, "OK"),
    ] {
        (0..times).for_each(|_| story.iptv.answer_next(put, odd));
        story.stage.billing.change_account(i_account, |account| account.blocked = true);
        story.happens("Account/Blocked", i_account..=i_account, word).await;
        assert_eq!(story.login(i_account).locked, word == "OK", "{odd:?}, {times} times");
    }
    // The session ends; the host logs in anew and goes on.
    story.iptv.end_sessions();
    story.stage.billing.change_account(8, |account| account.blocked = true);
    story.happens("Account/Blocked", 8..=8, "OK").await;
    assert!(story.login(8).locked);
    assert_eq!(story.iptv.ledger().log_ins, 2);
    // Neither a login nor a customer who has one can be removed here.
    story.close(10..=10);
    story.happens("Account/Status/Closed", 10..=10, "FAILED").await;
    assert!(story.message(10).starts_with("not-removed"), "{}", story.message(10));
    assert!(story.login(10).locked, "and nobody watches");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_passwords_and_sessions_are_shown_to_nobody() {
    let Some(mut story) = Story::begin(1, Settings::default()).await else { return };
    story.happens("Account/New", 1..=1, "OK").await;
    story.stage.billing.change_account(1, |account| account.blocked = true);
    story.happens("Account/Blocked", 1..=1, "OK").await;
    let mut shown = asked(&story.stage, &["account", "show", "1"]).await.to_string();
    for operation in operations(&story.stage, &[]).await {
        let id = operation["id"].as_str().expect("an id");
        shown += &asked(&story.stage, &["operation", "show", id]).await.to_string();
    }
    assert!(shown.contains("create-login") && shown.contains("set-login"), "{shown}");
    for hidden in ["service-password-1", "salt-of-magoware", "hash of"] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
    story.stage.stop_host().await.expect("it stops");
    let everything = [shown.into_bytes(), log(&story.stage).into_bytes(), everything(&story.stage)].concat();
    let tokens = story.iptv.ledger().tokens;
    assert_eq!(tokens.len(), 1);
    let secrets = [MAGOWARE_KEY, MAGOWARE_PASSWORD, "service-password-1"];
    for secret in secrets.into_iter().chain(tokens.iter().map(String::as_str)) {
        let bytes = secret.as_bytes();
        assert!(!everything.windows(bytes.len()).any(|part| part == bytes), "`{secret}` was written down");
    }
}

/// The page's example is a configuration that this program takes.
#[tokio::test]
async fn the_example_of_the_page_is_good() {
    let Some(component) = adapter() else { return };
    check_example(&workspace().join("docs/adapters/iptv-magoware.md"), &component).await;
}
