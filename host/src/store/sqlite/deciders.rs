//! Whose the open operations are: page by page, and only when a person asks.

use rusqlite::{Connection, params};

use super::super::OpenError;
use super::super::seal::Seal;
use super::super::stored::{LanePlace, OPEN_AT_A_TIME, OpenOperation, count_deciders};
use super::copy::{hold_still, look};
use super::{SqliteJournal, schema, sql};
use crate::ports::{Deciders, JournalError};
use crate::store::Settings;

/// Only what is open is looked at, however much has ended.
fn page(connection: &Connection, after: LanePlace) -> Result<Vec<OpenOperation>, JournalError> {
    connection
        .prepare_cached(
            "SELECT o.lane, o.seq, o.id, l.grp, o.state
             FROM operation o INDEXED BY operation_open CROSS JOIN lane l ON l.id = o.lane
             WHERE o.open = 1 AND (o.lane, o.seq) > (?1, ?2) ORDER BY o.lane, o.seq LIMIT ?3",
        )
        .and_then(|mut select| {
            let stored = |row: &rusqlite::Row<'_>| {
                let place = (row.get(0)?, row.get(1)?);
                Ok(OpenOperation { place, id: row.get(2)?, group: row.get(3)?, state: row.get(4)? })
            };
            select.query_map(params![after.0, after.1, OPEN_AT_A_TIME], stored)?.collect()
        })
        .map_err(sql)
}

impl SqliteJournal {
    pub(super) async fn whose(&self) -> Result<Deciders, JournalError> {
        let (mut deciders, mut after) = (Deciders::new(), Some((0, 0)));
        while let Some(place) = after {
            let stored = self.read(&self.counter, move |connection| page(connection, place)).await?;
            after = count_deciders(stored, &self.seal, &mut deciders);
        }
        Ok(deciders)
    }
}

/// The same of a journal that nobody need have open: it is only read.
///
/// # Errors
/// When it is not there, is of another version, or its key cannot be read.
pub fn deciders(settings: &Settings) -> Result<Deciders, OpenError> {
    let path = settings.database();
    if settings.postgres.is_some() || !path.is_file() {
        return Err(OpenError::NoJournal(settings.directory.clone()));
    }
    let seal = Seal::from_file(&settings.key())?;
    let failed = |source| OpenError::Sqlite { path: path.clone(), source };
    let connection = look(&path).map_err(failed)?;
    hold_still(&connection).map_err(failed)?;
    schema::must_be_known(&connection, &path)?;
    let unread = |error: JournalError| OpenError::Key { path: settings.key(), why: error.to_string() };
    let (mut deciders, mut after) = (Deciders::new(), Some((0, 0)));
    while let Some(place) = after {
        after = count_deciders(page(&connection, place).map_err(unread)?, &seal, &mut deciders);
    }
    Ok(deciders)
}
