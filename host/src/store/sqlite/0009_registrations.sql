-- The journal, version 9: being registered for notifications outlives the process.

CREATE TABLE registration (
    grp   TEXT PRIMARY KEY,
    state BLOB NOT NULL
) STRICT, WITHOUT ROWID;
