//! Makes the operations of an event that names only a customer: one for each of its accounts.

use std::sync::LazyLock;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Core, LOOK_EVERY};
use crate::domain::fan_out::{Turn, turn};
use crate::domain::{FanOut, Listed, Operation, Reached, RetrySchedule};
use crate::ports::{Away, JournalError};

const AT_A_TIME: usize = 16;

/// Before a page is asked for again. A customer is never given up: what could not be listed is
/// still to be done, and an operator sees it.
static PAUSES: LazyLock<RetrySchedule> = LazyLock::new(|| {
    let pauses = [1, 10, 60, 300].map(Duration::from_secs);
    RetrySchedule::new(pauses.to_vec()).expect("there are pauses")
});

pub async fn reach(core: &Core, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let due = core.ports.journal.fan_outs_due(core.ports.world.now(), AT_A_TIME).await;
        let due = due.unwrap_or_else(|error| {
            tracing::error!(%error, "cannot look for events of customers");
            Vec::new()
        });
        if due.is_empty() {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = core.hints.fan_outs.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        for fan_out in due {
            if stop.is_cancelled() {
                return;
            }
            if let Err(error) = further(core, &fan_out).await {
                tracing::error!(event = %fan_out.event.identity, %error, "a page of accounts was not stored");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}

/// Reads the next page, and writes down what it makes.
async fn further(core: &Core, from: &FanOut) -> Result<(), JournalError> {
    let event = &from.event.identity;
    let page = match core.ports.billing.accounts_of(from.i_customer, from.reached.position).await {
        Ok(page) => page,
        Err(error) => return put_off(core, from, from.reached, &error.into()).await,
    };
    if let Err(why) = from.event.belongs_to(core.ports.billing.environment()) {
        tracing::error!(%event, %why, "an event of a customer reaches nobody");
        return core.ports.journal.fan_out(from, Vec::new(), None).await.map(drop);
    }
    match turn(from.reached, page) {
        Turn::Moved => {
            let why = "the list of accounts changed while it was read; it is read again".to_owned();
            put_off(core, from, Reached::default(), &why.into()).await
        }
        Turn::Done => {
            core.ports.journal.fan_out(from, Vec::new(), None).await?;
            tracing::info!(%event, i_customer = %from.i_customer, "every account of the customer was reached");
            Ok(())
        }
        Turn::On { accounts, reached } => {
            let page = operations(core, from, &accounts);
            let to = FanOut { reached, attempts: 0, due: core.ports.world.now(), ..from.clone() };
            let new = core.ports.journal.fan_out(from, page, Some(to)).await?;
            tracing::info!(%event, accounts = accounts.len(), operations = new, "accounts of a customer reached");
            from.groups
                .iter()
                .filter(|group| core.groups.of(group).is_some())
                .for_each(|group| core.hints.lane(group));
            Ok(())
        }
    }
}

/// A group that the configuration does not name any more gets none.
fn operations(core: &Core, of: &FanOut, accounts: &[Listed]) -> Vec<(Operation, Listed)> {
    let groups = || of.groups.iter().filter_map(|group| core.groups.of(group));
    let made = accounts.iter().flat_map(|listed| {
        groups().map(|settings| {
            // Whoever closes may have left something of which the journal does not know.
            let closed = listed.closed && !settings.policy.closing.want(&of.event.name);
            (core.operation(&settings, &of.event, listed.i_account), Listed { closed, ..*listed })
        })
    });
    made.collect()
}

async fn put_off(core: &Core, from: &FanOut, reached: Reached, away: &Away) -> Result<(), JournalError> {
    let attempts = from.attempts + 1;
    let why = core.of_billing(&away.why);
    let pause = PAUSES.pause(attempts, away.retry_after, core.ports.world.chance());
    tracing::warn!(event = %from.event.identity, i_customer = %from.i_customer, attempts, why, "the accounts of a customer are asked for again");
    let to = FanOut { reached, attempts, due: core.ports.world.now() + pause, ..from.clone() };
    core.ports.journal.fan_out(from, Vec::new(), Some(to)).await?;
    Ok(())
}
