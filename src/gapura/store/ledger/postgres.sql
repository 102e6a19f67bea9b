-- The ledger's tables, as in ../schema, for a server that several gateways share.
CREATE TABLE meta (name TEXT COLLATE "C" PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE incarnation (
    id TEXT COLLATE "C" PRIMARY KEY,
    boot TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'closed')),
    begun_at BIGINT NOT NULL,
    closed_at BIGINT,
    torn BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE ledger_account (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    kind TEXT COLLATE "C" NOT NULL,
    purse TEXT COLLATE "C" NOT NULL,
    holder TEXT COLLATE "C" NOT NULL,
    class TEXT COLLATE "C" NOT NULL,
    unit TEXT COLLATE "C" NOT NULL,
    balance BIGINT NOT NULL DEFAULT 0 CHECK (kind = 'operator' OR balance >= 0),
    received BIGINT NOT NULL DEFAULT 0,
    ceiling BIGINT,
    funder TEXT NOT NULL DEFAULT '',
    sweep TEXT NOT NULL DEFAULT 'trim'
);
CREATE INDEX ledger_account_by_purse ON ledger_account (purse, kind);
CREATE INDEX ledger_account_by_holder ON ledger_account (holder) WHERE holder <> '';
CREATE TABLE transfer (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    debit BIGINT NOT NULL REFERENCES ledger_account (id),
    credit BIGINT NOT NULL REFERENCES ledger_account (id) CHECK (credit <> debit),
    amount BIGINT NOT NULL CHECK (amount > 0),
    kind TEXT COLLATE "C" NOT NULL,
    ref TEXT COLLATE "C" NOT NULL UNIQUE CHECK (strpos(ref, chr(10)) = 0 AND strpos(ref, '|') = 0),
    at BIGINT NOT NULL
);
CREATE INDEX transfer_by_debit ON transfer (debit, id) INCLUDE (amount);
CREATE INDEX transfer_by_credit ON transfer (credit, id) INCLUDE (amount);
CREATE INDEX transfer_uncovered ON transfer (credit) WHERE kind IN ('overdraw', 'overrun');
CREATE TABLE ledger_mark (name TEXT COLLATE "C" PRIMARY KEY, value BIGINT NOT NULL);
CREATE TABLE archived_transfer (ref TEXT COLLATE "C" PRIMARY KEY, amount BIGINT NOT NULL, kind TEXT NOT NULL);
CREATE VIEW posted AS
    SELECT ref, amount, kind FROM transfer UNION ALL SELECT ref, amount, kind FROM archived_transfer;
CREATE TABLE ledger_hold (
    id TEXT COLLATE "C" PRIMARY KEY,
    source BIGINT NOT NULL REFERENCES ledger_account (id),
    amount BIGINT NOT NULL CHECK (amount > 0),
    expires BIGINT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'captured', 'voided', 'expired')),
    captured BIGINT NOT NULL DEFAULT 0 CHECK (captured BETWEEN 0 AND amount),
    at BIGINT NOT NULL,
    resolved_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX ledger_hold_pending ON ledger_hold (expires) WHERE state = 'pending';
CREATE TABLE ledger_block (
    seq BIGINT PRIMARY KEY,
    transfers BIGINT NOT NULL,
    accounts BIGINT NOT NULL,
    count BIGINT NOT NULL,
    at BIGINT NOT NULL,
    hash BYTEA NOT NULL CHECK (length(hash) = 32)
);
CREATE TABLE ledger_month (
    month TEXT COLLATE "C" PRIMARY KEY,
    until BIGINT NOT NULL,
    block BIGINT NOT NULL REFERENCES ledger_block (seq),
    transfers BIGINT NOT NULL,
    count BIGINT NOT NULL,
    at BIGINT NOT NULL
);
CREATE TABLE ledger_closing (
    month TEXT COLLATE "C" NOT NULL REFERENCES ledger_month (month),
    account BIGINT NOT NULL REFERENCES ledger_account (id),
    balance BIGINT NOT NULL,
    PRIMARY KEY (month, account)
);
CREATE TABLE ledger_signature (
    month TEXT COLLATE "C" PRIMARY KEY REFERENCES ledger_month (month),
    signature TEXT NOT NULL
);
CREATE TABLE granted (
    id TEXT COLLATE "C" PRIMARY KEY,
    account TEXT COLLATE "C" NOT NULL,
    unit TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    effective BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    models TEXT NOT NULL,
    providers TEXT NOT NULL,
    products TEXT NOT NULL,
    places TEXT NOT NULL,
    priority BIGINT NOT NULL CHECK (priority BETWEEN 0 AND 255),
    category TEXT NOT NULL,
    programme TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    ended TEXT NOT NULL DEFAULT '' CHECK (ended IN ('', 'void', 'expire', 'claw_back')),
    ended_at BIGINT NOT NULL DEFAULT 0,
    due_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX granted_by_account ON granted (account);
CREATE INDEX granted_by_programme ON granted (programme, id);
CREATE INDEX granted_by_due ON granted (due_at) WHERE due_at > 0;
CREATE TABLE grant_alert (
    grant_id TEXT COLLATE "C" NOT NULL REFERENCES granted (id),
    what TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    teller TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (grant_id, what)
);

CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'transfer' THEN
        IF old.id <= coalesce((SELECT value FROM ledger_mark WHERE name = 'archived'), 0) THEN
            RETURN old;
        END IF;
    END IF;
    RAISE EXCEPTION 'a % is never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER transfer_stays BEFORE UPDATE OR DELETE ON transfer FOR EACH ROW EXECUTE FUNCTION never();
CREATE TRIGGER month_stays BEFORE UPDATE OR DELETE ON ledger_month FOR EACH ROW EXECUTE FUNCTION never();
CREATE TRIGGER closing_stays BEFORE UPDATE OR DELETE ON ledger_closing FOR EACH ROW EXECUTE FUNCTION never();
