-- How the two systems are, as the last process that talked to them knew it.
CREATE TABLE sides (
    name  TEXT PRIMARY KEY,
    since TEXT NOT NULL,
    error TEXT
) STRICT, WITHOUT ROWID;

-- How much of the rate limits was used. `at` is when; the window may be over since.
CREATE TABLE budget (
    side    TEXT NOT NULL,
    bucket  TEXT NOT NULL,
    allowed INTEGER,
    share   REAL NOT NULL,
    used    INTEGER NOT NULL,
    at      TEXT NOT NULL,
    PRIMARY KEY (side, bucket)
) STRICT, WITHOUT ROWID;

-- Joins and leaves from *in force* to *done*, for each person. `said` is how much was said about
-- its being late: 0 nothing, 1 that it will be, 2 that it is.
CREATE TABLE targets (
    request   TEXT NOT NULL REFERENCES requests (sys_id),
    person    TEXT NOT NULL,
    operation TEXT NOT NULL,
    in_force  TEXT NOT NULL,
    done      TEXT,
    said      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (request, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX targets_open ON targets (request) WHERE done IS NULL;
-- The moment of the approval as ServiceNow tells it: when the row was changed that first showed it.
ALTER TABLE requests ADD COLUMN approved_at TEXT;
