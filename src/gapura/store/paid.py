"""What a request's purses pay: from what its journal says was taken, and what it used.

Most requests have one purse, whose part stands in their row (`purse`, `hold`, `charged`).  Of those with several the
row has in `holds` what was taken, and the table `charge` what each pays.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from gapura.store.base import Connection
from gapura.terms.holds import Spent, Taken, charges
from gapura.terms.record import Opened, Outcome
from gapura.terms.usage import Usage

Spends = dict[str, Spent]
"""Purse → class → what is to be taken from what its gate was lent."""

Charge = tuple[str, str, str, int]
"""Request, purse, class, amount."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(tuple[Taken, ...])


def held(opened: Opened) -> str:
    """The column `holds`."""
    return _encoder.encode(opened.holds).decode() if opened.holds else ""


def taken(holds: str) -> tuple[Taken, ...]:
    """What the column says."""
    return _decoder.decode(holds) if holds else ()


def paid(purse: str, charged: int, holds: tuple[Taken, ...], outcome: Outcome, usage: Usage) -> Spends:
    """Who pays how much; nothing for a request that failed.  `charged`: what the one purse pays, where it is one."""
    if holds:
        return {} if outcome == "failed" else charges(holds, usage)
    spent = usage.classes(charged)
    return {purse: spent} if spent else {}


def rows(request: str, spends: Spends) -> Iterable[Charge]:
    """For the table `charge`."""
    return [(request, purse, of, amount) for purse, spent in spends.items() for of, amount in spent.items()]


def write(db: Connection, charged: Iterable[Charge]) -> None:
    db.executemany("INSERT INTO charge VALUES (?, ?, ?, ?)", charged)


def told(db: Connection, request: str, holds: str) -> dict[str, list[dict[str, Any]]]:
    """What the record tells of it, `holds` and `charges`; both are empty where one purse, or none, says it all."""
    columns = ("purse", "class", "amount")
    charged = db.execute("SELECT purse, class, amount FROM charge WHERE request = ? ORDER BY purse, class", (request,))
    return {
        "holds": [{"purse": one.purse, "amount": one.amount} for one in taken(holds)],
        "charges": [dict(zip(columns, row, strict=True)) for row in charged] if holds else [],
    }


def add(sums: Spends, spends: Spends) -> None:
    """Adds what a request cost to what others did."""
    for purse, spent in spends.items():
        of_purse = sums.setdefault(purse, {})
        for of, amount in spent.items():
            of_purse[of] = of_purse.get(of, 0) + amount
