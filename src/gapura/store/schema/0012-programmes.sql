-- A vendor's programme: its versions are never changed; the newest is in force.
CREATE TABLE programme (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('draft', 'open', 'closed')),
    version INTEGER NOT NULL,
    unit TEXT NOT NULL,
    funded INTEGER NOT NULL DEFAULT 0 CHECK (funded >= 0),
    made_at INTEGER NOT NULL,
    moved_at INTEGER NOT NULL
) STRICT;
CREATE TABLE programme_version (
    programme TEXT NOT NULL REFERENCES programme (id),
    version INTEGER NOT NULL,
    digest TEXT NOT NULL,
    text TEXT NOT NULL,
    actor TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (programme, version)
) STRICT, WITHOUT ROWID;

-- A claim of an account; an account has one in a programme.  `amount`: what its grants come to once it is approved.
CREATE TABLE claim (
    id TEXT PRIMARY KEY,
    programme TEXT NOT NULL REFERENCES programme (id),
    version INTEGER NOT NULL,
    account TEXT NOT NULL REFERENCES account (id),
    way TEXT NOT NULL,
    state TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    measured TEXT NOT NULL DEFAULT '',
    tokens INTEGER NOT NULL DEFAULT 0,
    unreadable TEXT NOT NULL DEFAULT '',
    amount INTEGER NOT NULL DEFAULT 0,
    approval TEXT NOT NULL DEFAULT '',
    group_of TEXT NOT NULL DEFAULT '',
    by_hand INTEGER NOT NULL DEFAULT 0 CHECK (by_hand IN (0, 1)),
    moved_at INTEGER NOT NULL,
    UNIQUE (programme, account)
) STRICT;
CREATE INDEX claim_by_state ON claim (programme, state, id);
CREATE INDEX claim_by_account ON claim (account);
CREATE INDEX claim_by_approval ON claim (approval, id) WHERE state = 'approved';

CREATE TABLE claim_move (
    seq INTEGER PRIMARY KEY,
    claim TEXT NOT NULL REFERENCES claim (id),
    state TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX claim_move_by_claim ON claim_move (claim, seq);

-- What claims may have in common.  People, cards and devices are keyed hashes.
CREATE TABLE claim_attribute (
    claim TEXT NOT NULL REFERENCES claim (id),
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (claim, kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX claim_attribute_by_value ON claim_attribute (kind, value);

-- What was handed in, sealed; NULL once its time is over.  What was read from it stays with the claim.
CREATE TABLE claim_evidence (
    claim TEXT PRIMARY KEY REFERENCES claim (id),
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    sealed BLOB,
    until INTEGER NOT NULL
) STRICT;
CREATE INDEX claim_evidence_due ON claim_evidence (until) WHERE sealed IS NOT NULL;

CREATE TABLE claim_signal (
    claim TEXT NOT NULL REFERENCES claim (id),
    signal TEXT NOT NULL,
    effect TEXT NOT NULL,
    other TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (claim, signal, other, detail)
) STRICT, WITHOUT ROWID;

CREATE TABLE claim_grant (
    claim TEXT NOT NULL REFERENCES claim (id),
    part INTEGER NOT NULL,
    grant_id TEXT NOT NULL UNIQUE,
    PRIMARY KEY (claim, part)
) STRICT, WITHOUT ROWID;

-- Redemption codes, as keyed hashes; one that is for an account is an invitation.
CREATE TABLE code_batch (
    id TEXT PRIMARY KEY,
    programme TEXT NOT NULL REFERENCES programme (id),
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE code (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    batch TEXT NOT NULL REFERENCES code_batch (id),
    account TEXT NOT NULL DEFAULT '',
    claim TEXT NOT NULL DEFAULT '',
    redeemed_at INTEGER NOT NULL DEFAULT 0,
    revoked_at INTEGER NOT NULL DEFAULT 0,
    pepper_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX code_by_batch ON code (batch);
CREATE INDEX code_by_account ON code (account) WHERE account <> '';
