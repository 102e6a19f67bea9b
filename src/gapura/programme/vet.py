"""What speaks against a claim: who is not meant by the offer, what several claims share, and what cannot be.

Pure: the same claims give the same answer.  Claims that share something are a group, also over others: A with B by a
card and B with C by a device are one.  A refusal falls on the later claims only, since the first may be right; a
review on all that share.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from gapura.clock import SECOND
from gapura.terms.caller import Account
from gapura.terms.programme import (
    EFFECTS,
    SHARED,
    Attribute,
    Effect,
    Eligibility,
    Filed,
    Found,
    Signal,
    State,
    Vetting,
)

MINUTE = 60 * SECOND
NAMED = {"prefix": "network", "asn": "AS"}
TIES: dict[str, Signal] = {signal: signal for signal in SHARED}
FOLLOWS: dict[Effect, State] = {"ignore": "clear", "note": "clear", "review": "review", "refuse": "refused"}


class Candidate(msgspec.Struct, frozen=True):
    """A claim that is vetted.  `ineligible`: why its account is none of those who are meant."""

    id: str
    made_at: int
    attributes: tuple[Attribute, ...]
    strange: tuple[str, ...] = ()
    unreadable: str = ""
    ineligible: tuple[str, ...] = ()


class Verdict(msgspec.Struct, frozen=True):
    """What was found, what follows for a claim that nobody has decided, and its group: the id of the first claim in it,
    "" where it shares nothing."""

    state: State
    found: tuple[Found, ...]
    group: str


def ineligible(who: Eligibility, account: Account, filed: Filed) -> Iterator[str]:
    """Why the offer does not mean this account."""
    if filed.way not in who.ways:
        yield f"claims by {filed.way} are not taken"
    if who.territories and account.declared_territory not in who.territories:
        yield f"the account is in {account.declared_territory or 'no stated territory'}"
    if who.contracts and account.contract not in who.contracts:
        yield f"its contract is {account.contract or 'not stated'}"
    if account.created_at < who.made_since:
        yield "the account was there before"
    if account.status == "suspended":
        yield "the account is suspended"
    if filed.unreadable or filed.way in {"code", "invitation"}:
        return
    tokens, days = (filed.measured.tokens, filed.measured.days) if filed.measured else (0, 0)
    if tokens < max(who.least_tokens, 1):
        yield f"its former use is {tokens} tokens, less than {max(who.least_tokens, 1)}"
    if days < who.least_days:
        yield f"its former use is of {days} days, fewer than {who.least_days}"


def vet(how: Vetting, claims: Sequence[Candidate]) -> dict[str, Verdict]:
    """By the claim's id."""
    ordered = sorted(claims, key=lambda claim: (claim.made_at, claim.id))
    found: dict[str, set[Found]] = {claim.id: set(_alone(how, claim)) for claim in ordered}
    groups = _Groups()
    for attribute, sharing in _sharing(ordered).items():
        if attribute.kind in TIES:
            for claim, one in _shared(how, TIES[attribute.kind], sharing):
                found[claim].add(one)
            if how.effect(TIES[attribute.kind]) != "ignore":
                groups.join(sharing)
        else:
            for claim, detail in _hurried(how, attribute, sharing, {claim.id: claim.made_at for claim in ordered}):
                found[claim].add(Found("velocity", how.effect("velocity"), "", detail))
    return {
        claim: Verdict(_state(signals), tuple(sorted(signals)), groups.of(claim)) for claim, signals in found.items()
    }


def _alone(how: Vetting, claim: Candidate) -> Iterator[Found]:
    for detail in claim.ineligible:
        yield Found("ineligible", how.effect("ineligible"), "", detail)
    for detail in claim.strange:
        yield Found("implausible", how.effect("implausible"), "", detail)
    if claim.unreadable:
        yield Found("unreadable", how.effect("unreadable"), "", claim.unreadable)


def _sharing(claims: Iterable[Candidate]) -> Mapping[Attribute, list[str]]:
    """Who shares what, in the order of the claims; what only one has is left out."""
    having: defaultdict[Attribute, list[str]] = defaultdict(list)
    for claim in claims:
        for attribute in frozenset(claim.attributes):
            having[attribute].append(claim.id)
    return {attribute: claims for attribute, claims in having.items() if len(claims) > 1}


def _shared(how: Vetting, signal: Signal, sharing: Sequence[str]) -> Iterator[tuple[str, Found]]:
    first, effect = sharing[0], how.effect(signal)
    detail = f"{len(sharing)} claims"
    if effect != "refuse":
        yield first, Found(signal, effect, sharing[1], detail)
    for claim in sharing[1:]:
        yield claim, Found(signal, effect, first, detail)


def _hurried(
    how: Vetting, attribute: Attribute, sharing: Sequence[str], made: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    """Those that are among too many in too short a time."""
    span, begin = how.velocity_minutes * MINUTE, 0
    hurried: set[str] = set()
    for end, claim in enumerate(sharing):
        while made[claim] - made[sharing[begin]] >= span:
            begin += 1
        if end - begin >= how.velocity:
            hurried.update(sharing[begin : end + 1])
    where = f"{NAMED[attribute.kind]} {attribute.value}"
    for claim in sorted(hurried):
        yield claim, f"more than {how.velocity} claims in {how.velocity_minutes} min from {where}"


def _state(found: Iterable[Found]) -> State:
    return FOLLOWS[max((one.effect for one in found), key=EFFECTS.index, default="ignore")]


class _Groups:
    """Sets that are joined; each is known by its first member."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def join(self, members: Sequence[str]) -> None:
        first = self._top(members[0])
        for member in members[1:]:
            other = self._top(member)
            first, later = min(first, other), max(first, other)
            if first != later:
                self._above[later] = first

    def of(self, member: str) -> str:
        return self._top(member) if member in self._above else ""

    def _top(self, member: str) -> str:
        self._above.setdefault(member, member)
        while (above := self._above[member]) != member:
            self._above[member] = self._above[above]  # half the way, for whoever comes next
            member = above
        return member
