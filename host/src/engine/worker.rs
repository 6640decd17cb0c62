//! Drives one leased lane until it rests.
//!
//! Only the order is kept here. What comes next, how long to wait and what an answer means are
//! decided in `domain`. Nothing here retries: a failed step is saved like any other, with a
//! later date.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::clock::Moment;
use super::perform::{LEAVES_WITHIN, Last, overrun, perform};
use super::tell::tell;
use super::{Core, GroupSettings, LEASE};
use crate::domain::Group;
use crate::domain::breaker::sign;
use crate::domain::outcome::{Outcome, apply};
use crate::domain::step::{Head, Next, Step, next};
use crate::ports::{Held, Hint, JournalError, Lease};

/// No step outlives its lease, or two would move the same operation.
const STEP_MAX: Duration = LEASE.saturating_sub(Duration::from_secs(10));

pub async fn drive(core: &Core, group: &Group, lease: &Lease, held: Held, stop: &CancellationToken) {
    let operation = held.operation.id.clone();
    match steps(core, group, lease, held, stop).await {
        Ok(()) => {}
        // Somebody else has the lane; whatever was done here is void.
        Err(JournalError::LeaseLost) => tracing::warn!(%operation, "the lease was lost"),
        Err(error) => tracing::error!(%operation, %error, "cannot save a step"),
    }
}

/// The step to take now, if one may be taken.
async fn now_due(
    core: &Core,
    settings: &GroupSettings,
    lease: &Lease,
    held: &Held,
    stop: &CancellationToken,
) -> Option<Step> {
    let head = Head {
        operation: &held.operation,
        signal: held.signal.as_ref(),
        behind: held.behind.as_ref(),
        epoch: lease.epoch,
    };
    let step = match next(&head, &settings.policy, core.now().await) {
        // A request that was marked is sent even now, or it would be in doubt.
        Next::Do(step) if step == Step::Send => step,
        Next::Do(step) if !stop.is_cancelled() && core.may_move(settings, held).await => step,
        Next::Do(_) | Next::RestUntil(_) | Next::Rest => return None,
    };
    // While the group is held back its requests stay where they are, and no attempt is counted.
    (step != Step::Leave || core.admit(&settings.group).await).then_some(step)
}

async fn steps(
    core: &Core,
    group: &Group,
    lease: &Lease,
    mut held: Held,
    stop: &CancellationToken,
) -> Result<(), JournalError> {
    let (journal, world) = (&core.ports.journal, &core.ports.world);
    let mut ahead = core.clocks.set_ahead();
    let mut last = Last { session: None, written: Moment::of(&**world) };
    // Each step is taken as the group's section says then.
    while let Some(settings) = core.groups.of(group) {
        let Some(step) = now_due(core, &settings, lease, &held, stop).await else { break };
        // A lease is counted from before its write, which may have taken long.
        let left = STEP_MAX - last.written.ago(&**world).min(LEAVES_WITHIN);
        let performed = perform(&step, &held, lease, &settings, core, &mut last);
        let outcome = match tokio::time::timeout(left, performed).await {
            Ok(outcome) => outcome,
            Err(_) => overrun(&step, world.now()),
        };
        let outcome = core.without_secrets(&held.operation, outcome);
        if matches!((&step, &outcome), (Step::Leave | Step::Send, Outcome::Held { .. } | Outcome::Refused(_)))
        {
            core.did_not_leave(group).await;
        }
        let sign = sign(&held.operation, &step, &outcome);
        // Before anything else is waited for: the lease is counted from here, or from later.
        let written = Moment::of(&**world);
        let now = core.now().await;
        let burnt_none = core.held_before(&step, &held.operation, ahead).await;
        ahead = core.clocks.set_ahead();
        let operation = held.operation.given_back(burnt_none);
        let stood = (operation.stage.word(), operation.since);
        let change = apply(operation, outcome, &settings.policy, now, world.chance());
        tell(&core.metrics, stood, &change, now);
        let news = !change.statuses.is_empty();
        last.written = written;
        held = journal.save(lease, change, now).await?;
        if let Some(sign) = sign {
            core.heard(&settings, sign).await;
        }
        if news {
            core.to_whoever_leads(Hint::Statuses);
        }
    }
    Ok(())
}
