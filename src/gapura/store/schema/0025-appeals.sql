-- Objections of accounts to a policy.  `interim` and `exception` name rows of `exception`, "" for none.
CREATE TABLE appeal (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (id),
    policy TEXT NOT NULL,
    campaign TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('received', 'under_review', 'granted', 'denied', 'withdrawn')),
    language TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    moved_at INTEGER NOT NULL,
    handler TEXT NOT NULL DEFAULT '',
    interim TEXT NOT NULL DEFAULT '',
    exception TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX appeal_open ON appeal (account, policy) WHERE state IN ('received', 'under_review');
CREATE INDEX appeal_by_due ON appeal (due_at, id) WHERE state IN ('received', 'under_review');
CREATE INDEX appeal_by_account ON appeal (account, id);

-- What was said, on both sides, and what the account was shown when it objected: retention may take it.
CREATE TABLE appeal_text (
    appeal TEXT PRIMARY KEY REFERENCES appeal (id),
    reason TEXT NOT NULL,
    evidence TEXT NOT NULL,
    decision TEXT NOT NULL DEFAULT ''
) STRICT;

-- How it moved.  `actor` is a principal, or the account itself.
CREATE TABLE appeal_move (
    seq INTEGER PRIMARY KEY,
    appeal TEXT NOT NULL REFERENCES appeal (id),
    move TEXT NOT NULL,
    state TEXT NOT NULL,
    actor TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX appeal_move_by_appeal ON appeal_move (appeal, seq);

-- What the account has to be written to about it.
CREATE TABLE appeal_letter (
    appeal TEXT NOT NULL REFERENCES appeal (id),
    kind TEXT NOT NULL CHECK (kind IN ('receipt', 'decision')),
    state TEXT NOT NULL CHECK (state IN ('planned', 'sending', 'sent', 'failed')),
    message_id TEXT NOT NULL DEFAULT '',
    sha256 TEXT NOT NULL DEFAULT '',
    code INTEGER NOT NULL DEFAULT 0,
    answer TEXT NOT NULL DEFAULT '',
    planned_at INTEGER NOT NULL,
    moved_at INTEGER NOT NULL,
    PRIMARY KEY (appeal, kind)
) STRICT, WITHOUT ROWID;
