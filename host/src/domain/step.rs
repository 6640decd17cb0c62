//! What an operation needs now. The heart of the host: read it first.

use super::{Json, Operation, OperationId, Stage, Timestamp, gives_way};

/// The head of a lane, as it was leased.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    pub operation: &'a Operation,
    /// The earliest kept signal that speaks of it.
    pub signal: Option<&'a Json>,
    /// The operation that stands behind it in the lane.
    pub behind: Option<&'a OperationId>,
    /// The epoch of the lease.
    pub epoch: u64,
}

#[must_use = "nothing happens until the engine acts on it"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Do(Step),
    RestUntil(Timestamp),
    /// Nothing, until a person or something newer comes.
    Rest,
}

/// Each step is one call on one port, or a decision that needs none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make room for a newer operation.
    GiveWay(OperationId),
    /// Ask PortaBilling for the subscriber, and lay the operation down.
    Read,
    /// Ask the adapter what to do.
    Ask,
    /// Write down that the request is about to leave.
    Leave,
    /// Send the request that was just marked.
    Send,
    /// A request was marked by somebody who is no more: it may have left.
    Doubt,
    /// End the wait with a signal.
    Wake(Json),
    /// End the wait because its time is up.
    Elapse,
}

pub fn next(head: &Head<'_>, now: Timestamp) -> Next {
    let operation = head.operation;
    // News that has already come is not thrown away.
    if let Some(newer) = head.behind
        && gives_way(operation)
        && head.signal.is_none()
    {
        return Next::Do(Step::GiveWay(newer.clone()));
    }
    match &operation.stage {
        // A mark of another epoch is what a crash leaves behind; it does not wait for a date.
        Stage::OnItsWay { epoch, .. } if *epoch == head.epoch => Next::Do(Step::Send),
        Stage::OnItsWay { .. } => Next::Do(Step::Doubt),
        Stage::Waiting { until, .. } => match head.signal {
            Some(payload) => Next::Do(Step::Wake(payload.clone())),
            None if now >= *until => Next::Do(Step::Elapse),
            None => Next::RestUntil(*until),
        },
        Stage::Parked { .. } | Stage::Finished | Stage::Ignored { .. } | Stage::Superseded { .. } => {
            Next::Rest
        }
        Stage::Received { .. } | Stage::Asking | Stage::Ready { .. } if now < operation.due => {
            Next::RestUntil(operation.due)
        }
        Stage::Received { .. } => Next::Do(Step::Read),
        Stage::Asking => Next::Do(Step::Ask),
        Stage::Ready { .. } => Next::Do(Step::Leave),
    }
}
