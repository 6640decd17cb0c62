//! Whether the adapter that serves now may go on with what another one began. Where it may not, that one does, as long as
//! it is there.

use super::Core;
use super::suspects::Marked;
use crate::domain::{Asked, Decision, Digest, Lane, Operation, Progress, Reason, Request, Subject, Trouble};
use crate::ports::{AdapterError, Question};

/// The next decision, and whose it is. Whoever is to decide is named once, so that one who takes over meanwhile decides
/// nothing that he was not asked about.
///
/// # Errors
/// When neither the one that serves nor the one that decided last can: a fault with the request that differs, or what
/// the adapter itself brought.
pub async fn decide(
    core: &Core,
    operation: &Operation,
    question: Question,
    marked: &Marked,
) -> Result<(Progress, Digest), AdapterError> {
    let (adapters, group) = (&core.ports.adapters, &operation.lane.group);
    let needs = adapters.needs(group).ok_or_else(|| AdapterError::NotLoaded(group.clone()))?;
    let Some(before) = operation.by.as_ref().filter(|before| **before != needs.digest) else {
        return adapters.provision_by(&needs.digest, question).await;
    };
    let asked = async {
        check(core, operation, &question, &needs.digest).await?;
        adapters.provision_by(&needs.digest, question.clone()).await
    };
    let fault = match asked.await {
        Err(AdapterError::Fault(fault)) => fault,
        answer => return answer,
    };
    marked.clear();
    if !core.may_go_on(&operation.lane, before).await {
        return Err(AdapterError::Fault(fault));
    }
    // Whatever the new one makes of it, what began it is still there.
    let subject = Subject::Lane(operation.lane.clone());
    core.hand_on(&subject, marked, before).await;
    let answer = adapters.provision_by(before, question).await;
    core.acquit_of(&subject, before).await;
    answer
}

impl Core {
    /// Whether a component that serves no more may be asked to go on with what it began: it is still there, and processes
    /// did not die of it time and again.
    pub(super) async fn may_go_on(&self, lane: &Lane, before: &Digest) -> bool {
        self.may_ask(&Subject::Lane(lane.clone()), before)
            && self.ports.adapters.keeps(&lane.group, before).await
    }
}

/// Asks one once for every request already sent, with the history cut before it. One that would
/// have asked for something else might send again what was sent.
///
/// # Errors
/// A fault with the request that differs; or what the adapter itself brought.
async fn check(
    core: &Core,
    operation: &Operation,
    question: &Question,
    digest: &Digest,
) -> Result<(), AdapterError> {
    for (at, done) in operation.moves.iter().enumerate() {
        let Asked::Send { request, .. } = &done.asked else { continue };
        let asked = Question { history: question.history[..at].to_vec(), ..question.clone() };
        let (progress, by) = core.ports.adapters.provision_by(digest, asked).await?;
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
