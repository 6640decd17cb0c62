-- The journal, version 6: looks come last, and a service may have several targets behind it.

-- Whether the head of a lane only wants to look for news: the time of its wait is up. These are
-- leased last.
ALTER TABLE lane ADD COLUMN looks INTEGER NOT NULL DEFAULT 0;

UPDATE lane SET looks = 1
WHERE (SELECT stage FROM operation WHERE lane = lane.id AND open = 1 ORDER BY seq LIMIT 1) = 'waiting';

DROP INDEX lane_due;
DROP INDEX lane_due_unsent;
CREATE INDEX lane_due ON lane (grp, due) WHERE due IS NOT NULL AND looks = 0;
CREATE INDEX lane_due_unsent ON lane (grp, due) WHERE due IS NOT NULL AND looks = 0 AND sends = 0;
CREATE INDEX lane_due_looks ON lane (grp, due) WHERE due IS NOT NULL AND looks = 1;

-- 1: PortaBilling had no such account, and was not told.
ALTER TABLE status ADD COLUMN given_up INTEGER NOT NULL DEFAULT 0;

-- What each group last said of an account in a service. The row in `status` is the worst of them.
CREATE TABLE status_part (
    i_account INTEGER NOT NULL,
    service   TEXT    NOT NULL,
    grp       TEXT    NOT NULL,
    word      TEXT    NOT NULL,
    said      BLOB    NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (i_account, service, grp)
) STRICT, WITHOUT ROWID;
