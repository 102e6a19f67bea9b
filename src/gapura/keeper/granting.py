"""What becomes of claims and grants by time alone, or after a kill: jobs of the keeper."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog

from gapura.clock import SECOND, Clock
from gapura.keeper.jobs import Jobs
from gapura.programme import pipeline
from gapura.store import accounts, audit, grants, jobs, ledger
from gapura.store.audit import Change
from gapura.store.base import Connection, StoreFailed
from gapura.store.grants import Alert, Held
from gapura.store.jobs import Job
from gapura.store.ledger import Books, Ledger, chain
from gapura.store.rulebooks import By
from gapura.store.sqlite import Store
from gapura.terms.caller import Account, Key

Publish = Callable[[Mapping[str, Key], Mapping[str, Account]], None]

log = structlog.get_logger()

WATCH = "grant.watch"
WATCH_S = 30.0


class Granting:
    """Its handlers are in `jobs` as soon as it is there; `begin` lets them start.  `recall`: gates give back what they
    do not hold of a purse.  `shared`: the ledger where the store does not keep it."""

    def __init__(
        self,
        store: Store,
        runner: Jobs,
        publish: Publish,
        recall: Callable[[str], None],
        clock: Clock,
        shared: Ledger | None = None,
    ) -> None:
        self._store, self._publish, self._recall, self._clock = store, publish, recall, clock
        self._shared = shared
        runner.register(pipeline.JOB, self.make)
        runner.register(WATCH, self.watch)

    def begin(self) -> None:
        at = self._clock()
        self._store.write(lambda db: jobs.ring(db, WATCH, "all", at)).result()

    async def make(self, _: Job) -> None:
        """Grants of claims that were approved, where whoever approved them did not come so far."""
        while True:
            at = self._clock()

            def work(db: Connection, at: int = at) -> list[str]:
                changed = pipeline.make(db, By("system", "made after an interruption", at))
                if changed:
                    why = f"{len(changed)} claims"
                    by = Change(actor="system", action="grant.make", subject="claims", reason=why)
                    audit.append(db, self._store.secret, at, by)
                return changed

            if not (changed := await asyncio.wrap_future(self._store.write(work))):
                return
            self._tell(changed)

    async def watch(self, _: Job) -> int:
        """Grants whose time is over, nearly over, or that are used up; when to look again."""
        if self._shared is not None:
            try:
                await self._look(self._shared)
            except StoreFailed as error:  # what time brings goes on meanwhile
                log.warning("what was spent on the shared ledger is not told yet", error=error.message)
        while True:
            at = self._clock()
            seen = await asyncio.wrap_future(self._store.write(lambda db, at=at: pipeline.watch(db, at)))  # type: ignore[misc]  # of the loop's turn
            self._tell(seen.accounts)
            for purse in seen.purses:  # what gates were lent of it, and do not hold, goes back to its wallet
                self._recall(purse)
            if not seen.more:
                return int(at + WATCH_S * SECOND)

    async def _look(self, shared: Ledger) -> None:
        """What was spent there, through whatever gateway; and what of all that was claimed this one is to tell."""
        at, after = self._clock(), self._store.read(lambda db: ledger.mark(db, "alerts"))
        while True:

            def fresh(db: Books, after: int = after) -> tuple[int, list[tuple[str, str]]]:
                return grants.used_up(db, after, chain.head(db).transfers)  # behind it numbers may still appear below

            newest, used = await asyncio.to_thread(shared.read, fresh)
            if not newest:
                break
            await asyncio.wrap_future(self._store.write(partial(grants.note, newest=newest, used=used, at=at)))
            after = newest

        def tellers(db: Books) -> list[tuple[Alert, Held, str]]:
            found = ((one, grants.claimed_by(db, one)) for one in waiting)
            return [(one, grants.get(db, one.grant), by) for one, by in found if by]

        if waiting := self._store.read(grants.untold):
            for told in await asyncio.to_thread(shared.read, tellers):
                await asyncio.wrap_future(self._store.write(partial(_hand_on, told=told, at=at)))

    def _tell(self, names: Sequence[str]) -> None:
        if names:
            self._publish({}, self._store.read(lambda db: {name: accounts.get(db, None, name) for name in names}))


def _hand_on(db: Connection, told: tuple[Alert, Held, str], at: int) -> None:
    alert, held, teller = told
    pipeline.hand_on(db, alert, held, teller, at)
