//! The life of an order: what is in store for it, and its states in time.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Knobs, Misdeed, Shared, notices};
use crate::lock::lock;

/// The part of an order's time that passes before work on it begins.
const UNTOUCHED: f64 = 0.25;

const REASONS: [&str; 4] = [
    "the network element refused the subscriber",
    "the IMSI is already in use",
    "the profile is not known to the HSS",
    "the network element did not answer in time",
];

/// How an order ends.
#[derive(Clone, Copy)]
pub(super) enum End {
    Completed,
    Failed(&'static str),
    /// Of several items, the last one fails; a single one is completed.
    Partial(&'static str),
}

/// What is in store for one request, drawn once when it comes.
pub(super) struct Fate {
    pub(super) id: String,
    pub(super) busy: bool,
    pub(super) loses_answer: bool,
    pub(super) early_notice: bool,
    pub(super) loses_notice: bool,
    pub(super) repeats_notice: bool,
    pub(super) late_notice: bool,
    pub(super) end: End,
    pub(super) takes: Duration,
}

impl Fate {
    /// The fate of the request of this number. Every draw is made whatever the knobs
    /// say, so that turning one of them leaves the others' luck alone.
    pub(super) fn draw(seed: u64, number: u64, knobs: &Knobs) -> Self {
        let mut chance = StdRng::seed_from_u64(seed.rotate_left(32) ^ number);
        let manners = &knobs.manners;
        let id = order_id(&mut chance);
        let mut strikes = |share: f64| chance.random::<f64>() < share;
        let busy = strikes(manners.busy);
        let loses_answer = strikes(manners.loses_answer);
        let early_notice = strikes(manners.early_notice);
        let loses_notice = strikes(manners.loses_notice);
        let repeats_notice = strikes(manners.repeats_notice);
        let fails = strikes(knobs.fail_share);
        let reason = REASONS[chance.random_range(0..REASONS.len())];
        let after = &knobs.completes_after;
        let spread = after.end.saturating_sub(after.start);
        let takes = after.start + spread.mul_f64(chance.random());
        let partial = chance.random::<f64>() < knobs.partial_share;
        let late_notice = chance.random::<f64>() < manners.late_notice;
        Self {
            id,
            busy,
            loses_answer,
            early_notice,
            loses_notice,
            repeats_notice,
            late_notice,
            end: match (fails, partial) {
                (true, _) => End::Failed(reason),
                (false, true) => End::Partial(reason),
                (false, false) => End::Completed,
            },
            takes,
        }
    }
}

/// Text in the form of a UUID, version 4.
fn order_id(chance: &mut StdRng) -> String {
    let mut bytes: [u8; 16] = chance.random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut id = String::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        write!(id, "{byte:02x}").expect("writing to a string cannot fail");
    }
    id
}

/// Begins the life of an order as soon as `answered` fires or is dropped, which is
/// when its request is over, however it ended.
pub(super) fn begin(shared: &Arc<Shared>, fate: &Fate, answered: oneshot::Receiver<()>) -> JoinHandle<()> {
    let live = live(Arc::clone(shared), fate.id.clone(), fate.takes, fate.end, fate.late_notice);
    shared.tasks.spawn(async move {
        answered.await.ok();
        live.await;
    })
}

async fn live(shared: Arc<Shared>, id: String, takes: Duration, end: End, late_notice: bool) {
    let untouched = takes.mul_f64(UNTOUCHED);
    tokio::time::sleep(untouched).await;
    let Some(first_notice) = enter(&shared, &id, "inProgress", None) else {
        return;
    };
    let earlier = late_notice.then(|| lock(&shared.orders).telling(&id, "AttributeValueChange")).flatten();
    tokio::time::sleep(takes - untouched).await;
    shared.hold_completion.released().await;
    let several = lock(&shared.orders).has_several_items(&id);
    let changed = match end {
        End::Failed(reason) => lock(&shared.orders).change(&id, "failed", Some(reason)),
        End::Partial(reason) if several => lock(&shared.orders).change(&id, "partial", Some(reason)),
        End::Completed | End::Partial(_) => lock(&shared.orders).change(&id, "completed", None),
    };
    // The notices go out in order, however slow the receiver of the first one is.
    first_notice.await.ok();
    if changed.is_err() {
        return;
    }
    notices::tell(&shared, &id).await;
    if earlier.as_ref().is_some_and(|earlier| !earlier.silent) {
        shared.note(Misdeed::NoticeLate);
    }
    notices::send_all(&shared, id, earlier).await;
}

/// Moves the order on and tells of it; `None` when it has ended otherwise.
fn enter(shared: &Arc<Shared>, id: &str, state: &str, error: Option<&str>) -> Option<JoinHandle<()>> {
    let changed = lock(&shared.orders).change(id, state, error);
    changed.ok().map(|()| notices::spawn(shared, id))
}
