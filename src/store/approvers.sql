-- Who approved each request, kept with it: ServiceNow may archive the rows that say so.

-- The order's own id: its approvers are found by it.
ALTER TABLE requests ADD COLUMN order_id TEXT NOT NULL DEFAULT '';

-- One row for each request whose approvers were asked for.
CREATE TABLE approver_reads (
    request    TEXT PRIMARY KEY REFERENCES requests (sys_id),
    at         TEXT NOT NULL,
    -- Why they could not be read; NULL where they could, also where there was nobody.
    unreadable TEXT,
    -- The approval was taken back since: with a new one they are read anew.
    stale      INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX approver_reads_at ON approver_reads (at);

-- Rows of sysapproval_approver.
CREATE TABLE approvers (
    request    TEXT NOT NULL REFERENCES requests (sys_id),
    row        TEXT NOT NULL,
    -- The person who was asked; the two names are empty where they were not to be had.
    sys_id     TEXT NOT NULL,
    user_name  TEXT NOT NULL,
    email      TEXT NOT NULL,
    state      TEXT NOT NULL,
    at         TEXT,
    -- Who wrote the row.
    updated_by TEXT NOT NULL,
    -- The group approval that it belongs to; empty for none.
    of_group   TEXT NOT NULL,
    PRIMARY KEY (request, row)
) STRICT, WITHOUT ROWID;
