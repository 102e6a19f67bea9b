"""What has to be proven later is gathered and sealed, once a minute: a job of the keeper."""

import asyncio

from gapura.clock import SECOND, Clock
from gapura.keeper.jobs import Jobs
from gapura.store import facts, jobs, samples
from gapura.store.base import Work
from gapura.store.jobs import Job
from gapura.store.sqlite import Store

GATHER = "facts.gather"
PAUSE = 60 * SECOND


class Proving:
    """Its job is there as soon as it is."""

    def __init__(self, store: Store, runner: Jobs, clock: Clock) -> None:
        self._store, self._clock = store, clock
        runner.register(GATHER, self.gather)
        store.write(lambda db: jobs.ring(db, GATHER, "", clock())).result()

    async def gather(self, _: Job) -> int:
        """Samples of what was decided; then all that is not sealed yet.  When it is time again."""
        while await self._do(samples.take_in):
            pass
        while await self._do(lambda db: facts.seal(db, self._store.secret, self._clock())):
            pass
        return self._clock() + PAUSE

    async def _do(self, work: Work[int]) -> int:
        return await asyncio.wrap_future(self._store.write(work))
