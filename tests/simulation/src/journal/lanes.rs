//! Lanes: who may move what, and when.

use punchdown::domain::{Behind, GivesWay, OperationId, Stage, Timestamp, gives_way};
use punchdown::ports::{Claim, Held, JournalError, Lease, Leased};

use super::Flaw;
use super::tables::{Fate, LaneRow, Tables};

/// Lanes that only look for news, and those that do not.
#[derive(Clone, Copy)]
enum Kind {
    Looks,
    Others { senders: bool },
}

impl Kind {
    const fn takes(self, lane: &LaneRow) -> bool {
        match self {
            Self::Looks => lane.looks,
            Self::Others { senders } => !lane.looks && (senders || !lane.sends),
        }
    }

    const fn in_order(claim: &Claim) -> [Self; 2] {
        let others = Self::Others { senders: claim.senders };
        if claim.looks_first { [Self::Looks, others] } else { [others, Self::Looks] }
    }
}

impl Tables {
    pub fn lease(&mut self, claim: &Claim) -> Leased {
        let mut taken = Vec::new();
        for kind in Kind::in_order(claim) {
            let mut due: Vec<(Timestamp, i64)> = Vec::new();
            for (id, lane) in &self.lanes {
                let at = lane.due.filter(|at| *at <= claim.now && lane.group == claim.group);
                let is_free = self.is_free(lane, &claim.owner, claim.now);
                due.extend(at.filter(|_| kind.takes(lane) && is_free).map(|at| (at, *id)));
            }
            due.sort_unstable();
            for (_, id) in due.into_iter().take(claim.most - taken.len()) {
                taken.push(id);
                self.hold(id, claim);
            }
        }
        let mut lanes = Vec::with_capacity(taken.len());
        for id in taken {
            match self.held(id) {
                Some(held) => lanes.push((self.lease_on(id, claim), held)),
                None => self.settle_and_free(id, claim.now),
            }
        }
        let next_due = if lanes.is_empty() { self.next_due(claim) } else { None };
        Leased { lanes, next_due }
    }

    fn is_free(&self, lane: &LaneRow, owner: &str, now: Timestamp) -> bool {
        let Some(holder) = &lane.owner else { return true };
        (holder != owner && lane.lease_until <= now) || self.breaks(Flaw::LeasesTwice)
    }

    fn hold(&mut self, id: i64, claim: &Claim) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.owner = Some(claim.owner.clone());
            lane.lease_until = claim.until;
            lane.epoch += 1;
        }
    }

    fn lease_on(&self, id: i64, claim: &Claim) -> Lease {
        let term = claim.until.since(claim.now);
        Lease { lane: id, owner: claim.owner.clone(), epoch: self.lanes[&id].epoch, term }
    }

    fn next_due(&self, claim: &Claim) -> Option<Timestamp> {
        let kinds = Kind::in_order(claim);
        let lanes = self.lanes.values().filter(|lane| {
            lane.group == claim.group && lane.owner.is_none() && kinds.iter().any(|kind| kind.takes(lane))
        });
        lanes.filter_map(|lane| lane.due).min()
    }

    /// The head of a lane with all that stands beside it.
    fn held(&self, lane: i64) -> Option<Held> {
        let seq = self.head_of(lane)?;
        Some(self.beside(lane, seq))
    }

    pub fn beside(&self, lane: i64, seq: i64) -> Held {
        let row = &self.lanes[&lane];
        let signal = self.kept_signal(seq).map(|id| self.signals[&id].payload.clone());
        let behind = row.open.range(seq + 1..).next().map(|next| {
            let next = &self.operations[next].operation;
            let newest = row.open.last().unwrap_or(&seq);
            let newest = self.operations[newest].operation.id.clone();
            Behind { next: next.id.clone(), next_event: next.event.name.clone(), newest }
        });
        Held {
            operation: self.operations[&seq].operation.clone(),
            signal,
            behind,
            applied: row.applied.clone(),
        }
    }

    /// The earliest signal that is kept for an operation.
    pub fn kept_signal(&self, seq: i64) -> Option<i64> {
        let kept = |row: &super::SignalRow| row.operation == Some(seq) && row.fate == Fate::Kept;
        self.signals.iter().find(|(_, row)| kept(row)).map(|(id, _)| *id)
    }

    pub fn changed_before(&self, id: &OperationId) -> Option<Timestamp> {
        let seq = self.by_id.get(id)?;
        let lane = self.operations[seq].lane;
        let before = self.operations.range(..seq).filter(|(_, row)| row.lane == lane);
        before.map(|(_, row)| row.changed_at).max()
    }

    /// Every write asks so whether the lease still holds.
    pub fn prolong(&mut self, lease: &Lease, now: Timestamp) -> Result<(), JournalError> {
        let unchecked = self.breaks(Flaw::ChecksNoEpoch);
        let lane = self.lanes.get_mut(&lease.lane).ok_or(JournalError::LeaseLost)?;
        let holds = lane.owner.as_ref() == Some(&lease.owner) && lane.epoch == lease.epoch;
        if !holds && !unchecked {
            return Err(JournalError::LeaseLost);
        }
        lane.lease_until = now + lease.term;
        Ok(())
    }

    pub fn release(&mut self, lease: &Lease, now: Timestamp) -> Result<(), JournalError> {
        self.prolong(lease, now)?;
        self.settle_and_free(lease.lane, now);
        let (loses, keeps) = (self.breaks(Flaw::LosesDates), self.breaks(Flaw::KeepsDates));
        if let Some(lane) = self.lanes.get_mut(&lease.lane).filter(|_| loses || keeps) {
            lane.due = keeps.then_some(now);
        }
        Ok(())
    }

    fn settle_and_free(&mut self, lane: i64, now: Timestamp) {
        if let Some(row) = self.lanes.get_mut(&lane) {
            row.owner = None;
        }
        self.settle(lane, now);
    }

    /// Makes a lane's date from what stands in it; that of a lane which somebody holds is this very moment.
    pub fn settle(&mut self, lane: i64, now: Timestamp) {
        let due = self.head_of(lane).and_then(|head| self.lane_due(lane, head, now));
        let only = |wanted: &str| {
            let head = self.head_of(lane).map(|head| &self.operations[&head].operation);
            head.is_some_and(|head| head.stage.word() == wanted && due == Some(head.due))
        };
        let (sends, looks) = (only("ready"), only("waiting"));
        if let Some(row) = self.lanes.get_mut(&lane) {
            let is_free = row.owner.is_none();
            row.due = if is_free { due } else { Some(now) };
            (row.sends, row.looks) = (sends && is_free, looks && is_free);
        }
    }

    fn lane_due(&self, lane: i64, seq: i64, now: Timestamp) -> Option<Timestamp> {
        let head = &self.operations[&seq].operation;
        let newest = self.lanes[&lane].open.last().filter(|newest| **newest != seq);
        let newest = newest.map(|newest| &self.operations[newest].operation.id);
        let by_itself = match &head.stage {
            Stage::Parked { .. } => None,
            Stage::Waiting { .. } if self.kept_signal(seq).is_some() => Some(now),
            _ => Some(head.due),
        };
        match (gives_way(head), newest) {
            (GivesWay::ToAnything, Some(_)) => Some(now),
            (GivesWay::ToAnotherState, Some(newest)) if head.compared.as_ref() != Some(newest) => {
                let asked_at = head.compare_at.max(now);
                Some(by_itself.map_or(asked_at, |due| due.min(asked_at)))
            }
            _ => by_itself,
        }
    }

    pub fn take(&mut self, id: &OperationId, claim: &Claim) -> Option<(Lease, Held)> {
        let seq = *self.by_id.get(id)?;
        let lane = self.operations[&seq].lane;
        let row = &self.lanes[&lane];
        if row.owner.is_some() && row.lease_until > claim.now {
            return None;
        }
        self.hold(lane, claim);
        if let Some(row) = self.lanes.get_mut(&lane) {
            (row.due, row.sends, row.looks) = (Some(claim.now), false, false);
        }
        match self.held(lane) {
            Some(held) if held.operation.id == *id => Some((self.lease_on(lane, claim), held)),
            _ => {
                self.settle_and_free(lane, claim.now);
                None
            }
        }
    }
}
