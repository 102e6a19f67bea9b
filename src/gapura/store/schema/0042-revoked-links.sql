-- Links that open nothing any more: the one of an account that was made and ends then; `ends` 0: all that were made
-- until then.
CREATE TABLE link_revoked (
    account TEXT NOT NULL REFERENCES account (id),
    made INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (account, made, ends)
) STRICT, WITHOUT ROWID;
