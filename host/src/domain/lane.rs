use serde::{Deserialize, Serialize};

use super::{Group, IAccount, Operation, OperationId, Policy, Stage};

/// One account in one group. Its oldest open operation alone may move.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lane {
    pub i_account: IAccount,
    pub group: Group,
}

/// What stands behind the head of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The one that would be the head.
    pub next: OperationId,
    pub next_event: String,
    /// The last that came.
    pub newest: OperationId,
}

/// To what the head of a lane gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivesWay {
    ToNone,
    /// To anything newer: it is stuck.
    ToAnything,
    /// To a newer one for which PortaBilling wants another state of the service.
    ToAnotherState,
}

/// To what a head gives way, whatever stands behind it. Nothing that is in doubt does: somebody
/// has to look first.
pub fn gives_way(head: &Operation) -> GivesWay {
    if head.is_in_doubt() {
        return GivesWay::ToNone;
    }
    match &head.stage {
        Stage::Parked { .. } => GivesWay::ToAnything,
        Stage::Waiting { .. } | Stage::Ready { .. } if head.overdue.is_some() => GivesWay::ToAnything,
        Stage::Waiting { waiting, .. } if waiting.gives_way => GivesWay::ToAnotherState,
        _ => GivesWay::ToNone,
    }
}

/// Whether a head collapses into the next one: both are updates, and nothing has been sent. The
/// next one reads afresh, so nothing is left out.
pub fn collapses(head: &Operation, behind: &Behind, policy: &Policy) -> bool {
    let unstarted = matches!(head.stage, Stage::Received { .. } | Stage::Asking) && head.moves.is_empty();
    let is_update = |event_name: &str| !policy.never_collapse.want(event_name);
    unstarted && is_update(&head.event.name) && is_update(&behind.next_event)
}
