"""Runs jobs when they are due: handlers by name, each under a lease, again after a failure, and later each time.

A handler gets its job and returns when it shall run again (UTC microseconds), or None where it is done.  It runs at
least once: what it does must bear being done twice.  It is a coroutine on the keeper's loop, so what takes long it
gives to a worker process (`keeper/worker.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from gapura.clock import SECOND, Clock
from gapura.errors import GapuraError
from gapura.store import jobs
from gapura.store.base import Connection, StoreFailed, Work
from gapura.store.jobs import Job
from gapura.store.sqlite import Store

T = TypeVar("T")
Handler = Callable[[Job], Awaitable[int | None]]

log = structlog.get_logger()

PAUSE_S = 0.25
LEASE_S = 60.0
MOST = 8
"""So many at a time."""
PAUSES_S = (1, 5, 30, 120, 600, 3600)
ATTEMPTS = 12
KEPT_S = 30 * 86_400
"""So long it is remembered that a job was done."""


class GivenUp(GapuraError):
    """A handler says so where trying again will not help."""

    code = "job_given_up"


class Jobs:
    """`register` the handlers, then `run`, or `step` through it.  On one machine one keeper holds the home: what is
    leased when it begins was leased by one that is gone."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._handlers: dict[str, Handler] = {}
        self._for_ever: set[str] = set()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._begun = False
        self._woken = asyncio.Event()

    def register(self, name: str, handler: Handler, *, for_ever: bool = False) -> None:
        """Jobs of names that nobody has registered wait.  `for_ever`: it is never given up for failing too often."""
        self._handlers[name] = handler
        if for_ever:
            self._for_ever.add(name)

    def wake(self) -> None:
        """Something was put; it is looked at now."""
        self._woken.set()

    async def run(self) -> None:
        """Until it is cancelled; what runs then is cancelled too, and done again by the next keeper."""
        keeping = asyncio.ensure_future(self._keeping())
        try:
            while True:
                try:
                    await self.step()
                except (StoreFailed, OSError) as error:
                    log.warning("jobs wait", error=str(error))
                await self._pause()
        finally:
            for task in (keeping, *self._running.values()):
                task.cancel()
            await asyncio.gather(keeping, *self._running.values(), return_exceptions=True)

    async def step(self) -> int:
        """Begin what is due; how many that were.  They are at it until `settled`."""
        at = self._clock()
        if not self._begun:
            await self._write(lambda db: jobs.give_back(db, at + 2**60))
            self._begun = True
        if (free := MOST - len(self._running)) <= 0 or not self._handlers:
            return 0
        if not self._store.read(lambda db: jobs.is_due(db, at)):
            return 0
        names, until = list(self._handlers), at + int(LEASE_S * SECOND)
        taken = await self._write(lambda db: jobs.take(db, names, at, until, free))
        for job in taken:
            self._running[job.id] = task = asyncio.ensure_future(self._attempt(job))
            task.add_done_callback(lambda _, number=job.id: self._ended(number))  # type: ignore[misc]
        return len(taken)

    async def settled(self) -> None:
        """Until nothing is due, and nothing runs."""
        while await self.step() or self._running:
            await asyncio.gather(*self._running.values())

    def problems(self) -> list[str]:
        """What a person should look at."""
        failed = self._store.read(jobs.given_up)
        return [f"job {job.name} {job.key} was given up: {job.error}" for job in failed]

    async def forget(self) -> None:
        before = self._clock() - KEPT_S * SECOND
        await self._write(lambda db: jobs.forget(db, before))

    def _ended(self, number: int) -> None:
        self._running.pop(number, None)
        self._woken.set()

    async def _attempt(self, job: Job) -> None:
        try:
            again = await self._handlers[job.name](job)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job is tried again, and then given up
            await self._failed(job, error)
            return
        await self._end(lambda db: jobs.done(db, job, self._clock(), again or 0))

    async def _failed(self, job: Job, error: Exception) -> None:
        often = job.attempts >= ATTEMPTS and job.name not in self._for_ever
        over = often or isinstance(error, GivenUp)
        pause = PAUSES_S[min(job.attempts, len(PAUSES_S)) - 1]
        again = 0 if over else self._clock() + pause * SECOND
        told = f"{type(error).__name__}: {error}"
        log.warning("job failed", job=job.name, key=job.key, attempt=job.attempts, given_up=over, error=told)
        await self._end(lambda db: jobs.failed(db, job, self._clock(), told, again))

    async def _end(self, work: Work[bool]) -> None:
        """Where the store cannot take it, the lease runs out, and the job is done again."""
        try:
            await self._write(work)
        except (StoreFailed, OSError) as error:
            log.warning("a job's end is not written", error=str(error))

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(PAUSE_S):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    async def _keeping(self) -> None:
        """Leases of what runs are kept; those of others that ran out are given back."""
        while True:
            await asyncio.sleep(LEASE_S / 3)
            try:
                await self._write(self._renew)
            except (StoreFailed, OSError) as error:
                log.warning("leases of jobs are not renewed", error=str(error))

    def _renew(self, db: Connection) -> None:
        at = self._clock()
        for number in tuple(self._running):
            jobs.prolong(db, number, at + int(LEASE_S * SECOND))
        jobs.give_back(db, at)

    async def _write(self, work: Work[T]) -> T:
        return await asyncio.wrap_future(self._store.write(work))
