"""Where an account is, as opposed to where one of its requests came from: what was concluded, and from what."""

import msgspec

from gapura.clock import text
from gapura.console.operations import Call, Operation
from gapura.store import accounts, visits
from gapura.store.base import Connection
from gapura.store.visits import DAY, Found, Given
from gapura.terms.residence import State


class Seen(msgspec.Struct, frozen=True):
    """`day` (UTC) as 2026-07-09; only certain places count."""

    day: str
    territory: str
    requests: int


class Place(msgspec.Struct, frozen=True):
    """What follows under one policy.  `since`, `last` and `days` are of the visits that count: those from places that
    the policy does not cover, after the last one from elsewhere (`reset_on`, `reset_from`).  `turns_on`: when time
    alone leads outside.  Days are dates, "" for none.  `given`: what the account's status became because of it;
    `person` where somebody decided otherwise."""

    policy: str
    state: State
    days: int
    since: str
    last: str
    territories: dict[str, int]
    reset_on: str
    reset_from: str
    turns_on: str
    given: Given


class Presence(msgspec.Struct, frozen=True):
    """`policies`: those that judge where accounts are.  `visits`: from where it came, newest first."""

    account: str
    policies: list[Place]
    visits: list[Seen]


async def show(call: Call, account: str) -> Presence:
    """Where an account is, by each policy that judges that, with its evidence by day."""

    def work(db: Connection) -> Presence:
        accounts.get(db, call.who.scope, account)
        seen = [Seen(date(one.day), one.territory, one.requests) for one in reversed(visits.visits(db, account))]
        return Presence(account, [_place(found) for found in visits.known(db, account)], seen)

    return await call.read(work)


def date(day: int) -> str:
    """Of a day since 1970; "" for -1.

    >>> date(19_913), date(-1)
    ('2024-07-09', '')
    """
    return text(day * DAY)[:10] if day >= 0 else ""


def _place(found: Found) -> Place:
    of = found.residence
    day, territory = of.reset or (-1, "")
    return Place(
        policy=found.policy,
        state=of.state,
        days=of.days,
        since=date(of.since),
        last=date(of.last),
        territories=of.territories,
        reset_on=date(day),
        reset_from=territory,
        turns_on=date(found.turns_on),
        given=found.given,
    )


OPERATIONS = (Operation("GET", "/accounts/{account}/place", ("account.read",), show),)
