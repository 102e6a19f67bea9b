"""What the ledger holds, for people and programs that look."""

from typing import Any

import msgspec

from gapura.store.ledger.books import Books

SELECT = (
    "SELECT t.id, t.at, t.kind, d.name AS debit, c.name AS credit, t.amount, d.unit, t.ref FROM transfer t"
    " JOIN ledger_account d ON d.id = t.debit JOIN ledger_account c ON c.id = t.credit"
)


class Kept(msgspec.Struct, frozen=True):
    """An account of the ledger.  Amounts are in `unit`: tokens, or billionths of a currency."""

    id: int
    name: str
    kind: str
    purse: str
    unit: str
    balance: int


class Transfer(msgspec.Struct, frozen=True):
    """`amount` went from `debit` to `credit`, `at` UTC microseconds by the ledger's clock."""

    id: int
    at: int
    kind: str
    debit: str
    credit: str
    amount: int
    unit: str
    ref: str


def accounts(db: Books, *, purse: str = "", after: int = 0, limit: int = 100) -> list[Kept]:
    """Accounts behind number `after`, of one purse or of all."""
    where, values = ("purse = ? AND ", (purse,)) if purse else ("", ())
    rows = db.execute(
        f"SELECT id, name, kind, purse, unit, balance FROM ledger_account WHERE {where}id > ? ORDER BY id LIMIT ?",  # noqa: S608 - words of ours
        (*values, after, limit),
    )
    return [Kept(*row) for row in rows]


def transfers(db: Books, *, purse: str = "", account: str = "", after: int = 0, limit: int = 100) -> list[Transfer]:
    """Transfers behind number `after`: of an account of the ledger, of all of a purse, or all that are not archived."""
    if account or purse:
        of = "name = ?" if account else "purse = ?"
        mine = f"(SELECT id FROM ledger_account WHERE {of})"  # noqa: S608 - words of ours
        rows: Any = db.execute(
            f"{SELECT} WHERE (t.debit IN {mine} OR t.credit IN {mine}) AND t.id > ? ORDER BY t.id LIMIT ?",
            (account or purse, account or purse, after, limit),
        )
    else:
        rows = db.execute(f"{SELECT} WHERE t.id > ? ORDER BY t.id LIMIT ?", (after, limit))
    return [Transfer(*row) for row in rows]
