//! An order management system that speaks TM Forum, asynchronously: TMF641 v4.1, its R18.5, and TMF622
//! v5, each below a path of its own.
//!
//! An order is acknowledged now, in progress soon, and completed or failed later,
//! when a notice tells of it. It never asks whether it has seen an order before:
//! neither `externalId` nor an idempotency key makes two requests one, so a request
//! that was sent twice shows as two orders.

mod dialect;
mod life;
mod misdeed;
mod notices;
mod odd;
mod orders;
mod routes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

pub use dialect::Dialect;
pub use misdeed::Misdeed;
pub use notices::{Notify, NotifyAuth};
pub use odd::Odd;
pub use orders::OrderSeen;

use crate::client::http_client;
use crate::held::{Hold, Unanswered};
use crate::lock::lock;
use crate::server::{Server, Tasks};
use notices::Hub;
use orders::Orders;

/// How long the receiver of a notice may take to answer.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Clone, Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    /// Ids, fates and times of orders are drawn from it, in the order of arrival.
    pub seed: u64,
    /// The token that clients must bear, when there is one.
    pub bearer: Option<String>,
    /// Who is told of changes, besides those registered at the hub.
    pub notify: Option<Notify>,
    /// The time between a request and its answer. An order is made at its beginning.
    pub answer_after: Duration,
    /// The time between the answer to an order and its end.
    pub completes_after: Range<Duration>,
    /// The share of orders that end failed.
    pub fail_share: f64,
    /// The share of orders with several items whose last item alone fails.
    pub partial_share: f64,
    pub manners: Manners,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 0,
            bearer: None,
            notify: None,
            answer_after: Duration::ZERO,
            completes_after: Duration::from_millis(50)..Duration::from_millis(150),
            fail_share: 0.0,
            partial_share: 0.0,
            manners: Manners::default(),
        }
    }
}

/// How it misbehaves: shares of orders, from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manners {
    /// Every notice of the order is sent twice, with the same `eventId`.
    pub repeats_notice: f64,
    /// The order ends, and its notices are sent, before it is answered.
    pub early_notice: f64,
    /// The order is made, and the connection closes without an answer.
    pub loses_answer: f64,
    /// No notice of the order is sent.
    pub loses_notice: f64,
    /// HTTP 503, and no order is made.
    pub busy: f64,
    /// After its end, a notice of another type tells of the state before.
    pub late_notice: f64,
}

/// What it was asked, up to now.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub orders: Vec<OrderSeen>,
    /// `POST /serviceOrder`, `GET /serviceOrder/{id}`, and how often.
    pub requests: BTreeMap<String, u64>,
    /// The values of the header `Idempotency-Key` on `POST /serviceOrder`, and how often.
    pub idempotency_keys: BTreeMap<String, u64>,
    /// Those that came again although an earlier request under them was never answered.
    pub keys_in_doubt: BTreeSet<String>,
    /// What it did wrong, and how often.
    pub misdeeds: BTreeMap<Misdeed, u64>,
    /// The ids of notices that were answered with a 2xx.
    pub notices_taken: BTreeSet<String>,
}

/// A running OMS. It stops when its last handle is dropped.
#[derive(Clone)]
pub struct Oms {
    shared: Arc<Shared>,
    server: Arc<Server>,
}

struct Shared {
    seed: u64,
    bearer: Option<String>,
    knobs: Mutex<Knobs>,
    orders: Mutex<Orders>,
    /// What the next requests for an order are answered.
    odd: Mutex<VecDeque<Odd>>,
    asked: Mutex<Asked>,
    hubs: Mutex<Vec<Hub>>,
    /// What stands in its inventory, made by others.
    inventory: Mutex<Vec<Value>>,
    refuses_registrations: AtomicBool,
    hold_answers: Hold,
    hold_completion: Hold,
    unanswered: Unanswered,
    client: reqwest::Client,
    tasks: Tasks,
}

/// The settings that can be changed while it runs.
#[derive(Clone)]
struct Knobs {
    answer_after: Duration,
    notify: Option<Notify>,
    completes_after: Range<Duration>,
    fail_share: f64,
    partial_share: f64,
    manners: Manners,
}

#[derive(Default)]
struct Asked {
    /// Requests for an order, the refused ones too: they number the fates.
    orders: u64,
    registrations: u64,
    requests: BTreeMap<String, u64>,
    idempotency_keys: BTreeMap<String, u64>,
    /// Keys of requests that are not answered, or never were.
    unanswered_keys: BTreeSet<String>,
    keys_in_doubt: BTreeSet<String>,
    misdeeds: BTreeMap<Misdeed, u64>,
    notices_taken: BTreeSet<String>,
}

impl Oms {
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listen = settings.listen;
        let tasks = Tasks::default();
        let shared = Arc::new(Shared::new(settings, tasks.clone()));
        let server = Server::start(listen, routes::all(&shared), tasks).await?;
        let server = Arc::new(server);
        Ok(Self { shared, server })
    }

    /// The address below which `serviceOrder` is, in v4.
    pub fn url(&self) -> String {
        self.url_of(Dialect::V4)
    }

    pub fn url_of(&self, dialect: Dialect) -> String {
        self.server.url() + dialect.base_path()
    }

    pub fn set_notify(&self, notify: Option<Notify>) {
        lock(&self.shared.knobs).notify = notify;
    }

    /// For orders that come from now on, as the two below.
    pub fn set_manners(&self, manners: Manners) {
        lock(&self.shared.knobs).manners = manners;
    }

    /// The next request for an order, after those that were said before, is answered so.
    pub fn answer_next(&self, odd: Odd) {
        lock(&self.shared.odd).push_back(odd);
    }

    pub fn set_fail_share(&self, share: f64) {
        lock(&self.shared.knobs).fail_share = share;
    }

    /// For whatever is asked from now on.
    pub fn set_answer_after(&self, after: Duration) {
        lock(&self.shared.knobs).answer_after = after;
    }

    pub fn set_completes_after(&self, after: Range<Duration>) {
        lock(&self.shared.knobs).completes_after = after;
    }

    /// While true, orders are made but not answered.
    pub fn hold_answers(&self, hold: bool) {
        self.shared.hold_answers.set(hold);
    }

    /// While true, orders stay in progress.
    pub fn hold_completion(&self, hold: bool) {
        self.shared.hold_completion.set(hold);
    }

    /// A service of TMF638 that somebody else has made.
    pub fn put_service(&self, service: Value) {
        lock(&self.shared.inventory).push(service);
    }

    /// The callbacks of the registrations that stand, in the order of arrival.
    pub fn registrations(&self) -> Vec<String> {
        lock(&self.shared.hubs).iter().map(|hub| hub.callback.clone()).collect()
    }

    /// While true, nobody is registered.
    pub fn refuse_registrations(&self, refuse: bool) {
        self.shared.refuses_registrations.store(refuse, Ordering::Relaxed);
    }

    /// Requests for an order that were not answered yet. One whose client closed the
    /// connection does not count.
    pub fn unanswered(&self) -> usize {
        self.shared.unanswered.count()
    }

    /// Orders that their client knows of, by the 201 or by a look, and that have not ended.
    pub fn waiting(&self) -> usize {
        lock(&self.shared.orders).waiting()
    }

    pub fn ledger(&self) -> Ledger {
        let asked = lock(&self.shared.asked);
        Ledger {
            orders: lock(&self.shared.orders).seen().cloned().collect(),
            requests: asked.requests.clone(),
            idempotency_keys: asked.idempotency_keys.clone(),
            keys_in_doubt: asked.keys_in_doubt.clone(),
            misdeeds: asked.misdeeds.clone(),
            notices_taken: asked.notices_taken.clone(),
        }
    }

    /// The orders that carry this `externalId`, in the order of arrival.
    pub fn orders_of(&self, external_id: &str) -> Vec<OrderSeen> {
        let orders = lock(&self.shared.orders);
        orders.of(external_id).cloned().collect()
    }

    /// Stops at once, and returns when its port is free. Orders end where they stand.
    pub async fn stop(&self) {
        self.server.stop().await;
    }
}

impl Shared {
    fn new(settings: Settings, tasks: Tasks) -> Self {
        Self {
            seed: settings.seed,
            bearer: settings.bearer,
            knobs: Mutex::new(Knobs {
                answer_after: settings.answer_after,
                notify: settings.notify,
                completes_after: settings.completes_after,
                fail_share: settings.fail_share,
                partial_share: settings.partial_share,
                manners: settings.manners,
            }),
            orders: Mutex::default(),
            odd: Mutex::default(),
            asked: Mutex::default(),
            hubs: Mutex::default(),
            inventory: Mutex::default(),
            refuses_registrations: AtomicBool::new(false),
            hold_answers: Hold::default(),
            hold_completion: Hold::default(),
            unanswered: Unanswered::default(),
            client: http_client(NOTICE_TIMEOUT),
            tasks,
        }
    }
}

impl Shared {
    fn answer_after(&self) -> Duration {
        lock(&self.knobs).answer_after
    }

    fn note(&self, misdeed: Misdeed) {
        *lock(&self.asked).misdeeds.entry(misdeed).or_default() += 1;
    }
}
