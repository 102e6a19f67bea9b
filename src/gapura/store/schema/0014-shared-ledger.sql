-- What is to be posted to a ledger that several gateways share: written in the transaction of what it follows from.
-- `refused`: why it never can be.
CREATE TABLE ledger_pending (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    arguments TEXT NOT NULL,
    at INTEGER NOT NULL,
    refused TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX ledger_pending_first ON ledger_pending (id) WHERE refused = '';
