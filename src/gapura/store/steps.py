"""The schema, as steps: only ever added at the end, never edited once released.

Ids are text, times INTEGER UTC microseconds, tokens INTEGER, money INTEGER billionths, compound values JSON text.
No constraint is deferred: one that failed at COMMIT would take the other works of its batch with it.
"""

from collections.abc import Sequence

from gapura.store.base import Connection, StoreFailed

STEPS: list[tuple[str, str]] = [
    (
        "0001-spine",
        """
        CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

        CREATE TABLE account (
            id TEXT PRIMARY KEY,
            external_id TEXT NOT NULL,
            organisation TEXT NOT NULL,
            name TEXT NOT NULL,
            status TEXT NOT NULL,
            language TEXT NOT NULL,
            zone TEXT NOT NULL,
            declared_territory TEXT NOT NULL,
            ownership TEXT NOT NULL,
            contacts TEXT NOT NULL,
            requests_per_minute INTEGER NOT NULL CHECK (requests_per_minute >= 0),
            tokens_per_minute INTEGER NOT NULL CHECK (tokens_per_minute >= 0),
            budget INTEGER NOT NULL CHECK (budget >= -1),
            data_may_go_to TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            UNIQUE (organisation, external_id)
        ) STRICT;

        CREATE TABLE key (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES account (id),
            prefix TEXT NOT NULL,
            name TEXT NOT NULL,
            expires_at INTEGER NOT NULL,
            revoked INTEGER NOT NULL CHECK (revoked IN (0, 1)),
            models TEXT NOT NULL,
            providers TEXT NOT NULL,
            cidrs TEXT NOT NULL,
            may_assert_origin INTEGER NOT NULL CHECK (may_assert_origin IN (0, 1)),
            strict INTEGER NOT NULL CHECK (strict IN (0, 1)),
            requests_per_minute INTEGER NOT NULL CHECK (requests_per_minute >= 0),
            tokens_per_minute INTEGER NOT NULL CHECK (tokens_per_minute >= 0),
            created_at INTEGER NOT NULL,
            digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
            pepper_id TEXT NOT NULL
        ) STRICT;
        CREATE INDEX key_by_account ON key (account_id, id);

        CREATE TABLE principal (
            id TEXT PRIMARY KEY,
            role TEXT NOT NULL,
            organisation TEXT NOT NULL,
            name TEXT NOT NULL,
            prefix TEXT NOT NULL,
            revoked INTEGER NOT NULL CHECK (revoked IN (0, 1)),
            created_at INTEGER NOT NULL,
            digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
            pepper_id TEXT NOT NULL
        ) STRICT;

        CREATE TABLE audit (
            seq INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            actor TEXT NOT NULL,
            action TEXT NOT NULL,
            subject TEXT NOT NULL,
            commitment BLOB NOT NULL,
            hash BLOB NOT NULL
        ) STRICT;
        CREATE TABLE audit_text (
            seq INTEGER PRIMARY KEY REFERENCES audit (seq),
            salt BLOB NOT NULL,
            reason TEXT NOT NULL,
            detail TEXT NOT NULL
        ) STRICT;

        CREATE TABLE idempotency (
            actor TEXT NOT NULL,
            key TEXT NOT NULL,
            at INTEGER NOT NULL,
            request BLOB NOT NULL,
            result BLOB NOT NULL,
            PRIMARY KEY (actor, key)
        ) STRICT;
        """,
    ),
    (
        "0002-record-and-ledger",
        """
        CREATE TABLE incarnation (
            id TEXT PRIMARY KEY,
            boot TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('live', 'closed')),
            begun_at INTEGER NOT NULL,
            closed_at INTEGER,
            segment INTEGER NOT NULL DEFAULT 1,
            place INTEGER NOT NULL DEFAULT 0,
            sequence INTEGER NOT NULL DEFAULT 0,
            missing INTEGER NOT NULL DEFAULT 0,
            strange INTEGER NOT NULL DEFAULT 0,
            torn INTEGER NOT NULL DEFAULT 0,
            marked_at INTEGER NOT NULL DEFAULT 0,
            marked TEXT NOT NULL DEFAULT '{}'
        ) STRICT;
        CREATE INDEX incarnation_live ON incarnation (id) WHERE state = 'live';

        CREATE TABLE request (
            id TEXT PRIMARY KEY,
            outcome TEXT NOT NULL CHECK (outcome IN ('open', 'complete', 'cut', 'failed', 'refused')),
            status INTEGER NOT NULL DEFAULT 0,
            error TEXT NOT NULL DEFAULT '',
            account TEXT NOT NULL DEFAULT '',
            key TEXT NOT NULL DEFAULT '',
            organisation TEXT NOT NULL DEFAULT '',
            model TEXT NOT NULL DEFAULT '',
            provider TEXT NOT NULL DEFAULT '',
            served_model TEXT NOT NULL DEFAULT '',
            stream INTEGER NOT NULL DEFAULT 0,
            sandbox INTEGER NOT NULL DEFAULT 0,
            territory TEXT NOT NULL DEFAULT '',
            certainty TEXT NOT NULL DEFAULT '',
            derivation TEXT NOT NULL DEFAULT '',
            egress TEXT NOT NULL DEFAULT '',
            decision TEXT NOT NULL DEFAULT '',
            effect TEXT NOT NULL DEFAULT '',
            policy_version TEXT NOT NULL DEFAULT '',
            purse TEXT NOT NULL DEFAULT '',
            hold INTEGER NOT NULL DEFAULT 0,
            input INTEGER NOT NULL DEFAULT 0,
            output INTEGER NOT NULL DEFAULT 0,
            cached INTEGER NOT NULL DEFAULT 0,
            reasoning INTEGER NOT NULL DEFAULT 0,
            estimated INTEGER NOT NULL DEFAULT 0,
            charged INTEGER NOT NULL DEFAULT 0,
            opened_at INTEGER NOT NULL,
            progress_at INTEGER,
            ended_at INTEGER,
            incarnation TEXT NOT NULL
        ) STRICT;
        CREATE INDEX request_open ON request (incarnation) WHERE outcome = 'open';
        CREATE INDEX request_by_decision ON request (decision);

        CREATE TABLE attempt (
            request TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            hold INTEGER NOT NULL,
            losses TEXT NOT NULL,
            opened_at INTEGER NOT NULL,
            ended_at INTEGER,
            failure TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (request, attempt)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE request_place (
            request TEXT PRIMARY KEY,
            address TEXT NOT NULL,
            peer TEXT NOT NULL,
            answers TEXT NOT NULL,
            verdicts TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE ledger_account (
            id TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            owner TEXT NOT NULL,
            unit TEXT NOT NULL,
            balance INTEGER NOT NULL DEFAULT 0 CHECK (kind = 'operator' OR balance >= 0),
            ceiling INTEGER
        ) STRICT;
        CREATE INDEX ledger_account_by_owner ON ledger_account (owner, kind);
        CREATE TABLE transfer (
            id INTEGER PRIMARY KEY,
            debit TEXT NOT NULL REFERENCES ledger_account (id),
            credit TEXT NOT NULL REFERENCES ledger_account (id) CHECK (credit <> debit),
            amount INTEGER NOT NULL CHECK (amount > 0),
            kind TEXT NOT NULL,
            ref TEXT NOT NULL UNIQUE,
            at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX transfer_by_debit ON transfer (debit, kind);
        CREATE INDEX transfer_by_credit ON transfer (credit, kind);
        CREATE TRIGGER transfer_is_never_changed BEFORE UPDATE ON transfer
            BEGIN SELECT RAISE(ABORT, 'a transfer is never changed'); END;
        CREATE TRIGGER transfer_is_never_deleted BEFORE DELETE ON transfer
            BEGIN SELECT RAISE(ABORT, 'a transfer is never deleted'); END;
        """,
    ),
]


def upgrade(connection: Connection, steps: Sequence[tuple[str, str]] = STEPS) -> list[str]:
    """Applies what is missing, in order, each in its own transaction; says which.

    Raises StoreFailed where the file has steps that this program does not know: it was used by a newer one.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS step (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT")
    done = refuse_newer(connection, steps)
    for name, sql in steps[len(done) :]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(sql)
            connection.execute("INSERT INTO step (name) VALUES (?)", (name,))
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    return [name for name, _ in steps[len(done) :]]


def refuse_newer(connection: Connection, steps: Sequence[tuple[str, str]] = STEPS) -> list[str]:
    """The steps that a file has.  Raises StoreFailed where they are not the first of ours."""
    known, done = [name for name, _ in steps], applied(connection)
    if done != known[: len(done)]:
        raise StoreFailed(
            f"{connection.filename} has schema {done[-1]}, but this gapura knows {known[-1]} as the newest; "
            "use the gapura that last wrote it, or a newer one"
        )
    return done


def applied(connection: Connection) -> list[str]:
    """The steps that a file has, in order; none where it is new."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'step'").fetchone():
        return []
    return [str(name) for (name,) in connection.execute("SELECT name FROM step ORDER BY number")]
