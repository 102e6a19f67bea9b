"""Two-phase transfers: an amount is set aside under an id that the caller chose, and later captured in part or whole,
voided, or timed out by the ledger's clock.  Whichever comes first is what became of it; the rest goes back.

    <source> ──hold──► held:<source> ──capture──► <target>
        ◄──release (capture of less, void), timeout──
"""

from typing import Literal, NamedTuple

import msgspec

from gapura.errors import NotFound
from gapura.store.base import Conflict
from gapura.store.ledger.books import Books, Leg, clock, enter, open_account
from gapura.store.ledger.purses import sweep

State = Literal["pending", "captured", "voided", "expired"]


class Hold(msgspec.Struct, frozen=True):
    """`amount` of the account `source`; `captured` of it was needed.  `expires` in UTC microseconds, 0: never."""

    id: str
    source: str
    purse: str
    unit: str
    amount: int
    expires: int
    state: State
    captured: int


def hold(db: Books, name: str, source: str, amount: int, *, expires: int = 0, at: int) -> Hold:
    """Sets aside.  A known id gives what became of it.

    Raises NotFound where there is no such account, Conflict where it has less, or the id was another hold's.
    """
    row = db.execute(
        "SELECT a.id, a.unit, a.purse, a.balance, h.id, (SELECT value FROM ledger_mark WHERE name = 'clock'),"
        " (SELECT state FROM ledger_hold WHERE id = ?)"
        " FROM ledger_account a LEFT JOIN ledger_account h ON h.name = 'held:' || a.name WHERE a.name = ?",
        (name, source),
    ).fetchone()
    if row is None:
        raise NotFound(f"the ledger has no account {source}")
    number, unit, purse, has, aside, clock, known = row
    if known is not None:
        return _known(db, name, source, amount)
    if has < amount:
        raise Conflict(f"{source} has {has}, not {amount}", param="amount")
    if aside is None:
        account = open_account(db, "held", source, unit=unit, purse=purse)
        (aside,) = db.execute("SELECT id FROM ledger_account WHERE name = ?", (account,)).fetchone()
    now = max(at, clock or 0)
    db.execute(
        "INSERT INTO ledger_hold (id, source, amount, expires, at) VALUES (?, ?, ?, ?, ?)",
        (name, number, amount, expires, now),
    )
    enter(db, Leg(number, aside, amount, "hold", f"hold:{name}"), at=now)
    return Hold(name, source, purse, unit, amount, expires, "pending", 0)


def capture(db: Books, name: str, target: str, amount: int, *, at: int) -> Hold:
    """Takes `amount` of it, no more than is held, to `target`; the rest goes back.

    One whose time is over is timed out instead: look at the state.  Raises NotFound, and Conflict where another end
    came first or more is asked for than is held.
    """
    found = _pending(db, name, at, "captured", target)
    if found.hold.state == "captured" and found.hold.captured != amount:
        raise Conflict(f"{name} was captured with {found.hold.captured}", param="amount")
    if found.hold.state != "pending":
        return found.hold
    if not 0 <= amount <= found.hold.amount:
        raise Conflict(f"{name} holds {found.hold.amount}, not {amount}", param="amount")
    if found.unit != found.hold.unit:
        raise Conflict(f"{name} is in {found.hold.unit}, and {target} is not", param="unit")
    return _resolve(db, found, "captured", amount)


def void(db: Books, name: str, *, at: int) -> Hold:
    """Gives all of it back.  Raises NotFound, and Conflict where another end came first."""
    found = _pending(db, name, at, "voided")
    return _resolve(db, found, "voided") if found.hold.state == "pending" else found.hold


def time_out(db: Books, at: int, limit: int = 1000) -> int:
    """Gives back what nobody resolved in time; how many of them.  Call again while it is `limit`."""
    now = clock(db, at)
    rows = db.execute(
        "SELECT id FROM ledger_hold WHERE state = 'pending' AND expires > 0 AND expires <= ? ORDER BY expires LIMIT ?",
        (now, limit),
    ).fetchall()
    for (name,) in rows:
        _resolve(db, _found(db, name, now), "expired")
    return len(rows)


def overdue(db: Books, at: int) -> bool:
    """Whether there is anything for `time_out` to do."""
    row = db.execute(
        "SELECT 1 FROM ledger_hold WHERE state = 'pending' AND expires > 0 AND expires <= ? LIMIT 1", (clock(db, at),)
    ).fetchone()
    return row is not None


def get(db: Books, name: str) -> Hold:
    """Raises NotFound."""
    return _found(db, name, 0).hold


class _Found(NamedTuple):
    """A hold, the numbers of the accounts it is between, and when it is by the ledger's clock."""

    hold: Hold
    source: int
    aside: int
    sweeps: bool
    target: int
    unit: str
    now: int


def _found(db: Books, name: str, at: int, target: str = "") -> _Found:
    row = db.execute(
        "SELECT h.id, a.name, a.purse, a.unit, h.amount, h.expires, h.state, h.captured, a.id, x.id,"
        " a.ceiling IS NOT NULL, t.id, t.unit, (SELECT value FROM ledger_mark WHERE name = 'clock')"
        " FROM ledger_hold h JOIN ledger_account a ON a.id = h.source"
        " JOIN ledger_account x ON x.name = 'held:' || a.name LEFT JOIN ledger_account t ON t.name = ? WHERE h.id = ?",
        (target, name),
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no hold {name}")
    *told, source, aside, sweeps, number, unit, clock = row
    return _Found(Hold(*told), source, aside, bool(sweeps), number or 0, unit or "", max(at, clock or 0))


def _known(db: Books, name: str, source: str, amount: int) -> Hold:
    known = get(db, name)
    if (known.source, known.amount) != (source, amount):
        raise Conflict(f"{name} holds {known.amount} of {known.source}", param="id")
    return known


def _pending(db: Books, name: str, at: int, wanted: State, target: str = "") -> _Found:
    """A hold that can still be resolved, or that was as `wanted`, or that is timed out by now."""
    found = _found(db, name, at, target)
    if found.hold.state == "pending" and 0 < found.hold.expires <= found.now:
        return found._replace(hold=_resolve(db, found, "expired"))
    if found.hold.state not in {"pending", wanted}:
        raise Conflict(f"{name} is {found.hold.state} already", param="id")
    return found


def _resolve(db: Books, found: _Found, state: State, captured: int = 0) -> Hold:
    one, rest = found.hold, found.hold.amount - captured
    db.execute(
        "UPDATE ledger_hold SET state = ?, captured = ?, resolved_at = ? WHERE id = ? AND state = 'pending'",
        (state, captured, found.now, one.id),
    )
    back = "timeout" if state == "expired" else "release"
    legs = (
        Leg(found.aside, found.target, captured, "capture", f"capture:{one.id}"),
        Leg(found.aside, found.source, rest, back, f"release:{one.id}"),
    )
    enter(db, *[leg for leg in legs if leg.amount], at=found.now)
    if rest and found.sweeps:
        sweep(db, one.purse, ref=f"release:{one.id}", at=found.now)
    return Hold(one.id, one.source, one.purse, one.unit, one.amount, one.expires, state, captured)
