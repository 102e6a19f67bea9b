"""Where the caller is: as a key asserts that may, else as trusted proxies say, else where the socket ends.

What a caller without the right says about its place changes nothing: a forged forwarding header from an untrusted
peer is not looked at, and an assertion without the right is refused aloud, so that nobody believes it had worked.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from gapura.atlas import territories
from gapura.atlas.proxies import Trust, client
from gapura.atlas.sources import Atlas
from gapura.errors import BadRequest, Forbidden
from gapura.terms.caller import Caller
from gapura.terms.place import Derivation, Origin

ADDRESS, TERRITORY = b"gapura-client-address", b"gapura-client-territory"
ASSERTING = frozenset({ADDRESS, TERRITORY})

# The word of the operator, or of whom it gave the right, is not measured.
STATED = 1.0

# What a backend may have got from its own CDN instead of a territory: known to be a place, not known which.
PSEUDO = frozenset({"EU", "AP", "XX", "T1"})


class Places(NamedTuple):
    """What places are judged by.  `site_territory` "": callers without a usable address have no place."""

    atlas: Atlas
    trust: Trust
    site_territory: str = ""


def locate(headers: Sequence[tuple[bytes, bytes]], peer: str, caller: Caller, places: Places) -> Origin:
    """Raises Forbidden for an assertion without the right and for a key outside its networks, BadRequest for an
    assertion that says nothing, and for forwarding headers that contradict each other."""
    wanted = _wanted(places.trust.headers)
    told = [header for header in headers if header[0] in wanted]
    address, skipped = client(peer, told, places.trust)
    if caller.key.cidrs and not _networks(caller.key.cidrs).trusts(address):
        raise Forbidden(f"This key may not be used from {address or 'an unknown address'}.", code="address_not_allowed")
    if told and (len(told) > 1 or told[0][0] in ASSERTING):
        asserted = [header for header in told if header[0] in ASSERTING]
        if asserted:
            return _asserted(asserted, peer, caller, places)
    return _placed(address, "forwarded" if skipped else "peer", peer, skipped, places)


def _asserted(headers: Sequence[tuple[bytes, bytes]], peer: str, caller: Caller, places: Places) -> Origin:
    name, told = headers[0][0].decode(), headers[0][1].decode("latin-1").strip()
    if not caller.key.may_assert_origin:
        raise Forbidden(
            f"This key may not say where its users are. Leave {name} out, or ask the operator for that right.",
            param=name,
            code="origin_not_allowed",
        )
    if len(headers) > 1:
        raise BadRequest(f"Send one of {ADDRESS.decode()} and {TERRITORY.decode()}, once.", param=name)
    if headers[0][0] == TERRITORY:
        return _stated(told, name, peer)
    origin = _placed(told, "asserted-address", peer, (), places)
    if places.atlas.locate(told).kind == "malformed":
        raise BadRequest(f"{name} must be one IPv4 or IPv6 address, without port.", param=name)
    return origin


def _stated(told: str, name: str, peer: str) -> Origin:
    code = told.upper()
    if code in PSEUDO:
        return Origin("", "uncertain", "asserted-territory", peer=peer)
    if code not in territories.CODES:
        try:
            code = territories.resolve_part(told[:100])
        except ValueError as error:
            raise BadRequest(f"{name}: {error}", param=name) from None
    whole = code[:2]
    part = code if code != whole else ""
    return Origin(whole, "certain", "asserted-territory", peer=peer, subdivision=part, confidence=STATED)


def _placed(address: str, derivation: Derivation, peer: str, skipped: tuple[str, ...], places: Places) -> Origin:
    located = places.atlas.locate(address)
    if located.certainty != "absent":
        return Origin(
            located.territory,
            located.certainty,
            derivation,
            address,
            peer,
            skipped,
            located.answers,
            located.subdivision,
            located.network,
            located.confidence,
            located.embedded,
        )
    network = located.network
    if places.site_territory:
        return Origin(
            places.site_territory, "certain", "site", address, peer, skipped, network=network, confidence=STATED
        )
    return Origin("", "absent", "none", address, peer, skipped, network=network)


@lru_cache(maxsize=16)
def _wanted(forwarding: tuple[bytes, ...]) -> frozenset[bytes]:
    return ASSERTING.union(forwarding)


@lru_cache(maxsize=4096)
def _networks(cidrs: tuple[str, ...]) -> Trust:
    return Trust(cidrs)
