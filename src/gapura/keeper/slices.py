"""Slices of what is in the ledger, wherever that is kept: lent so that two who ask never get the same, told once, and
taken back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol

from gapura.clock import Clock
from gapura.store import budgets, ledger, records
from gapura.store.base import Connection
from gapura.store.ledger import Ledger
from gapura.store.sqlite import Store
from gapura.terms import ids
from gapura.terms.holds import BUDGET
from gapura.terms.link import Ask

# Of what is left a gate gets at most this part, by the number of gates: a budget cannot be called back at once.
PARTS = 2


class Gates(Protocol):
    """The gates that are there."""

    @property
    def count(self) -> int: ...
    async def recall(self, purse: str, incarnations: Collection[str]) -> None:
        """Returns when these have given back what they do not hold, or did not answer in time."""


class Slices:
    """`shared` is the ledger where the store does not keep it, and `catch_up` posts there what was decided here."""

    def __init__(
        self, store: Store, clock: Clock, shared: Ledger | None, catch_up: Callable[[], Awaitable[None]] | None
    ) -> None:
        self._store, self._clock, self._catch_up = store, clock, catch_up
        self._ledger: Ledger = shared or store
        self._elsewhere = shared is not None
        self._untold: dict[tuple[str, str], list[str]] = {}

    async def begin(self, incarnation: str, boot: str) -> dict[str, int]:
        """Makes a gate known to the ledger, too; what it was lent of each purse.  Raises StoreFailed."""
        at = self._clock()

        def work(db: Any) -> dict[str, int]:
            if self._elsewhere:
                records.begin(db, incarnation, boot, at)
            return ledger.lent(db, incarnation)

        for who in [who for who in self._untold if who[0] == incarnation]:
            del self._untold[who]  # what of it has not arrived goes back
        return await asyncio.wrap_future(self._ledger.write(work))

    async def give_back(self, incarnation: str, purse: str, amount: int) -> None:
        """Raises StoreFailed."""
        at = self._clock()
        ref = ids.new("back", at)
        await asyncio.wrap_future(
            self._ledger.write(lambda db: ledger.give_back(db, incarnation, purse, amount, ref=ref, at=at))
        )

    async def lend(self, incarnation: str, ask: Ask, gates: Gates, recent: int) -> tuple[int, int]:
        """How much, at best `recent` where that is more than is wanted; and until when it is good (0: no end).

        Less than is wanted is all there is, also with other gates.  Raises StoreFailed; what was lent by then is told
        with the next answer.
        """
        refs = self._untold.setdefault((incarnation, ask.purse), [])
        late = await self._posted(refs) if refs else 0
        parts = PARTS * max(gates.count, 1)

        async def some(want: int, most: int, again: str) -> tuple[int, int]:
            ref = f"lend:{incarnation}:{ask.n}{again}"
            refs.append(ref)
            return await self._some(incarnation, ask.purse, lambda left: max(want, min(left // parts, most)), ref)

        more, until = await some(ask.want - late, 0 if late else recent, "")
        amount = late + more
        if amount < ask.want and self._elsewhere and self._catch_up is not None:
            # Also where there was nothing to post: somebody else may have posted it since the first look.
            await self._catch_up()
            amount += (await some(ask.want - amount, 0, ":caught-up"))[0]
        if amount < ask.want:
            holders = await asyncio.wrap_future(self._ledger.write(lambda db: ledger.holders(db, ask.purse)))
            if others := [name for name in holders if name != incarnation]:
                await gates.recall(ask.purse, others)
                amount += (await some(ask.want - amount, 0, ":again"))[0]
        self._untold.pop((incarnation, ask.purse), None)
        return amount, until

    async def _some(self, incarnation: str, purse: str, size: Callable[[int], int], ref: str) -> tuple[int, int]:
        at = self._clock()

        def opened(db: Connection) -> int | None:
            return budgets.open_window(db, purse, at) if purse.startswith(BUDGET) else 0

        def lend(db: Any, until: int | None) -> tuple[int, int]:
            return (0, 0) if until is None else (ledger.lend(db, incarnation, purse, size, ref=ref, at=at), until)

        if not self._elsewhere:
            return await asyncio.wrap_future(self._store.write(lambda db: lend(db, opened(db))))
        until = await asyncio.wrap_future(self._store.write(opened)) if purse.startswith(BUDGET) else 0
        return await asyncio.wrap_future(self._ledger.write(lambda db: lend(db, until)))

    async def _posted(self, refs: list[str]) -> int:
        """What was lent and could not be told, since the ledger's server went away in the middle."""
        return await asyncio.wrap_future(
            self._ledger.write(lambda db: sum(ledger.amount_of(db, ref) or 0 for ref in refs))
        )
