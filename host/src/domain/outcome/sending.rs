use std::time::Duration;

use super::super::{
    Asked, Delivery, Digest, Exchange, Happening, Note, Reason, Received, Request, Response, Stage, Trouble,
};
use super::Applying;

impl Applying<'_> {
    pub(super) fn has_not_left(&mut self) {
        if let Some((request, by, attempts)) = self.leaving() {
            self.operation.stage = Stage::Ready { request, by, attempts };
        }
    }

    pub(super) fn leave(&mut self, epoch: u64) {
        let Stage::Ready { request, by, attempts } = self.operation.stage.clone() else { return };
        self.notes.push(Note::Left {
            label: request.label.clone(),
            key: request.idempotency_key(&self.operation.id),
            attempt: attempts + 1,
        });
        self.operation.due = self.now;
        self.operation.stage = Stage::OnItsWay { request, by, attempts, epoch };
    }

    pub(super) fn answered(&mut self, response: Response) {
        if let Some((request, by, attempts)) = self.leaving() {
            self.notes.push(Note::Answered { label: request.label.clone(), response: response.clone() });
            self.exchanged(request, by, attempts, Received::Answered(response));
        }
    }

    /// Sent again only when that does no harm; otherwise the adapter is told, and looks.
    pub(super) fn unanswered(&mut self, trouble: Trouble) {
        let Some((request, by, attempts)) = self.leaving() else { return };
        self.notes.push(Note::Unanswered {
            label: request.label.clone(),
            code: trouble.code.clone(),
            why: trouble.message.clone(),
        });
        match request.delivery {
            Delivery::Repeatable => self.send_later(trouble, None),
            Delivery::AtMostOnce => self.exchanged(request, by, attempts, Received::Unknown(trouble.message)),
        }
    }

    /// An answer that is too large would be too large again.
    pub(super) fn unreadable(&mut self, trouble: Trouble) {
        match self.leaving() {
            Some((request, ..)) if request.delivery == Delivery::Repeatable => self.park(trouble),
            _ => self.unanswered(trouble),
        }
    }

    fn leaving(&self) -> Option<(Request, Digest, u32)> {
        match &self.operation.stage {
            Stage::OnItsWay { request, by, attempts, .. } => Some((request.clone(), by.clone(), *attempts)),
            _ => None,
        }
    }

    fn exchanged(&mut self, request: Request, by: Digest, attempts: u32, outcome: Received) {
        let what = Happening::Exchanged(Exchange { label: request.label.clone(), outcome });
        self.happened(Asked::Send { request, attempts }, by, what);
    }

    pub(super) fn send_later(&mut self, trouble: Trouble, retry_after: Option<Duration>) {
        self.operation.stage = self.attempted();
        if self.attempts_are_spent(&trouble) {
            return;
        }
        if let Stage::Ready { attempts, .. } = self.operation.stage {
            self.retry_at(attempts, retry_after, trouble);
        }
    }

    /// The request with one more failed attempt.
    pub(super) fn attempted(&self) -> Stage {
        match self.operation.stage.clone() {
            Stage::Ready { request, by, attempts } | Stage::OnItsWay { request, by, attempts, .. } => {
                Stage::Ready { request, by, attempts: attempts + 1 }
            }
            other => other,
        }
    }

    /// Attempts end at the deadline. What already stands outside is not given up by a system
    /// that happens to be away then: such an operation is overdue, and its looks go on for as
    /// long again after the last news.
    pub(super) fn attempts_are_spent(&mut self, trouble: &Trouble) -> bool {
        let mut until = self.operation.deadline;
        if self.operation.waited {
            self.note_deadline();
            until = until.max(self.last_news() + self.policy.deadline);
        }
        let spent = self.now >= until;
        if spent {
            let message =
                format!("no attempt succeeded before the deadline; the last one: {}", trouble.message);
            self.park(Reason::AttemptsSpent.trouble(message));
        }
        spent
    }
}
