-- People as ServiceNow last showed them. `seen` is the cycle of the last complete read that held
-- the row, `absent` how many reads in a row its id answered 404.
CREATE TABLE people (
    sys_id     TEXT PRIMARY KEY,
    presence   TEXT NOT NULL,
    record     TEXT NOT NULL,
    user_name  TEXT NOT NULL,
    email      TEXT NOT NULL,
    updated_on TEXT NOT NULL,
    mod_count  INTEGER NOT NULL,
    seen       INTEGER NOT NULL,
    absent     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX people_user_name ON people (user_name);
CREATE INDEX people_email ON people (email);

-- Requested items. `wording` is what was approved, fixed when the approval was first seen;
-- `operation` to `observe` are NULL until the wording could be resolved.
CREATE TABLE requests (
    sys_id         TEXT PRIMARY KEY,
    number         TEXT NOT NULL UNIQUE,
    parent         TEXT,
    item           TEXT NOT NULL,
    item_name      TEXT NOT NULL,
    state          TEXT NOT NULL,
    approval       TEXT NOT NULL,
    order_approval TEXT NOT NULL,
    requested_for  TEXT NOT NULL,
    opened_at      TEXT NOT NULL,
    created_at     TEXT NOT NULL,
    variables      TEXT NOT NULL,
    fields         TEXT NOT NULL,
    updated_on     TEXT NOT NULL,
    mod_count      INTEGER NOT NULL,
    seen           INTEGER NOT NULL,
    first_seen     TEXT NOT NULL,
    history        INTEGER NOT NULL,
    vanished       INTEGER NOT NULL DEFAULT 0,
    wording        TEXT,
    problems       TEXT NOT NULL DEFAULT '[]',
    operation      TEXT,
    starts         TEXT,
    ends           TEXT,
    standing       TEXT,
    effective      TEXT,
    observe        INTEGER NOT NULL DEFAULT 0,
    finished       INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE request_people (
    request TEXT NOT NULL REFERENCES requests (sys_id),
    person  TEXT NOT NULL,
    PRIMARY KEY (request, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX request_people_person ON request_people (person);

CREATE TABLE request_groups (
    request  TEXT NOT NULL REFERENCES requests (sys_id),
    group_id TEXT NOT NULL,
    PRIMARY KEY (request, group_id)
) STRICT, WITHOUT ROWID;

-- Notes written on requests, by marker: each is written once.
CREATE TABLE notes (
    request TEXT NOT NULL REFERENCES requests (sys_id),
    marker  TEXT NOT NULL,
    at      TEXT NOT NULL,
    PRIMARY KEY (request, marker)
) STRICT, WITHOUT ROWID;

-- Okta accounts as last seen.
CREATE TABLE accounts (
    id            INTEGER PRIMARY KEY,
    okta_id       TEXT NOT NULL UNIQUE,
    status        TEXT NOT NULL,
    transitioning TEXT,
    profile       TEXT NOT NULL,
    provider      TEXT NOT NULL,
    last_updated  TEXT NOT NULL,
    seen          INTEGER NOT NULL
) STRICT;

-- Attributes that identify people, folded to lower case.
CREATE TABLE account_keys (
    account   INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    attribute TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (account, attribute)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_keys_value ON account_keys (attribute, value);

CREATE TABLE groups (
    id       INTEGER PRIMARY KEY,
    okta_id  TEXT NOT NULL UNIQUE,
    name     TEXT NOT NULL,
    kind     TEXT NOT NULL,
    rule_fed INTEGER NOT NULL,
    managed  INTEGER NOT NULL DEFAULT 0,
    seen     INTEGER NOT NULL
) STRICT;
CREATE INDEX groups_name ON groups (name);

CREATE TABLE memberships (
    group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    account  INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_account ON memberships (account);

-- Which account is whose. One account for one person.
CREATE TABLE links (
    person  TEXT PRIMARY KEY,
    okta_id TEXT NOT NULL UNIQUE,
    since   TEXT NOT NULL,
    origin  TEXT
) STRICT, WITHOUT ROWID;

-- Memberships that were there when the account or the group came under management.
CREATE TABLE baseline (
    person   TEXT NOT NULL,
    group_id TEXT NOT NULL,
    PRIMARY KEY (person, group_id)
) STRICT, WITHOUT ROWID;

-- Desired facts as last decided, and whether Okta was seen to agree.
CREATE TABLE facts (
    person      TEXT NOT NULL,
    key         TEXT NOT NULL,
    value       TEXT,
    origin      TEXT,
    parent      TEXT,
    basis       TEXT NOT NULL,
    established INTEGER NOT NULL,
    since       TEXT NOT NULL,
    PRIMARY KEY (person, key)
) STRICT, WITHOUT ROWID;

-- Names that the configuration uses, resolved once: a renamed object keeps its meaning.
CREATE TABLE pins (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    id   TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- People who must be looked at again, and from when.
CREATE TABLE agenda (
    person TEXT PRIMARY KEY,
    due    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Every write: its intent before the call, its outcome after it. Append-only, each row hashed
-- over the one before it.
CREATE TABLE journal (
    id              INTEGER PRIMARY KEY,
    at              TEXT NOT NULL,
    entry           TEXT NOT NULL,
    action_id       INTEGER NOT NULL,
    cycle           INTEGER NOT NULL,
    person          TEXT NOT NULL,
    okta_id         TEXT,
    action          TEXT NOT NULL,
    group_id        TEXT,
    request         TEXT NOT NULL,
    parent          TEXT,
    cause           TEXT NOT NULL,
    leaver          INTEGER NOT NULL,
    released        INTEGER NOT NULL,
    keys            TEXT NOT NULL,
    detail          TEXT NOT NULL,
    outcome         TEXT,
    okta_request_id TEXT,
    error           TEXT,
    hash            TEXT NOT NULL
) STRICT;
CREATE INDEX journal_action ON journal (action_id);
CREATE INDEX journal_at ON journal (at);
CREATE INDEX journal_request ON journal (request);

CREATE TABLE holds (
    id          INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    since       TEXT NOT NULL,
    person      TEXT NOT NULL,
    action      TEXT NOT NULL,
    group_id    TEXT,
    request     TEXT NOT NULL,
    parent      TEXT,
    cause       TEXT NOT NULL,
    changes     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    in_set      TEXT,
    released_by TEXT,
    released_at TEXT,
    because     TEXT,
    dismissed   INTEGER NOT NULL DEFAULT 0,
    current     INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE cycles (
    n            INTEGER PRIMARY KEY,
    started      TEXT NOT NULL,
    finished     TEXT,
    full_read    INTEGER NOT NULL,
    outcome      TEXT,
    people       INTEGER,
    believed     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
