//! What every journal promises, whatever it is made of. The promises are told over `&dyn Journal`,
//! or over a [`Backend`] where they outlive a stop; a second backend joins in [`backends`] and
//! nowhere else. What only a directory can promise stands in [`directory`].

mod arrivals;
mod aside;
mod breakers;
mod changes;
mod components;
mod copies;
mod directory;
mod events;
mod fan_outs;
mod instances;
pub mod lanes;
mod moves;
mod operators;
mod outside;
mod purge;
mod resyncs;
mod rotation;
mod signals;
mod stages;
mod statuses;
mod suspects;
mod tally;
mod together;
mod unclaimed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use punchdown::domain::*;
use punchdown::ports::*;
use punchdown::store;
use punchdown::world::SystemWorld;
use punchdown_kit::postgres::Database;
use punchdown_simulation::journal::MemoryJournal;

use crate::{database, harness};

/// How long every lease of these tests holds.
const TERM: Duration = Duration::from_secs(60);

/// In which the one who opens an empty journal leads.
const FIRST_TERM: u64 = 1;

/// A kind of journal, empty when it is made. What was opened is dropped before it is opened again.
#[async_trait]
trait Backend: Send + Sync {
    async fn open(&self) -> Box<dyn Journal>;
}

struct Sqlite(tempfile::TempDir);

#[async_trait]
impl Backend for Sqlite {
    async fn open(&self) -> Box<dyn Journal> {
        Box::new(open(self.0.path()).expect("the journal opens"))
    }
}

#[async_trait]
impl Backend for MemoryJournal {
    async fn open(&self) -> Box<dyn Journal> {
        Box::new(self.open_again())
    }
}

/// A database of PostgreSQL, and the directory beside it.
struct Postgres {
    folder: tempfile::TempDir,
    database: Database,
    settings: store::Settings,
}

impl Postgres {
    /// `None` where there is no PostgreSQL.
    fn new() -> Option<Self> {
        let folder = harness::folder();
        let database = database::shared()?.database().expect("a database");
        let settings = database::beside(folder.path(), &database);
        Some(Self { folder, database, settings })
    }
}

#[async_trait]
impl Backend for Postgres {
    async fn open(&self) -> Box<dyn Journal> {
        let began = std::time::Instant::now();
        loop {
            match store::begin(&self.settings, Arc::new(SystemWorld)).await {
                // As with a directory.
                Err(store::OpenError::Locked(_)) if began.elapsed() < Duration::from_secs(5) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                opened => {
                    return opened
                        .unwrap_or_else(|error| panic!("{}: {error}", self.folder.path().display()))
                        .journal;
                }
            }
        }
    }
}

fn open_now(directory: &Path) -> Result<store::SqliteJournal, store::OpenError> {
    store::open(&store::Settings::in_directory(directory))
}

/// Patient with the lock: a process that another test is just starting still holds, until it is
/// its own program, all that is open in this one.
pub fn open(directory: &Path) -> Result<store::SqliteJournal, store::OpenError> {
    let began = std::time::Instant::now();
    loop {
        match open_now(directory) {
            Err(store::OpenError::Locked(_)) if began.elapsed() < Duration::from_secs(5) => {
                std::thread::sleep(Duration::from_millis(5));
            }
            opened => return opened,
        }
    }
}

fn backends() -> Vec<Box<dyn Backend>> {
    let postgres = Postgres::new().map(|backend| Box::new(backend) as Box<dyn Backend>);
    let others: [Box<dyn Backend>; 2] =
        [Box::new(Sqlite(harness::folder())), Box::new(MemoryJournal::default())];
    others.into_iter().chain(postgres).collect()
}

/// Holds every kind of journal to a promise.
async fn every_journal(promise: impl AsyncFn(&dyn Journal)) {
    for backend in backends() {
        promise(&*backend.open().await).await;
    }
}

/// The same for a promise that must hold over a stop and a start.
async fn every_backend(promise: impl AsyncFn(&dyn Backend)) {
    for backend in backends() {
        promise(&*backend).await;
    }
}

/// Holds the journal on the disk to what a simulation has no use for.
async fn on_the_disk(promise: impl AsyncFn(&dyn Backend)) {
    promise(&Sqlite(harness::folder())).await;
    if let Some(postgres) = Postgres::new() {
        promise(&postgres).await;
    }
}

fn at(second: u32) -> Timestamp {
    Timestamp::from_millis(1_769_846_400_000) + Duration::from_secs(second.into())
}

/// A notification of which nothing but what stands in it says anything.
fn notice(body: Body) -> Notification {
    let (method, path) = ("POST".to_owned(), "/".to_owned());
    Notification { method, path, headers: Vec::new(), body, received_at: at(0) }
}

fn hss() -> Group {
    Group("hss".to_owned())
}

fn oms() -> Group {
    Group("oms".to_owned())
}

fn service(name: &str) -> Service {
    Service(name.to_owned())
}

fn said(status: Status, message: &str) -> Said {
    Said { status, message: Some(message.to_owned()) }
}

fn json(text: &str) -> Json {
    Json::parse(text.to_owned()).expect("JSON")
}

fn trouble() -> Trouble {
    Trouble::new("profile-unknown", "there is no profile `gold`")
}

/// An event of second 0. Its number is its identity.
fn event(number: u32, i_account: u64) -> Event {
    Event {
        identity: EventIdentity(format!("1-{number}")),
        id: number.to_string(),
        i_env: None,
        i_customer: None,
        name: "Account/New".to_owned(),
        i_account: Some(IAccount(i_account)),
        received_at: at(0),
        variables: json("{\"i_account\": 12345678901234567890, \"z\": 1, \"a\": 1.50}"),
        enclosed: Json::empty_object(),
        trace: None,
    }
}

/// The operation of an event in a group, by a name that is unique.
fn operation(event: &Event, group: Group) -> Operation {
    let id = OperationId(format!("01-{}-{group}", event.identity));
    let i_account = event.i_account.expect("an account");
    Operation::received(id, group, service("HSS"), event.clone(), i_account, Duration::from_secs(600))
}

/// Takes an event of that account, for the group `hss`.
async fn accept(journal: &dyn Journal, number: u32, i_account: u64) -> Operation {
    let event = event(number, i_account);
    let operation = operation(&event, hss());
    let accepted = journal.accept(event, Work::Operations(vec![operation.clone()])).await.expect("stored");
    assert_eq!(accepted, Acceptance::New);
    operation
}

async fn lease_in(journal: &dyn Journal, group: Group, now: Timestamp) -> Leased {
    // Each time somebody else: one who holds a lane is never given it again.
    static CLAIMS: AtomicU64 = AtomicU64::new(0);
    let owner = format!("owner-{}", CLAIMS.fetch_add(1, Ordering::Relaxed));
    journal.lease(Claim { group, ..claim(&owner, now) }).await.expect("leases")
}

/// All that is due in the group `hss`.
fn claim(owner: &str, now: Timestamp) -> Claim {
    let owner = owner.to_owned();
    Claim { group: hss(), owner, most: 100, senders: true, looks_first: false, now, until: now + TERM }
}

/// The lanes of the group `hss` that are due.
async fn lease(journal: &dyn Journal, now: Timestamp) -> Vec<(Lease, Held)> {
    lease_in(journal, hss(), now).await.lanes
}

/// The one lane that is due.
async fn lease_one(journal: &dyn Journal, now: Timestamp) -> (Lease, Held) {
    let mut lanes = lease(journal, now).await;
    assert_eq!(lanes.len(), 1, "one lane is due");
    lanes.remove(0)
}

fn unchanged(operation: Operation) -> Change {
    Change {
        operation,
        notes: Vec::new(),
        applied: None,
        keys: Vec::new(),
        forgets_since: None,
        statuses: BTreeMap::new(),
        took_signal: false,
    }
}

fn in_stage(operation: Operation, stage: Stage) -> Change {
    unchanged(Operation { stage, ..operation })
}

fn says(operation: Operation, name: &str, said: Said) -> Change {
    Change { statuses: BTreeMap::from([(service(name), said)]), ..unchanged(operation) }
}

/// Waits until that second; what it was told to find it by becomes known.
fn waits(operation: Operation, until: u32, keys: &[&str]) -> Change {
    let waiting = Waiting { seconds: None, forget: false, gives_way: false };
    let by = Digest::of(b"adapter");
    let stage = Stage::Waiting { waiting, by: by.clone(), since: at(0), until: at(until) };
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let operation = Operation { stage, due: at(until), keys: keys.clone(), ..operation };
    let notes = vec![Note::Decided { decision: Decision::Wait(waiting), by }];
    Change { keys, notes, ..unchanged(operation) }
}

async fn save(journal: &dyn Journal, lease: &Lease, change: Change, now: Timestamp) -> Held {
    journal.save(lease, change, now).await.expect("the lease holds")
}

/// Leases the one lane that is due, saves what `change` makes of its head, and gives it back.
async fn step(journal: &dyn Journal, now: Timestamp, change: impl FnOnce(Operation) -> Change) -> Held {
    let (lease, held) = lease_one(journal, now).await;
    let held = save(journal, &lease, change(held.operation), now).await;
    journal.release(&lease, now).await.expect("the lease holds");
    held
}

async fn overview(journal: &dyn Journal) -> Overview {
    journal.overview().await.expect("counts")
}

/// Keeps a notification whose sender names it by nothing.
async fn keep(journal: &dyn Journal, group: &Group, id: &str, raw: Notification) {
    let delivered = Delivered { id: id.to_owned(), group: group.clone(), sender_id: None, raw };
    assert_eq!(journal.keep_notification(delivered).await.expect("stored"), Kept::New);
}

/// Keeps a notification of the group `hss` in which that signal is read at once.
async fn hear_signal(journal: &dyn Journal, id: &str, second: u32, signal: Signal) {
    let raw = Notification {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        headers: Vec::new(),
        body: Body::Empty,
        received_at: at(second),
    };
    keep(journal, &hss(), id, raw).await;
    let reading = Reading { reply: Response::ACCEPTED, signals: vec![signal], unread: None };
    journal.record_reading(id, reading, at(second)).await.expect("stored");
}
