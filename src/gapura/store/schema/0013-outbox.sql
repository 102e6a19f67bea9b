-- Endpoints that are told of events.  The secret of each is derived from the home's and its id, so none lies here.
CREATE TABLE webhook (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    topics TEXT NOT NULL,
    account TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'gone', 'removed')),
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- What happened: written in the transaction in which it did, and never changed.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    topic TEXT NOT NULL,
    account TEXT NOT NULL,
    payload TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX event_by_time ON event (at);

-- One event for one endpoint.  due_at NULL: it stands behind another one of its account, or is settled.
CREATE TABLE webhook_delivery (
    webhook TEXT NOT NULL REFERENCES webhook (id),
    seq INTEGER NOT NULL REFERENCES event (seq),
    account TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    due_at INTEGER,
    since INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    code INTEGER NOT NULL DEFAULT 0,
    answer TEXT NOT NULL DEFAULT '',
    ended_at INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (webhook, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_delivery_queue ON webhook_delivery (webhook, account, seq) WHERE state = 'waiting';
CREATE INDEX webhook_delivery_by_event ON webhook_delivery (seq);
