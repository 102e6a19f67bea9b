"""What gates let the keeper remember for them: conversations of accounts that want it, which it cannot read."""

import asyncio

from gapura.clock import Clock
from gapura.store import responses
from gapura.store.sqlite import Store
from gapura.terms.link import Found, Remember


class Remembering:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def answer(self, asked: Remember) -> Found:
        """Kept when this returns.  Raises StoreFailed."""
        account, name, at = asked.account, asked.name, self._clock()
        match asked.what:
            case "find":
                return Found(asked.n, self._store.read(lambda db: responses.find(db, account, name)))
            case "drop":
                work = self._store.write(lambda db: responses.drop(db, account, name))
                return Found(asked.n, await asyncio.wrap_future(work))
            case "keep":
                kept = self._store.write(lambda db: responses.keep(db, account, name, asked.sealed, at))
                await asyncio.wrap_future(kept)
                return Found(asked.n)
