//! Hears what other instances of the host wrote down: what persons said to them of a group, what they died of, and how
//! many share what others allow.

use tokio_util::sync::CancellationToken;

use super::{Core, LOOK_EVERY};
use crate::ports::JournalError;

pub async fn hear(core: &Core, stop: CancellationToken) {
    let hints = core.others_hint();
    tokio::pin!(hints);
    let mut led = false;
    // Where one process alone has the journal it knows all that it has written.
    while core.ports.instances.among().several && !stop.is_cancelled() {
        let leads = core.leads();
        if led && !leads {
            tracing::warn!("this instance leads no more");
        }
        led = leads;
        core.share();
        core.hear_others().await;
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = &mut hints => {}
            () = core.hints.words.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

impl Core {
    /// Wakes whom they wake, without end.
    async fn others_hint(&self) {
        loop {
            for hint in self.ports.instances.hinted().await {
                self.hints.heard(&hint);
            }
        }
    }

    /// Each has its part of what all together may ask in a time.
    pub(super) fn share(&self) {
        let live = self.ports.instances.among().live;
        self.ports.billing.share(live);
        self.ports.outbound.share(live);
    }

    pub(super) async fn hear_others(&self) {
        if let Err(error) = self.heard_of_others().await {
            tracing::error!(%error, "nobody knows what other instances wrote down");
        }
    }

    async fn heard_of_others(&self) -> Result<(), JournalError> {
        for (group, kept) in self.ports.journal.breakers().await? {
            if self.groups.of(&group).is_none() {
                continue;
            }
            let news = self.breakers.of(&group).lock_owned().await.hear(&kept);
            if news {
                self.rest(&group).await;
                self.hints.lane(&group);
            }
        }
        let suspects = self.ports.instances.suspects().await?;
        self.suspects.know(suspects);
        Ok(())
    }
}
