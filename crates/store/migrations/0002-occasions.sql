-- Whether a sink was sent an alert before: the change with which the alert was first shown, and where the sink began.
ALTER TABLE alerts ADD COLUMN first_shown INTEGER; -- NULL where it never was
UPDATE alerts SET first_shown = change WHERE suppressed_by IS NULL;
ALTER TABLE sinks ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
