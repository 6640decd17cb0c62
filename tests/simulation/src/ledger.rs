//! What was seen of a host from outside, against which its promises are held.

use std::collections::{BTreeMap, BTreeSet};

use punchdown::domain::{Group, IAccount, OperationId, Service};

use crate::universe::Moment;

#[derive(Default)]
pub struct Ledger {
    /// Operations by the event, account and group that they are of.
    pub made: BTreeMap<(String, IAccount, Group), Vec<OperationId>>,
    pub ended: BTreeSet<OperationId>,
    /// The last operation of each lane.
    pub newest: BTreeMap<(IAccount, Group), OperationId>,
    /// Requests under way, by their host and lane.
    pub under_way: BTreeSet<(u32, Group, IAccount)>,
    /// Requests that must not be repeated and left, by their key, with what the host may know of them.
    pub once: BTreeMap<String, Once>,
    /// Lanes in which a request arrived that had left under a lease that was over by then: its host stood still with the
    /// request under way.
    pub late: BTreeSet<(Group, IAccount)>,
    /// Since when and how often a lane was given out, and nothing was written.
    pub idle: BTreeMap<i64, (Moment, u32)>,
    /// Operations whose order has ended, and that was read.
    pub heard_of: BTreeMap<String, Moment>,
    /// The version of the word that PortaBilling heard last.
    pub heard: BTreeMap<(IAccount, Service), u64>,
}

/// What became of a request that must not be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    /// It was answered, or surely did not arrive.
    Settled,
    /// It may have arrived, since then.
    MayHaveArrived(Moment),
}

impl Ledger {
    /// What it had under way it has no more.
    pub fn host_died(&mut self) {
        self.under_way.clear();
    }
}
