//! Where sealed values stand.

/// A column of sealed values: its table, that table's key, and the place of a value as SQL says it.
pub struct Sealed {
    pub table: &'static str,
    pub key: &'static [&'static str],
    pub column: &'static str,
    pub place: &'static str,
}

const fn sealed(
    table: &'static str,
    key: &'static [&'static str],
    column: &'static str,
    place: &'static str,
) -> Sealed {
    Sealed { table, key, column, place }
}

const OF_STATUS: &str = "'status.said:' || printf('%u', i_account) || '/' || service";

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::schema;
    use super::*;
    use crate::store::seal::Seal;

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
