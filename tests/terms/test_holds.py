"""Who pays what: in order, once, never more than was taken, and the same for whoever asks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.terms.holds import MONEY, Taken, charges
from gapura.terms.price import Rates, cost
from gapura.terms.usage import Usage

USD = 10**9
BESIDE = (Rates(input=2 * USD, output=0, image=500, second=70, character=9 * 10**6),)
TIERS = (Rates(input=2 * USD, cached=USD, output=8 * USD),)  # 2,000, 1,000 and 8,000 billionths a token


@pytest.mark.parametrize(
    ("taken", "usage", "paid"),
    [
        ([], Usage(5, 7), {}),
        ([Taken("tok:a", 20)], Usage(), {}),
        ([Taken("tok:a", 20)], Usage(5, 7), {"tok:a": {"input": 5, "output": 7}}),
        ([Taken("tok:a", 9)], Usage(5, 7), {"tok:a": {"input": 5, "output": 4}}),
        (
            [Taken("gr:1", 6), Taken("gr:2", 5), Taken("tok:a", 9)],
            Usage(5, 7, cached=2, reasoning=3),
            {
                "gr:1": {"input": 3, "cached": 2, "output": 1},
                "gr:2": {"output": 3, "reasoning": 2},
                "tok:a": {"reasoning": 1},
            },
        ),
        ([Taken("gr:1", 6), Taken("tok:a", 9)], Usage(2, 3), {"gr:1": {"input": 2, "output": 3}}),
        (
            [Taken("bud:b:0", 20), Taken("gr:1", 6), Taken("bud:c:0", 4)],
            Usage(5, 7),
            {"bud:b:0": {"input": 5, "output": 7}, "gr:1": {"input": 5, "output": 1}, "bud:c:0": {"input": 4}},
        ),
        ([Taken("bud:b:0", 99_000, TIERS)], Usage(5, 7, cached=1), {"bud:b:0": {MONEY: 4 * 2000 + 1000 + 7 * 8000}}),
        ([Taken("bud:b:0", 1000, TIERS)], Usage(5, 7), {"bud:b:0": {MONEY: 1000}}),
        (
            [Taken("gr:1", 9_000, TIERS), Taken("tok:a", 9)],
            Usage(4, 7),
            {"gr:1": {MONEY: 8000}, "tok:a": {"output": 7}},
        ),
        (
            [Taken("gr:1", 17_000, TIERS), Taken("tok:a", 9)],
            Usage(4, 7),
            {"gr:1": {MONEY: 16_000}, "tok:a": {"output": 6}},
        ),
        ([Taken("gr:1", 10**9, (Rates(input=0, output=0),))], Usage(4, 7), {}),
        ([Taken("tok:a", 20)], Usage(5, 7, images=3, seconds=2), {"tok:a": {"input": 5, "output": 7}}),
        ([Taken("tok:a", 20)], Usage(seconds=2), {}),
        ([Taken("bud:b:0", 99_000, BESIDE)], Usage(1, images=3, seconds=2, characters=4),
         {"bud:b:0": {MONEY: 2000 + 3 * 500 + 2 * 70 + 4 * 9}}),
        ([Taken("bud:b:0", 99_000, BESIDE), Taken("gr:1", 3300, BESIDE), Taken("gr:2", 9000, BESIDE)],
         Usage(1, images=3), {"bud:b:0": {MONEY: 3500}, "gr:1": {MONEY: 3000}, "gr:2": {MONEY: 500}}),
    ],
)  # fmt: skip
def test_the_order_of_payment(taken: list[Taken], usage: Usage, paid: dict[str, dict[str, int]]) -> None:
    assert charges(taken, usage) == paid


amounts = st.integers(0, 10**6)
some = st.integers(0, 3)
usages = st.builds(Usage, amounts, amounts, amounts, amounts, st.booleans(), some, some, some)
rate, each = st.integers(0, 10**11), st.integers(0, 10**6)
tiers = st.builds(lambda *of: (Rates(0, *of),), rate, rate, rate, rate, each, each, each)
payers = st.lists(st.tuples(amounts, st.just(()) | tiers), max_size=4)


@given(payers, usages)
def test_nobody_pays_more_than_was_taken_and_nothing_is_paid_twice(
    payers: list[tuple[int, tuple[Rates, ...]]], usage: Usage
) -> None:
    taken = [Taken(f"gr:{n}", amount, of) for n, (amount, of) in enumerate(payers)]
    paid = charges(taken, usage)
    for one in taken:
        assert sum(paid.get(one.purse, {}).values()) <= one.amount
    in_tokens = sum(amount for spent in paid.values() for name, amount in spent.items() if name != MONEY)
    assert in_tokens <= usage.total
    if not any(one.tiers for one in taken):
        assert in_tokens == min(usage.total, sum(one.amount for one in taken))


@given(tiers, usages, st.integers(0, 10**9))
def test_a_budget_that_suffices_counts_the_exact_cost(of: tuple[Rates, ...], usage: Usage, more: int) -> None:
    exact = cost(of, usage)
    assert exact is not None
    spent = charges([Taken("bud:b:0", exact + more, of)], usage).get("bud:b:0", {})
    paid = charges([Taken("gr:g", exact + more + 1, of)], usage).get("gr:g", {})
    assert spent == paid == ({MONEY: exact} if exact else {})
