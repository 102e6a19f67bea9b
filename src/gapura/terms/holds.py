"""What was taken for a request, and who pays how much of what it used.

The gate that gives the rest back, the keeper that takes the journal in, and the recovery of a gate that died all ask
`charges`: from the same entry they get the same answer, to the token.

>>> charges((Taken("gr:grant_1", 8), Taken("tok:acc_1", 20)), Usage(input=5, output=7))
{'gr:grant_1': {'input': 5, 'output': 3}, 'tok:acc_1': {'output': 4}}
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from gapura.terms.price import MILLION, Dearest, Tiers, cost, rates
from gapura.terms.usage import CLASSES, Usage

MONEY = "money"
BUDGET = "bud:"

Spent = dict[str, int]
"""Class (CLASSES, or MONEY) → amount; none is a part of another."""


class Taken(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Of one purse: `amount` tokens, or, where there are `tiers`, billionths of the currency that these are in.

    Purses that pay, `gr:` and `tok:`, share a request in their order; everything counts against each budget (`bud:`).
    """

    purse: str
    amount: int
    tiers: Tiers = ()


class Unpaid(NamedTuple):
    """Tokens of the worst case that nobody pays yet."""

    inputs: int
    outputs: int

    @property
    def total(self) -> int:
        return self.inputs + self.outputs

    def less(self, amount: int) -> "Unpaid":
        """Input is paid first, as in `charges`."""
        inputs = min(amount, self.inputs)
        return Unpaid(self.inputs - inputs, self.outputs - (amount - inputs))

    def less_money(self, amount: int, each: Dearest) -> "Unpaid":
        """As many whole tokens as `amount` pays for at the most that each may cost."""
        inputs = min(self.inputs, amount * MILLION // each.input) if each.input else self.inputs
        if inputs < self.inputs:
            return Unpaid(self.inputs - inputs, self.outputs)
        enough = each.outputs(inputs, amount)
        return Unpaid(0, 0 if enough is None else max(self.outputs - enough, 0))


def charges(taken: Sequence[Taken], usage: Usage) -> dict[str, Spent]:
    """Purse → what it pays, never more than was taken of it; who pays nothing is not named.

    Input is paid first, then cached input, output, reasoning.  What no purse covers is paid by nobody: either that was
    agreed (a paying account without a limit), or a vendor counted more than can be, and who called is not liable.
    """
    found: dict[str, Spent] = {}
    rest = usage.parts
    for one in taken:
        if one.purse.startswith(BUDGET):
            spent = _counted(one, usage)
        else:
            rest, spent = _paid(one, usage, rest)
        if spent:
            found[one.purse] = spent
    return found


Parts = tuple[int, int, int, int]


def _counted(one: Taken, usage: Usage) -> Spent:
    """Of a budget: all of it."""
    if not one.tiers:
        return usage.classes(one.amount)
    amount = min(cost(one.tiers, usage) or 0, one.amount)
    return {MONEY: amount} if amount else {}


def _paid(one: Taken, usage: Usage, rest: Parts) -> tuple[Parts, Spent]:
    """What is left to be paid by others, and what this one pays."""
    if one.tiers:
        return _paid_in_money(one, usage, rest)
    left, spent, unpaid = one.amount, {}, []
    for name, amount in zip(CLASSES, rest, strict=True):
        part = min(amount, left)
        if part:
            spent[name] = part
            left -= part
        unpaid.append(amount - part)
    return (unpaid[0], unpaid[1], unpaid[2], unpaid[3]), spent


def _paid_in_money(one: Taken, usage: Usage, rest: Parts) -> tuple[Parts, Spent]:
    """As many whole tokens as the amount suffices for; rounded once, up where it suffices for that, too."""
    each = [max(rate, 0) for rate in rates(one.tiers, usage.input).of_classes()]
    left, exact, unpaid = one.amount * MILLION, 0, []
    for amount, rate in zip(rest, each, strict=True):
        part = min(amount, (left - exact) // rate) if rate else amount
        exact += part * rate
        unpaid.append(amount - part)
    spent = min((exact + MILLION // 2) // MILLION, one.amount)
    return (unpaid[0], unpaid[1], unpaid[2], unpaid[3]), {MONEY: spent} if spent else {}
