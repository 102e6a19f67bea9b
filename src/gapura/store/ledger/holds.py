"""Two-phase transfers: an amount is set aside under an id that the caller chose, and later captured in part or whole,
voided, or timed out by the ledger's clock.  Whichever comes first is what became of it; the rest goes back.

    <source> ──hold──► held:<source> ──capture──► <target>
        ◄──release (capture of less, void), timeout──
"""

from typing import Literal

import msgspec

from gapura.errors import NotFound
from gapura.store.base import Conflict
from gapura.store.ledger.books import Books, balance, clock, open_account, post
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
    if known := find(db, name):
        if (known.source, known.amount) != (source, amount):
            raise Conflict(f"{name} holds {known.amount} of {known.source}", param="id")
        return known
    row = db.execute("SELECT id, unit, purse, balance FROM ledger_account WHERE name = ?", (source,)).fetchone()
    if row is None:
        raise NotFound(f"the ledger has no account {source}")
    number, unit, purse, has = row
    if has < amount:
        raise Conflict(f"{source} has {has}, not {amount}", param="amount")
    aside = open_account(db, "held", source, unit=unit, purse=purse)
    db.execute(
        "INSERT INTO ledger_hold (id, source, amount, expires, at) VALUES (?, ?, ?, ?, ?)",
        (name, number, amount, expires, clock(db, at)),
    )
    post(db, source, aside, amount, "hold", ref=f"hold:{name}", at=at)
    return Hold(name, source, purse, unit, amount, expires, "pending", 0)


def capture(db: Books, name: str, target: str, amount: int, *, at: int) -> Hold:
    """Takes `amount` of it, no more than is held, to `target`; the rest goes back.

    One whose time is over is timed out instead: look at the state.  Raises NotFound, and Conflict where another end
    came first or more is asked for than is held.
    """
    found = _pending(db, name, at, "captured")
    if found.state == "captured" and found.captured != amount:
        raise Conflict(f"{name} was captured with {found.captured}", param="amount")
    if found.state != "pending":
        return found
    if not 0 <= amount <= found.amount:
        raise Conflict(f"{name} holds {found.amount}, not {amount}", param="amount")
    if amount:
        post(db, f"held:{found.source}", target, amount, "capture", ref=f"capture:{name}", at=at)
    return _resolve(db, found, "captured", amount, at)


def void(db: Books, name: str, *, at: int) -> Hold:
    """Gives all of it back.  Raises NotFound, and Conflict where another end came first."""
    found = _pending(db, name, at, "voided")
    return _resolve(db, found, "voided", 0, at) if found.state == "pending" else found


def time_out(db: Books, at: int, limit: int = 1000) -> int:
    """Gives back what nobody resolved in time; how many of them.  Call again while it is `limit`."""
    now = clock(db, at)
    rows = db.execute(
        "SELECT id FROM ledger_hold WHERE state = 'pending' AND expires > 0 AND expires <= ? ORDER BY expires LIMIT ?",
        (now, limit),
    ).fetchall()
    for (name,) in rows:
        _resolve(db, get(db, name), "expired", 0, now)
    return len(rows)


def overdue(db: Books, at: int) -> bool:
    """Whether there is anything for `time_out` to do."""
    row = db.execute(
        "SELECT 1 FROM ledger_hold WHERE state = 'pending' AND expires > 0 AND expires <= ? LIMIT 1", (clock(db, at),)
    ).fetchone()
    return row is not None


def get(db: Books, name: str) -> Hold:
    """Raises NotFound."""
    if found := find(db, name):
        return found
    raise NotFound(f"there is no hold {name}")


def find(db: Books, name: str) -> Hold | None:
    """None where there is no such hold."""
    row = db.execute(
        "SELECT h.id, a.name, a.purse, a.unit, h.amount, h.expires, h.state, h.captured FROM ledger_hold h"
        " JOIN ledger_account a ON a.id = h.source WHERE h.id = ?",
        (name,),
    ).fetchone()
    return Hold(*row) if row else None


def _pending(db: Books, name: str, at: int, wanted: State) -> Hold:
    """A hold that can still be resolved, or that was as `wanted`, or that is timed out by now."""
    found = get(db, name)
    if found.state == "pending" and 0 < found.expires <= clock(db, at):
        return _resolve(db, found, "expired", 0, at)
    if found.state not in {"pending", wanted}:
        raise Conflict(f"{name} is {found.state} already", param="id")
    return found


def _resolve(db: Books, found: Hold, state: State, captured: int, at: int) -> Hold:
    db.execute(
        "UPDATE ledger_hold SET state = ?, captured = ?, resolved_at = ? WHERE id = ? AND state = 'pending'",
        (state, captured, clock(db, at), found.id),
    )
    if rest := found.amount - captured:
        ref, kind = f"release:{found.id}", "timeout" if state == "expired" else "release"
        post(
            db,
            f"held:{found.source}",
            found.source,
            min(rest, balance(db, f"held:{found.source}")),
            kind,
            ref=ref,
            at=at,
        )
        sweep(db, found.purse, ref=ref, at=at)
    return Hold(found.id, found.source, found.purse, found.unit, found.amount, found.expires, state, captured)
