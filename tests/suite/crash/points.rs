//! The host is killed right before and right after every write of its journal, with all kinds of work under way. What
//! the points are, and why there are no others, is told in `tests/proof/points.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use punchdown::cli::stage::Stage;
use punchdown::domain::Reason;
use punchdown_kit::espf::{Espf, State};
use punchdown_kit::front::{self, Demand, Front};
use punchdown_kit::oms::{Manners, Settings};
use punchdown_kit::portabilling::{Account, Fault, When};
use punchdown_kit::postgres::Database;
use punchdown_tests::journal::{READS, WRITES};
use punchdown_tests::points::{Point, Side, writes};
use punchdown_tests::rounds::{on, until_taken};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::database;
use crate::guests::guest;
use crate::harness::{BENT, folder, log, oms_adapter, stage_of, until, workspace};

/// A point at which no host comes by for so long has no work that leads to it.
const COMES_BY: Duration = Duration::from_secs(240);
const PATIENCE: Duration = Duration::from_secs(300);
/// Nothing here kills a process by being asked, so nobody is reliably suspect.
const NO_WORK: [&str; 3] = ["acquit", "reprieve", "pardon"];
/// What a host does once and then no more comes first: it registers when it first starts, and of what a system
/// changes of itself an account has no more than one a minute.
const ONCE: [&str; 2] = ["keep_registration", "change_begun"];
const SIGABRT: i32 = 6;

#[test]
fn no_method_of_the_port_is_without_a_point() {
    let ports = [("", "Journal"), ("/suspects", "Suspects"), ("/resyncs", "Resyncs")].map(|(file, name)| {
        let path = workspace().join(format!("host/src/ports{file}.rs"));
        let text = std::fs::read_to_string(path).expect("the ports");
        let port = text.split(&format!("pub trait {name}")).nth(1).and_then(|port| port.split("\n}").next());
        port.expect("a port").to_owned()
    });
    let methods = ports.iter().flat_map(|port| port.lines());
    let methods = methods.filter_map(|line| line.trim().strip_prefix("async fn ")?.split('(').next());
    let mut methods: Vec<&str> = methods.collect();
    let mut known: Vec<&str> = ["save"].iter().chain(WRITES).chain(READS).copied().collect();
    methods.sort_unstable();
    known.sort_unstable();
    assert_eq!(methods, known);
    let page = std::fs::read_to_string(workspace().join("docs/reliability.md")).expect("the page");
    for write in writes() {
        assert!(page.contains(&format!("`{write}`")), "docs/reliability.md does not name `{write}`");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_right_before_any_write_loses_nothing_and_doubles_nothing() {
    killed_at_each(Side::Before, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_right_after_any_write_loses_nothing_and_doubles_nothing() {
    killed_at_each(Side::After, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_a_kill_right_before_any_write_loses_nothing_and_doubles_nothing() {
    let Some(cluster) = database::shared() else { return };
    killed_at_each(Side::Before, Some(cluster.database().expect("a database"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_a_kill_right_after_any_write_loses_nothing_and_doubles_nothing() {
    let Some(cluster) = database::shared() else { return };
    killed_at_each(Side::After, Some(cluster.database().expect("a database"))).await;
}

async fn killed_at_each(side: Side, database: Option<Database>) {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let oms = Settings {
        completes_after: Duration::from_millis(100)..Duration::from_millis(400),
        manners: Manners { repeats_notice: 0.1, early_notice: 0.1, loses_answer: 0.1, ..Manners::default() },
        ..Settings::default()
    };
    let mut stage = stage_of(BENT, folder.path(), &adapter, oms, "", "poll-seconds = 1").await;
    stage.oms.set_notify(Some(until_taken(&stage)));
    let behind = front::Settings {
        behind: stage.oms.url(),
        bearer: String::new(),
        client_id: String::new(),
        client_secret: String::new(),
    };
    let silent = Front::start(behind, Demand::Silence).await.expect("a system that never answers");
    with_other_groups(&stage, &adapter, &silent.url());
    if let Some(database) = &database {
        on(&stage, database).expect("written");
    }
    let work = Arc::new(Work::new(&stage));
    let under_way = tokio::spawn(Arc::clone(&work).go_on());
    let mut writes = writes();
    writes.retain(|write| !NO_WORK.contains(&write.as_str()));
    writes.sort_by_key(|write| ONCE.iter().position(|once| write == once).unwrap_or(ONCE.len()));
    for write in writes {
        let point = Point { side, write, nth: 1 };
        stage.set_environment("PUNCHDOWN_BENT", point.to_string());
        stage.launch_host().expect("the host starts");
        let ended = stage.host_ended(COMES_BY).await.unwrap_or_else(|error| panic!("{point}: {error}"));
        assert_eq!(ended.signal(), Some(SIGABRT), "{point}:\n{}", log(&stage));
    }
    under_way.abort();
    stage.set_environment("PUNCHDOWN_BENT", "before 4000000000 accept");
    stage.start_host().await.expect("the host starts");
    work.is_done(&stage).await;
    work.agrees(&stage, &silent, database.as_ref());
}

/// Beside the orders: a group whose system never answers, one whose system changes of itself, one that wants
/// nothing, one in which all is as it should be, and one that registers for notifications.
fn with_other_groups(stage: &Stage, adapter: &Path, silent: &str) {
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let mut config = config.replace(r#"["Account/**"]"#, r#"["Account/**", "Customer/**"]"#);
    let (adapter, oms, public) = (adapter.display(), stage.oms.url(), stage.public);
    config.push_str(&format!(
        "[groups.Netaccess]\nadapter = \"{adapter}\"\nevents = [\"Netaccess/**\"]\n\
         [groups.Netaccess.target]\nurl = \"{oms}\"\nauth = {{ bearer = {{ file = \"secrets/oms\" }} }}\n\
         [groups.Netaccess.notify]\nat = \"http://{public}/notify/Netaccess\"\n\
         register = true\nauth = \"registered\"\n\
         [groups.Netaccess.config]\nspecification = \"mobile-line\"\n\
         [resync]\nrate = \"100/s\"\n"
    ));
    let guests = [("PCRF", "doubts"), ("IPTV", "begins"), ("VoIP", "ignores"), ("WiMAX", "chatters")];
    for (group, adapter) in guests {
        let adapter = guest(&stage.directory, adapter).display().to_string();
        config.push_str(&format!(
            "[groups.{group}]\nadapter = \"{adapter}\"\nevents = [\"{group}/**\"]\n\
             [groups.{group}.target]\nurl = \"{silent}\"\ntimeout = \"1s\"\n\
             breaker = {{ pause = \"100ms\", pause-max = \"200ms\" }}\n\
             [groups.{group}.notify]\nauth = \"none\"\n"
        ));
    }
    std::fs::write(&stage.config, config).expect("written");
}

/// All kinds of work that a host can have, some of each all the time.
struct Work {
    billing: punchdown_kit::portabilling::PortaBilling,
    espf: Espf,
    client: Client,
    public: String,
    admin: String,
    token: String,
    turns: AtomicU64,
    letters_taken: AtomicU64,
    notifications_taken: AtomicU64,
    /// Operations on which three ends had fallen, and which were asked about again.
    accused: Mutex<BTreeSet<String>>,
}

/// Each turn has accounts of its own, from this number times the turn.
const ACCOUNTS_A_TURN: u64 = 10;
/// And a customer, beyond those that accounts have by themselves.
const CUSTOMERS: u64 = 1_000_000;
const TURN: Duration = Duration::from_millis(120);

impl Work {
    fn new(stage: &Stage) -> Self {
        // What is refused four times rests for ten minutes, which is longer than anybody waits here.
        for fault in [Fault::Busy, Fault::StatusRefused(503)] {
            stage.billing.faults().strike(fault, When::OnceEach(0.2));
        }
        stage.open_accounts(1);
        let token = std::fs::read_to_string(stage.directory.join("secrets/admin")).expect("a token");
        Self {
            billing: stage.billing.clone(),
            espf: stage.espf(0.0),
            client: Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().expect("a client"),
            public: format!("http://{}", stage.public),
            admin: format!("http://{}", stage.admin),
            token,
            turns: AtomicU64::new(0),
            letters_taken: AtomicU64::new(0),
            notifications_taken: AtomicU64::new(0),
            accused: Mutex::default(),
        }
    }

    async fn go_on(self: Arc<Self>) {
        loop {
            let turn = self.turns.fetch_add(1, Ordering::Relaxed) + 1;
            self.events(turn);
            while !self.espf.drained(TURN).await {
                self.person().await;
            }
            self.letter(turn).await;
            self.notifications().await;
            self.person().await;
            self.resync(turn).await;
            tokio::time::sleep(TURN).await;
        }
    }

    /// One account of its own, two of a customer, one that is not there, and one for each other group.
    fn events(&self, turn: u64) {
        let first = turn * ACCOUNTS_A_TURN;
        for i_account in [first, first + 4, first + 5] {
            self.billing.put_account(Account::mobile(i_account));
        }
        for i_account in [first + 1, first + 2] {
            let i_customer = CUSTOMERS + turn;
            self.billing.put_account(Account { i_customer, ..Account::mobile(i_account) });
        }
        self.espf.emit("Account/New", json!({ "i_account": first }));
        self.espf.emit("Customer/Updated", json!({ "i_customer": CUSTOMERS + turn }));
        for _ in 0..2 {
            self.espf.emit("Account/New", json!({ "i_account": first + 3 }));
        }
        self.espf.emit("PCRF/New", json!({ "i_account": first + 4 }));
        self.espf.emit("VoIP/New", json!({ "i_account": first + 5 }));
    }

    /// What can never be an event.
    async fn letter(&self, turn: u64) {
        let door = self.client.post(format!("{}/espf/events", self.public));
        let password = "stage-espf-password";
        let answer = door.basic_auth("espf", Some(password)).body(format!("no event {turn}")).send().await;
        let taken = answer.is_ok_and(|answer| answer.status() == 400);
        self.letters_taken.fetch_add(u64::from(taken), Ordering::Relaxed);
    }

    /// One that tells of a change, and one that its adapter cannot read.
    async fn notifications(&self) {
        for group in ["IPTV", "PCRF"] {
            let door = self.client.post(format!("{}/notify/{group}", self.public));
            let taken = door.body("{}").send().await.is_ok_and(|answer| answer.status().is_success());
            self.notifications_taken.fetch_add(u64::from(taken), Ordering::Relaxed);
        }
    }

    /// Asks whether the host is ready, lets a group rest for a moment, and leaves what is stuck, or has it asked again.
    async fn person(&self) {
        let _ = self.client.get(format!("{}/readyz", self.admin)).send().await;
        for wish in ["pause", "resume"] {
            self.sign(self.client.post(format!("{}/admin/v1/groups/VoIP/{wish}", self.admin))).await;
        }
        for state in ["parked", "in-doubt"] {
            let url = format!("{}/admin/v1/operations?state={state}&limit=1", self.admin);
            let Ok(found) = self.client.get(url).bearer_auth(&self.token).send().await else { return };
            let found: Value = found.json().await.unwrap_or_default();
            let Some(id) = found["operations"][0]["id"].as_str() else { continue };
            let operation = format!("{}/admin/v1/operations/{id}", self.admin);
            let Ok(shown) = self.client.get(&operation).bearer_auth(&self.token).send().await else { return };
            let shown: Value = shown.json().await.unwrap_or_default();
            // Three ends may have fallen on one question by chance.
            let is_accused = shown["trouble"]["code"] == Reason::AdapterFatal.code();
            let wish = if is_accused { "retry" } else { "skip" };
            if is_accused {
                // Several of them shut their adapter out.
                let group = shown["group"].as_str().unwrap_or_default();
                self.sign(self.client.post(format!("{}/admin/v1/groups/{group}/release", self.admin))).await;
                self.accused.lock().expect("nobody panicked").insert(id.to_owned());
            }
            self.sign(self.client.post(format!("{operation}/{wish}"))).await;
        }
    }

    /// Of the customer in one turn, and in the next of an account of which no event told.
    async fn resync(&self, turn: u64) {
        let first = turn * ACCOUNTS_A_TURN;
        let wanted = match turn % 2 {
            0 => {
                json!({ "i_customer": CUSTOMERS + turn, "group": "HSS", "mode": "drive", "who": "ann", "why": "to see" })
            }
            _ => {
                self.billing.put_account(Account::mobile(first + 6));
                json!({ "i_account": first + 6, "group": "WiMAX", "mode": "adopt", "who": "ann", "why": "to see" })
            }
        };
        let request = self.client.post(format!("{}/admin/v1/resync", self.admin));
        let _ = request.bearer_auth(&self.token).json(&wanted).send().await;
    }

    async fn sign(&self, request: RequestBuilder) {
        let why = json!({ "who": "ann", "why": "to see" });
        let _ = request.bearer_auth(&self.token).json(&why).send().await;
    }

    fn turns(&self) -> std::ops::RangeInclusive<u64> {
        1..=self.turns.load(Ordering::Relaxed)
    }

    /// Those that must have been served, each once.
    fn served(&self) -> impl Iterator<Item = u64> {
        self.turns().flat_map(|turn| (0..3).map(move |place| turn * ACCOUNTS_A_TURN + place))
    }

    fn is_ok(&self, i_account: u64) -> bool {
        self.billing.final_status(i_account, "HSS").is_some_and(|seen| seen.status == "OK")
    }

    /// Nothing is stuck: whatever is left stands where only a person moves it.
    async fn is_done(&self, stage: &Stage) {
        assert!(self.espf.drained(PATIENCE).await, "every event is acknowledged at last");
        let unserved = || self.served().filter(|account| !self.is_ok(*account)).collect::<Vec<_>>();
        let began = Instant::now();
        while !unserved().is_empty() {
            let (status, since) = (stage.status().await, began.elapsed());
            assert!(since < PATIENCE, "unserved: {:?}, and the host says {status:?}", unserved());
            self.person().await;
            tokio::time::sleep(TURN).await;
        }
        until("nothing is to be done", PATIENCE, async || {
            let status = stage.status().await.expect("the host answers");
            let at_rest = ["done", "failed", "ignored", "superseded", "skipped", "parked", "in-doubt"];
            let groups = status["groups"].as_object().expect("groups");
            let states = groups.values().filter_map(|group| group["operations"].as_object()).flatten();
            states.into_iter().all(|(state, _)| at_rest.contains(&state.as_str()))
                && status["statuses_waiting"] == 0
                && status["fan_outs"] == 0
        })
        .await;
    }

    fn agrees(&self, stage: &Stage, silent: &Front, database: Option<&Database>) {
        let (events, accused) =
            (self.espf.ledger().events, self.accused.lock().expect("nobody panicked").len());
        assert!(accused <= 2, "{accused} were held to be the end of the host");
        assert!(events.iter().all(|event| event.state == State::Acknowledged), "no event was thrown away");
        let mut orders = BTreeMap::<String, u64>::new();
        let mut names = BTreeSet::new();
        for order in stage.oms.ledger().orders {
            assert!(names.insert(order.external_id.clone()), "ordered twice by one operation: {order:?}");
            *orders.entry(order.account.unwrap_or_default()).or_default() += 1;
        }
        for i_account in self.served() {
            let ids = [Account::mobile(i_account).id, i_account.to_string()];
            let made: u64 = ids.iter().filter_map(|id| orders.remove(id)).sum();
            // A resync may have come before the event of a customer whom a kill held up: then both have an operation.
            let (turn, place) = (i_account / ACCOUNTS_A_TURN, i_account % ACCOUNTS_A_TURN);
            let most = if turn % 2 == 0 && place > 0 { 2 } else { 1 };
            assert!((1..=most).contains(&made), "{made} orders of account {i_account}");
        }
        assert!(orders.is_empty(), "of accounts that are not there: {orders:?}");
        // Who cannot look never sends what may have arrived, so there is one request for an event, or none.
        let doubted = silent.ledger().unanswered;
        assert!(doubted <= *self.turns().end(), "{doubted} requests in {:?}", self.turns());
        assert!(doubted > 0);
        for (table, taken) in [
            ("dead_letter", &self.letters_taken),
            ("notification WHERE grp IN ('IPTV', 'PCRF')", &self.notifications_taken),
        ] {
            let count = format!("SELECT count(*) FROM {table}");
            let kept = match database {
                Some(database) => database.ask(&count).expect("a number").parse().expect("a number"),
                None => counted(&stage.directory.join("data/journal.db"), &count),
            };
            let taken = taken.load(Ordering::Relaxed);
            assert!(taken > 0 && kept >= taken, "{kept} of {taken} in {table}");
        }
        let accounts = self.served().count();
        println!("{} points, {} events, {accounts} accounts served once", writes().len(), events.len());
    }
}

fn counted(journal: &Path, count: &str) -> u64 {
    let journal = rusqlite::Connection::open(journal).expect("a journal");
    let kept: i64 = journal.query_row(count, [], |row| row.get(0)).expect("a number");
    kept.unsigned_abs()
}
