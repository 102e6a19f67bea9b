"""What becomes of exceptions and objections by time alone: jobs of the keeper."""

import asyncio
from collections.abc import Callable, Mapping

from gapura.clock import Clock, text
from gapura.keeper.jobs import Jobs
from gapura.store import accounts, appeals, audit, exceptions
from gapura.store.audit import Change
from gapura.store.base import Connection
from gapura.store.jobs import Job
from gapura.store.sqlite import Store
from gapura.terms.caller import Account, Key

Publish = Callable[[Mapping[str, Key], Mapping[str, Account]], None]


class Hearing:
    """Its handlers are in `jobs` as soon as it is there."""

    def __init__(self, store: Store, jobs: Jobs, publish: Publish, clock: Clock) -> None:
        self._store, self._publish, self._clock = store, publish, clock
        jobs.register(exceptions.EXPIRE, self.expire)
        jobs.register(appeals.OVERDUE, self.overdue)

    async def expire(self, _: Job) -> int | None:
        """Exceptions whose time has passed; when the next one's has."""
        at = self._clock()

        def work(db: Connection) -> dict[str, Account]:
            changed = {}
            for one in exceptions.expire(db, at):
                why = f"it ended {text(one.ends)}"
                by = Change(actor="system", action="exception.expire", subject=one.id, reason=why)
                audit.append(db, self._store.secret, at, by)
                changed[one.account] = accounts.get(db, None, one.account)
            return changed

        if changed := await asyncio.wrap_future(self._store.write(work)):
            self._publish({}, changed)
        return self._store.read(exceptions.next_end)

    async def overdue(self, job: Job) -> None:
        """An objection that should have been decided by now: whoever listens is told."""
        at = self._clock()

        def work(db: Connection) -> None:
            late = appeals.get(db, None, job.key)
            if late.state in appeals.OPEN:
                appeals.tell(db, late, "overdue", at)

        await asyncio.wrap_future(self._store.write(work))

    def problems(self) -> list[str]:
        """What a person should look at."""
        at = self._clock()
        late = self._store.read(lambda db: len(appeals.overdue(db, at)))
        due = self._store.read(lambda db: exceptions.count_due(db, at))
        return [
            *([f"objections past their due date: {late}; see `gapura appeal list --overdue`"] if late else []),
            *([f"exceptions to be reviewed: {due}; see `gapura exception list --due`"] if due else []),
        ]
