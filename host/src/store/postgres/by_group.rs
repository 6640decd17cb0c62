//! What is kept of a group as a whole: a sealed row each.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::stored::OfGroups;
use super::PostgresJournal;
use super::database::Patience;
use crate::domain::Group;
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

    pub(super) async fn keep_of_group<T: Serialize + Sync>(
        &self,
        of: OfGroups,
        group: &Group,
        value: &T,
    ) -> Result<(), JournalError> {
        let state = &self.seal.pack(&of.place(group), value)?;
        let text = format!(
            "INSERT INTO {} (grp, state) VALUES ($1, $2) ON CONFLICT (grp) DO UPDATE SET state = excluded.state",
            of.table()
        );
        let text = text.as_str();
        let keep =
            |on: super::Connection| async move { on.execute(text, &[&group.0, state]).await.map(drop) };
        self.database.write(Patience::Some, keep).await
    }
}
