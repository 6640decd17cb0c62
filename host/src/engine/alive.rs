//! Writes down that the host runs, so that the next start knows for how long nobody did: that time
//! burns no operation's deadline.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Core;

/// After a crash the next start may be wrong by so much.
const EVERY: Duration = Duration::from_secs(5);

pub async fn tell(core: &Core, stop: CancellationToken) {
    loop {
        let stopping = stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none();
        // The last word is said as the host stops.
        if let Err(error) = core.ports.journal.alive(core.ports.world.now()).await {
            tracing::error!(%error, "cannot write down that the host runs");
        }
        if stopping {
            return;
        }
    }
}

impl Core {
    /// How long nobody ran is known to every group before anything moves.
    pub(super) async fn come_back(&self) {
        let now = self.now().await;
        let last = match self.ports.journal.alive(now).await {
            Ok(last) => last,
            Err(error) => {
                tracing::error!(%error, "nobody knows when a host last ran");
                None
            }
        };
        // While another instance runs, whatever its clock shows, somebody does.
        let alone = self.ports.instances.among().live.get() == 1;
        let Some(last) = last.filter(|last| alone && now.since(*last) > EVERY) else { return };
        tracing::warn!(%last, away_s = now.since(last).as_secs(), "nobody ran for a while; that burns no deadline");
        for group in self.groups.all().keys() {
            self.was_away(group, last, now).await;
        }
    }
}
