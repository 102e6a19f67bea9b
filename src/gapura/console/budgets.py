"""What organisations, accounts and keys may use in all, a day, a month or a minute."""

from typing import Annotated

import msgspec
from msgspec import Meta

from gapura.console.operations import Call, Intent, Operation, Page
from gapura.store import accounts, budgets
from gapura.store.base import Connection
from gapura.store.budgets import Spending, Wanted
from gapura.store.ledger import Books
from gapura.terms.budgets import Budget
from gapura.terms.caller import Account


class NewBudget(Wanted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A budget, and why."""

    reason: Annotated[str, Meta(max_length=500)] = ""


class BudgetSet(Budget, frozen=True, kw_only=True):
    """A budget as it is now.  `unpriced`: targets of routes that it lets nothing through to, because they have no price
    in its currency."""

    unpriced: tuple[str, ...] = ()


class Budgets(msgspec.Struct, frozen=True):
    """`next` "": this is the last page."""

    items: list[Budget]
    next: str


class Shown(msgspec.Struct, frozen=True):
    """A budget, and its windows, newest first; a minute's are not kept."""

    budget: Budget
    windows: list[Spending]


class Why(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: str = ""


async def list_(call: Call, query: Page) -> Budgets:
    """Budgets, oldest first, a page at a time."""
    found = await call.read(lambda db: budgets.page(db, call.who.scope, query.after, query.limit))
    return Budgets(found, found[-1].id if len(found) == query.limit else "")


async def show(call: Call, budget: str) -> Shown:
    """One budget, and what of each window is granted, left, lent to gates, spent and unreconciled."""

    def work(db: Connection, books: Books) -> Shown:
        found = budgets.get(db, call.who.scope, budget)
        return Shown(found, budgets.spendings(books, found))

    return await call.read_both(work)


async def set_(call: Call, body: NewBudget) -> BudgetSet:
    """States a budget: made where there is none of this scope, window and unit, else its amount and zone change.

    Every gate knows within a second.  A lower amount takes what is left at once, and the rest as gates give it back.
    """
    wanted, at = Wanted(**{name: getattr(body, name) for name in Wanted.__struct_fields__}), call.context.store.clock()
    subject = wanted.key or wanted.account or wanted.organisation or "organisation"
    done = await call.change(
        Intent("budget.set", subject, body.reason),
        lambda db: budgets.put(db, call.who.scope, wanted, at),
        Budget,
        lambda done: tell(call, done),
    )
    return BudgetSet(**msgspec.structs.asdict(done), unpriced=unpriced(call, done))


async def remove(call: Call, budget: str, body: Why) -> Budget:
    """From now on nothing counts against it, and nobody is refused because of it."""
    at = call.context.store.clock()
    return await call.change(
        Intent("budget.remove", budget, body.reason),
        lambda db: budgets.remove(db, call.who.scope, budget, at),
        Budget,
        lambda done: tell(call, done),
    )


def unpriced(call: Call, budget: Budget) -> tuple[str, ...]:
    """Targets of routes that have no price in its currency."""
    if not budget.in_money:
        return ()
    rules, at = call.context.rules(), call.context.store.clock()
    named = {target for route in rules.book.routes.values() for target in route.targets}
    about = [one for one in named if budget.applies(budget.key, one.model)]
    known = {
        one
        for one in about
        if (price := rules.prices.of(one.provider, one.model, at)) and price.currency == budget.unit
    }
    return tuple(sorted(str(one) for one in about if one not in known))


def tell(call: Call, budget: Budget) -> None:
    """The gates, of all accounts that the budget is about; and what they have of it comes back."""

    def concerned(db: Connection) -> dict[str, Account]:
        return {name: accounts.get(db, None, name) for name in budgets.concerned(db, budget)}

    call.context.publish({}, call.context.store.read(concerned))
    call.context.recall(budget.purse(call.context.store.clock()))


OPERATIONS = (
    Operation("GET", "/budgets", ("account.read",), list_),
    Operation("POST", "/budgets", ("account.write",), set_),
    Operation("GET", "/budgets/{budget}", ("account.read",), show),
    Operation("POST", "/budgets/{budget}/remove", ("account.write",), remove),
)
