-- What people said to the brake, in its order and never changed: the newest word counts. A cycle
-- has noticed what is `seen`.
CREATE TABLE brake (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    word    TEXT NOT NULL,
    at      TEXT NOT NULL,
    said_by TEXT NOT NULL,
    because TEXT,
    seen    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- How many approved actions of somebody a pause kept from being begun.
ALTER TABLE queue ADD COLUMN left_by_pause INTEGER NOT NULL DEFAULT 0;
