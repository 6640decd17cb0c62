//! What is kept of a group as a whole: a sealed row each.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::stored::OfGroups;
use super::PostgresJournal;
use super::connection::Connection;
use super::database::Patience;
use super::instances::leads;
use crate::domain::{Breaker, Group, Registration};
use crate::ports::JournalError;

impl PostgresJournal {
    pub(super) async fn of_groups<T: DeserializeOwned>(
        &self,
        of: OfGroups,
    ) -> Result<BTreeMap<Group, T>, JournalError> {
        let text = format!("SELECT grp, state FROM {}", of.table());
        let text = text.as_str();
        let rows = self.database.read(|on| async move { on.all(text, &[]).await }).await?;
        let opened = |row: &tokio_postgres::Row| {
            let group = Group(row.get(0));
            let value = self.seal.unpack(&of.place(&group), row.get(1))?;
            Ok((group, value))
        };
        rows.iter().map(opened).collect()
    }

    /// What was made of it as it was read under that term. Gives what is kept.
    pub(super) async fn keep_of_group<T>(
        &self,
        of: OfGroups,
        group: &Group,
        value: &T,
        term: u64,
    ) -> Result<T, JournalError>
    where
        T: Beside + Clone + Serialize + DeserializeOwned + Send + Sync,
    {
        let place = &of.place(group);
        let select = &format!("SELECT state FROM {} WHERE grp = $1", of.table());
        let upsert = &format!(
            "INSERT INTO {} (grp, state) VALUES ($1, $2) ON CONFLICT (grp) DO UPDATE SET state = excluded.state",
            of.table()
        );
        let keep = |on: Connection| async move {
            on.all("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[place]).await?;
            let kept = on.optional(select, &[&group.0]).await?;
            let kept = kept.and_then(|row| self.seal.unpack::<T>(place, row.get(0)).ok());
            let value = match kept {
                Some(kept) => value.clone().beside(kept, leads(&on, term).await?),
                None => value.clone(),
            };
            let state = self.seal.pack(place, &value)?;
            on.execute(upsert, &[&group.0, &state]).await.map(|_| value)
        };
        self.database.write(Patience::Some, keep).await
    }
}

/// What several instances keep of one group: of each part the word of whose it is.
pub(super) trait Beside {
    fn beside(self, kept: Self, leads: bool) -> Self;
}

impl Beside for Breaker {
    /// Each has its own, and what a person said is everybody's.
    fn beside(mut self, kept: Self, _: bool) -> Self {
        self.hear(&kept);
        self
    }
}

impl Beside for Registration {
    fn beside(self, kept: Self, leads: bool) -> Self {
        Self::beside(self, kept, leads)
    }
}
