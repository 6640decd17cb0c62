-- The journal, version 5: the external system changed of itself, and an operation begins.

-- A signal's fate may also be `begins`: its account is to have an operation, and then `begun`.
ALTER TABLE signal ADD COLUMN i_account INTEGER;

CREATE INDEX signal_begins ON signal (grp, id) WHERE fate = 'begins';
