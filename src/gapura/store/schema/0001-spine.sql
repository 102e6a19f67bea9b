CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE account (
    id TEXT PRIMARY KEY,
    external_id TEXT NOT NULL,
    organisation TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    language TEXT NOT NULL,
    zone TEXT NOT NULL,
    declared_territory TEXT NOT NULL,
    ownership TEXT NOT NULL,
    contacts TEXT NOT NULL,
    requests_per_minute INTEGER NOT NULL CHECK (requests_per_minute >= 0),
    tokens_per_minute INTEGER NOT NULL CHECK (tokens_per_minute >= 0),
    budget INTEGER NOT NULL CHECK (budget >= -1),
    data_may_go_to TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (organisation, external_id)
) STRICT;

CREATE TABLE key (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    prefix TEXT NOT NULL,
    name TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked INTEGER NOT NULL CHECK (revoked IN (0, 1)),
    models TEXT NOT NULL,
    providers TEXT NOT NULL,
    cidrs TEXT NOT NULL,
    may_assert_origin INTEGER NOT NULL CHECK (may_assert_origin IN (0, 1)),
    strict INTEGER NOT NULL CHECK (strict IN (0, 1)),
    requests_per_minute INTEGER NOT NULL CHECK (requests_per_minute >= 0),
    tokens_per_minute INTEGER NOT NULL CHECK (tokens_per_minute >= 0),
    created_at INTEGER NOT NULL,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    pepper_id TEXT NOT NULL
) STRICT;
CREATE INDEX key_by_account ON key (account_id, id);

CREATE TABLE principal (
    id TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    organisation TEXT NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    revoked INTEGER NOT NULL CHECK (revoked IN (0, 1)),
    created_at INTEGER NOT NULL,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    pepper_id TEXT NOT NULL
) STRICT;

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    commitment BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE TABLE audit_text (
    seq INTEGER PRIMARY KEY REFERENCES audit (seq),
    salt BLOB NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    request BLOB NOT NULL,
    result BLOB NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT;
