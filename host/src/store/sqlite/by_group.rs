//! What is kept of a group as a whole: a sealed row each.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::stored::OfGroups;
use super::{SqliteJournal, sql};
use crate::domain::Group;
use crate::ports::JournalError;

impl SqliteJournal {
    pub(super) async fn of_groups<T: DeserializeOwned>(
        &self,
        table: OfGroups,
    ) -> Result<BTreeMap<Group, T>, JournalError> {
        let stored = self.read(&self.reader, move |connection| read(connection, table)).await?;
        let opened = |(group, sealed): (Group, Vec<u8>)| {
            let value = self.seal.unpack(&table.place(&group), &sealed)?;
            Ok((group, value))
        };
        stored.into_iter().map(opened).collect()
    }

    pub(super) async fn keep_of_group<T: Serialize + Sync>(
        &self,
        table: OfGroups,
        group: &Group,
        value: &T,
    ) -> Result<(), JournalError> {
        let (group, state) = (group.clone(), self.seal.pack(&table.place(group), value)?);
        self.writer.write_patiently(0, move |connection| keep(connection, table, &group, &state)).await
    }
}

fn read(connection: &Connection, table: OfGroups) -> Result<Vec<(Group, Vec<u8>)>, JournalError> {
    connection
        .prepare_cached(&format!("SELECT grp, state FROM {}", table.table()))
        .and_then(|mut select| select.query_map([], |row| Ok((Group(row.get(0)?), row.get(1)?)))?.collect())
        .map_err(sql)
}

fn keep(connection: &Connection, table: OfGroups, group: &Group, state: &[u8]) -> Result<(), JournalError> {
    let insert = format!(
        "INSERT INTO {} (grp, state) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET state = excluded.state",
        table.table()
    );
    connection
        .prepare_cached(&insert)
        .and_then(|mut insert| insert.execute(params![group.0, state]))
        .map_err(sql)?;
    Ok(())
}
