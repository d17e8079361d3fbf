INSERT INTO meta VALUES
    ('servicenow', 'https://example.service-now.com'), ('okta', 'https://example.okta.com'),
    ('watermark', '2026-05-01T00:00:00.500Z'), ('okta_watermark', '2026-05-01T00:00:01.000Z'),
    ('undecided', '17'), ('configuration', 'fingerprint'),
    ('schema', '{"department": [50, null, false, false, false, true], "lastName": [null, "array", false, true, false]}'),
    ('implausible', '40 of 50 people'), ('quarantined', '40 of 50 people'),
    ('quarantined-sets', 'implausible-read max-disabled'),
    ('unusable-rules', 'no group is called x'), ('own-account', '00u9'),
    ('names tried at', '2026-05-01T00:00:02.123456789+00:00'), ('group rules', 'none once'),
    ('members of 00g1', '2026-04-30T00:00:00.000Z'), ('members of 00gone', '2026-04-30T00:00:00.000Z');
INSERT INTO pins VALUES
    ('group', 'Sales', '00g1'), ('item', 'Joiner', 'i1'),
    ('user the boss', '00u7', '00u7'), ('user the boss', 'p7', 'p7'),
    ('admin', '00u5', '00u5'), ('admin-group', '00g5', '00g5'),
    ('mail owed', '00u1', 'p1');

INSERT INTO people (sys_id, presence, record, user_name, email, updated_on, mod_count, seen) VALUES
    ('p1', 'present', '{}', 'zoe', '', '', 1, 1), ('p2', 'gone', '{}', 'max', '', '', 1, 1);
INSERT INTO accounts (id, okta_id, status, profile, provider, last_updated, seen)
VALUES (1, '00u1', 'PROVISIONED', '{}', 'OKTA', '2026-04-30T00:00:00.000Z', 1);
INSERT INTO account_keys VALUES (1, 'login', 'zoe@example.com');
INSERT INTO groups (id, okta_id, name, kind, rule_fed, managed, seen)
VALUES (1, '00g1', 'Sales', 'OKTA_GROUP', 0, 1, 1);
INSERT INTO memberships VALUES (1, 1);
INSERT INTO links (person, okta_id, since, origin, made)
VALUES ('p1', '00u1', '2026-04-01T00:00:00.000Z', 'RITM0000001', 1);
INSERT INTO baseline VALUES ('p1', '00g1');
INSERT INTO facts (person, key, value, origin, parent, basis, established, since, refused)
VALUES ('p1', 'status', 'active', 'RITM0000001', 'REQ0000001', '', 1, '2026-04-01T00:00:00.000Z', 'no');
INSERT INTO agenda VALUES ('p1', '2026-04-01T00:00:00.000Z');
INSERT INTO cycles (n, started, finished, full_read, outcome, people, believed) VALUES
    (1, '2026-04-01T00:00:00.000Z', '2026-04-01T00:00:01.000Z', 1, 'ok', 2, 1);
INSERT INTO sides VALUES ('okta', '2026-04-01T00:00:00.000Z', NULL);
INSERT INTO budget VALUES ('okta', 'users', 600, 0.5, 3, '2026-04-01T00:00:00.000Z');

INSERT INTO requests (sys_id, number, item, item_name, state, approval, order_approval, requested_for,
    opened_at, created_at, variables, fields, updated_on, mod_count, seen, first_seen, history, effected)
SELECT 'r' || n, 'RITM000000' || n, 'i1', 'Joiner', 'open', 'approved', 'approved', 'p1',
    '2026-04-01T00:00:00.000Z', '2026-04-01T00:00:00.000Z', '{}', '{}', '', 1, 1,
    '2026-04-01T00:00:00.000Z', 0, n = 2
FROM (SELECT value AS n FROM json_each('[1, 2, 3]'));
INSERT INTO request_people VALUES ('r1', 'p1');
INSERT INTO request_groups VALUES ('r1', '00g1');
INSERT INTO targets (request, person, operation, in_force)
VALUES ('r1', 'p1', 'join', '2026-04-01T00:00:00.000Z');

INSERT INTO notes VALUES
    ('r1', '[goldthread:RITM0000001:done]', '2026-04-10T00:00:00.000Z'),
    ('r1', 'state written', '2026-04-10T00:00:01.000Z'),
    ('r1', 'tried [goldthread:RITM0000001:done]', '2026-04-10T00:00:00.000Z'),
    ('r1', 'tried [goldthread:RITM0000001:done] 7 1', '2026-04-10T00:00:00.000Z'),
    ('r1', 'unwritten: ServiceNow refused it: no access', '2026-04-10T00:00:00.000Z'),
    ('r2', '[goldthread:RITM0000002:overtaken]', '2026-04-10T00:00:00.000Z'),
    ('r2', 'state written', '2026-04-10T00:00:01.000Z'),
    ('r2', 'state not kept', '2026-04-10T00:00:02.000Z'),
    ('r2', 'looked for somebody', '2026-04-10T00:00:03.000Z');

-- Each outcome there is.
INSERT INTO journal (at, entry, action_id, cycle, person, okta_id, action, group_id, request, parent,
    cause, leaver, released, keys, detail, outcome, okta_request_id, error, hash)
SELECT '2026-04-0' || (value ->> 0) || 'T00:00:00.000Z', CASE WHEN value ->> 5 IS NULL THEN 'intent' ELSE 'outcome' END,
    key + 1, 1, value ->> 1, '00u1', value ->> 2, value ->> 6, value ->> 3, NULL, value ->> 4, 0, 0,
    '[]', '{}', value ->> 5, NULL, NULL, 'hash ' || key
FROM json_each('[
    [1, "p1", "activate",     "RITM0000001",  "request", "applied"],
    [2, "p1", "unsuspend",    "RITM0000002",  "request", "already_so"],
    [3, "p1", "suspend",      "RITM0000001",  "request", "applied"],
    [4, "p1", "add_member",   "RITM0000001",  "request", "applied", "00g1"],
    [4, "p1", "deactivate",   "RITM0000003",  "request", "failed"],
    [5, "p2", "deactivate",   "unattributed", "record",  "confirmed"],
    [6, "p2", "suspend",      "RITM0000003",  "request", null],
    [6, "p2", "suspend",      "RITM0000003",  "request", "unknown"],
    [7, "p3", "activate",     "BASELINE",     "drift",   "failed"],
    [7, "p3", "update",       "BASELINE",     "drift",   "applied"]
]');

-- Number 41 was given away and is over.
INSERT INTO holds (id, fingerprint, since, person, action, group_id, groups, request, parent, cause,
    changes, reason, in_set)
VALUES
    (3, 'f3', '2026-04-20T00:00:00.000Z', 'p3', 'create', NULL, '["Sales"]', 'RITM0000003', NULL, 'request',
        '{"login": {"from": null, "to": "zoe@example.com"}}', 'too many', 'max-changed'),
    (4, 'f4', '2026-04-20T00:00:00.000Z', 'p1', 'update', NULL, '[]', 'BASELINE', NULL, 'drift',
        '{"title": {"from": "a", "to": "b"}}', 'no request accounts for it', NULL),
    (5, 'f5', '2026-04-20T00:00:00.000Z', 'p1', 'remove_member', '00g1', '[]', 'unattributed', NULL, 'drift',
        '{}', 'dismissed', NULL),
    (6, 'f6', '2026-04-20T00:00:00.000Z', 'p2', 'suspend', NULL, '[]', 'RITM0000001', 'REQ0000001', 'record',
        '{}', 'why', NULL),
    (41, 'f41', '2026-04-20T00:00:00.000Z', 'p1', 'suspend', NULL, '[]', 'BASELINE', NULL, 'record',
        '{}', 'why', NULL);
DELETE FROM holds WHERE id = 41;
INSERT INTO decisions (at, verdict, said_by, because, fingerprint, request, person, action)
VALUES
    ('2026-04-20T01:00:00.000Z', 'release', 'alice', 'agreed', 'f3', 'RITM0000003', 'p3', 'create'),
    ('2026-04-20T01:00:00.000Z', 'dismiss', 'alice', 'no', 'f5', 'unattributed', 'p1', 'remove_member');
