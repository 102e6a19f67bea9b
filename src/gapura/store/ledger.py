"""Who has how many tokens: a double-entry ledger, thin, in which nothing is ever changed or deleted.

    operator ──grant──► budget:<account> ──lend──► slice:<incarnation>:<account> ──spend──► spent:<account>
        ◄────trim──────     ◄──────back, release──────     ──forfeit──► unreconciled:<account> ──reconcile──► budget

A transfer takes `amount` from `debit` to `credit`; what an account has is the sum of its transfers, cached beside it
in the same transaction and checked by `verify`.  Only the operator's may be negative (the schema refuses it for all
others), so a grant cannot be overspent by lending.  Each transfer has a `ref`; one that comes twice is counted once.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from gapura.store.base import Connection

TOKENS = "tokens"
OPERATOR = "operator"


class Standing(msgspec.Struct, frozen=True):
    """An account's tokens.  granted = left + lent + spent + unreconciled.  `lent` is with gates, for requests that
    run or are to come; `unreconciled` was with gates when the power went out, and may have been spent."""

    granted: int
    left: int
    lent: int
    spent: int
    unreconciled: int


def set_budget(db: Connection, account: str, total: int, *, ref: str, at: int) -> int:
    """Makes `total` the number of tokens granted in all, -1: no budget; returns how many are granted now.

    Never less than what is spent, lent or unreconciled: a lower total takes what is left at once, and the rest as
    soon as gates give it back, so that nothing is served above it that was not under way.
    """
    budget = _open(db, "budget", account)
    ceiling = max(total, 0)
    db.execute("UPDATE ledger_account SET ceiling = ? WHERE id = ?", (ceiling, budget))
    granted = standing(db, account).granted
    if granted < ceiling:
        post(db, _open(db, OPERATOR), budget, ceiling - granted, "grant", ref=ref, at=at)
    _trim(db, account, ref=ref, at=at)
    return standing(db, account).granted


def lend(db: Connection, incarnation: str, account: str, size: Callable[[int], int], *, ref: str, at: int) -> int:
    """Lends a gate a slice of a budget: `size` of what is left, and no more than that.  0 for a gate that is closed."""
    known = db.execute("SELECT amount FROM transfer WHERE ref = ?", (ref,)).fetchone()
    if known:
        return int(known[0])
    if not db.execute("SELECT 1 FROM incarnation WHERE id = ? AND state = 'live'", (incarnation,)).fetchone():
        return 0
    budget = f"budget:{account}"
    left = balance(db, budget)
    amount = min(size(left), left)
    if amount > 0:
        post(db, budget, _open(db, "slice", account, incarnation), amount, "lend", ref=ref, at=at)
    return max(amount, 0)


def give_back(db: Connection, incarnation: str, account: str, amount: int, *, ref: str, at: int) -> int:
    """Takes back from a slice what a gate does not need; no more than it has.  Returns how much."""
    return _return(db, incarnation, account, amount, "back", ref=ref, at=at)


def spend(db: Connection, incarnation: str, account: str, amount: int, *, ref: str, at: int) -> int:
    """What requests cost; returns how much of it no slice covered.

    That is 0 unless a gate has a bug.  What was consumed was consumed: it comes out of the budget then, and where
    that is empty the operator pays, which `verify` reports.
    """
    spent = _open(db, "spent", account)
    if db.execute("SELECT 1 FROM transfer WHERE ref IN (?, ?, ?)", (f"{ref}:s", f"{ref}:b", f"{ref}:o")).fetchone():
        return 0
    missing = amount
    for source, kind, tail in (
        (f"slice:{incarnation}:{account}", "spend", "s"),
        (f"budget:{account}", "overdraw", "b"),
    ):
        part = min(missing, balance(db, source)) if missing else 0
        if part > 0:
            post(db, source, spent, part, kind, ref=f"{ref}:{tail}", at=at)
            missing -= part
    if missing > 0:
        post(db, _open(db, OPERATOR), spent, missing, "overrun", ref=f"{ref}:o", at=at)
    return missing


def close(db: Connection, incarnation: str, *, forfeit: bool, at: int) -> dict[str, int]:
    """Empties the slices of a gate that is dead: account → amount that went back to the budget, or, with `forfeit`,
    to `unreconciled`, because it may have been spent and the disk does not know."""
    moved: dict[str, int] = {}
    slices: list[Any] = db.execute(
        "SELECT owner, balance FROM ledger_account WHERE id > ? AND id < ? AND balance > 0", _slices(incarnation)
    ).fetchall()
    for account, amount in slices:
        ref = f"close:{incarnation}:{account}"
        if forfeit:
            source = f"slice:{incarnation}:{account}"
            post(db, source, _open(db, "unreconciled", account), amount, "forfeit", ref=ref, at=at)
        else:
            _return(db, incarnation, account, amount, "release", ref=ref, at=at)
        moved[account] = amount
    return moved


def reconcile(db: Connection, account: str, amount: int, *, ref: str, at: int) -> int:
    """By hand: what was forfeited and turned out to be unspent goes back to the budget.  Returns how much."""
    source = _open(db, "unreconciled", account)
    amount = min(amount, balance(db, source))
    if amount <= 0 or not post(db, source, _open(db, "budget", account), amount, "reconcile", ref=ref, at=at):
        return 0
    _trim(db, account, ref=ref, at=at)
    return amount


def lent(db: Connection, incarnation: str) -> dict[str, int]:
    """What a gate has received of each account's budget over its life, less what it has given back."""
    rows = db.execute(
        """
        SELECT a.owner, (SELECT coalesce(sum(amount), 0) FROM transfer WHERE credit = a.id AND kind = 'lend')
                      - (SELECT coalesce(sum(amount), 0) FROM transfer WHERE debit = a.id AND kind = 'back')
        FROM ledger_account a WHERE a.id > ? AND a.id < ?
        """,
        _slices(incarnation),
    )
    return {str(account): int(amount) for account, amount in rows}


def holders(db: Connection, account: str) -> list[str]:
    """The incarnations that have something of this budget."""
    rows = db.execute(
        "SELECT id FROM ledger_account WHERE owner = ? AND kind = 'slice' AND balance > 0 ORDER BY id", (account,)
    )
    return [str(name).split(":")[1] for (name,) in rows]


def standing(db: Connection, account: str) -> Standing:
    """All zero for an account that never had a budget."""
    rows = db.execute("SELECT kind, sum(balance) FROM ledger_account WHERE owner = ? GROUP BY kind", (account,))
    has = {str(kind): int(amount) for kind, amount in rows}
    parts = [has.get(kind, 0) for kind in ("budget", "slice", "spent", "unreconciled")]
    return Standing(sum(parts), *parts)


def balance(db: Connection, name: str) -> int:
    """What an account of the ledger has; 0 where it does not exist."""
    row = db.execute("SELECT balance FROM ledger_account WHERE id = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def post(db: Connection, debit: str, credit: str, amount: int, kind: str, *, ref: str, at: int) -> bool:  # noqa: PLR0913 - the columns of a transfer
    """Moves `amount` between two accounts that exist; False where `ref` was posted before."""
    new = db.execute(
        "INSERT INTO transfer (debit, credit, amount, kind, ref, at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (ref) DO NOTHING RETURNING id",
        (debit, credit, amount, kind, ref, at),
    ).fetchone()
    if new is None:
        return False
    db.execute(
        "UPDATE ledger_account SET balance = balance + CASE id WHEN ?1 THEN -?3 ELSE ?3 END WHERE id IN (?1, ?2)",
        (debit, credit, amount),
    )
    return True


def verify(db: Connection) -> list[str]:
    """What does not add up, in words; empty when all is well.  Reads everything: for the doctor and for tests."""
    return [*_balances(db), *_rows(db), *_overruns(db)]


def _balances(db: Connection) -> Iterator[str]:
    rows = db.execute(
        """
        SELECT id, balance, (SELECT coalesce(sum(amount), 0) FROM transfer WHERE credit = a.id)
                          - (SELECT coalesce(sum(amount), 0) FROM transfer WHERE debit = a.id) AS summed
        FROM ledger_account a WHERE balance <> summed ORDER BY id
        """
    )
    for name, cached, summed in rows:
        yield f"{name} has {cached}, but its transfers make {summed}"


def _rows(db: Connection) -> Iterator[str]:
    rows = db.execute(
        """
        SELECT owner, sum(spent), sum(charged) FROM (
            SELECT owner, balance AS spent, 0 AS charged FROM ledger_account WHERE kind = 'spent'
            UNION ALL SELECT account, 0, charged FROM request WHERE charged > 0
        ) GROUP BY owner HAVING sum(spent) <> sum(charged) ORDER BY owner
        """
    )
    for account, spent, charged in rows:
        yield f"{account} has spent {spent}, but its requests were charged {charged}"


def _overruns(db: Connection) -> Iterator[str]:
    rows = db.execute(
        "SELECT credit, sum(amount) FROM transfer WHERE kind IN ('overdraw', 'overrun') GROUP BY credit ORDER BY credit"
    )
    for name, amount in rows:
        yield f"{name} got {amount} that no gate had been lent"


def _return(db: Connection, incarnation: str, account: str, amount: int, kind: str, *, ref: str, at: int) -> int:  # noqa: PLR0913 - as above
    source = f"slice:{incarnation}:{account}"
    amount = min(amount, balance(db, source))
    if amount <= 0 or not post(db, source, f"budget:{account}", amount, kind, ref=ref, at=at):
        return 0
    _trim(db, account, ref=ref, at=at)
    return amount


def _trim(db: Connection, account: str, *, ref: str, at: int) -> None:
    """Takes from the budget what exceeds its ceiling."""
    budget = f"budget:{account}"
    row = db.execute("SELECT balance, ceiling FROM ledger_account WHERE id = ?", (budget,)).fetchone()
    if row is None or row[1] is None:
        return
    excess = min(row[0], standing(db, account).granted - row[1])
    if excess > 0:
        post(db, budget, OPERATOR, excess, "trim", ref=f"{ref}:trim", at=at)


def _slices(incarnation: str) -> tuple[str, str]:
    """The names between which those of an incarnation's slices lie; `;` follows `:`."""
    return f"slice:{incarnation}:", f"slice:{incarnation};"


def _open(db: Connection, kind: str, owner: str = "", incarnation: str = "") -> str:
    name = ":".join(part for part in (kind, incarnation, owner) if part)
    db.execute(
        "INSERT INTO ledger_account (id, kind, owner, unit) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (name, kind, owner, TOKENS),
    )
    return name
