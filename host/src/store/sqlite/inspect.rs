//! Looks through every table of a journal: the pages, the references, the sealed values, and what rows say of
//! each other.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};

use super::super::OpenError;
use super::super::seal::{INDEX_PLACE, Seal};
use super::super::sealed::{SEALED, Sealed};
use super::super::verify::{Kind, Report};
use super::copy::{hold_still, is_damage, look};
use super::lanes::stored_operation;
use super::schema;
use crate::ports::JournalError;

/// So many broken pages are named.
const PAGES_NAMED: u32 = 100;

/// What must hold between rows. Each gives the places where it does not.
const ORDER: [(&str, &str); 4] = [
    (
        "an operation stands open there, and nothing will ever move it: its lane has no date",
        "SELECT 'lane ' || l.grp || '/' || printf('%u', l.i_account) FROM lane l
         JOIN operation head ON head.seq = (SELECT MIN(seq) FROM operation WHERE lane = l.id AND open = 1)
         WHERE l.due IS NULL AND l.owner IS NULL
            AND (head.stage NOT IN ('parked', 'in-doubt')
                 OR (head.gives_way = 1
                     AND EXISTS (SELECT 1 FROM operation WHERE lane = l.id AND open = 1 AND seq > head.seq)))",
    ),
    (
        "more than one operation has begun there, and only the oldest may",
        "SELECT 'lane ' || grp || '/' || printf('%u', i_account) FROM lane
         WHERE (SELECT COUNT(*) FROM operation WHERE lane = lane.id AND open = 1 AND stage <> 'received') > 1",
    ),
    (
        "it is leased by nobody, or for no time",
        "SELECT 'lane ' || grp || '/' || printf('%u', i_account) FROM lane
         WHERE (owner IS NULL) <> (lease_until IS NULL)",
    ),
    (
        "it was never told, and will never be",
        "SELECT 'status ' || printf('%u', i_account) || '/' || service FROM status
         WHERE due IS NULL AND told IS NULL AND given_up = 0",
    ),
];

/// All of a journal of this version; its values only with the key in that file, if there is one.
pub fn inspect(report: &mut Report, key: &Path, seal: Option<&Seal>) -> Result<(), OpenError> {
    let path = report.database.clone();
    let failed = |source| OpenError::Sqlite { path: path.clone(), source };
    let connection = look(&path).map_err(failed)?;
    report.bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
    if let Err(error) = hold_still(&connection).and_then(|()| version(&connection, report)) {
        if !is_damage(&error) {
            return Err(failed(error));
        }
        report.add(Kind::File, "the file", error.to_string());
        return Ok(());
    }
    let (found, known) = (report.version, schema::VERSION);
    match found {
        0 => return Err(OpenError::Foreign(path)),
        _ if found > known => return Err(OpenError::Newer { path, found, known }),
        _ if found < known => return Err(OpenError::Older { path, found, known }),
        _ => {}
    }
    let mut looks = Looks { connection: &connection, report };
    for look in [Looks::pages, Looks::references, Looks::tables, Looks::order] {
        looks.take(look).map_err(failed)?;
    }
    if let Some(seal) = seal.filter(|seal| looks.report.key_fits(seal, key)) {
        for place in SEALED {
            looks.take(|it| it.values(place, seal)).map_err(failed)?;
        }
        looks.take(|it| it.operations(seal)).map_err(failed)?;
        looks.index(&path, seal);
    }
    Ok(())
}

/// The pages alone, of whatever version.
pub fn pages(path: &Path, report: &mut Report) -> rusqlite::Result<()> {
    let connection = look(path)?;
    Looks { connection: &connection, report }.take(Looks::pages)
}

fn version(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    report.version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if report.version > 0 {
        report.key = connection
            .query_row("SELECT value FROM meta WHERE name = 'key'", [], |row| row.get(0))
            .optional()?;
    }
    Ok(())
}

impl Report {
    fn key_fits(&mut self, seal: &Seal, key: &Path) -> bool {
        let found = seal.key_id();
        match &self.key {
            Some(wanted) if *wanted == found => return true,
            Some(wanted) => {
                let why = format!("it is the key {found}, and the journal is sealed with {wanted}");
                self.add(Kind::Key, key.display().to_string(), why);
            }
            None => self.add(Kind::Key, "meta", "the journal does not say with which key it is sealed"),
        }
        false
    }
}

struct Looks<'a> {
    connection: &'a Connection,
    report: &'a mut Report,
}

impl Looks<'_> {
    /// A look that the damage stops has found it.
    fn take(&mut self, look: impl FnOnce(&mut Self) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        match look(self) {
            Err(error) if is_damage(&error) => {
                self.report.add(Kind::File, "the file", error.to_string());
                Ok(())
            }
            looked => looked,
        }
    }

    fn pages(&mut self) -> rusqlite::Result<()> {
        let mut check = self.connection.prepare(&format!("PRAGMA integrity_check({PAGES_NAMED})"))?;
        let mut rows = check.query([])?;
        while let Some(row) = rows.next()? {
            let text: String = row.get(0)?;
            for line in text.lines().filter(|line| *line != "ok" && !line.starts_with("***")) {
                self.report.add(Kind::File, "the file", line);
            }
        }
        Ok(())
    }

    fn references(&mut self) -> rusqlite::Result<()> {
        let mut check = self.connection.prepare("PRAGMA foreign_key_check")?;
        let mut rows = check.query([])?;
        while let Some(row) = rows.next()? {
            let (table, rowid, parent): (String, Option<i64>, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let row = rowid.map_or_else(String::new, |rowid| format!(" row {rowid}"));
            let why = format!("it belongs to a row of `{parent}` that is not there");
            self.report.add(Kind::Reference, format!("{table}{row}"), why);
        }
        Ok(())
    }

    fn tables(&mut self) -> rusqlite::Result<()> {
        let mut tables = self.connection.prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
        )?;
        let names: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for name in names {
            let text = format!("SELECT COUNT(*) FROM \"{name}\"");
            let rows: i64 = self.connection.query_row(&text, [], |row| row.get(0))?;
            self.report.rows.push((name, rows.unsigned_abs()));
        }
        Ok(())
    }

    fn order(&mut self) -> rusqlite::Result<()> {
        for (why, text) in ORDER {
            let mut check = self.connection.prepare(text)?;
            let mut rows = check.query([])?;
            while let Some(row) = rows.next()? {
                self.report.add(Kind::Order, row.get::<_, String>(0)?, why);
            }
        }
        Ok(())
    }

    fn values(&mut self, of: &Sealed, seal: &Seal) -> rusqlite::Result<()> {
        let (Sealed { table, column, .. }, place) = (of, of.place_on_sqlite());
        let text = format!("SELECT {place}, {column} FROM {table} WHERE length({column}) > 0");
        let mut values = self.connection.prepare(&text)?;
        let mut rows = values.query([])?;
        while let Some(row) = rows.next()? {
            // Whose row is gone belongs to nobody, and was said.
            let Some(place) = row.get::<_, Option<String>>(0)? else { continue };
            match seal.open(&place, row.get_ref(1)?.as_blob()?) {
                Ok(_) => self.report.opened += 1,
                Err(error) => self.unreadable(&place, &error),
            }
        }
        Ok(())
    }

    /// Each operation is what its row says.
    fn operations(&mut self, seal: &Seal) -> rusqlite::Result<()> {
        let mut operations = self.connection.prepare(
            "SELECT o.seq, o.id, l.grp, l.i_account, o.due, o.event, e.body, o.laid_down, o.state, o.stage, o.open
             FROM operation o JOIN lane l ON l.id = o.lane JOIN event e ON e.identity = o.event
             WHERE o.word <> 'purged'",
        )?;
        let mut rows = operations.query([])?;
        while let Some(row) = rows.next()? {
            let (stage, open): (String, bool) = (row.get(9)?, row.get(10)?);
            let (_, stored) = stored_operation(row)?;
            let place = format!("operation {}", stored.id);
            match stored.read(seal) {
                Ok(operation) if operation.stage.word() == stage && operation.stage.is_open() == open => {}
                Ok(operation) => {
                    let why = format!("its row says {stage}, and it is {}", operation.stage.word());
                    self.report.add(Kind::Order, place, why);
                }
                Err(error) => self.misunderstood(&place, &error),
            }
        }
        Ok(())
    }

    /// The keys of the fingerprints, which stand as text.
    fn index(&mut self, path: &Path, seal: &Seal) {
        if let Err(error) = schema::index(self.connection, path, seal) {
            self.report.add(Kind::Value, INDEX_PLACE, error.to_string());
        }
    }

    fn unreadable(&mut self, place: &str, error: &JournalError) {
        let why = match error {
            JournalError::Damaged(text) => text.strip_prefix(place).unwrap_or(text).trim_start_matches(": "),
            _ => &error.to_string(),
        };
        self.report.add(Kind::Value, place, why);
    }

    /// What could not even be opened was said.
    fn misunderstood(&mut self, place: &str, error: &JournalError) {
        let JournalError::Damaged(text) = error else { return self.unreadable(place, error) };
        let said = |of: &super::super::verify::Damage| text.starts_with(&format!("{}: ", of.place));
        if !self.report.damage.iter().any(said) {
            self.report.add(Kind::Value, place, text);
        }
    }
}
