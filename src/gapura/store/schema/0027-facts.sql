-- What happened in such numbers that an audit entry for each would be too much: sends, and samples of decisions.  They
-- are sealed by the thousand: `root` is the Merkle root over those from `first` to `last`, and stands in the subject of
-- the audit entry `entry`, so that the chain covers them.  No address, and no free text.
CREATE TABLE fact (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    account TEXT NOT NULL,
    subject TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (account, kind, subject)
) STRICT;
CREATE TRIGGER fact_is_never_changed BEFORE UPDATE ON fact
    BEGIN SELECT RAISE(ABORT, 'a fact is never changed'); END;
CREATE TRIGGER fact_is_never_deleted BEFORE DELETE ON fact
    BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;

CREATE TABLE fact_seal (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL UNIQUE,
    root TEXT NOT NULL,
    entry INTEGER NOT NULL UNIQUE REFERENCES audit (seq)
) STRICT;

CREATE INDEX audit_by_subject ON audit (subject, seq);
