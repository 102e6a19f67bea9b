"""What is taken before a request is sent, and that all of it comes back but what was used."""

import asyncio
import json
from typing import Any

import pytest

from gapura.clock import TurnableClock
from gapura.errors import LimitReached, QuotaSpent
from gapura.gate.purses import Purses
from gapura.request.meter import LEAST_OUTPUT, UNLIMITED, Hold, meter
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.link import Grant
from gapura.terms.rulebook import Target
from gapura.wire import openai, tokens

CLOCK = TurnableClock(1_720_483_200_000_000)
TARGETS = [Target("openai", "gpt-4o-mini")]


class Keeper:
    """Lends from what it has, by purse."""

    def __init__(self, **has: int) -> None:
        self.has = {name.replace("_", ":", 1): amount for name, amount in has.items()}
        self.purses = Purses(self.ask, CLOCK)

    async def ask(self, purse: str, want: int, limit: int) -> Grant:
        amount = min(want, self.has.get(purse, 0))
        self.has[purse] = self.has.get(purse, 0) - amount
        grant = Grant(0, purse, amount, retry_after=9.0 if limit else 0.0)
        self.purses.add(grant)
        return grant


def caller(*, key: dict[str, Any] | None = None, **account: Any) -> Caller:
    return Caller(Key("k", "a", "sk", **(key or {})), Account("a", "acme", "org", **account))


def take(keeper: Keeper, who: Caller, **fields: Any) -> Hold:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Halo"}]} | fields).encode()

    async def taken() -> Hold:
        return await meter(keeper.purses, who, openai.read(body), body, targets=TARGETS, at=CLOCK())

    return asyncio.run(taken())


def bound(**fields: Any) -> int:
    return tokens.bound(json.dumps({"model": "m", "messages": [{"role": "user", "content": "Halo"}]} | fields).encode())


def test_who_has_no_limit_is_asked_nothing() -> None:
    assert take(Keeper(), caller()) is UNLIMITED


@pytest.mark.parametrize(("choices", "asked"), [(1, 100), (3, 100)])
def test_a_hold_is_the_worst_case(choices: int, asked: int) -> None:
    keeper = Keeper(tok_a=1_000_000)
    hold = take(keeper, caller(budget=1_000_000), n=choices, max_tokens=asked)
    assert hold.amount == bound(n=choices, max_tokens=asked) + choices * asked
    assert hold.cap is None
    assert hold.purse == "tok:a"


def test_what_is_left_caps_the_answer() -> None:
    left = bound(max_tokens=100) + 40
    hold = take(Keeper(tok_a=left), caller(budget=10**6), max_tokens=100)
    assert (hold.amount, hold.cap) == (left, 40)


def test_below_a_useful_answer_it_is_refused_and_nothing_is_kept() -> None:
    keeper = Keeper(tok_a=bound(max_tokens=100) + LEAST_OUTPUT - 1, rpm_k=10)
    with pytest.raises(QuotaSpent):
        take(keeper, caller(key={"requests_per_minute": 10}, budget=10**6), max_tokens=100)
    assert keeper.purses.take("rpm:k", 1, CLOCK())


def test_a_limit_says_when_to_come_again() -> None:
    with pytest.raises(LimitReached) as caught:
        take(Keeper(), caller(requests_per_minute=3))
    assert (caught.value.kind, caught.value.retry_after) == ("requests", 9.0)
    with pytest.raises(LimitReached) as caught:
        take(Keeper(), caller(tokens_per_minute=3))
    assert caught.value.kind == "tokens"


def test_what_was_not_used_goes_back_once() -> None:
    keeper = Keeper(tok_a=10_000, rpm_k=1)
    hold = take(keeper, caller(key={"requests_per_minute": 1}, budget=10_000), max_tokens=100)
    assert hold.release is not None
    hold.release(30)
    assert keeper.purses.take("tok:a", hold.amount - 30, CLOCK())
    assert not keeper.purses.take("tok:a", 1, CLOCK())
    assert not keeper.purses.take("rpm:k", 1, CLOCK())  # a request was made, whatever it cost
