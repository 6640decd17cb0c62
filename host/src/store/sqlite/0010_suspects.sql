-- The journal, version 10: what an adapter was asked about when the process died. Each adapter answers for itself.

CREATE TABLE suspect (
    kind    TEXT    NOT NULL,               -- account, notification, errand
    grp     TEXT    NOT NULL,
    id      TEXT    NOT NULL,               -- the i_account, the notification's id, or which errand
    adapter TEXT    NOT NULL,               -- the one that was asked
    deaths  INTEGER NOT NULL,               -- of the process, in a row
    at      INTEGER NOT NULL,               -- the last one
    PRIMARY KEY (kind, grp, id, adapter)
) STRICT, WITHOUT ROWID;
