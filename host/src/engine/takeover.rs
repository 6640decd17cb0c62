//! Whether the adapter that serves now may go on with what another one began. Where it may not, that one does, as long as
//! it is there.

use super::Core;
use crate::domain::{Asked, Decision, Digest, Operation, Reason, Request, Trouble};
use crate::ports::{AdapterError, Question};

/// Who is to decide: one that served before, or `None`: the one that serves now.
///
/// # Errors
/// When neither can: a fault with the request that differs, or what the adapter itself brought.
pub async fn by_whom(
    core: &Core,
    operation: &Operation,
    question: &Question,
) -> Result<Option<Digest>, AdapterError> {
    let (adapters, group) = (&core.ports.adapters, &operation.lane.group);
    let serving = adapters.needs(group).map(|needs| needs.digest);
    let Some(before) = operation.by.as_ref().filter(|before| Some(*before) != serving.as_ref()) else {
        return Ok(None);
    };
    match check(core, operation, question).await {
        Ok(()) => Ok(None),
        // Whatever the new one makes of it, what began it is still there.
        Err(AdapterError::Fault(_)) if adapters.keeps(group, before) => Ok(Some(before.clone())),
        Err(why) => Err(why),
    }
}

/// Asks it once for every request already sent, with the history cut before it. One that would
/// have asked for something else might send again what was sent.
///
/// # Errors
/// A fault with the request that differs; or what the adapter itself brought.
async fn check(core: &Core, operation: &Operation, question: &Question) -> Result<(), AdapterError> {
    for (at, done) in operation.moves.iter().enumerate() {
        let Asked::Send { request, .. } = &done.asked else { continue };
        let asked = Question { history: question.history[..at].to_vec(), ..question.clone() };
        let (progress, by) = core.ports.adapters.provision(asked).await?;
        let same = matches!(&progress.decision, Decision::Send(other) if other.asks_the_same_as(request));
        if !same {
            let began = done.by.to_string();
            return Err(AdapterError::Fault(differs(request, progress.decision.word(), &began, by.short())));
        }
    }
    Ok(())
}

fn differs(request: &Request, decision: &str, began: &str, now: &str) -> Trouble {
    Reason::AdapterDiverged.trouble(format!(
        "adapter {now} would not have sent `{}` as it was sent (it decides `{decision}`): \
         bring back {began}, or let a newer event begin anew",
        request.label
    ))
}
