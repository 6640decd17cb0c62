//! What is kept of a group as a whole: a sealed row each.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::rows::{breaker_place, registration_place};
use super::{SqliteJournal, sql};
use crate::domain::Group;
use crate::ports::JournalError;

#[derive(Clone, Copy)]
pub enum Table {
    /// What holds its requests back.
    Breaker,
    /// How it stands with its system's notifications.
    Registration,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::Registration => "registration",
        }
    }

    fn place(self, group: &Group) -> String {
        match self {
            Self::Breaker => breaker_place(group),
            Self::Registration => registration_place(group),
        }
    }
}

impl SqliteJournal {
    pub(super) async fn of_groups<T: DeserializeOwned>(
        &self,
        table: Table,
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
        table: Table,
        group: &Group,
        value: &T,
    ) -> Result<(), JournalError> {
        let (group, state) = (group.clone(), self.seal.pack(&table.place(group), value)?);
        self.writer.write_patiently(0, move |connection| keep(connection, table, &group, &state)).await
    }
}

fn read(connection: &Connection, table: Table) -> Result<Vec<(Group, Vec<u8>)>, JournalError> {
    connection
        .prepare_cached(&format!("SELECT grp, state FROM {}", table.name()))
        .and_then(|mut select| select.query_map([], |row| Ok((Group(row.get(0)?), row.get(1)?)))?.collect())
        .map_err(sql)
}

fn keep(connection: &Connection, table: Table, group: &Group, state: &[u8]) -> Result<(), JournalError> {
    let insert = format!(
        "INSERT INTO {} (grp, state) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET state = excluded.state",
        table.name()
    );
    connection
        .prepare_cached(&insert)
        .and_then(|mut insert| insert.execute(params![group.0, state]))
        .map_err(sql)?;
    Ok(())
}
