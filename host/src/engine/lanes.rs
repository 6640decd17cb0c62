//! Takes lanes that are due, and gives them back.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::stops::Turns;
use super::{Core, GroupSettings, LEASE, LOOK_EVERY};
use crate::domain::Timestamp;
use crate::ports::{Claim, Held, JournalError, Lease};

impl Core {
    /// The lanes that are due, and when to look again.
    pub(super) async fn lease(
        &self,
        settings: &GroupSettings,
        most: usize,
        looks_first: bool,
    ) -> (Vec<(Lease, Held)>, Duration) {
        if most == 0 || self.is_paused(settings).await {
            return (Vec::new(), LOOK_EVERY);
        }
        let turns = self.turns(&settings.group).await;
        let most = match turns {
            Turns::Any => most,
            Turns::One => 1,
            Turns::None => return (Vec::new(), LOOK_EVERY),
        };
        let now = self.now().await;
        let senders = self.admits(&settings.group).await;
        let (group, owner) = (settings.group.clone(), self.owner.clone());
        let claim = Claim { group, owner, most, senders, looks_first, now, until: now + LEASE };
        match self.ports.journal.lease(claim).await {
            Ok(leased) => {
                if let (Turns::One, Some((_, held))) = (turns, leased.lanes.first()) {
                    self.probes_adapter(&held.operation.lane);
                }
                let look_in =
                    if leased.lanes.is_empty() { until(leased.next_due, now) } else { Duration::ZERO };
                (leased.lanes, look_in)
            }
            Err(error) => {
                tracing::error!(group = %settings.group, %error, "cannot lease lanes");
                (Vec::new(), LOOK_EVERY)
            }
        }
    }
}

fn until(due: Option<Timestamp>, now: Timestamp) -> Duration {
    due.map_or(LOOK_EVERY, |due| due.since(now).clamp(Duration::from_millis(1), LOOK_EVERY))
}

/// Gives the lane back, whatever became of the step: nobody else takes it from a living owner.
pub async fn give_back(core: &Core, lease: &Lease, stop: &CancellationToken) {
    while let Err(error) = core.ports.journal.release(lease, core.ports.world.now()).await {
        if matches!(error, JournalError::LeaseLost) || stop.is_cancelled() {
            return;
        }
        tracing::error!(lane = lease.lane, %error, "cannot give a lane back");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
