-- What a connection committed last: by that, and not by its number alone, a commit is known whose answer was lost. Every
-- transaction writes it, that of a migration, too: so it is there before all else.
BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('punchdown: schema', 0));
CREATE TABLE IF NOT EXISTS commit_mark (
    slot  TEXT        PRIMARY KEY,    -- a connection
    token TEXT        NOT NULL,       -- its last transaction
    at    TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
COMMIT;
