"""[prices]: what the operator pays, and how each mistake is told."""

import tomllib

import pytest

from gapura.clock import instant
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.prices import prices
from gapura.rulebook.read import read
from gapura.terms.price import Price, Rates
from gapura.terms.rulebook import Rulebook

KNOWN = ["glm", "qwen"]


def said(toml: str) -> list[Price]:
    return list(prices(tomllib.loads(toml)["prices"], KNOWN))


def test_one_price() -> None:
    (found,) = said('[prices."glm/glm-5.3"]\ncurrency = "CNY"\ninput = 8\ncached = 2\noutput = 28.5\n')
    assert found == Price(
        provider="glm",
        model="glm-5.3",
        currency="CNY",
        tiers=(Rates(input=8 * 10**9, cached=2 * 10**9, output=28_500_000_000),),
        source="gapura.toml",
    )


def test_by_date_and_by_length() -> None:
    found = said("""
        [[prices."qwen/qwen*"]]
        currency = "CNY"
        input = 1
        output = 2
        [[prices."qwen/qwen*"]]
        currency = "USD"
        from = 2026-12-01T00:00:00+08:00
        above = 1000
        input = 5
        output = 6
        [[prices."qwen/qwen*"]]
        currency = "USD"
        from = 2026-12-01T00:00:00+08:00
        source = "contract 7"
        input = 3
        output = 4
    """)
    assert [(one.starts, one.currency, [tier.above for tier in one.tiers], one.source) for one in found] == [
        (0, "CNY", [0], "gapura.toml"),
        (instant("2026-12-01T00:00:00+08:00"), "USD", [0, 1000], "contract 7"),
    ]


PRICE = 'currency = "CNY"\ninput = 1\n'
DOLLARS = 'above = 1\ncurrency = "USD"\ninput = 1'


@pytest.mark.parametrize(
    ("toml", "path", "words"),
    [
        ('[prices."glm-5.3"]\n' + PRICE, 'prices."glm-5.3"', "provider/model"),
        ('[prices."gml/glm-5.3"]\n' + PRICE, 'prices."gml/glm-5.3"', "did you mean glm"),
        ('[prices."glm/x"]\ninput = 1', 'prices."glm/x"', "currency"),
        ('[prices."glm/x"]\ncurrency = "yuan"\ninput = 1', 'prices."glm/x".currency', "three capitals"),
        ('[prices."glm/x"]\ncurrency = "CNY"', 'prices."glm/x"', "at least one of input"),
        ('[prices."glm/x"]\ninputs = 1\n' + PRICE, 'prices."glm/x".inputs', "did you mean input"),
        ('[prices."glm/x"]\ncurrency = "CNY"\ninput = -1', 'prices."glm/x".input', "out of range"),
        ('[prices."glm/x"]\nfrom = 2026-12-01\n' + PRICE, 'prices."glm/x".from', "bare date"),
        ('[[prices."glm/x"]]\nabove = 5\n' + PRICE, 'prices."glm/x"', "short request"),
        (f'[[prices."glm/x"]]\n{PRICE}[[prices."glm/x"]]\n{PRICE}', 'prices."glm/x"', "two prices"),
        (f'[[prices."glm/x"]]\n{PRICE}[[prices."glm/x"]]\n{DOLLARS}', 'prices."glm/x".currency', "one currency"),
        ("prices = 1", "prices", "expected tables"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(toml: str, path: str, words: str) -> None:
    with pytest.raises(BadDocument) as caught:
        said(toml)
    assert caught.value.path == path and words in str(caught.value)


def test_prices_are_part_of_the_rulebooks_version() -> None:
    def book(**documents: object) -> Rulebook:
        return read(documents, endpoints=(), models={"glm": ["glm-5.3"]})

    priced = book(prices={"glm/glm-5.3": {"currency": "CNY", "input": 8}})
    assert priced.prices[0].provider == "glm" and priced.version != book().version == book(prices={}).version
