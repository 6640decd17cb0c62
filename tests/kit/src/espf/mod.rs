//! The ESPF: it sends events, and believes the answers literally.
//!
//! `200` means taken, any `4xx` means that the event is to be thrown away, and
//! everything else, silence included, means that it is sent again, for ever. The
//! order of events is not promised, and an event may come more than once.

mod delivery;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::DropGuard;

use crate::client::client_believing;
use crate::lock::lock;
use crate::server::Tasks;

#[derive(Clone, Debug)]
pub struct Settings {
    /// The full address of the door that takes events. The default is no address.
    pub url: String,
    pub auth: Auth,
    /// Certificates in PEM, one of which stands behind that of the door; none by default.
    pub ca: String,
    /// Deliveries a second, repeated ones included; 0 is as fast as possible.
    pub rate: f64,
    /// Deliveries under way at once.
    pub concurrency: usize,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// The pause before an event is sent again.
    pub repeat_after: Duration,
    /// Chance is drawn from it.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: String::new(),
            auth: Auth::None,
            ca: String::new(),
            rate: 0.0,
            concurrency: 16,
            timeout: Duration::from_secs(300),
            repeat_after: Duration::from_millis(300),
            seed: 0,
        }
    }
}

/// What the `Authorization` header says.
#[derive(Clone, PartialEq)]
pub enum Auth {
    None,
    Basic {
        user: String,
        password: String,
    },
    /// `<kind> <credential>`, so a bearer token is the kind `Bearer`.
    Custom {
        kind: String,
        credential: String,
    },
}

/// Names the kind alone: settings are printed, credentials are not.
impl fmt::Debug for Auth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic",
            Self::Custom { .. } => "Custom",
        })
    }
}

/// Everything that was emitted, in order.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub events: Vec<EventSeen>,
}

/// What became of one emitted event.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSeen {
    pub i_event: u64,
    pub event_type: String,
    pub i_account: Option<u64>,
    pub emitted_at: SystemTime,
    /// When the answer came that settled it.
    pub answered_at: Option<SystemTime>,
    /// Every answer, in order: `200`, `503`, `timed out`, `connection refused`,
    /// `connection closed`.
    pub answers: Vec<String>,
    pub state: State,
    /// How often it was sent.
    pub deliveries: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It will be sent, or sent again.
    Queued,
    /// It was answered with 200.
    Acknowledged,
    /// It was answered with a 4xx, and is lost to the receiver.
    Discarded,
}

/// A running ESPF. It stops when its last handle is dropped.
#[derive(Clone)]
pub struct Espf {
    shared: Arc<Shared>,
    _running: Arc<DropGuard>,
}

struct Shared {
    settings: Settings,
    client: reqwest::Client,
    slots: Arc<Semaphore>,
    tasks: Tasks,
    /// Places in the list of events. A duplicate is the same place twice.
    queue: mpsc::UnboundedSender<usize>,
    /// How many places are in the queue or on their way.
    open: watch::Sender<usize>,
    paused: watch::Sender<bool>,
    world: Mutex<World>,
}

struct World {
    events: Vec<Event>,
    last_i_event: u64,
    duplicates: f64,
    chance: StdRng,
}

struct Event {
    seen: EventSeen,
    body: String,
}

impl Espf {
    /// Starts with an empty queue. It must be called within a tokio runtime.
    ///
    /// # Panics
    /// When `ca` holds what is no certificate.
    pub fn start(settings: Settings) -> Self {
        let (queue, queued) = mpsc::unbounded_channel();
        let tasks = Tasks::default();
        let shared = Arc::new(Shared {
            client: client_believing(settings.timeout, &settings.ca).expect("certificates in PEM"),
            slots: Arc::new(Semaphore::new(settings.concurrency.max(1))),
            tasks: tasks.clone(),
            queue,
            open: watch::Sender::new(0),
            paused: watch::Sender::new(false),
            world: Mutex::new(World {
                events: Vec::new(),
                last_i_event: 0,
                duplicates: 0.0,
                chance: StdRng::seed_from_u64(settings.seed),
            }),
            settings,
        });
        tasks.spawn(delivery::dispatch(Arc::clone(&shared), queued));
        Self { shared, _running: Arc::new(tasks.guard()) }
    }

    /// Queues an event and returns its number. `variables` is an object, or null for
    /// none; an `i_event` in it is kept, else the next number is put there.
    pub fn emit(&self, event_type: &str, variables: Value) -> u64 {
        let shared = &self.shared;
        let world = &mut *lock(&shared.world);
        let (i_event, place) = world.add(event_type, variables);
        let copies = 1 + usize::from(world.chance.random::<f64>() < world.duplicates);
        shared.open.send_modify(|open| *open += copies);
        for _ in 0..copies {
            shared.enqueue(place);
        }
        i_event
    }

    /// Lets this share of the events emitted from now on be sent twice.
    pub fn emit_duplicates(&self, share: f64) {
        lock(&self.shared.world).duplicates = share;
    }

    /// Waits until every event was answered with 200 or discarded; false when it
    /// takes longer than `within`.
    pub async fn drained(&self, within: Duration) -> bool {
        let mut open = self.shared.open.subscribe();
        let empty = open.wait_for(|open| *open == 0);
        tokio::time::timeout(within, empty).await.is_ok()
    }

    /// Lets what is on its way arrive, and sends nothing more.
    pub fn pause(&self) {
        self.shared.paused.send_replace(true);
    }

    pub fn resume(&self) {
        self.shared.paused.send_replace(false);
    }

    pub fn ledger(&self) -> Ledger {
        let world = lock(&self.shared.world);
        let events = world.events.iter().map(|event| event.seen.clone()).collect();
        Ledger { events }
    }

    /// Stops at once, whatever is on its way.
    pub async fn stop(&self) {
        self.shared.tasks.stop().await;
    }
}

impl World {
    fn add(&mut self, event_type: &str, mut variables: Value) -> (u64, usize) {
        if variables.is_null() {
            variables = json!({});
        }
        let i_event = number(&variables["i_event"]).unwrap_or(self.last_i_event + 1);
        self.last_i_event = self.last_i_event.max(i_event);
        if let Some(fields) = variables.as_object_mut() {
            fields.entry("i_event").or_insert_with(|| i_event.into());
        }
        self.events.push(Event {
            seen: EventSeen {
                i_event,
                event_type: event_type.to_owned(),
                i_account: number(&variables["i_account"]),
                emitted_at: SystemTime::now(),
                answered_at: None,
                answers: Vec::new(),
                state: State::Queued,
                deliveries: 0,
            },
            body: json!({ "event_type": event_type, "variables": variables }).to_string(),
        });
        (i_event, self.events.len() - 1)
    }
}

/// A number that may be written as text, as the real one writes some.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

impl Shared {
    fn enqueue(&self, place: usize) {
        // Nobody receives once it is stopped, and then nothing is to be sent.
        self.queue.send(place).ok();
    }

    async fn unpaused(&self) {
        let mut paused = self.paused.subscribe();
        // The sender lives as long as `self`, so the wait cannot fail.
        paused.wait_for(|paused| !*paused).await.ok();
    }
}
