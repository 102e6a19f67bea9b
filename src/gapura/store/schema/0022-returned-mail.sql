-- Mail that came back, each message once: `key` is its name in the maildir, or the digest of what was handed in.
-- `delivery` is the notice that it is about, 0 for none.
CREATE TABLE returned_mail (
    seq INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    part INTEGER NOT NULL,
    kind TEXT NOT NULL,
    delivery INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    status TEXT NOT NULL,
    answer TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (key, part)
) STRICT;
CREATE INDEX returned_mail_by_time ON returned_mail (at);

-- Addresses that a bounce of one of our letters has called none.  Nobody writes to them until then.
CREATE TABLE suppressed_address (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    answer TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT;
