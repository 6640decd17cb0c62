-- How many events there are, and operations that ended, so that nobody counts what only grows. It stands beside the
-- versions: PostgreSQL keeps it itself, whoever writes, and whatever is older finds its own tables as they were. Each
-- connection has rows of its own, so that nobody waits for another one's; whoever purges makes one of them.
CREATE TABLE tally (
    slot   TEXT   NOT NULL,            -- a connection; '': of those before
    grp    TEXT   NOT NULL,            -- '': of all
    word   TEXT   NOT NULL,            -- of operations that ended; 'event'; '': of all operations that there have been
    count  BIGINT NOT NULL,
    newest BIGINT NOT NULL,            -- received
    PRIMARY KEY (slot, grp, word)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

INSERT INTO tally SELECT '', '', 'event', count(*), COALESCE(max(received_at), 0) FROM event WHERE identity <> 'purged';
INSERT INTO tally SELECT '', l.grp, o.word, count(*), 0 FROM operation o JOIN lane l ON l.id = o.lane
    WHERE NOT o.open AND o.word <> 'purged' GROUP BY l.grp, o.word;
INSERT INTO tally SELECT '', l.grp, '', count(*), max(o.received_at) FROM operation o JOIN lane l ON l.id = o.lane
    WHERE o.word <> 'purged' GROUP BY l.grp;

CREATE FUNCTION tally_of(of_group TEXT, of_word TEXT, more BIGINT, at BIGINT) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO tally VALUES (COALESCE(current_setting('punchdown.slot', true), ''), of_group, of_word, more, at)
    ON CONFLICT (slot, grp, word) DO UPDATE
    SET count = tally.count + excluded.count, newest = GREATEST(tally.newest, excluded.newest);
END $$;

CREATE FUNCTION tally_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM tally_of('', 'event', 1, NEW.received_at);
    ELSE
        PERFORM tally_of('', 'event', -1, 0);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tally_operation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE of_group TEXT;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        IF NOT OLD.open AND OLD.word <> 'purged' THEN
            SELECT grp INTO of_group FROM lane WHERE id = OLD.lane;
            PERFORM tally_of(of_group, OLD.word, -1, 0);
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        SELECT grp INTO of_group FROM lane WHERE id = NEW.lane;
        IF TG_OP = 'INSERT' THEN
            PERFORM tally_of(of_group, '', 1, NEW.received_at);
        END IF;
        IF NOT NEW.open AND NEW.word <> 'purged' THEN
            PERFORM tally_of(of_group, NEW.word, 1, 0);
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER tally_event AFTER INSERT ON event FOR EACH ROW
    WHEN (NEW.identity <> 'purged') EXECUTE FUNCTION tally_event();
CREATE TRIGGER tally_event_gone AFTER DELETE ON event FOR EACH ROW
    WHEN (OLD.identity <> 'purged') EXECUTE FUNCTION tally_event();
CREATE TRIGGER tally_operation AFTER INSERT OR DELETE ON operation FOR EACH ROW EXECUTE FUNCTION tally_operation();
CREATE TRIGGER tally_ended AFTER UPDATE OF open, word ON operation FOR EACH ROW
    WHEN (OLD.open IS DISTINCT FROM NEW.open OR NOT NEW.open AND OLD.word <> NEW.word)
    EXECUTE FUNCTION tally_operation();
