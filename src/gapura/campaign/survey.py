"""survey: what was seen of whom, brought up to date: the record's newest rows, and other place data.

Each row of the record is looked at once.  Where place data have changed, the addresses of those who are affected are
looked up again, and their visits are counted by what is known now; nobody else is hit by an update alone.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import TypeVar

from gapura.store import campaigns, grounds, members, relocated
from gapura.store.base import Connection, Work
from gapura.store.campaigns import Kept
from gapura.store.grounds import Request
from gapura.store.relocated import Noted
from gapura.store.retention import network
from gapura.store.sqlite import Store
from gapura.store.visits import DAY

T = TypeVar("T")

# Scans of what came meanwhile, before the whole is done again.
TRIES = 10

Locate = Callable[[str], str]
"""An address → the territory that it is certainly in, "" where that is not certain."""

Moved = dict[str, list[Noted]]
"""Accounts that are elsewhere by other data → all their requests, as these data place them."""


class LookedFurther(Exception):
    """Visits have been counted meanwhile; the job is done again."""


async def gather(store: Store, kept: Kept, outside: tuple[str, ...], at: int) -> int:
    """Evidence of the record's new rows; how many rows those were."""
    since = at - kept.spec.audience.days * DAY
    after = kept.surveyed_to or store.read(lambda db: grounds.first_row(db, since))
    begun = after

    def following(db: Connection) -> tuple[int, list[Request]]:
        return grounds.requests(db, after, outside)

    while True:
        last, found = await asyncio.to_thread(store.read, following)
        if not last:
            return after - begun
        shown = [one if kept.spec.full_addresses else one._replace(address=network(one.address)) for one in found]
        await _write(store, _keeping(kept, shown, after, last))
        after = last


def _keeping(kept: Kept, found: list[Request], after: int, last: int) -> Work[None]:
    def work(db: Connection) -> None:
        now = campaigns.get(db, kept.id)
        if now.surveyed_to <= after:  # otherwise somebody was faster
            grounds.add(db, kept.id, found)
            members.answered(db, kept.id, after, last)
            campaigns.surveyed(db, kept.id, last, now.surveyed_by)

    return work


class Scan:
    """The record of a campaign's affected accounts from `begin` to `until`, by the place data of now."""

    def __init__(self, store: Store, campaign: str, begin: int, until: int, locate: Locate) -> None:
        self._store, self._campaign, self._begin, self.until = store, campaign, begin, until
        self._locate, self._known = locate, dict[str, str]()

    def moved(self) -> Moved:
        """Requests that were made from elsewhere than was noted."""
        return self._found(lambda noted, now: now != noted.territory)

    def of(self, accounts: Collection[str]) -> Moved:
        """All requests of these."""
        return self._found(lambda noted, _: noted.account in accounts)

    def _found(self, wanted: Callable[[Noted, str], bool]) -> Moved:
        found: Moved = {}
        after = self._begin

        def batch(db: Connection) -> tuple[int, list[Noted]]:
            return relocated.requests(db, self._campaign, after, self.until)

        while after < self.until:
            after, noted = self._store.read(batch)
            for one in noted:
                now = self._place(one.address) if one.address else one.territory
                if wanted(one, now):
                    found.setdefault(one.account, []).append(one._replace(territory=now))
        return found

    def _place(self, address: str) -> str:
        if address not in self._known:
            self._known[address] = self._locate(address.partition("/")[0])
        return self._known[address]


async def relocate(store: Store, kept: Kept, locate: Locate, data: str, at: int) -> Moved:
    """Visits of affected accounts by other place data; `data` names them.  Nothing where they are the same.

    Requests go on meanwhile, so what came after a scan is scanned too, which is less each time.  Raises LookedFurther
    where that does not end.
    """
    since = at // DAY - kept.spec.audience.days
    if kept.surveyed_by == data:
        return {}
    if not kept.surveyed_by:
        await _write(store, lambda db: _surveyed(db, kept, data))
        return {}
    begin = until = store.read(lambda db: grounds.first_row(db, since * DAY))
    whole: Moved = {}
    touched: frozenset[str] = frozenset()

    def write(db: Connection) -> None:
        if relocated.looked_at(db) > until:
            raise LookedFurther
        for account, requests in whole.items():
            relocated.rewrite(db, account, since, requests)
        _surveyed(db, kept, data)

    for left in reversed(range(TRIES)):
        last, until = until, max(until, store.read(relocated.looked_at))
        new = Scan(store, kept.id, last, until, locate)
        more = (frozenset(await asyncio.to_thread(new.moved)) | store.read(relocated.again)) - touched
        for account, requests in (await asyncio.to_thread(new.of, touched)).items():
            whole.setdefault(account, []).extend(requests)
        whole |= await asyncio.to_thread(Scan(store, kept.id, begin, until, locate).of, more) if more else {}
        touched |= more
        try:
            await _write(store, write)
            break
        except LookedFurther:
            if not left:
                raise
    return whole


def _surveyed(db: Connection, kept: Kept, data: str) -> None:
    campaigns.surveyed(db, kept.id, campaigns.get(db, kept.id).surveyed_to, data)


async def renew(store: Store, kept: Kept, moved: Moved, outside: tuple[str, ...]) -> None:
    """Evidence of those who are elsewhere and affected all the same.  Of others it stays: it is why they were told."""

    def shown(noted: Noted) -> Request:
        return Request(*noted._replace(address=noted.address if kept.spec.full_addresses else network(noted.address)))

    def write(db: Connection) -> None:
        for account, requests in moved.items():
            member = members.get(db, kept.id, account)
            if member is not None and member.state == "affected":
                grounds.forget(db, kept.id, account)
                grounds.add(db, kept.id, [shown(one) for one in requests if one.territory in outside])

    if moved:
        await _write(store, write)


async def _write(store: Store, work: Work[T]) -> T:
    return await asyncio.wrap_future(store.write(work))
