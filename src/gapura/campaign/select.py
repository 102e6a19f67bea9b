"""select: who is affected, everybody weighed anew, a slice at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeVar

import msgspec

from gapura import crash
from gapura.rulebook.weigh import covers
from gapura.store import audiences
from gapura.store.audiences import Due, Member, Question, Slice, Spared, Weighed
from gapura.store.base import Connection, Work
from gapura.store.sqlite import Store
from gapura.store.visits import DAY
from gapura.terms.campaign import Campaign
from gapura.terms.rulebook import Policy

T = TypeVar("T")

Then = Callable[[Connection, list[Member]], None]
"""What follows for those who are released, in the same transaction."""


class Selected(msgspec.Struct, frozen=True):
    """`enrolled` of those who are `affected` are so anew."""

    affected: int = 0
    enrolled: int = 0
    released: int = 0
    requests: int = 0


def question(name: str, spec: Campaign, policy: Policy, territories: tuple[str, ...], at: int) -> Question:
    """`territories`: all that there are.  A place is judged as it will be on the day."""
    day = max(at, spec.effective_at)
    inside = tuple(code for code in territories if covers(policy, code, day))
    wanted = spec.audience.territories or territories
    lifted = tuple(one.account for one in policy.exceptions if one.ends == 0 or one.ends > day)
    return Question(
        campaign=name,
        policy=policy.name,
        audience=spec.audience,
        outside=tuple(code for code in territories if code not in inside and code in wanted),
        inside=inside,
        lifted=lifted,
        since=at // DAY - spec.audience.days,
        at=at,
        due_at=day,
    )


async def preview(store: Store, asked: Question, spared: Spared | None) -> Selected:
    """Who would be affected; nothing is written."""
    people = requests = 0
    async for of in slices(store, asked):
        some = await _write(store, partial(audiences.count, question=asked, of=of, spared=spared))
        people, requests = people + some[0], requests + some[1]
    return Selected(people, people, 0, requests)


async def sample(store: Store, asked: Question, spared: Spared | None, most: int) -> list[Member]:
    """Some of those who would be affected, with what is known of each."""
    found: list[Member] = []
    async for of in slices(store, asked):
        found += await _write(
            store, partial(audiences.sample, question=asked, of=of, spared=spared, most=most - len(found))
        )
        if len(found) >= most:
            break
    return found


async def select(store: Store, asked: Question, due: Due, spared: Spared | None, then: Then) -> Selected:
    """Enrols and releases.  What was done before a keeper died stays done; the next one weighs everybody anew."""
    found = Selected()
    async for of in slices(store, asked):

        def work(db: Connection, of: Slice = of) -> Weighed:
            weighed = audiences.weigh(db, asked, of, due, spared)
            then(db, weighed.released)
            crash.point("during-select")
            return weighed

        weighed = await _write(store, work)
        found = Selected(
            found.affected + weighed.affected,
            found.enrolled + weighed.enrolled,
            found.released + len(weighed.released),
        )
    return found


async def slices(store: Store, asked: Question) -> AsyncIterator[Slice]:
    """Everybody who may be affected, in turn."""
    after = ""
    while (of := store.read(partial(audiences.following, question=asked, after=after))) is not None:
        yield of
        after = of.until


async def _write(store: Store, work: Work[T]) -> T:
    return await asyncio.wrap_future(store.write(work))
