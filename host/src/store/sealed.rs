//! Where sealed values stand, and fingerprints, on either engine.

/// A column of sealed values: its table, that table's key, and the place of a value as SQL says it.
pub struct Sealed {
    pub table: &'static str,
    pub key: &'static [&'static str],
    pub column: &'static str,
    place: &'static str,
}

const fn sealed(
    table: &'static str,
    key: &'static [&'static str],
    column: &'static str,
    place: &'static str,
) -> Sealed {
    Sealed { table, key, column, place }
}

/// An account's number in a place, which has no sign: the engines say so in words of their own.
const NUMBER: &str = "number(i_account)";
const OF_STATUS: &str = "'status.said:' || number(i_account) || '/' || service";

impl Sealed {
    pub fn place_on_sqlite(&self) -> String {
        self.place.replace(NUMBER, "printf('%u', i_account)")
    }

    pub fn place_on_postgres(&self) -> String {
        let number = "(i_account + CASE WHEN i_account < 0 THEN 18446744073709551616 ELSE 0 END)";
        self.place.replace(NUMBER, number)
    }
}

pub const SEALED: &[Sealed] = &[
    sealed("event", &["identity"], "body", "'event.body:' || identity"),
    sealed("lane", &["id"], "applied", "'lane.applied:' || grp || '/' || i_account"),
    sealed("operation", &["seq"], "laid_down", "'operation.laid_down:' || id"),
    sealed("operation", &["seq"], "state", "'operation.state:' || id"),
    sealed(
        "timeline",
        &["id"],
        "note",
        "'timeline.note:' || (SELECT o.id FROM operation o WHERE o.seq = timeline.operation)",
    ),
    sealed("notification", &["id"], "raw", "'notification.raw:' || id"),
    sealed("notification", &["id"], "reply", "'notification.reply:' || id"),
    sealed("signal", &["id"], "payload", "'signal.payload:' || notification"),
    sealed("status", &["i_account", "service"], "said", OF_STATUS),
    sealed("status", &["i_account", "service"], "told", OF_STATUS),
    sealed("status_part", &["i_account", "service", "grp"], "said", OF_STATUS),
    sealed("dead_letter", &["id"], "body", "'dead_letter.body:' || id"),
    sealed("breaker", &["grp"], "state", "'breaker.state:' || grp"),
    sealed("registration", &["grp"], "state", "'registration.state:' || grp"),
];

/// A column of fingerprints: its table and that table's key.
pub struct Fingerprints {
    pub table: &'static str,
    pub key: &'static [&'static str],
    pub column: &'static str,
}

pub const FINGERPRINTS: [Fingerprints; 3] = [
    Fingerprints { table: "operation_key", key: &["grp", "key"], column: "key" },
    Fingerprints { table: "signal", key: &["id"], column: "key" },
    Fingerprints { table: "lane", key: &["id"], column: "done_with" },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::seal::Seal;
    use crate::store::sqlite::schema;

    /// Or it would be rotated, verified and shown without what was added last.
    #[test]
    fn every_column_of_bytes_is_sealed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, _) = schema::open(&folder.path().join("t.db"), Seal::new([7; 32])).expect("a journal");
        let mut columns = journal
            .prepare(
                "SELECT t.name || '.' || c.name FROM pragma_table_list t, pragma_table_info(t.name) c
                 WHERE t.schema = 'main' AND c.type = 'BLOB'",
            )
            .expect("SQL");
        let columns: rusqlite::Result<BTreeSet<String>> =
            columns.query_map([], |row| row.get(0)).expect("rows").collect();
        let listed = SEALED.iter().map(|of| format!("{}.{}", of.table, of.column)).collect();
        assert_eq!(columns.expect("names"), listed);
    }
}
