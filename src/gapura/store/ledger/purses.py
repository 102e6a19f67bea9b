"""What may be spent, and by whom.  A purse is `tok:<account>` (a budget), `gr:<grant>`, or `bud:<budget>:<window>`.

    funder ──grant──► left:<purse> ──lend──► lent:<incarnation>:<purse> ──spend──► spent:<purse>:<class>
       ◄────sweep────     ◄──back, release──     ──forfeit──► unreconciled:<purse> ──reconcile──► left

The funder is the operator, or the wallet of a programme.  No more is lent than is left, so nothing is overspent by any
number of gates.  What exceeds a purse's ceiling goes back to its funder as soon as it is left: at once, or when gates
give it back.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from gapura.store.ledger.books import TOKENS, Books, amount_of, balance, open_account, operator, post, unit_of
from gapura.store.ledger.pending import relayed


class Standing(msgspec.Struct, frozen=True):
    """What a purse has.  granted = left + lent + spent + unreconciled.  `lent` is with gates, for requests that run or
    are to come, or held; `unreconciled` was with gates when the power went out, and may have been spent."""

    granted: int
    left: int
    lent: int
    spent: int
    unreconciled: int


def open_purse(db: Books, purse: str, *, unit: str = TOKENS, funder: str = "") -> str:
    """Makes a purse known; returns the account of what is left of it."""
    funder = funder or open_account(db, "operator", unit, unit=unit)
    return open_account(db, "left", purse, unit=unit, purse=purse, funder=funder)


@relayed()
def set_budget(db: Books, purse: str, total: int, *, ref: str, at: int, unit: str = TOKENS) -> int:
    """Makes `total` what is granted in all, -1: nothing; returns how much is granted now.

    Never less than what is spent, lent or unreconciled: a lower total takes what is left at once, and the rest as
    soon as gates give it back, so that nothing is served above it that was not under way.
    """
    left = open_purse(db, purse, unit=unit)
    ceiling = max(total, 0)
    db.execute("UPDATE ledger_account SET ceiling = ? WHERE name = ?", (ceiling, left))
    granted = standing(db, purse).granted
    if granted < ceiling:
        post(db, operator(unit), left, ceiling - granted, "grant", ref=ref, at=at)
    sweep(db, purse, ref=ref, at=at)
    return standing(db, purse).granted


def lend(db: Books, incarnation: str, purse: str, size: Callable[[int], int], *, ref: str, at: int) -> int:
    """Lends a gate a slice of a purse: `size` of what is left, and no more than that.  0 for a gate that is closed."""
    if (known := amount_of(db, ref)) is not None:
        return known
    if not db.execute("SELECT 1 FROM incarnation WHERE id = ? AND state = 'live'", (incarnation,)).fetchone():
        return 0
    source = f"left:{purse}"
    row = db.execute("SELECT balance, unit FROM ledger_account WHERE name = ?", (source,)).fetchone()
    left = int(row[0]) if row else 0
    amount = min(size(left), left)
    if amount <= 0:
        return 0
    target = open_account(db, "lent", incarnation, purse, unit=str(row[1]), purse=purse, holder=incarnation)
    if post(db, source, target, amount, "lend", ref=ref, at=at):
        db.execute("UPDATE ledger_account SET received = received + ? WHERE name = ?", (amount, target))
    return amount


def give_back(db: Books, incarnation: str, purse: str, amount: int, *, ref: str, at: int) -> int:
    """Takes back from a slice what a gate does not need; no more than it has.  Returns how much."""
    amount = _return(db, incarnation, purse, amount, "back", ref=ref, at=at)
    if amount:
        name = f"lent:{incarnation}:{purse}"
        db.execute("UPDATE ledger_account SET received = received - ? WHERE name = ?", (amount, name))
    return amount


@relayed(instead=int)
def spend(db: Books, incarnation: str, purse: str, amounts: Mapping[str, int], *, ref: str, at: int) -> int:
    """What requests cost, by class: `input`, `cached`, `output`, `reasoning`, `money`, `tokens`;
    none is a part of another.  Returns how much of it no slice covered.

    That is 0 unless a gate has a bug.  What was consumed was consumed: it comes out of what is left then, and where
    that is empty the operator pays, which `verify` reports.
    """
    unit = unit_of(db, f"left:{purse}") or TOKENS
    missing = 0
    for of, amount in amounts.items():
        if amount > 0:
            spent = open_account(db, "spent", purse, of, unit=unit, purse=purse, of=of)
            missing += _spend(db, (f"lent:{incarnation}:{purse}", f"left:{purse}"), spent, amount, f"{ref}:{of}", at)
    return missing


@relayed(instead=dict)
def close(db: Books, incarnation: str, *, forfeit: bool, at: int) -> dict[str, int]:
    """Empties the slices of a gate that is dead, and lends it nothing more: purse → amount that went back, or, with
    `forfeit`, to `unreconciled`, because it may have been spent and the disk does not know."""
    moved: dict[str, int] = {}
    slices = db.execute(
        "SELECT name, purse, unit, balance FROM ledger_account"
        " WHERE holder = ? AND holder <> '' AND balance > 0 ORDER BY name",
        (incarnation,),
    ).fetchall()
    for name, purse, unit, amount in slices:
        ref = f"close:{incarnation}:{purse}"
        if forfeit:
            aside = open_account(db, "unreconciled", purse, unit=unit, purse=purse)
            post(db, name, aside, amount, "forfeit", ref=ref, at=at)
        else:
            _return(db, incarnation, purse, amount, "release", ref=ref, at=at)
        moved[purse] = amount
    db.execute("UPDATE incarnation SET state = 'closed', closed_at = ? WHERE id = ?", (at, incarnation))
    return moved


@relayed()
def reconcile(db: Books, purse: str, amount: int, *, ref: str, at: int) -> int:
    """By hand: what was forfeited and turned out to be unspent goes back.  Returns how much."""
    source = f"unreconciled:{purse}"
    amount = min(amount, balance(db, source))
    if amount <= 0 or not post(db, source, f"left:{purse}", amount, "reconcile", ref=ref, at=at):
        return 0
    sweep(db, purse, ref=ref, at=at)
    return amount


def lent(db: Books, incarnation: str) -> dict[str, int]:
    """What a gate has received of each purse over its life, less what it has given back."""
    rows = db.execute("SELECT purse, received FROM ledger_account WHERE holder = ? AND holder <> ''", (incarnation,))
    return {str(purse): int(amount) for purse, amount in rows}


def holders(db: Books, purse: str) -> list[str]:
    """The incarnations that have something of this purse."""
    rows = db.execute(
        "SELECT holder FROM ledger_account WHERE purse = ? AND kind = 'lent' AND balance > 0 ORDER BY holder", (purse,)
    )
    return [str(name) for (name,) in rows]


def standing(db: Books, purse: str) -> Standing:
    """All zero for a purse that never was."""
    rows = db.execute("SELECT kind, sum(balance) FROM ledger_account WHERE purse = ? GROUP BY kind", (purse,))
    has = {str(kind): int(amount) for kind, amount in rows}
    has["lent"] = has.get("lent", 0) + has.get("held", 0)
    parts = [has.get(kind, 0) for kind in ("left", "lent", "spent", "unreconciled")]
    return Standing(sum(parts), *parts)


def spent_by_class(db: Books, purse: str) -> dict[str, int]:
    """Class → what was spent of a purse."""
    rows = db.execute("SELECT class, balance FROM ledger_account WHERE purse = ? AND kind = 'spent'", (purse,))
    return {str(of): int(amount) for of, amount in rows}


def sweep(db: Books, purse: str, *, ref: str, at: int) -> int:
    """Takes from what is left of a purse what exceeds its ceiling; returns how much."""
    left = f"left:{purse}"
    row: Any = db.execute(
        "SELECT balance, ceiling, funder, sweep FROM ledger_account WHERE name = ?", (left,)
    ).fetchone()
    if row is None or row[1] is None:
        return 0
    excess = min(int(row[0]), standing(db, purse).granted - int(row[1]))
    if excess <= 0:
        return 0
    post(db, left, str(row[2]), excess, str(row[3]), ref=f"{ref}:trim", at=at)
    return excess


def _spend(db: Books, sources: tuple[str, str], spent: str, amount: int, ref: str, at: int) -> int:
    if db.execute("SELECT 1 FROM posted WHERE ref IN (?, ?, ?)", (f"{ref}:s", f"{ref}:b", f"{ref}:o")).fetchone():
        return 0
    for source, kind, tail in zip(sources, ("spend", "overdraw"), ("s", "b"), strict=True):
        part = min(amount, balance(db, source)) if amount else 0
        if part > 0:
            post(db, source, spent, part, kind, ref=f"{ref}:{tail}", at=at)
            amount -= part
    if amount > 0:
        unit = unit_of(db, spent)
        post(db, open_account(db, "operator", unit, unit=unit), spent, amount, "overrun", ref=f"{ref}:o", at=at)
    return amount


def _return(db: Books, incarnation: str, purse: str, amount: int, kind: str, *, ref: str, at: int) -> int:  # noqa: PLR0913 - as `post`
    source = f"lent:{incarnation}:{purse}"
    amount = min(amount, balance(db, source))
    if amount <= 0 or not post(db, source, f"left:{purse}", amount, kind, ref=ref, at=at):
        return 0
    sweep(db, purse, ref=ref, at=at)
    return amount
