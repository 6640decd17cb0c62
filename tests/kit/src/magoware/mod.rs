//! A Magoware back office with its manners: a success may hold a refusal or be a sentence, what breaks is a
//! redirection to a page, and a subscription that is sold without an end is extended each time that it is.
//!
//! Third parties show a key in the query; who locks and removes logs in first.

mod answers;
mod books;
mod odd;
mod routes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

pub use books::{Login, Subscription};
pub use odd::Odd;

use crate::held::{Hold, Unanswered};
use crate::lock::lock;
use crate::server::{Server, Tasks};
use books::Books;

#[derive(Clone, Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    pub seed: u64,
    /// What `apikey` must say.
    pub key: String,
    pub admin: String,
    pub password: String,
    /// Whether a login can be removed; a customer always can.
    pub removes_logins: bool,
    /// Whether a customer takes his logins with him.
    pub cascades: bool,
    /// The share of writes that are done, and whose connection closes without an answer.
    pub loses_answer: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 0,
            key: "key-of-magoware".to_owned(),
            admin: "admin".to_owned(),
            password: "password-of-magoware".to_owned(),
            removes_logins: false,
            cascades: true,
            loses_answer: 0.0,
        }
    }
}

/// What it was asked, up to now.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// `POST /api/upsertsubscription`, `PUT /api/logindata/{id}`, and how often.
    pub requests: BTreeMap<String, u64>,
    /// What it did wrong, and how often.
    pub odd: BTreeMap<Odd, u64>,
    pub log_ins: u64,
    /// Every token that it gave.
    pub tokens: Vec<String>,
    /// Sales without an end.
    pub extended: u64,
}

/// It stops when its last handle is dropped.
#[derive(Clone)]
pub struct Magoware {
    shared: Arc<Shared>,
    server: Arc<Server>,
}

struct Shared {
    settings: Settings,
    books: Mutex<Books>,
    knobs: Mutex<Knobs>,
    ledger: Mutex<Ledger>,
    hold_answers: Hold,
    unanswered: Unanswered,
}

#[derive(Default)]
struct Knobs {
    odd: BTreeMap<String, VecDeque<Odd>>,
    tokens: BTreeSet<String>,
    writes: u64,
}

impl Magoware {
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listen = settings.listen;
        let shared = Arc::new(Shared {
            settings,
            books: Mutex::default(),
            knobs: Mutex::default(),
            ledger: Mutex::default(),
            hold_answers: Hold::default(),
            unanswered: Unanswered::default(),
        });
        let server = Arc::new(Server::start(listen, routes::all(&shared), Tasks::default()).await?);
        Ok(Self { shared, server })
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// A product that can be sold, of these packages.
    pub fn put_product(&self, id: &str, packages: &[u64]) {
        lock(&self.shared.books).put_product(id, packages);
    }

    /// A login that somebody else made, and its id.
    pub fn put_login(&self, username: &str, email: &str) -> u64 {
        lock(&self.shared.books).add_login(username, email, "somebody's")
    }

    pub fn logins(&self) -> Vec<Login> {
        lock(&self.shared.books).logins().cloned().collect()
    }

    pub fn customers(&self) -> usize {
        lock(&self.shared.books).customers()
    }

    /// What a login of that name may watch: package and end.
    pub fn subscriptions(&self, username: &str) -> Vec<Subscription> {
        lock(&self.shared.books).subscriptions(username)
    }

    /// The next request of that kind, after those that were said before, goes so.
    pub fn answer_next(&self, request: &str, odd: Odd) {
        lock(&self.shared.knobs).odd.entry(request.to_owned()).or_default().push_back(odd);
    }

    /// Every session ends.
    pub fn end_sessions(&self) {
        lock(&self.shared.knobs).tokens.clear();
    }

    /// While true, writes are done but not answered.
    pub fn hold_answers(&self, hold: bool) {
        self.shared.hold_answers.set(hold);
    }

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
