-- The journal, version 8: what ended long ago goes.

-- What is purged is found by its age, and what hangs on it by its row.
CREATE INDEX operation_ended ON operation (changed_at) WHERE open = 0 AND word <> 'purged';
CREATE INDEX operation_purged ON operation (lane) WHERE word = 'purged';
CREATE INDEX operation_key_operation ON operation_key (operation);
CREATE INDEX signal_operation ON signal (operation);
CREATE INDEX signal_notification ON signal (notification);
CREATE INDEX signal_spent ON signal (at) WHERE fate IN ('taken', 'dropped', 'begun');
CREATE INDEX notification_read ON notification (received_at) WHERE unread = 0;
CREATE INDEX notification_bodies ON notification (received_at) WHERE unread = 0 AND raw <> x'';
CREATE INDEX dead_letter_at ON dead_letter (at);
CREATE INDEX dead_letter_bodies ON dead_letter (at) WHERE body <> x'';
