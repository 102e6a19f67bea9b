"""How fast, and how many at once: of the relay and of each domain that is written to.

A large provider takes a stranger's mail slowly, or not at all; so each domain has a rate and a number of connections.
The turns are computed, not waited for: whoever sends is told how long to wait.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gapura.clock import SECOND, Clock
from gapura.post.relay import Limits

Sleep = Callable[[float], Awaitable[None]]
MOST_DOMAINS = 10_000


class Pace:
    """Turns at a rate.  `rate`: a second; 0: no limit."""

    def __init__(self, rate: float) -> None:
        self._interval = int(SECOND / rate) if rate else 0
        self.next = 0

    def take(self, now: int) -> int:
        """The next turn is the caller's: in how many microseconds it is.

        >>> pace = Pace(2)
        >>> [pace.take(now) for now in (0, 0, 100_000, 9_000_000)]
        [0, 500000, 900000, 0]
        """
        turn = max(now, self.next)
        self.next = turn + self._interval
        return turn - now


class _Domain:
    def __init__(self, limits: Limits) -> None:
        self.pace = Pace(limits.messages_per_s)
        self.room = asyncio.Semaphore(limits.connections)
        self.users = 0


class Paces:
    """All domains, and the relay as a whole."""

    def __init__(self, whole: Pace, limits: Callable[[str], Limits], clock: Clock, sleep: Sleep) -> None:
        self._whole, self._limits, self._clock, self._sleep = whole, limits, clock, sleep
        self._domains: dict[str, _Domain] = {}

    @asynccontextmanager
    async def turn(self, domain: str) -> AsyncIterator[None]:
        """Holds one of the domain's places; begins when it is the message's turn."""
        one = self._domain(domain)
        one.users += 1
        try:
            async with one.room:
                # One after the other: who waits for a slow domain takes no turn of the relay meanwhile.
                for pace in (one.pace, self._whole):
                    if wait := pace.take(self._clock()):
                        await self._sleep(wait / SECOND)
                yield
        finally:
            one.users -= 1

    def _domain(self, domain: str) -> _Domain:
        found = self._domains.get(domain)
        if found is None:
            if len(self._domains) >= MOST_DOMAINS:
                self._forget()
            found = self._domains[domain] = _Domain(self._limits(domain))
        return found

    def _forget(self) -> None:
        """Domains that nobody waits for, and whose next message may go at once."""
        now = self._clock()
        kept = {name: one for name, one in self._domains.items() if one.users or one.pace.next > now}
        self._domains = kept
