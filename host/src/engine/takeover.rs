//! Whether the adapter that serves now may go on with what another one began.

use super::Core;
use crate::domain::{Asked, Decision, Operation, Reason, Request, Trouble};
use crate::ports::{AdapterError, Question};

/// Asks it once for every request already sent, with the history cut before it. One that would
/// have asked for something else might send again what was sent.
///
/// # Errors
/// A fault with the request that differs; or what the adapter itself brought.
pub async fn check(core: &Core, operation: &Operation, question: &Question) -> Result<(), AdapterError> {
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
