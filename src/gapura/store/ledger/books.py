"""Double entry, and nothing else: accounts with a unit, and transfers that are never changed or deleted.

A transfer takes `amount` from `debit` to `credit`, which have the same unit; what an account has is the sum of its
transfers, kept beside it in the same transaction.  Only the operator's may be negative: the schema refuses it for all
others.  Each transfer has a `ref`, chosen before it is posted; one that comes twice is counted once.

Amounts are integers: tokens, or billionths of a currency.  The ledger's clock never runs back: what
comes with an earlier time is dated when it stands.  The statements are those that SQLite and Postgres have in common.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol, TypeVar

from gapura.store.base import Conflict

T = TypeVar("T")

TOKENS = "tokens"


class Rows(Protocol):
    """What a statement answers."""

    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Ledger(Protocol):
    """Where books are kept: the store (`store.sqlite.Store`), or a server that gateways share (`shared.Shared`)."""

    def write(self, work: Callable[[Any], T]) -> Future[T]:
        """In a transaction; the future knows the result once it is kept."""
        ...

    def alone(self, work: Callable[[Any], T]) -> Future[T]:
        """Likewise, while nobody else posts."""
        ...

    def read(self, work: Callable[[Any], T]) -> T: ...


class Books(Protocol):
    """A connection in a transaction: to the store itself (`apsw.Connection`), or to Postgres."""

    def execute(self, statements: str, bindings: tuple[Any, ...] = ..., /) -> Rows: ...
    def executemany(self, statements: str, rows: Sequence[tuple[Any, ...]], /) -> object: ...


def operator(unit: str = TOKENS) -> str:
    """The account that everything comes from; what it lacks is what was promised in all."""
    return f"operator:{unit}"


def open_account(  # noqa: PLR0913 - the columns of an account
    db: Books, kind: str, *tail: str, unit: str, purse: str = "", holder: str = "", of: str = "", funder: str = ""
) -> str:
    """The account `kind:tail…`, made where it is missing; returns its name."""
    name = ":".join((kind, *tail))
    db.execute(
        "INSERT INTO ledger_account (name, kind, purse, holder, class, unit, funder) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO NOTHING",
        (name, kind, purse, holder, of, unit, funder),
    )
    return name


def balance(db: Books, name: str) -> int:
    """What an account of the ledger has; 0 where it does not exist."""
    row = db.execute("SELECT balance FROM ledger_account WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def unit_of(db: Books, name: str) -> str:
    """The unit of an account; "" where it does not exist."""
    row = db.execute("SELECT unit FROM ledger_account WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else ""


def post(db: Books, debit: str, credit: str, amount: int, kind: str, *, ref: str, at: int) -> bool:  # noqa: PLR0913 - the columns of a transfer
    """Moves `amount` between two accounts that exist; False where `ref` was posted before.

    Raises Conflict where the units differ, nothing is exchanged by itself, or where `ref` was another transfer's.
    """
    found = {
        str(name): row
        for name, *row in db.execute(
            "SELECT name, id, unit, (SELECT value FROM ledger_mark WHERE name = 'clock'),"
            " (SELECT kind FROM posted WHERE ref = ?) FROM ledger_account WHERE name IN (?, ?)",
            (ref, debit, credit),
        )
    }
    (source, unit, clock, former), (target, other, *_) = found[debit], found[credit]
    if unit != other:
        raise Conflict(f"{debit} is in {unit}, {credit} in {other}: nothing is exchanged by itself", param="unit")
    if former is None:
        enter(db, Leg(source, target, amount, kind, ref), at=max(at, clock or 0))
    elif former != kind:
        raise Conflict(f"{ref} was posted before, as a {former}", param="ref")
    return former is None


class Leg(NamedTuple):
    """A transfer between accounts that are known by number and of one unit."""

    debit: int
    credit: int
    amount: int
    kind: str
    ref: str


def enter(db: Books, *legs: Leg, at: int) -> None:
    """What `post` does, for legs whose refs are new, and a time that the clock allows."""
    # That refs are new was looked up before: ON CONFLICT and RETURNING cost more than the row itself, as do two rows in
    # one statement.
    db.executemany(_INSERT, [(*leg, at) for leg in legs])
    moved: dict[int, int] = {}
    for leg in legs:
        moved[leg.debit] = moved.get(leg.debit, 0) - leg.amount
        moved[leg.credit] = moved.get(leg.credit, 0) + leg.amount
    db.executemany(_MOVE, [(amount, number) for number, amount in moved.items()])


_INSERT = "INSERT INTO transfer (debit, credit, amount, kind, ref, at) VALUES (?, ?, ?, ?, ?, ?)"
_MOVE = "UPDATE ledger_account SET balance = balance + ? WHERE id = ?"


def amount_of(db: Books, ref: str) -> int | None:
    """What was posted under a ref, also in a month that is archived by now; None: nothing yet."""
    row = db.execute("SELECT amount FROM posted WHERE ref = ?", (ref,)).fetchone()
    return int(row[0]) if row else None


def known(db: Books, ref: str) -> bool:
    """Whether something was posted under it."""
    return amount_of(db, ref) is not None


def clock(db: Books, at: int) -> int:
    """`at`, or when the ledger's clock stands, if that is later."""
    return max(at, mark(db, "clock"))


def mark(db: Books, name: str) -> int:
    """A number that the ledger keeps; 0 where it was never set."""
    row = db.execute("SELECT value FROM ledger_mark WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def set_mark(db: Books, name: str, value: int) -> None:
    """Keeps it, unless a higher one is kept."""
    db.execute(
        "INSERT INTO ledger_mark (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        " WHERE excluded.value > ledger_mark.value",
        (name, value),
    )
