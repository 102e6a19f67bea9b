"""From where this gateway calls its providers, and whether it may: a provider sees our address, not the caller's.

What is stated for one provider takes the place of what is stated for all.  Of several addresses a gateway cannot
choose, so each must be covered; one that the atlas does not place is not judged, and `gapura doctor egress` says so.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec

from gapura.atlas import territories
from gapura.checks import public_address
from gapura.rulebook.opinions import guarding
from gapura.rulebook.weigh import covers
from gapura.terms.place import Certainty, Located
from gapura.terms.rulebook import Endpoint, Policy, Rulebook

Locate = Callable[[str], Located]


class Judged(msgspec.Struct, frozen=True):
    """`egress` is what was stated or found; `may` unknown: the atlas does not place it for certain."""

    provider: str
    egress: str
    territory: str
    certainty: Certainty
    may: Literal["yes", "no", "unknown"]
    because: str


def nowhere(_: str) -> Located:
    """For whoever has no place data."""
    return Located("", "unknown")


def stated(written: str) -> str:
    """An address in its shortest form, or the code of a territory.  Raises ValueError."""
    written = written.strip()
    if any(sign in written for sign in ".:") and not any(sign.isspace() for sign in written):
        return public_address(written)
    return territories.resolve(written)


def called_from(endpoint: Endpoint, locate: Locate) -> tuple[str, ...]:
    """The territories of what was stated, each once, without what has no certain place."""
    return tuple(dict.fromkeys(filter(None, (place(one, locate)[0] for one in endpoint.egress))))


def names_addresses(book: Rulebook) -> bool:
    """Whether rules made of it depend on place data."""
    return any(one not in territories.CODES for endpoint in book.endpoints for one in endpoint.egress)


def place(egress: str, locate: Locate) -> tuple[str, Certainty]:
    """Of an address, or of a territory itself; "" unless it is certain."""
    if egress in territories.CODES:
        return egress, "certain"
    located = locate(egress)
    return (located.territory if located.certainty == "certain" else ""), located.certainty


def judged(book: Rulebook, endpoint: Endpoint, egress: str, locate: Locate, at: int) -> Judged:
    """Whether every policy that guards this provider covers the place that it is called from."""
    territory, certainty = place(egress, locate)
    guards = guarding(book, endpoint.provider)
    against = [policy for policy in guards if territory and not covers(policy, territory, at)]
    if not guards:
        return Judged(endpoint.provider, egress, territory, certainty, "yes", "no policy guards it")
    if not territory:
        told = {"uncertain": "the sources are not sure where it is", "absent": "it is no public address"}
        because = told.get(certainty, "no source knows where it is")
        return Judged(endpoint.provider, egress, territory, certainty, "unknown", because)
    if against:
        because = "; ".join(f"{_named(policy)} does not cover {territory}" for policy in against)
        return Judged(endpoint.provider, egress, territory, certainty, "no", because)
    because = "; ".join(f"{_named(policy)} covers {territory}" for policy in guards)
    return Judged(endpoint.provider, egress, territory, certainty, "yes", because)


def everywhere(book: Rulebook, found: Iterable[str], locate: Locate, at: int) -> Iterator[Judged]:
    """Each provider from each place that is stated for it, and from each that was `found`."""
    more = list(found)
    for endpoint in book.endpoints:
        for egress in dict.fromkeys((*endpoint.egress, *more)):
            yield judged(book, endpoint, egress, locate, at)


def _named(policy: Policy) -> str:
    return policy.pack.name + (f" (for {', '.join(policy.models)})" if policy.models else "")
