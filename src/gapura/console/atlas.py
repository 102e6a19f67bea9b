"""The atlas, shown: what it consists of, where an address is and why, and whether all of it is sound."""

import asyncio
from socket import AF_INET, AF_INET6, inet_pton

import msgspec

from gapura.atlas import builds, corrections, inventory
from gapura.atlas.corrections import Correction
from gapura.atlas.special import unwrap
from gapura.atlas.territories import NAMES
from gapura.console.context import GateStatus
from gapura.console.foretold import Unloadable
from gapura.console.operations import Call, Operation
from gapura.terms.place import Located

MOST_ADDRESSES = 10_000
LONGEST = 64


class Shown(msgspec.Struct, frozen=True):
    """`sources` in the order in which they are asked.  `corrections`: how many are in force.  `former`: whether an
    update can be taken back.  `gates` with the version that each has."""

    version: str
    sources: list[inventory.Held]
    networks: list[inventory.Listing]
    corrections: int
    former: bool
    gates: tuple[GateStatus, ...]


class Addresses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    addresses: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.addresses) <= MOST_ADDRESSES:
            raise ValueError(f"addresses: give 1 to {MOST_ADDRESSES}")


class Place(msgspec.Struct, frozen=True):
    """`located` with every source's answer; `name` of its territory; `because` says how it came about; `correction`
    is the one that decided, if one did."""

    address: str
    name: str
    because: str
    located: Located
    correction: Correction | None


class Places(msgspec.Struct, frozen=True):
    version: str
    items: list[Place]


class Verified(msgspec.Struct, frozen=True):
    """`sound`: nothing is stale or damaged."""

    sound: bool
    findings: list[inventory.Finding]


async def show(call: Call) -> Shown:
    """Sources, lists and corrections in force: their order, dates, ages, counts and licences."""
    context, at = call.context, call.context.store.clock()
    home, documents, atlas = context.settings.home, context.documents(), context.atlas()
    try:
        held = await asyncio.to_thread(inventory.held, home, documents, at)
        listings = await asyncio.to_thread(inventory.listings, documents, at)
    except inventory.TROUBLE as error:
        raise Unloadable(f"{error}; `gapura atlas verify` tells more") from None
    corrected = len(atlas.corrections.all()) if atlas.corrections else 0
    former = builds.pointer(home).former is not None
    return Shown(atlas.version, held, listings, corrected, former, context.status().gates)


async def lookup(call: Call, body: Addresses) -> Places:
    """Where addresses are, what every source says of them, and why that came out."""
    atlas, at = call.context.atlas(), call.context.store.clock()
    found = []
    for address in body.addresses:
        bare = address.strip()[:LONGEST]
        located = atlas.locate(bare)
        correction = None
        if atlas.corrections and located.kind != "malformed":
            packed, _ = unwrap(inet_pton(AF_INET6 if ":" in bare else AF_INET, bare), atlas.nat64)
            correction = atlas.corrections.find(packed, at)
        found.append(Place(bare, NAMES.get(located.territory, ""), _because(located, correction), located, correction))
    return Places(atlas.version, found)


async def verify(call: Call) -> Verified:
    """Reads and hashes every file anew, and says what is stale or damaged."""
    context = call.context
    found = await asyncio.to_thread(inventory.verify, context.settings.home, context.documents(), context.store.clock())
    return Verified(not inventory.unsound(found), found)


def _because(located: Located, correction: Correction | None) -> str:
    """In one sentence."""
    carried = f", of the IPv4 address in it ({located.embedded})" if located.embedded else ""
    if correction is not None:
        return f"corrected: {correction.reason}{carried}"
    if located.kind != "public":
        return f"no place: {located.kind}{carried}"
    listed = located.answers[0] if located.answers and located.answers[0].network and located.answers[0].code else None
    known = [answer for answer in located.answers if answer.code and answer.source != corrections.SOURCE]
    if listed and located.territory == listed.code and located.certainty == "certain":
        told = f"{listed.source} states where its users are"
    elif not known:
        told = "no source knows it"
    elif located.certainty == "uncertain":
        told = "the sources disagree" if len({answer.code for answer in known}) > 1 else "the source is not sure itself"
    else:
        told = f"{known[0].source} says so" if len(known) == 1 else f"{len(known)} sources agree"
    return told + carried


OPERATIONS = (
    Operation("GET", "/atlas", ("rulebook.read",), show),
    Operation("POST", "/atlas/lookup", ("rulebook.read",), lookup),
    Operation("GET", "/atlas/verify", ("rulebook.read",), verify),
)
