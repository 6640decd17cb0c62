//! What ended long ago goes, a bounded number of rows at a time.

use punchdown::domain::{Event, EventIdentity, Group, IAccount, Status, Timestamp};
use punchdown::ports::{Purge, Purgeable, Purged};

use super::tables::{Fate, Read, Tables};

/// So many more rows may be deleted.
struct Budget(usize);

impl Budget {
    /// How many of those may go; they are counted as gone.
    fn take<T>(&mut self, mut found: Vec<T>) -> Vec<T> {
        found.truncate(self.0);
        self.spend(found.len());
        found
    }

    fn spend(&mut self, rows: usize) {
        self.0 = self.0.saturating_sub(rows);
    }
}

/// What is found, the oldest first.
fn oldest<T: Ord>(found: impl Iterator<Item = (Timestamp, T)>) -> Vec<T> {
    let mut found: Vec<_> = found.collect();
    found.sort();
    found.into_iter().map(|(_, it)| it).collect()
}

impl Tables {
    pub fn purge(&mut self, purge: &Purge) -> Purged {
        let mut budget = Budget(purge.most);
        let mut purged = Purged::default();
        purged.add(Purgeable::Body, self.empty_bodies(purge.bodies_before, &mut budget));
        let before = purge.finished_before;
        purged.add(Purgeable::Operation, self.purge_operations(before, &mut budget));
        purged.add(Purgeable::Signal, self.purge_signals(before, &mut budget));
        purged.add(Purgeable::Notification, self.purge_notifications(before, &mut budget));
        let letters = self.letters.values().filter(|letter| letter.at <= before);
        let letters = budget.take(oldest(letters.map(|letter| (letter.at, letter.id.clone()))));
        letters.iter().for_each(|id| drop(self.letters.remove(id)));
        purged.add(Purgeable::DeadLetter, letters.len());
        self.purge_fan_outs(before, &mut budget);
        purged.add(Purgeable::Event, self.purge_events(before, &mut budget));
        purged.more = budget.0 == 0;
        purged
    }

    fn empty_bodies(&mut self, before: Timestamp, budget: &mut Budget) -> usize {
        let read = self
            .notifications
            .iter()
            .filter(|(_, row)| row.read == Read::Yes && row.raw.is_some() && row.received_at <= before);
        let found = budget.take(oldest(read.map(|(id, row)| (row.received_at, id.clone()))));
        for id in &found {
            if let Some(row) = self.notifications.get_mut(id) {
                (row.raw, row.reply) = (None, None);
            }
        }
        let letters = self.letters.values().filter(|letter| !letter.body.is_empty() && letter.at <= before);
        let letters = budget.take(oldest(letters.map(|letter| (letter.at, letter.id.clone()))));
        for id in &letters {
            if let Some(letter) = self.letters.get_mut(id) {
                letter.body.clear();
            }
        }
        found.len() + letters.len()
    }

    fn purge_operations(&mut self, before: Timestamp, budget: &mut Budget) -> usize {
        let ended = self.operations.iter().filter(|(_, row)| {
            let fan_out = self.fan_outs.get(&row.operation.event.identity.0);
            !row.purged
                && !row.operation.stage.is_open()
                && row.changed_at <= before
                && fan_out.is_none_or(|fan_out| fan_out.done)
        });
        let ended = oldest(ended.map(|(seq, row)| (row.changed_at, *seq)));
        let mut gone = 0;
        for seq in ended {
            if budget.0 == 0 {
                break;
            }
            let lane = self.operations[&seq].lane;
            self.clear_lane(lane, budget);
            if budget.0 == 0 || !self.strip(seq, budget) {
                break;
            }
            let keeps_keys = self.lanes[&lane].applied.is_some() && self.keys.values().any(|of| *of == seq);
            if keeps_keys {
                if let Some(row) = self.operations.get_mut(&seq) {
                    row.purged = true;
                }
                budget.spend(1);
            } else {
                self.delete_operation(seq, budget);
            }
            self.drop_lane(lane, budget);
            gone += 1;
        }
        gone
    }

    /// Deletes what hangs on an operation, keys aside; whether all of it is gone.
    fn strip(&mut self, seq: i64, budget: &mut Budget) -> bool {
        if let Some(row) = self.operations.get_mut(&seq) {
            let notes = row.timeline.len().min(budget.0);
            row.timeline.drain(..notes);
            budget.spend(notes);
        }
        let signals = self.signals.iter().filter(|(_, row)| row.operation == Some(seq));
        let signals = budget.take(signals.map(|(id, _)| *id).collect());
        signals.iter().for_each(|id| drop(self.signals.remove(id)));
        budget.0 > 0
    }

    fn delete_operation(&mut self, seq: i64, budget: &mut Budget) {
        let before = self.keys.len();
        self.keys.retain(|_, of| *of != seq);
        if let Some(row) = self.operations.remove(&seq) {
            self.by_id.remove(&row.operation.id);
        }
        budget.spend(before - self.keys.len() + 1);
    }

    /// Deletes the empty rows of a lane that are for nothing any more.
    fn clear_lane(&mut self, lane: i64, budget: &mut Budget) {
        let stands = self.lanes[&lane].applied.is_some();
        let empty: Vec<i64> = self
            .operations
            .iter()
            .filter(|(_, row)| row.lane == lane && row.purged)
            .filter(|(seq, _)| !stands || !self.keys.values().any(|of| of == *seq))
            .map(|(seq, _)| *seq)
            .collect();
        for seq in empty {
            if budget.0 == 0 || !self.strip(seq, budget) {
                return;
            }
            self.delete_operation(seq, budget);
        }
    }

    fn drop_lane(&mut self, lane: i64, budget: &mut Budget) {
        let is_empty = !self.operations.values().any(|row| row.lane == lane);
        let row = &self.lanes[&lane];
        if !is_empty || row.applied.is_some() || row.owner.is_some() {
            return;
        }
        let (group, account) = (row.group.clone(), row.i_account);
        self.lanes.remove(&lane);
        budget.spend(1);
        self.forget_good_words(&group, account);
    }

    /// A good word that was told can go with its lane, and no other one.
    fn forget_good_words(&mut self, group: &Group, account: IAccount) {
        self.parts
            .retain(|(of, _, by), part| (*of, by) != (account, group) || part.said.status != Status::Ok);
        if self.lanes.values().any(|lane| lane.i_account == account) {
            return;
        }
        let parts = &self.parts;
        self.statuses.retain(|(of, service), row| {
            let is_spoken_of = || parts.keys().any(|(of, name, _)| (*of, name) == (account, service));
            *of != account || row.due.is_some() || row.said.status != Status::Ok || is_spoken_of()
        });
    }

    fn purge_signals(&mut self, before: Timestamp, budget: &mut Budget) -> usize {
        let spent = self.signals.iter().filter(|(_, row)| {
            let operation = row.operation.and_then(|seq| self.operations.get(&seq));
            matches!(row.fate, Fate::Taken | Fate::Dropped | Fate::Begun)
                && row.at <= before
                && operation.is_none_or(|operation| operation.purged)
        });
        let spent = budget.take(oldest(spent.map(|(id, row)| (row.at, *id))));
        spent.iter().for_each(|id| drop(self.signals.remove(id)));
        spent.len()
    }

    fn purge_notifications(&mut self, before: Timestamp, budget: &mut Budget) -> usize {
        let spent = self.notifications.iter().filter(|(id, row)| {
            let has_signals = self.signals.values().any(|signal| signal.notification == **id);
            row.read == Read::Yes && row.received_at <= before && !has_signals
        });
        let spent = budget.take(oldest(spent.map(|(id, row)| (row.received_at, id.clone()))));
        spent.iter().for_each(|id| drop(self.notifications.remove(id)));
        spent.len()
    }

    fn purge_fan_outs(&mut self, before: Timestamp, budget: &mut Budget) {
        let done = self.fan_outs.values().filter(|row| row.done).map(|row| &row.fan_out.event);
        let old = done.filter(|event| event.received_at <= before && !self.has_operations(&event.identity));
        let old = budget.take(oldest(old.map(|event| (event.received_at, event.identity.0.clone()))));
        old.iter().for_each(|identity| drop(self.fan_outs.remove(identity)));
    }

    fn purge_events(&mut self, before: Timestamp, budget: &mut Budget) -> usize {
        let is_spent = |event: &&Event| {
            let identity = &event.identity;
            event.received_at <= before
                && !self.has_operations(identity)
                && !self.fan_outs.contains_key(&identity.0)
        };
        let spent = self.events.values().filter(is_spent);
        let spent = budget.take(oldest(spent.map(|event| (event.received_at, event.identity.0.clone()))));
        spent.iter().for_each(|identity| drop(self.events.remove(identity)));
        spent.len()
    }

    fn has_operations(&self, identity: &EventIdentity) -> bool {
        self.operations.values().any(|row| !row.purged && row.operation.event.identity == *identity)
    }
}
