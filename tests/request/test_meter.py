"""What is taken before a request is sent, and that all of it comes back but what was used."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapura.clock import TurnableClock
from gapura.errors import GapuraError, LimitReached, QuotaSpent, Unpriced
from gapura.gate.purses import Purses
from gapura.providers.prices import Prices
from gapura.request.meter import LEAST_OUTPUT, Metering, Question, limited, meter
from gapura.terms.budgets import Budget
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.grants import Terms
from gapura.terms.holds import Taken
from gapura.terms.link import Grant
from gapura.terms.price import Price, Rates
from gapura.terms.rulebook import Target
from gapura.terms.usage import Usage
from gapura.wire import openai, tokens

CLOCK = TurnableClock(1_720_483_200_000_000)
GLM, QWEN = Target("glm", "glm-4.6"), Target("qwen", "qwen-plus")
CNY = 10**9
PRICE = Price(provider="glm", model="glm-4.6", currency="CNY", tiers=(Rates(input=2 * CNY, output=8 * CNY),))
"""2,000 billionths for a token of input, 8,000 for one of output."""


class Keeper:
    """Lends from what it has, by purse; `asked` is how often it was asked of each."""

    prices = Prices({}, [PRICE])

    def __init__(self, **has: int) -> None:
        self.has = {name.replace("_", ":", 1): amount for name, amount in has.items()}
        self.purses = Purses(self.ask, CLOCK)
        self.asked: list[str] = []

    async def ask(self, purse: str, want: int, limit: int) -> Grant:
        self.asked.append(purse)
        amount = min(want, self.has.get(purse, 0))
        self.has[purse] = self.has.get(purse, 0) - amount
        grant = Grant(0, purse, amount, retry_after=9.0 if limit else 0.0)
        self.purses.add(grant)
        return grant

    def all(self) -> dict[str, int]:
        """What there is of each, here and at the gate, and not taken."""
        found = dict(self.has)
        for purse, amount in self.purses.held().items():
            found[purse] = found.get(purse, 0) + amount
        return {purse: amount for purse, amount in found.items() if amount}


def caller(key: Any = None, **account: Any) -> Caller:
    return Caller(Key("k", "a", "sk", **(key or {})), Account("a", "acme", "org", **account))


def grant(name: str, **terms: Any) -> Terms:
    return Terms(id=name, account="a", amount=1, **terms)


def budget(name: str, amount: int, **said: Any) -> Budget:
    return Budget(id=name, organisation="org", amount=amount, **said)


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "Halo"}]} | fields).encode()


def bound(**fields: Any) -> int:
    return tokens.bound(body(**fields))


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def metering(keeper: Keeper, who: Caller, territory: str = "ID", **fields: Any) -> Metering:
    text = body(**fields)
    question = Question(openai.read(text), text, "chat", territory, CLOCK(), keeper)
    found: Metering = run(meter(keeper.purses, who, question))
    return found


def take(keeper: Keeper, who: Caller, target: Target = GLM, **fields: Any) -> tuple[Metering, int | None]:
    """With what was taken, the cap."""
    found = metering(keeper, who, **fields)
    return found, run(found.hold(target))


def test_who_has_no_limit_is_asked_nothing() -> None:
    assert not limited(caller())
    assert all(
        limited(who)
        for who in (
            caller(budget=0),
            caller(tokens_per_minute=1),
            caller(key={"requests_per_minute": 1}),
            caller(budgets=(budget("b", 1),)),
            caller(grants=(grant("g"),)),
        )
    )


@pytest.mark.parametrize(("choices", "asked"), [(1, 100), (3, 100)])
def test_a_hold_is_the_worst_case(choices: int, asked: int) -> None:
    hold, cap = take(Keeper(tok_a=1_000_000), caller(budget=1_000_000), n=choices, max_tokens=asked)
    assert (hold.amount, cap) == (bound(n=choices, max_tokens=asked) + choices * asked, None)
    assert (hold.purse, hold.holds) == ("tok:a", ())


def test_what_is_left_caps_the_answer() -> None:
    left = bound(max_tokens=100) + 40
    hold, cap = take(Keeper(tok_a=left), caller(budget=10**6), max_tokens=100)
    assert (hold.amount, cap) == (left, 40)


def test_below_a_useful_answer_it_is_refused_and_nothing_is_kept() -> None:
    has = {"tok:a": bound(max_tokens=100) + LEAST_OUTPUT - 1, "rpm:k": 10, "bud:b:0": 10**6}
    keeper = Keeper()
    keeper.has = dict(has)
    who = caller(key={"requests_per_minute": 10}, budget=10**6, budgets=(budget("b", 10**6),))
    hold = metering(keeper, who, max_tokens=100)
    with pytest.raises(QuotaSpent) as caught:
        run(hold.hold(GLM))
    assert (caught.value.status, caught.value.code, caught.value.should_retry) == (429, "insufficient_quota", False)
    assert keeper.all() == has | {"rpm:k": 9}
    hold.undo()
    assert keeper.all() == has


def test_a_limit_says_when_to_come_again() -> None:
    for said, kind in (({"requests_per_minute": 3}, "requests"), ({"tokens_per_minute": 3}, "tokens")):
        with pytest.raises(LimitReached) as caught:
            metering(Keeper(), caller(**said))
        assert (caught.value.kind, caught.value.retry_after) == (kind, 9.0)


def test_what_was_not_used_goes_back_once() -> None:
    keeper = Keeper(tok_a=10_000, rpm_k=1)
    hold, _ = take(keeper, caller(key={"requests_per_minute": 1}, budget=10_000), max_tokens=100)
    hold.release(Usage(20, 10))
    hold.release(Usage())
    assert keeper.all() == {"tok:a": 9_970}  # a request was made, whatever it cost


def test_grants_pay_in_their_order_and_the_account_the_rest() -> None:
    need = bound(max_tokens=100) + 100
    keeper = Keeper(gr_1=30, gr_2=20, tok_a=10_000)
    who = caller(budget=10_000, grants=(grant("1"), grant("2")))
    hold, cap = take(keeper, who, max_tokens=100)
    assert hold.holds == (Taken("gr:1", 30), Taken("gr:2", 20), Taken("tok:a", need - 50))
    assert (hold.amount, hold.purse, cap) == (need, "", None)
    hold.release(Usage(25, 20))
    assert keeper.all() == {"gr:2": 5, "tok:a": 10_000}


def test_a_grant_alone_caps_where_nobody_pays_the_rest() -> None:
    keeper = Keeper(gr_1=bound(max_tokens=100) + 40)
    hold, cap = take(keeper, caller(budget=0, grants=(grant("1"),)), max_tokens=100)
    assert (hold.holds, cap) == ((Taken("gr:1", bound(max_tokens=100) + 40),), 40)
    with pytest.raises(QuotaSpent):
        take(keeper, caller(budget=0, grants=(grant("1"),)), max_tokens=100)


def test_who_pays_without_a_limit_pays_what_grants_do_not_cover() -> None:
    hold, cap = take(Keeper(gr_1=30), caller(grants=(grant("1"),)), max_tokens=100)
    assert (hold.holds, cap) == ((Taken("gr:1", 30),), None)
    hold, cap = take(Keeper(), caller(grants=(grant("1"),)), max_tokens=100)
    assert (hold.holds, hold.purse, hold.amount, cap) == ((), "", 0, None)


def test_an_empty_grant_is_not_asked_for_at_each_request() -> None:
    keeper = Keeper(tok_a=10**6)
    who = caller(budget=10**6, grants=(grant("1"),))
    for _ in range(3):
        take(keeper, who, max_tokens=100)
    assert keeper.asked.count("gr:1") == 1
    CLOCK.turn(seconds=2)
    take(keeper, who, max_tokens=100)
    assert keeper.asked.count("gr:1") == 2


@pytest.mark.parametrize(
    ("terms", "pays"),
    [
        ({}, True),
        ({"providers": ("glm",), "models": ("glm-*",), "products": ("chat",), "places": ("ID", "SG")}, True),
        ({"providers": ("qwen",)}, False),
        ({"models": ("glm-5*",)}, False),
        ({"products": ("embeddings",)}, False),
        ({"places": ("SG",)}, False),
        ({"effective": CLOCK() + 10**12}, False),
        ({"expires": CLOCK()}, False),
        ({"unit": "images"}, False),
        ({"unit": "USD"}, False),
    ],
)
def test_a_grant_pays_within_its_scope(terms: dict[str, Any], pays: bool) -> None:
    hold, _ = take(Keeper(gr_1=10**9), caller(grants=(grant("1", **terms),)), max_tokens=10)
    assert bool(hold.holds) == pays


def test_each_target_has_its_own_payers() -> None:
    keeper = Keeper(gr_1=10**6, gr_2=10**6, **{"bud_b:0": 10**6})
    who = caller(
        budget=0,
        grants=(grant("1", providers=("glm",)), grant("2", providers=("qwen",))),
        budgets=(budget("b", 10**6, models=("glm-*",)),),
    )
    hold = metering(keeper, who, max_tokens=10)
    for target, purses in ((GLM, ["bud:b:0", "gr:1"]), (QWEN, ["gr:2"])):
        run(hold.hold(target))
        assert [one.purse for one in hold.holds] == purses
    hold.release(Usage(5, 5))
    assert keeper.all() == {"gr:1": 10**6, "gr:2": 10**6 - 10, "bud:b:0": 10**6}


def test_everything_counts_against_each_budget_and_the_least_that_is_left_caps() -> None:
    inputs = bound(max_tokens=100)
    keeper = Keeper(**{"bud_b:0": inputs + 60, "bud_c:0": inputs + 40}, tok_a=inputs + 50)
    who = caller(budget=10**6, budgets=(budget("b", 1), budget("c", 1), budget("d", 1, key="another")))
    hold, cap = take(keeper, who, max_tokens=100)
    amount = inputs + 40
    assert hold.holds == (Taken("bud:b:0", amount), Taken("bud:c:0", amount), Taken("tok:a", amount))
    assert cap == 40
    hold.release(Usage(10, 5))
    assert keeper.all() == {"bud:b:0": inputs + 45, "bud:c:0": inputs + 25, "tok:a": inputs + 35}


def test_a_budget_in_money_counts_what_the_target_costs() -> None:
    inputs = bound(max_tokens=100)
    worst = inputs * 2000 + 100 * 8000
    keeper = Keeper(**{"bud_b:0": worst})
    who = caller(budgets=(budget("b", worst, unit="CNY"),))
    hold, cap = take(keeper, who, max_tokens=100)
    assert (hold.holds, cap) == ((Taken("bud:b:0", worst, PRICE.tiers),), None)
    hold.release(Usage(10, 5))
    assert keeper.all() == {"bud:b:0": worst - 60_000}
    hold, cap = take(keeper, who, max_tokens=100)
    assert cap == 92


@pytest.mark.parametrize(("unit", "target"), [("CNY", QWEN), ("USD", GLM)])
def test_money_goes_to_no_model_without_a_price_in_it(unit: str, target: Target) -> None:
    keeper = Keeper(**{"bud_b:0": 10**9})
    with pytest.raises(Unpriced) as caught:
        take(keeper, caller(budgets=(budget("b", 1, unit=unit),)), target, max_tokens=10)
    assert unit in caught.value.message and str(target) in caught.value.message


def test_a_grant_in_money_pays_whole_tokens_and_hands_on() -> None:
    inputs = bound(max_tokens=100)
    keeper = Keeper(gr_1=inputs * 2000 + 8_500, tok_a=10**6)
    who = caller(budget=10**6, grants=(grant("1", unit="CNY"),))
    hold, cap = take(keeper, who, max_tokens=100)
    assert hold.holds == (Taken("gr:1", inputs * 2000 + 8_500, PRICE.tiers), Taken("tok:a", 99))
    assert cap is None
    hold.release(Usage(inputs, 100))
    assert keeper.all() == {"gr:1": 500, "tok:a": 10**6 - 99}


def test_a_budget_of_a_minute() -> None:
    keeper = Keeper(rpm_b=2, tpm_c=10**6)
    who = caller(budgets=(budget("b", 2, unit="requests", window="minute"), budget("c", 10**6, window="minute")))
    hold, _ = take(keeper, who, max_tokens=10)
    hold.release(Usage(5000, 0))  # more than was thought: it comes out of what is lent next
    hold, _ = take(keeper, who)
    hold.undo()
    assert keeper.all() == {"rpm:b": 1, "tpm:c": 10**6 - 5000}
    take(keeper, who)
    with pytest.raises(LimitReached):
        take(keeper, who)


class OneByOne:
    """Purses of which nothing is to be had in one look.  No subclass: the real ones may be compiled."""

    def __init__(self, *given: Any) -> None:
        self._purses = Purses(*given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._purses, name)

    def take_all(self, wanted: Sequence[Taken], at: int) -> bool:
        return False


class InOneLook(OneByOne):
    def take_all(self, wanted: Sequence[Taken], at: int) -> bool:
        return self._purses.take_all(wanted, at)

    def take(self, purse: str, amount: int, at: int) -> bool:
        raise AssertionError(purse)


EVERYTHING = caller(
    {"requests_per_minute": 5, "tokens_per_minute": 1000},
    budget=10**6,
    budgets=(budget("b", 1), budget("m", 1, unit="CNY")),
    grants=(grant("1"), grant("2", unit="CNY")),
)
IN_MONEY_FIRST = caller(budgets=(budget("m", 1, unit="CNY"),), grants=(grant("2", unit="CNY"), grant("1")))
LIMITED_BY_BUDGETS = caller(budgets=(budget("b", 1),))
NEAR = st.sampled_from([0, 1, bound(max_tokens=100), bound(max_tokens=100) + 60, 10**7])


def outcome(who: Caller, here: dict[str, int], there: dict[str, int], purses: Callable[..., Any]) -> tuple[Any, ...]:
    """All that a request takes, is told, and gives back."""
    keeper = Keeper(**there)
    keeper.purses = purses(keeper.ask, CLOCK)
    for purse, amount in here.items():
        keeper.purses.add(Grant(0, purse.replace("_", ":", 1), amount))
    found: list[Any] = []
    try:
        hold, cap = take(keeper, who, max_tokens=100)
        found = [hold.holds, hold.amount, hold.purse, cap, keeper.purses.held()]
        hold.release(Usage(40, 60))
    except GapuraError as error:
        found.append((type(error), error.message))
    return *found, keeper.all(), keeper.asked


@settings(deadline=None)
@given(
    st.sampled_from([EVERYTHING, IN_MONEY_FIRST, LIMITED_BY_BUDGETS]),
    *[st.fixed_dictionaries(dict.fromkeys(("rpm_k", "tpm_k", "bud_b:0", "bud_m:0", "gr_1", "gr_2", "tok_a"), NEAR))]
    * 2,
)
def test_in_one_look_or_one_by_one_the_same_is_taken(who: Caller, here: dict[str, int], there: dict[str, int]) -> None:
    assert outcome(who, here, there, Purses) == outcome(who, here, there, OneByOne)


def test_a_request_that_finds_all_of_it_here_asks_for_nothing_by_itself() -> None:
    plenty = dict.fromkeys(("rpm_k", "tpm_k", "bud_b:0", "bud_m:0", "gr_1", "gr_2", "tok_a"), 10**7)
    holds, amount, *_ = outcome(EVERYTHING, plenty, {}, InOneLook)
    assert [one.purse for one in holds] == ["bud:b:0", "bud:m:0", "gr:1"]
    assert amount == bound(max_tokens=100) + 100
