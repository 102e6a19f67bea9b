"""Budgets as they are stated, told to accounts, and opened window by window."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from gapura.clock import SECOND, TurnableClock, instant
from gapura.errors import BadRequest, NotFound
from gapura.store import accounts, budgets, grants, keys, ledger
from gapura.store.accounts import Row, Stated
from gapura.store.base import Connection
from gapura.store.budgets import Wanted
from gapura.store.sqlite import Store
from gapura.terms.budgets import Budget
from gapura.terms.caller import Account
from gapura.terms.grants import Terms

Do = Callable[[Callable[[Connection], Any]], Any]


@pytest.fixture
def do(store: Store) -> Do:
    return lambda work: store.write(work).result()


def account(do: Do, name: str = "acme", organisation: str = "org") -> str:
    row = Row("test", Stated(external_id=name, organisation=organisation))
    found: str = do(lambda db: accounts.upsert(db, None, [row], 1)).created[0].id
    return found


def put(do: Do, clock: TurnableClock, scope: str | None = None, **said: Any) -> Budget:
    made: Budget = do(lambda db: budgets.put(db, scope, Wanted(**said), clock()))
    return made


def seen(do: Do, name: str) -> Account:
    found: Account = do(lambda db: accounts.get(db, None, name))
    return found


def test_a_budget_is_known_by_its_scope_and_reaches_who_it_is_about(do: Do, clock: TurnableClock) -> None:
    acme, globex, other = account(do), account(do, "globex"), account(do, "other", "elsewhere")
    of_all = put(do, clock, amount=100, window="day", organisation="org")
    own = put(do, clock, amount=10, account=acme, models=("glm-*", "qwen-*"))
    again = put(do, clock, amount=20, account=acme, models=("qwen-*", "glm-*"), zone="Asia/Shanghai")
    assert (again.id, again.amount, again.zone, again.organisation) == (own.id, 20, "Asia/Shanghai", "org")
    assert put(do, clock, amount=5, account=acme).id != own.id
    assert sorted(one.amount for one in seen(do, acme).budgets) == [5, 20, 100]
    assert seen(do, globex).budgets == (of_all,) and seen(do, other).budgets == ()
    do(lambda db: budgets.remove(db, None, of_all.id, 5))
    assert seen(do, globex).budgets == () and sorted(one.amount for one in seen(do, acme).budgets) == [5, 20]
    with pytest.raises(NotFound):
        do(lambda db: budgets.get(db, None, of_all.id))
    assert put(do, clock, amount=7, window="day", organisation="org").id != of_all.id


def test_a_keys_budget_is_its_accounts(do: Do, store: Store, clock: TurnableClock) -> None:
    acme, globex = account(do), account(do, "globex")
    key = do(lambda db: keys.create(db, None, keys.Wanted(account_id=acme), keys.draw(), store.secret, 1)).id
    made = put(do, clock, amount=3, key=key, unit="requests", window="minute")
    assert (made.account, made.organisation) == (acme, "org") and seen(do, acme).budgets == (made,)
    with pytest.raises(BadRequest) as caught:
        put(do, clock, amount=3, key=key, account=globex)
    assert caught.value.param == "key"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"unit": "requests"}, "unit"),
        ({"unit": "CNY", "window": "minute"}, "unit"),
        ({"zone": "Asia/Nowhere"}, "zone"),
        ({"account": "acc_nobody"}, None),
    ],
)
def test_what_cannot_be_meant(do: Do, clock: TurnableClock, said: dict[str, Any], field: str | None) -> None:
    with pytest.raises((BadRequest, NotFound)) as caught:
        put(do, clock, amount=1, **said)
    assert caught.value.param == field


def test_nobody_touches_another_organisation(do: Do, clock: TurnableClock) -> None:
    acme = account(do)
    theirs = put(do, clock, amount=1, account=acme)
    for said in ({"account": acme}, {"organisation": "org"}):
        with pytest.raises(NotFound):
            put(do, clock, "elsewhere", amount=1, **said)
    with pytest.raises(NotFound):
        do(lambda db: budgets.get(db, "elsewhere", theirs.id))
    assert do(lambda db: budgets.page(db, "elsewhere")) == [] and do(lambda db: budgets.page(db, "org")) == [theirs]


def test_a_window_is_opened_once_and_only_when_it_is_now(do: Do, clock: TurnableClock) -> None:
    midnight = instant("2024-07-09T00:00:00+00:00")  # the clock stands a minute before it
    made = put(do, clock, amount=100, window="day", account=account(do))
    today, tomorrow = made.purse(clock()), made.purse(midnight)
    for _ in range(2):
        assert do(lambda db: budgets.open_window(db, today, clock())) == midnight
    assert do(lambda db: ledger.standing(db, today)).granted == 100
    # A gate whose clock is ahead may begin, one that is far off may not; nor may one that asks for another day's.
    assert do(lambda db: budgets.open_window(db, tomorrow, clock())) == midnight + 86_400 * SECOND
    for purse in (made.purse(midnight + 86_400 * SECOND), f"bud:{made.id}:5", "bud:bud_none:0"):
        assert do(partial(budgets.open_window, purse=purse, at=clock())) is None
    clock.turn(days=1)
    assert do(lambda db: budgets.open_window(db, today, clock())) is None
    assert [one.starts for one in do(lambda db: budgets.spendings(db, made))] == [midnight, midnight - 86_400 * SECOND]
    do(lambda db: budgets.remove(db, None, made.id, 5))
    assert do(lambda db: budgets.open_window(db, made.purse(clock()), clock())) is None


def test_another_amount_holds_for_the_window_that_is_open(do: Do, clock: TurnableClock) -> None:
    said: dict[str, Any] = {"account": account(do), "unit": "CNY", "window": "month"}
    made = put(do, clock, amount=100, **said)
    purse = made.purse(clock())
    do(lambda db: budgets.open_window(db, purse, clock()))
    for amount in (150, 40):
        put(do, clock, amount=amount, **said)
        assert do(lambda db: ledger.standing(db, purse)).granted == amount
    put(do, clock, amount=0, **said)
    assert do(lambda db: budgets.open_window(db, purse, clock())) is not None
    assert do(lambda db: ledger.standing(db, purse)).granted == 0


def test_grants_are_told_in_the_order_in_which_they_are_used(do: Do) -> None:
    acme = account(do)
    for name, priority in (("gr_1", 9), ("gr_2", 1), ("gr_3", 5)):
        terms = Terms(id=name, account=acme, amount=1, priority=priority)
        do(partial(grants.create, terms=terms, amount=10, ref=f"ref:{name}", at=5))
    do(lambda db: grants.void(db, "gr_3", "void", 6))
    do(lambda db: budgets.tell(db, [acme]))
    assert [one.id for one in seen(do, acme).grants] == ["gr_2", "gr_1"]
