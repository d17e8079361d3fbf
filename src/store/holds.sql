-- A number is never given twice: what somebody read in a list must not mean another action by the
-- time it is typed. What waits is found again by the next look at its people.
INSERT INTO agenda (person, due) SELECT DISTINCT person, '1970-01-01T00:00:00.000Z' FROM holds WHERE true
    ON CONFLICT (person) DO UPDATE SET due = excluded.due;
UPDATE decisions SET over = 1;
DROP TABLE holds;
CREATE TABLE holds (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint TEXT NOT NULL UNIQUE,
    since       TEXT NOT NULL,
    person      TEXT NOT NULL,
    action      TEXT NOT NULL,
    group_id    TEXT,
    groups      TEXT NOT NULL,
    request     TEXT NOT NULL,
    parent      TEXT,
    cause       TEXT NOT NULL,
    changes     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    in_set      TEXT
) STRICT;
CREATE INDEX holds_person ON holds (person);
-- A cycle has looked at whom a release concerns.
ALTER TABLE decisions ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
CREATE INDEX decisions_action ON decisions (action_id);
