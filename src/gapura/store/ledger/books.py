"""Double entry, and nothing else: accounts with a unit, and transfers that are never changed or deleted.

A transfer takes `amount` from `debit` to `credit`, which have the same unit; what an account has is the sum of its
transfers, kept beside it in the same transaction.  Only the operator's may be negative: the schema refuses it for all
others.  Each transfer has a `ref`, chosen before it is posted; one that comes twice is counted once.

Amounts are integers: tokens, images, seconds, or billionths of a currency.  The statements are those that SQLite and
Postgres have in common.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from gapura.store.base import Conflict

TOKENS = "tokens"


class Rows(Protocol):
    """What a statement answers."""

    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Books(Protocol):
    """A connection in a transaction: to the store itself (`apsw.Connection`), or to Postgres."""

    def execute(self, statements: str, bindings: tuple[Any, ...] = ..., /) -> Rows: ...


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
        str(name): (int(number), str(unit))
        for name, number, unit in db.execute(
            "SELECT name, id, unit FROM ledger_account WHERE name IN (?, ?)", (debit, credit)
        )
    }
    (source, unit), (target, other) = found[debit], found[credit]
    if unit != other:
        raise Conflict(f"{debit} is in {unit}, {credit} in {other}: nothing is exchanged by itself", param="unit")
    new = db.execute(
        "INSERT INTO transfer (debit, credit, amount, kind, ref, at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (ref) DO NOTHING RETURNING id",
        (source, target, amount, kind, ref, at),
    ).fetchone()
    if new is None:
        known = db.execute("SELECT debit, credit, kind FROM transfer WHERE ref = ?", (ref,)).fetchone()
        if tuple(known) != (source, target, kind):
            raise Conflict(f"{ref} was posted before as another transfer", param="ref")
        return False
    db.execute("UPDATE ledger_account SET balance = balance - ? WHERE id = ?", (amount, source))
    db.execute("UPDATE ledger_account SET balance = balance + ? WHERE id = ?", (amount, target))
    return True


def amount_of(db: Books, ref: str) -> int | None:
    """What was posted under a ref; None: nothing yet."""
    row = db.execute("SELECT amount FROM transfer WHERE ref = ?", (ref,)).fetchone()
    return int(row[0]) if row else None


def known(db: Books, ref: str) -> bool:
    """Whether something was posted under it."""
    return amount_of(db, ref) is not None
