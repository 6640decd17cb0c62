-- The components that serve and served, and by which one each group is served at every instance. They stand beside the
-- versions: the other engine's lie in the journal's directory.
BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('punchdown: schema', 0));
CREATE TABLE IF NOT EXISTS component (
    grp     TEXT   NOT NULL,
    digest  TEXT   NOT NULL,
    kept_at BIGINT NOT NULL,
    bytes   BIGINT NOT NULL,
    mark    TEXT   NOT NULL,          -- a fingerprint of group and digest: who has no key can bring nothing
    PRIMARY KEY (grp, digest)
);
-- In goes: no statement takes long, however slow the line is.
CREATE TABLE IF NOT EXISTS component_go (
    digest TEXT    NOT NULL,
    go     INTEGER NOT NULL,
    bytes  BYTEA   NOT NULL,
    PRIMARY KEY (digest, go)
);
CREATE TABLE IF NOT EXISTS served_by (
    grp    TEXT    PRIMARY KEY,
    digest TEXT    NOT NULL,
    pinned BOOLEAN NOT NULL,
    number BIGINT  NOT NULL,          -- it rises with each that is another one
    mark   TEXT    NOT NULL,          -- a fingerprint of the row: nor choose
    FOREIGN KEY (grp, digest) REFERENCES component (grp, digest)
);
COMMIT;
