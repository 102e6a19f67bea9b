"""What callers ask of their own use: a gate has no database, so the keeper answers, over their socket.

Few at a time, each answer good for some seconds, so that a dashboard that asks in a loop costs the keeper next to
nothing.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from gapura.clock import SECOND, Clock
from gapura.errors import BadRequest, LimitReached, Unready
from gapura.terms.link import Told

Inquire = Callable[[str, str, str, float], Awaitable[Told]]

PATIENCE_S = 15.0
AT_ONCE = 4
GOOD_S = 5.0
KEPT = 256
LONGEST = 4096


class _Answer(NamedTuple):
    until: int
    body: bytes


class Inquiries:
    """`inquire` is `Link.inquire`."""

    def __init__(self, inquire: Inquire, clock: Clock) -> None:
        self._inquire, self._clock = inquire, clock
        self._kept: dict[tuple[str, str, str], _Answer] = {}
        self._under_way = 0

    async def answer(self, account: str, path: str, query: str) -> bytes:
        """Raises BadRequest naming the parameter, LimitReached, and Unready."""
        if len(query) > LONGEST:
            raise BadRequest(f"The query has more than {LONGEST} characters.")
        key, at = (account, path, query), self._clock()
        kept = self._kept.get(key)
        if kept is not None and at < kept.until:
            return kept.body
        if self._under_way >= AT_ONCE:
            raise LimitReached("Too many questions about use are under way. Try again in a moment.", retry_after=1)
        self._under_way += 1
        try:
            told = await self._inquire(account, path, query, PATIENCE_S)
        finally:
            self._under_way -= 1
        if told.error:
            raise Unready(told.error) if told.status >= 500 else BadRequest(told.error, param=told.param or None)  # noqa: PLR2004 - ours, not the caller's
        if len(self._kept) >= KEPT:
            self._kept.clear()
        self._kept[key] = _Answer(at + int(GOOD_S * SECOND), told.body)
        return told.body
