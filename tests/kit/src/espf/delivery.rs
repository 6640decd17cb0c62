//! Deliveries: the pace at which they leave, and what an answer means.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use super::{Auth, EventSeen, Shared, State};
use crate::lock::lock;
use crate::moment::http_date;

/// How far the pace may lag before it stops catching up: the grain of the timer
/// must not make a fast pace slower.
const CATCH_UP: Duration = Duration::from_millis(20);

/// Takes events from the queue and gives each a slot, at the pace that was set.
pub(super) async fn dispatch(shared: Arc<Shared>, mut queued: mpsc::UnboundedReceiver<usize>) {
    let mut pace = Pace::new(shared.settings.rate);
    while let Some(place) = queued.recv().await {
        let slot = Arc::clone(&shared.slots).acquire_owned().await;
        let slot = slot.expect("the slots are never closed");
        pace.next().await;
        shared.unpaused().await;
        let delivery = deliver(Arc::clone(&shared), place, slot);
        shared.tasks.spawn(delivery);
    }
}

async fn deliver(shared: Arc<Shared>, place: usize, slot: OwnedSemaphorePermit) {
    let body = {
        let event = &mut lock(&shared.world).events[place];
        event.seen.deliveries += 1;
        event.body.clone()
    };
    let answer = send(&shared, body).await;
    drop(slot);
    lock(&shared.world).events[place].seen.record(&answer);
    match answer.settles() {
        Some(_) => shared.open.send_modify(|open| *open -= 1),
        None => {
            tokio::time::sleep(shared.settings.repeat_after).await;
            shared.enqueue(place);
        }
    }
}

async fn send(shared: &Shared, body: String) -> Answer {
    let settings = &shared.settings;
    let mut request = shared
        .client
        .post(&settings.url)
        .header(DATE, http_date(SystemTime::now()))
        .header(CONTENT_TYPE, "application/json")
        .body(body);
    if let Some(credentials) = settings.auth.header() {
        request = request.header(AUTHORIZATION, credentials);
    }
    match request.send().await {
        Ok(response) => Answer::Status(response.status().as_u16()),
        Err(error) if error.is_timeout() => Answer::None("timed out"),
        Err(error) if error.is_connect() => Answer::None("connection refused"),
        Err(_) => Answer::None("connection closed"),
    }
}

impl Auth {
    fn header(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Basic { user, password } => {
                let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
                Some(format!("Basic {credentials}"))
            }
            Self::Custom { kind, credential } => Some(format!("{kind} {credential}")),
        }
    }
}

/// What came back from one delivery.
enum Answer {
    Status(u16),
    /// Nothing, and why.
    None(&'static str),
}

impl Answer {
    /// The state that the answer settles the event in, if it does.
    fn settles(&self) -> Option<State> {
        match self {
            Self::Status(200) => Some(State::Acknowledged),
            Self::Status(400..500) => Some(State::Discarded),
            Self::Status(_) | Self::None(_) => None,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(formatter),
            Self::None(why) => formatter.write_str(why),
        }
    }
}

impl EventSeen {
    /// The first answer that settles the event counts, a later one to its duplicate
    /// does not.
    fn record(&mut self, answer: &Answer) {
        self.answers.push(answer.to_string());
        if let (State::Queued, Some(settled)) = (self.state, answer.settles()) {
            self.state = settled;
            self.answered_at = Some(SystemTime::now());
        }
    }
}

/// Spaces deliveries evenly.
struct Pace {
    every: Duration,
    due: Instant,
}

impl Pace {
    fn new(rate: f64) -> Self {
        let every = if rate > 0.0 { Duration::from_secs_f64(rate.recip()) } else { Duration::ZERO };
        let due = Instant::now();
        Self { every, due }
    }

    async fn next(&mut self) {
        let now = Instant::now();
        if self.due > now {
            tokio::time::sleep_until(self.due).await;
        }
        let behind = now.checked_sub(CATCH_UP).unwrap_or(now);
        self.due = self.due.max(behind) + self.every;
    }
}
