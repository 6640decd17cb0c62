//! Whose the open operations are. Which adapter decided last stands in what is sealed, so each has to be opened: that is
//! done page by page, and only when a person asks.

use rusqlite::{Connection, params};

use super::super::OpenError;
use super::super::rows::decided_by;
use super::super::seal::Seal;
use super::copy::{hold_still, look};
use super::{SqliteJournal, schema, sql};
use crate::domain::Group;
use crate::ports::{Deciders, JournalError};
use crate::store::Settings;

const PAGE: i64 = 1000;

/// Where a page ended: a lane, and an operation in it.
type Place = (i64, i64);

/// An operation, still sealed.
struct Stored {
    place: Place,
    id: String,
    group: String,
    state: Vec<u8>,
}

/// Only what is open is looked at, however much has ended.
fn page(connection: &Connection, after: Place) -> Result<Vec<Stored>, JournalError> {
    connection
        .prepare_cached(
            "SELECT o.lane, o.seq, o.id, l.grp, o.state
             FROM operation o INDEXED BY operation_open CROSS JOIN lane l ON l.id = o.lane
             WHERE o.open = 1 AND (o.lane, o.seq) > (?1, ?2) ORDER BY o.lane, o.seq LIMIT ?3",
        )
        .and_then(|mut select| {
            let stored = |row: &rusqlite::Row<'_>| {
                let place = (row.get(0)?, row.get(1)?);
                Ok(Stored { place, id: row.get(2)?, group: row.get(3)?, state: row.get(4)? })
            };
            select.query_map(params![after.0, after.1, PAGE], stored)?.collect()
        })
        .map_err(sql)
}

/// Adds a page; where the next one begins, if there may be one. One that cannot be read is left out.
fn add(stored: Vec<Stored>, seal: &Seal, to: &mut Deciders) -> Option<Place> {
    let last = stored.last().map(|it| it.place);
    for Stored { id, group, state, .. } in stored {
        if let Ok(by) = decided_by(&id, &state, seal) {
            *to.entry((Group(group), by)).or_default() += 1;
        }
    }
    last
}

impl SqliteJournal {
    pub(super) async fn whose(&self) -> Result<Deciders, JournalError> {
        let (mut deciders, mut after) = (Deciders::new(), Some((0, 0)));
        while let Some(place) = after {
            let stored = self.read(&self.counter, move |connection| page(connection, place)).await?;
            after = add(stored, &self.seal, &mut deciders);
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
    if !path.is_file() {
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
        after = add(page(&connection, place).map_err(unread)?, &seal, &mut deciders);
    }
    Ok(deciders)
}
