//! All that a journal holds, table by table, whatever its engine: what goes along when it moves to another one.
//!
//! A lease is not among it: it ends with its host. Neither is what an engine makes of the rest for itself.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// By which a sender knows a message.
    Id,
    Integer,
    Truth,
    /// Bytes. They stay as they are: whoever has the key opens them there as here.
    Sealed,
}

use Kind::{Id, Integer, Sealed, Text, Truth};

#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub columns: &'static [(&'static str, Kind)],
    /// The column that numbers its rows by itself.
    pub numbered: Option<&'static str>,
}

impl Table {
    const fn keyed(name: &'static str, columns: &'static [(&'static str, Kind)]) -> Self {
        Self { name, columns, numbered: None }
    }

    const fn numbered(name: &'static str, columns: &'static [(&'static str, Kind)]) -> Self {
        Self { name, columns, numbered: Some(columns[0].0) }
    }

    pub fn columns(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    /// What stands in that column of a row.
    pub fn of<'a>(&self, row: &'a Row, column: &str) -> Option<&'a Value> {
        self.columns.iter().position(|(name, _)| *name == column).map(|at| &row[at])
    }

    /// Whether what came from outside stands in a row, as long as it is.
    pub fn holds_bodies(&self) -> bool {
        ["event", "operation", "notification", "signal", "dead_letter"].contains(&self.name)
    }

    /// Its rows, of which those in `meta` that each journal writes for itself are left out.
    pub fn source(&self) -> String {
        match self.name {
            META => format!("{META} WHERE name NOT IN ('version', 'key', 'ping', '{SIGNALS}')"),
            name => name.to_owned(),
        }
    }
}

pub const META: &str = "meta";

/// The name in `meta` of the last number that a signal was given. It is the identity of an event, and no other signal
/// may get it when the first one is purged.
pub const SIGNALS: &str = "signals";

/// As it goes along, on either engine.
pub fn last_signal(number: i64) -> Row {
    vec![Value::Text(SIGNALS.to_owned()), Value::Text(number.to_string())]
}

/// In an order in which no row speaks of one that is not there yet.
pub const TABLES: [Table; 18] = [
    Table::keyed(META, &[("name", Text), ("value", Text)]),
    Table::keyed(
        "event",
        &[
            ("identity", Text),
            ("name", Text),
            ("i_account", Integer),
            ("i_customer", Integer),
            ("received_at", Integer),
            ("body", Sealed),
        ],
    ),
    Table::numbered(
        "lane",
        &[
            ("id", Integer),
            ("grp", Text),
            ("i_account", Integer),
            ("due", Integer),
            ("epoch", Integer),
            ("sends", Truth),
            ("looks", Truth),
            ("done_with", Text),
            ("seen", Text),
            ("applied", Sealed),
        ],
    ),
    Table::numbered(
        "operation",
        &[
            ("seq", Integer),
            ("id", Text),
            ("lane", Integer),
            ("event", Text),
            ("stage", Text),
            ("word", Text),
            ("open", Truth),
            ("gives_way", Integer),
            ("compared", Text),
            ("compare_at", Integer),
            ("due", Integer),
            ("received_at", Integer),
            ("changed_at", Integer),
            ("laid_down", Sealed),
            ("state", Sealed),
        ],
    ),
    Table::keyed("operation_key", &[("grp", Text), ("key", Text), ("operation", Integer)]),
    Table::numbered(
        "timeline",
        &[("id", Integer), ("operation", Integer), ("at", Integer), ("word", Text), ("note", Sealed)],
    ),
    Table::keyed(
        "notification",
        &[
            ("id", Text),
            ("grp", Text),
            ("received_at", Integer),
            ("unread", Integer),
            ("sender_id", Id),
            ("raw", Sealed),
            ("reply", Sealed),
        ],
    ),
    Table::numbered(
        "signal",
        &[
            ("id", Integer),
            ("notification", Text),
            ("grp", Text),
            ("sender_id", Id),
            ("key", Text),
            ("operation", Integer),
            ("i_account", Integer),
            ("at", Integer),
            ("fate", Text),
            ("payload", Sealed),
        ],
    ),
    Table::keyed(
        "fan_out",
        &[
            ("event", Text),
            ("grps", Text),
            ("position", Integer),
            ("last", Integer),
            ("attempts", Integer),
            ("due", Integer),
        ],
    ),
    Table::keyed(
        "status",
        &[
            ("i_account", Integer),
            ("service", Text),
            ("version", Integer),
            ("word", Text),
            ("due", Integer),
            ("attempts", Integer),
            ("given_up", Truth),
            ("said", Sealed),
            ("told", Sealed),
        ],
    ),
    Table::keyed(
        "status_part",
        &[
            ("i_account", Integer),
            ("service", Text),
            ("grp", Text),
            ("word", Text),
            ("at", Integer),
            ("said", Sealed),
        ],
    ),
    Table::keyed("dead_letter", &[("id", Text), ("at", Integer), ("why", Text), ("body", Sealed)]),
    Table::keyed("breaker", &[("grp", Text), ("state", Sealed)]),
    Table::keyed("registration", &[("grp", Text), ("state", Sealed)]),
    Table::numbered(
        "audit",
        &[("id", Integer), ("at", Integer), ("who", Text), ("why", Text), ("what", Text), ("about", Text)],
    ),
    Table::keyed(
        "suspect",
        &[
            ("kind", Text),
            ("grp", Text),
            ("id", Text),
            ("adapter", Text),
            ("deaths", Integer),
            ("at", Integer),
        ],
    ),
    Table::keyed("resync", &[("id", Text), ("open", Truth), ("state", Text)]),
    Table::numbered("differing", &[("id", Integer), ("grp", Text), ("i_account", Integer), ("how", Text)]),
];

pub fn of_name(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// What stands in a column of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Null,
    Integer(i64),
    Truth(bool),
    Text(String),
    Sealed(Vec<u8>),
}

impl Value {
    /// About so many bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) | Self::Truth(_) => 8,
            Self::Text(text) => text.len(),
            Self::Sealed(bytes) => bytes.len(),
        }
    }
}

/// What a table's columns hold, in their order.
pub type Row = Vec<Value>;

/// How many rows each table has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub rows: u64,
    pub events: u64,
    /// Operations that stand open.
    pub open: u64,
}

impl Counts {
    pub fn add(&mut self, table: &Table, row: &Row) {
        self.rows += 1;
        match table.name {
            "event" if table.of(row, "identity") != Some(&Value::Text("purged".to_owned())) => {
                self.events += 1;
            }
            "operation" if table.of(row, "open") == Some(&Value::Truth(true)) => self.open += 1,
            _ => {}
        }
    }
}
