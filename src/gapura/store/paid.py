"""What a request's purses pay: from what its journal says was taken, and what it used.

Who pays alone, in tokens, stands in the request's row (`purse`, `hold`, `charged`); of several, or of money, the table
`charge` has what each pays.  The column `holds` is of requests that took from other than one purse that pays: what was
taken of each, and once the request has ended what counts against each budget.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from gapura.store.base import Connection
from gapura.terms.holds import BUDGET, Spent, Taken, charges
from gapura.terms.price import Tiers
from gapura.terms.record import Opened, Outcome
from gapura.terms.usage import Usage

Spends = dict[str, Spent]
"""Purse → class → what is to be taken from what its gate was lent."""

Charge = tuple[str, str, str, int]
"""Request, purse, class, amount."""


class Held(NamedTuple):
    """What stands in `holds` of one purse: `of` is by what it is charged until the request ends, then, of a budget,
    what counts against it.  Rows of before have the former also then, and what counts in the table `charge`."""

    purse: str
    amount: int
    of: Tiers | Spent = ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(tuple[Held, ...])
_taken = msgspec.json.Decoder(tuple[Taken, ...])


def alone(opened: Opened) -> tuple[str, int]:
    """The columns `purse` and `hold`: who pays alone, and what was taken of it; "" and what was taken in all."""
    found: Taken | None = None
    for one in opened.holds:
        if not one.purse.startswith(BUDGET):
            if found is not None or one.tiers:
                return "", opened.hold
            found = one
    return (opened.purse, opened.hold) if found is None else (found.purse, found.amount)


def held(opened: Opened) -> str:
    """The column `holds` of a request that has not ended."""
    return _encoder.encode(opened.holds).decode() if opened.holds else ""


def counted(holds: tuple[Taken, ...], spends: Spends) -> str:
    """The same of one that has."""
    found = [
        (one.purse, one.amount, spends.get(one.purse, {}) if one.purse.startswith(BUDGET) else ()) for one in holds
    ]
    return _encoder.encode(found).decode()


def taken(holds: str) -> tuple[Taken, ...]:
    """What the column says of a request that has not ended."""
    return _taken.decode(holds) if holds else ()


def paid(purse: str, charged: int, holds: tuple[Taken, ...], outcome: Outcome, usage: Usage) -> Spends:
    """Who pays how much; nothing for a request that failed.  `charged`: what the one purse pays, where it is one."""
    if holds:
        return {} if outcome == "failed" else charges(holds, usage)
    spent = usage.classes(charged)
    return {purse: spent} if spent else {}


def rows(request: str, purse: str, spends: Spends) -> list[Charge]:
    """For the table `charge`; none where `purse` pays alone."""
    if purse:
        return []
    return [
        (request, name, of, amount)
        for name, spent in spends.items()
        if not name.startswith(BUDGET)
        for of, amount in spent.items()
    ]


def write(db: Connection, charged: Iterable[Charge]) -> None:
    db.executemany("INSERT INTO charge VALUES (?, ?, ?, ?)", charged)


def told(db: Connection, request: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What the record tells of a request's row, `holds` and `charges`; both are empty where one purse, or none, says it
    all."""
    if not request["holds"]:
        return {"holds": [], "charges": []}
    holds = _decoder.decode(request["holds"])
    charged = db.execute("SELECT purse, class, amount FROM charge WHERE request = ?", (request["id"],)).fetchall()
    used = Usage(*[request[name] for name in ("input", "output", "cached", "reasoning")])
    charged += [(request["purse"], *pair) for pair in used.classes(request["charged"]).items()]
    charged += [(one.purse, *pair) for one in holds if isinstance(one.of, dict) for pair in one.of.items()]
    return {
        "holds": [{"purse": one.purse, "amount": one.amount} for one in holds],
        "charges": [dict(zip(("purse", "class", "amount"), row, strict=True)) for row in sorted(charged)],
    }


def add(sums: Spends, spends: Spends) -> None:
    """Adds what a request cost to what others did."""
    for purse, spent in spends.items():
        if (of_purse := sums.get(purse)) is None:
            sums[purse] = dict(spent)  # a copy: purses may share what they pay
            continue
        for of, amount in spent.items():
            of_purse[of] = of_purse.get(of, 0) + amount
