//! Begins operations for what an external system changed of itself.

use tokio_util::sync::CancellationToken;

use super::{Core, GroupSettings, LOOK_EVERY};
use crate::domain::{Event, EventIdentity, Json, SystemChange};
use crate::ports::{JournalError, Work};

const AT_A_TIME: usize = 64;
/// The name by which an adapter knows such an operation.
const EVENT: &str = "Punchdown/Notification";

pub async fn begin(core: &Core, stop: CancellationToken) {
    while !stop.is_cancelled() {
        for settings in core.groups.all().values() {
            let begun = begin_in(core, settings).await;
            if let Err(error) = begun {
                tracing::error!(group = %settings.group, %error, "cannot begin what a system changed of itself");
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = core.hints.changes.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Its event's identity is the signal's, so that one that was begun before a crash is not begun again.
async fn begin_in(core: &Core, settings: &GroupSettings) -> Result<(), JournalError> {
    let group = &settings.group;
    for change in core.ports.journal.changes_to_begin(group, AT_A_TIME).await? {
        let SystemChange { signal, i_account, payload, at } = change;
        let event = Event {
            identity: EventIdentity(format!("signal-{signal}")),
            id: format!("signal-{signal}"),
            i_env: None,
            name: EVENT.to_owned(),
            i_account: Some(i_account),
            i_customer: None,
            received_at: at,
            variables: payload,
            enclosed: Json::empty_object(),
            trace: None,
        };
        let operation = core.operation(settings, &event, i_account);
        tracing::info!(%group, %i_account, event = %event.identity, "the system changed of itself; an operation begins");
        core.ports.journal.accept(event, Work::Operations(vec![operation])).await?;
        core.ports.journal.change_begun(signal).await?;
        core.hints.lane(group);
    }
    Ok(())
}
