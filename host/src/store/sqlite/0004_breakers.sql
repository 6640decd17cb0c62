-- The journal, version 4: what holds a group's requests back outlives the process.

CREATE TABLE breaker (
    grp   TEXT PRIMARY KEY,
    state BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Whether the head of a lane has its request to send. While a group is held back these are left
-- where they are.
ALTER TABLE lane ADD COLUMN sends INTEGER NOT NULL DEFAULT 0;

UPDATE lane SET sends = 1 WHERE id IN (SELECT lane FROM operation WHERE open = 1 AND stage = 'ready');

CREATE INDEX lane_due_unsent ON lane (grp, due) WHERE due IS NOT NULL AND sends = 0;
