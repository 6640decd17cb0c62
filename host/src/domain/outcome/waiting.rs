use std::time::Duration;

use super::super::{Asked, Digest, Note, Said, Stage, Status, Timestamp, Waiting};
use super::Applying;

impl Applying<'_> {
    pub(super) fn wait(&mut self, waiting: Waiting, by: Digest) {
        if waiting.forget {
            self.forget();
        }
        // Past the deadline it goes on as it was; a wait without an end still has none.
        let late = self.note_deadline();
        let latest = if late { self.now + self.policy.deadline } else { self.operation.deadline };
        // A wait of no time at all would be a loop that nothing stops.
        let wished = waiting.seconds.map(|seconds| self.now + Duration::from_secs(seconds.max(1).into()));
        let until = wished.map_or(latest, |wished| wished.min(latest));
        self.operation.waited = true;
        self.operation.stage = Stage::Waiting { waiting, by, since: self.now, until };
        self.operation.due = until;
    }

    /// Whether the deadline has passed; the first time that is seen, it is reported.
    pub(super) fn note_deadline(&mut self) -> bool {
        let late = self.now >= self.operation.deadline;
        if late && self.operation.overdue.is_none() {
            self.notes.push(Note::Overdue);
            let message = format!("no end was heard of within {} s", self.policy.deadline.as_secs());
            self.operation.overdue = Some(Said { status: self.policy.on_deadline, message: Some(message) });
        }
        late
    }

    /// A success that comes after the deadline is taken all the same, and says so.
    pub(super) fn marked(&self, said: Said) -> Said {
        if self.operation.overdue.is_none() || said.status != Status::Ok {
            return said;
        }
        let late = format!("late: after the deadline of {} s", self.policy.deadline.as_secs());
        let message = said.message.map_or_else(|| late.clone(), |message| format!("{late}; {message}"));
        Said { message: Some(message), ..said }
    }

    /// Strikes the entry that ended the wait before this one, and all that came after it.
    pub(super) fn forget(&mut self) {
        if let Some(cut) = self.last_wait() {
            self.operation.forgotten += self.operation.moves.len() - cut;
            self.operation.moves.truncate(cut);
            self.forgets_since = Some(self.last_news());
            self.notes.push(Note::Forgotten { entries: self.operation.forgotten });
        }
    }

    /// When something happened last that stands in the history.
    pub(super) fn last_news(&self) -> Timestamp {
        let began = self.operation.laid_down.as_ref().map_or(self.operation.event.received_at, |it| it.began);
        self.operation.moves.last().map_or(began, |done| done.entry.at)
    }

    pub(super) fn last_wait(&self) -> Option<usize> {
        self.operation.moves.iter().rposition(|done| matches!(done.asked, Asked::Wait(_)))
    }
}
