"""Whether everything adds up: balances against transfers, holds against what is set aside, closed months against what
was posted in them, and what was spent against the requests that spent it.
"""

from collections.abc import Iterator
from typing import Any

import apsw

from gapura.store.ledger import closing
from gapura.store.ledger.books import Books, mark
from gapura.store.ledger.pending import is_shared
from gapura.store.secrets import Secret


def verify(db: Books) -> list[str]:
    """What does not add up, in words; empty when all is well.  Reads everything, the record, too, where all that was
    spent by it is in these books."""
    beside = isinstance(db, apsw.Connection) and not is_shared(db)
    return [*adds_up(db), *(_rows(db) if beside else ())]


def adds_up(db: Books) -> list[str]:
    """The same without the record."""
    return [*_balances(db), *_units(db), *_holds(db), *_overruns(db)]


def closings(db: Books, secret: Secret) -> Iterator[str]:
    """Closed months that were altered, or are not what the transfers behind the month before make.

    Of months that are archived only the signature is checked here; the chain covers their transfers.
    """
    archived, base = mark(db, "archived"), ("", 0)
    for month in closing.months(db):
        row: Any = db.execute("SELECT signature FROM ledger_signature WHERE month = ?", (month.month,)).fetchone()
        if row is None or row[0] != closing.signature(db, secret, month.month):
            yield f"{month.month} was closed, and altered since"
        elif base[1] >= archived:
            yield from _month(db, base, month)
        base = month.month, month.transfers


def _month(db: Books, base: tuple[str, int], month: closing.Month) -> Iterator[str]:
    rows = db.execute(
        """
        SELECT a.name, coalesce(n.balance, 0), summed FROM (
            SELECT account, sum(amount) AS summed FROM (
                SELECT account, balance AS amount FROM ledger_closing WHERE month = ?
                UNION ALL SELECT credit, sum(amount) FROM transfer WHERE id > ? AND id <= ? GROUP BY credit
                UNION ALL SELECT debit, -sum(amount) FROM transfer WHERE id > ? AND id <= ? GROUP BY debit
            ) AS moved GROUP BY account
        ) AS s JOIN ledger_account a ON a.id = s.account
        LEFT JOIN ledger_closing n ON n.month = ? AND n.account = s.account
        WHERE coalesce(n.balance, 0) <> summed ORDER BY a.name
        """,
        (base[0], base[1], month.transfers, base[1], month.transfers, month.month),
    )
    for name, closed, summed in rows:
        yield f"{name} had {closed} at the end of {month.month}, but its transfers make {summed}"


def _balances(db: Books) -> Iterator[str]:
    """From the first closing that covers all that is archived; from nothing where nothing is."""
    archived = mark(db, "archived")
    base: Any = ("", 0)
    if archived:
        base = next((m.month, m.transfers) for m in closing.months(db) if m.transfers >= archived)
    rows = db.execute(
        """
        SELECT a.name, a.balance, coalesce(b.balance, 0) + coalesce(c.amount, 0) - coalesce(d.amount, 0) AS summed
        FROM ledger_account a
        LEFT JOIN ledger_closing b ON b.month = ? AND b.account = a.id
        LEFT JOIN (SELECT credit, sum(amount) AS amount FROM transfer WHERE id > ? GROUP BY credit) c
            ON c.credit = a.id
        LEFT JOIN (SELECT debit, sum(amount) AS amount FROM transfer WHERE id > ? GROUP BY debit) d
            ON d.debit = a.id
        WHERE a.balance <> coalesce(b.balance, 0) + coalesce(c.amount, 0) - coalesce(d.amount, 0) ORDER BY a.name
        """,
        (base[0], base[1], base[1]),
    )
    for name, cached, summed in rows:
        yield f"{name} has {cached}, but its transfers make {summed}"


def _units(db: Books) -> Iterator[str]:
    rows = db.execute(
        "SELECT unit, sum(balance) FROM ledger_account GROUP BY unit HAVING sum(balance) <> 0 ORDER BY unit"
    )
    for unit, amount in rows:
        yield f"all accounts in {unit} have {amount} together, which must be 0"


def _holds(db: Books) -> Iterator[str]:
    rows = db.execute(
        """
        SELECT a.name, a.balance, coalesce(h.amount, 0) FROM ledger_account a
        LEFT JOIN (SELECT s.name, sum(h.amount) AS amount FROM ledger_hold h JOIN ledger_account s ON s.id = h.source
                   WHERE h.state = 'pending' GROUP BY s.name) h ON 'held:' || h.name = a.name
        WHERE a.kind = 'held' AND a.balance <> coalesce(h.amount, 0) ORDER BY a.name
        """
    )
    for name, has, pending in rows:
        yield f"{name} has {has}, but {pending} are held"


def _rows(db: Books) -> Iterator[str]:
    rows = db.execute(
        """
        SELECT purse, sum(spent), sum(charged) FROM (
            SELECT purse, balance AS spent, 0 AS charged FROM ledger_account WHERE kind = 'spent'
            UNION ALL SELECT purse, 0, charged FROM request WHERE charged > 0
            UNION ALL SELECT purse, 0, amount FROM charge
            UNION ALL SELECT json_extract(held.value, '$[0]'), 0, counted.value
                FROM request, json_each(holds) AS held, json_each(held.value, '$[2]') AS counted
                WHERE holds <> '' AND json_type(held.value, '$[2]') = 'object'
        ) GROUP BY purse HAVING sum(spent) <> sum(charged) ORDER BY purse
        """
    )
    for purse, spent, charged in rows:
        yield f"of {purse} {spent} is spent, but its requests were charged {charged}"


def _overruns(db: Books) -> Iterator[str]:
    rows = db.execute(
        "SELECT a.name, sum(t.amount) FROM transfer t JOIN ledger_account a ON a.id = t.credit"
        " WHERE t.kind IN ('overdraw', 'overrun') GROUP BY a.name ORDER BY a.name"
    )
    for name, amount in rows:
        yield f"{name} got {amount} that no gate had been lent"
