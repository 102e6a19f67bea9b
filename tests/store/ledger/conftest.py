"""The ledger's books, once in SQLite and once in Postgres: what is promised of one is promised of both."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import apsw
import pytest
from tests.postgres import Server, running

from gapura.store import records, steps
from gapura.store.ledger import Books, postgres
from gapura.store.secrets import Secret

SECRET = Secret(b"a ledger's secret of 32 bytes!!!")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def prepared(server: Server) -> Iterator[Any]:
    """A connection to a database with the ledger's tables, all of them empty."""
    connection = postgres.connect(server.url())
    postgres.prepare(connection, SECRET)
    yield connection
    connection.close()


def sqlite() -> apsw.Connection:
    db = apsw.Connection(":memory:")
    db.pragma("foreign_keys", True)
    steps.upgrade(db)
    return db


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest) -> Iterator[Callable[[], Books]]:
    """opened(): empty books in a transaction that nobody commits, as often as wanted, one after the other."""
    if request.param == "sqlite":
        made: list[apsw.Connection] = []

        def new() -> Books:
            made.append(sqlite())
            return begun(made[-1])

        yield new
        for db in made:
            db.close()
        return
    connection = request.getfixturevalue("prepared")

    def again() -> Books:
        with suppress(Exception):
            connection.execute("ROLLBACK")
        connection.execute("BEGIN")
        return begun(postgres.Connected(connection))

    yield again
    connection.execute("ROLLBACK")


def begun(db: Books) -> Books:
    """Two gates are known."""
    for name in ("inc_1", "inc_2"):
        records.begin(db, name, "boot", 0)
    return db


@pytest.fixture
def db(opened: Callable[[], Books]) -> Books:
    return opened()


def refused(db: Books, statement: str) -> bool:
    """Whether the schema does not let it through."""
    db.execute("SAVEPOINT trying")
    try:
        db.execute(statement)
    except (apsw.ConstraintError, postgres.driver().IntegrityError):
        return True
    finally:
        db.execute("ROLLBACK TO SAVEPOINT trying")
    return False
