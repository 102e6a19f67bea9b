"""What a model costs, and what a use of it costs: integers, billionths of a stated currency, rounded once.

>>> cost((Rates(input=1_400_000_000, output=4_400_000_000),), Usage(input=1000, output=10))
1444000
"""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from gapura.shapes import CURRENCY
from gapura.terms.usage import CLASSES, UNITS, Usage

UNKNOWN = -1
MILLION = 1_000_000

Billionths = Annotated[int, Meta(ge=UNKNOWN, le=10**15)]


class Rates(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """For requests with more than `above` tokens of input: billionths for a million tokens of each class, for an image,
    for a second, and for a million characters.  UNKNOWN (-1): nobody says.  Where only `cached` or `reasoning` is
    unknown, they cost what all input or output costs: so do vendors that name none."""

    above: int = 0
    input: Billionths = UNKNOWN
    cached: Billionths = UNKNOWN
    output: Billionths = UNKNOWN
    reasoning: Billionths = UNKNOWN
    image: Billionths = UNKNOWN
    second: Billionths = UNKNOWN
    character: Billionths = UNKNOWN

    def of_classes(self) -> tuple[int, int, int, int]:
        """In the order of `Usage.parts`."""
        return (
            self.input,
            self.input if self.cached < 0 else self.cached,
            self.output,
            self.output if self.reasoning < 0 else self.reasoning,
        )

    def of_units(self) -> tuple[int, int, int]:
        """In the order of `Usage.beside`: billionths for a million of each, below 0 where nobody says."""
        return self.image * MILLION, self.second * MILLION, self.character


Tiers = tuple[Rates, ...]
"""Ascending by `above`, the first from 0 on."""


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """Of `provider/model` from `starts` on (UTC microseconds, 0: as far back as anybody knows); a model's name that
    ends in `*` stands for all that begin so.  `hosts`: only where the provider is reached at one of them (ends of
    names; empty: anywhere).  `source` says who says so, and when."""

    provider: str
    model: str
    currency: Annotated[str, CURRENCY]
    tiers: Tiers
    starts: int = 0
    hosts: tuple[str, ...] = ()
    source: str = ""

    def cost(self, usage: Usage) -> int | None:
        """Billionths of `currency`; None where something was used that has no price."""
        return cost(self.tiers, usage)


def rates(tiers: Tiers, inputs: int) -> Rates:
    """Those for a request with so many tokens of input."""
    found = tiers[0]
    for tier in tiers[1:]:
        if inputs > tier.above:
            found = tier
    return found


def cost(tiers: Tiers, usage: Usage) -> int | None:
    """Billionths, rounded once, half up; None where something was used that has no price."""
    found = rates(tiers, usage.input) if len(tiers) > 1 else tiers[0]
    fresh, cached, output, reasoning = usage.parts
    of_input, of_output = found.input, found.output
    if (of_input < 0 and fresh) or (of_output < 0 and output):
        return None
    exact = fresh * of_input + output * of_output
    others: list[tuple[int, int]] = []
    if cached or reasoning:
        _, of_cached, _, of_reasoning = found.of_classes()
        others += [(cached, of_cached), (reasoning, of_reasoning)]
    if usage.images or usage.seconds or usage.characters:
        others += zip(usage.beside, found.of_units(), strict=True)
    for used, rate in others:
        if used:
            if rate < 0:
                return None
            exact += used * rate
    return rounded(exact)


def exact(tiers: Tiers, inputs: int, used: Mapping[str, int]) -> int | None:
    """What so much of each of CLASSES and UNITS costs in a request with so many tokens of input, in millionths of
    billionths; None where something of it has no price."""
    found = rates(tiers, inputs)
    each = dict(zip((*CLASSES, *UNITS), (*found.of_classes(), *found.of_units()), strict=True))
    if any(each[name] < 0 for name, amount in used.items() if amount):
        return None
    return sum(amount * each[name] for name, amount in used.items())


def rounded(exact: int) -> int:
    """Millionths of billionths in billionths, half up."""
    return (exact + MILLION // 2) // MILLION


class Dearest(NamedTuple):
    """Billionths for a million tokens of input and of output, of whatever class: none costs more."""

    input: int
    output: int

    def most(self, inputs: int, outputs: int) -> int:
        """What so many tokens cost at the most, rounded up."""
        return -(-(inputs * self.input + outputs * self.output) // MILLION)

    def outputs(self, inputs: int, amount: int) -> int | None:
        """How many tokens of output `amount` suffices for, besides the input; None: for any number."""
        left = amount * MILLION - inputs * self.input
        return max(left // self.output, 0) if self.output else None


def dearest(tiers: Tiers, inputs: int) -> Dearest | None:
    """For a request with so many tokens of input at the most; None where something of it has no price."""
    most_in = most_out = 0
    for tier in tiers:
        if not tier.above or inputs > tier.above:
            fresh, cached, output, reasoning = tier.of_classes()
            if fresh < 0 or output < 0:
                return None
            most_in, most_out = max(most_in, fresh, cached), max(most_out, output, reasoning)
    return Dearest(most_in, most_out)
