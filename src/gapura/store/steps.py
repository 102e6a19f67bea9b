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
