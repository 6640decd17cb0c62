-- The journal, version 7: what operators look at, and what they did.

CREATE INDEX operation_stage ON operation (stage, seq);

-- What a person changed. It outlives whatever it speaks of.
CREATE TABLE audit (
    id    INTEGER PRIMARY KEY,
    at    INTEGER NOT NULL,
    who   TEXT    NOT NULL,
    why   TEXT    NOT NULL,
    what  TEXT    NOT NULL,                 -- retry, restart, skip, pause, resume
    about TEXT    NOT NULL                  -- an operation's id, or a group
) STRICT;
