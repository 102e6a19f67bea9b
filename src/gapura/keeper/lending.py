"""What gates may spend is lent to them in slices: budgets and grants from the ledger, a minute's limits from memory.

A slice grows with use, so that a busy account costs few questions, and is never more than a gate's fair part of what
is left; near the end it is just what is asked for.  One question of a purse is answered at a time, and before one is
refused the other gates are asked to give back what they do not hold: so a budget of 100 serves exactly 100 requests
of cost 1, however many gates there are.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gapura import crash
from gapura.clock import SECOND, Clock
from gapura.keeper.slices import Gates, Slices
from gapura.store import budgets, records
from gapura.store.journal import boot_id
from gapura.store.ledger import Ledger
from gapura.store.sqlite import Store
from gapura.terms.holds import BUDGET
from gapura.terms.link import Ask, GiveBack, Grant, Hello

MINUTE = 60 * SECOND

# Purses of the ledger: budgets of accounts, grants, and windows of budgets.  Others are a minute's limits.
LEDGER = ("tok:", "gr:", "bud:")

# A gate that asks again within this time gets twice as much.
QUICK = 10 * SECOND

# Of what is left of a minute a gate gets at most this part, by the number of gates: it is soon over.
MINUTE_PARTS = 4

# How many purses' last use is remembered.
REMEMBERED = 10_000


class _Line:
    """Who waits for one purse."""

    def __init__(self) -> None:
        self.turn, self.length = asyncio.Lock(), 0


class Lending:
    """Answers `Ask`.  `boot` names this run of the machine, `shared` is the ledger where the store does not keep it,
    and `catch_up` posts there what was decided here."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        boot: str | None = None,
        *,
        shared: Ledger | None = None,
        catch_up: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._store, self._clock = store, clock
        self._slices = Slices(store, clock, shared, catch_up)
        self._boot = boot_id() if boot is None else boot
        self._lines: dict[str, _Line] = {}
        self._last: dict[tuple[str, str], tuple[int, int]] = {}
        self._minute = 0
        self._windows: dict[str, dict[str, int]] = {}

    async def join(self, hello: Hello) -> bool:
        """A gate is there (again); False where it was taken for dead and closed.

        What was lent to it on a connection that broke and never arrived goes back.
        """
        name, now = hello.incarnation, self._clock()
        await asyncio.wrap_future(self._store.write(lambda db: records.begin(db, name, self._boot, now)))
        mark = self._store.read(lambda db: records.watermark(db, name))
        if mark is None or mark.closed:
            return False
        received = await self._slices.begin(name, self._boot)
        for purse, lent in received.items():
            arrived = hello.lent.get(purse, 0)
            if lent > arrived and not self._is_over(purse):
                await self.give_back(name, GiveBack(purse, lent - arrived))
        for purse, arrived in hello.lent.items():
            if not purse.startswith(LEDGER):
                self._window(purse)[name] = arrived
        return True

    async def answer(self, incarnation: str, ask: Ask, gates: Gates) -> Grant:
        """Raises StoreFailed."""
        line = self._lines.setdefault(ask.purse, _Line())
        line.length += 1
        try:
            async with line.turn:
                give = self._slice if ask.purse.startswith(LEDGER) else self._limit
                return await give(incarnation, ask, gates)
        finally:
            line.length -= 1
            if line.length == 0:
                del self._lines[ask.purse]

    async def give_back(self, incarnation: str, back: GiveBack) -> None:
        """Raises StoreFailed."""
        if back.amount <= 0:
            return
        if not back.purse.startswith(LEDGER):
            if back.until == self._until():
                window = self._window(back.purse)
                window[incarnation] = max(0, window.get(incarnation, 0) - back.amount)
            return
        await self._slices.give_back(incarnation, back.purse, back.amount)

    async def _slice(self, incarnation: str, ask: Ask, gates: Gates) -> Grant:
        amount, until = await self._slices.lend(incarnation, ask, gates, self._recent(incarnation, ask))
        crash.point("while-leasing")
        self._remember(incarnation, ask, amount)
        return Grant(ask.n, ask.purse, amount, until)

    async def _limit(self, incarnation: str, ask: Ask, gates: Gates) -> Grant:
        if self._left(ask) < ask.want:
            others = [name for name, lent in self._window(ask.purse).items() if lent and name != incarnation]
            if others:
                await gates.recall(ask.purse, others)
        left = self._left(ask)
        amount = min(max(ask.want, left // (MINUTE_PARTS * max(gates.count, 1))), left)
        window, until = self._window(ask.purse), self._until()
        window[incarnation] = window.get(incarnation, 0) + amount
        wait = (until - self._clock()) / SECOND if amount < ask.want else 0.0
        return Grant(ask.n, ask.purse, amount, until, wait)

    def _is_over(self, purse: str) -> bool:
        """Of a window that has ended gates forget what they had, and some of it may still be in their journals."""
        now = self._clock()
        return purse.startswith(BUDGET) and not self._store.read(lambda db: budgets.is_open(db, purse, now))

    def _left(self, ask: Ask) -> int:
        return max(0, ask.limit - sum(self._window(ask.purse).values()))

    def _until(self) -> int:
        return (self._clock() // MINUTE + 1) * MINUTE

    def _window(self, purse: str) -> dict[str, int]:
        """Incarnation → what it was lent of a limit in this minute."""
        if (minute := self._clock() // MINUTE) != self._minute:
            self._minute = minute
            self._windows.clear()
        return self._windows.setdefault(purse, {})

    def _recent(self, incarnation: str, ask: Ask) -> int:
        at, amount = self._last.get((incarnation, ask.purse), (0, 0))
        return amount * 2 if self._clock() - at < QUICK else amount // 2

    def _remember(self, incarnation: str, ask: Ask, amount: int) -> None:
        if len(self._last) >= REMEMBERED:
            self._last.clear()
        self._last[incarnation, ask.purse] = (self._clock(), amount)
