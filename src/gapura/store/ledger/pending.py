"""Where the ledger is shared it lies on another server, and no transaction spans both: what follows from a change of
the store is written down beside it, in its transaction, and posted there afterwards, in the same order.

A function that is `relayed` does that by itself where it is called with the store's connection.  Each is one that may
be called twice with the same arguments, so what was posted and not yet crossed out here is posted once.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, get_type_hints

import apsw
import msgspec

from gapura.errors import GapuraError, Unready
from gapura.store.base import Connection, mark, marked
from gapura.store.ledger.books import Books

F = TypeVar("F", bound=Callable[..., Any])

_functions: dict[str, Callable[..., Any]] = {}


class Pending(NamedTuple):
    """A call that is to be made on the shared ledger; `arguments` as JSON."""

    id: int
    name: str
    arguments: str


class Listed(msgspec.Struct, frozen=True):
    """A call as people look at it."""

    id: int
    at: int
    name: str
    arguments: str
    refused: str


def relayed(instead: Callable[[], Any] | None = None) -> Callable[[F], F]:
    """The function is called on the shared ledger, too; with `instead` only there, and gives here what that gives."""

    def decorate(function: F) -> F:
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        _functions[name] = function
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(db: Books, *given: Any, **named: Any) -> Any:
            if is_shared(db):
                bound = signature.bind(db, *given, **named)
                arguments = dict(list(bound.arguments.items())[1:])
                _put(db, name, arguments)
                if instead is not None:
                    return instead()
            return function(db, *given, **named)

        return call  # type: ignore[return-value]

    return decorate


def share(db: Connection) -> None:
    """From now on this store's ledger is the shared one."""
    mark(db, "ledger", "shared")


def is_shared(db: Books) -> bool:
    """Whether this is a store whose ledger lies elsewhere."""
    return isinstance(db, apsw.Connection) and marked(db, "ledger") == "shared"


def first(db: Books, limit: int) -> list[Pending]:
    """What is to be posted next."""
    rows = db.execute("SELECT id, name, arguments FROM ledger_pending WHERE refused = '' ORDER BY id LIMIT ?", (limit,))
    return [Pending(*row) for row in rows]


def replay(books: Books, calls: list[Pending]) -> dict[int, str]:
    """Makes the calls on the shared ledger, in one transaction; which it refuses, and why.

    Raises what the connection raises: then none is made.
    """
    refused: dict[int, str] = {}
    for one in calls:
        function = _functions[one.name]
        books.execute("SAVEPOINT pending")
        try:
            function(books, **_arguments(function, one.arguments))
        except Unready:
            raise
        except GapuraError as error:
            books.execute("ROLLBACK TO SAVEPOINT pending")
            refused[one.id] = error.message
        books.execute("RELEASE SAVEPOINT pending")
    return refused


def done(db: Books, calls: list[Pending], refused: dict[int, str]) -> None:
    """Crosses them out; what was refused stays, for a person to look at."""
    for one in calls:
        if why := refused.get(one.id):
            db.execute("UPDATE ledger_pending SET refused = ? WHERE id = ?", (why, one.id))
        else:
            db.execute("DELETE FROM ledger_pending WHERE id = ?", (one.id,))


def listed(db: Books, limit: int = 1000) -> list[Listed]:
    """What waits, and what was refused."""
    rows = db.execute("SELECT id, at, name, arguments, refused FROM ledger_pending ORDER BY id LIMIT ?", (limit,))
    return [Listed(*row) for row in rows]


def state(db: Books) -> tuple[int, int]:
    """How many calls wait, and how many were refused."""
    row = db.execute(
        "SELECT count(CASE WHEN refused = '' THEN 1 END), count(CASE WHEN refused <> '' THEN 1 END) FROM ledger_pending"
    ).fetchone()
    return int(row[0]), int(row[1])


def _put(db: Books, name: str, arguments: dict[str, Any]) -> None:
    db.execute(
        "INSERT INTO ledger_pending (name, arguments, at) VALUES (?, ?, ?)",
        (name, msgspec.json.encode(arguments).decode(), arguments["at"]),
    )


def _arguments(function: Callable[..., Any], text: str) -> dict[str, Any]:
    hints = get_type_hints(function)
    return {name: msgspec.convert(value, hints[name]) for name, value in msgspec.json.decode(text).items()}
