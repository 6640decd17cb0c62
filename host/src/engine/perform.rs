//! One step, by the one port call that it means.

use std::time::{Duration, Instant};

use super::{Core, GroupSettings, takeover};
use crate::domain::outcome::Outcome;
use crate::domain::step::Step;
use crate::domain::{Behind, LaidDown, Operation, Reason, Request, Stage, Timestamp, Trouble, Wanted};
use crate::ports::{Account, AdapterError, BillingError, Held, Lease, Needs, Question, SendError};
use crate::telemetry::AdapterQuestion;

/// How long a group's operations are held back before it is seen whether it has what it lacked.
const HELD_FOR: Duration = Duration::from_secs(5);
/// When it could not be found out whether something newer wants another state.
const COMPARED_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// A log-in that was refused is not tried again sooner, or the account is locked out.
const LOGIN_REFUSED_PAUSE: Duration = Duration::from_secs(60);

pub async fn perform(
    step: &Step,
    held: &Held,
    lease: &Lease,
    settings: &GroupSettings,
    core: &Core,
) -> Outcome {
    match step {
        Step::GiveWay(to) => Outcome::GaveWay { to: to.clone() },
        Step::Compare(behind) => compare(&held.operation, behind, settings, core).await,
        Step::Read => read(held, settings, core).await,
        Step::Ask => ask(&held.operation, core).await,
        Step::Leave => Outcome::Leaving { epoch: lease.epoch },
        Step::Send => match &held.operation.stage {
            Stage::OnItsWay { request, .. } => send(&held.operation, request, core).await,
            other => unreachable!("`next` sends what is on its way, not what is {}", other.word()),
        },
        Step::Doubt => Outcome::Unanswered(Trouble::new(
            "host-stopped",
            "the host stopped before the answer was written down",
        )),
        Step::Wake(payload) => Outcome::Woken(payload.clone()),
        Step::Elapse => Outcome::Elapsed,
    }
}

/// A step that took longer than the lease of its lane allows.
pub fn overrun(step: &Step, now: Timestamp) -> Outcome {
    let trouble = Trouble::new("step-overrun", "the step took longer than the lease of its lane allows");
    match step {
        Step::Send => Outcome::Unanswered(trouble),
        Step::Read => Outcome::NotRead { trouble, retry_after: None },
        Step::Compare(_) => Outcome::NotCompared { until: now + COMPARED_AGAIN_AFTER },
        Step::GiveWay(_) | Step::Ask | Step::Leave | Step::Doubt | Step::Wake(_) | Step::Elapse => {
            Outcome::Held { trouble, until: now + HELD_FOR }
        }
    }
}

/// Only what is wanted counts here; the newer operation reads for itself.
async fn compare(operation: &Operation, behind: &Behind, settings: &GroupSettings, core: &Core) -> Outcome {
    let closes = settings.policy.closing.want(&behind.next_event);
    let wanted = match core.ports.billing.read(operation.lane.i_account, &[]).await {
        Ok(Account::Found { wanted, .. }) => wanted,
        Ok(Account::Absent) if closes => Wanted::Gone,
        Ok(Account::Absent) | Err(_) => {
            return Outcome::NotCompared { until: core.ports.world.now() + COMPARED_AGAIN_AFTER };
        }
    };
    Outcome::Compared { wanted, behind: behind.clone() }
}

async fn read(held: &Held, settings: &GroupSettings, core: &Core) -> Outcome {
    let operation = &held.operation;
    let Some(needs) = core.ports.adapters.needs(&operation.lane.group) else {
        return hold(core, &AdapterError::NotLoaded(operation.lane.group.clone()));
    };
    let began = Instant::now();
    let answer = core.ports.billing.read(operation.lane.i_account, &needs.queries).await;
    let result = match &answer {
        Ok(Account::Found { .. }) => "found",
        Ok(Account::Absent) => "absent",
        Err(_) => "failed",
    };
    core.metrics.billing_call(result, began.elapsed());
    match answer {
        Ok(Account::Found { subscriber, wanted }) => lay_down(held, needs, wanted, Some(subscriber), core),
        Ok(Account::Absent) if settings.policy.closing.want(&operation.event.name) => {
            lay_down(held, needs, Wanted::Gone, None, core)
        }
        Ok(Account::Absent) => Outcome::Absent,
        Err(BillingError::Unavailable(why)) => {
            Outcome::NotRead { trouble: Trouble::new("billing-unavailable", why), retry_after: None }
        }
        Err(BillingError::LoginRefused(why)) => {
            let until = core.ports.world.now() + LOGIN_REFUSED_PAUSE;
            Outcome::Held { trouble: Trouble::new("billing-login-refused", why), until }
        }
        Err(BillingError::Refused(why)) => Outcome::Refused(Reason::BillingRefused.trouble(why)),
    }
}

fn lay_down(
    held: &Held,
    needs: Needs,
    wanted: Wanted,
    subscriber: Option<crate::domain::Subscriber>,
    core: &Core,
) -> Outcome {
    Outcome::LaidDown(Box::new(LaidDown {
        began: core.ports.world.now(),
        wanted,
        subscriber,
        applied: held.applied.clone(),
        config: needs.config,
        notify_at: needs.notify_at,
    }))
}

async fn ask(operation: &Operation, core: &Core) -> Outcome {
    let group = &operation.lane.group;
    let Some(laid_down) = operation.laid_down.clone() else {
        return Outcome::Refused(Reason::AdapterBroken.trouble("the operation was never laid down"));
    };
    let question = Question {
        operation: operation.id.clone(),
        group: group.clone(),
        service: operation.service.clone(),
        i_account: operation.lane.i_account,
        event: operation.event.clone(),
        laid_down,
        history: operation.history(),
    };
    let began = Instant::now();
    let answer = match is_taken_over(operation, core) {
        true => takeover::check(core, operation, &question).await,
        false => Ok(()),
    };
    let answer = match answer {
        Ok(()) => core.ports.adapters.provision(question).await,
        Err(error) => Err(error),
    };
    let result = if answer.is_ok() { "answered" } else { "fault" };
    core.metrics.adapter_call(group, AdapterQuestion::Provision, result, began.elapsed());
    match answer {
        Ok((progress, by)) => Outcome::Decided { progress: Box::new(progress), by },
        Err(AdapterError::Fault(trouble)) => Outcome::Refused(trouble),
        Err(missing @ AdapterError::NotLoaded(_)) => hold(core, &missing),
    }
}

/// Another adapter decided last.
fn is_taken_over(operation: &Operation, core: &Core) -> bool {
    let serving = core.ports.adapters.needs(&operation.lane.group).map(|needs| needs.digest);
    operation.by.is_some() && operation.by != serving
}

async fn send(operation: &Operation, request: &Request, core: &Core) -> Outcome {
    let key = request.idempotency_key(&operation.id);
    let began = Instant::now();
    let answer = core.ports.outbound.send(&operation.lane.group, request, &key).await;
    let result = match &answer {
        Ok(_) | Err(SendError::TooLarge(_)) => "answered",
        Err(SendError::NotSent(_)) => "not-sent",
        Err(SendError::Unanswered(_)) => "unanswered",
        Err(SendError::Refused(_)) => "refused",
    };
    core.metrics.request(&operation.lane.group, result, began.elapsed());
    match answer {
        Ok(response) => Outcome::Answered(response),
        Err(SendError::NotSent(why)) => Outcome::NotSent(Trouble::new("target-unreachable", why)),
        Err(SendError::Unanswered(why)) => Outcome::Unanswered(Trouble::new("target-silent", why)),
        Err(SendError::TooLarge(why)) => Outcome::Unreadable(Reason::AnswerTooLarge.trouble(why)),
        Err(SendError::Refused(why)) => Outcome::Refused(Reason::RequestRefused.trouble(why)),
    }
}

/// What a whole group lacks fails none of its operations.
fn hold(core: &Core, missing: &AdapterError) -> Outcome {
    let trouble = Trouble::new("adapter-not-loaded", missing.to_string());
    Outcome::Held { trouble, until: core.ports.world.now() + HELD_FOR }
}
