"""Grants: paid for by a wallet that cannot go below zero, used in one order, ended in one way, told of once."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.ledger.conftest import begun, sqlite

from gapura.errors import BadRequest, NotFound
from gapura.store import grants, ledger
from gapura.store.base import Conflict
from gapura.store.grants import DAY
from gapura.store.ledger import Books, Standing
from gapura.terms.grants import Terms


def terms(name: str = "grt_1", **more: Any) -> Terms:
    return Terms(id=name, account="acc_1", amount=0, **more)


def spend(db: Books, amount: int, ref: str, name: str = "grt_1") -> None:
    assert ledger.lend(db, "inc_1", f"gr:{name}", lambda left: amount, ref=f"lend:{ref}", at=3) == amount
    assert ledger.spend(db, "inc_1", f"gr:{name}", {"output": amount}, ref=ref, at=3) == 0


def test_a_wallet_pays_and_cannot_go_below_zero(db: Books) -> None:
    assert grants.fund(db, "ernie", "tokens", 1000, ref="f1", at=1) == 1000
    made = grants.create(db, terms(programme="ernie"), 600, "c1", 2)
    assert (made.amount, made.created_at) == (600, 2)
    with pytest.raises(Conflict, match="has 400 tokens, not 401"):
        grants.top_up(db, "grt_1", 401, "t1", 3)
    with pytest.raises(Conflict, match="the wallet of ernie"):
        grants.fund(db, "ernie", "tokens", -401, ref="f2", at=3)
    assert grants.top_up(db, "grt_1", 300, "t2", 3).amount == 900
    assert grants.fund(db, "ernie", "tokens", -100, ref="f3", at=3) == 0
    assert ledger.balance(db, ledger.operator()) == -900
    assert grants.get(db, "grt_1").standing == Standing(900, 900, 0, 0, 0)
    assert ledger.adds_up(db) == []


def test_what_comes_twice_counts_once(db: Books) -> None:
    for _ in range(2):
        grants.fund(db, "ernie", "tokens", 1000, ref="f1", at=1)
        assert grants.create(db, terms(programme="ernie"), 600, "c1", 2).id == "grt_1"
        assert grants.top_up(db, "grt_1", 50, "t1", 3).amount == 650
        assert grants.get(db, "grt_1").state == "active"
    for _ in range(2):
        assert grants.void(db, "grt_1", "v1", 4).state == "voided"
    assert ledger.balance(db, grants.wallet("ernie", "tokens")) == 1000
    with pytest.raises(Conflict, match="there is a grant grt_1"):
        grants.create(db, terms(), 5, "another", 2)


@pytest.mark.parametrize(
    ("end", "state", "kind"),
    [
        (grants.void, "voided", "void"),
        (grants.expire, "expired", "expire"),
        (grants.claw_back, "clawed_back", "claw_back"),
    ],
)
def test_an_end_takes_what_is_left_and_later_what_gates_give_back(db: Books, end: Any, state: str, kind: str) -> None:
    grants.fund(db, "ernie", "tokens", 100, ref="f1", at=1)
    grants.create(db, terms(programme="ernie"), 100, "c1", 2)
    ledger.lend(db, "inc_1", "gr:grt_1", lambda left: 40, ref="l1", at=3)
    ledger.spend(db, "inc_1", "gr:grt_1", {"input": 10}, ref="s1", at=3)
    ended = end(db, "grt_1", "e1", 4)
    assert (ended.state, ended.standing) == (state, Standing(40, 0, 30, 10, 0))
    ledger.spend(db, "inc_1", "gr:grt_1", {"input": 10}, ref="s2", at=5)  # it was under way
    ledger.close(db, "inc_1", forfeit=False, at=6)
    assert grants.get(db, "grt_1").standing == Standing(20, 0, 0, 20, 0)
    assert ledger.balance(db, grants.wallet("ernie", "tokens")) == 80
    kinds = db.execute("SELECT kind, amount FROM transfer WHERE kind = ? ORDER BY id", (kind,)).fetchall()
    assert kinds == [(kind, 60), (kind, 20)]
    with pytest.raises(Conflict, match=f"grt_1 is {state}"):
        grants.top_up(db, "grt_1", 5, "t1", 7)
    if kind != "void":
        with pytest.raises(Conflict, match="already"):
            grants.void(db, "grt_1", "v1", 7)
    assert grants.of_account(db, "acc_1", 7) == []
    assert [held.state for held in grants.of_account(db, "acc_1", 7, ended=True)] == [state]
    assert list(grants.current(db, 7)) == []


@pytest.mark.parametrize(
    ("more", "amount", "field"),
    [
        ({}, 0, "amount"),
        ({"priority": 256}, 1, "priority"),
        ({"expires": 5}, 1, "expires"),
        ({"effective": 20, "expires": 20}, 1, "expires"),
    ],
)
def test_terms_that_cannot_be_meant(db: Books, more: dict[str, Any], amount: int, field: str) -> None:
    with pytest.raises(BadRequest) as refused:
        grants.create(db, terms(**more), amount, "c1", 10)
    assert refused.value.param == field
    with pytest.raises(NotFound):
        grants.get(db, "grt_1")


def test_money_is_in_its_currency_and_is_not_exchanged(db: Books) -> None:
    grants.create(db, terms(unit="CNY"), 5_000_000_000, "c1", 2)
    spend(db, 1, "s1")
    assert ledger.balance(db, ledger.operator("CNY")) == -5_000_000_000
    with pytest.raises(Conflict, match="nothing is exchanged"):
        ledger.post(db, "left:gr:grt_1", ledger.open_purse(db, "tok:acc_1"), 1, "x", ref="x", at=1)


def test_the_order_is_total() -> None:
    used = [
        terms("a", priority=0, category="paid"),
        terms("b", expires=100),
        terms("c", expires=200, category="migration", effective=1, created_at=1),
        terms("d", expires=200, effective=1, created_at=2),
        terms("e", expires=200, effective=1, created_at=2),
        terms("f", expires=200, effective=2, created_at=1),
        terms("g", expires=200, category="paid"),
        terms("h"),
        terms("i", priority=255, expires=1),
    ]
    as_made = used[4:] + used[:4]
    assert [one.id for one in sorted(as_made, key=lambda one: one.order)] == [one.id for one in used]


def test_an_accounts_grants_come_in_their_order_with_their_state(db: Books) -> None:
    grants.create(db, terms("later", effective=50, expires=10 * DAY), 5, "c1", 2)
    grants.create(db, terms("first", priority=1), 5, "c2", 2)
    grants.create(db, terms("empty"), 5, "c3", 2)
    spend(db, 5, "s1", "empty")
    found = grants.of_account(db, "acc_1", 10)
    assert [(held.terms.id, held.state) for held in found] == [
        ("first", "active"),
        ("later", "pending"),
        ("empty", "exhausted"),
    ]
    assert grants.of_account(db, "acc_2", 10) == []


def test_expiry_is_told_ahead_each_time_once_and_comes(db: Books) -> None:
    grants.create(db, terms(expires=20 * DAY), 5, "c1", DAY)
    grants.create(db, terms("short", expires=6 * DAY), 5, "c2", DAY)
    grants.create(db, terms("forever"), 5, "c3", DAY)
    told = {day: [(alert.grant, alert.what) for alert in grants.due(db, day * DAY)[1]] for day in range(1, 22)}
    assert {day: said for day, said in told.items() if said} == {
        5: [("short", "expires:1")],
        6: [("grt_1", "expires:14"), ("short", "expired")],
        13: [("grt_1", "expires:7")],
        19: [("grt_1", "expires:1")],
        20: [("grt_1", "expired")],
    }
    assert grants.get(db, "grt_1").state == "expired"
    assert [alert.what for alert in grants.alerts(db, "grt_1")] == ["expires:14", "expires:7", "expires:1", "expired"]


def test_after_a_long_pause_all_that_was_missed_is_told(db: Books) -> None:
    grants.create(db, terms(expires=20 * DAY), 5, "c1", 0)
    assert [alert.what for alert in grants.due(db, 15 * DAY)[1]] == ["expires:14", "expires:7"]
    assert grants.due(db, 3 * DAY) == ([], []), "a clock that was set back tells nothing twice"


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), max_size=12))
def test_each_share_is_told_once(amounts: list[int]) -> None:
    db = sqlite()
    begun(db)
    grants.create(db, terms(), 100, "c1", 1)
    used, told = 0, []
    for number, amount in enumerate(amounts):
        part = min(amount, 100 - used)
        if part:
            spend(db, part, f"s{number}")
            used += part
        while grants.behind(db):
            told += [alert.what for alert in grants.spent(db, 5, limit=3)]
    assert told == [f"spent:{percent}" for percent in (50, 80, 100) if used >= percent]
    db.close()
