-- What an organisation, an account or a key may use in a window.  What of a window is left, lent and spent is in the
-- ledger, in the purse `bud:<id>:<start of the window>`.  One that was removed stays: its purses name it.
CREATE TABLE budget (
    id TEXT PRIMARY KEY,
    organisation TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    unit TEXT NOT NULL,
    "window" TEXT NOT NULL CHECK ("window" IN ('total', 'day', 'month', 'minute')),
    zone TEXT NOT NULL,
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    models TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    removed_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX budget_by_scope ON budget (organisation, account, key) WHERE removed_at = 0;

-- What gates have to know of them, and of its grants, stands at the account, and reaches them as all else about it.
ALTER TABLE account ADD COLUMN budgets TEXT NOT NULL DEFAULT '[]';
ALTER TABLE account ADD COLUMN grants TEXT NOT NULL DEFAULT '[]';

-- What was taken for a request of several purses (JSON; '' where `purse` and `hold` say it all), and what each pays.
ALTER TABLE request ADD COLUMN holds TEXT NOT NULL DEFAULT '';
CREATE TABLE charge (
    request TEXT NOT NULL,
    purse TEXT NOT NULL,
    class TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (request, purse, class)
) STRICT, WITHOUT ROWID;
