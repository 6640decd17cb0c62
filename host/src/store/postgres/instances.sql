-- Who works on this journal, and who of them leads. It stands beside the versions: the other engine has none of it, and
-- a journal that was made before it is there needs no other step. Times are by this server's clock.
BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('punchdown: schema', 0));
CREATE TABLE IF NOT EXISTS instance (
    id      TEXT   PRIMARY KEY,       -- made at each start
    seen_at BIGINT NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS lead (
    one      BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
    term     BIGINT NOT NULL,         -- it grows whenever another one leads
    instance TEXT,
    until    BIGINT NOT NULL
) WITH (fillfactor = 50);
INSERT INTO lead (term, until) VALUES (0, 0) ON CONFLICT DO NOTHING;
-- As whom PortaBilling lets nobody log in.
CREATE TABLE IF NOT EXISTS log_in_refused (
    who        TEXT    PRIMARY KEY,   -- a fingerprint of user and credential
    until      BIGINT  NOT NULL,
    locked_out BOOLEAN NOT NULL,
    why        TEXT    NOT NULL
);
COMMIT;
