//! One step, by the one port call that it means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::Moment;
use super::sessions::Session;
use super::suspects::Marked;
use super::{Core, GroupSettings, PbData, takeover};
use crate::domain::outcome::Outcome;
use crate::domain::step::Step;
use crate::domain::{
    Behind, Decision, Enriched, LaidDown, Operation, Progress, Reason, Request, Stage, Subject, Timestamp,
    Trouble, Wanted,
};
use crate::ports::{
    Account, AdapterError, Away, BillingError, Held, Lack, Lease, Marks, Needs, Question, SendError,
};
use crate::telemetry::AdapterQuestion;

/// How long a group's operations are held back before it is seen whether it has what it lacked.
const HELD_FOR: Duration = Duration::from_secs(5);
/// When it could not be found out whether something newer wants another state.
const COMPARED_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// A log-in that was refused is not tried again sooner, or the account is locked out.
const LOGIN_REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// A request leaves so soon after its mark was written, or not by that mark: so much is left of a step beside the
/// longest time-out of a target.
pub const LEAVES_WITHIN: Duration = Duration::from_secs(5);

/// What a step leaves to the next one of its lane.
pub struct Last {
    /// With which the last request left.
    pub session: Option<Arc<Session>>,
    /// When what was written last was about to be written; the lease is counted from there.
    pub written: Moment,
}

pub async fn perform(
    step: &Step,
    held: &Held,
    lease: &Lease,
    settings: &GroupSettings,
    core: &Core,
    last: &mut Last,
) -> Outcome {
    match step {
        Step::GiveWay(to) => Outcome::GaveWay { to: to.clone() },
        Step::Compare(behind) => compare(&held.operation, behind, settings, core).await,
        Step::Read => read(held, settings, core).await,
        Step::Ask => ask(&held.operation, core, &mut last.session).await,
        Step::Leave => leave(&held.operation, lease, settings, core).await,
        Step::Send => match &held.operation.stage {
            Stage::OnItsWay { request, .. } => send(&held.operation, request, core, last).await,
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
    let now = core.ports.world.now();
    let wanted = match core.ports.billing.read(operation.lane.i_account, &[], now).await {
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
    if let Some(enriched) = sent_along(operation, settings, &needs, core).await {
        core.metrics.billing_spared();
        let read_at = enriched.read_at.min(core.ports.world.now());
        return lay_down(held, needs, enriched.wanted, Some(enriched.subscriber), read_at);
    }
    let began = Instant::now();
    let since = newer_than(operation, core).await;
    let answer = core.ports.billing.read(operation.lane.i_account, &needs.queries, since).await;
    let result = match &answer {
        Ok(Account::Found { .. }) => "found",
        Ok(Account::Absent) => "absent",
        Err(_) => "failed",
    };
    core.metrics.billing_call(result, began.elapsed());
    let read_at = core.ports.world.now();
    // At the door nobody may have known yet which environment is served; whoever has read knows.
    if let Err(why) = operation.event.belongs_to(core.ports.billing.environment())
        && answer.is_ok()
    {
        return Outcome::Refused(Reason::OtherEnvironment.trouble(why.to_string()));
    }
    match answer {
        Ok(Account::Found { subscriber, wanted }) => lay_down(held, needs, wanted, Some(subscriber), read_at),
        Ok(Account::Absent) if settings.policy.closing.want(&operation.event.name) => {
            lay_down(held, needs, Wanted::Gone, None, read_at)
        }
        Ok(Account::Absent) => Outcome::Absent,
        Err(BillingError::Unavailable(Away { why, retry_after })) => {
            Outcome::NotRead { trouble: Trouble::new("billing-unavailable", why), retry_after }
        }
        Err(BillingError::LoginRefused(why) | BillingError::LockedOut(why)) => {
            let until = core.ports.world.now() + LOGIN_REFUSED_PAUSE;
            Outcome::Held { trouble: Trouble::new("billing-login-refused", why), until }
        }
        Err(BillingError::Refused(why)) => Outcome::Refused(Reason::BillingRefused.trouble(why)),
    }
}

/// What NSPS read, where it may stand for a reading of our own: in a group that says so, and at the
/// first reading alone, for whoever reads again wants something newer.
async fn sent_along(
    operation: &Operation,
    settings: &GroupSettings,
    needs: &Needs,
    core: &Core,
) -> Option<Enriched> {
    if settings.pb_data != PbData::Instead || operation.stage != (Stage::Received { attempts: 0 }) {
        return None;
    }
    let served = core.ports.billing.environment();
    operation
        .event
        .belongs_to(served)
        .ok()
        .filter(|()| served.is_some() || operation.event.i_env.is_none())?;
    let enriched = operation.event.enriched(&needs.queries)?;
    let moved = core.ports.journal.changed_before(&operation.id).await.ok()?;
    enriched.is_fresh(core.ports.world.now(), moved).then_some(enriched)
}

/// After when the subscriber must have been read. What was read after its event was stored shows what that tells of;
/// and as much for what stood before it in its lane, which may tell of something newer: an event of a customer
/// reaches an account late. Whoever reads again wants something newer.
async fn newer_than(operation: &Operation, core: &Core) -> Timestamp {
    let is_first = operation.stage == Stage::Received { attempts: 0 } && operation.readings == 0;
    if !is_first {
        return core.ports.world.now();
    }
    match core.ports.journal.changed_before(&operation.id).await {
        // Both dates may be another machine's.
        Ok(moved) => {
            let apart = core.ports.instances.among().clocks_apart();
            operation.event.received_at.max(moved.unwrap_or_default()) + apart
        }
        Err(_) => core.ports.world.now(),
    }
}

fn lay_down(
    held: &Held,
    needs: Needs,
    wanted: Wanted,
    subscriber: Option<crate::domain::Subscriber>,
    read_at: Timestamp,
) -> Outcome {
    Outcome::LaidDown(Box::new(LaidDown {
        began: read_at,
        wanted,
        subscriber,
        applied: held.applied.clone(),
        config: needs.config,
        notify_at: needs.notify_at,
    }))
}

async fn ask(operation: &Operation, core: &Core, session: &mut Option<Arc<Session>>) -> Outcome {
    let group = &operation.lane.group;
    let Some(laid_down) = operation.laid_down.clone() else {
        return Outcome::Refused(Reason::AdapterBroken.trouble("the operation was never laid down"));
    };
    let question = Question::about(operation, laid_down, operation.history());
    let subject = Subject::Lane(operation.lane.clone());
    if let Some(trouble) = core.fatal(&subject) {
        return Outcome::Refused(trouble);
    }
    let marked = Marked::default();
    let answer = takeover::decide(core, operation, question, &marked);
    let answer = core.asked_under(&subject, AdapterQuestion::Provision, &marked, answer).await;
    let left_with = session.take();
    if let (Ok((Progress { decision: Decision::Renew(_), .. }, _)), Some(ended)) = (&answer, left_with) {
        core.session_ended(group, &ended).await;
    }
    match answer {
        Ok((progress, by)) => {
            // What an older one can, says nothing of the one that serves.
            if core.serving(group).as_ref() == Some(&by) {
                core.adapter_answered(&operation.lane).await;
            }
            Outcome::Decided { progress: Box::new(progress), by }
        }
        // Nor does where it stops, though it began that.
        Err(AdapterError::Fault(trouble)) if core.is_gone_on_with_by_an_older(operation).await => {
            Outcome::Refused(trouble)
        }
        Err(AdapterError::Fault(trouble)) => core.stopped(operation, trouble).await,
        Err(missing @ AdapterError::NotLoaded(_)) => hold(core, &missing),
    }
}

/// What the request needs is there before it is marked as on its way.
async fn leave(operation: &Operation, lease: &Lease, settings: &GroupSettings, core: &Core) -> Outcome {
    let group = &operation.lane.group;
    if let Some(lack) = core.registration_lack(settings).await {
        return lacking(lack, core);
    }
    if let Stage::Ready { request, .. } = &operation.stage
        && let Err(lack) = core.session(group, request).await
    {
        return lacking(lack, core);
    }
    match core.ports.outbound.make_ready(group, operation.looks()).await {
        Ok(()) => Outcome::Leaving { epoch: lease.epoch },
        Err(lack) => lacking(lack, core),
    }
}

fn lacking(lack: Lack, core: &Core) -> Outcome {
    Outcome::Held { trouble: lack.trouble, until: core.ports.world.now() + lack.pause }
}

async fn send(operation: &Operation, request: &Request, core: &Core, last: &mut Last) -> Outcome {
    let (group, world) = (&operation.lane.group, &*core.ports.world);
    // It was there when the request was marked, and may have come to its end since.
    match core.session(group, request).await {
        Ok(current) => last.session = current,
        Err(lack) => return lacking(lack, core),
    }
    // Whoever stood still may have lost the lane meanwhile, and somebody else sends.
    if last.written.ago(world) > LEAVES_WITHIN {
        let (id, i_account) = (&operation.id, operation.lane.i_account);
        tracing::warn!(operation = %id, %group, %i_account, code = "stood-still", "a request does not leave by its mark; it is marked again");
        let trouble = Trouble::new("stood-still", "the host stood still between its mark and the request");
        return Outcome::Held { trouble, until: world.now() };
    }
    let marks = Marks::of(operation, request);
    match core.sent(group, request, &marks, Session::values(last.session.as_ref())).await {
        Ok(response) => Outcome::Answered(response),
        Err(SendError::NotSent(why)) => Outcome::NotSent(Trouble::new("target-unreachable", why)),
        Err(SendError::Unanswered(why)) => Outcome::Unanswered(Trouble::new("target-silent", why)),
        Err(SendError::TooLarge(why)) => Outcome::Unreadable(Reason::AnswerTooLarge.trouble(why)),
        Err(SendError::Refused(why)) => Outcome::Refused(Reason::RequestRefused.trouble(why)),
        Err(SendError::Lacking(lack)) => lacking(lack, core),
    }
}

/// What a whole group lacks fails none of its operations.
fn hold(core: &Core, missing: &AdapterError) -> Outcome {
    let trouble = Trouble::new("adapter-not-loaded", missing.to_string());
    Outcome::Held { trouble, until: core.ports.world.now() + HELD_FOR }
}
