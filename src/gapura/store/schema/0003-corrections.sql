CREATE TABLE correction (
    prefix TEXT PRIMARY KEY,
    territory TEXT NOT NULL,
    reason TEXT NOT NULL,
    owner TEXT NOT NULL,
    ends INTEGER NOT NULL,
    subdivision TEXT NOT NULL,
    made_at INTEGER NOT NULL
) STRICT;
