//! Whole tables: their rows as they stand, and into a database that has none. It is done by whoever alone works on it.

use std::path::Path;
use std::sync::Arc;

use tokio_postgres::types::ToSql;

use super::super::care::CareError;
use super::super::exported::{Export, Head, Import};
use super::super::seal::Seal;
use super::super::tables::{Counts, Kind, META, Row, TABLES, Table, Value};
use super::connection::{Connection, Failure};
use super::database::{Database, Patience};
use super::refusal::Refusal;
use super::{Settings, schema, sole};
use crate::ports::{JournalError, World};

const ROWS_AT_A_TIME: u32 = 500;

/// A database that no host works on.
pub struct Alone {
    database: Arc<Database>,
    seal: Seal,
    server: String,
    /// As long as it is there, no host begins.
    _held: sole::Held,
}

impl Settings {
    /// # Errors
    /// When a host works on it, or none could.
    pub async fn alone(&self, world: Arc<dyn World>) -> Result<Alone, Refusal> {
        let (database, seal) = self.database(world)?;
        let database = Arc::new(database);
        schema::check(&database, &self.name, &seal).await?;
        // Whoever works with others is another one, too.
        let settings = Self { stands_by: false, several: false, ..self.clone() };
        let held = sole::take(&database, &settings).await?;
        Ok(Alone { database, seal, server: self.name.clone(), _held: held })
    }

    /// Which key seals there.
    pub fn key_id(&self) -> Option<String> {
        self.key.seal().map(|seal| seal.key_id())
    }
}

impl Alone {
    /// Whether there is a journal in it.
    pub async fn stands(&self) -> Result<bool, Refusal> {
        let version = self.database.read(|on| async move { schema::version(&on).await }).await;
        version.map(|version| version > 0).map_err(|error| self.unusable(&error))
    }

    /// As it is of this version, made where there was none.
    pub async fn opened(self) -> Result<Self, Refusal> {
        let seal = schema::open(&self.database, &self.server, &self.seal).await?;
        Ok(Self { seal, ..self })
    }

    /// Whether there is anything in it.
    pub async fn holds_anything(&self) -> Result<bool, Refusal> {
        let of = |table: &Table| format!("EXISTS (SELECT 1 FROM {})", table.name);
        let tables: Vec<String> = TABLES.iter().filter(|table| table.name != META).map(of).collect();
        let text = &format!("SELECT {}", tables.join(" OR "));
        let found = self.database.read(|on| async move { Ok(on.one(text, &[]).await?.get(0)) }).await;
        found.map_err(|error| self.unusable(&error))
    }

    /// Writes all that is in it into a file.
    pub async fn export(&self, to: &Path) -> Result<Counts, CareError> {
        let head = &Head::new(schema::VERSION, self.seal.key_id());
        // It may be begun anew, and so the file.
        let work = |on: Connection| async move {
            let mut export = match Export::begin(to, head) {
                Ok(export) => export,
                Err(error) => return Ok(Err(error)),
            };
            on.batch("SET LOCAL statement_timeout = 0").await?;
            for table in &TABLES {
                if let Err(error) = write_to(&mut export, &on, table).await? {
                    return Ok(Err(error));
                }
            }
            Ok(export.end())
        };
        self.database.write(Patience::None, work).await.map_err(|error| self.unusable(&error))?
    }

    /// Reads a whole file into it: all of it or nothing.
    pub async fn import(&self, from: &Path) -> Result<(), CareError> {
        let work = |on: Connection| async move {
            // It was looked through before.
            let broken = |error: CareError| Failure::from(JournalError::Failed(error.to_string()));
            let mut import = Import::begin(from).map_err(broken)?;
            while let Some((table, rows)) = import.batch().map_err(broken)? {
                insert(&on, table, &rows).await?;
            }
            for (table, column) in TABLES.iter().filter_map(|table| Some((table.name, table.numbered?))) {
                let text = format!(
                    "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), MAX({column})) FROM {table} HAVING COUNT(*) > 0"
                );
                on.all(&text, &[]).await?;
            }
            Ok(())
        };
        self.database.write(Patience::None, work).await.map_err(|error| self.unusable(&error))?;
        // The first plans are made by what is there, and not by what was.
        let analyzed = self.database.read(|on| async move { on.batch("ANALYZE").await }).await;
        if let Err(error) = analyzed {
            tracing::warn!(%error, "the database has no statistics yet; autovacuum will make them");
        }
        Ok(())
    }

    fn unusable(&self, error: &JournalError) -> Refusal {
        Refusal::Unusable { server: self.server.clone(), why: error.to_string() }
    }
}

impl From<Refusal> for CareError {
    fn from(refusal: Refusal) -> Self {
        Self::Journal(refusal.into())
    }
}

async fn write_to(
    export: &mut Export,
    on: &Connection,
    table: &Table,
) -> Result<Result<(), CareError>, Failure> {
    // Some integers are shorter there.
    let columns = table.columns.iter().map(|(name, kind)| match kind {
        Kind::Integer => format!("{name}::bigint"),
        _ => (*name).to_owned(),
    });
    let columns = columns.collect::<Vec<_>>().join(", ");
    let (name, source) = (table.name, table.source());
    on.batch(&format!("DECLARE {name}_rows NO SCROLL CURSOR FOR SELECT {columns} FROM {source}")).await?;
    let fetch = format!("FETCH {ROWS_AT_A_TIME} FROM {name}_rows");
    if let Err(error) = export.table(table) {
        return Ok(Err(error));
    }
    loop {
        let rows = on.all(&fetch, &[]).await?;
        if rows.is_empty() {
            return Ok(Ok(()));
        }
        for row in &rows {
            if let Err(error) = export.row(table, &row_of(table, row)) {
                return Ok(Err(error));
            }
        }
    }
}

fn row_of(table: &Table, row: &tokio_postgres::Row) -> Row {
    let value = |(at, (_, kind)): (usize, &(&str, Kind))| {
        let value = match kind {
            Kind::Text | Kind::Id => row.get::<_, Option<String>>(at).map(Value::Text),
            Kind::Integer => row.get::<_, Option<i64>>(at).map(Value::Integer),
            Kind::Truth => row.get::<_, Option<bool>>(at).map(Value::Truth),
            Kind::Sealed => row.get::<_, Option<Vec<u8>>>(at).map(Value::Sealed),
        };
        value.unwrap_or(Value::Null)
    };
    table.columns.iter().enumerate().map(value).collect()
}

/// What a journal on PostgreSQL has beside: when an operation ended, so that what moves stands in no index by its date.
fn derived(table: &Table) -> Option<(&'static str, &'static str)> {
    (table.name == "operation").then_some(("ended_at", "CASE WHEN open THEN NULL ELSE changed_at END"))
}

/// All rows by one statement: a list for each column.
async fn insert(on: &Connection, table: &Table, rows: &[Row]) -> Result<(), Failure> {
    let columns = table.columns();
    let lists = (1..).zip(table.columns).map(|(at, (_, kind))| format!("${at}::{}[]", type_of(*kind)));
    let lists = lists.collect::<Vec<_>>().join(", ");
    let (also, by) = derived(table).map_or_else(
        || (String::new(), String::new()),
        |(column, by)| (format!(", {column}"), format!(", {by}")),
    );
    let instead = match table.name {
        META => " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        _ => "",
    };
    let text = format!(
        "INSERT INTO {} ({columns}{also}) OVERRIDING SYSTEM VALUE
         SELECT {columns}{by} FROM unnest({lists}) AS given ({columns}){instead}",
        table.name
    );
    let lists: Vec<Box<dyn ToSql + Sync>> =
        (0..).zip(table.columns).map(|(at, (_, kind))| list(rows, at, *kind)).collect();
    let values: Vec<&(dyn ToSql + Sync)> = lists.iter().map(|list| &**list).collect();
    on.execute(&text, &values).await.map(drop)
}

const fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Id => "text",
        Kind::Integer => "bigint",
        Kind::Truth => "boolean",
        Kind::Sealed => "bytea",
    }
}

fn list(rows: &[Row], at: usize, kind: Kind) -> Box<dyn ToSql + Sync> {
    macro_rules! of {
        ($kind:ident) => {{
            let value = |row: &Row| match &row[at] {
                Value::$kind(value) => Some(value.clone()),
                _ => None,
            };
            Box::new(rows.iter().map(value).collect::<Vec<_>>())
        }};
    }
    match kind {
        Kind::Text | Kind::Id => of!(Text),
        Kind::Integer => of!(Integer),
        Kind::Truth => of!(Truth),
        Kind::Sealed => of!(Sealed),
    }
}
