-- What alerts have in common: a page by severity, technique or behaviour is put together from one range of keys for each
-- facet that fits, and there are never more than some hundred.
CREATE TABLE facets (
    number INTEGER PRIMARY KEY,
    behaviour TEXT NOT NULL,
    technique TEXT NOT NULL, -- empty where there is none
    severity INTEGER NOT NULL, -- 0 info to 4 critical
    hidden INTEGER NOT NULL, -- 1 where a suppression hides it
    UNIQUE (behaviour, technique, severity, hidden)
) STRICT;

-- Times are nanoseconds since 1970.
CREATE TABLE alerts (
    key INTEGER PRIMARY KEY, -- its start, moved a little where several start at once: the order of pages
    id BLOB NOT NULL,
    change INTEGER NOT NULL, -- a new number, ever rising, with whatever is changed: what sinks go by
    facet INTEGER NOT NULL REFERENCES facets,
    incident INTEGER REFERENCES incidents,
    suppressed_by INTEGER,
    subject BLOB NOT NULL, -- 4 bytes or 16
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    score REAL NOT NULL,
    flows INTEGER NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX alerts_by_id ON alerts (id);
CREATE UNIQUE INDEX alerts_by_change ON alerts (change) WHERE suppressed_by IS NULL;
CREATE INDEX alerts_by_facet ON alerts (facet);
CREATE INDEX alerts_by_incident ON alerts (incident, facet) WHERE incident IS NOT NULL;
CREATE INDEX alerts_by_suppression ON alerts (suppressed_by, facet) WHERE suppressed_by IS NOT NULL;

-- Everyone who takes part.
CREATE TABLE alert_hosts (
    address BLOB NOT NULL,
    facet INTEGER NOT NULL,
    key INTEGER NOT NULL,
    PRIMARY KEY (address, facet, key)
) STRICT, WITHOUT ROWID;

-- How many alerts started on a day (of UTC, since 1970).
CREATE TABLE days (
    day INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    hidden INTEGER NOT NULL,
    alerts INTEGER NOT NULL,
    PRIMARY KEY (day, severity, hidden)
) STRICT, WITHOUT ROWID;

-- For people who look into the database.
CREATE VIEW readable_alerts AS
SELECT lower(hex(id)) AS id, datetime(start / 1000000000, 'unixepoch') AS start, severity, behaviour, technique, score,
    flows, suppressed_by, json ->> 'subject' AS subject, json ->> 'summary' AS summary
FROM alerts JOIN facets ON facets.number = alerts.facet;

CREATE TABLE incidents (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    severity INTEGER NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    score REAL NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX incidents_by_start ON incidents (start);

-- Every one is kept; the latest counts.
CREATE TABLE verdicts (
    number INTEGER PRIMARY KEY,
    alert BLOB NOT NULL,
    finding TEXT NOT NULL,
    note TEXT NOT NULL,
    "by" TEXT NOT NULL,
    time INTEGER NOT NULL
) STRICT;
CREATE INDEX verdicts_by_alert ON verdicts (alert);

CREATE TABLE suppressions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    json TEXT, -- NULL where it was ended
    hits INTEGER NOT NULL DEFAULT 0,
    last_hit INTEGER
) STRICT;

CREATE TABLE suppression_changes (
    number INTEGER PRIMARY KEY,
    suppression INTEGER NOT NULL REFERENCES suppressions,
    time INTEGER NOT NULL,
    "by" TEXT NOT NULL,
    json TEXT -- what it was from then on; NULL where it ended
) STRICT;
CREATE INDEX suppression_changes_by_suppression ON suppression_changes (suppression);

-- What analysts confirmed, with the flows of it, which stay when other flows go.
CREATE TABLE labels (
    alert BLOB PRIMARY KEY,
    kind TEXT NOT NULL,
    "by" TEXT NOT NULL,
    time INTEGER NOT NULL,
    file INTEGER REFERENCES flow_files
) STRICT, WITHOUT ROWID;

CREATE TABLE sinks (
    name TEXT PRIMARY KEY,
    change INTEGER NOT NULL -- the last that was delivered
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    json TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The last number that was given out.
CREATE TABLE sequences (
    name TEXT PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO sequences VALUES ('change', 0), ('flow', 0);

-- Which files hold flows. A file that is not listed here was never acknowledged.
CREATE TABLE flow_files (
    number INTEGER PRIMARY KEY AUTOINCREMENT, -- of no other file, not even of one that is gone
    name TEXT NOT NULL UNIQUE,
    hour INTEGER, -- in which they came, since 1970; NULL where they are labelled
    first INTEGER, -- the number of its first flow; NULL where they are labelled
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    footer_bytes INTEGER NOT NULL,
    footer_sha256 BLOB NOT NULL
) STRICT;

CREATE TABLE flow_groups (
    file INTEGER NOT NULL REFERENCES flow_files,
    number INTEGER NOT NULL,
    first INTEGER,
    rows INTEGER NOT NULL,
    start INTEGER NOT NULL, -- in the file
    bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    earliest INTEGER NOT NULL, -- when the first of its flows ended
    latest INTEGER NOT NULL,
    PRIMARY KEY (file, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX flow_groups_by_first ON flow_groups (first);

CREATE TABLE notices (
    number INTEGER PRIMARY KEY,
    after INTEGER NOT NULL, -- the number of the last flow that came before it
    hour INTEGER NOT NULL, -- in which it came
    time INTEGER NOT NULL,
    reporter TEXT NOT NULL,
    name TEXT NOT NULL,
    detail TEXT NOT NULL,
    severity INTEGER,
    source TEXT,
    target TEXT,
    originator TEXT,
    responder TEXT,
    protocol TEXT,
    id TEXT
) STRICT;
CREATE INDEX notices_by_place ON notices (after);
