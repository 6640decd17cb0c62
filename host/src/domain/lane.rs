use serde::{Deserialize, Serialize};

use super::{Group, IAccount, Operation, Stage};

/// One account in one group. Its oldest open operation alone may move.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lane {
    pub i_account: IAccount,
    pub group: Group,
}

/// Whether the head of a lane gives way to a newer operation behind it: when it is parked or
/// overdue, and nothing is in doubt. Somebody has to look at what is in doubt first.
pub fn gives_way(head: &Operation) -> bool {
    let stuck = matches!(head.stage, Stage::Parked { .. })
        || (head.overdue.is_some() && matches!(head.stage, Stage::Waiting { .. } | Stage::Ready { .. }));
    stuck && !head.is_in_doubt()
}
