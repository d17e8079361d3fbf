-- What is open is about more than people: requests, names and rules of the configuration, sides. And
-- each row says by itself who is needed and whether it counts, so that every report counts alike.
CREATE TABLE items (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    -- person, request, rule, name or side; and its sys_id or name.
    kind         TEXT NOT NULL,
    subject      TEXT NOT NULL,
    -- What makes it the same item in every cycle.
    identity     TEXT NOT NULL UNIQUE,
    facts        TEXT NOT NULL,
    origin       TEXT,
    parent       TEXT,
    cause        TEXT NOT NULL,
    why          TEXT,
    -- What enforcing would do about it, and whether it is only observed.
    disposition  TEXT NOT NULL,
    observed     INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    needs        TEXT NOT NULL,
    -- It was dismissed, or comes after what was.
    silenced     INTEGER NOT NULL,
    fingerprint  TEXT UNIQUE,
    step         TEXT,
    group_id     TEXT,
    groups       TEXT NOT NULL DEFAULT '[]',
    changes      TEXT NOT NULL DEFAULT '{}',
    in_set       TEXT,
    since        TEXT NOT NULL,
    changed_at   TEXT NOT NULL,
    CHECK ((fingerprint IS NULL) = (step IS NULL))
) STRICT;

INSERT INTO items (id, kind, subject, identity, facts, origin, parent, cause, disposition, observed,
    reason, needs, silenced, fingerprint, step, group_id, groups, changes, in_set, since, changed_at)
SELECT id, 'person', person, coalesce('action ' || fingerprint, 'before ' || id),
    (SELECT json_group_array(json_object(
        'key', json(CASE f.type WHEN 'text' THEN json_quote(f.value) ELSE f.value END),
        'desired', CASE f.key WHEN 0 THEN desired END,
        'actual', CASE f.key WHEN 0 THEN actual END,
        'origin', json(CASE
            WHEN open_items.origin IS NULL THEN '"None"'
            WHEN open_items.origin = 'BASELINE' THEN '"Baseline"'
            ELSE json_object('Request', json_object('number', open_items.origin, 'parent', open_items.parent)) END),
        'cause', upper(substr(cause, 1, 1)) || substr(cause, 2),
        'step', NULL)) FROM json_each(facts) f),
    origin, parent, cause, disposition, 0, reason,
    CASE disposition WHEN 'hold' THEN 'administrator' WHEN 'blocked' THEN 'administrator'
        ELSE 'nobody' END,
    0, fingerprint, step, group_id, groups, changes, in_set, since, changed_at
FROM open_items;

DELETE FROM sqlite_sequence WHERE name = 'items';
INSERT INTO sqlite_sequence (name, seq) SELECT 'items', seq FROM sqlite_sequence WHERE name = 'open_items';
DROP TABLE open_items;
ALTER TABLE items RENAME TO open_items;
CREATE INDEX open_items_subject ON open_items (subject);
CREATE INDEX open_items_origin ON open_items (origin);

-- They are open items now.
ALTER TABLE state DROP COLUMN unusable_rules;

-- A later request says otherwise, so it is left as it is.
ALTER TABLE requests ADD COLUMN overtaken INTEGER NOT NULL DEFAULT 0;
-- What it was resolved to from the approved values, while an edit after the approval waits.
ALTER TABLE requests ADD COLUMN first_terms TEXT;
-- The edit that was dismissed: the approved values count.
ALTER TABLE requests ADD COLUMN dismissed_change TEXT;

-- A target that is missed is said again while that lasts. Of a request that names nobody who is
-- known, `person` is empty.
ALTER TABLE targets ADD COLUMN said_at TEXT;

-- Objects that a side refuses, hides or sends malformed: what cannot be read concerns whoever depends
-- on it, and is tried again less and less often.
CREATE TABLE unreadable (
    -- `account`: a person's account, or whether there is one. `roles`: a person's. `members`: a
    -- group's. `request`: a person's. `record`: a row of ServiceNow. `list`: one of Okta's.
    -- `group_rule`: a rule of Okta's. With an empty `next_try` it is being read again.
    kind     TEXT NOT NULL,
    id       TEXT NOT NULL,
    why      TEXT NOT NULL,
    since    TEXT NOT NULL,
    tries    INTEGER NOT NULL,
    next_try TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- When a row of sys_user was first not announced any more.
ALTER TABLE people ADD COLUMN absent_since TEXT;
