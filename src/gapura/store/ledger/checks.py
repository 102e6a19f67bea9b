"""Whether everything adds up: balances against transfers, and what was spent against the requests that spent it."""

from collections.abc import Iterator

from gapura.store.ledger.books import Books


def verify(db: Books) -> list[str]:
    """What does not add up, in words; empty when all is well.  Reads everything: for the doctor and for tests."""
    return [*balances(db), *_rows(db), *overruns(db)]


def balances(db: Books) -> Iterator[str]:
    rows = db.execute(
        """
        SELECT a.name, a.balance, coalesce(c.amount, 0) - coalesce(d.amount, 0) AS summed FROM ledger_account a
        LEFT JOIN (SELECT credit, sum(amount) AS amount FROM transfer GROUP BY credit) c ON c.credit = a.id
        LEFT JOIN (SELECT debit, sum(amount) AS amount FROM transfer GROUP BY debit) d ON d.debit = a.id
        WHERE a.balance <> coalesce(c.amount, 0) - coalesce(d.amount, 0) ORDER BY a.name
        """
    )
    for name, cached, summed in rows:
        yield f"{name} has {cached}, but its transfers make {summed}"


def _rows(db: Books) -> Iterator[str]:
    rows = db.execute(
        """
        SELECT purse, sum(spent), sum(charged) FROM (
            SELECT purse, balance AS spent, 0 AS charged FROM ledger_account WHERE kind = 'spent'
            UNION ALL SELECT purse, 0, charged FROM request WHERE charged > 0
        ) GROUP BY purse HAVING sum(spent) <> sum(charged) ORDER BY purse
        """
    )
    for purse, spent, charged in rows:
        yield f"of {purse} {spent} is spent, but its requests were charged {charged}"


def overruns(db: Books) -> Iterator[str]:
    rows = db.execute(
        "SELECT a.name, sum(t.amount) FROM transfer t JOIN ledger_account a ON a.id = t.credit"
        " WHERE t.kind IN ('overdraw', 'overrun') GROUP BY a.name ORDER BY a.name"
    )
    for name, amount in rows:
        yield f"{name} got {amount} that no gate had been lent"
