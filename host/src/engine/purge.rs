//! Purges what ended long ago. In small batches with pauses between them: whoever else writes waits for
//! one batch at most.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Core;
use crate::ports::{Purge, Purgeable, Purged};

/// How long the journal keeps what nobody needs for the work any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// From the end of an operation.
    pub finished: Duration,
    /// From the arrival of a notification or a dead letter: its body as it came.
    pub bodies: Duration,
}

const LOOK_EVERY: Duration = Duration::from_secs(600);
const ROWS_AT_A_TIME: usize = 500;
const BETWEEN_BATCHES: Duration = Duration::from_millis(50);

pub async fn purge(core: &Core, retention: Retention, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let went = round(core, retention, &stop).await;
        if !went.counts.is_empty() {
            tracing::info!(
                operations = went.of(Purgeable::Operation),
                events = went.of(Purgeable::Event),
                notifications = went.of(Purgeable::Notification),
                signals = went.of(Purgeable::Signal),
                dead_letters = went.of(Purgeable::DeadLetter),
                bodies = went.of(Purgeable::Body),
                "what ended long ago was purged"
            );
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Batch after batch, until nothing is left that is old enough.
async fn round(core: &Core, retention: Retention, stop: &CancellationToken) -> Purged {
    let now = core.ports.world.now();
    let old = Purge {
        finished_before: now - retention.finished,
        bodies_before: now - retention.bodies,
        most: ROWS_AT_A_TIME,
    };
    let mut went = Purged::default();
    loop {
        let batch = match core.ports.journal.purge(old).await {
            Ok(batch) => batch,
            Err(error) => {
                tracing::error!(%error, "cannot purge what ended long ago");
                return went;
            }
        };
        for (what, rows) in batch.counts {
            core.metrics.purged(what, rows);
            went.add(what, rows);
        }
        if !batch.more || stop.is_cancelled() {
            return went;
        }
        tokio::time::sleep(BETWEEN_BATCHES).await;
    }
}
