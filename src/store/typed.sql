-- Every fact has a column of its own: `meta`, and what stood among `pins` and `notes` without being
-- a name or a note, end here.

-- What the store knows of itself: one row.
CREATE TABLE state (
    one                  INTEGER PRIMARY KEY CHECK (one = 1),
    -- The base addresses of the two systems that it belongs to.
    servicenow           TEXT,
    okta                 TEXT,
    -- Up to when changes were read.
    servicenow_watermark TEXT,
    okta_watermark       TEXT,
    -- The first cycle whose rows no decision has followed yet; NULL where every one has.
    dirty_since_cycle    INTEGER,
    -- The fingerprint of the configuration by which everybody was last decided about.
    configuration        TEXT,
    -- Why the last complete read was implausible; NULL where it was believed.
    implausible          TEXT,
    -- Why whole kinds of action are held; `quarantined_sets` has which.
    quarantined          TEXT,
    -- What was said last of the configured groups that cannot be used.
    unusable_rules       TEXT NOT NULL DEFAULT '',
    -- The Okta account that we sign in as, if it is one.
    own_account          TEXT,
    -- When names that were not found were last looked up again.
    names_tried_at       TEXT,
    -- How the group rules were read last: 'read', 'hidden' or 'none once'; NULL before the first.
    group_rules          TEXT,
    -- Whether `schema_attributes` is known.
    schema_known         INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO state (one, servicenow, okta, servicenow_watermark, okta_watermark, dirty_since_cycle,
    configuration, implausible, quarantined, unusable_rules, own_account,
    names_tried_at, group_rules, schema_known)
SELECT 1,
    max(value) FILTER (WHERE key = 'servicenow'),
    max(value) FILTER (WHERE key = 'okta'),
    max(value) FILTER (WHERE key = 'watermark'),
    max(value) FILTER (WHERE key = 'okta_watermark'),
    max(CAST(value AS INTEGER)) FILTER (WHERE key = 'undecided' AND value <> ''),
    max(value) FILTER (WHERE key = 'configuration' AND value <> ''),
    max(value) FILTER (WHERE key = 'implausible' AND value <> ''),
    max(value) FILTER (WHERE key = 'quarantined' AND value <> ''),
    coalesce(max(value) FILTER (WHERE key = 'unusable-rules'), ''),
    max(value) FILTER (WHERE key = 'own-account' AND value <> ''),
    max(strftime('%Y-%m-%dT%H:%M:%fZ', value)) FILTER (WHERE key = 'names tried at'),
    max(CASE value WHEN '' THEN 'read' ELSE value END) FILTER (WHERE key = 'group rules'),
    coalesce(max(json_valid(value)) FILTER (WHERE key = 'schema' AND value <> ''), 0)
FROM meta;

-- The sets of actions that are held.
CREATE TABLE quarantined_sets (
    in_set TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO quarantined_sets
SELECT s.value FROM meta m, json_each('["' || replace(m.value, ' ', '","') || '"]') s
WHERE m.key = 'quarantined-sets' AND m.value <> '';

-- What Okta's profile can hold, by attribute.
CREATE TABLE schema_attributes (
    name               TEXT PRIMARY KEY,
    -- Longest value in characters, where there is a limit.
    max_length         INTEGER,
    -- Its type, where it is not text.
    other_type         TEXT,
    read_only          INTEGER NOT NULL,
    immutable          INTEGER NOT NULL,
    mastered_elsewhere INTEGER NOT NULL,
    required           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO schema_attributes
SELECT a.key, json_extract(a.value, '$[0]'), json_extract(a.value, '$[1]'),
    json_extract(a.value, '$[2]'), json_extract(a.value, '$[3]'), json_extract(a.value, '$[4]'),
    coalesce(json_extract(a.value, '$[5]'), 0)
FROM meta m, json_each(CASE WHEN json_valid(m.value) THEN m.value ELSE '{}' END) a
WHERE m.key = 'schema';

-- `lastMembershipUpdated` of the list of members that was compared last, as Okta sent it.
ALTER TABLE groups ADD COLUMN members_updated TEXT;
UPDATE groups SET members_updated =
    (SELECT value FROM meta WHERE key = 'members of ' || groups.okta_id);
DROP TABLE meta;

-- Names that the configuration uses, resolved once: a renamed object keeps its meaning.
CREATE TABLE group_names (
    name     TEXT PRIMARY KEY,
    group_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO group_names SELECT name, id FROM pins WHERE kind = 'group';

CREATE TABLE item_names (
    name TEXT PRIMARY KEY,
    item TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO item_names SELECT name, id FROM pins WHERE kind = 'item';

-- The people and accounts, by id, that a name of `guard.protected_users` stood for first.
CREATE TABLE user_names (
    name TEXT NOT NULL,
    id   TEXT NOT NULL,
    PRIMARY KEY (name, id)
) STRICT, WITHOUT ROWID;
INSERT INTO user_names SELECT substr(kind, 6), id FROM pins WHERE substr(kind, 1, 5) = 'user ';

-- Whether an account or a group was seen to hold an administrator role, and when that was asked.
CREATE TABLE admin_roles (
    holder   TEXT NOT NULL,
    okta_id  TEXT NOT NULL,
    holds    INTEGER NOT NULL,
    asked_at TEXT NOT NULL,
    PRIMARY KEY (holder, okta_id)
) STRICT, WITHOUT ROWID;
INSERT INTO admin_roles
SELECT CASE kind WHEN 'admin' THEN 'account' ELSE 'group' END, id, 1, '1970-01-01T00:00:00.000Z'
FROM pins WHERE kind IN ('admin', 'admin-group');

-- Accounts that were brought back without their activation mail, and for whom.
CREATE TABLE owed_mails (
    account TEXT PRIMARY KEY,
    person  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO owed_mails SELECT name, id FROM pins WHERE kind = 'mail owed';
DROP TABLE pins;

-- What later decisions need to know of what was done here, so that they never read the journal: the
-- newest step about a person's status that ended well, and whether an activation ever did.
CREATE TABLE account_history (
    person         TEXT PRIMARY KEY,
    step           TEXT NOT NULL,
    request        TEXT NOT NULL,
    cause          TEXT NOT NULL,
    at             TEXT NOT NULL,
    activated_here INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO account_history
SELECT person, action, request, cause, at, EXISTS (
    SELECT 1 FROM journal a WHERE a.person = j.person AND a.action = 'activate'
        AND a.outcome IN ('applied', 'already_so', 'confirmed'))
FROM journal j WHERE id IN (
    SELECT max(id) FROM journal
    WHERE outcome IN ('applied', 'already_so', 'confirmed')
        AND action IN ('create', 'activate', 'suspend', 'unsuspend', 'deactivate', 'clear_sessions')
    GROUP BY person);

ALTER TABLE requests RENAME COLUMN effected TO took_effect;
UPDATE requests SET took_effect = 1 WHERE took_effect = 0 AND EXISTS (
    SELECT 1 FROM journal j WHERE j.request = requests.number
        AND j.outcome IN ('applied', 'already_so', 'confirmed'));

-- What became of writing on a request, beside its notes.
CREATE TABLE writebacks (
    request          TEXT PRIMARY KEY REFERENCES requests (sys_id),
    -- Since when somebody whom it names is looked for.
    looked_for_since TEXT,
    -- When its state was written, and when it was seen not to have been kept.
    state_written_at TEXT,
    state_unkept_at  TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO writebacks
SELECT request, max(at) FILTER (WHERE marker = 'looked for somebody'),
    max(at) FILTER (WHERE marker = 'state written'),
    max(at) FILTER (WHERE marker = 'state not kept')
FROM notes WHERE marker IN ('looked for somebody', 'state written', 'state not kept')
GROUP BY request;

-- How a request was when a note was about to be written on it: its `sys_mod_count`, and how many of
-- its tasks were open.
CREATE TABLE note_tries (
    request    TEXT NOT NULL REFERENCES requests (sys_id),
    marker     TEXT NOT NULL,
    mod_count  INTEGER NOT NULL,
    open_tasks INTEGER NOT NULL,
    PRIMARY KEY (request, marker, mod_count, open_tasks)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO note_tries
SELECT request, marker, CAST(substr(rest, 1, instr(rest, ' ') - 1) AS INTEGER),
    CAST(substr(rest, instr(rest, ' ') + 1) AS INTEGER)
FROM (
    SELECT request, substr(marker, 7, instr(marker, '] ') - 6) AS marker,
        substr(marker, instr(marker, '] ') + 2) AS rest
    FROM notes WHERE substr(marker, 1, 6) = 'tried ' AND instr(marker, '] ') > 0
);

-- Why a request could not be written on: each reason is said once.
CREATE TABLE unwritten (
    request TEXT NOT NULL REFERENCES requests (sys_id),
    error   TEXT NOT NULL,
    at      TEXT NOT NULL,
    PRIMARY KEY (request, error)
) STRICT, WITHOUT ROWID;
INSERT INTO unwritten
SELECT request, substr(marker, 12), at FROM notes WHERE substr(marker, 1, 11) = 'unwritten: ';
DELETE FROM notes WHERE substr(marker, 1, 1) <> '[';

-- What is not as it should be, by person. Of what waits for a decision, also the action; its number
-- is never given twice: what somebody read in a list must not mean another action by the time it is
-- typed.
CREATE TABLE open_items (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    person      TEXT NOT NULL,
    facts       TEXT NOT NULL,
    desired     TEXT,
    actual      TEXT,
    origin      TEXT,
    parent      TEXT,
    cause       TEXT NOT NULL,
    disposition TEXT NOT NULL,
    reason      TEXT NOT NULL,
    fingerprint TEXT UNIQUE,
    step        TEXT,
    group_id    TEXT,
    groups      TEXT NOT NULL DEFAULT '[]',
    changes     TEXT NOT NULL DEFAULT '{}',
    in_set      TEXT,
    since       TEXT NOT NULL,
    changed_at  TEXT NOT NULL,
    CHECK ((fingerprint IS NULL) = (step IS NULL))
) STRICT;
CREATE INDEX open_items_person ON open_items (person);
INSERT INTO open_items (id, person, facts, origin, parent, cause, disposition, reason, fingerprint,
    step, group_id, groups, changes, in_set, since, changed_at)
SELECT id, person,
    CASE action
        WHEN 'create' THEN '["Account"]'
        WHEN 'update' THEN
            (SELECT json_group_array(json_object('Profile', c.key)) FROM json_each(changes) c)
        WHEN 'add_member' THEN json_array(json_object('Membership', group_id))
        WHEN 'remove_member' THEN json_array(json_object('Membership', group_id))
        ELSE '["Status"]'
    END,
    nullif(request, 'unattributed'), parent, cause, 'hold', json_object('Hold', json_object('Recorded', reason)), fingerprint,
    action, group_id,
    -- They stood there by name.
    (SELECT json_group_array(g.okta_id) FROM groups g
     WHERE EXISTS (SELECT 1 FROM json_each(holds.groups) n WHERE n.value IN (g.name, g.okta_id))),
    changes, in_set, since, since
FROM holds;
DELETE FROM sqlite_sequence WHERE name = 'open_items';
INSERT INTO sqlite_sequence (name, seq) SELECT 'open_items', seq FROM sqlite_sequence WHERE name = 'holds';
DROP TABLE holds;

-- When an account, and the groups that it is in, were last asked for by id or written to here: a
-- list that was asked for before that is older.
ALTER TABLE accounts ADD COLUMN read_at TEXT;
ALTER TABLE accounts ADD COLUMN groups_read_at TEXT;
-- Memberships that were written here since, and when that was answered.
CREATE TABLE written_memberships (
    group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    account  INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    at       TEXT NOT NULL,
    PRIMARY KEY (group_id, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX written_memberships_account ON written_memberships (account);

-- The words of the program.
ALTER TABLE agenda RENAME TO queue;
ALTER TABLE queue RENAME COLUMN due TO due_at;
ALTER TABLE facts RENAME COLUMN established TO in_sync_once;
ALTER TABLE links RENAME COLUMN made TO created_here;
