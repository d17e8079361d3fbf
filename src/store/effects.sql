-- Okta was once seen to be as the request says: what took effect is not undone in silence.
ALTER TABLE requests ADD COLUMN effected INTEGER NOT NULL DEFAULT 0;
-- Why Okta refused this value of a fact when it was last tried.
ALTER TABLE facts ADD COLUMN refused TEXT;
-- The account was made here, rather than found.
ALTER TABLE links ADD COLUMN made INTEGER NOT NULL DEFAULT 0;
-- What was done about one account is asked for again and again.
CREATE INDEX journal_person ON journal (person);
