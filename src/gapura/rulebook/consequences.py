"""Whom other place data would hit, and whom they would release: the record located anew, and decided again.

The same `Rules` that decide requests decide here, so what is foretold is what happens.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from gapura.rulebook.compile import Rules
from gapura.rulebook.weigh import RANK
from gapura.store.sightings import Seen
from gapura.terms.caller import Account
from gapura.terms.place import Located, Origin
from gapura.terms.rulebook import Effect
from gapura.terms.verdict import Verdict


class Locator(Protocol):
    """The part of `gapura.atlas.sources.Atlas` that matters here."""

    def locate(self, address: str) -> Located: ...


class Relocated(msgspec.Struct, frozen=True):
    """An address, and the places that were and would be told of it: a code, or how uncertain it is."""

    address: str
    before: str
    after: str
    requests: int


class Shift(msgspec.Struct, frozen=True):
    """What becomes of one target for one account, and of which addresses.  `because` is said of the new effect."""

    target: str
    before: Effect
    after: Effect
    because: str
    addresses: tuple[Relocated, ...]


class Consequence(msgspec.Struct, frozen=True):
    """One account: `hit` are targets that treat it more strictly than before, `released` those that do less so."""

    account: str
    external_id: str
    organisation: str
    hit: tuple[Shift, ...]
    released: tuple[Shift, ...]


class Consequences(msgspec.Struct, frozen=True):
    """Of `accounts` seen at `addresses` in the last `days`; `moved` of these addresses are elsewhere.  `items`: whoever
    is hit first, then whoever is released alone."""

    days: int
    accounts: int
    addresses: int
    moved: int
    hit: int
    released: int
    items: tuple[Consequence, ...]


Moves = dict[str, tuple[Located, Located]]


def consequences(  # noqa: PLR0913 - all that it depends on
    seen: Iterable[Seen],
    accounts: Callable[[str], Account | None],
    before: Locator,
    after: Locator,
    rules: Rules,
    *,
    at: int,
    days: int,
) -> Consequences:
    """`accounts` knows an account by its id, None for one that is gone."""
    met: set[str] = set()
    asked: set[str] = set()
    moves: Moves = {}
    told: dict[str, dict[tuple[str, Effect, Effect], tuple[str, dict[str, int]]]] = {}
    for one in seen:
        met.add(one.account)
        if one.address not in asked:
            asked.add(one.address)
            old, new = before.locate(one.address), after.locate(one.address)
            if _place(old) != _place(new):
                moves[one.address] = old, new
        if one.address in moves and (account := accounts(one.account)):
            for was, will in _verdicts(one, account, moves[one.address], rules, at):
                _, places = told.setdefault(one.account, {}).setdefault(
                    (was.target, was.effect, will.effect), (will.because, {})
                )
                places[one.address] = places.get(one.address, 0) + one.requests
    items = [_consequence(account, told[account.id], moves) for name in told if (account := accounts(name))]
    items.sort(key=lambda one: (not one.hit, one.organisation, one.external_id))
    return Consequences(
        days=days,
        accounts=len(met),
        addresses=len(asked),
        moved=len(moves),
        hit=sum(bool(one.hit) for one in items),
        released=sum(bool(one.released) for one in items),
        items=tuple(items),
    )


def _verdicts(
    one: Seen, account: Account, move: tuple[Located, Located], rules: Rules, at: int
) -> Iterable[tuple[Verdict, Verdict]]:
    """Of each target of the model's route that is set up: what was and what would be, where they differ."""
    route = rules.route(one.model)
    for target in route.targets if route else ():
        if target.provider in rules.endpoints:
            was, will = (
                rules.judge(target.provider, target.model, _origin(place, one.address), account, at) for place in move
            )
            if was.effect != will.effect:
                yield was, will


def _origin(place: Located, address: str) -> Origin:
    return Origin(
        place.territory,
        place.certainty,
        "peer",
        address,
        answers=place.answers,
        subdivision=place.subdivision,
        network=place.network,
        confidence=place.confidence,
    )


def _consequence(
    account: Account, told: dict[tuple[str, Effect, Effect], tuple[str, dict[str, int]]], moves: Moves
) -> Consequence:
    shifts = [
        Shift(
            target,
            before,
            after,
            because,
            tuple(
                Relocated(address, _named(moves[address][0]), _named(moves[address][1]), requests)
                for address, requests in sorted(places.items())
            ),
        )
        for (target, before, after), (because, places) in sorted(told.items())
    ]
    return Consequence(
        account.id,
        account.external_id,
        account.organisation,
        tuple(one for one in shifts if RANK[one.after] > RANK[one.before]),
        tuple(one for one in shifts if RANK[one.after] < RANK[one.before]),
    )


def _place(located: Located) -> tuple[str, ...]:
    return located.territory, located.certainty, located.subdivision, located.network


def _named(located: Located) -> str:
    sure = "" if located.certainty == "certain" else located.certainty
    return " ".join(word for word in (located.subdivision or located.territory, sure) if word)
