//! Several hosts work on one database at a time: they share the load, each operation is done once, and what is done once
//! for all is done by the one that leads, until it is gone.

mod clocks;
mod failover;
mod lines;

use std::sync::Arc;
use std::time::{Duration, Instant};

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::{Manners, Settings};
use punchdown_kit::portabilling::{Fault, When};
use punchdown_kit::postgres::{Cluster, Database, Ending};
use punchdown_tests::fleet::Fleet;
use reqwest::StatusCode;
use serde_json::json;
use tempfile::TempDir;

use crate::database::{own, shared};
use crate::harness::{
    PROGRAM, folder, new_accounts, oms_adapter, stage, stage_of, status_at, told, until, with_settings,
};

const SOON: Duration = Duration::from_secs(40);

struct Scene {
    stage: Stage,
    database: Database,
    fleet: Fleet,
    _folder: TempDir,
}

/// So many hosts that do not run yet, and accounts. The order system notifies until it is heard.
async fn set(cluster: &Arc<Cluster>, hosts: usize, accounts: u64) -> Option<Scene> {
    let (adapter, folder) = (oms_adapter()?, folder());
    let oms = Settings {
        completes_after: Duration::from_millis(200)..Duration::from_millis(1500),
        manners: Manners { early_notice: 0.1, repeats_notice: 0.1, ..Manners::default() },
        ..Settings::default()
    };
    let stage = stage_of(PROGRAM, folder.path(), &adapter, oms, "", "poll-seconds = 2").await;
    stage.oms.set_notify(Some(punchdown_tests::rounds::until_taken(&stage)));
    stage.open_accounts(accounts);
    let database = cluster.database().expect("a database");
    let fleet = Fleet::of(&stage, PROGRAM.as_ref(), database.clone(), hosts).await.expect("a fleet");
    Some(Scene { stage, database, fleet, _folder: folder })
}

impl Scene {
    fn are_ok(&self, accounts: std::ops::RangeInclusive<u64>) -> bool {
        accounts.into_iter().all(|account| told(&self.stage, account).last().is_some_and(|word| word == "OK"))
    }

    async fn all_are_ok(&self, count: u64) {
        until("OK for all", SOON, async || self.are_ok(1..=count)).await;
    }

    /// One order an account, and nobody was told an older word after a newer one.
    fn is_right(&self, count: u64) {
        let mut accounts: Vec<_> =
            self.stage.oms.ledger().orders.into_iter().map(|order| order.account).collect();
        let orders = accounts.len() as u64;
        accounts.sort();
        accounts.dedup();
        assert_eq!((orders, accounts.len() as u64), (count, count), "one order an account");
        for account in 1..=count {
            let told = told(&self.stage, account);
            let first_ok = told.iter().position(|word| word == "OK").expect("OK");
            assert!(told[first_ok..].iter().all(|word| word == "OK"), "account {account}: {told:?}");
        }
    }

    fn leader(&self) -> Option<(usize, u64)> {
        self.fleet.leader().expect("known")
    }

    async fn leads(&self) -> (usize, u64) {
        until("one leads", SOON, async || self.leader().is_some()).await;
        self.leader().expect("one leads")
    }

    /// Waits until that host knows of so many, itself among them, and whether it leads: of others it hears by the second.
    async fn knows(&self, host: usize, live: u64, leads: bool) {
        let expected = json!({ "live": live, "leads": leads });
        let knows = async || status_at(self.fleet.admin(host)).await["instances"] == expected;
        until("it knows of all", SOON, knows).await;
    }

    fn asks(&self, sql: &str) -> String {
        self.database.ask(sql).expect("an answer")
    }

    /// Another server has the database now.
    fn moved_to(&mut self, cluster: &Arc<Cluster>) {
        self.database = self.database.on(cluster);
        self.fleet.moved_to(self.database.clone());
    }

    /// What that host says to an event of an account, the same one each time; `None`: nothing.
    fn deliver(
        &self,
        host: usize,
        account: u64,
    ) -> impl Future<Output = (u64, Option<StatusCode>)> + 'static {
        let url = format!("http://{}/espf/events", self.fleet.public(host));
        let password = std::fs::read_to_string(self.stage.directory.join("secrets/espf")).expect("a secret");
        let variables = json!({ "i_event": 900_000 + account, "i_env": 1, "i_account": account });
        let event = json!({ "event_type": "Account/New", "variables": variables });
        let client = reqwest::Client::builder().timeout(SOON).build().expect("a client");
        async move {
            let call = client.post(url).basic_auth("espf", Some(password)).json(&event);
            (account, call.send().await.ok().map(|answer| answer.status()))
        }
    }

    /// What a command says to the door of that host.
    async fn said(&self, host: usize, arguments: &[&str]) -> String {
        let mut command = tokio::process::Command::new(PROGRAM);
        let output = command.args(arguments).arg("--config").arg(self.fleet.config(host)).output().await;
        let output = output.expect("it runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// What a host has counted of its requests.
async fn requests(scene: &Scene, host: usize) -> u64 {
    let url = format!("http://{}/metrics", scene.fleet.admin(host));
    let text = reqwest::get(url).await.expect("an answer").text().await.expect("text");
    let series = "punchdown_requests_total{group=\"HSS\",result=\"answered\"}";
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    value.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hosts_share_the_work_and_each_order_is_made_once() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 3, 90).await else { return };
    scene.fleet.start_all().await.expect("they start");
    let (leader, _) = scene.leads().await;
    for host in 0..3 {
        scene.knows(host, 3, host == leader).await;
    }
    let espf = scene.stage.espf(100.0);
    espf.emit_duplicates(0.1);
    new_accounts(&espf, 90);
    scene.all_are_ok(90).await;
    scene.is_right(90);
    for host in 0..3 {
        assert!(requests(&scene, host).await > 0, "host {host} did its part");
        let leads = scene.leader().is_some_and(|(leader, _)| leader == host);
        scene.knows(host, 3, leads).await;
    }
    let leading = (0..3).filter(|host| scene.fleet.log(*host).contains("this instance leads")).count();
    assert_eq!(leading, 1, "one leads, and goes on leading");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_killed_under_load_and_then_the_one_that_leads_cost_nothing() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 3, 120).await else { return };
    scene.fleet.start_all().await.expect("they start");
    let espf = scene.stage.espf(40.0);
    new_accounts(&espf, 120);
    let (leader, term) = scene.leads().await;
    let follower = (leader + 1) % 3;
    until("it is under way", SOON, async || scene.stage.oms.ledger().orders.len() > 20).await;
    scene.fleet.kill(follower).expect("killed");
    tokio::time::sleep(Duration::from_millis(500)).await;
    scene.fleet.start(follower).await.expect("it starts again");
    assert_eq!(scene.leader(), Some((leader, term)), "that was none of the lead's business");
    until("it is half done", SOON, async || scene.stage.oms.ledger().orders.len() > 70).await;
    scene.fleet.kill(leader).expect("killed");
    until("another one leads", SOON, async || scene.leader().is_some_and(|(host, _)| host != leader)).await;
    assert_eq!(scene.leader().map(|(_, term)| term), Some(term + 1));
    // What it held is free when it comes back, and else when its leases are over.
    scene.fleet.start(leader).await.expect("it starts again");
    scene.all_are_ok(120).await;
    scene.is_right(120);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stands_still_beyond_all_its_terms_changes_nothing_when_it_goes_on() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 2, 80).await else { return };
    scene.fleet.start_all().await.expect("they start");
    let espf = scene.stage.espf(60.0);
    let (leader, term) = scene.leads().await;
    new_accounts(&espf, 60);
    until("it is under way", SOON, async || scene.stage.oms.ledger().orders.len() > 15).await;
    scene.fleet.freeze(leader).expect("it stands still");
    // As if its leases had run out: they are a minute long, and by the database's clock.
    scene.asks("UPDATE lane SET lease_until = 0 WHERE owner IS NOT NULL");
    until("the other one leads", SOON, async || scene.leader() == Some((1 - leader, term + 1))).await;
    scene.all_are_ok(60).await;
    assert!(!scene.fleet.log(leader).contains("leads no more"), "it stands still");
    scene.fleet.thaw(leader).expect("it goes on");
    until("it knows", SOON, async || scene.fleet.log(leader).contains("this instance leads no more")).await;
    for account in 61..=80 {
        espf.emit("Account/New", json!({ "i_account": account }));
    }
    scene.all_are_ok(80).await;
    assert!(!scene.fleet.has_ended(leader).expect("known"));
    assert_eq!(scene.leader(), Some((1 - leader, term + 1)), "what it led is another one's");
    let orders = scene.stage.oms.ledger().orders.len();
    assert_eq!(orders, 80, "one order an account");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_database_under_load_costs_nothing_and_moves_no_lead() {
    let Some(cluster) = own() else { return };
    let Some(mut scene) = set(&cluster, 2, 80).await else { return };
    scene.fleet.start_all().await.expect("they start");
    let led = scene.leads().await;
    let espf = scene.stage.espf(40.0);
    new_accounts(&espf, 80);
    until("it is under way", SOON, async || scene.stage.oms.ledger().orders.len() > 15).await;
    cluster.end(Ending::Fast).expect("it ends");
    cluster.begin().expect("it comes back");
    scene.all_are_ok(80).await;
    scene.is_right(80);
    assert_eq!(scene.leader(), Some(led));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_stopped_hands_its_lead_on_and_takes_it_from_nobody_when_it_comes_back() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 2, 2).await else { return };
    scene.fleet.start_all().await.expect("they start");
    let (leader, term) = scene.leads().await;
    assert!(scene.fleet.stop(leader).await.expect("it stops").success());
    // It has ended its term itself, or the other one has begun the next by now: nobody waits for its end.
    let ended = format!("SELECT until = 0 OR term > {term} FROM lead");
    assert_eq!(scene.asks(&ended), "t");
    until("the other one leads", SOON, async || scene.leader() == Some((1 - leader, term + 1))).await;
    scene.fleet.start(leader).await.expect("it starts again");
    let espf = scene.stage.espf(0.0);
    new_accounts(&espf, 2);
    scene.all_are_ok(2).await;
    assert_eq!(scene.leader(), Some((1 - leader, term + 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_says_to_one_host_of_a_group_all_of_them_do() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 2, 20).await else { return };
    scene.fleet.start_all().await.expect("they start");
    scene.said(0, &["target", "pause", "HSS", "--who", "ops", "--why", "works there"]).await;
    let is_paused = async |host| {
        let status = status_at(scene.fleet.admin(host)).await;
        status["groups"]["HSS"]["paused"].as_bool().expect("known")
    };
    until("the other one knows", SOON, async || is_paused(1).await).await;
    let espf = scene.stage.espf(0.0);
    new_accounts(&espf, 20);
    assert!(espf.drained(SOON).await, "events are taken all the same");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(scene.stage.oms.ledger().orders.len(), 0, "nothing leaves from either");
    scene.said(1, &["target", "resume", "HSS", "--who", "ops", "--why", "they are done"]).await;
    until("the first one knows", SOON, async || !is_paused(0).await).await;
    scene.all_are_ok(20).await;
    scene.is_right(20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_out_at_one_host_keeps_the_others_from_logging_in() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 2, 20).await else { return };
    scene.stage.billing.faults().strike_on("Session/login", Fault::LoginLockedOut, When::Share(1.0));
    scene.fleet.start(0).await.expect("it starts");
    let espf = scene.stage.espf(0.0);
    new_accounts(&espf, 10);
    let log_ins = || scene.stage.billing.ledger().calls.get("Session/login").copied().unwrap_or_default();
    until("it is locked out", SOON, async || scene.asks("SELECT count(*) FROM log_in_refused") == "1").await;
    scene.fleet.start(1).await.expect("it starts");
    for account in 11..=20 {
        espf.emit("Account/New", json!({ "i_account": account }));
    }
    let heard = || scene.fleet.log(1).contains("no log-in: another instance was refused");
    until("the other one has heard of it", SOON, async || heard()).await;
    assert_eq!(log_ins(), 1, "a lock-out is not answered by another log-in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_registered_by_one_and_its_notices_are_taken_by_all() {
    let Some(cluster) = shared() else { return };
    let (Some(adapter), folder) = (oms_adapter(), folder()) else { return };
    let stage =
        stage_of(PROGRAM, folder.path(), &adapter, Settings::default(), "", "poll-seconds = 3600").await;
    let signed = "auth = { standard-webhooks = { secret = { file = \"secrets/oms-hook\" } } }";
    crate::harness::rewrite(&stage, signed, "register = true\nauth = \"registered\"");
    stage.oms.set_notify(None);
    stage.open_accounts(30);
    let database = cluster.database().expect("a database");
    let mut fleet = Fleet::of(&stage, PROGRAM.as_ref(), database, 3).await.expect("a fleet");
    fleet.start_all().await.expect("they start");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 30);
    let are_ok = || (1..=30).all(|account| told(&stage, account).last().is_some_and(|word| word == "OK"));
    until("OK for all, by notices alone", SOON, async || are_ok()).await;
    assert_eq!(stage.oms.registrations().len(), 1, "for all of them");
    assert_eq!(stage.oms.ledger().orders.len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_works_alone_and_those_that_do_not_never_work_together() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 2, 1).await else { return };
    scene.fleet.start(0).await.expect("it starts");
    let config = std::fs::read_to_string(scene.fleet.config(1)).expect("a configuration");
    std::fs::write(scene.fleet.config(1), config.replace("several = true\n", "")).expect("written");
    let refused = scene.fleet.start(1).await.expect_err("others work on it").to_string();
    assert!(refused.contains("error[E0501]") && refused.contains("several = true"), "{refused}");
    assert!(scene.fleet.stop(0).await.expect("it stops").success());
    scene.fleet.start(1).await.expect("alone");
    let refused = scene.fleet.start(0).await.expect_err("one works on it alone").to_string();
    assert!(refused.contains("error[E0501]"), "{refused}");
    assert!(scene.fleet.stop(1).await.expect("it stops").success());

    // One that would have to change the tables does not, while others work on them.
    std::fs::write(scene.fleet.config(1), &config).expect("written");
    scene.fleet.start(0).await.expect("it starts");
    scene.asks("UPDATE meta SET value = '10' WHERE name = 'version'");
    let refused = scene.fleet.start(1).await.expect_err("others work on it").to_string();
    assert!(refused.contains("error[E0501]") && refused.contains("stop them all"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_for_all_of_them_together() {
    let Some(cluster) = shared() else { return };
    let (Some(adapter), folder) = (oms_adapter(), folder()) else { return };
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    with_settings(&stage, "groups.HSS.target", "rate = \"10/s\"");
    stage.open_accounts(60);
    let database = cluster.database().expect("a database");
    let mut fleet = Fleet::of(&stage, PROGRAM.as_ref(), database, 2).await.expect("a fleet");
    fleet.start_all().await.expect("they start");
    let espf = stage.espf(0.0);
    for host in 0..2 {
        let live = async || status_at(fleet.admin(host)).await["instances"]["live"] == 2;
        until("they know of each other", SOON, live).await;
    }
    // And have shared the rate a moment later.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let began = Instant::now();
    new_accounts(&espf, 60);
    until("all orders are made", SOON, async || stage.oms.ledger().orders.len() == 60).await;
    // Each has five a second: sixty of them, and no more, take six seconds.
    assert!(began.elapsed() > Duration::from_millis(5_500), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn time_in_which_all_were_down_is_known_to_whoever_begins_first_though_others_were_there_a_moment_ago()
{
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 2, 1).await else { return };
    scene.fleet.start_all().await.expect("they start");
    scene.leads().await;
    for host in 0..2 {
        scene.fleet.kill(host).expect("killed");
    }
    scene.asks("UPDATE meta SET value = (value::bigint - 3600000)::text WHERE name = 'alive'");
    scene.asks("UPDATE instance SET seen_at = seen_at + 20000");
    let knew = |scene: &Scene, host| scene.fleet.log(host).contains("nobody ran for a while");
    scene.fleet.start(0).await.expect("it starts");
    until("the first one knows", SOON, async || knew(&scene, 0)).await;
    until("it has written that it runs", SOON, async || {
        scene.asks(
            "SELECT value::bigint / 1000 > extract(epoch FROM now()) - 60 FROM meta WHERE name = 'alive'",
        ) == "t"
    })
    .await;
    scene.fleet.start(1).await.expect("it starts");
    let espf = scene.stage.espf(0.0);
    new_accounts(&espf, 1);
    scene.all_are_ok(1).await;
    assert!(!knew(&scene, 1), "somebody ran by then");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resync_is_ended_by_a_word_to_whichever_host() {
    let Some(cluster) = shared() else { return };
    let (Some(adapter), folder) = (oms_adapter(), folder()) else { return };
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    std::fs::write(&stage.config, format!("{config}\n[resync]\nrate = \"5/s\"\n")).expect("written");
    stage.open_accounts(60);
    let database = cluster.database().expect("a database");
    let fleet = Fleet::of(&stage, PROGRAM.as_ref(), database.clone(), 2).await.expect("a fleet");
    let mut scene = Scene { stage, database, fleet, _folder: folder };
    scene.fleet.start_all().await.expect("they start");
    let (leader, _) = scene.leads().await;
    let orders = || scene.stage.oms.ledger().orders.len();
    let signed = ["--who", "ops", "--why", "a test"];
    scene.said(1 - leader, &[&["resync", "--all", "--detach"][..], &signed].concat()).await;
    until("some are driven", SOON, async || orders() > 0).await;
    scene.said(1 - leader, &[&["resync", "--stop"][..], &signed].concat()).await;
    // It hears that by the second, and what it drove last is on its way then.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let at_rest =
        async || status_at(scene.fleet.admin(leader)).await["groups"]["HSS"]["oldest_open"].is_null();
    until("all is done that it began", SOON, at_rest).await;
    let driven = orders();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(orders(), driven, "it has ended");
    assert!(driven < 40, "{driven}");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hosts_share_the_work_and_two_of_them_die_on_the_way() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 5, 120).await else { return };
    scene.fleet.start_all().await.expect("they start");
    let (leader, term) = scene.leads().await;
    for host in 0..5 {
        scene.knows(host, 5, host == leader).await;
    }
    let espf = scene.stage.espf(20.0);
    espf.emit_duplicates(0.1);
    new_accounts(&espf, 120);
    until("it is under way", SOON, async || scene.stage.oms.ledger().orders.len() > 60).await;
    for host in 0..5 {
        assert!(requests(&scene, host).await > 0, "host {host} does its part");
    }
    assert!(!scene.are_ok(1..=120), "nothing is under way any more");
    let both = [leader, (leader + 1) % 5];
    for host in both {
        scene.fleet.kill(host).expect("killed");
    }
    until("another one leads", SOON, async || scene.leader().is_some_and(|(host, _)| !both.contains(&host)))
        .await;
    assert_eq!(scene.leader().map(|(_, term)| term), Some(term + 1));
    for host in both {
        scene.fleet.start(host).await.expect("it starts again");
    }
    scene.all_are_ok(120).await;
    scene.is_right(120);
}
