//! The numbers of signals. SQLite gives a row the number after the highest one that is there, and so again that of a
//! signal that was purged; but it is the identity of an event, which may be there longer.

use rusqlite::Connection;

/// The last one that was given, as far as anything knows.
pub fn last_signal(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row(
        "SELECT MAX(COALESCE((SELECT MAX(id) FROM signal), 0),
                    COALESCE((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'signals'), 0),
                    COALESCE((SELECT MAX(CAST(substr(identity, 8) AS INTEGER)) FROM event
                              WHERE identity >= 'signal-' AND identity < 'signal.'), 0))",
        [],
        |row| row.get(0),
    )
}

/// From now on it is known, whatever is purged.
pub fn remember(connection: &Connection) -> rusqlite::Result<()> {
    let last = last_signal(connection)?.to_string();
    connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('signals', ?1)", [last]).map(drop)
}

/// The same for a journal of a version before it was kept.
pub fn remember_once(connection: &Connection) -> rusqlite::Result<()> {
    let text = "SELECT EXISTS (SELECT 1 FROM meta WHERE name = 'signals')";
    match connection.query_row(text, [], |row| row.get(0))? {
        true => Ok(()),
        false => remember(connection),
    }
}

/// The same before signals are purged: events need not be asked again.
pub fn keep(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO meta (name, value)
             SELECT 'signals', CAST(last AS TEXT) FROM (SELECT MAX(id) AS last FROM signal) WHERE last IS NOT NULL
             ON CONFLICT (name) DO UPDATE SET value = excluded.value
                 WHERE CAST(excluded.value AS INTEGER) > CAST(meta.value AS INTEGER)",
        )?
        .execute([])
        .map(drop)
}
