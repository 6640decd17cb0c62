//! Notices: what is told of an order, to whom, and under which signature.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;
use tokio::task::JoinHandle;

use super::orders::Telling;
use super::{Misdeed, Shared};
use crate::lock::lock;
use crate::moment::{rfc3339, unix_seconds};

/// What happened to an order, as the types of events say it.
const STATE_CHANGE: &str = "StateChange";

/// Who is told, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Notify {
    pub url: String,
    pub auth: NotifyAuth,
    /// How often a notice is tried until it is taken. TMF servers try once.
    pub attempts: u32,
    pub attempt_pause: Duration,
}

impl Notify {
    /// Told once, without credentials: what a registration at the hub gives.
    pub fn plain(url: impl Into<String>) -> Self {
        Self { url: url.into(), auth: NotifyAuth::None, attempts: 1, attempt_pause: Duration::ZERO }
    }
}

/// How a notice proves where it comes from.
#[derive(Clone, PartialEq)]
pub enum NotifyAuth {
    None,
    Bearer(String),
    /// The secret, as `whsec_` and base64.
    StandardWebhooks(String),
}

/// Names the kind alone: settings are printed, secrets are not.
impl fmt::Debug for NotifyAuth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "None",
            Self::Bearer(_) => "Bearer",
            Self::StandardWebhooks(_) => "StandardWebhooks",
        })
    }
}

/// A registration at the hub.
pub(super) struct Hub {
    pub(super) id: String,
    pub(super) callback: String,
}

/// A notice, ready to be sent as often as it takes.
struct Notice {
    order_id: String,
    event_id: String,
    body: String,
}

/// Tells of the order as it is now, without waiting for it.
pub(super) fn spawn(shared: &Arc<Shared>, id: &str) -> JoinHandle<()> {
    let telling = lock(&shared.orders).telling(id, STATE_CHANGE);
    let (shared, id, tasks) = (Arc::clone(shared), id.to_owned(), shared.tasks.clone());
    tasks.spawn(async move { send_all(&shared, id, telling).await })
}

/// Tells of the order as it is now, and returns when everyone was told.
pub(super) async fn tell(shared: &Shared, id: &str) {
    let telling = lock(&shared.orders).telling(id, STATE_CHANGE);
    send_all(shared, id.to_owned(), telling).await;
}

pub(super) async fn send_all(shared: &Shared, order_id: String, telling: Option<Telling>) {
    let Some(telling) = telling else { return };
    if telling.silent {
        shared.note(Misdeed::NoticeLost);
        return;
    }
    if !telling.known {
        shared.note(Misdeed::NoticeEarly);
    }
    if telling.repeats {
        shared.note(Misdeed::NoticeRepeated);
    }
    let copies = if telling.repeats { 2 } else { 1 };
    let notice = Notice::new(order_id, telling);
    for notify in receivers(shared) {
        for _ in 0..copies {
            send(shared, &notify, &notice).await;
        }
    }
}

fn receivers(shared: &Shared) -> Vec<Notify> {
    let set = lock(&shared.knobs).notify.clone();
    let hubs = lock(&shared.hubs);
    let registered = hubs.iter().map(|hub| Notify::plain(&hub.callback));
    set.into_iter().chain(registered).collect()
}

async fn send(shared: &Shared, notify: &Notify, notice: &Notice) {
    for attempt in 0..notify.attempts {
        if attempt > 0 {
            tokio::time::sleep(notify.attempt_pause).await;
        }
        lock(&shared.orders).notice_sent(&notice.order_id);
        let request = shared
            .client
            .post(&notify.url)
            .header("content-type", "application/json")
            .body(notice.body.clone());
        let request = match &notify.auth {
            NotifyAuth::None => request,
            NotifyAuth::Bearer(token) => request.bearer_auth(token),
            NotifyAuth::StandardWebhooks(secret) => notice.signed(request, secret),
        };
        match request.send().await {
            Ok(response) if response.status().is_success() => {
                lock(&shared.orders).notice_accepted(&notice.order_id);
                lock(&shared.asked).notices_taken.insert(notice.event_id.clone());
                return;
            }
            Ok(response) => tracing::debug!(status = %response.status(), "a notice was refused"),
            Err(error) => tracing::debug!(%error, "a notice was not answered"),
        }
    }
}

impl Notice {
    fn new(order_id: String, telling: Telling) -> Self {
        let body = json!({
            "eventId": telling.event_id,
            "eventTime": rfc3339(SystemTime::now()),
            "eventType": telling.event_type,
            "event": { telling.about: telling.order },
        });
        Self { order_id, event_id: telling.event_id, body: body.to_string() }
    }

    /// Standard Webhooks: every try is signed anew, for it has a time of its own.
    fn signed(&self, request: reqwest::RequestBuilder, secret: &str) -> reqwest::RequestBuilder {
        let timestamp = unix_seconds(SystemTime::now()).to_string();
        let signature = signature(secret, &self.event_id, &timestamp, &self.body);
        request
            .header("webhook-id", &self.event_id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
    }
}

fn signature(secret: &str, id: &str, timestamp: &str, body: &str) -> String {
    let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
    let key = BASE64_STANDARD.decode(encoded).expect("the secret is written as whsec_ and base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key for HMAC may have any length");
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    let digest = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    format!("v1,{digest}")
}
