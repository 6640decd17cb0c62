-- The journal, version 1. Times are milliseconds since 1970. Columns of type BLOB are sealed.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    identity    TEXT PRIMARY KEY,           -- <i_env>-<i_event>
    name        TEXT    NOT NULL,
    i_account   INTEGER,
    received_at INTEGER NOT NULL,
    body        BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX event_received ON event (received_at);

-- One account in one group. `due` is when its head wants to be moved; null: not by itself.
CREATE TABLE lane (
    id          INTEGER PRIMARY KEY,
    grp         TEXT    NOT NULL,
    i_account   INTEGER NOT NULL,
    due         INTEGER,
    owner       TEXT,
    lease_until INTEGER,
    epoch       INTEGER NOT NULL DEFAULT 0,
    applied     BLOB,
    UNIQUE (grp, i_account)
) STRICT;

CREATE INDEX lane_due ON lane (grp, due) WHERE due IS NOT NULL;

CREATE TABLE operation (
    seq         INTEGER PRIMARY KEY,        -- the order in the lane
    id          TEXT    NOT NULL UNIQUE,
    lane        INTEGER NOT NULL REFERENCES lane (id),
    event       TEXT    NOT NULL REFERENCES event (identity),
    stage       TEXT    NOT NULL,
    open        INTEGER NOT NULL,
    gives_way   INTEGER NOT NULL,           -- 0: to none; 1: to anything newer; 2: to another state
    compared    TEXT,                       -- the newest one for which that was asked
    compare_at  INTEGER NOT NULL,           -- not before
    due         INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    changed_at  INTEGER NOT NULL,
    laid_down   BLOB,
    state       BLOB    NOT NULL
) STRICT;

CREATE INDEX operation_open ON operation (lane, seq) WHERE open = 1;
-- What an operator counts, without reading the rows themselves.
CREATE INDEX operation_counts ON operation (lane, stage, open, received_at);

-- By what a notification finds an operation: the newest that named the key. Keys are account IDs
-- and IMSIs, so their fingerprints stand here.
CREATE TABLE operation_key (
    grp       TEXT    NOT NULL,
    key       TEXT    NOT NULL,
    operation INTEGER NOT NULL REFERENCES operation (seq),
    PRIMARY KEY (grp, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE timeline (
    id        INTEGER PRIMARY KEY,
    operation INTEGER NOT NULL REFERENCES operation (seq),
    at        INTEGER NOT NULL,
    word      TEXT    NOT NULL,
    note      BLOB    NOT NULL
) STRICT;

CREATE INDEX timeline_operation ON timeline (operation);

CREATE TABLE notification (
    id          TEXT PRIMARY KEY,
    grp         TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    unread      INTEGER NOT NULL,           -- 0: read; 1: not yet; 2: its adapter could not
    raw         BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX notification_unread ON notification (grp, unread, id) WHERE unread > 0;

-- What was read in a notification. Kept: it waits for its operation, or for one that names its key.
CREATE TABLE signal (
    id           INTEGER PRIMARY KEY,
    notification TEXT    NOT NULL REFERENCES notification (id),
    grp          TEXT    NOT NULL,
    sender_id    TEXT,
    key          TEXT    NOT NULL,
    operation    INTEGER REFERENCES operation (seq),
    at           INTEGER NOT NULL,
    fate         TEXT    NOT NULL,          -- kept, taken, dropped
    payload      BLOB    NOT NULL
) STRICT;

CREATE UNIQUE INDEX signal_sender_id ON signal (grp, sender_id) WHERE sender_id IS NOT NULL;
CREATE INDEX signal_kept ON signal (operation, id) WHERE fate = 'kept';
CREATE INDEX signal_unmatched ON signal (grp, key) WHERE fate = 'kept' AND operation IS NULL;

-- What PortaBilling is to be told: the latest value of each account and service.
CREATE TABLE status (
    i_account INTEGER NOT NULL,
    service   TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    said      BLOB    NOT NULL,
    word      TEXT    NOT NULL,
    due       INTEGER,                      -- null: told
    attempts  INTEGER NOT NULL DEFAULT 0,
    told      BLOB,
    PRIMARY KEY (i_account, service)
) STRICT, WITHOUT ROWID;

CREATE INDEX status_due ON status (due) WHERE due IS NOT NULL;

CREATE TABLE dead_letter (
    id   TEXT PRIMARY KEY,
    at   INTEGER NOT NULL,
    why  TEXT    NOT NULL,
    body BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
