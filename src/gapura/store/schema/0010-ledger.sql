-- Accounts of the ledger are known by numbers, so that transfers are small, and belong to purses: `tok:<account>` is a
-- budget, `gr:<grant>` a grant, `bud:<budget>:<window>` a budget's window.  `holder`: the gate that a slice is lent to.
-- `received`: what a slice got in all, less what was given back of it.  `ceiling`: what a purse may have in all; what
-- exceeds it goes back to its `funder`, as a transfer of the kind `sweep`.
CREATE TABLE account_of_ledger (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    purse TEXT NOT NULL,
    holder TEXT NOT NULL,
    class TEXT NOT NULL,
    unit TEXT NOT NULL,
    balance INTEGER NOT NULL DEFAULT 0 CHECK (kind = 'operator' OR balance >= 0),
    received INTEGER NOT NULL DEFAULT 0,
    ceiling INTEGER,
    funder TEXT NOT NULL DEFAULT '',
    sweep TEXT NOT NULL DEFAULT 'trim'
) STRICT;
INSERT INTO account_of_ledger (id, name, kind, purse, holder, class, unit, balance, received, ceiling, funder)
    SELECT rowid, CASE kind WHEN 'operator' THEN 'operator:tokens'
                     WHEN 'budget' THEN 'left:tok:' || owner
                     WHEN 'slice' THEN 'lent:' || substr(id, 7, length(id) - 6 - length(owner)) || 'tok:' || owner
                     WHEN 'spent' THEN 'spent:tok:' || owner || ':tokens'
                     ELSE 'unreconciled:tok:' || owner END,
           CASE kind WHEN 'budget' THEN 'left' WHEN 'slice' THEN 'lent' ELSE kind END,
           CASE kind WHEN 'operator' THEN '' ELSE 'tok:' || owner END,
           CASE kind WHEN 'slice' THEN substr(id, 7, length(id) - 7 - length(owner)) ELSE '' END,
           CASE kind WHEN 'spent' THEN 'tokens' ELSE '' END,
           'tokens', balance,
           CASE kind WHEN 'slice' THEN
               (SELECT coalesce(sum(amount), 0) FROM transfer WHERE credit = ledger_account.id AND kind = 'lend')
             - (SELECT coalesce(sum(amount), 0) FROM transfer WHERE debit = ledger_account.id AND kind = 'back')
           ELSE 0 END,
           ceiling,
           CASE kind WHEN 'budget' THEN 'operator:tokens' ELSE '' END
    FROM ledger_account;

CREATE TABLE transfer_of_ledger (
    id INTEGER PRIMARY KEY,
    debit INTEGER NOT NULL REFERENCES account_of_ledger (id),
    credit INTEGER NOT NULL REFERENCES account_of_ledger (id) CHECK (credit <> debit),
    amount INTEGER NOT NULL CHECK (amount > 0),
    kind TEXT NOT NULL,
    ref TEXT NOT NULL UNIQUE CHECK (instr(ref, char(10)) = 0 AND instr(ref, '|') = 0),
    at INTEGER NOT NULL
) STRICT;
INSERT INTO transfer_of_ledger (id, debit, credit, amount, kind, ref, at)
    SELECT t.id, d.rowid, c.rowid, t.amount, t.kind, t.ref, t.at FROM transfer t
    JOIN ledger_account d ON d.id = t.debit JOIN ledger_account c ON c.id = t.credit;
DROP TABLE transfer;
DROP TABLE ledger_account;
ALTER TABLE account_of_ledger RENAME TO ledger_account;
ALTER TABLE transfer_of_ledger RENAME TO transfer;
CREATE INDEX ledger_account_by_purse ON ledger_account (purse, kind);
CREATE INDEX ledger_account_by_holder ON ledger_account (holder) WHERE holder <> '';
CREATE INDEX transfer_by_debit ON transfer (debit, id, amount);
CREATE INDEX transfer_by_credit ON transfer (credit, id, amount);
CREATE INDEX transfer_uncovered ON transfer (credit) WHERE kind IN ('overdraw', 'overrun');
CREATE TRIGGER transfer_is_never_changed BEFORE UPDATE ON transfer
    BEGIN SELECT RAISE(ABORT, 'a transfer is never changed'); END;

-- Numbers that the ledger keeps: `clock`, no transfer is dated before it; `alerts`, up to which transfer alerts looked;
-- `archived`, up to which transfer they are in files.
CREATE TABLE ledger_mark (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE archived_transfer (ref TEXT PRIMARY KEY, amount INTEGER NOT NULL, kind TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE VIEW posted AS
    SELECT ref, amount, kind FROM transfer UNION ALL SELECT ref, amount, kind FROM archived_transfer;
CREATE TRIGGER transfer_is_never_deleted BEFORE DELETE ON transfer
    WHEN old.id > coalesce((SELECT value FROM ledger_mark WHERE name = 'archived'), 0)
    BEGIN SELECT RAISE(ABORT, 'a transfer is never deleted'); END;

-- Amounts set aside until it is known what of them is needed: `state` is pending, captured, voided or expired.
CREATE TABLE ledger_hold (
    id TEXT PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES ledger_account (id),
    amount INTEGER NOT NULL CHECK (amount > 0),
    expires INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'captured', 'voided', 'expired')),
    captured INTEGER NOT NULL DEFAULT 0 CHECK (captured BETWEEN 0 AND amount),
    at INTEGER NOT NULL,
    resolved_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX ledger_hold_pending ON ledger_hold (expires) WHERE state = 'pending';

-- The chain: each block's hash covers the one before, the accounts up to `accounts` and the transfers up to `transfers`
-- that are in no earlier block.
CREATE TABLE ledger_block (
    seq INTEGER PRIMARY KEY,
    transfers INTEGER NOT NULL,
    accounts INTEGER NOT NULL,
    count INTEGER NOT NULL,
    at INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- A month that is closed: what each account had at its end, which is after the block `block`.
CREATE TABLE ledger_month (
    month TEXT PRIMARY KEY,
    until INTEGER NOT NULL,
    block INTEGER NOT NULL REFERENCES ledger_block (seq),
    transfers INTEGER NOT NULL,
    count INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE TABLE ledger_closing (
    month TEXT NOT NULL REFERENCES ledger_month (month),
    account INTEGER NOT NULL REFERENCES ledger_account (id),
    balance INTEGER NOT NULL,
    PRIMARY KEY (month, account)
) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_signature (
    month TEXT PRIMARY KEY REFERENCES ledger_month (month),
    signature TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER closed_month_is_never_changed BEFORE UPDATE ON ledger_month
    BEGIN SELECT RAISE(ABORT, 'a closed month is never changed'); END;
CREATE TRIGGER closed_month_is_never_deleted BEFORE DELETE ON ledger_month
    BEGIN SELECT RAISE(ABORT, 'a closed month is never deleted'); END;
CREATE TRIGGER closing_is_never_changed BEFORE UPDATE ON ledger_closing
    BEGIN SELECT RAISE(ABORT, 'a closing is never changed'); END;
CREATE TRIGGER closing_is_never_deleted BEFORE DELETE ON ledger_closing
    BEGIN SELECT RAISE(ABORT, 'a closing is never deleted'); END;

-- A grant: what of it is left, lent and spent is in the purse `gr:<id>`.  `ended`: '' or the kind of the transfers that
-- ended it.  `due_at`: when time alone changes something next, 0 for never.
CREATE TABLE granted (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    unit TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    effective INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    models TEXT NOT NULL,
    providers TEXT NOT NULL,
    products TEXT NOT NULL,
    places TEXT NOT NULL,
    priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 255),
    category TEXT NOT NULL,
    programme TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended TEXT NOT NULL DEFAULT '' CHECK (ended IN ('', 'void', 'expire', 'claw_back')),
    ended_at INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX granted_by_account ON granted (account);
CREATE INDEX granted_by_programme ON granted (programme, id);
CREATE INDEX granted_by_due ON granted (due_at) WHERE due_at > 0;
CREATE TABLE grant_alert (
    grant_id TEXT NOT NULL REFERENCES granted (id),
    what TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (grant_id, what)
) STRICT, WITHOUT ROWID;
