//! What persons look at. Lists begin with the newest.

use std::collections::{BTreeMap, BTreeSet};

use punchdown::domain::{
    Event, EventIdentity, Group, IAccount, Operation, OperationId, Stage, State, Timestamp,
};
use punchdown::ports::{
    AccountTold, Audit, AuditsSought, Deciders, EventLine, Letter, Line, NotificationLine, NotificationTold,
    Place, Sought, StatusTold, Told,
};

use super::tables::{NotificationRow, OperationRow, Read, Tables};

/// Whether that comes after a place, where the newest come first.
fn is_after(before: Option<&Place>, at: Timestamp, id: &str) -> bool {
    before.is_none_or(|place| (at, id) < (place.at, place.id.as_str()))
}

fn newest_first<T>(mut found: Vec<T>, place: impl Fn(&T) -> (Timestamp, String), most: usize) -> Vec<T> {
    found.sort_by_key(|it| std::cmp::Reverse(place(it)));
    found.truncate(most);
    found
}

fn line_of(id: &str, row: &NotificationRow) -> NotificationLine {
    NotificationLine {
        id: id.to_owned(),
        group: row.group.clone(),
        received_at: row.received_at,
        is_read: row.read == Read::Yes,
    }
}

impl Tables {
    /// The oldest open operation of each group that has one.
    pub fn oldest_open(&self) -> Vec<Operation> {
        let mut oldest: BTreeMap<&Group, &Operation> = BTreeMap::new();
        for row in self.operations.values().filter(|row| !row.purged && row.operation.stage.is_open()) {
            let oldest = oldest.entry(&row.operation.lane.group).or_insert(&row.operation);
            if row.operation.event.received_at < oldest.event.received_at {
                *oldest = &row.operation;
            }
        }
        oldest.into_values().cloned().collect()
    }

    pub fn deciders(&self) -> Deciders {
        let mut deciders = Deciders::new();
        for row in self.operations.values().filter(|row| !row.purged && row.operation.stage.is_open()) {
            let of = (row.operation.lane.group.clone(), row.operation.by.clone());
            *deciders.entry(of).or_default() += 1;
        }
        deciders
    }

    /// The newest first.
    pub fn audits_sought(&self, sought: &AuditsSought) -> Vec<(u64, Audit)> {
        let group_of = |about: &str| {
            let seq = self.by_id.get(&OperationId(about.to_owned()))?;
            Some(&self.operations.get(seq)?.operation.lane.group)
        };
        let is_of =
            |audit: &Audit, group: &Group| audit.about == group.0 || group_of(&audit.about) == Some(group);
        let found = (1_u64..).zip(&self.audits).filter(|(place, audit)| {
            sought.before.is_none_or(|before| *place < before)
                && sought.operation.as_ref().is_none_or(|id| audit.about == id.0)
                && sought.group.as_ref().is_none_or(|group| is_of(audit, group))
        });
        let mut found: Vec<_> = found.map(|(place, audit)| (place, audit.clone())).collect();
        found.reverse();
        found.truncate(sought.most);
        found
    }

    pub fn lines(&self, sought: &Sought) -> Vec<Line> {
        let found = self.operations.iter().rev().filter(|(seq, row)| {
            let (operation, state) = (&row.operation, State::of(&row.operation));
            let is_problem = matches!(state, State::Parked | State::InDoubt | State::Overdue);
            !row.purged
                && sought.group.as_ref().is_none_or(|group| *group == operation.lane.group)
                && sought.state.is_none_or(|wanted| wanted == self.seen(**seq, row, &sought.held))
                && sought.i_account.is_none_or(|account| account == operation.lane.i_account)
                && sought.event.as_ref().is_none_or(|event| *event == operation.event.identity)
                && sought.before.is_none_or(|before| seq.unsigned_abs() < before)
                && (!sought.problems || (operation.stage.is_open() && is_problem))
        });
        found.take(sought.most).map(|(seq, row)| self.line(*seq, row, &sought.held)).collect()
    }

    /// The state in which a person sees it. Whoever moves a lane whose head was not read yet reads it now.
    fn seen(&self, seq: i64, row: &OperationRow, held: &BTreeSet<Group>) -> State {
        let (operation, lane) = (&row.operation, &self.lanes[&row.lane]);
        let (state, is_head) = (State::of(operation), lane.open.first() == Some(&seq));
        match operation.stage {
            Stage::Received { .. } if is_head && lane.owner.is_some() => State::Querying,
            Stage::Asking | Stage::Ready { .. } if held.contains(&operation.lane.group) => state.held_back(),
            _ => state,
        }
    }

    fn line(&self, seq: i64, row: &OperationRow, held: &BTreeSet<Group>) -> Line {
        let operation = &row.operation;
        Line {
            seq: seq.unsigned_abs(),
            id: operation.id.clone(),
            group: operation.lane.group.clone(),
            i_account: operation.lane.i_account,
            event: operation.event.name.clone(),
            state: self.seen(seq, row, held),
            received_at: operation.event.received_at,
            changed_at: row.changed_at,
            due: operation.due,
        }
    }

    pub fn told(&self, id: &OperationId) -> Option<Told> {
        let seq = self.by_id.get(id)?;
        let row = self.operations.get(seq).filter(|row| !row.purged)?;
        let head = self.head_of(row.lane).filter(|head| head != seq && row.operation.stage.is_open());
        Some(Told {
            operation: row.operation.clone(),
            timeline: row.timeline.clone(),
            stands_behind: head.map(|head| self.operations[&head].operation.id.clone()),
        })
    }

    pub fn event_lines(&self, before: Option<&Place>, most: usize) -> Vec<EventLine> {
        let found =
            self.events.values().filter(|event| is_after(before, event.received_at, &event.identity.0));
        let lines = found.map(|event| EventLine {
            identity: event.identity.clone(),
            name: event.name.clone(),
            i_account: event.i_account,
            i_customer: event.i_customer,
            received_at: event.received_at,
        });
        newest_first(lines.collect(), |line| (line.received_at, line.identity.0.clone()), most)
    }

    pub fn event_told(&self, identity: &EventIdentity) -> Option<Event> {
        self.events.get(&identity.0).cloned()
    }

    pub fn letter_lines(&self, before: Option<&Place>, most: usize) -> Vec<Letter> {
        let found = self.letters.values().filter(|letter| is_after(before, letter.at, &letter.id));
        let lines = found.map(|letter| Letter {
            id: letter.id.clone(),
            at: letter.at,
            why: letter.why.clone(),
            body: None,
        });
        newest_first(lines.collect(), |letter| (letter.at, letter.id.clone()), most)
    }

    pub fn letter_told(&self, id: &str) -> Option<Letter> {
        let letter = self.letters.get(id)?;
        let body = Some(letter.body.clone()).filter(|body| !body.is_empty());
        Some(Letter { id: letter.id.clone(), at: letter.at, why: letter.why.clone(), body })
    }

    pub fn notification_lines(
        &self,
        unread: bool,
        before: Option<&Place>,
        most: usize,
    ) -> Vec<NotificationLine> {
        let found = self.notifications.iter().rev().filter(|(id, row)| {
            before.is_none_or(|place| **id < place.id) && (!unread || row.read != Read::Yes)
        });
        found.take(most).map(|(id, row)| line_of(id, row)).collect()
    }

    pub fn notification_told(&self, id: &str) -> Option<NotificationTold> {
        let row = self.notifications.get(id)?;
        let of = self.signals.values().filter(|signal| signal.notification == id);
        let signals = of.map(|signal| {
            let operation = signal.operation.and_then(|seq| self.operations.get(&seq));
            (signal.fate.word().to_owned(), operation.map(|row| row.operation.id.0.clone()))
        });
        Some(NotificationTold { line: line_of(id, row), raw: row.raw.clone(), signals: signals.collect() })
    }

    pub fn account_told(&self, account: IAccount) -> Option<AccountTold> {
        let lanes = self.lanes.values().filter(|lane| lane.i_account == account);
        let mut stands: Vec<_> = lanes.map(|lane| (lane.group.clone(), lane.applied.clone())).collect();
        stands.sort_by(|(one, _), (other, _)| one.cmp(other));
        let of = self.statuses.iter().filter(|((of, _), _)| *of == account);
        let statuses = of.map(|((_, service), row)| StatusTold {
            service: service.clone(),
            said: row.said.clone(),
            due: row.due,
            given_up: row.given_up,
        });
        let statuses: Vec<_> = statuses.collect();
        if stands.is_empty() && statuses.is_empty() {
            return None;
        }
        Some(AccountTold { stands, statuses })
    }
}
