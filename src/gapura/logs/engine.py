"""DuckDB, within bounds: so much memory, the rest in a folder that goes when it is closed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from gapura.errors import BadRequest
from gapura.extras import install

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_MB = 1024


class Missing(BadRequest):
    """What the extra `backtest` brings is not installed."""

    code = "extra_missing"


class Engine:
    """A connection, and a way to ask it.  `folder` is its own, on disk; `rows` and `run` fetch whatever comes, because
    until then DuckDB 2.0 holds the connection busy."""

    def __init__(self, connection: "DuckDBPyConnection", folder: Path) -> None:
        import duckdb  # noqa: PLC0415 - see `opened`

        self.connection, self.folder = connection, folder
        self.failure = duckdb.Error

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement, values or None).fetchall()

    def row(self, statement: str, *values: object) -> tuple[Any, ...]:
        return self.rows(statement, *values)[0]

    def run(self, statement: str, *values: object) -> None:
        self.rows(statement, *values)

    def columns(self, statement: str) -> dict[str, Any]:
        """The result as numpy arrays."""
        return self.connection.execute(statement).fetchnumpy()

    def put(self, table: str, statement: str, arrays: dict[str, Any]) -> None:
        """Runs a statement that reads numpy arrays as a table of this name."""
        self.connection.register(table, arrays)
        try:
            self.run(statement)
        finally:
            self.connection.unregister(table)


def there() -> None:
    """Raises Missing where what all of this needs is not installed."""
    try:
        import duckdb  # noqa: F401, PLC0415 - an extra, and too heavy for who does not need it
        import numpy  # noqa: F401, PLC0415 - how columns come and go
    except ImportError as error:
        raise Missing(f"{error.name} is not installed; it comes with: {install('backtest')}") from None


@contextmanager
def opened(memory_mb: int = MEMORY_MB, threads: int | None = None, within: Path | None = None) -> Iterator[Engine]:
    """`within`: where the folder is made, else where the system keeps temporary files.  Raises Missing."""
    there()
    import duckdb  # noqa: PLC0415 - see `there`

    with TemporaryDirectory(prefix="gapura-backtest-", dir=within) as name:
        folder = Path(name)
        config: dict[str, Any] = {
            "memory_limit": f"{memory_mb}MB",
            "temp_directory": str(folder / "spilled"),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        if threads:
            config["threads"] = threads
        connection = duckdb.connect(config=config)
        try:
            connection.execute("SET TimeZone = 'UTC'").fetchall()
            # It can be asked how far it is, and does not tell by itself in the middle of our output.
            connection.execute("SET enable_progress_bar_print = false").fetchall()
            yield Engine(connection, folder)
        finally:
            connection.close()


def text(value: str) -> str:
    """A literal."""
    return "'" + value.replace("'", "''") + "'"


def name(value: str) -> str:
    """An identifier."""
    return '"' + value.replace('"', '""') + '"'
