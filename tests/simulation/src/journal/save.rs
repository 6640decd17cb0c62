//! What one step changed, written whole if the lease still holds.

use punchdown::domain::{Change, Note, Stage, Timestamp};
use punchdown::ports::{Held, JournalError, Lease};

use super::Flaw;
use super::tables::{Fate, Tables};

impl Tables {
    pub fn save(&mut self, lease: &Lease, change: Change, now: Timestamp) -> Result<Held, JournalError> {
        self.prolong(lease, now)?;
        let Some(&seq) = self.by_id.get(&change.operation.id) else {
            return Err(JournalError::Failed("there is no such operation".to_owned()));
        };
        let is_laid_down_now = change.notes.iter().any(|note| matches!(note, Note::LaidDown { .. }));
        let unmarked =
            matches!(change.operation.stage, Stage::OnItsWay { .. }) && self.breaks(Flaw::ForgetsMarks);
        let Change { operation: changed, notes, applied, keys, forgets_since, statuses, took_signal } =
            change;
        let group = changed.lane.group.clone();
        if let Some(applied) = applied
            && let Some(lane) = self.lanes.get_mut(&lease.lane)
        {
            lane.applied = Some(applied).filter(|applied| !applied.is_null());
        }
        let answered = changed.clone();
        self.write(seq, changed, is_laid_down_now, unmarked, now);
        // Before another one is claimed that is older, and would be spent in its place.
        if took_signal
            && let Some(taken) = self.kept_signal(seq)
            && let Some(row) = self.signals.get_mut(&taken)
        {
            row.fate = Fate::Taken;
        }
        for key in keys {
            self.name_key(&group, &format!("key:{key}"), seq, true);
        }
        if is_laid_down_now
            && let Some(subscriber) = answered.laid_down.as_ref().and_then(|it| it.subscriber.as_ref())
        {
            self.name_key(&group, &format!("account-id:{}", subscriber.account_id.0), seq, false);
        }
        if let Some(row) = self.operations.get_mut(&seq) {
            if let Some(since) = forgets_since {
                row.timeline.retain(|(at, note)| *at <= since || matches!(note, Note::Overdue));
            }
            row.timeline.extend(notes.into_iter().map(|note| (now, note)));
        }
        for (service, said) in statuses {
            self.put_status(&group, answered.lane.i_account, service, said, now);
        }
        self.end_signals(lease.lane, seq);
        Ok(Held { operation: answered, ..self.beside(lease.lane, seq) })
    }

    fn write(
        &mut self,
        seq: i64,
        changed: punchdown::domain::Operation,
        is_laid_down_now: bool,
        unmarked: bool,
        now: Timestamp,
    ) {
        let thaws = self.breaks(Flaw::ThawsFrozen);
        let keeps_open = self.breaks(Flaw::ReopensEnded) && seq % 5 == 0;
        let Some(row) = self.operations.get_mut(&seq) else { return };
        row.changed_at = now;
        let mut laid_down = match is_laid_down_now {
            true => changed.laid_down.clone(),
            false => row.operation.laid_down.take(),
        };
        if thaws && let Some(laid_down) = &mut laid_down {
            laid_down.began = now;
        }
        let stage = match changed.stage.is_open() {
            _ if unmarked => row.operation.stage.clone(),
            false if keeps_open => Stage::Asking,
            _ => changed.stage.clone(),
        };
        row.operation = punchdown::domain::Operation { laid_down, stage, ..changed };
        let (lane, open) = (row.lane, row.operation.stage.is_open());
        if let Some(lane) = self.lanes.get_mut(&lane).filter(|_| !open) {
            lane.open.remove(&seq);
        }
    }

    /// From now on news of that key are for this operation.
    fn name_key(&mut self, group: &punchdown::domain::Group, key: &str, seq: i64, named: bool) {
        self.keys.insert((group.clone(), key.to_owned()), seq);
        match named {
            true => self.take_over_signals(group, key, seq),
            false => self.claim_kept_signals(group, key, seq),
        }
    }

    /// What speaks of a closed operation is only recorded, once nobody in its lane is left who could have taken it over.
    fn end_signals(&mut self, lane: i64, seq: i64) {
        let is_empty = self.lanes.get(&lane).is_none_or(|lane| lane.open.is_empty());
        if self.is_open(seq) || !is_empty {
            return;
        }
        let operations = &self.operations;
        let of_lane = |seq: i64| operations.get(&seq).is_some_and(|row| row.lane == lane);
        let spent = self.signals.values_mut().filter(|row| row.fate == Fate::Kept);
        for row in spent.filter(|row| row.operation.is_some_and(of_lane)) {
            row.fate = Fate::Dropped;
        }
    }
}
