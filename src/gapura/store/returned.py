"""Mail that came back, and the addresses that nobody writes to because of it.

Each message is taken in once.  An address is suppressed only by a bounce that names one of our letters, and it is the
address that this letter went to, whatever the bounce says: anybody can write a bounce.
"""

from collections.abc import Sequence

import msgspec

from gapura.clock import SECOND
from gapura.errors import NotFound
from gapura.store.base import Connection, Shape
from gapura.terms.caller import Account
from gapura.terms.letter import Returned, Returning

KEPT_DAYS, SUPPRESSED_DAYS = 30, 180
DAY = 86_400 * SECOND


class Row(msgspec.Struct, frozen=True):
    """What one message said of one recipient.  `delivery` 0: it names none of our notices."""

    seq: int
    key: str
    part: int
    kind: Returning
    delivery: int
    recipient: str
    status: str
    answer: str
    at: int


class Suppressed(msgspec.Struct, frozen=True):
    """Times are UTC microseconds."""

    id: int
    address: str
    status: str
    answer: str
    since: int
    until: int


SHAPE, SUPPRESSED = Shape(Row), Shape(Suppressed)


def is_known(db: Connection, key: str) -> bool:
    return db.execute("SELECT 1 FROM returned_mail WHERE key = ?", (key,)).fetchone() is not None


def keep(db: Connection, key: str, found: Sequence[tuple[Returned, int]], at: int) -> None:
    """A message's values, each with the notice that it is about."""
    db.executemany(
        "INSERT INTO returned_mail (key, part, kind, delivery, recipient, status, answer, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (key, part, one.kind, delivery, one.recipient, one.status, one.answer, at)
            for part, (one, delivery) in enumerate(found)
        ],
    )


def page(db: Connection, after: int, limit: int) -> list[Row]:
    """Oldest first."""
    rows = db.execute(
        f"SELECT {SHAPE.columns} FROM returned_mail WHERE seq > ? ORDER BY seq LIMIT ?",  # noqa: S608 - ours
        (after, limit),
    )
    return [SHAPE.struct(row) for row in rows]


def suppress(db: Connection, address: str, said: Returned, at: int) -> None:
    db.execute(
        "INSERT OR REPLACE INTO suppressed_address (address, status, answer, since, until) VALUES (?, ?, ?, ?, ?)",
        (address.lower(), said.status, said.answer, at, at + SUPPRESSED_DAYS * DAY),
    )


def reachable(db: Connection, account: Account, at: int) -> Account:
    """Without the contacts whose address nobody writes to at `at`."""
    return msgspec.structs.replace(
        account, contacts={role: one for role, one in account.contacts.items() if not _is_suppressed(db, one, at)}
    )


def _is_suppressed(db: Connection, address: str, at: int) -> bool:
    found = db.execute("SELECT 1 FROM suppressed_address WHERE address = ? AND until > ?", (address.lower(), at))
    return found.fetchone() is not None


def listed(db: Connection, after: int, limit: int, at: int) -> list[Suppressed]:
    rows = db.execute(
        f"SELECT {SUPPRESSED.columns} FROM suppressed_address"  # noqa: S608 - names of ours
        " WHERE id > ? AND until > ? ORDER BY id LIMIT ?",
        (after, at, limit),
    )
    return [SUPPRESSED.struct(row) for row in rows]


def lift(db: Connection, number: int) -> None:
    """It is written to again.  Raises NotFound."""
    db.execute("DELETE FROM suppressed_address WHERE id = ?", (number,))
    if not db.changes():
        raise NotFound(f"there is no suppressed address {number}", param="id")


def forget(db: Connection, at: int, limit: int) -> int:
    """One batch of what is over its time; how many, 0 when all is done."""
    db.execute("DELETE FROM suppressed_address WHERE until <= ?", (at,))
    db.execute(
        "DELETE FROM returned_mail WHERE seq IN (SELECT seq FROM returned_mail WHERE at < ? ORDER BY at LIMIT ?)",
        (at - KEPT_DAYS * DAY, limit),
    )
    return db.changes()
