-- The journal, version 3: events of customers become operations, page by page.

ALTER TABLE event ADD COLUMN i_customer INTEGER;        -- where it names no account

CREATE TABLE fan_out (
    event      TEXT PRIMARY KEY REFERENCES event (identity),
    grps       TEXT    NOT NULL,            -- those that wanted the event, as JSON
    position   INTEGER NOT NULL DEFAULT 0,  -- where the next page of accounts begins
    last       INTEGER,                     -- the last account of the page before it
    attempts   INTEGER NOT NULL DEFAULT 0,  -- at that page, in vain
    due        INTEGER                      -- null: every account was reached
) STRICT, WITHOUT ROWID;

CREATE INDEX fan_out_due ON fan_out (due) WHERE due IS NOT NULL;
