"""Returned mail, once a minute: a job of the keeper that asks the process which mails for what has arrived."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from gapura.clock import SECOND, Clock
from gapura.errors import Unready
from gapura.keeper.jobs import Jobs
from gapura.store import jobs
from gapura.store.base import Connection
from gapura.store.jobs import Job
from gapura.store.sqlite import Store
from gapura.terms.letter import Arrived

RETURNS = "mail.returned"
PAUSE = 60 * SECOND
BATCH = 200


class Box(Protocol):
    """Where it arrives.  `arrived` is empty where no such place was named."""

    async def arrived(self, most: int) -> list[Arrived]: ...
    async def kept(self, keys: Sequence[str]) -> None: ...


class Ear(Protocol):
    """Whom it is told, in the store's transaction; and afterwards, that gates are told what follows."""

    def hear(self, db: Connection, arrived: Arrived, at: int) -> int: ...
    def publish(self) -> None: ...


class Returning:
    """Its job is there as soon as it is.  `problem`: why nothing is read, "" where all is well."""

    def __init__(self, store: Store, box: Box, ear: Ear, runner: Jobs, clock: Clock) -> None:
        self._store, self._box, self._ear, self._clock = store, box, ear, clock
        self.problem = ""
        runner.register(RETURNS, self.take)
        store.write(lambda db: jobs.ring(db, RETURNS, "", clock())).result()

    async def take(self, _: Job) -> int:
        """Everything that has arrived; when it is time again.  What is stored and was not moved is known next time."""
        try:
            while batch := await self._box.arrived(BATCH):
                await asyncio.wrap_future(self._store.write(lambda db, batch=batch: self._hear(db, batch)))  # type: ignore[misc]
                self._ear.publish()
                await self._box.kept([one.key for one in batch])
            self.problem = ""
        except Unready as error:
            self.problem = f"mail does not work: {error}"
        return self._clock() + PAUSE

    def problems(self) -> list[str]:
        return [self.problem] if self.problem else []

    def _hear(self, db: Connection, batch: Sequence[Arrived]) -> None:
        for one in batch:
            self._ear.hear(db, one, self._clock())
