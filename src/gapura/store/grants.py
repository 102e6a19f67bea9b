"""Grants: made, added to, and ended, each step a transfer of the ledger.

What a grant gives comes out of its programme's wallet, which cannot go below zero, or from the operator where it is of
no programme.  What is left when it ends goes back there, at once, and later what gates give back; what they spend until
then is spent.  Each function with a `ref` does its work once, however often it is called with it.
"""

import hashlib
import socket
from collections.abc import Iterable, Iterator
from typing import Any

import apsw
import msgspec

from gapura.clock import SECOND
from gapura.errors import BadRequest, NotFound
from gapura.store import ledger
from gapura.store.base import Conflict, Shape
from gapura.store.ledger import Books, Standing
from gapura.store.ledger.pending import is_shared, relayed
from gapura.terms.grants import State, Terms

DAY = 86_400 * SECOND
EXPIRY_DAYS = (14, 7, 1)
SPENT_PERCENT = (50, 80, 100)

SHAPE = Shape(Terms)
SELECT = f"SELECT {SHAPE.columns}, ended FROM granted"  # noqa: S608 - column names of ours

_ENDED: dict[str, State] = {"void": "voided", "expire": "expired", "claw_back": "clawed_back"}


class Held(msgspec.Struct, frozen=True):
    """A grant, its state, and where its amount is: see `ledger.Standing`."""

    terms: Terms
    state: State
    standing: Standing


class Alert(msgspec.Struct, frozen=True):
    """Told once a grant: `what` is `spent:50`, `spent:80`, `spent:100`, `expires:14`, `expires:7`, `expires:1` (days),
    or `expired`."""

    grant: str
    account: str
    what: str
    at: int


def wallet(programme: str, unit: str) -> str:
    """The account of the ledger that pays for a programme's grants."""
    return f"wallet:{programme}:{unit}"


@relayed()
def fund(db: Books, programme: str, unit: str, amount: int, *, ref: str, at: int) -> int:
    """Puts `amount` into a programme's wallet, or takes -`amount` out; returns what is in it then.

    Raises Conflict where less is in it than would be taken.
    """
    name = ledger.open_account(db, "wallet", programme, unit, unit=unit)
    source = ledger.open_account(db, "operator", unit, unit=unit)
    has = ledger.balance(db, name)
    if not ledger.known(db, ref):
        if -amount > has:
            raise Conflict(f"the wallet of {programme} has {has} {unit}, not {-amount}", param="amount")
        if amount:
            debit, credit = (source, name) if amount > 0 else (name, source)
            ledger.post(db, debit, credit, abs(amount), "fund" if amount > 0 else "withdraw", ref=ref, at=at)
    return ledger.balance(db, name)


@relayed()
def create(db: Books, terms: Terms, amount: int, ref: str, at: int) -> Terms:
    """Makes a grant of `amount`; the terms as they are kept.  A ref that is known changes nothing and
    gives the grant as it is now.

    Raises BadRequest for terms that cannot be meant, Conflict where the programme's wallet does not have it.
    """
    if known := _funded(db, ref):
        return get(db, known).terms
    _check(terms, amount, at)
    if db.execute("SELECT 1 FROM granted WHERE id = ?", (terms.id,)).fetchone():
        raise Conflict(f"there is a grant {terms.id} already", param="id")
    terms = msgspec.structs.replace(terms, amount=amount, created_at=at)
    db.execute(
        f"INSERT INTO granted ({SHAPE.columns}, due_at) VALUES ({SHAPE.marks}, ?)",  # noqa: S608 - names of ours
        (*SHAPE.row(terms), _next(terms, at)),
    )
    left = ledger.open_purse(db, terms.purse, unit=terms.unit, funder=_funder(db, terms))
    _pay(db, terms, left, amount, "grant", ref, at)
    return terms


@relayed()
def top_up(db: Books, grant: str, amount: int, ref: str, at: int) -> Terms:
    """Adds to a grant that has not ended; the terms as they are then.  Raises NotFound, BadRequest, Conflict."""
    terms = get(db, grant).terms
    if ledger.known(db, ref):
        return terms
    if amount <= 0:
        raise BadRequest("a top-up adds at least 1", param="amount")
    _must_go_on(db, grant)
    _pay(db, terms, "left:" + terms.purse, amount, "top_up", ref, at)
    db.execute("UPDATE granted SET amount = amount + ? WHERE id = ?", (amount, grant))
    return get(db, grant).terms


@relayed()
def void(db: Books, grant: str, ref: str, at: int) -> Held:
    """Ends it at once, e.g. because it was made in error; what is left goes back.  Raises NotFound, Conflict."""
    return _end(db, grant, "void", ref, at)


@relayed()
def expire(db: Books, grant: str, ref: str, at: int) -> Held:
    """Ends it because its time is over."""
    return _end(db, grant, "expire", ref, at)


@relayed()
def claw_back(db: Books, grant: str, ref: str, at: int) -> Held:
    """Takes back what was got by fraud, as far as it is not spent."""
    return _end(db, grant, "claw_back", ref, at)


def get(db: Books, grant: str, at: int | None = None) -> Held:
    """One grant; `at`: now, to tell one that is not effective yet.  Raises NotFound."""
    row: Any = db.execute(f"{SELECT} WHERE id = ?", (grant,)).fetchone()
    if row is None:
        raise NotFound(f"there is no grant {grant}")
    return _held(db, row, at)


def of_account(db: Books, account: str, at: int, *, ended: bool = False) -> list[Held]:
    """An account's grants in the order in which they are used; with `ended` also those that are over."""
    rows = db.execute(f"{SELECT} WHERE account = ?", (account,)).fetchall()
    found = [_held(db, row, at) for row in rows if ended or not row[-1]]
    return sorted(found, key=lambda held: held.terms.order)


def current(db: Books, at: int) -> Iterator[Terms]:
    """The terms of every grant that has not ended, for gates; also of those that are not effective yet."""
    for row in db.execute(f"{SELECT} WHERE ended = '' AND (expires = 0 OR expires > ?) ORDER BY id", (at,)):
        yield SHAPE.struct(row[:-1])


def due(db: Books, at: int, limit: int = 1000) -> tuple[list[str], list[Alert]]:
    """What time has brought: which grants are over and were ended, and what is to be told of them and of those nearly
    so, each once.

    The caller hands the alerts on in the same transaction.  As many as `limit` grants: call again while it gives some.
    """
    rows = db.execute(f"{SELECT} WHERE due_at > 0 AND due_at <= ? ORDER BY due_at LIMIT ?", (at, limit)).fetchall()
    over: list[str] = []
    told: list[Alert] = []
    for row in rows:
        terms: Terms = SHAPE.struct(row[:-1])
        for days in EXPIRY_DAYS:
            if terms.created_at < terms.expires - days * DAY <= at and terms.expires > at:
                told += _tell(db, terms, f"expires:{days}", at)
        if terms.expires <= at:
            expire(db, terms.id, f"expire:{terms.id}", at)
            over.append(terms.id)
            told += _tell(db, terms, "expired", at)
        db.execute("UPDATE granted SET due_at = ? WHERE id = ?", (_next(terms, at), terms.id))
    return over, told


def spent(db: Books, at: int, limit: int = 10_000) -> list[Alert]:
    """Who has used up how much since this was asked last: each share of SPENT_PERCENT is told once a grant.

    Looks at `limit` transfers; call again while `behind`.  Of a ledger that is elsewhere: `used_up`, then `note`.
    """
    return [] if is_shared(db) else note(db, *used_up(db, ledger.mark(db, "alerts"), limit=limit), at)


def used_up(books: Books, after: int, until: int = 2**62, limit: int = 10_000) -> tuple[int, list[tuple[str, str]]]:
    """What the transfers behind `after`, up to `until`, have brought: the last one looked at (0: there is none), and
    which grants have used up which share, whenever that was."""
    newest: Any = books.execute(
        "SELECT coalesce(max(id), 0) FROM"
        " (SELECT id FROM transfer WHERE id > ? AND id <= ? ORDER BY id LIMIT ?) AS fresh",
        (after, until, limit),
    ).fetchone()
    rows = books.execute(
        "SELECT DISTINCT a.purse FROM transfer t JOIN ledger_account a ON a.id = t.credit"
        " WHERE t.id > ? AND t.id <= ? AND a.kind = 'spent' AND a.purse LIKE 'gr:%' ORDER BY a.purse",
        (after, newest[0]),
    ).fetchall()
    found = [get(books, str(purse).removeprefix("gr:")) for (purse,) in rows]
    return int(newest[0]), [
        (held.terms.id, f"spent:{percent}")
        for held in found
        for percent in SPENT_PERCENT
        if held.standing.spent * 100 >= held.terms.amount * percent
    ]


def note(db: Books, newest: int, used: Iterable[tuple[str, str]], at: int) -> list[Alert]:
    """What of `used_up` is to be told now, of grants that are known here; it is not looked at again."""
    told: list[Alert] = []
    for grant, what in used:
        row: Any = db.execute(f"{SELECT} WHERE id = ?", (grant,)).fetchone()
        if row is not None:
            told += _tell(db, SHAPE.struct(row[:-1]), what, at)
    ledger.set_mark(db, "alerts", newest)
    return told


def behind(db: Books) -> bool:
    """Whether there are transfers that `spent` has not looked at."""
    row: Any = db.execute("SELECT coalesce(max(id), 0) FROM transfer").fetchone()
    return not is_shared(db) and int(row[0]) > ledger.mark(db, "alerts")


@relayed(instead=lambda: None)
def claim(db: Books, grant: str, what: str, teller: str, at: int) -> None:
    """Of gateways that share a ledger the first to claim an alert is the one to tell it."""
    db.execute(
        "INSERT INTO grant_alert (grant_id, what, at, teller) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (grant, what, at, teller),
    )


def claimed_by(books: Books, alert: Alert) -> str:
    """Who tells it; "" where the claims are not posted yet."""
    row: Any = books.execute(
        "SELECT teller FROM grant_alert WHERE grant_id = ? AND what = ?", (alert.grant, alert.what)
    ).fetchone()
    return str(row[0]) if row else ""


def untold(db: Books, limit: int = 1000) -> list[Alert]:
    """Alerts that were claimed, oldest first, as long as nobody has looked by whom."""
    rows = db.execute(
        "SELECT g.id, g.account, a.what, a.at FROM grant_alert a JOIN granted g ON g.id = a.grant_id"
        " WHERE a.told = 0 ORDER BY a.at, a.grant_id, a.what LIMIT ?",
        (limit,),
    )
    return [Alert(*row) for row in rows]


def settle(db: Books, alert: Alert) -> bool:
    """It is known who tells it; False where it was before."""
    row = db.execute(
        "UPDATE grant_alert SET told = 1 WHERE grant_id = ? AND what = ? AND told = 0 RETURNING what",
        (alert.grant, alert.what),
    ).fetchone()
    return row is not None


def teller(db: apsw.Connection) -> str:
    """This store among those that share a ledger, also where one was begun with the backup of another."""
    return hashlib.sha256(f"{socket.gethostname()}\n{db.filename}".encode()).hexdigest()[:32]


def alerts(db: Books, grant: str) -> list[Alert]:
    """What was told of a grant, oldest first."""
    rows = db.execute(
        "SELECT g.id, g.account, a.what, a.at FROM grant_alert a JOIN granted g ON g.id = a.grant_id"
        " WHERE a.grant_id = ? ORDER BY a.at, a.what",
        (grant,),
    )
    return [Alert(*row) for row in rows]


def _end(db: Books, grant: str, how: str, ref: str, at: int) -> Held:
    terms = get(db, grant).terms
    row: Any = db.execute("SELECT ended FROM granted WHERE id = ?", (grant,)).fetchone()
    if row[0] != how:
        _must_go_on(db, grant)
        db.execute("UPDATE granted SET ended = ?, ended_at = ?, due_at = 0 WHERE id = ?", (how, at, grant))
        db.execute("UPDATE ledger_account SET ceiling = 0, sweep = ? WHERE name = ?", (how, "left:" + terms.purse))
        ledger.sweep(db, terms.purse, ref=ref, at=at)
    return get(db, grant)


def _must_go_on(db: Books, grant: str) -> None:
    row: Any = db.execute("SELECT ended FROM granted WHERE id = ?", (grant,)).fetchone()
    if row[0]:
        raise Conflict(f"grant {grant} is {_ENDED[row[0]]} already", param="grant")


def _check(terms: Terms, amount: int, at: int) -> None:
    if not 0 < amount < 2**62:
        raise BadRequest("the amount of a grant is at least 1", param="amount")
    if not 0 <= terms.priority <= 255:  # noqa: PLR2004 - what the schema says
        raise BadRequest("priority is 0 to 255, 0 first", param="priority")
    if terms.expires and terms.expires <= max(terms.effective, at):
        raise BadRequest("the grant would be over before it begins", param="expires")


def _funder(db: Books, terms: Terms) -> str:
    if terms.programme:
        return ledger.open_account(db, "wallet", terms.programme, terms.unit, unit=terms.unit)
    return ledger.open_account(db, "operator", terms.unit, unit=terms.unit)


def _pay(db: Books, terms: Terms, left: str, amount: int, kind: str, ref: str, at: int) -> None:  # noqa: PLR0913, PLR0917 - a transfer, and for what
    funder = _funder(db, terms)
    if terms.programme and (has := ledger.balance(db, funder)) < amount:
        raise Conflict(f"the wallet of {terms.programme} has {has} {terms.unit}, not {amount}", param="amount")
    ledger.post(db, funder, left, amount, kind, ref=ref, at=at)


def _funded(db: Books, ref: str) -> str:
    """The grant that was paid for under this ref."""
    row: Any = db.execute(
        "SELECT a.purse FROM transfer t JOIN ledger_account a ON a.id = t.credit WHERE t.ref = ?", (ref,)
    ).fetchone()
    return str(row[0]).removeprefix("gr:") if row else ""


def _next(terms: Terms, at: int) -> int:
    """When time alone changes something of it next; 0: never."""
    if not terms.expires:
        return 0
    times = [terms.expires - days * DAY for days in EXPIRY_DAYS] + [terms.expires]
    return next((time for time in times if time > at), 0)


def _held(db: Books, row: Any, at: int | None) -> Held:
    terms: Terms = SHAPE.struct(row[:-1])
    standing = ledger.standing(db, terms.purse)
    state: State = "active"
    if row[-1]:
        state = _ENDED[row[-1]]
    elif standing.spent + standing.unreconciled >= terms.amount:
        state = "exhausted"
    elif at is not None and at < terms.effective:
        state = "pending"
    return Held(terms, state, standing)


def _tell(db: Books, terms: Terms, what: str, at: int) -> list[Alert]:
    """[] where it was told before, or somebody else may tell it."""
    new = db.execute(
        "INSERT INTO grant_alert (grant_id, what, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING what",
        (terms.id, what, at),
    ).fetchone()
    if new and isinstance(db, apsw.Connection) and is_shared(db):
        db.execute("UPDATE grant_alert SET told = 0 WHERE grant_id = ? AND what = ?", (terms.id, what))
        claim(db, terms.id, what, teller(db), at)
        return []
    return [Alert(terms.id, terms.account, what, at)] if new else []
