"""What was taken for a request, and who pays how much of what it used.

The gate that gives the rest back, the keeper that takes the journal in, and the recovery of a gate that died all ask
`charges`: from the same entry they get the same answer, to the token.

>>> charges((Taken("gr:grant_1", 8), Taken("tok:acc_1", 20)), Usage(input=5, output=7))
{'gr:grant_1': {'input': 5, 'output': 3}, 'tok:acc_1': {'output': 4}}
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from gapura.terms.price import MILLION, Dearest, Tiers, cost, rates, rounded
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

    Input is paid first, then cached input, output, reasoning; images, seconds and characters last, and only by purses
    in money: to those in tokens they cost nothing.  What no purse covers is paid by nobody: either that was
    agreed (a paying account without a limit), or a vendor counted more than can be, and who called is not liable.
    """
    found: dict[str, Spent] = {}
    total = unpaid = usage.total
    everything, rest, beside = usage.classes(total), usage.parts, usage.beside
    for one in taken:
        if one.purse.startswith(BUDGET):
            spent = _counted(one, usage, everything, total)
        elif one.tiers:
            spent, rest, beside = _paid_in_money(one, usage, rest, beside)
            unpaid = sum(rest)
        elif one.amount >= unpaid == total:
            spent, rest, unpaid = everything, PAID, 0
        else:
            spent, rest = _in_tokens(one.amount, rest)
            unpaid = sum(rest)
        if spent:
            found[one.purse] = spent
    return found


Parts = tuple[int, int, int, int]
Beside = tuple[int, int, int]
PAID: Parts = (0, 0, 0, 0)


def _counted(one: Taken, usage: Usage, everything: Spent, total: int) -> Spent:
    """What counts against a budget: all of it, whoever pays."""
    if not one.tiers:
        return everything if one.amount >= total else usage.classes(one.amount)
    amount = min(cost(one.tiers, usage) or 0, one.amount)
    return {MONEY: amount} if amount else {}


def _in_tokens(amount: int, rest: Parts) -> tuple[Spent, Parts]:
    """What this one pays, and what is left to be paid by others."""
    spent: Spent = {}
    unpaid = list(rest)
    for number, name in enumerate(CLASSES):
        if part := min(rest[number], amount):
            spent[name] = part
            unpaid[number] -= part
            amount -= part
    return spent, (unpaid[0], unpaid[1], unpaid[2], unpaid[3])


def _paid_in_money(one: Taken, usage: Usage, rest: Parts, beside: Beside) -> tuple[Spent, Parts, Beside]:
    """The same of money: as many whole tokens as it suffices for; rounded once, up where it suffices for that, too."""
    found = rates(one.tiers, usage.input)
    left, exact, unpaid = one.amount * MILLION, 0, []
    for amount, asked in zip((*rest, *beside), (*found.of_classes(), *found.of_units()), strict=True):
        rate = max(asked, 0)
        part = min(amount, (left - exact) // rate) if rate else amount
        exact += part * rate
        unpaid.append(amount - part)
    spent = min(rounded(exact), one.amount)
    plain, cached, output, reasoning, *units = unpaid
    return ({MONEY: spent} if spent else {}), (plain, cached, output, reasoning), (units[0], units[1], units[2])
