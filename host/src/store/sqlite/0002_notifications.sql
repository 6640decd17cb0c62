-- The journal, version 2: a sender's repeat gets the first reply; signals that nobody claims rest.

ALTER TABLE notification ADD COLUMN sender_id TEXT;     -- by which its sender knows it
ALTER TABLE notification ADD COLUMN reply BLOB;         -- the first one; null: not read yet

CREATE UNIQUE INDEX notification_sender_id ON notification (grp, sender_id) WHERE sender_id IS NOT NULL;

-- A signal's fate may also be `parked`: nobody claimed it in time, and a person may look at it.
CREATE INDEX signal_unclaimed ON signal (at) WHERE fate = 'kept' AND operation IS NULL;
CREATE INDEX signal_parked ON signal (at) WHERE fate = 'parked';
