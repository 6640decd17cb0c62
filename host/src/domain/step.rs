//! What an operation needs now. The heart of the host: read it first.

use super::{Behind, GivesWay, Json, Operation, OperationId, Policy, Stage, Timestamp, collapses, gives_way};

/// The head of a lane, as it was leased.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    pub operation: &'a Operation,
    /// The earliest kept signal that speaks of it.
    pub signal: Option<&'a Json>,
    pub behind: Option<&'a Behind>,
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
    /// Ask PortaBilling whether it now wants another state of the service than when the head
    /// began; the newest operation behind it may have come for that.
    Compare(Behind),
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

impl Step {
    /// Whether it moves the head from where it rested.
    pub const fn moves(&self) -> bool {
        match self {
            Self::Read | Self::Ask | Self::Leave | Self::Doubt | Self::Wake(_) | Self::Elapse => true,
            // These leave the head where it is, or were begun a moment ago.
            Self::GiveWay(_) | Self::Compare(_) | Self::Send => false,
        }
    }
}

pub fn next(head: &Head<'_>, policy: &Policy, now: Timestamp) -> Next {
    let operation = head.operation;
    if let Some(step) = make_room(head, policy, now) {
        return Next::Do(step);
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
        Stage::Parked { .. }
        | Stage::Finished
        | Stage::Ignored { .. }
        | Stage::Superseded { .. }
        | Stage::Skipped { .. } => Next::Rest,
        Stage::Received { .. } | Stage::Asking | Stage::Ready { .. } if now < operation.due => {
            Next::RestUntil(operation.due)
        }
        Stage::Received { .. } => Next::Do(Step::Read),
        Stage::Asking => Next::Do(Step::Ask),
        Stage::Ready { .. } => Next::Do(Step::Leave),
    }
}

/// What has to be done for those who stand behind. News that has already come goes first, where they change
/// anything: one that is stuck and does not wait cannot take them.
fn make_room(head: &Head<'_>, policy: &Policy, now: Timestamp) -> Option<Step> {
    let (operation, behind) = (head.operation, head.behind?);
    let has_news = head.signal.is_some();
    if !has_news && collapses(operation, behind, policy) {
        return Some(Step::GiveWay(behind.next.clone()));
    }
    let waits = matches!(operation.stage, Stage::Waiting { .. });
    match gives_way(operation) {
        _ if has_news && waits => None,
        GivesWay::ToAnything => Some(Step::GiveWay(behind.next.clone())),
        GivesWay::ToAnotherState => {
            let is_new = operation.compared.as_ref() != Some(&behind.newest);
            (is_new && now >= operation.compare_at).then(|| Step::Compare(behind.clone()))
        }
        GivesWay::ToNone => None,
    }
}
