-- Exceptions that are no part of a policy document.  `state` is what was done to it; whether it is in force now is a
-- question of the time.  `review_at` 0: nobody has to look at it any more.
CREATE TABLE exception (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (id),
    policy TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('exception', 'interim', 'no_notice', 'release')),
    reason TEXT NOT NULL,
    owner TEXT NOT NULL,
    starts INTEGER NOT NULL,
    ends INTEGER NOT NULL CHECK (ends = 0 OR ends > starts),
    review_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'ended', 'expired')),
    made_at INTEGER NOT NULL,
    moved_at INTEGER NOT NULL
) STRICT;
CREATE INDEX exception_by_account ON exception (account, id);
CREATE INDEX exception_by_review ON exception (review_at, id) WHERE review_at > 0;
CREATE INDEX exception_by_end ON exception (ends) WHERE state = 'open' AND ends > 0;

-- What gates have to know of it stands at the account, and reaches them as everything else about it.
ALTER TABLE account ADD COLUMN lifted TEXT NOT NULL DEFAULT '[]';
