"""Months are closed one after the other: what each account had at the end of one is written down, signed, and never
changed, and nothing is posted into it any more.  What belongs to a month ends with its last block.
"""

import hmac
import re
from typing import Any

import msgspec

from gapura.clock import instant
from gapura.errors import BadRequest
from gapura.store.base import Conflict
from gapura.store.ledger import chain
from gapura.store.ledger.books import Books, clock, set_mark
from gapura.store.secrets import Secret


class Month(msgspec.Struct, frozen=True):
    """`month` as 2026-07, over at `until`; its last block and transfer, how many transfers are in it, and how many
    accounts had something at its end."""

    month: str
    until: int
    block: int
    transfers: int
    count: int
    accounts: int
    at: int


def ends(month: str) -> int:
    """When a month (2026-07, UTC) is over.  Raises BadRequest for what is no month."""
    if not re.fullmatch(r"[12]\d{3}-(0[1-9]|1[0-2])", month):
        raise BadRequest(f"{month!r} is no month; write it as 2026-07", param="month")
    return chain.month_end(instant(f"{month}-01T00:00:00+00:00"))


def close_month(db: Books, secret: Secret, month: str, at: int) -> Month:
    """Closes a month, and with it all before it; what was sealed is, too.  One that is closed stays as it is.

    Raises Conflict where the month is not over by the ledger's clock, or a later one is closed.
    """
    until = ends(month)
    if known := find(db, month):
        return known
    before = last(db)
    if before and before.until >= until:
        raise Conflict(f"{before.month} is closed, and with it all before it", param="month")
    if clock(db, at) < until:
        raise Conflict(f"{month} is not over yet", param="month")
    chain.seal(db, secret)
    row: Any = db.execute(
        "SELECT coalesce(max(seq), 0), coalesce(max(transfers), 0) FROM ledger_block WHERE at < ?", (until,)
    ).fetchone()
    block, transfers = int(row[0]), int(row[1])
    if not block:
        raise Conflict(f"there is nothing in {month} to close", param="month")
    counted: Any = db.execute(
        "SELECT coalesce(sum(count), 0) FROM ledger_block WHERE seq > ? AND seq <= ?",
        (before.block if before else 0, block),
    ).fetchone()
    db.execute(
        "INSERT INTO ledger_month (month, until, block, transfers, count, at) VALUES (?, ?, ?, ?, ?, ?)",
        (month, until, block, transfers, int(counted[0]), at),
    )
    db.execute(
        "INSERT INTO ledger_closing (month, account, balance)"  # noqa: S608 - words of ours
        f" SELECT ?, id, was FROM ({BEFORE}) AS past WHERE was <> 0",
        (month, transfers, transfers),
    )
    db.execute("INSERT INTO ledger_signature (month, signature) VALUES (?, ?)", (month, signature(db, secret, month)))
    set_mark(db, "clock", until)
    found = find(db, month)
    assert found is not None  # noqa: S101 - it was just made
    return found


BEFORE = """
    SELECT a.id, a.balance - coalesce(c.amount, 0) + coalesce(d.amount, 0) AS was FROM ledger_account a
    LEFT JOIN (SELECT credit, sum(amount) AS amount FROM transfer WHERE id > ? GROUP BY credit) c ON c.credit = a.id
    LEFT JOIN (SELECT debit, sum(amount) AS amount FROM transfer WHERE id > ? GROUP BY debit) d ON d.debit = a.id
"""
"""What each account had before the transfers behind one number."""


def find(db: Books, month: str) -> Month | None:
    """None where it is not closed."""
    return next((found for found in months(db) if found.month == month), None)


def last(db: Books) -> Month | None:
    """The newest month that is closed."""
    return next(iter(reversed(months(db))), None)


def months(db: Books) -> list[Month]:
    """Those that are closed, oldest first."""
    rows = db.execute(
        "SELECT month, until, block, transfers, count,"
        " (SELECT count(*) FROM ledger_closing c WHERE c.month = m.month), at FROM ledger_month m ORDER BY until"
    )
    return [Month(*row) for row in rows]


def signature(db: Books, secret: Secret, month: str) -> str:
    """Over a closed month and what each account had at its end."""
    text: Any = db.execute(
        "SELECT m.until, m.block, m.transfers, m.count, (SELECT coalesce(string_agg(line, ?), '') FROM"
        " (SELECT concat_ws('|', account, balance) AS line FROM ledger_closing WHERE month = ? ORDER BY account) AS c)"
        " FROM ledger_month m WHERE m.month = ?",
        ("\n", month, month),
    ).fetchone()
    return hmac.digest(secret.derive("ledger-month"), msgspec.msgpack.encode((month, *text)), "sha256").hex()
