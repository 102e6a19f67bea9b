"""Prices: by name, host and date; and what a use costs, exactly."""

import tomllib
from datetime import date
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.providers import PROVIDERS
from gapura.providers.catalogue import base_url
from gapura.providers.prices import Prices, billionths, of_book, shipped
from gapura.terms.price import Dearest, Price, Rates, cost, dearest, rates
from gapura.terms.rulebook import Endpoint, Rulebook
from gapura.terms.usage import Usage

MAINLAND = {"qwen": "dashscope.aliyuncs.com"}
ABROAD = {"qwen": "dashscope-intl.aliyuncs.com"}
USD = 10**9


def own(model: str, amount: int, starts: int = 0) -> Price:
    return Price(
        provider="qwen", model=model, currency="CNY", tiers=(Rates(input=amount, output=amount),), starts=starts
    )


def asked(prices: Prices, model: str, at: int = 0, provider: str = "qwen") -> int | None:
    found = prices.of(provider, model, at)
    return found.tiers[0].input if found else None


@pytest.mark.parametrize(
    ("hosts", "model", "amount"),
    [
        (ABROAD, "qwen-plus", 400_000_000),
        (MAINLAND, "qwen-plus", 115_000_000),
        ({"qwen": "ws-1.ap-southeast-1.maas.aliyuncs.com"}, "qwen-plus", 400_000_000),
        (ABROAD, "qwen3-next-80b-a3b-thinking", 150_000_000),
        ({"qwen": "qwen.example.com"}, "qwen-plus", None),
        ({}, "qwen-plus", None),
        (ABROAD, "qwen-nobody-knows", None),
    ],
)
def test_a_price_is_of_a_name_at_a_host(hosts: dict[str, str], model: str, amount: int | None) -> None:
    assert asked(Prices(hosts), model) == amount


def test_the_operators_word_stands_before_the_lists_from_its_instant_on() -> None:
    prices = Prices(
        MAINLAND, [own("qwen-plus", 8, 100), own("qwen-plus", 9, 200), own("qwen3*", 7), own("qwen3-max*", 6)]
    )
    assert [asked(prices, "qwen-plus", at) for at in (99, 100, 199, 200)] == [115_000_000, 8, 8, 9]
    assert [asked(prices, name) for name in ("qwen3-max-2027", "qwen3-8b")] == [6, 7]
    assert len([one for one in prices.every() if one.model == "qwen-plus"]) == 3


def test_the_sandbox_costs_what_the_vendor_asks() -> None:
    endpoint = Endpoint(provider="openai", base_url="http://127.0.0.1:9999/v1", processing_territory="US")
    for sandbox, known in ((True, True), (False, False)):
        book = Rulebook(version="v", endpoints=(endpoint,), routes={}, sandbox=sandbox)
        assert (of_book(book).of("openai", "gpt-4o-mini", 0) is not None) is known


def test_the_dearer_rate_holds_above_its_length() -> None:
    tiers = (Rates(input=1, output=2), Rates(above=100, input=3, output=4), Rates(above=200, input=5, output=6))
    assert [rates(tiers, n).input for n in (0, 100, 101, 200, 201)] == [1, 1, 3, 3, 5]


@pytest.mark.parametrize(
    ("usage", "amount"),
    [
        (Usage(1_000_000, 0), 2 * USD),
        (Usage(1_000_000, 1_000_000, cached=500_000, reasoning=250_000), int(1.25 * USD) + int(0.75 * 8 * USD) + USD),
        (Usage(1, 0), 2000),
        (Usage(0, 0, images=3), 300),
        (Usage(0, 0, images=1, seconds=2), None),
        (Usage(5, 7, cached=9, reasoning=9), 5 * 500 + 7 * 4000),
        (Usage(), 0),
    ],
)
def test_what_a_use_costs(usage: Usage, amount: int | None) -> None:
    tiers = (Rates(input=2 * USD, cached=USD // 2, output=8 * USD, reasoning=4 * USD, image=100),)
    assert cost(tiers, usage) == amount


def test_what_has_no_price_is_not_free() -> None:
    assert cost((Rates(input=5),), Usage(1, 0)) == 0  # five billionths for a million: less than half a billionth
    assert cost((Rates(input=5),), Usage(0, 1)) is None
    assert dearest((Rates(input=5),), 1) is None
    assert dearest((Rates(second=5),), 1) is None


def test_what_an_amount_suffices_for() -> None:
    each = Dearest(2 * USD, 8 * USD)
    assert [each.outputs(4, amount) for amount in (0, 8_000, 15_999, 16_000, 24_000)] == [0, 0, 0, 1, 2]
    assert Dearest(2 * USD, 0).outputs(4, 8_000) is None


rate = st.builds(
    Rates, above=st.integers(0, 500), input=st.integers(0, 10**12), cached=st.integers(-1, 10**12),
    output=st.integers(0, 10**12), reasoning=st.integers(-1, 10**12),
)  # fmt: skip
usages = st.builds(Usage, st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))


@given(st.lists(rate, min_size=1, max_size=3), usages, st.integers(0, 1000), st.integers(0, 1000))
def test_no_use_costs_more_than_the_most(tiers: list[Rates], usage: Usage, more: int, longer: int) -> None:
    ordered = (Rates(0, *tiers[0].of_classes()), *sorted(tiers[1:], key=lambda tier: tier.above))
    paid, each = cost(ordered, usage), dearest(ordered, usage.input + more)
    assert paid is not None and each is not None
    assert 0 <= paid <= each.most(usage.input + more, usage.output + longer)


@pytest.mark.parametrize(
    ("said", "amount"), [(0.15, 150_000_000), (8, 8 * USD), ("0.000000001", 1), (Decimal("0.1"), USD // 10)]
)
def test_an_amount_is_read_exactly(said: object, amount: int) -> None:
    assert billionths(said) == amount


@pytest.mark.parametrize("said", [True, None, "much", -1, "0.0000000001", "1e9", float("inf"), float("nan")])
def test_an_amount_that_cannot_be_meant(said: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the next thing
        billionths(said)


def test_the_data_is_sound() -> None:
    date.fromisoformat(shipped().as_of)
    said: Any = tomllib.loads((files("gapura.providers") / "data" / "prices.toml").read_text("utf-8"))
    assert all(one["source"] and one["hosts"] and one["provider"] in PROVIDERS for one in said["lists"])
    assert len(shipped().prices) > 90
    assert [price for price in shipped().prices if price.tiers[0].above or not price.source] == []
    assert asked(Prices({"openai": "api.openai.com"}), "gpt-4o-mini", provider="openai") == 150_000_000
    assert base_url("glm").startswith("https://open.bigmodel.cn")
