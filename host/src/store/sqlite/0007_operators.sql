-- The journal, version 7: what operators look at, and what they did.

-- Where it stands, in a person's word. Those that stood there before have theirs from their next step on.
ALTER TABLE operation ADD COLUMN word TEXT NOT NULL DEFAULT 'received';

UPDATE operation SET word = CASE stage
    WHEN 'received' THEN 'received' WHEN 'waiting' THEN 'awaiting-notification' WHEN 'parked' THEN 'parked'
    WHEN 'finished' THEN 'done' WHEN 'ignored' THEN 'ignored' WHEN 'superseded' THEN 'superseded' ELSE 'sending' END;

DROP INDEX operation_counts;
CREATE INDEX operation_counts ON operation (lane, word, open, received_at);
CREATE INDEX operation_word ON operation (word, seq);
CREATE INDEX operation_event ON operation (event);
CREATE INDEX lane_account ON lane (i_account);

-- News of what is over is kept for whoever took it over.
DROP INDEX signal_unmatched;
CREATE INDEX signal_kept_key ON signal (grp, key) WHERE fate = 'kept';

CREATE INDEX status_given_up ON status (i_account) WHERE given_up = 1;

-- What a person changed. It outlives whatever it speaks of.
CREATE TABLE audit (
    id    INTEGER PRIMARY KEY,
    at    INTEGER NOT NULL,
    who   TEXT    NOT NULL,
    why   TEXT    NOT NULL,
    what  TEXT    NOT NULL,                 -- retry, restart, skip, pause, resume
    about TEXT    NOT NULL                  -- an operation's id, or a group
) STRICT;
