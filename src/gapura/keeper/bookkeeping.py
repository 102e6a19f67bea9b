"""What the ledger needs done now and then: what was posted is sealed into the chain, holds that nobody resolved are
timed out, and, where gateways share a ledger, what happened here is posted there.
"""

import asyncio

import structlog

from gapura.clock import Clock
from gapura.store import ledger
from gapura.store.base import StoreFailed
from gapura.store.ledger import Ledger, chain, pending
from gapura.store.ledger.shared import Shared
from gapura.store.sqlite import Store

PAUSE_S = 1.0
# Where what happened here is posted elsewhere: so long it may not be there.
POSTING_S = 0.2

# Calls in one transaction on the shared ledger.
MANY = 200

log = structlog.get_logger()


class Bookkeeping:
    """`run` it, or `step` through it.  `shared` is the ledger that gateways share, where there is a `url`; None: the
    store keeps it.  Raises StoreFailed where that would leave behind what is in the one or in the other."""

    def __init__(self, store: Store, clock: Clock, url: str = "") -> None:
        self._store, self._clock = store, clock
        self.shared = _shared(store, url)
        self._books: Ledger = self.shared or store
        self._problem = ""
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self.catch_up()
                await self.step()
                self._problem = ""
            except StoreFailed as error:
                if not self._problem:
                    log.warning("the ledger is not kept", error=error.message)
                self._problem = error.message
            await asyncio.sleep(PAUSE_S if self.shared is None else POSTING_S)

    async def finish(self) -> None:
        """At the end; what cannot be posted now is posted by the next keeper."""
        try:
            await self.catch_up()
            await self.step()
        except StoreFailed as error:
            log.warning("the ledger is not sealed", error=error.message)

    def close(self) -> None:
        if self.shared is not None:
            self.shared.close()

    async def step(self) -> None:
        """Seals, and times out.  Raises StoreFailed."""
        secret, now = self._store.secret, self._clock()
        behind, overdue = await asyncio.to_thread(self._books.read, lambda db: (_behind(db), ledger.overdue(db, now)))
        if behind:
            await asyncio.wrap_future(self._books.alone(lambda db: chain.seal(db, secret)))
        if overdue:
            await asyncio.wrap_future(self._books.write(lambda db: ledger.time_out(db, now)))

    async def catch_up(self) -> None:
        """Posts all that waits.  Raises StoreFailed."""
        while await self.post() == MANY:
            pass

    async def post(self) -> int:
        """Posts some of what waits; how many calls.  Raises StoreFailed."""
        if self.shared is None:
            return 0
        async with self._one_at_a_time:
            calls = self._store.read(lambda db: pending.first(db, MANY))
            if not calls:
                return 0
            refused = await asyncio.wrap_future(self.shared.write(lambda books: pending.replay(books, calls)))
            await asyncio.wrap_future(self._store.write(lambda db: pending.done(db, calls, refused)))
            for number, why in refused.items():
                log.error("the shared ledger refuses what happened here", number=number, error=why)
        return len(calls)

    def problems(self) -> list[str]:
        """What a person should look at."""
        found = [f"the ledger is not kept: {self._problem}"] if self._problem else []
        if self.shared is not None:
            waiting, refused = self._store.read(pending.state)
            if self._problem and waiting:
                found.append(f"{waiting} postings wait for the shared ledger")
            if refused:
                found.append(
                    f"{refused} postings were refused by the shared ledger; `gapura ledger pending` lists them"
                )
        return found


def _shared(store: Store, url: str) -> Shared | None:
    is_shared = store.read(pending.is_shared)
    if not url:
        if is_shared:
            raise StoreFailed("the ledger of this home is on a Postgres server: set GAPURA_LEDGER_URL")
        return None
    if not is_shared:
        if store.read(lambda db: db.execute("SELECT 1 FROM transfer LIMIT 1").fetchone()):
            raise StoreFailed("this home has a ledger of its own; GAPURA_LEDGER_URL is for a home that is new")
        store.write(pending.share).result()
    return Shared(url, store.secret)


def _behind(db: ledger.Books) -> bool:
    row = db.execute("SELECT coalesce(max(id), 0) FROM transfer").fetchone()
    return int(row[0]) > chain.head(db).transfers
