-- How many events there are, and operations that ended, so that nobody counts what only grows. It stands beside the
-- versions: SQLite keeps it itself, whoever writes, and whatever is older finds its own tables as they were.
CREATE TABLE tally (
    grp    TEXT    NOT NULL,           -- '': of all
    word   TEXT    NOT NULL,           -- of operations that ended; 'event'; '': of all operations that there have been
    count  INTEGER NOT NULL,
    newest INTEGER NOT NULL,           -- received
    PRIMARY KEY (grp, word)
) WITHOUT ROWID;

INSERT INTO tally SELECT '', 'event', COUNT(*), COALESCE(MAX(received_at), 0) FROM event WHERE identity <> 'purged';
INSERT INTO tally SELECT l.grp, o.word, COUNT(*), 0 FROM operation o JOIN lane l ON l.id = o.lane
    WHERE o.open = 0 AND o.word <> 'purged' GROUP BY l.grp, o.word;
INSERT INTO tally SELECT l.grp, '', COUNT(*), MAX(o.received_at) FROM operation o JOIN lane l ON l.id = o.lane
    WHERE o.word <> 'purged' GROUP BY l.grp;

CREATE TRIGGER tally_event AFTER INSERT ON event WHEN NEW.identity <> 'purged' BEGIN
    INSERT INTO tally VALUES ('', 'event', 1, NEW.received_at)
    ON CONFLICT DO UPDATE SET count = count + 1, newest = MAX(newest, excluded.newest);
END;

CREATE TRIGGER tally_event_gone AFTER DELETE ON event WHEN OLD.identity <> 'purged' BEGIN
    UPDATE tally SET count = count - 1 WHERE grp = '' AND word = 'event';
END;

CREATE TRIGGER tally_operation AFTER INSERT ON operation BEGIN
    INSERT INTO tally SELECT grp, '', 1, NEW.received_at FROM lane WHERE id = NEW.lane
    ON CONFLICT DO UPDATE SET count = count + 1, newest = MAX(newest, excluded.newest);
END;

CREATE TRIGGER tally_ended_at_once AFTER INSERT ON operation WHEN NEW.open = 0 AND NEW.word <> 'purged' BEGIN
    INSERT INTO tally SELECT grp, NEW.word, 1, 0 FROM lane WHERE id = NEW.lane
    ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER tally_ended AFTER UPDATE OF open, word ON operation
WHEN NEW.open = 0 AND NEW.word <> 'purged' AND (OLD.open <> 0 OR OLD.word <> NEW.word) BEGIN
    INSERT INTO tally SELECT grp, NEW.word, 1, 0 FROM lane WHERE id = NEW.lane
    ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER tally_no_longer AFTER UPDATE OF open, word ON operation
WHEN OLD.open = 0 AND OLD.word <> 'purged' AND (NEW.open <> 0 OR OLD.word <> NEW.word) BEGIN
    UPDATE tally SET count = count - 1 WHERE word = OLD.word AND grp = (SELECT grp FROM lane WHERE id = OLD.lane);
END;

CREATE TRIGGER tally_gone AFTER DELETE ON operation WHEN OLD.open = 0 AND OLD.word <> 'purged' BEGIN
    UPDATE tally SET count = count - 1 WHERE word = OLD.word AND grp = (SELECT grp FROM lane WHERE id = OLD.lane);
END;
