//! Fifteen hundred attacks at every door, fifteen thousand callers who say nothing or too little, and an
//! honest sender who does not notice. At the end the host's own counters say exactly what was done
//! to it.
//!
//! The attacks are drawn by chance; `PUNCHDOWN_SEED` plays those of a run again.

pub mod attacks;
mod crowd;
mod honest;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::{Manners, Settings};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::Semaphore;

use crate::harness::{folder, oms_adapter, stage, until, with_settings};
use attacks::Attack;

/// A door: where it is, under which name its listener counts, and how it is attacked.
struct Door {
    name: &'static str,
    listener: &'static str,
    at: fn(&Stage) -> SocketAddr,
    attack: fn(&mut StdRng) -> Attack,
}

const DOORS: [Door; 4] = [
    Door { name: "events", listener: "events", at: |stage| stage.public, attack: attacks::on_events },
    Door { name: "nsps", listener: "events", at: |stage| stage.public, attack: attacks::on_nsps },
    Door { name: "notify", listener: "events", at: |stage| stage.public, attack: attacks::on_notifications },
    Door { name: "admin", listener: "admin", at: |stage| stage.admin, attack: attacks::on_operators },
];

const ATTACKS_EACH: usize = 1500;
const AT_A_TIME: usize = 32;
const CROWD: usize = 15_000;
/// All of it comes in so many parts.
const PARTS: usize = 3;
/// What all of it may cost: glibc keeps for later what it once had, so it is the cost of all places that were ever
/// taken at a time.
const RESIDENT_MORE_MAX: u64 = 64 << 20;
/// What of that the last part may: all places were taken before. A kilobyte for each of its callers would be more.
const RESIDENT_MORE_AT_LAST_MAX: u64 = 4 << 20;
const SOON: Duration = Duration::from_secs(30);

/// Short times, so that the run is short; small bodies are too large, and the crowd is soon too many.
const LIMITS: &str = "header-timeout = \"3s\"\nbody-timeout = \"3s\"\nbody-max = \"64KiB\"\nconnections = 768\nconcurrency = 128\nconnections-per-address = 192";

/// So many as operators need.
const FOR_OPERATORS: &str = "header-timeout = \"3s\"\nconnections = 128\nconnections-per-address = 32";

/// What was done, by the series that must have counted it.
type Tally = BTreeMap<String, u64>;

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_world_is_borne_and_counted_and_an_honest_sender_does_not_notice() {
    let Some(adapter) = oms_adapter() else { return };
    // The crowd and the host have a thousand connections and more.
    rlimit::increase_nofile_limit(u64::MAX).expect("more files may be open");
    let seed = seed();
    let folder = folder();
    // Whatever counts as a notification is then ours.
    let manners = Manners { loses_notice: 1.0, ..Manners::default() };
    let mut stage = stage(folder.path(), &adapter, Settings { manners, ..Settings::default() }).await;
    with_settings(&stage, "events", LIMITS);
    with_settings(&stage, "admin", FOR_OPERATORS);
    let basic = "auth = [{ basic";
    let signature =
        "auth = [{ signature = { key-id = \"test\", key = { file = \"secrets/espf\" } } }, { basic";
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    assert!(config.contains(basic));
    let nsps = "\n[nsps]\nauth = [{ bearer = { file = \"secrets/nsps\" } }]\n";
    std::fs::write(&stage.config, config.replace(basic, signature) + nsps).expect("written");
    std::fs::write(folder.path().join("secrets/nsps"), "stage-nsps-token").expect("written");
    stage.open_accounts(honest::ACCOUNTS);
    stage.start_host().await.expect("the host starts");

    let honest = honest::Sender::start(stage.public, folder.path());
    until("honest events are taken", SOON, async || honest.sent() >= 10).await;
    let mut resident_after = vec![resident(&stage)];
    let slow = crowd::dribble_notifications(stage.public).await;
    let mut expected = Tally::new();
    let mut chance = StdRng::seed_from_u64(seed);
    for _ in 0..PARTS {
        let crowd = tokio::spawn(crowd::gather(listeners(&stage), CROWD / PARTS));
        let attacks = attack_all(&stage, seed, &mut chance, ATTACKS_EACH / PARTS).await;
        attacks.into_iter().for_each(|(series, count)| add(&mut expected, &series, count));
        // One of the crowd is cut off by whichever limit it meets first.
        for (listener, count) in crowd.await.expect("the crowd was borne") {
            add(&mut expected, &cut_off(listener), count);
        }
        resident_after.push(resident(&stage));
    }
    let (sent, slowest) = honest.stop();
    println!("seed {seed}: {sent} honest events, the host took {slowest:?} at most");

    add(&mut expected, &attacks::event("espf", "accepted"), sent);
    for (limit, count) in [("body-time", slow.waited_for), ("concurrency", slow.shed)] {
        add(&mut expected, &limited("events", limit), count);
    }
    the_books_agree(&stage, seed, &expected).await;
    until("every honest event is provisioned", SOON, async || {
        stage.oms.ledger().orders.len() as u64 == sent && operations(&stage).await == sent
    })
    .await;
    let log = std::fs::read_to_string(stage.log()).expect("a log");
    assert!(!log.contains("panicked"), "seed {seed}: the host panicked");
    println!("seed {seed}: {resident_after:?} bytes were resident, before and after each part");
    let more = |since: usize| resident_after[PARTS].saturating_sub(resident_after[since]);
    let (in_all, at_last) = (more(0), more(PARTS - 1));
    assert!(in_all <= RESIDENT_MORE_MAX, "seed {seed}: {in_all} bytes more are resident");
    assert!(at_last <= RESIDENT_MORE_AT_LAST_MAX, "seed {seed}: {at_last} bytes more with the last part");
    let ready = reqwest::get(format!("http://{}/readyz", stage.admin)).await.expect("an answer");
    assert!(ready.status().is_success());
}

fn seed() -> u64 {
    let given = std::env::var("PUNCHDOWN_SEED").ok();
    given.map_or_else(rand::random, |seed| seed.parse().expect("a seed is a number"))
}

/// Each listener once, by the name under which it counts.
fn listeners(stage: &Stage) -> BTreeMap<&'static str, SocketAddr> {
    DOORS.iter().map(|door| (door.listener, (door.at)(stage))).collect()
}

/// So many attacks at each door in an order drawn by chance, some at a time; what must have been counted.
async fn attack_all(stage: &Stage, seed: u64, chance: &mut StdRng, each: usize) -> Tally {
    let at_a_time = Arc::new(Semaphore::new(AT_A_TIME));
    let wrong = Arc::new(Mutex::new(Vec::new()));
    let (mut tally, mut under_way) = (Tally::new(), tokio::task::JoinSet::new());
    for turn in 0..each * DOORS.len() {
        let door = &DOORS[turn % DOORS.len()];
        let attack = (door.attack)(chance);
        for series in &attack.counted {
            add(&mut tally, series, 1);
        }
        let from = chance.random_range(100..200);
        let slot = Arc::clone(&at_a_time).acquire_owned().await.expect("it is never closed");
        let (at, name, wrong) = ((door.at)(stage), door.name, Arc::clone(&wrong));
        under_way.spawn(async move {
            let heard = attack.carry_out(from, at).await;
            drop(slot);
            if heard != attack.answered {
                let mut wrong = wrong.lock().unwrap_or_else(PoisonError::into_inner);
                wrong.push(format!("{name}: {}: {heard:?} and not {:?}", attack.what, attack.answered));
            }
        });
    }
    while let Some(ended) = under_way.join_next().await {
        ended.expect("an attack is carried out");
    }
    let wrong = wrong.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(wrong.is_empty(), "seed {seed}: {} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
    tally
}

fn add(tally: &mut Tally, series: &str, count: u64) {
    *tally.entry(series.to_owned()).or_default() += count;
}

/// The three limits that cut off who says nothing, as one series of our own.
fn cut_off(listener: &str) -> String {
    limited(listener, "header-time, per-address, connections")
}

fn limited(listener: &str, limit: &str) -> String {
    format!("punchdown_limited_total{{listener=\"{listener}\",limit=\"{limit}\"}}")
}

/// Every series about callers stands where it must, also those that must not have moved.
async fn the_books_agree(stage: &Stage, seed: u64, expected: &Tally) {
    let mut apart = Vec::new();
    for _ in 0..100 {
        let found = books(stage).await;
        let names = found.keys().chain(expected.keys());
        apart = names
            .map(|series| (series, found.get(series).copied(), expected.get(series).copied()))
            .filter(|(_, found, expected)| found.unwrap_or(0) != expected.unwrap_or(0))
            .map(|(series, found, expected)| format!("{series}: {found:?} and not {expected:?}"))
            .collect();
        if apart.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("seed {seed}: the books do not agree:\n{}", apart.join("\n"));
}

async fn books(stage: &Stage) -> Tally {
    let mut books = Tally::new();
    for (series, count) in metrics(stage).await {
        let kept =
            ["events_total", "notifications_total", "notifications_unread", "dead_letters", "limited_total"];
        if !kept.iter().any(|name| series.starts_with(&format!("punchdown_{name}"))) {
            continue;
        }
        let cuts = listeners(stage).into_keys().find(|listener| {
            ["header-time", "per-address", "connections"]
                .iter()
                .any(|limit| limited(listener, limit) == series)
        });
        add(&mut books, &cuts.map_or(series, cut_off), count);
    }
    books
}

async fn operations(stage: &Stage) -> u64 {
    let all = metrics(stage).await;
    all.iter().filter(|(series, _)| series.starts_with("punchdown_operations{")).map(|(_, count)| count).sum()
}

async fn metrics(stage: &Stage) -> Vec<(String, u64)> {
    let url = format!("http://{}/metrics", stage.admin);
    let text = reqwest::get(url).await.expect("an answer").text().await.expect("text");
    let series = text.lines().filter_map(|line| line.rsplit_once(' '));
    series.filter_map(|(series, value)| Some((series.to_owned(), value.parse().ok()?))).collect()
}

/// The host's memory, as the system counts it.
fn resident(stage: &Stage) -> u64 {
    let pid = stage.host_pid().expect("a host runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the host runs");
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse::<u64>().ok()).expect("a figure") << 10
}
