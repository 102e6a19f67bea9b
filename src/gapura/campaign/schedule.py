"""schedule: from whom is due to rows that say so, and when each goes out.

Looked up by time, so a day costs what is due on it and not what the campaign has in all.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from gapura.clock import SECOND
from gapura.store import deliveries, members
from gapura.store.base import Connection
from gapura.store.deliveries import Planned
from gapura.store.members import Next
from gapura.store.sqlite import Store
from gapura.terms.campaign import Pace
from gapura.terms.letter import Kind

BATCH = 500
MINUTE = 60 * SECOND


class Step(NamedTuple):
    """What is sent now, and which stage comes next (`at` 0: none)."""

    stage: str
    kind: Kind
    following: int
    at: int


Walk = Callable[[Next], Step]


class Spread:
    """When letters go out that are due at one time: in this minute as many as all of them and each domain may, the
    others in the next ones.

    >>> spread = Spread(Pace(per_minute=5, per_domain=2, domains={"b.example": 3}))
    >>> [spread.at("a.example", 0) // MINUTE for _ in range(5)], [spread.at("b.example", 7) for _ in range(3)]
    ([0, 0, 1, 1, 2], [7, 7, 7])
    >>> spread.at("c.example", 0) // MINUTE
    1
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._taken: Counter[tuple[str, int]] = Counter()
        self._first: dict[tuple[str, int], int] = {}

    def at(self, domain: str, wanted: int) -> int:
        """For one more letter to this domain, not before `wanted`."""
        begin = wanted // MINUTE
        limit = self._pace.domains.get(domain, self._pace.per_domain)
        minute = self._first.get((domain, begin), begin)
        while self._taken["", minute] >= self._pace.per_minute or self._taken[domain, minute] >= limit:
            minute += 1
        self._first[domain, begin] = minute
        self._taken["", minute] += 1
        self._taken[domain, minute] += 1
        return max(wanted, minute * MINUTE)

    def forget(self, before: int) -> None:
        """Minutes that are over."""
        self._taken = Counter({key: count for key, count in self._taken.items() if key[1] * MINUTE >= before})
        self._first = {key: minute for key, minute in self._first.items() if key[1] * MINUTE >= before}


async def plan(store: Store, campaign: str, until: int, at: int, walk: Walk, spread: Spread) -> int:
    """Makes the notices that are due by `until`; how many those were.  A batch is planned and its accounts go on to
    their next stage in one transaction."""
    made = 0
    spread.forget(at)

    def work(db: Connection) -> tuple[int, int]:
        waiting = members.due(db, campaign, until, BATCH)
        steps = [(one, walk(one)) for one in waiting]
        planned = [
            Planned(
                account=one.account,
                stage=_key(step.stage, one.round),
                kind=step.kind,
                due_at=spread.at(_domain(one.contacts), max(one.at, at)),
            )
            for one, step in steps
        ]
        new = deliveries.plan(db, campaign, planned, at)
        members.advance(db, campaign, [(one.account, step.following, step.at) for one, step in steps])
        return len(waiting), new

    while True:
        looked, new = await asyncio.wrap_future(store.write(work))
        made += new
        if looked < BATCH:
            return made


def _key(stage: str, round_: int) -> str:
    """Whoever is affected a second time is told a second time."""
    return stage if round_ == 1 else f"{stage}.{round_}"


def _domain(contacts: dict[str, str]) -> str:
    """Of the first address; good enough to keep the pace, which the sender keeps once more."""
    return next((address.rpartition("@")[2].lower() for address in contacts.values()), "")
