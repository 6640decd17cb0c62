-- The journal, version 11: PortaBilling's accounts are held against what was last done.

-- The fingerprint of what the last operation that was done was laid down with; null while another one
-- moves, or when that did not end well.
ALTER TABLE lane ADD COLUMN done_with TEXT;
-- The last resync that has seen it.
ALTER TABLE lane ADD COLUMN seen TEXT;

CREATE TABLE resync (
    id    TEXT PRIMARY KEY,
    open  INTEGER NOT NULL,
    state TEXT    NOT NULL                  -- how far it came, as JSON
) STRICT, WITHOUT ROWID;

-- What the last one found to differ.
CREATE TABLE differing (
    id        INTEGER PRIMARY KEY,
    grp       TEXT    NOT NULL,
    i_account INTEGER NOT NULL,
    how       TEXT    NOT NULL
) STRICT;
