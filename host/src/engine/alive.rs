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
    /// How long nobody ran is known to every group before anything moves. It is written down before the date that it
    /// was made of is: whoever begins meanwhile finds either. Two who count the same time count it once.
    pub(super) async fn come_back(&self) {
        let now = self.now().await;
        let last = self.ports.journal.last_alive().await.unwrap_or_else(|error| {
            tracing::error!(%error, "nobody knows when a host last ran");
            None
        });
        let among = self.ports.instances.among();
        let away = last.filter(|last| now.since(*last) > EVERY + among.clocks_apart());
        if let Some(last) = away {
            let away_s = now.since(last).as_secs();
            tracing::warn!(%last, away_s, "nobody ran for a while; that burns no deadline");
            for group in self.groups.all().keys() {
                self.was_away(group, last, now).await;
            }
        }
        if let Err(error) = self.ports.journal.alive(now).await {
            tracing::error!(%error, "cannot write down that the host runs");
        }
        if among.several {
            self.hear_others().await;
        }
    }
}
