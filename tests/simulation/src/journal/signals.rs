//! Notifications as they came, and the signals that were read in them.

use punchdown::domain::{
    Correlation, Group, IAccount, Notification, Otherwise, QUIET, Reading, Response, Signal, SystemChange,
    Timestamp,
};
use punchdown::ports::{Delivered, Kept};

use super::Flaw;
use super::tables::{Fate, NotificationRow, Read, SignalRow, Tables};

/// By what a signal names an account.
pub fn of_account(account: IAccount) -> String {
    format!("i-account:{account}")
}

fn named(whom: &Correlation) -> String {
    match whom {
        Correlation::Key(key) => format!("key:{key}"),
        Correlation::IAccount(account) => of_account(*account),
        Correlation::AccountId(id) => format!("account-id:{}", id.0),
    }
}

enum Whom {
    Open(i64),
    Closed(i64),
    Nobody,
}

impl Tables {
    pub fn keep_notification(&mut self, delivered: Delivered) -> Kept {
        let Delivered { id, group, sender_id, raw } = delivered;
        let repeats =
            |row: &&NotificationRow| sender_id.is_some() && row.group == group && row.sender_id == sender_id;
        if let Some(first) = self.notifications.values().find(repeats) {
            return Kept::Repeated(first.reply.clone());
        }
        let received_at = raw.received_at;
        let (raw, reply, read) = (Some(raw), None, Read::NotYet);
        self.notifications.insert(id, NotificationRow { group, sender_id, received_at, raw, reply, read });
        Kept::New
    }

    pub fn keep_reply(&mut self, id: &str, reply: &Response) {
        if let Some(row) = self.notifications.get_mut(id) {
            row.reply.get_or_insert_with(|| reply.clone());
        }
    }

    pub fn unread(&self, group: &Group, most: usize) -> Vec<(String, Notification)> {
        let unread =
            self.notifications.iter().filter(|(_, row)| row.read == Read::NotYet && row.group == *group);
        unread.filter_map(|(id, row)| Some((id.clone(), row.raw.clone()?))).take(most).collect()
    }

    /// One reading of a notification; a second one, by whoever came later, changes nothing.
    pub fn record_reading(&mut self, id: &str, reading: Reading, now: Timestamp) {
        let Some(row) = self.notifications.get_mut(id) else { return };
        let unread = reading.unread.is_some();
        let counts = row.read == Read::NotYet || (row.read == Read::InVain && !unread);
        if !counts {
            return;
        }
        row.read = if unread { Read::InVain } else { Read::Yes };
        row.reply.get_or_insert(reading.reply);
        let (group, received_at) = (row.group.clone(), row.received_at);
        if self.breaks(Flaw::DropsSignals) {
            return;
        }
        for signal in reading.signals {
            self.record_signal(id, &group, signal, received_at, now);
        }
    }

    fn record_signal(
        &mut self,
        notification: &str,
        group: &Group,
        signal: Signal,
        received_at: Timestamp,
        now: Timestamp,
    ) {
        let key = named(&signal.correlation);
        let whom = self.resolve(group, &signal.correlation, &key);
        let begins = match signal.otherwise {
            Otherwise::Begin => self.whose(&whom, &signal.correlation),
            Otherwise::Keep | Otherwise::Drop => None,
        };
        let (operation, fate) = match (&whom, begins) {
            (Whom::Open(seq), _) => (Some(*seq), Fate::Kept),
            (Whom::Closed(_) | Whom::Nobody, Some(account)) => {
                let is_quiet = self.is_quiet(group, account, received_at);
                (None, if is_quiet { Fate::Begins } else { Fate::Dropped })
            }
            (Whom::Closed(seq), None) => {
                let somebody_is_open = self.head_beside(*seq).is_some();
                let keeps = somebody_is_open && signal.otherwise == Otherwise::Keep;
                (Some(*seq), if keeps { Fate::Kept } else { Fate::Dropped })
            }
            (Whom::Nobody, None) if signal.otherwise == Otherwise::Drop => (None, Fate::Dropped),
            (Whom::Nobody, None) => (None, Fate::Kept),
        };
        let known =
            |row: &SignalRow| signal.id.is_some() && row.group == *group && row.sender_id == signal.id;
        if !self.signals.values().any(known) {
            let row = SignalRow {
                notification: notification.to_owned(),
                group: group.clone(),
                sender_id: signal.id,
                key,
                operation,
                at: now,
                fate,
                payload: signal.payload,
                i_account: begins,
            };
            let number = self.number();
            self.signals.insert(number, row);
        }
        if let Whom::Open(seq) = whom {
            self.settle(self.operations[&seq].lane, now);
        }
    }

    fn resolve(&self, group: &Group, correlation: &Correlation, key: &str) -> Whom {
        let by_key = || self.keys.get(&(group.clone(), key.to_owned())).copied();
        let found = match correlation {
            Correlation::IAccount(account) => {
                let head = self.lane_of(group, *account).and_then(|lane| self.head_of(lane));
                return head.map_or(Whom::Nobody, Whom::Open);
            }
            Correlation::Key(key) => by_key().or_else(|| self.by_id_in(group, key)),
            Correlation::AccountId(_) => by_key().map(|seq| self.head_beside(seq).unwrap_or(seq)),
        };
        match found {
            Some(seq) if self.is_open(seq) => Whom::Open(seq),
            Some(seq) => Whom::Closed(seq),
            None => Whom::Nobody,
        }
    }

    fn by_id_in(&self, group: &Group, id: &str) -> Option<i64> {
        let seq = *self.by_id.get(&punchdown::domain::OperationId(id.to_owned()))?;
        (self.operations[&seq].operation.lane.group == *group).then_some(seq)
    }

    fn whose(&self, whom: &Whom, correlation: &Correlation) -> Option<IAccount> {
        match (whom, correlation) {
            (Whom::Open(seq) | Whom::Closed(seq), _) => {
                Some(self.lanes[&self.operations[seq].lane].i_account)
            }
            (Whom::Nobody, Correlation::IAccount(account)) => Some(*account),
            (Whom::Nobody, Correlation::Key(_) | Correlation::AccountId(_)) => None,
        }
    }

    /// The account has nothing open, and nobody of us has touched it for a while.
    fn is_quiet(&self, group: &Group, account: IAccount, received_at: Timestamp) -> bool {
        let since = received_at - QUIET;
        let begins = |row: &SignalRow| {
            row.group == *group && row.i_account == Some(account) && row.fate == Fate::Begins
        };
        let Some(lane) = self.lane_of(group, account) else {
            return !self.signals.values().any(begins);
        };
        let touched = self.operations.values().any(|row| row.lane == lane && row.changed_at > since);
        self.head_of(lane).is_none() && !touched && !self.signals.values().any(begins)
    }

    pub fn changes_to_begin(&self, group: &Group, most: usize) -> Vec<SystemChange> {
        let begin = self.signals.iter().filter(|(_, row)| row.fate == Fate::Begins && row.group == *group);
        let change = |(id, row): (&i64, &SignalRow)| {
            let (payload, at) = (row.payload.clone(), row.at);
            Some(SystemChange { signal: *id, i_account: row.i_account?, payload, at })
        };
        begin.filter_map(change).take(most).collect()
    }

    pub fn change_begun(&mut self, signal: i64) {
        if let Some(row) = self.signals.get_mut(&signal).filter(|row| row.fate == Fate::Begins) {
            row.fate = Fate::Begun;
        }
    }

    pub fn park_unclaimed(&mut self, since: Timestamp, most: usize) -> usize {
        let unclaimed =
            |row: &SignalRow| row.fate == Fate::Kept && row.operation.is_none() && row.at <= since;
        let mut found: Vec<_> =
            self.signals.iter().filter(|(_, row)| unclaimed(row)).map(|(id, row)| (row.at, *id)).collect();
        found.sort_unstable();
        found.truncate(most);
        for (_, id) in &found {
            if let Some(row) = self.signals.get_mut(id) {
                row.fate = Fate::Parked;
            }
        }
        found.len()
    }

    /// Signals that came before anybody was there of whom they speak.
    pub fn claim_kept_signals(&mut self, group: &Group, key: &str, seq: i64) {
        let unclaimed = self.signals.values_mut().filter(|row| {
            row.fate == Fate::Kept && row.operation.is_none() && row.key == key && row.group == *group
        });
        unclaimed.for_each(|row| row.operation = Some(seq));
    }

    /// The same for a key that its adapter named: whoever names what an earlier one of its lane had named
    /// has taken over what that one left.
    pub fn take_over_signals(&mut self, group: &Group, key: &str, seq: i64) {
        let lane = self.operations[&seq].lane;
        let operations = &self.operations;
        let is_left = |of: i64| {
            operations.get(&of).is_some_and(|row| row.lane == lane && !row.operation.stage.is_open())
        };
        let left = self.signals.values_mut().filter(|row| {
            row.fate == Fate::Kept
                && row.key == key
                && row.group == *group
                && row.operation.is_none_or(is_left)
        });
        left.for_each(|row| row.operation = Some(seq));
    }
}
