-- An idle cycle asks these, and must not read the whole table for nothing.
CREATE INDEX facts_refused ON facts (person, key) WHERE refused IS NOT NULL;
CREATE INDEX requests_unfinished ON requests (number) WHERE finished = 0;
