-- What the keeper does beside serving, each at its time, by one at a time.  `rung_at`: called again while it runs.
CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'leased', 'done', 'failed')),
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    leased_until INTEGER NOT NULL,
    rung_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    error TEXT NOT NULL,
    UNIQUE (name, key)
) STRICT;
CREATE INDEX job_by_due ON job (due_at, id) WHERE state = 'waiting';
CREATE INDEX job_by_lease ON job (leased_until) WHERE state = 'leased';
CREATE INDEX job_by_end ON job (ended_at) WHERE state IN ('done', 'failed');
