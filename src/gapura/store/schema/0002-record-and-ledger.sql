CREATE TABLE incarnation (
    id TEXT PRIMARY KEY,
    boot TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'closed')),
    begun_at INTEGER NOT NULL,
    closed_at INTEGER,
    segment INTEGER NOT NULL DEFAULT 1,
    place INTEGER NOT NULL DEFAULT 0,
    sequence INTEGER NOT NULL DEFAULT 0,
    missing INTEGER NOT NULL DEFAULT 0,
    strange INTEGER NOT NULL DEFAULT 0,
    torn INTEGER NOT NULL DEFAULT 0,
    marked_at INTEGER NOT NULL DEFAULT 0,
    marked TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX incarnation_live ON incarnation (id) WHERE state = 'live';

CREATE TABLE request (
    id TEXT PRIMARY KEY,
    outcome TEXT NOT NULL CHECK (outcome IN ('open', 'complete', 'cut', 'failed', 'refused')),
    status INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    account TEXT NOT NULL DEFAULT '',
    key TEXT NOT NULL DEFAULT '',
    organisation TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL DEFAULT '',
    provider TEXT NOT NULL DEFAULT '',
    served_model TEXT NOT NULL DEFAULT '',
    stream INTEGER NOT NULL DEFAULT 0,
    sandbox INTEGER NOT NULL DEFAULT 0,
    territory TEXT NOT NULL DEFAULT '',
    certainty TEXT NOT NULL DEFAULT '',
    derivation TEXT NOT NULL DEFAULT '',
    egress TEXT NOT NULL DEFAULT '',
    decision TEXT NOT NULL DEFAULT '',
    effect TEXT NOT NULL DEFAULT '',
    policy_version TEXT NOT NULL DEFAULT '',
    purse TEXT NOT NULL DEFAULT '',
    hold INTEGER NOT NULL DEFAULT 0,
    input INTEGER NOT NULL DEFAULT 0,
    output INTEGER NOT NULL DEFAULT 0,
    cached INTEGER NOT NULL DEFAULT 0,
    reasoning INTEGER NOT NULL DEFAULT 0,
    estimated INTEGER NOT NULL DEFAULT 0,
    charged INTEGER NOT NULL DEFAULT 0,
    opened_at INTEGER NOT NULL,
    progress_at INTEGER,
    ended_at INTEGER,
    incarnation TEXT NOT NULL
) STRICT;
CREATE INDEX request_open ON request (incarnation) WHERE outcome = 'open';
CREATE INDEX request_by_decision ON request (decision);

CREATE TABLE attempt (
    request TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    hold INTEGER NOT NULL,
    losses TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    ended_at INTEGER,
    failure TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (request, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE request_place (
    request TEXT PRIMARY KEY,
    address TEXT NOT NULL,
    peer TEXT NOT NULL,
    answers TEXT NOT NULL,
    verdicts TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_account (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    unit TEXT NOT NULL,
    balance INTEGER NOT NULL DEFAULT 0 CHECK (kind = 'operator' OR balance >= 0),
    ceiling INTEGER
) STRICT;
CREATE INDEX ledger_account_by_owner ON ledger_account (owner, kind);
CREATE TABLE transfer (
    id INTEGER PRIMARY KEY,
    debit TEXT NOT NULL REFERENCES ledger_account (id),
    credit TEXT NOT NULL REFERENCES ledger_account (id) CHECK (credit <> debit),
    amount INTEGER NOT NULL CHECK (amount > 0),
    kind TEXT NOT NULL,
    ref TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX transfer_by_debit ON transfer (debit, kind);
CREATE INDEX transfer_by_credit ON transfer (credit, kind);
CREATE TRIGGER transfer_is_never_changed BEFORE UPDATE ON transfer
    BEGIN SELECT RAISE(ABORT, 'a transfer is never changed'); END;
CREATE TRIGGER transfer_is_never_deleted BEFORE DELETE ON transfer
    BEGIN SELECT RAISE(ABORT, 'a transfer is never deleted'); END;
