//! The documents of an account, read from PortaBilling over real sockets, with settings as they
//! are written in a configuration.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use punchdown::billing::PortaBilling;
use punchdown::config;
use punchdown::domain::{Chance, IAccount, Timestamp, Wanted};
use punchdown::ports::{Account, Billing as _, BillingError, World};
use punchdown::world::SystemWorld;
use punchdown_kit::portabilling::{self, EndTold, Fault, When};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{folder, until};

const SOON: Duration = Duration::from_secs(20);
const INFO: &str = "Account/get_account_info";

/// A clock that stands still unless the test moves it.
struct Clock {
    began: Timestamp,
    moved_millis: AtomicU64,
}

impl Clock {
    fn stopped() -> Arc<Self> {
        Arc::new(Self { began: SystemWorld.now(), moved_millis: AtomicU64::new(0) })
    }

    /// That much after it was stopped.
    fn set(&self, after: Duration) {
        let millis = u64::try_from(after.as_millis()).expect("a short time");
        self.moved_millis.store(millis, Ordering::Relaxed);
    }
}

impl World for Clock {
    fn now(&self) -> Timestamp {
        self.began + Duration::from_millis(self.moved_millis.load(Ordering::Relaxed))
    }

    fn chance(&self) -> Chance {
        SystemWorld.chance()
    }

    fn new_id(&self) -> String {
        SystemWorld.new_id()
    }
}

struct Scene {
    sim: portabilling::PortaBilling,
    billing: Arc<PortaBilling>,
    world: Arc<dyn World>,
    _folder: TempDir,
}

/// A PortaBilling with one account, and who reads it with these settings.
async fn scene(settings: &str) -> Scene {
    scene_at(Arc::new(SystemWorld), settings).await
}

/// The same by that clock.
async fn scene_at(world: Arc<dyn World>, settings: &str) -> Scene {
    let folder = folder();
    let sim = portabilling::PortaBilling::start(portabilling::Settings::default()).await.expect("it starts");
    sim.put_account(portabilling::Account::mobile(1));
    let billing = Arc::new(reader_at(Arc::clone(&world), folder.path(), &sim.url(), settings));
    Scene { sim, billing, world, _folder: folder }
}

/// Who reads what is at `url`.
pub fn reader(folder: &Path, url: &str, settings: &str) -> PortaBilling {
    reader_at(Arc::new(SystemWorld), folder, url, settings)
}

fn reader_at(world: Arc<dyn World>, folder: &Path, url: &str, settings: &str) -> PortaBilling {
    let settings = configured(folder, url, settings).unwrap_or_else(|problems| panic!("{problems}"));
    PortaBilling::new(settings.billing, world).expect("TLS is there")
}

fn configured(folder: &Path, url: &str, settings: &str) -> Result<config::Settings, config::Problems> {
    let file = folder.join("punchdown.toml");
    std::fs::write(folder.join("token"), portabilling::Settings::default().token).expect("written");
    let config = format!(
        r#"
        [portabilling]
        url = "{url}"
        login = "punchdown"
        token = {{ file = "token" }}
        {settings}
        [events]
        auth = [{{ custom = {{ type = "Bearer", credential = {{ file = "token" }} }} }}]
        [groups.HSS]
        adapter = "a.wasm"
        events = ["**"]
        target = {{ url = "https://oms.example.net" }}
        "#
    );
    std::fs::write(&file, config).expect("written");
    config::load(&file)
}

impl Scene {
    /// Reads account 1 as of now, and that document of it.
    async fn read(&self, query: &str) -> Result<Value, BillingError> {
        Ok(self.read_all(&[query], self.world.now()).await?[query].take())
    }

    async fn read_all(&self, queries: &[&str], since: Timestamp) -> Result<Value, BillingError> {
        let queries: Vec<String> = queries.iter().map(|query| (*query).to_owned()).collect();
        match self.billing.read(IAccount(1), &queries, since).await? {
            Account::Found { subscriber, .. } => Ok(subscriber.documents.value()),
            Account::Absent => panic!("the account is absent"),
        }
    }

    fn calls(&self, call: &str) -> u64 {
        self.sim.ledger().calls.get(call).copied().unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_document_is_known_without_being_written() {
    let scene = scene("").await;
    scene.sim.change_account(1, |account| {
        account.aliases = (0..230).map(|alias| format!("43555{alias:07}@msisdn")).collect();
    });
    let names = [
        "account_info",
        "access_policy",
        "addons",
        "aliases",
        "custom_fields",
        "customer",
        "service_features",
        "sim_card",
    ];
    let documents = scene.read_all(&names, SystemWorld.now()).await.expect("it is read");

    assert_eq!(documents["account_info"]["i_account"], 1);
    assert_eq!(documents["customer"]["i_customer"], documents["account_info"]["i_customer"]);
    assert_eq!(documents["access_policy"]["i_access_policy"], 30, "by the value in effect");
    assert_eq!(documents["sim_card"]["i_account"], 1);
    assert_eq!(documents["custom_fields"][0]["name"], "region");
    let length = |name: &str| documents[name].as_array().map(Vec::len);
    assert_eq!(length("addons"), Some(1), "one was, one is, one will be: {}", documents["addons"]);
    assert_eq!(length("aliases"), Some(230), "page after page");
    assert!(length("service_features") > Some(40));
    let read: BTreeSet<&str> = documents.as_object().expect("documents").keys().map(String::as_str).collect();
    assert_eq!(read, BTreeSet::from(names));

    assert_eq!(scene.calls(INFO), 1, "three documents of one call");
    assert_eq!(scene.calls("Account/get_alias_list"), 4, "three pages and the end");
    assert_eq!(scene.sim.ledger().logins, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_depends_on_the_account_is_asked_after_it_and_all_of_that_at_once() {
    let scene = scene("").await;
    let calls =
        ["Customer/get_customer_info", "SIMCard/get_card_list", "AccessPolicy/get_access_policy_info"];
    scene.sim.faults().hold(&calls);
    let reading = async {
        scene
            .read_all(&["customer", "sim_card", "access_policy"], SystemWorld.now())
            .await
            .expect("it is read")
    };
    let all_asked = until("all are asked", SOON, async || calls.iter().all(|call| scene.calls(call) == 1));
    tokio::pin!(reading);
    tokio::select! {
        _ = &mut reading => panic!("what was not answered was read"),
        () = all_asked => {}
    }
    scene.sim.faults().hold(&[]);
    assert_eq!(reading.await["customer"]["i_customer"], 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_what_the_configuration_says() {
    let scene = scene(
        r#"
        queries.customer.params = { i_customer = "{account_info.i_customer}", detailed_info = 1 }
        queries.sim_card = { method = "Account/get_account_list", answer = "account_list", params = { limit = 5 } }
        queries.brothers = { method = "Account/get_account_list", answer = "account_list", list = "all", page = 2, params = { i_customer = "{account_info.i_customer}" } }
        queries.of_nothing = { method = "Customer/get_customer_info", answer = "customer_info", params = { i_customer = "{account_info.i_master_account}" } }
        "#,
    )
    .await;
    scene.sim.put_account(portabilling::Account::mobile(0));
    assert_eq!(scene.read("customer").await.expect("read")["i_customer"], 1000);
    assert_eq!(scene.read("sim_card").await.expect("read")["i_account"], 1, "the first that is ours");
    assert_eq!(scene.read("brothers").await.expect("read").as_array().map(Vec::len), Some(1), "ours alone");
    let before = scene.calls("Customer/get_customer_info");
    assert_eq!(scene.read("of_nothing").await.expect("read"), Value::Null);
    assert_eq!(scene.calls("Customer/get_customer_info"), before, "there was nothing to ask for");
    let unknown = scene.read("horoscope").await.expect_err("nobody configured it");
    assert!(unknown.to_string().contains("[portabilling.queries.horoscope]"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wanted_is_of_the_account_and_its_customer() {
    let scene = scene("").await;
    let wanted = async || match scene.billing.read(IAccount(1), &[], SystemWorld.now()).await {
        Ok(Account::Found { wanted, .. }) => wanted,
        other => panic!("{other:?}"),
    };
    assert_eq!(wanted().await, Wanted::Running);
    let change = |change: fn(&mut portabilling::Account)| {
        scene.sim.put_account(portabilling::Account::mobile(1));
        scene.sim.change_account(1, change);
    };
    change(|account| account.customer_blocked = true);
    assert_eq!(wanted().await, Wanted::Suspended);
    change(|account| account.customer_bill_status = 'S');
    assert_eq!(wanted().await, Wanted::Suspended);
    change(|account| account.bill_status = 'C');
    assert_eq!(wanted().await, Wanted::Gone);
    change(|account| account.extra.extend([("status".to_owned(), json!("customer_suspension_delayed"))]));
    assert_eq!(wanted().await, Wanted::Running, "it is yet to come");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_serves_those_events_that_were_stored_before_it_began() {
    let scene = scene(r#"share = "60s""#).await;
    let stored = SystemWorld.now();
    until("a later instant", SOON, async || SystemWorld.now() > stored).await;
    scene.read_all(&["sim_card"], stored).await.expect("read");
    scene.read_all(&["sim_card", "customer"], stored).await.expect("read");
    assert_eq!((scene.calls(INFO), scene.calls("SIMCard/get_card_list")), (1, 1), "shared");

    let (read, newer) = (scene.calls(INFO), SystemWorld.now());
    scene.sim.change_account(1, |account| account.product_name = "Another".to_owned());
    until("a later instant", SOON, async || SystemWorld.now() > newer).await;
    let documents = scene.read_all(&[], newer).await.expect("read");
    assert_eq!(documents["account_info"]["product_name"], "Another", "the newer event is not blind");
    assert_eq!(scene.calls(INFO), read + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_ask_at_once_wait_for_one_answer() {
    let scene = scene(r#"share = "0s""#).await;
    scene.sim.faults().strike_on(INFO, Fault::Delay(Duration::from_secs(1)), When::Next(1));
    let stored = SystemWorld.now();
    until("a later instant", SOON, async || SystemWorld.now() > stored).await;
    let read = || scene.read_all(&[], stored);
    let (one, two, three) = tokio::join!(read(), read(), read());
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(scene.calls(INFO), 1);
    read().await.expect("read");
    assert_eq!(scene.calls(INFO), 2, "nothing is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_keep_to_their_rate() {
    let scene = scene(r#"rate = "20/s""#).await;
    let began = Instant::now();
    for _ in 0..12 {
        scene.read("account_info").await.expect("read");
    }
    // Two at once, and then one in fifty milliseconds.
    assert!(began.elapsed() >= Duration::from_millis(490), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_renewed_before_its_end_however_that_is_told() {
    let renewed = async |told| {
        let clock = Clock::stopped();
        let scene = scene_at(clock.clone(), "").await;
        scene.sim.grant_sessions(Duration::from_secs(300), told);
        for (after, logins) in [(0, 1), (269, 1), (270, 2)] {
            clock.set(Duration::from_secs(after));
            scene.read("account_info").await.expect("read");
            assert_eq!(scene.sim.ledger().logins, logins, "{told:?}: {after} s after the first");
        }
        assert_eq!(scene.calls(INFO), 3, "{told:?}: no call met a dead session");
    };
    tokio::join!(renewed(EndTold::InSecondsAndAsTime), renewed(EndTold::AsTime), renewed(EndTold::Not));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_that_is_refused_is_not_tried_again_by_anybody() {
    for fault in [
        Fault::LoginRefused,
        Fault::LoginLockedOut,
        Fault::FaultCode("Server.Session.alert_You_must_change_password".to_owned()),
        Fault::FaultCode("Client.Session.login.unknown_realm".to_owned()),
    ] {
        let scene = scene("").await;
        scene.sim.faults().strike_on("Session/login", fault.clone(), When::Share(1.0));
        let read = || scene.read("account_info");
        let (one, two, three) = tokio::join!(read(), read(), read());
        for refused in [one, two, three, read().await] {
            assert!(
                matches!(refused, Err(BillingError::LoginRefused(_) | BillingError::LockedOut(_))),
                "{fault:?}: {refused:?}"
            );
        }
        assert_eq!(scene.calls("Session/login"), 1, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_portabilling_has_against_the_user_ends_all_calls_for_a_while() {
    for faultcode in [
        "Server.Session.auth_failed",
        "Server.Session.cannot_login_brute_force_activity",
        "Server.Session.alert_You_must_change_password",
    ] {
        let scene = scene("").await;
        scene.sim.faults().strike_on(INFO, Fault::FaultCode(faultcode.to_owned()), When::Share(1.0));
        for _ in 0..3 {
            let refused = scene.read("account_info").await;
            assert!(
                matches!(refused, Err(BillingError::LoginRefused(_) | BillingError::LockedOut(_))),
                "{faultcode}: {refused:?}"
            );
        }
        assert_eq!((scene.calls(INFO), scene.calls("Session/login")), (1, 1), "{faultcode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_that_is_not_answered_is_tried_again() {
    for fault in [
        Fault::Busy,
        Fault::HtmlPage,
        Fault::EmptyAnswer,
        Fault::Answer(200, r#"{"session_id":"0"}"#.to_owned()),
        Fault::CutAnswer,
        Fault::HangUp,
        Fault::FaultCode("Server.General.internal".to_owned()),
    ] {
        let clock = Clock::stopped();
        let scene = scene_at(clock.clone(), "").await;
        scene.sim.faults().strike_on("Session/login", fault.clone(), When::Next(1));
        for (after, logins) in [(0, 1), (0, 1), (499, 1)] {
            clock.set(Duration::from_millis(after));
            let read = scene.read("account_info").await;
            assert!(matches!(read, Err(BillingError::Unavailable(_))), "{fault:?}: {read:?}");
            assert_eq!(scene.calls("Session/login"), logins, "{fault:?}: not before half a second");
        }
        clock.set(Duration::from_millis(500));
        scene.read("account_info").await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(scene.calls("Session/login"), 2, "{fault:?}");
    }
}

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    let folder = folder();
    std::fs::write(folder.path().join("empty.pem"), "no certificate").expect("written");
    for (settings, words) in [
        (r#"rate = "50""#, "is not a rate, such as \"50/s\""),
        (r#"rate = "0/s""#, "is not a rate"),
        (r#"share = "2m""#, "it must be from 0ns to 60s"),
        (r#"ca = "nowhere.pem""#, "cannot read"),
        (r#"ca = "empty.pem""#, "there is no certificate in it"),
        (r#"proxy = "proxy.example.net:3128""#, "it must begin with https:// or http://"),
        (r#"proxy = "http://user:word@proxy.example.net""#, "no place for a credential"),
        (r#"queries.mine = { method = "A/b" }"#, "`answer` is missing"),
        (r#"queries.aliases = { list = "some" }"#, "is not `first` or `all`"),
        (r#"queries.aliases = { list = "first" }"#, "of a list that is read as a whole"),
        (r#"queries.addons = { window = ["from"] }"#, "two names of members"),
        (
            r#"queries.customer = { params = { i_customer = "{i_customer}" } }"#,
            "nothing stands for {i_customer}",
        ),
        (r#"queries.account_info = { params = { id = "{account_info.id}" } }"#, "read before any other"),
    ] {
        let Err(problems) = configured(folder.path(), "https://billing.example.net", settings) else {
            panic!("{settings} is taken");
        };
        let said = problems.to_string();
        assert!(said.starts_with("1 problem in") && said.contains(words), "no `{words}` alone in\n{said}");
    }
}
