//! Seals every value with another key, batch by batch. Each value names its key, so whatever stopped this,
//! the next one sees what is left.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::super::OpenError;
use super::super::rotation::Rotated;
use super::super::seal::{Index, Seal};
use super::super::sealed::{FINGERPRINTS, Fingerprints, SEALED, Sealed};
use super::schema;

const ROWS_AT_A_TIME: usize = 500;

/// What is left of the transactions that may be done.
struct Turns(Option<usize>);

impl Turns {
    fn take(&mut self) -> bool {
        match &mut self.0 {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }
}

pub fn rotate(path: &Path, old: &Seal, new: &Seal, batches: Option<usize>) -> Result<Rotated, OpenError> {
    let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let (mut connection, state) = schema::open_for_rotation(path, old, new)?;
    let schema::Rotation::Under(index) = state else {
        leave_nothing(&connection).map_err(failed)?;
        return Ok(Rotated { finished: true, ..Rotated::default() });
    };
    let mut rotated = Rotated::default();
    let mut turns = Turns(batches);
    for place in SEALED {
        let ended = values(&mut connection, place, (old, new), &mut turns, &mut rotated).map_err(failed)?;
        if !ended {
            return Ok(rotated);
        }
    }
    let next = index.then(new);
    for of in FINGERPRINTS {
        if !fingerprints(&mut connection, &of, &next, &mut turns).map_err(failed)? {
            return Ok(rotated);
        }
    }
    schema::take_key(&mut connection, path, &new.clone().with_index(next))?;
    leave_nothing(&connection).map_err(failed)?;
    Ok(Rotated { finished: true, ..rotated })
}

/// Nothing of what the old key opens is left in free pages, nor in the log.
fn leave_nothing(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")
}

type Row = (Vec<Value>, String, Vec<u8>);

/// Whether it came to the end of the column.
fn values(
    connection: &mut Connection,
    of: &Sealed,
    (old, new): (&Seal, &Seal),
    turns: &mut Turns,
    rotated: &mut Rotated,
) -> rusqlite::Result<bool> {
    let Sealed { table, key, column, .. } = of;
    let (keys, place) = (key.join(", "), of.place_on_sqlite());
    let mut after: Option<Vec<Value>> = None;
    loop {
        let text = format!(
            "SELECT {keys}, {place}, {column} FROM {table}
             WHERE length({column}) > 0 AND {} ORDER BY {keys} LIMIT {ROWS_AT_A_TIME}",
            behind(key, after.as_ref())
        );
        let rows: Vec<Row> = connection
            .prepare(&text)?
            .query_map(params_from_iter(after.iter().flatten()), |row| {
                let read = (0..key.len()).map(|at| row.get(at)).collect::<rusqlite::Result<_>>()?;
                Ok((read, row.get(key.len())?, row.get(key.len() + 1)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let Some((last, ..)) = rows.last() else { return Ok(true) };
        after = Some(last.clone());
        let undone: Vec<&Row> = rows.iter().filter(|(.., value)| !new.sealed(value)).collect();
        if undone.is_empty() {
            continue;
        }
        if !turns.take() {
            return Ok(false);
        }
        let batch = connection.transaction()?;
        for (of_row, place, value) in undone {
            let anew = old.open(place, value).and_then(|plain| new.seal(place, &plain));
            let Ok(anew) = anew else {
                rotated.unreadable += 1;
                continue;
            };
            let text = format!("UPDATE {table} SET {column} = ?1 WHERE {}", is(key));
            let of_row = std::iter::once(Value::from(anew)).chain(of_row.iter().cloned());
            batch.prepare_cached(&text)?.execute(params_from_iter(of_row))?;
            rotated.sealed += 1;
        }
        batch.commit()?;
    }
}

/// Whether all of them have the newest key's mark.
fn fingerprints(
    connection: &mut Connection,
    Fingerprints { table, key, column }: &Fingerprints,
    index: &Index,
    turns: &mut Turns,
) -> rusqlite::Result<bool> {
    let (keys, mark) = (key.join(", "), index.mark().to_owned());
    let mut after: Option<Vec<Value>> = None;
    loop {
        let text = format!(
            "SELECT {keys}, {column} FROM {table} WHERE {column} IS NOT NULL AND {} ORDER BY {keys} LIMIT {ROWS_AT_A_TIME}",
            behind(key, after.as_ref())
        );
        let rows: Vec<(Vec<Value>, String)> = connection
            .prepare(&text)?
            .query_map(params_from_iter(after.iter().flatten()), |row| {
                let read = (0..key.len()).map(|at| row.get(at)).collect::<rusqlite::Result<_>>()?;
                Ok((read, row.get(key.len())?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let Some((last, _)) = rows.last() else { return Ok(true) };
        after = Some(last.clone());
        let undone: Vec<_> = rows.iter().filter(|(_, key)| !key.starts_with(&mark)).collect();
        if undone.is_empty() {
            continue;
        }
        if !turns.take() {
            return Ok(false);
        }
        let batch = connection.transaction()?;
        for (of_row, fingerprint) in undone {
            let text = format!("UPDATE {table} SET {column} = ?1 WHERE {}", is(key));
            let of_row = std::iter::once(Value::from(index.over(fingerprint))).chain(of_row.iter().cloned());
            batch.prepare_cached(&text)?.execute(params_from_iter(of_row))?;
        }
        batch.commit()?;
    }
}

fn behind(key: &[&str], after: Option<&Vec<Value>>) -> String {
    match after {
        None => "TRUE".to_owned(),
        Some(_) => {
            let marks: Vec<String> = (1..=key.len()).map(|at| format!("?{at}")).collect();
            format!("({}) > ({})", key.join(", "), marks.join(", "))
        }
    }
}

fn is(key: &[&str]) -> String {
    let equal = (2..).zip(key).map(|(at, column)| format!("{column} = ?{at}"));
    equal.collect::<Vec<_>>().join(" AND ")
}
