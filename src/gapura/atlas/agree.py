"""Several answers → one place, and how far to trust it.

The rule, in the order in which the operator named the sources:

- all that know the address name one territory: it is *certain*, also where only one of them knows it;
- they name different ones, or one answers with a pseudo-code (EU, AP, XX, T1, A1, A2, ??): *uncertain*, and the
  first answer is the territory where it is one;
- nobody knows the address: *unknown*.

A part of a territory is told where a source knows it, places the address in that territory, and no other source
names another part.

Confidence is the measured share of such answers that held, not a probability of this one.  It decides nothing by
itself; it stands in the evidence.  `docs/decisions/0011-several-sources.md` has the table and where it comes from.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gapura.atlas.base import Found
from gapura.atlas.territories import CODES
from gapura.terms.place import Certainty, Network

SYNONYMS = {"UK": "GB"}  # reserved for it in ISO 3166-1, and found in registries' data

CORRECTED = 1.0  # the operator's own word is not measured
STATED = 0.92  # networks' own statements of their users' place, checked by latency
AGREED = 0.98  # not 1: sources copy from each other, and agreement does not show common mistakes
ALONE = 0.954  # a second free source says the same of 95.4 % of addresses
DIVIDED = 0.5  # one of two is right, and nothing tells which

CAPS: dict[Network, float] = {"relay": 0.92, "hosting": 0.92, "mobile": 0.845, "vpn": 0.74, "tor": 0.74}
"""What no agreement can exceed: in these networks sources were found to be wrong together."""

MONTH = 30
LOST_A_MONTH = 0.001
"""Two years of age cost a source 1.3 of 100 agreements; this is twice that."""


class Agreed(NamedTuple):
    """`upheld`: positions of the answers that name the territory."""

    territory: str
    certainty: Certainty
    subdivision: str
    upheld: tuple[int, ...]


def agree(answers: Sequence[Found]) -> Agreed:
    told = [SYNONYMS.get(found.code, found.code) for found in answers]
    distinct = dict.fromkeys(code for code in told if code)
    if not distinct:
        return Agreed("", "unknown", "", ())
    first = next(iter(distinct))
    territory = first if first in CODES else ""
    upheld = tuple(place for place, code in enumerate(told) if code == territory) if territory else ()
    certainty: Certainty = "certain" if territory and len(distinct) == 1 else "uncertain"
    parts = {answers[place].subdivision for place in upheld} - {""}
    return Agreed(territory, certainty, parts.pop() if len(parts) == 1 else "", upheld)


def confidence(agreed: Agreed, network: Network, age_days: int) -> float:
    """0 to 1.  `age_days`: of the youngest data that name the territory."""
    if not agreed.territory:
        return 0.0
    if agreed.certainty == "uncertain":
        return DIVIDED
    return weakened(AGREED if len(agreed.upheld) > 1 else ALONE, network, age_days)


def weakened(base: float, network: Network, age_days: int) -> float:
    aged = base - LOST_A_MONTH * (max(age_days, 0) // MONTH)
    return round(max(min(aged, CAPS.get(network, 1.0)), DIVIDED), 3)
