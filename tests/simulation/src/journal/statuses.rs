//! The outbox, and the breakers.

use std::collections::BTreeMap;

use punchdown::domain::{Breaker, Group, IAccount, Said, Service, Status, Timestamp};
use punchdown::ports::{JournalError, StatusUpdate};

use super::Flaw;
use super::tables::{Part, StatusRow, Tables};

const fn badness(status: Status) -> u8 {
    match status {
        Status::Failed => 0,
        Status::Retry => 1,
        Status::InProgress => 2,
        Status::Ok => 3,
    }
}

impl Tables {
    pub fn put_status(
        &mut self,
        group: &Group,
        account: IAccount,
        service: Service,
        said: Said,
        now: Timestamp,
    ) {
        if self.breaks(Flaw::KeepsGoodNews) && said.status == Status::Ok {
            return;
        }
        let number = self.number();
        let place = (account, service.clone(), group.clone());
        self.parts.insert(place, Part { said, at: now, number });
        let of_service = self.parts.iter().filter(|((of, name, _), _)| (*of, name) == (account, &service));
        let worst = of_service
            .map(|(_, part)| part)
            .min_by_key(|part| (badness(part.said.status), std::cmp::Reverse((part.at, part.number))));
        let Some(said) = worst.map(|part| part.said.clone()) else { return };
        let version = u64::try_from(number).unwrap_or_default();
        let place = (account, service);
        // One that was not settled may have arrived: nobody knows what is told.
        let told = self.statuses.remove(&place).and_then(|row| row.told.filter(|_| row.due.is_none()));
        let row = StatusRow { version, said, due: Some(now), attempts: 0, told, given_up: false };
        self.statuses.insert(place, row);
    }

    pub fn hear_only(&mut self, groups: &[Group]) -> usize {
        let before = self.parts.len();
        self.parts.retain(|(_, _, group), _| groups.contains(group));
        before - self.parts.len()
    }

    pub fn statuses_due(&self, now: Timestamp, most: usize) -> Vec<StatusUpdate> {
        let mut due: Vec<_> = self
            .statuses
            .iter()
            .filter_map(|(place, row)| Some((row.due.filter(|due| *due <= now)?, place, row)))
            .collect();
        due.sort_by_key(|(at, ..)| *at);
        let update = |((i_account, service), row): (&(IAccount, Service), &StatusRow)| StatusUpdate {
            i_account: *i_account,
            service: service.clone(),
            said: row.said.clone(),
            told: row.told.clone(),
            version: row.version,
            attempts: row.attempts,
            term: 0,
        };
        due.into_iter().take(most).map(|(_, place, row)| update((place, row))).collect()
    }

    /// What came meanwhile stays due.
    pub fn status_settled(&mut self, update: &StatusUpdate, taken: bool) {
        let settles_newer = self.breaks(Flaw::SettlesNewerWords);
        let tells_old = self.breaks(Flaw::TellsOldWords);
        let Some(row) = self.status_of(update, settles_newer) else { return };
        if tells_old && let Some(old) = row.told.take() {
            (row.said, row.version) = (old, row.version - 1);
            return;
        }
        (row.due, row.attempts, row.given_up) = (None, 0, !taken);
        if taken {
            row.told = Some(row.said.clone());
        }
    }

    pub fn status_later(&mut self, update: &StatusUpdate, at: Timestamp) {
        if let Some(row) = self.status_of(update, false) {
            (row.due, row.attempts) = (Some(at), row.attempts + 1);
        }
    }

    fn status_of(&mut self, update: &StatusUpdate, or_newer: bool) -> Option<&mut StatusRow> {
        let row = self.statuses.get_mut(&(update.i_account, update.service.clone()))?;
        (row.version == update.version || or_newer).then_some(row)
    }

    pub fn breakers_kept(&self) -> Result<BTreeMap<Group, Breaker>, JournalError> {
        let read = |(group, text): (&Group, &String)| {
            let breaker =
                serde_json::from_str(text).map_err(|error| JournalError::Damaged(error.to_string()))?;
            Ok((group.clone(), breaker))
        };
        self.breakers.iter().map(read).collect()
    }

    pub fn keep_breaker(&mut self, group: &Group, breaker: &Breaker) -> Result<(), JournalError> {
        let text = serde_json::to_string(breaker).map_err(|error| JournalError::Failed(error.to_string()))?;
        self.breakers.insert(group.clone(), text);
        Ok(())
    }
}
