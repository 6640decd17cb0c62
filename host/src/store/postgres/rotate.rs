//! Seals every value with another key: all of it in one transaction, so that a journal is of the one key or of the other
//! at any moment, whoever is killed and whatever is cut.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::rotation::Rotated;
use super::super::seal::{INDEX_PLACE, Seal};
use super::super::sealed::{FINGERPRINTS, Fingerprints, SEALED, Sealed};
use super::super::tables::{Kind, Row, Value, of_name};
use super::connection::{Connection, Failure};
use super::database::Patience;
use super::refusal::Refusal;
use super::tables::{Alone, list, rows_at_a_time, type_of};
use crate::ports::JournalError;

/// What stands here alone.
const HERE_ALONE: [Fingerprints; 3] = [
    Fingerprints { table: "log_in_refused", key: &["who"], column: "who" },
    Fingerprints { table: "component", key: &["grp", "digest"], column: "mark" },
    Fingerprints { table: "served_by", key: &["grp"], column: "mark" },
];

/// What of a table is made anew.
struct Anew {
    table: &'static str,
    key: &'static [&'static str],
    sealed: Vec<&'static Sealed>,
    fingerprints: Vec<&'static str>,
}

fn all() -> Vec<Anew> {
    let mut all = Vec::new();
    for of in SEALED {
        Anew::of(&mut all, of.table, of.key).sealed.push(of);
    }
    for Fingerprints { table, key, column } in FINGERPRINTS.iter().chain(&HERE_ALONE) {
        Anew::of(&mut all, table, key).fingerprints.push(column);
    }
    all
}

impl Alone {
    /// Everything or nothing. Nothing of what the old key opens is left in the tables then.
    pub async fn rotate(&self, new: &Seal) -> Result<Rotated, Refusal> {
        let mut rotated = Rotated::default();
        if self.seal.key_id() != new.key_id() {
            let index = self.seal.index().clone().then(new);
            let new = &new.clone().with_index(index);
            let seal_all = |on| async move { self.seal_all(&on, new).await };
            let sealed = self.database.write(Patience::None, seal_all).await;
            rotated = sealed.map_err(|error| self.unusable(&error))?;
        }
        self.leave_nothing().await?;
        Ok(Rotated { finished: true, ..rotated })
    }

    async fn seal_all(&self, on: &Connection, new: &Seal) -> Result<Rotated, Failure> {
        on.batch("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
            .await?;
        let all = all();
        let tables: Vec<&str> = all.iter().map(|anew| anew.table).collect();
        on.batch(&format!(
            "SET LOCAL lock_timeout = '30s'; LOCK TABLE {} IN EXCLUSIVE MODE",
            tables.join(", ")
        ))
        .await?;
        let mut rotated = Rotated::default();
        for anew in &all {
            anew.seal(on, (&self.seal, new), &mut rotated).await?;
        }
        keep_key(on, new).await?;
        self.still().await?;
        Ok(rotated)
    }

    /// What was written over is still there, in room that is free, until the tables are written anew.
    async fn leave_nothing(&self) -> Result<(), Refusal> {
        let failed = |failure: Failure| {
            let why = format!(
                "all is sealed with the new key, and what the old one opens is not gone from its files yet: {failure}; \
                 say the same once more"
            );
            Refusal::Unusable { server: self.server.clone(), why }
        };
        let on = self.database.connection().await.map_err(failed)?;
        on.batch("SET statement_timeout = 0").await.map_err(failed)?;
        for Anew { table, .. } in all() {
            on.batch(&format!("VACUUM (FULL, ANALYZE) {table}")).await.map_err(failed)?;
        }
        Ok(())
    }
}

impl Anew {
    fn of<'a>(all: &'a mut Vec<Self>, table: &'static str, key: &'static [&'static str]) -> &'a mut Self {
        let at = all.iter().position(|anew| anew.table == table).unwrap_or_else(|| {
            all.push(Self { table, key, sealed: Vec::new(), fingerprints: Vec::new() });
            all.len() - 1
        });
        &mut all[at]
    }

    /// What is read is as it stood before any of it was written.
    async fn seal(
        &self,
        on: &Connection,
        seals: (&Seal, &Seal),
        rotated: &mut Rotated,
    ) -> Result<(), Failure> {
        let Self { table, .. } = self;
        on.batch(&format!("DECLARE {table}_anew NO SCROLL CURSOR FOR {}", self.select())).await?;
        let most = of_name(table).map_or(1, rows_at_a_time);
        let (fetch, update) = (format!("FETCH {most} FROM {table}_anew"), self.update());
        loop {
            let read = on.all(&fetch, &[]).await?;
            if read.is_empty() {
                return on.batch(&format!("CLOSE {table}_anew")).await;
            }
            let rows = read.iter().map(|row| self.sealed_anew(row, seals, rotated));
            let rows = rows.collect::<Result<Vec<Row>, _>>()?;
            let lists: Vec<_> = (0..).zip(self.kinds()).map(|(at, kind)| list(&rows, at, kind)).collect();
            let values: Vec<_> = lists.iter().map(|list| &**list).collect();
            on.execute(&update, &values).await?;
        }
    }

    /// The key, then each sealed value behind its place, then the fingerprints.
    fn select(&self) -> String {
        let key = self.key.iter().map(|column| (*column).to_owned());
        let sealed = self.sealed.iter().map(|of| format!("{}, {}", of.place_on_postgres(), of.column));
        let fingerprints = self.fingerprints.iter().map(|column| (*column).to_owned());
        let columns: Vec<String> = key.chain(sealed).chain(fingerprints).collect();
        format!("SELECT {} FROM {}", columns.join(", "), self.table)
    }

    /// All rows by one statement: a list for each column.
    fn update(&self) -> String {
        let sealed = self.sealed.iter().map(|of| of.column);
        let columns: Vec<&str> = sealed.chain(self.fingerprints.iter().copied()).collect();
        let set: Vec<String> =
            columns.iter().map(|column| format!("{column} = given.new_{column}")).collect();
        let is: Vec<String> =
            self.key.iter().map(|column| format!("{}.{column} = given.{column}", self.table)).collect();
        let lists = (1..).zip(self.kinds()).map(|(at, kind)| format!("${at}::{}[]", type_of(kind)));
        let new = columns.iter().map(|column| format!("new_{column}"));
        let given: Vec<String> = self.key.iter().map(|column| (*column).to_owned()).chain(new).collect();
        format!(
            "UPDATE {} SET {} FROM unnest({}) AS given ({}) WHERE {}",
            self.table,
            set.join(", "),
            lists.collect::<Vec<_>>().join(", "),
            given.join(", "),
            is.join(" AND ")
        )
    }

    /// Of the key, of what is sealed, of the fingerprints.
    fn kinds(&self) -> impl Iterator<Item = Kind> {
        let key = self.key.iter().map(|column| self.kind_of(column));
        let sealed = self.sealed.iter().map(|_| Kind::Sealed);
        key.chain(sealed).chain(self.fingerprints.iter().map(|_| Kind::Text))
    }

    fn kind_of(&self, column: &str) -> Kind {
        let columns = of_name(self.table).map_or(&[][..], |table| table.columns);
        columns.iter().find(|(name, _)| *name == column).map_or(Kind::Text, |(_, kind)| *kind)
    }

    fn sealed_anew(
        &self,
        row: &tokio_postgres::Row,
        (old, new): (&Seal, &Seal),
        rotated: &mut Rotated,
    ) -> Result<Row, JournalError> {
        let mut made = Vec::new();
        for (at, column) in self.key.iter().enumerate() {
            made.push(match self.kind_of(column) {
                Kind::Integer => Value::Integer(row.get(at)),
                _ => Value::Text(row.get(at)),
            });
        }
        let values = (0..self.sealed.len()).map(|at| self.key.len() + 2 * at);
        for at in values {
            let (place, value): (Option<String>, Option<Vec<u8>>) = (row.get(at), row.get(at + 1));
            made.push(match value {
                None => Value::Null,
                Some(value) => Value::Sealed(anew(&place.unwrap_or_default(), value, (old, new), rotated)?),
            });
        }
        let first = self.key.len() + 2 * self.sealed.len();
        for at in (0..self.fingerprints.len()).map(|at| first + at) {
            let fingerprint: Option<String> = row.get(at);
            made.push(fingerprint.map_or(Value::Null, |text| Value::Text(new.index().over(&text))));
        }
        Ok(made)
    }
}

/// What could not be read stays as it is. Of what was purged nothing is left.
fn anew(
    place: &str,
    value: Vec<u8>,
    (old, new): (&Seal, &Seal),
    rotated: &mut Rotated,
) -> Result<Vec<u8>, JournalError> {
    if value.is_empty() {
        return Ok(value);
    }
    let Ok(plain) = old.open(place, &value) else {
        rotated.unreadable += 1;
        return Ok(value);
    };
    rotated.sealed += 1;
    new.seal(place, &plain)
}

/// From now on the journal is of that key, which keeps those of the fingerprints.
async fn keep_key(on: &Connection, new: &Seal) -> Result<(), Failure> {
    let index = STANDARD.encode(new.pack(INDEX_PLACE, new.index())?);
    for (name, value) in [("key", &new.key_id()), ("index", &index)] {
        let text = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        on.execute(text, &[&name, value]).await?;
    }
    Ok(())
}
