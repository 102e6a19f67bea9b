"""What every module of the store speaks in.

StoreFailed   503  the disk, the file or the schema: a person must look; the message says at what
Conflict      409  the request contradicts what is stored
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
from apsw import Connection

from gapura.errors import Refused, Unready

__all__ = ["Conflict", "Connection", "Scope", "Shape", "StoreFailed", "Work", "mark", "marked"]

S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")
Work = Callable[[Connection], T]


class StoreFailed(Unready):
    """The store cannot be opened, read or written; the message names the file and what to do."""

    code = "store_failed"


class Conflict(Refused):
    """What is asked for contradicts what is there; asking again will not help."""

    status = 409
    code = "conflict"


Scope = str | None
"""Whose rows a function may see: an organisation's, or None for the operator, who sees all."""


def mark(connection: Connection, name: str, value: str) -> None:
    """Notes something about the home as a whole, e.g. whether it is a sandbox."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def marked(connection: Connection, name: str) -> str:
    """What `mark` noted, "" where nothing was."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else ""


class Shape(Generic[S]):
    """How a struct lies in a table whose columns have the names of its fields: text and integers as they are,
    booleans as 0 and 1, everything else as JSON text."""

    def __init__(self, kind: type[S]) -> None:
        self._kind = kind
        fields = msgspec.structs.fields(kind)
        self.fields = tuple(field.name for field in fields)
        self.columns = ", ".join(f'"{name}"' for name in self.fields)
        self.marks = ", ".join("?" * len(self.fields))
        types = {field.name: field.type for field in fields}
        self._json = frozenset(name for name, of in types.items() if not _is_plain(of))

    def row(self, struct: S) -> tuple[Any, ...]:
        return tuple(
            msgspec.json.encode(value).decode() if name in self._json else value
            for name, value in zip(self.fields, msgspec.structs.astuple(struct), strict=True)
        )

    def struct(self, row: tuple[Any, ...]) -> S:
        """A row that was selected as `columns`."""
        values = dict(zip(self.fields, row, strict=True))
        for name in self._json:
            if (value := values[name]) == "[]":  # as most are, of a million accounts
                values[name] = ()
            else:
                values[name] = msgspec.json.decode(value)
        return msgspec.convert(values, self._kind, strict=False)


def _is_plain(of: Any) -> bool:
    kind = msgspec.inspect.type_info(of)
    return isinstance(
        kind,
        msgspec.inspect.StrType
        | msgspec.inspect.IntType
        | msgspec.inspect.BoolType
        | msgspec.inspect.LiteralType
        | msgspec.inspect.BytesType,
    )
