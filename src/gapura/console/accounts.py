"""The operator's customers: read, stated anew one by one or as a table, warned, suspended and reinstated."""

import asyncio
from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta

from gapura.atlas.territories import CODES
from gapura.console.operations import Call, Intent, Operation, Page
from gapura.console.problems import Invalid
from gapura.errors import BadRequest, NotFound
from gapura.shapes import no_zone
from gapura.store import accounts, budgets, keys, ledger
from gapura.store.accounts import Plan, Row, Stated
from gapura.store.base import Connection
from gapura.store.ledger import Standing
from gapura.terms import ids
from gapura.terms.caller import Account, Key, Status


class Filter(Page, forbid_unknown_fields=True):
    """With `external_id`: that account alone, of `organisation` (default: the caller's own, or `default`)."""

    external_id: str = ""
    organisation: str = ""


class Accounts(msgspec.Struct, frozen=True):
    """`next` "": this is the last page."""

    items: list[Account]
    next: str


class Import(msgspec.Struct, frozen=True):
    """What was done, or with `dry_run` would be: numbers, and the accounts as they are afterwards."""

    dry_run: bool
    created: int
    updated: int
    unchanged: int
    accounts: list[Account]


class Trial(msgspec.Struct, forbid_unknown_fields=True):
    """`dry_run`: checks everything, says what would happen, and changes nothing."""

    dry_run: bool = False


class NewStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`reason` is needed where an account is suspended."""

    status: Status
    reason: str = ""


class Moved(msgspec.Struct, frozen=True):
    """`keys` are those that the account could use before, or can use now."""

    dry_run: bool
    before: Status
    account: Account
    keys: list[Key]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is absent stays.  0 (limits) and -1 (budget): none."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    budget: int | None = None
    reason: str = ""


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`amount` tokens at the most, and why: they might have been spent."""

    amount: Annotated[int, Meta(ge=1)]
    reason: Annotated[str, Meta(min_length=1)]


async def list_(call: Call, query: Filter) -> Accounts:
    """Accounts, oldest first, a page at a time."""
    if query.external_id:
        return Accounts(await call.read(lambda db: _named(db, call, query)), "")
    found = await call.read(lambda db: accounts.page(db, call.who.scope, query.after, query.limit))
    return Accounts(found, found[-1].id if len(found) == query.limit else "")


async def show(call: Call, account: str) -> Account:
    """One account."""
    return await call.read(lambda db: accounts.get(db, call.who.scope, account))


async def upsert(call: Call, query: Trial, body: Stated) -> Import:
    """States one account: made where (organisation, external_id) is new, changed otherwise; what is absent stays."""
    return await _state(call, [Row("account", body)], "1 account", dry_run=query.dry_run)


async def import_(call: Call, query: Trial, body: bytes) -> Import:
    """States a table of accounts (CSV), all rows or none."""
    rows = accounts.from_csv(body)
    return await _state(call, rows, f"{len(rows)} accounts", dry_run=query.dry_run)


async def set_status(call: Call, account: str, query: Trial, body: NewStatus) -> Moved:
    """Warns, suspends or reinstates an account; every gate knows within a second."""
    if body.status == "suspended" and not body.reason.strip():
        raise Invalid("reason is missing: whoever is shut out is owed one", param="reason")
    before = await call.read(lambda db: accounts.get(db, call.who.scope, account))
    usable = await call.read(lambda db: keys.page(db, call.who.scope, account, limit=1000))
    after = await call.change(
        Intent("account.status", account, body.reason, query.dry_run),
        lambda db: accounts.set_status(db, call.who.scope, account, body.status),
        Account,
        lambda done: call.context.publish({}, {done.id: done}),
    )
    return Moved(query.dry_run, before.status, after, [key for key in usable if not key.revoked])


async def set_limits(call: Call, account: str, body: Limits) -> Account:
    """Sets requests and tokens a minute, and the budget."""

    def work(db: Connection) -> Account:
        done = accounts.set_limits(
            db,
            call.who.scope,
            account,
            requests_per_minute=body.requests_per_minute,
            tokens_per_minute=body.tokens_per_minute,
            budget=body.budget,
        )
        _grant(db, [done], call.context.store.clock())
        return done

    def tell(done: Account) -> None:
        call.context.publish({}, {done.id: done})
        call.context.recall(_purse(done.id))

    return await call.change(Intent("account.limits", account, body.reason), work, Account, tell)


async def tokens(call: Call, account: str) -> Standing:
    """The account's budget: what is granted, left, lent to gates, spent and unreconciled."""

    await call.read(lambda db: accounts.get(db, call.who.scope, account))
    return await asyncio.to_thread(call.context.books.read, lambda db: ledger.standing(db, _purse(account)))


async def reconcile(call: Call, account: str, body: Release) -> Standing:
    """Gives back to the budget what was set aside when the power went out, once it is known to be unspent."""
    at = call.context.store.clock()

    def work(db: Connection) -> Standing:
        accounts.get(db, call.who.scope, account)
        ledger.reconcile(db, _purse(account), body.amount, ref=ids.new("chg", at), at=at)
        return ledger.standing(db, _purse(account))

    return await call.change(Intent("account.reconcile", account, body.reason), work, Standing)


async def _state(call: Call, rows: list[Row], subject: str, *, dry_run: bool) -> Import:
    for row in rows:
        _check(row)
    scope, at = call.who.scope, call.context.store.clock()

    def work(db: Connection) -> Plan:
        done = accounts.upsert(db, scope, rows, at)
        organisations = budgets.limited(db) if done.created else set()
        budgets.tell(db, [one.id for one in done.created if one.organisation in organisations])
        _grant(db, [*done.created, *done.updated], at)
        return done

    plan = await call.change(
        Intent("account.upsert", subject, rehearsal=dry_run),
        work,
        Plan,
        lambda done: call.context.publish({}, {account.id: account for account in done.created + done.updated}),
    )
    return Import(dry_run, **plan.counts(), accounts=[*plan.created, *plan.updated])


def _check(row: Row) -> None:
    """Letters go by the zone, and policies by the place: a slip would be nobody's mistake until the day."""
    said = row.stated
    if said.zone is not UNSET and (problem := no_zone(said.zone)):
        raise BadRequest(f"{row.where}, zone: {problem}", param=f"{row.where}.zone")
    places = {"declared_territory": said.declared_territory, "phone_territory": said.phone_territory}
    for name, code in places.items():
        if code is not UNSET and code and code not in CODES:
            raise BadRequest(f"{row.where}, {name}: there is no territory {code}", param=f"{row.where}.{name}")


def _named(db: Connection, call: Call, query: Filter) -> list[Account]:
    organisation = query.organisation or call.who.scope or accounts.DEFAULT_ORGANISATION
    try:
        return [accounts.by_external_id(db, call.who.scope, organisation, query.external_id)]
    except NotFound:
        return []


def _purse(account: str) -> str:
    return "tok:" + account


def _grant(db: Connection, changed: Iterable[Account], at: int) -> None:
    """The ledger follows the directory, in the same transaction."""
    for account in changed:
        if account.budget >= 0 or ledger.standing(db, _purse(account.id)).granted:
            ledger.set_budget(db, _purse(account.id), account.budget, ref=ids.new("chg", at), at=at)


OPERATIONS = (
    Operation("GET", "/accounts", ("account.read",), list_),
    Operation("POST", "/accounts", ("account.write",), upsert),
    Operation("POST", "/accounts/import", ("account.write",), import_),
    Operation("GET", "/accounts/{account}", ("account.read",), show),
    Operation("GET", "/accounts/{account}/tokens", ("account.read",), tokens),
    Operation("POST", "/accounts/{account}/tokens/reconcile", ("account.write",), reconcile),
    Operation("POST", "/accounts/{account}/status", ("account.status",), set_status),
    Operation("PATCH", "/accounts/{account}/limits", ("account.write",), set_limits),
)
