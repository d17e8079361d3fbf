-- Whether a linked person was in a managed group could not be seen when the group came under
-- management, or when the account was linked. What is found once it can be was there at take-over.
CREATE TABLE unseen_memberships (
    person   TEXT NOT NULL,
    group_id TEXT NOT NULL,
    PRIMARY KEY (person, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX unseen_memberships_group ON unseen_memberships (group_id);
