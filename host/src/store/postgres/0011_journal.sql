-- The journal on PostgreSQL, as it is at version 11: from here on each version is a step of both engines. Times are
-- milliseconds since 1970. Columns of type BYTEA are sealed.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE event (
    identity    TEXT PRIMARY KEY,           -- <i_env>-<i_event>
    name        TEXT   NOT NULL,
    i_account   BIGINT,
    i_customer  BIGINT,                     -- where it names no account
    received_at BIGINT NOT NULL,
    body        BYTEA  NOT NULL
);

CREATE INDEX event_received ON event (received_at);

-- One account in one group. `due` is when its head wants to be moved; null: not by itself. Whoever writes anything
-- of a lane holds its row.
CREATE TABLE lane (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    grp         TEXT    NOT NULL,
    i_account   BIGINT  NOT NULL,
    due         BIGINT,
    owner       TEXT,
    lease_until BIGINT,                     -- by this server's clock
    epoch       BIGINT  NOT NULL DEFAULT 0,
    sends       BOOLEAN NOT NULL DEFAULT FALSE,
    looks       BOOLEAN NOT NULL DEFAULT FALSE,
    done_with   TEXT,
    seen        TEXT,
    applied     BYTEA,
    UNIQUE (grp, i_account)
) WITH (fillfactor = 70);

CREATE INDEX lane_due ON lane (grp, due) WHERE due IS NOT NULL AND NOT looks;
CREATE INDEX lane_due_unsent ON lane (grp, due) WHERE due IS NOT NULL AND NOT looks AND NOT sends;
CREATE INDEX lane_due_looks ON lane (grp, due) WHERE due IS NOT NULL AND looks;
CREATE INDEX lane_account ON lane (i_account);

CREATE TABLE operation (
    seq         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,    -- the order in the lane
    id          TEXT    NOT NULL UNIQUE,
    lane        BIGINT  NOT NULL REFERENCES lane (id),
    event       TEXT    NOT NULL REFERENCES event (identity),
    stage       TEXT    NOT NULL,
    word        TEXT    NOT NULL,
    open        BOOLEAN NOT NULL,
    gives_way   INTEGER NOT NULL,           -- 0: to none; 1: to anything newer; 2: to another state
    compared    TEXT,                       -- the newest one for which that was asked
    compare_at  BIGINT  NOT NULL,           -- not before
    due         BIGINT  NOT NULL,
    received_at BIGINT  NOT NULL,
    changed_at  BIGINT  NOT NULL,
    ended_at    BIGINT,                     -- so that what moves stands in no index by its date
    laid_down   BYTEA,
    state       BYTEA   NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX operation_open ON operation (lane, seq) WHERE open;
CREATE INDEX operation_counts ON operation (lane, word, open, received_at);
CREATE INDEX operation_word ON operation (word, seq);
CREATE INDEX operation_event ON operation (event);
CREATE INDEX operation_ended ON operation (ended_at) WHERE NOT open AND word <> 'purged';
CREATE INDEX operation_purged ON operation (lane) WHERE word = 'purged';

-- By what a notification finds an operation: the newest that named the key. Keys are account IDs and IMSIs, so
-- their fingerprints stand here.
CREATE TABLE operation_key (
    grp       TEXT   NOT NULL,
    key       TEXT   NOT NULL,
    operation BIGINT NOT NULL REFERENCES operation (seq),
    PRIMARY KEY (grp, key)
);

CREATE INDEX operation_key_operation ON operation_key (operation);

CREATE TABLE timeline (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation BIGINT NOT NULL REFERENCES operation (seq),
    at        BIGINT NOT NULL,
    word      TEXT   NOT NULL,
    note      BYTEA  NOT NULL
);

CREATE INDEX timeline_operation ON timeline (operation);

CREATE TABLE notification (
    id          TEXT PRIMARY KEY,
    grp         TEXT    NOT NULL,
    received_at BIGINT  NOT NULL,
    unread      INTEGER NOT NULL,           -- 0: read; 1: not yet; 2: its adapter could not
    sender_id   TEXT,                       -- by which its sender knows it
    raw         BYTEA   NOT NULL,
    reply       BYTEA                       -- the first one; null: not read yet
);

CREATE INDEX notification_unread ON notification (grp, unread, id) WHERE unread > 0;
CREATE UNIQUE INDEX notification_sender_id ON notification (grp, sender_id) WHERE sender_id IS NOT NULL;
CREATE INDEX notification_read ON notification (received_at) WHERE unread = 0;
CREATE INDEX notification_bodies ON notification (received_at) WHERE unread = 0 AND raw <> ''::bytea;

-- What was read in a notification. Kept: it waits for its operation, or for one that names its key.
CREATE TABLE signal (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notification TEXT   NOT NULL REFERENCES notification (id),
    grp          TEXT   NOT NULL,
    sender_id    TEXT,
    key          TEXT   NOT NULL,
    operation    BIGINT REFERENCES operation (seq),
    i_account    BIGINT,
    at           BIGINT NOT NULL,
    fate         TEXT   NOT NULL,           -- kept, taken, dropped, parked, begins, begun
    payload      BYTEA  NOT NULL
);

CREATE UNIQUE INDEX signal_sender_id ON signal (grp, sender_id) WHERE sender_id IS NOT NULL;
CREATE INDEX signal_kept ON signal (operation, id) WHERE fate = 'kept';
CREATE INDEX signal_kept_key ON signal (grp, key) WHERE fate = 'kept';
CREATE INDEX signal_unclaimed ON signal (at) WHERE fate = 'kept' AND operation IS NULL;
CREATE INDEX signal_parked ON signal (at) WHERE fate = 'parked';
CREATE INDEX signal_begins ON signal (grp, id) WHERE fate = 'begins';
CREATE INDEX signal_operation ON signal (operation);
CREATE INDEX signal_notification ON signal (notification);
CREATE INDEX signal_spent ON signal (at) WHERE fate IN ('taken', 'dropped', 'begun');

CREATE TABLE fan_out (
    event    TEXT PRIMARY KEY REFERENCES event (identity),
    grps     TEXT    NOT NULL,              -- those that wanted the event, as JSON
    position BIGINT  NOT NULL DEFAULT 0,    -- where the next page of accounts begins
    last     BIGINT,                        -- the last account of the page before it
    attempts INTEGER NOT NULL DEFAULT 0,    -- at that page, in vain
    due      BIGINT                         -- null: every account was reached
);

CREATE INDEX fan_out_due ON fan_out (due) WHERE due IS NOT NULL;

-- What PortaBilling is to be told: the latest value of each account and service.
CREATE TABLE status (
    i_account BIGINT  NOT NULL,
    service   TEXT    NOT NULL,
    version   BIGINT  NOT NULL,
    word      TEXT    NOT NULL,
    due       BIGINT,                       -- null: told
    attempts  INTEGER NOT NULL DEFAULT 0,
    given_up  BOOLEAN NOT NULL DEFAULT FALSE,
    said      BYTEA   NOT NULL,
    told      BYTEA,
    PRIMARY KEY (i_account, service)
) WITH (fillfactor = 80);

CREATE INDEX status_due ON status (due) WHERE due IS NOT NULL;
CREATE INDEX status_given_up ON status (i_account) WHERE given_up;

-- What each group last said of an account in a service. The row in `status` is the worst of them.
CREATE TABLE status_part (
    i_account BIGINT NOT NULL,
    service   TEXT   NOT NULL,
    grp       TEXT   NOT NULL,
    word      TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    said      BYTEA  NOT NULL,
    PRIMARY KEY (i_account, service, grp)
);

CREATE TABLE dead_letter (
    id   TEXT PRIMARY KEY,
    at   BIGINT NOT NULL,
    why  TEXT   NOT NULL,
    body BYTEA  NOT NULL
);

CREATE INDEX dead_letter_at ON dead_letter (at);
CREATE INDEX dead_letter_bodies ON dead_letter (at) WHERE body <> ''::bytea;

CREATE TABLE breaker (
    grp   TEXT PRIMARY KEY,
    state BYTEA NOT NULL
);

CREATE TABLE registration (
    grp   TEXT PRIMARY KEY,
    state BYTEA NOT NULL
);

-- What a person changed. It outlives whatever it speaks of.
CREATE TABLE audit (
    id    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at    BIGINT NOT NULL,
    who   TEXT   NOT NULL,
    why   TEXT   NOT NULL,
    what  TEXT   NOT NULL,
    about TEXT   NOT NULL                   -- an operation's id, or a group
);

CREATE TABLE suspect (
    kind    TEXT    NOT NULL,               -- account, notification, errand
    grp     TEXT    NOT NULL,
    id      TEXT    NOT NULL,               -- the i_account, the notification's id, or which errand
    adapter TEXT    NOT NULL,
    deaths  INTEGER NOT NULL,               -- of the process, in a row
    at      BIGINT  NOT NULL,               -- the last one
    PRIMARY KEY (kind, grp, id, adapter)
);

CREATE TABLE resync (
    id    TEXT PRIMARY KEY,
    open  BOOLEAN NOT NULL,
    state TEXT    NOT NULL                  -- how far it came, as JSON
);

CREATE TABLE differing (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    grp       TEXT   NOT NULL,
    i_account BIGINT NOT NULL,
    how       TEXT   NOT NULL
);

-- Rows that change at every step leave dead ones behind, and whoever claims a lane would walk over them: they are
-- cleared away before there are many, and not a fifth of the table later.
ALTER TABLE lane SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE operation SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE signal SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
ALTER TABLE status SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
ALTER TABLE fan_out SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);
ALTER TABLE meta SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);
