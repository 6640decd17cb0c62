//! Parks signals that nobody claimed in time. They are kept for a person, and nothing is deleted.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Core;

/// News may come before the answer that names their key, but not days before.
const CLAIMED_WITHIN: Duration = Duration::from_secs(72 * 3600);
const LOOK_EVERY: Duration = Duration::from_secs(300);
const AT_A_TIME: usize = 1000;

pub async fn park(core: &Core, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let since = core.ports.world.now() - CLAIMED_WITHIN;
        let parked = match core.ports.journal.park_unclaimed(since, AT_A_TIME).await {
            Ok(parked) => parked,
            Err(error) => {
                tracing::error!(%error, "cannot look for unclaimed signals");
                0
            }
        };
        if parked > 0 {
            tracing::warn!(signals = parked, "nobody claimed signals in time; they are parked");
        }
        // A full batch may have left some behind.
        if parked == AT_A_TIME {
            continue;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
