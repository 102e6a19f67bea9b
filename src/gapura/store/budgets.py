"""Budgets, and what gates have to know of them and of grants.

A window's purse is made when a gate first borrows from it, so an unused budget costs nothing, whatever its windows.
What gates know stands at the account (`Account.budgets`, `Account.grants`) and reaches them with it: whoever changes
anything here, or a grant, calls `tell` in the same transaction and publishes those accounts afterwards.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gapura.clock import SECOND
from gapura.errors import BadRequest, NotFound
from gapura.shapes import no_zone, shaped
from gapura.store import accounts, grants, keys, ledger
from gapura.store.base import Connection, Scope, Shape
from gapura.store.ledger import Books, Standing
from gapura.terms import ids
from gapura.terms.budgets import REQUESTS, TOKENS, Budget, Window, span

SHAPE = Shape(Budget)
SELECT = f"SELECT {SHAPE.columns} FROM budget"  # noqa: S608 - names of ours

# Gates' clocks may differ from ours, and a request may wait: how far from now a window may be that they borrow from.
SLACK = 3600 * SECOND

_json = msgspec.json.Encoder()

Named = Annotated[str, Meta(max_length=200)]


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A budget as somebody states it.  Its scope (organisation, account, key, models), window and unit say which one
    it is: stated again, its amount and zone change.  `account` and `key` are ids; with one of them the organisation is
    that of the account.  `amount`: tokens, requests, or billionths of the currency that `unit` names."""

    amount: Annotated[int, Meta(ge=0, lt=2**62)]
    unit: Annotated[str, shaped(r"^(tokens|requests|[A-Z]{3})\Z", "tokens, requests, or a currency as USD")] = TOKENS
    window: Window = "total"
    zone: Named = "UTC"
    organisation: Named = ""
    account: Named = ""
    key: Named = ""
    models: tuple[Named, ...] = ()


class Spending(msgspec.Struct, frozen=True):
    """One window of a budget: when it began (UTC microseconds), when it ends (0: never), and where its amount is."""

    starts: int
    ends: int
    standing: Standing


def put(db: Connection, scope: Scope, wanted: Wanted, at: int) -> Budget:
    """Makes a budget, or changes the one that this is.  Raises BadRequest, NotFound."""
    _check(wanted)
    organisation, account = _owner(db, scope, wanted)
    said = msgspec.structs.asdict(wanted) | {"organisation": organisation, "account": account}
    made = Budget(id=ids.new("bud", at), created_at=at, **said)
    known = next((one for one in _of(db, organisation) if _which(one) == _which(made)), None)
    if known is None:
        db.execute(f"INSERT INTO budget ({SHAPE.columns}) VALUES ({SHAPE.marks})", SHAPE.row(made))  # noqa: S608 - names of ours
    else:
        made = msgspec.structs.replace(known, amount=wanted.amount, zone=wanted.zone)
        db.execute("UPDATE budget SET amount = ?, zone = ? WHERE id = ?", (made.amount, made.zone, made.id))
        for purse in _purses(db, made.id):
            if _is_current(made, purse, at):
                ref = ids.new("chg", at)
                ledger.set_budget(db, purse, made.amount, ref=ref, at=at, unit=made.unit)
    tell(db, concerned(db, made))
    return made


def remove(db: Connection, scope: Scope, budget: str, at: int) -> Budget:
    """From now on nothing counts against it.  Raises NotFound."""
    found = get(db, scope, budget)
    db.execute("UPDATE budget SET removed_at = ? WHERE id = ?", (at, budget))
    tell(db, concerned(db, found))
    return found


def get(db: Connection, scope: Scope, budget: str) -> Budget:
    """Raises NotFound, also for one that was removed."""
    row = db.execute(
        f"{SELECT} WHERE id = ?1 AND removed_at = 0 AND (?2 IS NULL OR organisation = ?2)", (budget, scope)
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no budget {budget}")
    return SHAPE.struct(row)


def page(db: Connection, scope: Scope, after: str = "", limit: int = 100) -> list[Budget]:
    """Budgets behind the id `after`, oldest first."""
    rows = db.execute(
        f"{SELECT} WHERE removed_at = 0 AND id > ?1 AND (?2 IS NULL OR organisation = ?2) ORDER BY id LIMIT ?3",
        (after, scope, limit),
    )
    return [SHAPE.struct(row) for row in rows]


def spendings(books: Books, budget: Budget, limit: int = 100) -> list[Spending]:
    """Its windows, newest first; a minute's are in no ledger."""
    starts = sorted((_start(purse) for purse in _purses(books, budget.id)), reverse=True)[:limit]
    return [
        Spending(
            start, span(budget.window, budget.zone, start).ends, ledger.standing(books, f"bud:{budget.id}:{start}")
        )
        for start in starts
    ]


def open_window(db: Connection, purse: str, at: int) -> int | None:
    """Before a gate borrows from a window: makes its purse where it is not there yet.  When the window ends (UTC
    microseconds, 0: never); None where nothing is to be had of it, since it is not now, or the budget is gone."""
    budget = _now(db, purse, at)
    if budget is None:
        return None
    if not ledger.balance(db, f"left:{purse}") and not ledger.standing(db, purse).granted:
        ledger.set_budget(db, purse, budget.amount, ref=f"open:{purse}", at=at, unit=budget.unit)
    return span(budget.window, budget.zone, _start(purse)).ends


def is_open(db: Connection, purse: str, at: int) -> bool:
    """Whether gates may have to do with this window now."""
    return _now(db, purse, at) is not None


def concerned(db: Connection, budget: Budget) -> list[str]:
    """The accounts that gates see this budget at."""
    if budget.account:
        return [budget.account]
    rows = db.execute("SELECT id FROM account WHERE organisation = ? ORDER BY id", (budget.organisation,))
    return [str(name) for (name,) in rows]


def tell(db: Connection, names: Iterable[str]) -> None:
    """Writes to these accounts what gates have to know: their budgets, and in order those grants that are not over."""
    of: dict[str, list[Budget]] = {}
    for name in names:
        account = accounts.get(db, None, name)
        listed = of.setdefault(account.organisation, list(_of(db, account.organisation)))
        apply = [one for one in listed if one.account in {"", name}]
        held = [one.terms for one in grants.of_account(db, name, 0) if one.state in {"active", "pending"}]
        if (tuple(apply), tuple(held)) != (account.budgets, account.grants):
            told = (_json.encode(apply).decode(), _json.encode(held).decode(), name)
            db.execute("UPDATE account SET budgets = ?, grants = ? WHERE id = ?", told)


def limited(db: Connection) -> set[str]:
    """The organisations that have a budget as such: also their new accounts have to be told."""
    return {str(name) for (name,) in db.execute("SELECT DISTINCT organisation FROM budget WHERE removed_at = 0")}


def _check(wanted: Wanted) -> None:
    if wanted.unit == REQUESTS and wanted.window != "minute":
        raise BadRequest(
            "requests are limited by the minute; for a day or a month, state tokens or money", param="unit"
        )
    if wanted.window == "minute" and wanted.unit not in {REQUESTS, TOKENS}:
        raise BadRequest("by the minute, requests or tokens are limited, not money", param="unit")
    if problem := no_zone(wanted.zone):
        raise BadRequest(problem, param="zone")


def _owner(db: Connection, scope: Scope, wanted: Wanted) -> tuple[str, str]:
    """Organisation and account of what is stated."""
    name = wanted.account
    if wanted.key:
        of = keys.get(db, scope, wanted.key).account_id
        if name not in {"", of}:
            raise BadRequest(f"{wanted.key} is no key of {name}", param="key")
        name = of
    if not name:
        organisation = wanted.organisation or scope or accounts.DEFAULT_ORGANISATION
        if scope not in {None, organisation}:
            raise NotFound(f"there is no organisation {organisation}")
        return organisation, ""
    account = accounts.get(db, scope, name)
    if wanted.organisation not in {"", account.organisation}:
        raise BadRequest(f"{name} is of another organisation, {account.organisation}", param="organisation")
    return account.organisation, account.id


def _of(db: Connection, organisation: str) -> Iterator[Budget]:
    rows = db.execute(f"{SELECT} WHERE removed_at = 0 AND organisation = ? ORDER BY id", (organisation,))
    return map(SHAPE.struct, rows)


def _which(one: Budget) -> tuple[Any, ...]:
    return one.organisation, one.account, one.key, frozenset(one.models), one.window, one.unit


def _now(db: Connection, purse: str, at: int) -> Budget | None:
    """The budget of a purse whose window is now."""
    row = db.execute(f"{SELECT} WHERE id = ? AND removed_at = 0", (purse.split(":")[1],)).fetchone()
    budget = SHAPE.struct(row) if row else None
    return budget if budget and _is_current(budget, purse, at) else None


def _purses(books: Books, budget: str) -> list[str]:
    rows = books.execute(
        "SELECT purse FROM ledger_account WHERE purse > ? AND purse < ? AND kind = 'left'",
        (f"bud:{budget}:", f"bud:{budget};"),
    )
    return [str(purse) for (purse,) in rows]


def _start(purse: str) -> int:
    return int(purse.rpartition(":")[2])


def _is_current(budget: Budget, purse: str, at: int) -> bool:
    """Whether the purse is of a window that is now, or is about to be."""
    about = (at - SLACK, at, at + SLACK)
    return _start(purse) in {span(budget.window, budget.zone, moment).starts for moment in about}
