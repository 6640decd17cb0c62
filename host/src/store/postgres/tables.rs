//! Whole tables: their rows as they stand, and into a database that has none. It is done by whoever alone works on it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_postgres::types::ToSql;

use super::super::care::CareError;
use super::super::exported::{Export, Head, Import, Looked};
use super::super::seal::Seal;
use super::super::tables::{Counts, Kind, META, Row, TABLES, Table, Value, last_signal};
use super::connection::{Connection, Failure};
use super::database::{Database, Patience};
use super::refusal::Refusal;
use super::{Settings, instances, schema, sole};
use crate::ports::{JournalError, World};

const ROWS_AT_A_TIME: u32 = 500;
/// Of a table in which each may hold some megabytes.
const BODIES_AT_A_TIME: u32 = 16;

/// A host of which nothing was heard for so long has ended, or has noticed that it has the lock no more: a restart of the
/// database takes that away, and the host works on until it notices.
const SILENT_FOR: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(500);

/// A database that no host works on.
pub struct Alone {
    pub(super) database: Arc<Database>,
    pub(super) seal: Seal,
    pub(super) server: String,
    /// As long as it is there, no host begins.
    held: sole::Held,
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
        let held = sole::take(&database, &settings, &[]).await?;
        let alone = Alone { database, seal, server: self.name.clone(), held };
        alone.all_are_silent().await?;
        Ok(alone)
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

    /// Waits for the end of a host that has the lock no more. One that goes on to say that it is there does not end.
    async fn all_are_silent(&self) -> Result<(), Refusal> {
        let failed = |failure: Failure| schema::refused(&self.server, &failure);
        let began = Instant::now();
        let mut first = None;
        loop {
            let heard = instances::last_heard(&self.held.on, SILENT_FOR).await.map_err(failed)?;
            let Some(heard) = heard else { return Ok(()) };
            if *first.get_or_insert(heard) != heard || began.elapsed() > SILENT_FOR + PAUSE {
                return Err(Refusal::Taken { server: self.server.clone() });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether no host can have begun meanwhile: the lock is that of a connection, and gone with it.
    pub(super) async fn still(&self) -> Result<(), Failure> {
        let asked = self.held.on.one("SELECT 1", &[]).await;
        asked.map(drop).map_err(|failure| {
            let why = format!("the lock of the database was lost before the end: {failure}");
            Failure::Journal(JournalError::Failed(why))
        })
    }

    /// Writes all that is in it into a file, as it stands at one moment.
    pub async fn export(&self, to: &Path) -> Result<Counts, CareError> {
        let failed = |failure: Failure| self.unusable(&failure.into());
        let on = self.database.connection().await.map_err(failed)?;
        on.begin_to_look().await.map_err(failed)?;
        let mut export = Export::begin(to, &Head::new(schema::VERSION, self.seal.key_id()))?;
        on.batch("SET LOCAL statement_timeout = 0").await.map_err(failed)?;
        for table in &TABLES {
            write_to(&mut export, &on, table).await.map_err(failed)??;
        }
        on.end("COMMIT").await.map_err(failed)?;
        self.still().await.map_err(failed)?;
        export.end()
    }

    /// Reads a whole file into it: all of it or nothing. `false`: there is something in it already.
    pub async fn import(&self, from: &Path, looked: &Looked) -> Result<bool, CareError> {
        let work = |on: Connection| async move {
            on.batch("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '30s'").await?;
            let all: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
            on.batch(&format!("LOCK TABLE {} IN EXCLUSIVE MODE", all.join(", "))).await?;
            if holds_anything(&on).await? {
                return Ok(false);
            }
            // It was looked through before.
            let broken = |error: CareError| Failure::from(JournalError::Failed(error.to_string()));
            let mut import = Import::again(from, looked).map_err(broken)?;
            while let Some((table, rows)) = import.batch().map_err(broken)? {
                insert(&on, table, &rows).await?;
            }
            go_on_counting(&on).await?;
            self.still().await.map(|()| true)
        };
        let made = self.database.write(Patience::None, work).await.map_err(|error| self.unusable(&error))?;
        if !made {
            return Ok(false);
        }
        // The first plans are made by what is there, and not by what was.
        let analyzed = self.database.read(|on| async move { on.batch("ANALYZE").await }).await;
        if let Err(error) = analyzed {
            tracing::warn!(%error, "the database has no statistics yet; autovacuum will make them");
        }
        Ok(true)
    }

    pub(super) fn unusable(&self, error: &JournalError) -> Refusal {
        Refusal::Unusable { server: self.server.clone(), why: error.to_string() }
    }
}

impl From<Refusal> for CareError {
    fn from(refusal: Refusal) -> Self {
        Self::Journal(refusal.into())
    }
}

async fn holds_anything(on: &Connection) -> Result<bool, Failure> {
    let of = |table: &Table| format!("EXISTS (SELECT 1 FROM {})", table.name);
    let tables: Vec<String> = TABLES.iter().filter(|table| table.name != META).map(of).collect();
    Ok(on.one(&format!("SELECT {}", tables.join(" OR ")), &[]).await?.get(0))
}

/// The last number that a signal was given, as far as anything knows.
const LAST_SIGNAL: &str = "
    SELECT GREATEST(0, pg_sequence_last_value(pg_get_serial_sequence('signal', 'id')::regclass),
                    (SELECT MAX(id) FROM signal),
                    (SELECT value::bigint FROM meta WHERE name = 'signals'),
                    (SELECT MAX(substr(identity, 8)::bigint) FROM event WHERE identity ~ '^signal-[0-9]{1,18}$'))";

/// Numbers go on above those that are there, and those of signals above all that were given.
async fn go_on_counting(on: &Connection) -> Result<(), Failure> {
    for (table, column) in TABLES.iter().filter_map(|table| Some((table.name, table.numbered?))) {
        let text = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), MAX({column})) FROM {table} HAVING MAX({column}) IS NOT NULL"
        );
        on.all(&text, &[]).await?;
    }
    let last: i64 = on.one(LAST_SIGNAL, &[]).await?.get(0);
    if last > 0 {
        on.one("SELECT setval(pg_get_serial_sequence('signal', 'id'), $1)", &[&last]).await?;
    }
    Ok(())
}

pub(super) fn rows_at_a_time(table: &Table) -> u32 {
    if table.holds_bodies() { BODIES_AT_A_TIME } else { ROWS_AT_A_TIME }
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
    let fetch = format!("FETCH {} FROM {name}_rows", rows_at_a_time(table));
    if let Err(error) = export.table(table) {
        return Ok(Err(error));
    }
    loop {
        let rows = on.all(&fetch, &[]).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            if let Err(error) = export.row(table, &row_of(table, row)) {
                return Ok(Err(error));
            }
        }
    }
    if table.name == META {
        let last = on.one(LAST_SIGNAL, &[]).await?.get(0);
        return Ok(export.row(table, &last_signal(last)));
    }
    Ok(Ok(()))
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

pub(super) const fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Id => "text",
        Kind::Integer => "bigint",
        Kind::Truth => "boolean",
        Kind::Sealed => "bytea",
    }
}

pub(super) fn list(rows: &[Row], at: usize, kind: Kind) -> Box<dyn ToSql + Sync> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tables::of_name;

    #[test]
    fn where_a_row_may_hold_megabytes_few_are_in_memory_at_a_time() {
        let at_a_time = |name| of_name(name).map(rows_at_a_time);
        for name in ["event", "notification", "dead_letter"] {
            assert_eq!(at_a_time(name), Some(BODIES_AT_A_TIME), "{name}");
        }
        assert_eq!(at_a_time("timeline"), Some(ROWS_AT_A_TIME));
    }
}
