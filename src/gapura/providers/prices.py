"""What a model costs at an instant: the operator's word, else the vendors' lists (data/prices.toml, dated and sourced).

A price that nobody told is unknown (None), never 0.

>>> Prices({"openai": "api.openai.com"}).of("openai", "gpt-4o-mini", 0).currency
'USD'
>>> Prices({"openai": "ai.example.com"}).of("openai", "gpt-4o-mini", 0) is None
True
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from gapura.clock import instant
from gapura.providers import catalogue
from gapura.terms.price import MILLION, UNKNOWN, Price, Rates, Tiers
from gapura.terms.rulebook import Rulebook

AMOUNTS = ("input", "cached", "output", "reasoning", "image", "second", "character")
BILLION = 10**9
LARGEST = MILLION * BILLION


class Shipped(NamedTuple):
    """The vendors' lists."""

    as_of: str
    prices: tuple[Price, ...]


@cache
def shipped() -> Shipped:
    text = (files("gapura.providers") / "data" / "prices.toml").read_text(encoding="utf-8")
    said = tomllib.loads(text, parse_float=Decimal)
    return Shipped(said["as_of"], tuple(price for one in said["lists"] for price in _list(one)))


class Prices:
    """`hosts`: provider → host where it is reached.  `own`: the operator's prices; from its first instant on one takes
    the place of all that the vendors' lists say of that name."""

    def __init__(self, hosts: Mapping[str, str], own: Iterable[Price] = ()) -> None:
        self._own = _by_name(own)
        there = (one for one in shipped().prices if _at(one.hosts, hosts.get(one.provider, "")))
        self._listed = _by_name(there)

    def of(self, provider: str, model: str, at: int) -> Price | None:
        """The price in force at `at` (UTC microseconds); None: nobody has told."""
        return _in_force(self._own, provider, model, at) or _in_force(self._listed, provider, model, at)

    def until(self, provider: str, model: str, at: int) -> int:
        """When that may be another (UTC microseconds)."""
        later = [
            price.starts
            for kept in (self._own, self._listed)
            for (of, name), same in kept.items()
            if of == provider and (name == model or (name.endswith("*") and model.startswith(name[:-1])))
            for price in same
            if price.starts > at
        ]
        return min(later, default=2**63 - 1)

    def every(self) -> list[Price]:
        """All that are known, whenever they are in force: the operator's, and those of the lists that apply here."""
        return [one for kept in (self._own, self._listed) for same in kept.values() for one in same]


def of_book(book: Rulebook) -> Prices:
    """Those that hold under a rulebook.  The sandbox costs what the vendors would ask."""
    hosts = {one.provider: urlsplit(one.base_url).hostname or "" for one in book.endpoints}
    if book.sandbox:
        known = catalogue.catalogue().vendors
        hosts = {name: urlsplit(known[name].base_url).hostname or "" for name in hosts if name in known}
    return Prices(hosts, book.prices)


def billionths(said: object) -> int:
    """An amount as people write it, exactly.  Raises ValueError."""
    try:
        amount = Decimal(str(said)) * BILLION
    except ArithmeticError as error:
        raise ValueError(f"{said!r} is no number; write e.g. 0.15") from error
    if not amount.is_finite() or not 0 <= amount <= LARGEST:
        raise ValueError(f"{said} is out of range: 0 to a million")
    if amount != int(amount):
        raise ValueError(f"{said} has more than nine decimals")
    return int(amount)


Names = dict[tuple[str, str], list[Price]]


def _by_name(prices: Iterable[Price]) -> Names:
    """Newest first."""
    found: Names = {}
    for price in sorted(prices, key=lambda one: -one.starts):
        found.setdefault((price.provider, price.model), []).append(price)
    return found


def _in_force(known: Names, provider: str, model: str, at: int) -> Price | None:
    """By the model's own name, or the longest beginning that is known."""
    if (found := _at_last(known.get((provider, model), ()), at)) is not None:
        return found
    begins = [name for of, name in known if of == provider and name.endswith("*") and model.startswith(name[:-1])]
    for name in sorted(begins, key=len, reverse=True):
        if (found := _at_last(known[provider, name], at)) is not None:
            return found
    return None


def _at_last(prices: Iterable[Price], at: int) -> Price | None:
    """The newest that has begun."""
    return next((price for price in prices if price.starts <= at), None)


def _at(hosts: tuple[str, ...], host: str) -> bool:
    return not hosts or any(host == end or host.endswith("." + end) for end in hosts)


def _list(said: dict[str, Any]) -> Iterator[Price]:
    for model, prices in said["models"].items():
        by_date: dict[int, list[Rates]] = {}
        for one in prices if isinstance(prices, list) else [prices]:
            by_date.setdefault(instant(one["from"]) if "from" in one else 0, []).append(_rates(one))
        for starts, tiers in by_date.items():
            yield Price(
                provider=said["provider"],
                model=model,
                currency=said["currency"],
                tiers=_tiers(tiers),
                starts=starts,
                hosts=tuple(said["hosts"]),
                source=said["source"],
            )


def _rates(said: Mapping[str, Any]) -> Rates:
    amounts = {name: billionths(said[name]) if name in said else UNKNOWN for name in AMOUNTS}
    return Rates(above=said.get("above", 0), **amounts)


def _tiers(tiers: list[Rates]) -> Tiers:
    return tuple(sorted(tiers, key=lambda tier: tier.above))
