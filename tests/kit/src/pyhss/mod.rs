//! An HSS and PCRF with the manners of PyHSS 2.0 on a SQLite: what is not there is `200` and `null`, what is busy is
//! `400`, and what can never be is `500`. A value of the wrong type is passed over in silence.
//!
//! It never asks whether it has seen a request before. What tells a repeat from a second record is a column that
//! must be unique, where there is one.

mod answers;
mod odd;
mod routes;
mod tables;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

pub use odd::Odd;
pub use tables::{Row, Table};

use crate::client::http_client;
use crate::held::{Hold, Unanswered};
use crate::lock::lock;
use crate::server::{Server, Tasks};
use tables::Tables;

/// How long the receiver of a webhook may take.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    /// Chance is drawn from it, in the order of arrival.
    pub seed: u64,
    /// What `Provisioning-Key` must say of a write, when provisioning is locked.
    pub key: Option<String>,
    /// Whether keys of cards can be read; they are always shown to whoever made them.
    pub shows_keys: bool,
    pub manners: Manners,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 0,
            key: None,
            shows_keys: false,
            manners: Manners::default(),
        }
    }
}

/// How it misbehaves: shares of writes, from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manners {
    /// The database is locked, and nothing was done.
    pub locked: f64,
    /// It was done, and the connection closes without an answer.
    pub loses_answer: f64,
}

/// What it was asked, up to now.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// `PUT /auc`, `GET /subscriber/{id}`, `GET /subscriber/imsi/{}`, and how often.
    pub requests: BTreeMap<String, u64>,
    /// Rules that were pushed: IMSI, APN and rule.
    pub pushed: Vec<(String, u64, u64)>,
    /// What it did wrong, and how often.
    pub odd: BTreeMap<Odd, u64>,
    pub refused_keys: u64,
    /// Of every webhook: method, body, and how often it was tried.
    pub webhooks: Vec<(String, String, u32)>,
}

/// A running PyHSS. It stops when its last handle is dropped.
#[derive(Clone)]
pub struct Pyhss {
    shared: Arc<Shared>,
    server: Arc<Server>,
}

struct Shared {
    settings: Settings,
    tables: Mutex<Tables>,
    knobs: Mutex<Knobs>,
    ledger: Mutex<Ledger>,
    hold_answers: Hold,
    unanswered: Unanswered,
    client: reqwest::Client,
    tasks: Tasks,
}

/// What can be changed while it runs.
#[derive(Default)]
struct Knobs {
    key: Option<String>,
    manners: Manners,
    /// What the next requests of a kind are answered.
    odd: BTreeMap<String, VecDeque<Odd>>,
    /// Who is told of every write.
    webhook: Option<String>,
    /// Sessions at the PCRF: IMSI and APN.
    sessions: BTreeSet<(String, u64)>,
    pushes_break: bool,
    writes: u64,
}

impl Pyhss {
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let (listen, tasks) = (settings.listen, Tasks::default());
        let shared = Arc::new(Shared {
            tables: Mutex::default(),
            knobs: Mutex::new(Knobs {
                key: settings.key.clone(),
                manners: settings.manners.clone(),
                ..Knobs::default()
            }),
            settings,
            ledger: Mutex::default(),
            hold_answers: Hold::default(),
            unanswered: Unanswered::default(),
            client: http_client(WEBHOOK_TIMEOUT),
            tasks: tasks.clone(),
        });
        let server = Arc::new(Server::start(listen, routes::all(&shared), tasks).await?);
        Ok(Self { shared, server })
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// A record that somebody else made, and its id.
    ///
    /// # Panics
    /// When the table does not take it.
    pub fn put(&self, table: Table, members: &Value) -> u64 {
        let row = lock(&self.shared.tables).create(table, members).expect("a record that can be made");
        row[table.id()].as_u64().unwrap_or_default()
    }

    /// The APN of that name, as a network has it.
    pub fn put_apn(&self, name: &str) -> u64 {
        self.put(Table::Apn, &json!({ "apn": name, "apn_ambr_dl": 0, "apn_ambr_ul": 0 }))
    }

    pub fn put_rule(&self, name: &str) -> u64 {
        let rates = json!({ "rule_name": name, "mbr_dl": 0, "mbr_ul": 0, "gbr_dl": 0, "gbr_ul": 0 });
        self.put(Table::ChargingRule, &rates)
    }

    /// Somebody else changes a record, and whoever wants to hear of it does.
    pub fn change(&self, table: Table, id: u64, members: &Value) {
        let before = lock(&self.shared.tables).patch(table, id, members).ok();
        webhooks::tell(&self.shared, "PATCH", before.as_ref());
    }

    /// Somebody else removes a record.
    pub fn remove(&self, table: Table, id: u64) {
        if lock(&self.shared.tables).delete(table, id) {
            webhooks::tell(&self.shared, "DELETE", None);
        }
    }

    /// All records of a table, by their ids.
    pub fn rows(&self, table: Table) -> Vec<Row> {
        lock(&self.shared.tables).rows(table).cloned().collect()
    }

    /// Somebody is online there.
    pub fn attach(&self, imsi: &str, apn_id: u64) {
        lock(&self.shared.knobs).sessions.insert((imsi.to_owned(), apn_id));
    }

    /// While true, a rule cannot be pushed, not even where somebody is online.
    pub fn break_pushes(&self, breaks: bool) {
        lock(&self.shared.knobs).pushes_break = breaks;
    }

    pub fn set_key(&self, key: Option<&str>) {
        lock(&self.shared.knobs).key = key.map(str::to_owned);
    }

    pub fn set_webhook(&self, url: Option<&str>) {
        lock(&self.shared.knobs).webhook = url.map(str::to_owned);
    }

    pub fn set_manners(&self, manners: Manners) {
        lock(&self.shared.knobs).manners = manners;
    }

    /// The next request of that kind (`PUT /auc`), after those that were said before, goes so.
    pub fn answer_next(&self, request: &str, odd: Odd) {
        lock(&self.shared.knobs).odd.entry(request.to_owned()).or_default().push_back(odd);
    }

    /// While true, writes are done but not answered.
    pub fn hold_answers(&self, hold: bool) {
        self.shared.hold_answers.set(hold);
    }

    /// Writes that were done and not answered yet, by clients that are still there.
    pub fn unanswered(&self) -> usize {
        self.shared.unanswered.count()
    }

    pub fn ledger(&self) -> Ledger {
        lock(&self.shared.ledger).clone()
    }

    /// Stops at once, and returns when its port is free.
    pub async fn stop(&self) {
        self.server.stop().await;
    }
}
