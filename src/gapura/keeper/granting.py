"""What becomes of claims and grants by time alone, or after a kill: jobs of the keeper."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from gapura.clock import SECOND, Clock
from gapura.keeper.jobs import Jobs
from gapura.programme import pipeline
from gapura.store import accounts, audit, jobs
from gapura.store.audit import Change
from gapura.store.base import Connection
from gapura.store.jobs import Job
from gapura.store.rulebooks import By
from gapura.store.sqlite import Store
from gapura.terms.caller import Account, Key

Publish = Callable[[Mapping[str, Key], Mapping[str, Account]], None]

WATCH = "grant.watch"
WATCH_S = 30.0


class Granting:
    """Its handlers are in `jobs` as soon as it is there; `begin` lets them start.  `recall`: gates give back what they
    do not hold of a purse."""

    def __init__(
        self, store: Store, runner: Jobs, publish: Publish, recall: Callable[[str], None], clock: Clock
    ) -> None:
        self._store, self._publish, self._recall, self._clock = store, publish, recall, clock
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
        while True:
            at = self._clock()
            seen = await asyncio.wrap_future(self._store.write(lambda db, at=at: pipeline.watch(db, at)))  # type: ignore[misc]  # of the loop's turn
            self._tell(seen.accounts)
            for purse in seen.purses:  # what gates were lent of it, and do not hold, goes back to its wallet
                self._recall(purse)
            if not seen.more:
                return int(at + WATCH_S * SECOND)

    def _tell(self, names: Sequence[str]) -> None:
        if names:
            self._publish({}, self._store.read(lambda db: {name: accounts.get(db, None, name) for name in names}))
