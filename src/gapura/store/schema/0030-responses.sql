-- Conversations that an account lets us keep (POST /v1/responses with `store`), sealed; `at` is when (UTC microseconds).
ALTER TABLE account ADD COLUMN keeps_responses INTEGER NOT NULL DEFAULT 0;
CREATE TABLE kept_response (
    account TEXT NOT NULL,
    id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX kept_response_at ON kept_response (at);
