-- Okta was once seen to be as the request says: what took effect is not undone in silence.
ALTER TABLE requests ADD COLUMN effected INTEGER NOT NULL DEFAULT 0;
-- Why Okta refused this value of a fact when it was last tried.
ALTER TABLE facts ADD COLUMN refused TEXT;
-- The account was made here, rather than found.
ALTER TABLE links ADD COLUMN made INTEGER NOT NULL DEFAULT 0;
-- What people said to actions that were held. Append-only, so that it can be told later; `over`
-- says that it was used, or that the action is not the same any more.
CREATE TABLE decisions (
    id          INTEGER PRIMARY KEY,
    at          TEXT NOT NULL,
    verdict     TEXT NOT NULL,
    said_by     TEXT NOT NULL,
    because     TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    request     TEXT NOT NULL,
    person      TEXT NOT NULL,
    action      TEXT NOT NULL,
    group_id    TEXT,
    action_id   INTEGER,
    over        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX decisions_fingerprint ON decisions (fingerprint);
ALTER TABLE holds DROP COLUMN released_by;
ALTER TABLE holds DROP COLUMN released_at;
ALTER TABLE holds DROP COLUMN because;
ALTER TABLE holds DROP COLUMN dismissed;
ALTER TABLE holds DROP COLUMN current;
-- What was done about one account is asked for again and again.
CREATE INDEX journal_person ON journal (person);
