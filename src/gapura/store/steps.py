"""The schema, as steps: files in `schema`, in the order of their numbers; only ever added, never edited once released.

Ids are text, times INTEGER UTC microseconds, tokens INTEGER, money INTEGER billionths, compound values JSON text.
No constraint is deferred: one that failed at COMMIT would take the other works of its batch with it.
"""

from collections.abc import Sequence
from importlib.resources import files

from gapura.store.base import Connection, StoreFailed

STEPS: list[tuple[str, str]] = sorted(
    (file.name.removesuffix(".sql"), file.read_text("utf-8"))
    for file in (files(__package__) / "schema").iterdir()
    if file.name.endswith(".sql")
)


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
