//! Whole tables: their rows as they stand, and into a journal that has none.

use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::super::care::CareError;
use super::super::exported::{Export, Import};
use super::super::tables::{Kind, META, Row, TABLES, Table, Value, last_signal};
use super::numbers;

/// Writes all of them into the file. `failed` says what it means that SQLite did not do its part.
pub fn write_to(
    export: &mut Export,
    connection: &Connection,
    failed: &impl Fn(rusqlite::Error) -> CareError,
) -> Result<(), CareError> {
    for table in &TABLES {
        export.table(table)?;
        let text = format!("SELECT {} FROM {}", table.columns(), table.source());
        let mut select = connection.prepare(&text).map_err(failed)?;
        let mut rows = select.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            export.row(table, &row_of(table, row).map_err(failed)?)?;
        }
        if table.name == META {
            export.row(table, &last_signal(numbers::last_signal(connection).map_err(failed)?))?;
        }
    }
    Ok(())
}

fn row_of(table: &Table, row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let value = |(at, (_, kind)): (usize, &(&str, Kind))| {
        Ok(match (row.get_ref(at)?, kind) {
            (ValueRef::Null, _) => Value::Null,
            (ValueRef::Integer(number), Kind::Truth) => Value::Truth(number != 0),
            (ValueRef::Integer(number), _) => Value::Integer(number),
            (ValueRef::Blob(bytes), _) => Value::Sealed(bytes.to_owned()),
            (of_another_kind, _) => Value::Text(of_another_kind.as_str()?.to_owned()),
        })
    };
    table.columns.iter().enumerate().map(value).collect()
}

/// Reads all of a file into a journal's tables, in the transaction that is open.
pub fn read_from(
    import: &mut Import,
    connection: &Connection,
    failed: &impl Fn(rusqlite::Error) -> CareError,
) -> Result<(), CareError> {
    while let Some((table, rows)) = import.batch()? {
        let marks = vec!["?"; table.columns.len()].join(", ");
        let how = if table.name == META { "INSERT OR REPLACE" } else { "INSERT" };
        let text = format!("{how} INTO {} ({}) VALUES ({marks})", table.name, table.columns());
        let mut insert = connection.prepare_cached(&text).map_err(failed)?;
        for row in rows {
            insert.execute(params_from_iter(row.into_iter().map(stored))).map_err(failed)?;
        }
    }
    // A file that was made before it was there does not say which was the last.
    numbers::remember(connection).map_err(failed)
}

fn stored(value: Value) -> Stored {
    match value {
        Value::Null => Stored::Null,
        Value::Integer(number) => Stored::Integer(number),
        Value::Truth(truth) => Stored::Integer(truth.into()),
        Value::Text(text) => Stored::Text(text),
        Value::Sealed(bytes) => Stored::Blob(bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::schema;
    use super::*;
    use crate::store::seal::Seal;

    /// Or what was added last would be left behind.
    #[test]
    fn every_column_goes_along_but_those_of_a_lease() {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, _) = schema::open(&folder.path().join("t.db"), Seal::new([7; 32])).expect("a journal");
        let mut columns = journal
            .prepare(
                "SELECT t.name || '.' || c.name || ' ' || c.type FROM pragma_table_list t, pragma_table_info(t.name) c
                 WHERE t.schema = 'main' AND t.name <> 'tally' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
            )
            .expect("SQL");
        let columns: rusqlite::Result<BTreeSet<String>> =
            columns.query_map([], |row| row.get(0)).expect("rows").collect();
        let listed = TABLES.iter().flat_map(|table| {
            let column = |(name, kind): &(&str, Kind)| {
                let kind = match kind {
                    Kind::Text | Kind::Id => "TEXT",
                    Kind::Integer | Kind::Truth => "INTEGER",
                    Kind::Sealed => "BLOB",
                };
                format!("{}.{name} {kind}", table.name)
            };
            table.columns.iter().map(column)
        });
        let of_a_lease = ["lane.owner TEXT", "lane.lease_until INTEGER"].map(str::to_owned);
        assert_eq!(columns.expect("names"), listed.chain(of_a_lease).collect());
    }
}
