//! Events, what they make, and those of customers on their way to the accounts.

use std::collections::BTreeSet;

use punchdown::domain::{Event, FanOut, Listed, Operation, Reached, Timestamp};
use punchdown::ports::{Acceptance, JournalError, Work};

use super::Flaw;
use super::tables::{FanOutRow, LaneRow, OperationRow, Tables};

fn is_the_same(known: &Event, event: &Event) -> bool {
    (&known.name, known.i_account, known.i_customer) == (&event.name, event.i_account, event.i_customer)
}

impl Tables {
    pub fn accept(&mut self, mut event: Event, mut work: Work) -> Acceptance {
        while let Some(known) = self.events.get(&event.identity.0) {
            if is_the_same(known, &event) {
                if self.breaks(Flaw::KnowsNoRepeats) {
                    self.begin(&event, work);
                }
                return Acceptance::Repeated;
            }
            event.identity = event.other_identity();
        }
        if let Work::Operations(operations) = &mut work {
            for operation in operations {
                operation.event.identity = event.identity.clone();
            }
        }
        if self.breaks(Flaw::AnswersEarly) && self.number() % 7 == 0 {
            return Acceptance::New;
        }
        self.events.insert(event.identity.0.clone(), event.clone());
        self.begin(&event, work);
        Acceptance::New
    }

    fn begin(&mut self, event: &Event, work: Work) {
        match work {
            Work::Operations(operations) => {
                for operation in operations {
                    self.insert_operation(event, operation);
                }
            }
            Work::FanOut(groups) => {
                let Some(i_customer) = event.i_customer else { return };
                let fan_out = FanOut {
                    event: event.clone(),
                    i_customer,
                    groups,
                    reached: Reached::default(),
                    attempts: 0,
                    due: event.received_at,
                };
                self.fan_outs.insert(event.identity.0.clone(), FanOutRow { fan_out, done: false });
            }
        }
    }

    /// Behind the others of its lane, with the signals that wait for it.
    fn insert_operation(&mut self, event: &Event, operation: Operation) {
        let group = operation.lane.group.clone();
        let of_account = super::signals::of_account(operation.lane.i_account);
        let lane = self.lane_of(&group, operation.lane.i_account);
        let lane = lane.unwrap_or_else(|| self.new_lane(&operation));
        let seq = self.number();
        self.by_id.insert(operation.id.clone(), seq);
        if operation.stage.is_open()
            && let Some(row) = self.lanes.get_mut(&lane)
        {
            row.open.insert(seq);
        }
        let (changed_at, timeline) = (event.received_at, Vec::new());
        self.operations.insert(seq, OperationRow { lane, operation, changed_at, timeline, purged: false });
        self.claim_kept_signals(&group, &of_account, seq);
        self.settle(lane, event.received_at);
    }

    fn new_lane(&mut self, operation: &Operation) -> i64 {
        let id = self.number();
        let lane = LaneRow {
            group: operation.lane.group.clone(),
            i_account: operation.lane.i_account,
            due: None,
            owner: None,
            lease_until: Timestamp::default(),
            epoch: 0,
            applied: None,
            sends: false,
            looks: false,
            open: BTreeSet::new(),
        };
        self.lanes.insert(id, lane);
        id
    }

    pub fn fan_outs_due(&self, now: Timestamp, most: usize) -> Vec<FanOut> {
        let due = self.fan_outs.values().filter(|row| !row.done && row.fan_out.due <= now);
        let mut due: Vec<FanOut> = due.map(|row| row.fan_out.clone()).collect();
        due.sort_by_key(|fan_out| fan_out.due);
        due.truncate(most);
        due
    }

    pub fn fan_out(
        &mut self,
        from: &FanOut,
        page: Vec<(Operation, Listed)>,
        to: Option<&FanOut>,
    ) -> Result<usize, JournalError> {
        let row = self.fan_outs.get_mut(&from.event.identity.0);
        let Some(row) = row.filter(|row| !row.done && row.fan_out.reached == from.reached) else {
            return Err(JournalError::LeaseLost);
        };
        match to {
            Some(&FanOut { reached, attempts, due, .. }) => {
                row.fan_out = FanOut { reached, attempts, due, ..row.fan_out.clone() };
            }
            None => row.done = true,
        }
        let mut new = 0;
        for (operation, Listed { closed, .. }) in page {
            if self.is_wanted(&operation, &from.event, closed) {
                self.insert_operation(&from.event, operation);
                new += 1;
            }
        }
        Ok(new)
    }

    /// A lane gets one operation of an event; a closed account's only while something stands or is open.
    fn is_wanted(&self, operation: &Operation, event: &Event, closed: bool) -> bool {
        let Some(lane) = self.lane_of(&operation.lane.group, operation.lane.i_account) else {
            return !closed;
        };
        let has_one = self
            .operations
            .values()
            .any(|row| row.lane == lane && !row.purged && row.operation.event.identity == event.identity);
        let row = &self.lanes[&lane];
        !has_one && (!closed || row.applied.is_some() || !row.open.is_empty())
    }
}
