//! What an operation is after an outcome.
//!
//! The rules of the contract are kept here: what may be struck, what may be sent again, when
//! nobody can know. Nothing here sends, waits or writes.

use std::time::Duration;

use super::decision::{Entry, Happening, Progress, Received};
use super::{
    Act, Asked, Behind, Chance, Change, Decision, Digest, Json, LaidDown, Move, Note, Operation, OperationId,
    Person, Policy, Reason, Response, Said, Stage, Timestamp, Trouble, Wanted, statuses,
};

/// What the rules of the contract forbid, said as the trouble that it makes.
mod check;
mod said;
/// Requests: as they leave, are answered or not, and are sent again.
mod sending;
/// Waiting, and what becomes of its end.
mod waiting;

/// Readings of an account that is merely absent, before a person has to look.
const ABSENT_READINGS_MAX: u32 = 4;

/// What a step brought.
#[derive(Clone, Debug)]
pub enum Outcome {
    GaveWay {
        to: OperationId,
    },
    LaidDown(Box<LaidDown>),
    /// PortaBilling could not be read now.
    NotRead {
        trouble: Trouble,
        retry_after: Option<Duration>,
    },
    /// PortaBilling has no such account, and the event did not say that it was closed.
    Absent,
    /// Nothing but a person can change it.
    Refused(Trouble),
    /// What PortaBilling wants now, asked because of what stands behind.
    Compared {
        wanted: Wanted,
        behind: Behind,
    },
    /// That could not be found out now.
    NotCompared {
        until: Timestamp,
    },
    Decided {
        progress: Box<Progress>,
        by: Digest,
    },
    /// The group lacks something (an adapter, a session): nothing failed, nothing is counted.
    Held {
        trouble: Trouble,
        until: Timestamp,
    },
    /// The request is about to leave under the lease of that epoch.
    Leaving {
        epoch: u64,
    },
    Answered(Response),
    /// It surely did not arrive.
    NotSent(Trouble),
    /// It may have arrived.
    Unanswered(Trouble),
    /// It was answered by what could not be taken whole.
    Unreadable(Trouble),
    Woken(Json),
    Elapsed,
    ByPerson(Act, Person),
}

/// Applies one outcome. `chance` is what jitter is made of.
pub fn apply(
    operation: Operation,
    outcome: Outcome,
    policy: &Policy,
    now: Timestamp,
    chance: Chance,
) -> Change {
    let (before, stage) = (statuses(&operation), operation.stage.word());
    let mut next = Applying::new(operation, policy, now, chance);
    let took_signal = matches!(outcome, Outcome::Woken(_));
    next.take(outcome);
    if next.operation.stage.word() != stage {
        next.operation.since = now;
    }
    let stage = &next.operation.stage;
    next.operation.spoken_for |= is_retried(stage) || matches!(stage, Stage::Parked { .. });
    let mut statuses = statuses(&next.operation);
    statuses.retain(|service, said| before.get(service) != Some(said));
    // What gave way has no more to say: the newer one speaks. What a person left has said it.
    if matches!(next.operation.stage, Stage::Superseded { .. } | Stage::Skipped { .. }) {
        statuses.clear();
    }
    let Applying { operation, notes, applied, keys, forgets_since, .. } = next;
    Change { operation, notes, applied, keys, forgets_since, statuses, took_signal }
}

/// PortaBilling is told of it.
pub(super) const fn is_retried(stage: &Stage) -> bool {
    matches!(stage, Stage::Ready { attempts, .. } | Stage::OnItsWay { attempts, .. } if *attempts > 0)
}

struct Applying<'a> {
    operation: Operation,
    policy: &'a Policy,
    now: Timestamp,
    chance: Chance,
    notes: Vec<Note>,
    applied: Option<Json>,
    keys: Vec<String>,
    forgets_since: Option<Timestamp>,
}

impl<'a> Applying<'a> {
    fn new(operation: Operation, policy: &'a Policy, now: Timestamp, chance: Chance) -> Self {
        let (notes, keys) = (Vec::new(), Vec::new());
        Self { operation, policy, now, chance, notes, applied: None, keys, forgets_since: None }
    }

    fn take(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::GaveWay { to } => self.give_way(to),
            Outcome::Compared { wanted, behind } => self.compared(wanted, behind),
            Outcome::NotCompared { until } => self.operation.compare_at = until,
            Outcome::LaidDown(laid_down) => self.lay_down(*laid_down),
            Outcome::NotRead { trouble, retry_after } => self.read_later(trouble, retry_after),
            Outcome::Absent => self.absent(),
            Outcome::Refused(trouble) => self.refused(trouble),
            Outcome::Decided { progress, by } => self.decide(*progress, by),
            Outcome::Held { trouble, until } => self.hold(trouble, until),
            Outcome::Leaving { epoch } => self.leave(epoch),
            Outcome::Answered(response) => self.answered(response),
            Outcome::NotSent(trouble) => self.send_later(trouble, None),
            Outcome::Unanswered(trouble) => self.unanswered(trouble),
            Outcome::Unreadable(trouble) => self.unreadable(trouble),
            Outcome::ByPerson(act, person) => self.by_person(act, person),
            Outcome::Woken(payload) => {
                self.notes.push(Note::Notified { payload: payload.clone() });
                self.end_wait(Happening::Notified(payload));
            }
            Outcome::Elapsed => {
                self.notes.push(Note::Elapsed);
                self.end_wait(Happening::Elapsed);
            }
        }
    }

    fn give_way(&mut self, to: OperationId) {
        self.notes.push(Note::Superseded { by: to.clone() });
        self.operation.stage = Stage::Superseded { by: to };
    }

    /// An update waits for the open order; a block or a termination does not.
    fn compared(&mut self, wanted: Wanted, behind: Behind) {
        let began_for = self.operation.laid_down.as_ref().map(|frozen| frozen.wanted);
        if began_for.is_some_and(|began_for| began_for != wanted) {
            return self.give_way(behind.next);
        }
        self.operation.compared = Some(behind.newest);
    }

    fn lay_down(&mut self, laid_down: LaidDown) {
        self.notes.push(Note::LaidDown { wanted: laid_down.wanted });
        // Read afresh it has no more time than before, or it could go on for ever.
        if self.operation.laid_down.is_none() {
            self.operation.deadline = laid_down.began + self.policy.deadline;
        }
        self.operation.laid_down = Some(laid_down);
        self.go_on(Stage::Asking);
    }

    fn absent(&mut self) {
        let trouble = Reason::AccountAbsent.trouble(format!(
            "PortaBilling has no account {} and `{}` does not close one",
            self.operation.lane.i_account, self.operation.event.name
        ));
        // Readings that failed said nothing of the account.
        if self.operation.trouble.as_ref().is_none_or(|last| last.code != trouble.code) {
            self.operation.stage = Stage::Received { attempts: 0 };
        }
        match self.operation.stage {
            Stage::Received { attempts } if attempts + 1 < ABSENT_READINGS_MAX => {
                self.read_later(trouble, None);
            }
            _ => self.park(trouble),
        }
    }

    /// What can never be sent has not left, and leaves nothing in doubt.
    fn refused(&mut self, trouble: Trouble) {
        self.has_not_left();
        self.park(trouble);
    }

    /// What its group lacks is no attempt, and the operation has so much more time.
    fn hold(&mut self, trouble: Trouble, until: Timestamp) {
        self.has_not_left();
        // What the last attempt failed of says more, and PortaBilling was told it.
        self.operation.trouble.get_or_insert(trouble);
        self.operation.due = until;
        self.operation.deadline = self.operation.deadline + until.since(self.now);
    }

    fn read_later(&mut self, trouble: Trouble, retry_after: Option<Duration>) {
        let attempts = match self.operation.stage {
            Stage::Received { attempts } => attempts + 1,
            _ => 1,
        };
        if attempts == 1 && self.operation.readings == 0 {
            // It may have stood behind others, or in a group that was paused; that was no attempt.
            self.operation.deadline = self.operation.deadline.max(self.now + self.policy.deadline);
        }
        if self.attempts_are_spent(&trouble) {
            return;
        }
        self.retry_at(attempts, retry_after, trouble);
        self.operation.stage = Stage::Received { attempts };
    }

    /// Takes an adapter's answer whole, or not at all.
    fn decide(&mut self, progress: Progress, by: Digest) {
        if let Err(trouble) = self.check(&progress) {
            return self.park(trouble);
        }
        self.notes.push(Note::Decided { decision: progress.decision.clone(), by: by.clone() });
        self.operation.by = Some(by.clone());
        self.applied = progress.applied;
        for key in progress.keys {
            if !self.operation.keys.contains(&key) {
                self.operation.keys.push(key.clone());
                self.keys.push(key);
            }
        }
        for report in progress.reports {
            let service = report.group.unwrap_or_else(|| self.operation.service.clone());
            let said = self.marked(Said { status: report.status, message: report.message });
            self.operation.said.insert(service, said);
        }
        if self.operation.overdue.is_some() && progress.decision == Decision::Finish {
            self.notes.push(Note::Late);
        }
        match progress.decision {
            Decision::Send(request) => self.go_on(Stage::Ready { request, by, attempts: 0 }),
            Decision::Again(trouble) => self.again(trouble, false),
            Decision::Renew(trouble) => self.again(trouble, true),
            Decision::Wait(waiting) => self.wait(waiting, by),
            Decision::Finish => self.operation.stage = Stage::Finished,
            Decision::Ignore(why) => self.operation.stage = Stage::Ignored { why },
            Decision::Park(trouble) => self.park(trouble),
        }
    }

    /// Strikes the exchange that ends the history, and makes the same request again.
    fn again(&mut self, trouble: Trouble, at_once: bool) {
        let Some(last) = self.operation.moves.pop() else {
            // Each fresh reading counts, or its pause would never grow.
            self.operation.stage = Stage::Received { attempts: self.operation.readings };
            self.operation.readings += 1;
            return self.read_later(trouble, None);
        };
        let (Asked::Send { request, attempts }, Happening::Exchanged(exchange)) =
            (last.asked, last.entry.what)
        else {
            unreachable!("checked: the history ends in an exchange");
        };
        let retry_after = match &exchange.outcome {
            Received::Answered(response) => response.retry_after(self.now),
            Received::Unknown(_) => None,
        };
        self.notes.push(Note::Struck {
            label: exchange.label,
            outcome: exchange.outcome,
            trouble: trouble.clone(),
        });
        let by = last.by;
        self.operation.stage = Stage::Ready { request, by, attempts };
        // A second renewal in a row did not help either: it waits like any other repetition.
        if at_once && attempts == 0 {
            self.operation.stage = self.attempted();
            self.operation.due = self.now;
        } else {
            self.send_later(trouble, retry_after);
        }
    }

    fn end_wait(&mut self, what: Happening) {
        if let Stage::Waiting { waiting, by, .. } = self.operation.stage.clone() {
            self.happened(Asked::Wait(waiting), by, what);
        }
    }

    fn happened(&mut self, asked: Asked, by: Digest, what: Happening) {
        self.operation.moves.push(Move { asked, by, entry: Entry { at: self.now, what } });
        self.go_on(Stage::Asking);
    }

    fn retry_at(&mut self, failed: u32, retry_after: Option<Duration>, trouble: Trouble) {
        let at = self.now + self.policy.retry.pause(failed, retry_after, self.chance);
        self.notes.push(Note::Retrying { trouble: trouble.clone(), at });
        self.operation.trouble = Some(trouble);
        self.operation.due = at;
    }

    fn by_person(&mut self, act: Act, person: Person) {
        let by = person.who.clone();
        self.notes.push(Note::ByPerson { act: act.clone(), person });
        match act {
            Act::Retry => self.retry_now(),
            Act::Restart { to } => self.give_way(to),
            Act::Skip => self.operation.stage = Stage::Skipped { by },
        }
    }

    /// Whoever says so has mended something: it has all its time again.
    fn retry_now(&mut self) {
        self.operation.deadline = self.operation.deadline.max(self.now + self.policy.deadline);
        self.operation.overdue = None;
        match self.operation.stage.clone() {
            Stage::Parked { .. } if self.operation.laid_down.is_none() => {
                self.operation.readings = 0;
                self.go_on(Stage::Received { attempts: 0 });
            }
            Stage::Parked { .. } => self.go_on(Stage::Asking),
            Stage::Waiting { waiting, by, .. } => {
                self.operation.stage = Stage::Waiting { waiting, by, since: self.now, until: self.now };
                self.operation.due = self.now;
            }
            _ => self.operation.due = self.now,
        }
    }

    fn go_on(&mut self, stage: Stage) {
        self.operation.stage = stage;
        self.operation.due = self.now;
        self.operation.trouble = None;
    }

    fn park(&mut self, trouble: Trouble) {
        let in_doubt = self.operation.is_in_doubt();
        self.notes.push(Note::Parked { trouble: trouble.clone(), in_doubt });
        self.operation.stage = Stage::Parked { trouble, in_doubt };
    }
}

#[cfg(test)]
mod tests;
