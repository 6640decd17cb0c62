//! Reads again what nobody could read when it came: its adapter stopped, was not loaded, or the
//! host died between storing and reading.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Core;
use crate::domain::{Group, Notification, Reading, Trouble};
use crate::ports::JournalError;

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Whoever received it is given so long to read it himself.
const LEFT_ALONE: Duration = Duration::from_secs(10);
const AT_A_TIME: usize = 64;

pub async fn read_again(core: &Core, stop: CancellationToken) {
    while !stop.is_cancelled() {
        // In quarantine an adapter is asked nothing, and one that is not there cannot be.
        let can_be_asked =
            |group: &Group| core.quarantine(group).is_none() && core.ports.adapters.serves(group);
        for group in core.groups.all().keys().filter(|group| can_be_asked(group)) {
            let unread = match core.ports.journal.unread(group, AT_A_TIME).await {
                Ok(unread) => unread,
                Err(error) => {
                    tracing::error!(%group, %error, "cannot look for unread notifications");
                    continue;
                }
            };
            let now = core.ports.world.now();
            for (id, raw) in unread {
                if now.since(raw.received_at) < LEFT_ALONE || stop.is_cancelled() {
                    continue;
                }
                if let Err(error) = read_once_more(core, group, &id, &raw).await {
                    tracing::error!(%group, notification = id, %error, "cannot record a reading");
                }
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// One that stops its adapter a second time is left alone until the next start, when another
/// adapter may be there; the others are not held up by it.
async fn read_once_more(
    core: &Core,
    group: &Group,
    id: &str,
    raw: &Notification,
) -> Result<(), JournalError> {
    if core.read_notification(group, id, raw).await?.is_some() {
        return Ok(());
    }
    let trouble = Trouble::new("unreadable", "the adapter stopped twice while reading it");
    let unread = Reading { reply: core.default_reply(group), signals: Vec::new(), unread: Some(trouble) };
    core.ports.journal.record_reading(id, unread, core.ports.world.now()).await
}
