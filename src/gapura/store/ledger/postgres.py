"""Postgres as the ledger's statements want it: connections, the schema, and the lock between posting and sealing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from gapura.extras import install
from gapura.store.base import StoreFailed
from gapura.store.ledger.books import Rows
from gapura.store.secrets import Secret

if TYPE_CHECKING:
    from psycopg import Connection

SCHEMA = "1"

# How long a server that does not answer is waited for.
PATIENCE_S = 5

# Advisory locks of the server; no other program's, one hopes.
POSTING_LOCK, SCHEMA_LOCK = 0x6761_7075_7261_01, 0x6761_7075_7261_02


class Connected:
    """A connection in a transaction, for the functions of `store.ledger`."""

    def __init__(self, connection: "Connection[Any]") -> None:
        self._connection = connection

    def execute(self, statements: str, bindings: tuple[Any, ...] = (), /) -> Rows:
        return self._connection.execute(_translated(statements).encode(), bindings)

    def executemany(self, statements: str, rows: Sequence[tuple[Any, ...]], /) -> None:
        self._connection.cursor().executemany(_translated(statements).encode(), rows)


@cache
def driver() -> Any:
    """psycopg.  Raises StoreFailed where it is not installed."""
    try:
        import psycopg  # noqa: PLC0415 - an extra
    except ImportError:
        raise StoreFailed(f"GAPURA_LEDGER_URL needs psycopg; it comes with: {install('postgres')}") from None
    return psycopg


@contextmanager
def border() -> Iterator[None]:
    """What the server or the way to it lacks, as StoreFailed; never with the URL, which holds a password."""
    try:
        yield
    except driver().OperationalError as error:
        told = str(error).strip().partition("\n")[0]
        raise StoreFailed(f"the shared ledger: {told or 'its server does not answer'}") from error
    except driver().ProgrammingError as error:
        if error.sqlstate is None:
            raise StoreFailed("GAPURA_LEDGER_URL cannot be read; write it as postgresql://…") from None
        raise


def connect(url: str) -> "Connection[Any]":
    """Commits each statement by itself until a transaction is begun.  Raises the driver's errors."""
    connection: Connection[Any] = driver().connect(
        url,
        autocommit=True,
        connect_timeout=PATIENCE_S,
        tcp_user_timeout=PATIENCE_S * 1000,
        options=f"-c statement_timeout={PATIENCE_S * 12}s -c lock_timeout={PATIENCE_S}s -c timezone=UTC",
        application_name="gapura",
    )
    connection.adapters.register_loader("numeric", _integer())
    return connection


def prepared(url: str, secret: Secret) -> "Connection[Any]":
    """Connected to a server that has the ledger's tables."""
    connection = connect(url)
    try:
        prepare(connection, secret)
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: "Connection[Any]", secret: Secret) -> None:
    """Makes the tables where they are not there.  Raises StoreFailed: made under another secret, or by a newer one."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        there = connection.execute("SELECT to_regclass('ledger_block') IS NOT NULL").fetchone()
        if there == (False,):
            connection.execute((files(__package__) / "postgres.sql").read_text("utf-8").encode())
            connection.execute(
                "INSERT INTO meta VALUES ('ledger_schema', %s), ('pepper_id', %s)", (SCHEMA, secret.pepper_id)
            )
        found = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    if found.get("ledger_schema") != SCHEMA:
        raise StoreFailed(
            f"the shared ledger has schema {found.get('ledger_schema')}, but this gapura knows {SCHEMA};"
            " use the gapura that last wrote it, or a newer one"
        )
    if found.get("pepper_id") != secret.pepper_id:
        raise StoreFailed(
            "the shared ledger was begun under another secret; gateways that share one have the same GAPURA_SECRET"
        )


@contextmanager
def posting(connection: "Connection[Any]", *, alone: bool) -> Iterator[None]:
    """Beside others who post, or `alone`.  Outside of the transaction, so that its snapshot is taken after."""
    how = "" if alone else "_shared"
    connection.execute(f"SELECT pg_advisory_lock{how}(%s)", (POSTING_LOCK,))
    try:
        yield
    finally:
        with suppress(driver().Error):  # a connection that broke has let go of it
            connection.execute(f"SELECT pg_advisory_unlock{how}(%s)", (POSTING_LOCK,))


@cache
def _translated(statement: str) -> str:
    return statement.replace("%", "%%").replace("?", "%s")


@cache
def _integer() -> Any:
    """Sums of integers come as `numeric`; they are integers still."""
    from psycopg.adapt import Loader  # noqa: PLC0415 - an extra

    class Integer(Loader):
        def load(self, data: Any) -> int:
            return int(bytes(data))

    return Integer
