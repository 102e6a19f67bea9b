"""What this gate may spend: slices that the keeper lent it.  Taking is one look into a dict; only where a slice does
not suffice the keeper is asked, once for all who wait for the same purse.

Promise: what is taken, left and given back is never more than what was lent, so no limit is exceeded, however many
gates there are.  Waiters are served in their order, at the moment in which a grant comes.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from gapura.clock import SECOND, Clock
from gapura.errors import Unready
from gapura.terms.holds import BUDGET, Taken
from gapura.terms.link import GiveBack, Grant

# Who has another purse behind an empty one does not ask for it again at once.
DRY = 1 * SECOND

# So long after its end a budget's window is still known here: by then its last requests are in the ledger.
GRACE = 3600 * SECOND


class _Purse:
    __slots__ = ("free", "lent", "taken", "until")

    def __init__(self, until: int) -> None:
        self.free = self.lent = self.taken = 0
        self.until = until


class _Waiter:
    __slots__ = ("done", "least", "want")

    def __init__(self, want: int, least: int) -> None:
        self.want, self.least = want, least
        self.done: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()


class Purses:
    """`ask` is `Link.ask`; what it grants comes by `add`, also when nobody waits for it any more."""

    def __init__(self, ask: Callable[[str, int, int], Awaitable[Grant]], clock: Clock) -> None:
        self._ask, self._clock = ask, clock
        self._purses: dict[str, _Purse] = {}
        self._lines: dict[str, deque[_Waiter]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._dry: dict[str, int] = {}
        self._owed: dict[str, int] = {}

    def take(self, purse: str, amount: int, at: int) -> bool:
        """Takes it from what is here; False where that does not suffice."""
        have = self._purses.get(purse)
        if have is None or have.free < amount or 0 < have.until <= at:
            return False
        have.free -= amount
        have.taken += amount
        return True

    def take_all(self, wanted: Sequence[Taken], at: int) -> bool:
        """Takes each from what is here; nothing, and False, where one does not suffice, or nothing is wanted of it."""
        purses = self._purses
        for number, one in enumerate(wanted):
            have, amount = purses.get(one.purse), one.amount
            if have is None or not 0 < amount <= have.free or 0 < have.until <= at:
                for other in wanted[:number]:
                    self.give(other.purse, other.amount)
                return False
            have.free -= amount
            have.taken += amount
        return True

    async def borrow(self, purse: str, want: int, least: int, limit: int, at: int) -> Grant:
        """Takes `want`, or what is left where that is at least `least`, or 0; `amount` says what.

        `limit` is the limit a minute, 0 for a budget.  Raises Unready where the keeper is needed and away.
        """
        if purse not in self._lines and self.take(purse, want, at):
            return Grant(0, purse, want)
        waiter = _Waiter(want, least)
        self._lines.setdefault(purse, deque()).append(waiter)
        if purse not in self._asking:
            self._asking[purse] = asyncio.create_task(self._fill(purse, limit))
        try:
            return await waiter.done
        except asyncio.CancelledError:
            if not waiter.done.cancelled() and not waiter.done.exception():
                self.give(purse, waiter.done.result().amount)
            raise

    async def some(self, purse: str, want: int, at: int) -> int:
        """Takes `want`, or whatever is left, for somebody who has another purse behind this one.  Raises Unready.

        One that was found empty is not asked for again within a second, unless something comes back here.
        """
        if self.take(purse, want, at):
            return want
        if at >= self._dry.get(purse, 0):
            amount = (await self.borrow(purse, want, 1, 0, at)).amount
            if amount < want:
                self._dry[purse] = at + DRY
            return amount
        have = self._purses.get(purse)
        amount = min(want, have.free) if have else 0
        return amount if amount and self.take(purse, amount, at) else 0

    def owe(self, purse: str, amount: int) -> None:
        """More was used of a minute's limit than was taken: it is taken from what comes next, in the next minute if
        need be."""
        have, now = self._purses.get(purse), self._clock()
        part = min(amount, have.free) if have and not 0 < have.until <= now else 0
        if part:
            self.take(purse, part, now)
        if amount > part:
            self._owed[purse] = self._owed.get(purse, 0) + amount - part

    def give(self, purse: str, amount: int) -> None:
        """Puts back what of a hold was not used.  What was of an earlier minute is gone with it."""
        if amount > 0 and (have := self._purses.get(purse)):
            if self._dry:
                self._dry.pop(purse, None)
            amount = min(amount, have.taken)
            have.taken -= amount
            have.free += amount
            if self._lines:
                self._serve(purse)

    def add(self, grant: Grant) -> None:
        """What the keeper lends."""
        have = self._purses.get(grant.purse)
        if have is None or have.until < grant.until:
            have = self._purses[grant.purse] = _Purse(grant.until)
        if have.until == grant.until:
            have.free += grant.amount
            have.lent += grant.amount
            if owed := self._owed.pop(grant.purse, 0):
                self.owe(grant.purse, owed)
            self._serve(grant.purse)

    def recall(self, purse: str) -> GiveBack:
        """Lets go of what is not held."""
        have = self._purses.get(purse)
        if have is None:
            return GiveBack(purse, 0)
        amount, have.free = have.free, 0
        have.lent -= amount
        return GiveBack(purse, amount, have.until)

    def recall_all(self) -> list[GiveBack]:
        """Everything that is not held, on drain."""
        return [back for back in map(self.recall, list(self._purses)) if back.amount]

    def held(self) -> dict[str, int]:
        """What is here and not taken, of each."""
        self._expire()
        return {purse: have.free for purse, have in self._purses.items() if have.free}

    def lent(self) -> dict[str, int]:
        """What was received of each, less what was given back; see `Hello`."""
        self._expire()
        return {purse: have.lent for purse, have in self._purses.items()}

    async def _fill(self, purse: str, limit: int) -> None:
        """Asks as long as somebody waits."""
        line = self._lines[purse]
        try:
            while asked := {waiter for waiter in line if not waiter.done.done()}:
                want = sum(waiter.want for waiter in asked)
                grant = await self._ask(purse, want, limit)
                if grant.amount < want:
                    self._share(purse, asked, grant)
        except Unready as error:
            for waiter in line:
                if not waiter.done.done():
                    waiter.done.set_exception(error)
        finally:
            del self._asking[purse], self._lines[purse]

    def _serve(self, purse: str) -> None:
        """Those who wait, in their order, as far as it goes."""
        line = self._lines.get(purse)
        now = self._clock() if line else 0
        while line and (line[0].done.done() or self.take(purse, line[0].want, now)):
            waiter = line.popleft()
            if not waiter.done.done():
                waiter.done.set_result(Grant(0, purse, waiter.want))

    def _share(self, purse: str, asked: set[_Waiter], grant: Grant) -> None:
        """There is no more: what is left goes to the first whom it helps, the others are refused."""
        line, now = self._lines[purse], self._clock()
        for waiter in [waiter for waiter in line if waiter in asked and not waiter.done.done()]:
            have = self._purses.get(purse)
            amount = min(waiter.want, have.free) if have else 0
            if amount < waiter.least or not self.take(purse, amount, now):
                amount = 0
            waiter.done.set_result(Grant(0, purse, amount, grant.until, grant.retry_after))

    def _expire(self) -> None:
        now = self._clock()
        for purse in [purse for purse, have in self._purses.items() if have.until and _gone(purse, have.until) <= now]:
            del self._purses[purse]
        for purse in [purse for purse, until in self._dry.items() if until <= now]:
            del self._dry[purse]


def _gone(purse: str, until: int) -> int:
    return until + GRACE if purse.startswith(BUDGET) else until
